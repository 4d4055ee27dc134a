"""When a user is worth looking at again: what a forecast may pass over, so that its work does not grow with the days."""

from collections.abc import Iterator
from datetime import date, timedelta

from keyrotation.decide.conditions import (
    by_hand_day,
    due_on,
    not_listed_yet,
    overlap_ends,
    retirement_day,
)
from keyrotation.decide.rules import not_understood
from keyrotation.decide.state import State
from keyrotation.model import Key
from keyrotation.policy import Policy

_DAY = timedelta(days=1)


def goes_on(key: Key, policy: Policy, today: date) -> bool:
    """It is in use, and supposed to be used as often from now on."""
    used_on = key.used_on if key.active else None
    return used_on is not None and (today - used_on).days <= policy.quiet_days_before_first_use


def next_look(state: State) -> date | None:
    """The first day after this one on which the rules may decide anything else about the user; None: there is none.

    `state`: of a day whose plan was carried out and told, with every fact known. A day too early costs a plan; a day too
    late would be a wrong forecast: `tests/unit/preview/test_forecast.py` compares it with a look on every day.
    """
    if not_listed_yet(state):
        return state.ahead(1)
    if any(not_understood(state)):
        return None
    if state.memory.pending is not None:
        return state.ahead(1)
    exemption = state.tags.exempt
    if exemption is not None and exemption.until >= state.today:
        return exemption.until + _DAY
    return min((day for day in _days(state) if day > state.today), default=None)


def _days(state: State) -> Iterator[date]:
    """Those behind us have had their effect."""
    warn = timedelta(days=state.policy.warn_days)
    if (due := due_on(state)) is not None:
        yield due
    for key in state.keys:
        yield from _of_notice(state, key)
        if (until := state.left_alone_until(key)) is not None:
            yield until
        if not key.active:
            yield from _needed_back(state, key)
        elif (day := retirement_day(state, key)) is not None and not _never_idle(state, key):
            yield day - warn
    if state.pair is not None:
        yield from _of_pair(state, *state.pair)


def _of_notice(state: State, key: Key) -> Iterator[date]:
    """Its day; the day before, on which it is told once more, or it could not be kept."""
    notice = state.notice(key)
    if notice is None:
        return
    yield notice.day
    yield notice.day - _DAY


def _never_idle(state: State, key: Key) -> bool:
    """Its day runs ahead of the days, and the notice with it."""
    idle = (state.today - key.idle_since).days
    return (
        goes_on(key, state.policy, state.today) and idle + state.policy.warn_days < state.policy.unused_days
    )


def _needed_back(state: State, key: Key) -> Iterator[date]:
    """When nobody can need an inactive key back any more, since a newer one was used after it went off."""
    off_since, newest = state.off_since(key), state.keys[-1]
    if newest.used_on is not None and goes_on(newest, state.policy, state.today):
        yield off_since + (state.today - newest.used_on) + _DAY


def _of_pair(state: State, elder: Key, successor: Key) -> Iterator[date]:
    warn = timedelta(days=state.policy.warn_days)
    if (ends := overlap_ends(state)) is not None:
        yield ends
    yield state.quiet_on(elder)
    yield by_hand_day(state, elder) - warn
    for one, other in ((elder, successor), (successor, elder)):
        # The day on which one is used later than the other, which it was not before.
        if (
            one.used_on is not None
            and goes_on(one, state.policy, state.today)
            and not goes_on(other, state.policy, state.today)
        ):
            last = other.used_on or successor.created_on
            yield last + (state.today - one.used_on)
            yield last + (state.today - one.used_on) + _DAY
    if state.issued and not state.stored:
        # The rules look at the secret every third day, and daily towards the end.
        notice, third = state.notice(elder), 3 - state.age(successor) % 3
        end = notice.day if notice is not None else ends or state.today
        yield min(state.ahead(third), end - timedelta(days=3))
