"""The facts about one user that the rules ask for, as the plan leaves them so far."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import assert_never

from keyrotation.decide import tags as tag
from keyrotation.decide.actions import (
    Action,
    Deactivate,
    Delete,
    DeleteOrphan,
    ForgetMarks,
    Hold,
    MarkInactive,
    Promote,
    Replace,
)
from keyrotation.decide.tags import Held, HoldReason, Tags
from keyrotation.model import INACTIVE, Key, Occasion, User
from keyrotation.policy import Policy, PolicyError


@dataclass(frozen=True, kw_only=True)
class State:
    """`keys` from the oldest to the newest; `policy` is the user's own: tightened by its tag where that holds."""

    user: User
    tags: Tags
    policy: Policy
    policy_problem: str | None
    occasion: Occasion
    keys: tuple[Key, ...]
    inactive_since: Mapping[str, date]
    held_until: Mapping[str, Held]

    @classmethod
    def of(cls, user: User, policy: Policy, occasion: Occasion) -> "State":
        tags = tag.parse(user.tags, today=occasion.today)
        problem = None
        if tags.max_age_days is not None and tags.max_age_days < policy.max_key_age_days:
            try:
                policy = policy.tightened(tags.max_age_days)
            except PolicyError as refused:
                told = str(refused).replace("\n", "; ")
                problem = f"the tag {tag.MAX_AGE_DAYS} is `{tags.max_age_days}`, but {told}"
        return cls(
            user=user,
            tags=tags,
            policy=policy,
            policy_problem=problem,
            occasion=occasion,
            keys=tuple(sorted(user.keys, key=lambda key: key.seniority)),
            inactive_since=tags.inactive_since,
            held_until=tags.held_until,
        )

    def after(self, action: Action) -> "State":
        """The state once this action is done; after a new key in the secret the user is observed anew."""
        match action:
            case ForgetMarks(tag_keys=tag_keys):
                return self._without_marks(tag_keys)
            case MarkInactive(key_id=key_id, on=on):
                return replace(self, inactive_since={**self.inactive_since, key_id: on})
            case Hold(key_id=key_id, until=until, reason=reason, instead_of=marks):
                held = Held(until=until, reason=reason)
                return replace(self._without_marks(marks), held_until={**self.held_until, key_id: held})
            case Deactivate(key_id=key_id, on=on):
                keys = tuple(replace(key, status=INACTIVE) if key.id == key_id else key for key in self.keys)
                return replace(self, keys=keys, inactive_since={**self.inactive_since, key_id: on})
            case Delete(key_id=key_id, tag_keys=tag_keys):
                return replace(self._without_marks(tag_keys), keys=self._keys_but(key_id))
            case DeleteOrphan(key_id=key_id):
                return replace(self, keys=self._keys_but(key_id))
            case Promote() | Replace():
                return self
            case _:
                assert_never(action)

    def _keys_but(self, key_id: str) -> tuple[Key, ...]:
        return tuple(key for key in self.keys if key.id != key_id)

    def _without_marks(self, tag_keys: tuple[str, ...]) -> "State":
        gone = set(tag_keys)
        return replace(
            self,
            inactive_since={
                k: v for k, v in self.inactive_since.items() if tag.INACTIVE_SINCE + k not in gone
            },
            held_until={k: v for k, v in self.held_until.items() if tag.HELD_UNTIL + k not in gone},
        )

    @property
    def today(self) -> date:
        return self.occasion.today

    def key(self, key_id: str) -> Key | None:
        return next((key for key in self.keys if key.id == key_id), None)

    def age(self, key: Key) -> int:
        return (self.today - key.created_on).days

    def within(self, days: int, day: date | None) -> bool:
        """True when `day` lies `days` days back or fewer; a day ahead (clocks differ) counts as today."""
        return day is not None and (self.today - day).days <= days

    @property
    def newest(self) -> Key | None:
        """The newest active key."""
        return next((key for key in reversed(self.keys) if key.active), None)

    @property
    def pair(self) -> tuple[Key, Key] | None:
        """Elder and successor, when both keys are active."""
        match [key for key in self.keys if key.active]:
            case [elder, successor]:
                return elder, successor
        return None

    @property
    def stored(self) -> bool:
        """The successor is in the secret, where the owner can fetch it; otherwise the pair was made by hand."""
        return self.pair is not None and self.in_secret(self.pair[1])

    def in_secret(self, key: Key) -> bool:
        secret = self.user.the_secret
        return secret is not None and secret.holds(key.id)

    @property
    def overlapped_on(self) -> date | None:
        """The elder's off date at the earliest, whatever the secret holds; None without an elder."""
        return self.pair[1].created_on + timedelta(days=self.policy.overlap_days) if self.pair else None

    @property
    def off_on(self) -> date | None:
        """The off date of the elder: the day from which on it may be switched off; None without an elder."""
        overlapped = self.overlapped_on
        if self.pair is None or overlapped is None or self.stored:
            return overlapped
        # Nobody was told of an overlap, so there is no hurry before the threshold asks for it.
        return max(overlapped, self.pair[0].created_on + timedelta(days=self.policy.last_safe_age))

    def is_elder(self, key: Key) -> bool:
        return self.pair is not None and self.pair[0] is key

    def in_use(self, elder: Key) -> bool:
        # What the elder's own last use decides asks for no fact about the successor.
        if elder.used_on is None or not self.within(self.policy.quiet_days_before_first_use, elder.used_on):
            return False
        return self.within(self.policy.quiet_days, elder.used_on) or self.today < self.quiet_on(elder)

    def quiet_on(self, elder: Key) -> date:
        """The day from which on an elder is quiet, if nobody uses it until then.

        Until someone has used the stored successor, a monthly job may not have installed it yet.
        """
        if elder.used_on is None:
            return elder.created_on
        moved_on = self.stored and self.pair is not None and self.pair[1].used_on is not None
        days = self.policy.quiet_days if moved_on else self.policy.quiet_days_before_first_use
        return elder.used_on + timedelta(days=days + 1)

    def reactivated(self, key: Key) -> date | None:
        """The day, still ahead, until which a key that a person switched back on is left alone."""
        if key.active and key.id in self.inactive_since:
            # Seen for the first time: rule 6 is about to write this hold, and no rule before it may overlook it.
            return self.today + timedelta(days=self.longest_hold(HoldReason.REACTIVATED))
        held = self.held_until.get(key.id)
        ahead = held is not None and held.reason is HoldReason.REACTIVATED and held.until > self.today
        return held.until if held is not None and ahead else None

    def longest_hold(self, reason: HoldReason) -> int:
        """Days: the furthest ahead that a hold for this reason can have been written."""
        match reason:
            case HoldReason.IN_USE:
                return self.policy.in_use_extension_days
            case HoldReason.BY_HAND:
                return self.policy.warn_days
            case HoldReason.REACTIVATED:
                return max(self.policy.in_use_extension_days, self.policy.quiet_days)
            case _:
                assert_never(reason)

    def hold_of_this_off_date(self, elder: Key, reason: HoldReason) -> date | None:
        """The end of the elder's hold, if it was first reported for the off date that the elder has now.

        A hold is written for `longest_hold` days when it is first reported: for a key in use not before its
        off date; for a pair by hand not before `WarnDays` ahead of it, nor before the elder became quiet. An
        earlier end is a left-over, of a successor that somebody deleted or of an earlier quiet time: it
        announced nothing about this off date.
        """
        held = self.held_until.get(elder.id)
        if held is None or held.reason is not reason or self.off_on is None:
            return None
        first_report = self.off_on
        if reason is HoldReason.BY_HAND:
            first_report -= timedelta(days=self.policy.warn_days)
            if elder.used_on is not None:
                first_report = max(first_report, self.quiet_on(elder))
        earliest = first_report + timedelta(days=self.longest_hold(reason))
        return held.until if held.until >= earliest else None

    @property
    def due(self) -> bool:
        """The newest active key has reached the age at which its replacement is issued."""
        return self.newest is not None and self.age(self.newest) >= self.policy.issue_age

    @property
    def replaceable(self) -> bool:
        """Someone has use for a new key: the newest was used once, or `UnusedDays` 0 replaces all alike."""
        return self.newest is not None and (self.newest.used_on is not None or self.policy.unused_days == 0)

    @property
    def replacement_wanted(self) -> str | None:
        """Why a new key should be made now, fit to print; None when none should."""
        if self.tags.replace_asked:
            return "a replacement was asked for by tag"
        if self.newest is not None and self.due and self.replaceable:
            age = f"{self.newest.id} is {self.age(self.newest)} days old"
            return f"{age}; a replacement is due from day {self.policy.issue_age} on"
        return None

    @property
    def slot_free(self) -> bool:
        """IAM allows two access keys per user, active or not."""
        return len(self.keys) < 2
