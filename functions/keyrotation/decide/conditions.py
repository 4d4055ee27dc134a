"""What the rules ask of a state: whether a condition holds, and from which day on it would if nobody does anything."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from keyrotation.decide.actions import Deactivate
from keyrotation.decide.state import State
from keyrotation.memory import OffReason, What, Why
from keyrotation.model import Key, LastUse

# A deletion for the sake of a slot is noticed WarnDays before its day; this many days earlier it is looked for, so that one
# missed run, and a midnight in between, cost nothing.
_EARLY = 2


def not_listed_yet(state: State) -> list[str]:
    """Keys of today: IAM's listing may be behind for a while. Whoever deleted one and asks for another by tag knows better."""
    if state.tags.replace_asked:
        return []
    listed = {key.id for key in state.keys}
    return sorted(
        key_id
        for key_id, known in state.memory.keys.items()
        if key_id not in listed and known.issued_on == state.today and known.off_since is None
    )


def overlap_ends(state: State) -> date | None:
    """The day on which an elder with an issued successor may go off (rule 9); None: there is no such pair."""
    if state.pair is None:
        return None
    issued_on = state.remembered(state.pair[1]).issued_on
    return issued_on + timedelta(days=state.policy.overlap_days) if issued_on is not None else None


def by_hand_day(state: State, elder: Key) -> date:
    """The day of rule 9b: shortly before the elder's threshold, and not before an overlap is over."""
    threshold = elder.created_on + timedelta(days=state.policy.last_safe_age)
    made_on = state.pair[1].created_on if state.pair else state.today
    return max(threshold, made_on + timedelta(days=state.policy.overlap_days))


def used_since_successor(state: State, elder: Key) -> bool:
    """Used on a day after the successor was made: its owner has had the chance to change over."""
    return state.pair is not None and elder.used_on is not None and elder.used_on > state.pair[1].created_on


def successor_took_over(state: State, elder: Key) -> bool:
    """The elder is quiet, and the successor was used on a later day than the elder."""
    if state.pair is None or state.in_use(elder):
        return False
    used_on = state.pair[1].used_on
    return used_on is not None and (elder.used_on is None or used_on > elder.used_on)


def due_on(state: State) -> date | None:
    """The day on which the newest key comes due; today, if a person asked; None: there is no active key."""
    if state.tags.replace_asked:
        return state.today
    return state.newest.created_on + timedelta(days=state.policy.issue_age) if state.newest else None


def may_be_needed_back(state: State, key: Key) -> bool:
    """The key before the newest, off for a short while, while nobody has used the newest since.

    Its owner may be a monthly job, and switch it on again. "Since" is a later day, not the same one: a use on the day it
    went off may have been before that.
    """
    off_since = state.off_since(key)
    newest = state.keys[-1]
    if newest is key or (state.today - off_since).days >= state.policy.quiet_days_before_first_use:
        return False
    return newest.used_on is None or newest.used_on <= off_since


def protected_until(state: State, key: Key) -> date:
    """The day from which on an inactive key may be deleted, as far as those who may need one back are concerned.

    Also as long as an older key may be needed back, since this one is what protects it.
    """
    wait = timedelta(days=state.policy.quiet_days_before_first_use)
    days = [
        state.off_since(other) + wait
        for other in state.keys
        if not other.active and other.seniority <= key.seniority and may_be_needed_back(state, other)
    ]
    return max(days, default=state.off_since(key))


def slot_needed_on(state: State, key: Key) -> date | None:
    """The day on which rule 12 will want the slot of this inactive key, and may have it; None: it will not want it.

    The newest key's last use is asked for only when the day comes near, when it is known anyway, or before a mail names a
    later day for the first time.
    """
    wanted_on, oldest = due_on(state), next(each for each in state.keys if not each.active)
    if state.slot_free or key is not oldest or wanted_on is None:
        return None
    day = max(wanted_on, state.off_since(key) + timedelta(days=state.policy.quiet_days))
    newest = state.newest
    if not state.tags.replace_asked:
        if state.memory.vanished or newest is None:
            return None
        far = day > state.ahead(state.policy.warn_days + _EARLY)
        if far and not newest.asked and not _first_named(state, key, before=day):
            return None
        # Whoever has use for it today is taken to go on: what was not told in time would make the replacement late.
        if not state.worth_replacing(newest, on=state.today):
            return None
    return None if state.user.exposed is not None else day


def _first_named(state: State, key: Key, *, before: date) -> bool:
    """No mail has named a day for this deletion, and the one of `DeleteAfterDays` is later than this: it must not be named."""
    notice, wait = state.notice(key), state.policy.delete_after_days
    named = notice is not None and notice.what is What.DELETE
    return bool(wait) and not named and before < state.off_since(key) + timedelta(days=wait)


def deletion_day(state: State, key: Key) -> date | None:
    """Rule 7's day of an inactive key, whatever protects it; None: it has none."""
    days = [state.off_since(key) + timedelta(days=state.policy.delete_after_days)] * bool(
        state.policy.delete_after_days
    )
    if not days or days[0] > state.off_since(key) + timedelta(days=state.policy.quiet_days):
        slot = slot_needed_on(state, key)
        days += [slot] if slot is not None else []
    return min(days, default=None)


def clears_on(state: State, key: Key) -> date | None:
    """The day on which an inactive key will have left its slot, as far as can be known; None: never by itself."""
    notice = state.notice(key)
    if notice is not None and notice.why is Why.INACTIVE:
        return max(notice.day, protected_until(state, key), state.today)
    day = deletion_day(state, key)
    return None if day is None else max(day, protected_until(state, key), state.ahead(state.policy.warn_days))


def pair_clears_on(state: State) -> date | None:
    """The day on which the elder of a stored pair will have left its slot; a pair by hand has no such day.

    Whoever uses the successor is taken to go on, also after the elder went off.
    """
    ends = overlap_ends(state)
    if ends is None or state.pair is None or not state.stored:
        return None
    elder, successor = state.pair
    notice = state.notice(elder)
    on = max(notice.day if notice else ends, state.today)
    off = Deactivate(
        key_id=elder.id, on=on, reason=OffReason.QUIET, why="its overlap is over", in_secret=False
    )
    if successor.used_on is not None and state.within(state.policy.quiet_days, successor.used_on):
        noon_after = datetime.combine(on + timedelta(days=1), time(12), tzinfo=UTC)
        successor = replace(successor, last_use=LastUse(at=noon_after, service="-", region="-"))
        state = replace(state, keys=tuple(successor if key.id == successor.id else key for key in state.keys))
    then = state.after(off)
    return clears_on(then, then.keys[0])


def retirement_day(state: State, key: Key) -> date | None:
    """Rule 11's day, if nobody uses the key until then; None: it has none."""
    policy = state.policy
    if policy.unused_days == 0 or state.tags.replace_asked or not key.active or state.left_alone_until(key):
        return None
    day = key.idle_since + timedelta(days=policy.unused_days)
    safe = key.created_on + timedelta(days=policy.last_safe_age)
    if key is state.newest and key.used_on is None:
        day = min(day, safe)
    if state.is_elder(key):
        if state.issued and state.stored:
            return None
        day = max(day, safe)
    if (elder := key_before(state, key)) is not None:
        if elder.active:
            return None
        day = max(day, state.off_since(elder) + timedelta(days=policy.quiet_days_before_first_use))
    return day


def key_before(state: State, key: Key) -> Key | None:
    """The older of two keys, whatever its state."""
    older = [other for other in state.keys if other.seniority < key.seniority]
    return older[-1] if older else None


def may_retire_soon(state: State, key: Key) -> bool:
    """Rule 11 may have its day within `WarnDays`, whatever the key's last use is: only then it asks for that."""
    if state.policy.unused_days == 0 or not key.active:
        return False
    horizon = state.ahead(state.policy.warn_days)
    earliest = key.created_on + timedelta(days=state.policy.unused_days)
    if key is state.newest:
        earliest = min(earliest, key.created_on + timedelta(days=state.policy.last_safe_age))
    return earliest <= horizon


def looks_after_secret(state: State) -> bool:
    """On these days of an overlap the secret is looked at: every third, and from three days before the notice's day on.

    Secrets Manager waits 7 days before it deletes one: so one missed run lets none go unseen.
    """
    if not state.issued or state.pair is None:
        return False
    elder, successor = state.pair
    days = state.age(successor)
    notice, ends = state.notice(elder), overlap_ends(state)
    end = notice.day if notice is not None else ends
    return (days > 0 and days % 3 == 0) or (end is not None and state.today >= end - timedelta(days=3))
