"""What the rules ask of a state: whether a condition holds, and from which day on it would if nobody does anything."""

from datetime import date, timedelta

from keyrotation.decide.state import State
from keyrotation.decide.tags import HoldReason
from keyrotation.model import Key


def protected_until(state: State, key: Key) -> date:
    """The day from which on an inactive key may be deleted, as far as those who may need one back are concerned.

    Also as long as an older key may be needed back, since this one is what protects it.
    """
    wait = timedelta(days=state.policy.quiet_days_before_first_use)
    days = [
        state.inactive_since.get(other.id, state.today) + wait
        for other in state.keys
        if not other.active and other.seniority <= key.seniority and may_be_needed_back(state, other)
    ]
    return max(days, default=state.inactive_since.get(key.id, state.today))


def off_days(state: State, key: Key) -> int:
    return (state.today - state.inactive_since.get(key.id, state.today)).days


def may_be_needed_back(state: State, key: Key) -> bool:
    """An elder whose successor nobody has used since: its owner may be a monthly job, and switch it on again.

    "Since" is a later day, not the same one: a use on the day it went off may have been before that.
    """
    off_on = state.inactive_since.get(key.id, state.today)
    newer = [other for other in state.keys if other.seniority > key.seniority]
    if not newer or off_days(state, key) >= state.policy.quiet_days_before_first_use:
        return False
    return newer[-1].used_on is None or newer[-1].used_on <= off_on


def waits_for_slot(state: State) -> bool:
    """Rule 11 wants the slot, and rule 10 would not take away the key that is to be replaced."""
    if state.slot_free or state.replacement_wanted is None:
        return False
    return state.newest is None or reason_to_retire(state, state.newest) is None


def due_on(state: State) -> date | None:
    """The day on which the newest key came due; None: a person asked, and the tag does not say when."""
    if state.tags.replace_asked or state.newest is None:
        return None
    return state.newest.created_on + timedelta(days=state.policy.issue_age)


def deletion_day(state: State, key: Key) -> date | None:
    """The first day on which rule 5 would delete this inactive key; None: it would not."""
    policy, off_on = state.policy, state.inactive_since.get(key.id, state.today)
    protected, newest, days = protected_until(state, key), state.newest, []
    if policy.delete_after_days:
        day = max(off_on + timedelta(days=policy.delete_after_days), protected)
        if newest is not None and newest.seniority < key.seniority:
            # An older key that rule 10 takes before that day may be needed back, and this one then protects it.
            retired_on = retirement_day(state, newest)
            if retired_on is not None and max(retired_on, state.today) < day:
                retired_on = max(retired_on, state.today)
                day = max(day, retired_on + timedelta(days=policy.quiet_days_before_first_use))
        days.append(day)
    if not state.slot_free and (state.tags.replace_asked or (newest is not None and state.replaceable)):
        needed_on = due_on(state) or state.today
        day = max(needed_on, off_on + timedelta(days=policy.quiet_days), protected)
        # From that day on the newest key is not replaced any more: rule 10 takes it, or waits to take it.
        taken_on = unused_on(state, newest) if newest is not None else None
        if taken_on is None or day < taken_on:
            days.append(day)
    return min(days, default=None)


def retirement_day(state: State, key: Key) -> date | None:
    """The first day on which rule 10 would take this key if nobody uses it until then; None: it would not."""
    elder, day = elder_of_late(state, key), unused_on(state, key)
    if day is None or (elder is not None and elder.active):
        return None
    if state.is_elder(key) and state.off_on is not None:
        day = max(day, state.off_on)
    if elder is not None:
        elder_off_on = state.inactive_since.get(elder.id, state.today)
        day = max(day, elder_off_on + timedelta(days=state.policy.quiet_days_before_first_use))
    return day


def unused_on(state: State, key: Key) -> date | None:
    """The day from which on rule 10 has a reason to take this key if nobody uses it until then; None: it has none."""
    policy = state.policy
    if policy.unused_days == 0 or state.tags.replace_asked:
        return None
    day = key.idle_since + timedelta(days=policy.unused_days)
    if key is state.newest and key.used_on is None:
        day = min(day, key.created_on + timedelta(days=policy.last_safe_age))
    left_alone_until = state.reactivated(key)
    return day if left_alone_until is None else max(day, left_alone_until)


def past_off_date(state: State, key: Key) -> bool:
    """An elder from its off date on, not held because a person switched it back on."""
    if not state.is_elder(key) or state.reactivated(key):
        return False
    if state.overlapped_on is None or state.today < state.overlapped_on:
        return False
    return state.off_on is not None and state.today >= state.off_on


def every_third_day(state: State) -> bool:
    """Of an overlap, from the day on which the successor was made."""
    days = state.age(state.pair[1]) if state.pair else 0
    return days > 0 and days % 3 == 0


def end_of_overlap_near(state: State) -> bool:
    """From the notice of the elder's off date on, if that is as early as it can be: before, nothing is said of it."""
    day = state.overlapped_on
    return day is not None and state.today >= day - timedelta(days=state.policy.warn_days)


def someone_holds_successor(state: State) -> bool:
    return state.pair is not None and state.within(state.policy.quiet_days, state.pair[1].used_on)


def used_since_successor(state: State, elder: Key) -> bool:
    """Used on a day after the successor was made: its owner has had the chance to change over."""
    return state.pair is not None and elder.used_on is not None and elder.used_on > state.pair[1].created_on


def forced_off(state: State, key: Key) -> bool:
    """Rule 9's condition."""
    if not past_off_date(state, key) or not state.stored or not state.in_use(key):
        return False
    if not used_since_successor(state, key):
        return False
    if state.policy.in_use_extension_days == 0:
        return True
    until = state.hold_of_this_off_date(key, HoldReason.IN_USE)
    return until is not None and until <= state.today


def reason_to_retire(state: State, key: Key) -> str | None:
    """Rule 10's condition, fit to print."""
    policy = state.policy
    if policy.unused_days == 0 or state.tags.replace_asked or not key.active or state.reactivated(key):
        return None
    long_enough = state.age(key) >= policy.unused_days
    too_old = key is state.newest and state.age(key) >= policy.last_safe_age
    if not long_enough and not too_old:
        return None
    if state.is_elder(key) and not past_off_date(state, key):
        return None
    idle = (state.today - key.idle_since).days
    if idle >= policy.unused_days:
        return f"unused for {idle} days" if key.used_on else f"never used in {idle} days"
    if too_old and key.used_on is None:
        return f"never used, and {state.age(key)} days old"
    return None


def elder_of_late(state: State, key: Key) -> Key | None:
    """The key before this one, if it is active or went off so lately that its owner may not have changed over."""
    older = [other for other in state.keys if other.seniority < key.seniority]
    if not older:
        return None
    late = off_days(state, older[-1]) < state.policy.quiet_days_before_first_use
    return older[-1] if older[-1].active or late else None
