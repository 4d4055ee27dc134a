"""Notice first: no key is switched off or deleted but on or after a day of which people were told (docs/design.md section 4).

The one way to a switch-off or a deletion, whatever its reason is:

    no notice                       give one
    its day has not come            wait
    the rule's own day is later     give it anew, for that day
    told within the last days       keep it: act
    not told lately                 give it anew, `WarnDays` ahead
"""

from dataclasses import dataclass
from datetime import date, timedelta

from keyrotation.decide.actions import GiveNotice, Item, Kind, Level
from keyrotation.decide.state import State
from keyrotation.memory import Notice, What, Why
from keyrotation.model import Key
from keyrotation.policy import Policy

# From so many days before its day on, every message names a notice, until it is kept.
LAST_DAYS = 3
# And each at least so often.
_WEEK = 7


@dataclass(frozen=True, kw_only=True)
class Ripe:
    """The notice may be kept today."""

    notice: Notice


def told_lately(notice: Notice, policy: Policy, today: date) -> bool:
    """Told within the last `WarnDays` + 1 days, so that one run may be missed."""
    return (today - notice.told).days <= policy.warn_days + 1


def runs_out(notice: Notice, policy: Policy, today: date) -> bool:
    """Unless it is told again soon, it cannot be kept on its day: a reason for a message of its own."""
    window = min(LAST_DAYS, policy.warn_days + 1)
    return today >= notice.day - timedelta(days=window) and not told_lately(
        notice, policy, max(notice.day, today)
    )


def to_be_told(notice: Notice, policy: Policy, today: date) -> bool:
    """A message that goes out today should name it, if it has room."""
    if notice.told >= today:
        return False
    horizon = max(LAST_DAYS, policy.warn_days)
    return (notice.day - today).days <= horizon or (today - notice.told).days >= _WEEK


def notice_of(state: State, *, what: What, why: Why, day: date) -> Notice:
    """Given today: for the rule's own day, and `WarnDays` ahead at least."""
    return Notice(what=what, why=why, day=max(day, state.ahead(state.policy.warn_days)), told=state.today)


def give(
    state: State, key: Key, *, what: What, why: Why, day: date, because: str
) -> GiveNotice | Item | None:
    """In the place of the notice that the key has. While nobody listens none can be given, and the old one stays."""
    if not state.occasion.heard:
        return _unheard(key) if day <= state.today else None
    notice = notice_of(state, what=what, why=why, day=day)
    return GiveNotice(key_id=key.id, notice=notice, because=because, instead_of=state.notice(key))


def next_step(
    state: State, key: Key, *, what: What, why: Why, day: date, because: str
) -> Ripe | GiveNotice | Item | None:
    """The table above. `day`: the rule's own day, as things are today; None: nothing to do today."""
    notice = state.notice(key)
    if notice is None or notice.why is not why:
        return give(state, key, what=what, why=why, day=day, because=because)
    if state.today < notice.day:
        return None
    if day > state.today:
        return give(state, key, what=what, why=why, day=day, because=because)
    if not told_lately(notice, state.policy, state.today):
        return give(state, key, what=what, why=why, day=state.today, because=because)
    return Ripe(notice=notice) if state.occasion.heard else _unheard(key)


def _unheard(key: Key) -> Item:
    return Item(
        level=Level.ATTENTION,
        kind=Kind.UNHEARD,
        text="it stays as it is: as long as no subscription is confirmed, as far as this run could see, no key is switched off "
        "or deleted",
        key_id=key.id,
    )
