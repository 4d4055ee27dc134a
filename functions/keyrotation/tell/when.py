"""Whether anybody is to hear of a run at all (docs/design.md section 8).

On the day: what failed, what somebody has to do, a notice that would be too late otherwise. What was done as announced, and
what comes by itself, stands in the next mail; on a Monday it is a reason for one, if none went out for a week.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from typing import assert_never

from keyrotation.decide.actions import Action, Deactivate, Delete, Item, Kind, Level
from keyrotation.decide.notices import LAST_DAYS, runs_out
from keyrotation.memory import Notice, OffReason, Why
from keyrotation.policy import Policy
from keyrotation.run.record import Announcement, Run
from keyrotation.tell import asked
from keyrotation.tell.blocks import Part
from keyrotation.tell.entries import Entry

_MONDAY, _WEEK = 0, 7


class Reason(StrEnum):
    """Why a mail is due."""

    FORCED = "a key was switched off while in use"
    FAILED = "something failed"
    CRITICAL = "something is critical"
    NOTICES = "a notice is given, or has to be told again"
    ATTENTION = "somebody is asked"
    RESUMED = "an earlier attempt could not tell"
    DEFERRED = "users were not reached"
    DONE = "something was done"
    UPCOMING = "something comes up"
    AUDIT = "something would be done"
    SUMMARY = "it is Monday, and no mail told of what was done and what comes"


def asks(item: Item, today: date, policy: Policy) -> bool:
    """Whether an item asks for a mail today; whether it stands in one that is sent is another matter.

    Of an item that tells a notice, memory knows when it was told last. Of others nobody knows: their first day counts twice,
    so that one missed run loses no warning. Whatever has a deadline asks on each of the last three days before it.
    """
    left = (item.by - today).days if item.by is not None else None
    match item.level:
        case Level.CRITICAL:
            return True
        case Level.EXEMPT | Level.DONE:
            return False
        case Level.UPCOMING:
            return _comes_up(item, left, policy)
        case Level.ATTENTION:
            if item.kind is Kind.SETTING:
                return today.weekday() == _MONDAY
            if item.since is None or left in (1, 2, 3):
                return True
            if item.notice is not None:
                return (today - item.notice.told).days >= _WEEK
            told = (today - item.since).days
            return told <= 1 or told % _WEEK == 0
        case _:
            assert_never(item.level)


def _comes_up(item: Item, left: int | None, policy: Policy) -> bool:
    """A replacement, and what asks nothing of anybody, waits for another mail."""
    if item.kind in asked.NEEDS_NOBODY or item.kind is Kind.REPLACEMENT:
        return False
    if item.notice is not None:
        # Once in its last days is enough; a second day is for a run that was missed.
        return left in (1, 2) and item.notice.told < item.notice.day - timedelta(days=LAST_DAYS)
    return left in (policy.warn_days, policy.warn_days - 1, 1, 2)


def reasons_of(
    run: Run,
    parts: Mapping[Part, Sequence[Entry]],
    to_tell: Sequence[Announcement],
    *,
    done: Sequence[Action],
    account: Sequence[Item],
    policy: Policy,
) -> frozenset[Reason]:
    """`done`: the actions of the part DONE; `account`: what is to be told of the account itself."""
    return frozenset(_reasons(run, parts, to_tell, done=done, account=account, policy=policy))


def _reasons(
    run: Run,
    parts: Mapping[Part, Sequence[Entry]],
    to_tell: Sequence[Announcement],
    *,
    done: Sequence[Action],
    account: Sequence[Item],
    policy: Policy,
) -> Iterator[Reason]:
    today = run.today
    items = [*account, *(item for plan in run.plans for item in plan.items)]
    asking = {item.level for item in items if asks(item, today, policy)}
    found = {
        Reason.FORCED: parts[Part.FORCED],
        Reason.FAILED: parts[Part.FAILED],
        Reason.CRITICAL: Level.CRITICAL in asking,
        Reason.NOTICES: any(_may_not_wait(each, policy, today) for each in to_tell),
        Reason.ATTENTION: Level.ATTENTION in asking or _has_stranded(parts[Part.ASKED]) or run.left_behind,
        Reason.RESUMED: parts[Part.DONE_BEFORE],
        Reason.DEFERRED: parts[Part.DEFERRED],
        Reason.DONE: any(not _as_announced(action, run) for action in done) or parts[Part.WAITING],
        Reason.UPCOMING: Level.UPCOMING in asking or _last_chance_to_announce(items, run, policy),
        Reason.AUDIT: parts[Part.WOULD]
        and (today.weekday() == _MONDAY or any(_is_new(entry, today) for entry in parts[Part.WOULD])),
        Reason.SUMMARY: _nobody_heard_for_a_week(run)
        and (parts[Part.DONE] or parts[Part.SINCE] or parts[Part.UPCOMING] or to_tell),
    }
    yield from (reason for reason, holds in found.items() if holds)


def _may_not_wait(each: Announcement, policy: Policy, today: date) -> bool:
    """Given later, its day would be later, or somebody would have less time to act."""
    return runs_out(each.notice, policy, today) if not each.new else not _waits(each.notice, policy, today)


def _waits(notice: Notice, policy: Policy, today: date) -> bool:
    """The deletion of a key that is off already: until the next Monday, and a day for a run that is missed, its day stays."""
    spare = (notice.day - today).days - policy.warn_days
    return notice.why is Why.INACTIVE and spare > (_next_monday(today) - today).days


def _as_announced(action: Action, run: Run) -> bool:
    """It was told before, nobody has to do anything, and memory knows it until it is told."""
    match action:
        case Delete():
            return True
        case Deactivate(reason=OffReason.QUIET, notice=notice):
            return notice is not None and bool(run.listeners)
        case _:
            return False


def _nobody_heard_for_a_week(run: Run) -> bool:
    week_ago = run.today - timedelta(days=_WEEK)
    return run.today.weekday() == _MONDAY and (run.last_told is None or run.last_told <= week_ago)


def _last_chance_to_announce(items: Sequence[Item], run: Run, policy: Policy) -> bool:
    """The next replacement was in no mail, and today is the last Monday before it. Its own mail announces those after it.

    Where no Monday is near enough to it, the first two days on which it is near: one run may be missed.
    """
    days = [item.by for item in items if item.kind is Kind.REPLACEMENT and item.by is not None]
    if not days:
        return False
    day, near = min(days), timedelta(days=policy.warn_days)
    if run.last_told is not None and run.last_told >= day - near:
        return False
    if _next_monday(day - near - timedelta(days=1)) < day:
        return run.today.weekday() == _MONDAY and _next_monday(run.today) >= day
    return (day - run.today).days in (policy.warn_days, policy.warn_days - 1)


def _next_monday(today: date) -> date:
    return today + timedelta(days=_WEEK - today.weekday())


def _has_stranded(entries: Sequence[Entry]) -> bool:
    """Of a day on which an interrupted replacement waits for Enforce, every one is a reason."""
    return any(entry.kind == asked.STRANDED for entry in entries)


def _is_new(entry: Entry, today: date) -> bool:
    """In Audit: it would be done since today, or since yesterday, whose run may have been missed."""
    return entry.since is not None and (today - entry.since).days <= 1
