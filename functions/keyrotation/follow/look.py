"""One look for a new key: what is asked, with which key, and what the store holds afterwards.

The rotation sees the last use of each key and nothing else, so which key signs what is the heart of it:

- After the change nothing is signed with the old key. Asking whether it still works would be a use, and the rotation
  would hold it for its owner.
- Where a command hands the key over, nothing is signed with the new key before that command took it, not even a proof.
  A successor that is used tells the rotation that its owner has it, and the old key goes off sooner.
- The key before is asked only when AWS says that the key is dead: somebody may have undone the change.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

from keyrotation.follow.aws import Failed, Offer, Refused
from keyrotation.follow.store import HOUR, AccessKey, State
from keyrotation.follow.told import Told

# How long the key before is kept: 3 days, the least overlap that the rotation takes.
KEPT = 3 * 24 * HOUR
# Seconds until a look that failed, or did not end, is made again.
AGAIN = 600
# AWS's words for a key that is off or gone. A bad signature is none of them: the clock may be wrong.
DEAD = frozenset({"InvalidClientTokenId", "UnrecognizedClientException", "InvalidAccessKeyId"})
# What a user meets for whom no key was issued yet: there is no secret, or nobody may read it who asks by its name.
NOT_YET = frozenset({"ResourceNotFoundException", "AccessDeniedException"})

# Brings a key to where it is used. None: it is there; otherwise why not, fit to print.
HandOver = Callable[[AccessKey], "str | None"]
Keep = Callable[[State], None]


class Asks(Protocol):
    """aws.Aws, as far as a look needs it."""

    def current(self, key: AccessKey, secret: str) -> Offer: ...
    def owner(self, key: AccessKey) -> str: ...


@dataclass(frozen=True)
class Look:
    """`state` is what to keep, and says in `told` how it ended. `fine`: the consumer has the key that it should have."""

    state: State
    fine: bool


def look(state: State, now: float, *, aws: Asks, hand_over: HandOver | None, keep: Keep) -> Look:
    """What AWS refuses or does not answer ends in the Look. Raises what `keep` raises."""
    # Forgotten by the calendar, whatever comes of this look: a key that nobody needs any more should lie nowhere.
    previous = state.previous if now - state.changed <= KEPT else None
    # From the first time on at which a command hands the key over, nothing else may change it.
    handed = state.handed if hand_over is None else state.handed or ""
    begun = replace(state, previous=previous, handed=handed)
    looking = _Looking(begun, now, aws=aws, hand_over=hand_over, keep=keep)
    try:
        told, fine = looking.told(), True
    except _Stopped as stopped:
        told, fine = str(stopped), False
    wait = state.every if fine else min(AGAIN, state.every)
    return Look(replace(looking.state, looked=now, next_look=now + wait, told=told), fine)


class _Stopped(Told):
    """The look ends here; the message says why."""


class _NotYet(Told):
    """The rotation has issued no key for this user so far."""


class _Looking:
    """`state` grows step by step, so that what was reached is kept also when a later step fails."""

    def __init__(
        self, state: State, now: float, *, aws: Asks, hand_over: HandOver | None, keep: Keep
    ) -> None:
        self.state = state
        self._now = now
        self._aws = aws
        self._take = hand_over
        self._keep_on_disk = keep

    def told(self) -> str:
        """How it ended. Raises _Stopped."""
        offered = self.state.offered
        if self._take and offered is not None and offered.id == self.state.handed:
            # The command took it, and then something failed: the consumer signs with it already.
            return self._change_to(offered)
        try:
            found = self._find()
            told = f"{found.id} is the current key"
        except _NotYet as not_yet:
            found, told = self.state.key, str(not_yet)
        handed_over = self._hand_over(found)
        if found != self.state.key:
            return self._change_to(found)
        self.state = replace(self.state, offered=None)
        return f"{found.id} was handed over; {told}" if handed_over else told

    def _find(self) -> AccessKey:
        """The key that the consumer should have. Raises _NotYet."""
        dead = ""
        for holder in filter(None, (self.state.key, self.state.previous)):
            try:
                offer = self._aws.current(holder, self.state.secret)
            except Refused as refused:
                if refused.code in DEAD:
                    dead = refused.code
                    continue
                if refused.code in NOT_YET and not self.state.changed:
                    raise _NotYet(
                        f"no key was issued yet, or this user may not read it ({refused.code})"
                    ) from None
                raise _Stopped(f"the secret could not be read ({refused.code})") from None
            except Failed as failed:
                raise _Stopped(f"the secret could not be read ({failed})") from None
            return self._judged(offer, holder)
        if self._take and self.state.offered:
            return self.state.offered
        raise _Stopped(
            f"every key here is refused ({dead}): have the current one handed over by other means, and adopt it"
        )

    def _judged(self, offer: Offer, holder: AccessKey) -> AccessKey:
        if offer.user_name != self.state.user_name:
            raise _Stopped("the secret holds the key of another user")
        if offer.key == self.state.key and holder != self.state.key:
            # AWSCURRENT names a key that is dead, and the one before it works.
            return holder
        if offer.key is None:
            raise _NotYet("no key was issued yet")
        return offer.key

    def _hand_over(self, key: AccessKey) -> bool:
        """To the command, where there is one and it has not taken this key yet: True. Raises _Stopped."""
        if self._take is None or key.id == self.state.handed:
            return False
        if key != self.state.key:
            # Before the command runs: the old key may be dead by the time at which it succeeds.
            self._keep(replace(self.state, offered=key))
        why = self._take(key)
        if why is not None:
            raise _Stopped(f"the command did not take {key.id} ({why}): {self.state.key.id} stays")
        self._keep(replace(self.state, handed=key.id))
        return True

    def _change_to(self, new: AccessKey) -> str:
        try:
            arn = self._aws.owner(new)
        except Refused as refused:
            self.state = replace(self.state, offered=None)  # the next look asks again what is current
            raise _Stopped(
                f"the new key {new.id} is refused ({refused.code}): {self.state.key.id} stays"
            ) from None
        except Failed as failed:
            raise _Stopped(
                f"the new key {new.id} could not be proved ({failed}): {self.state.key.id} stays"
            ) from None
        if arn != self.state.arn:
            self.state = replace(self.state, offered=None)
            raise _Stopped(f"the new key {new.id} belongs to {arn}: {self.state.key.id} stays")
        before = self.state.key
        self.state = replace(self.state, key=new, previous=before, changed=self._now, offered=None)
        return f"changed from {before.id} to {new.id}"

    def _keep(self, state: State) -> None:
        self._keep_on_disk(state)
        self.state = state
