"""What a run has to say: one structure, from which the mail and the JSON are rendered.

It also decides whether anybody is to hear of the run at all (docs/design.md section 8).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from enum import StrEnum
from itertools import accumulate
from typing import assert_never

from keyrotation.decide.actions import Item, Kind, Level
from keyrotation.decide.notices import runs_out
from keyrotation.policy import Policy, parameter_name
from keyrotation.run.record import Announcement, Run, announcements
from keyrotation.run.settings import Mode, Notify, RotatorSettings
from keyrotation.tell import asked, done, links
from keyrotation.tell.account import account_items
from keyrotation.tell.blocks import Part, UserBlock, blocks_of
from keyrotation.tell.commands import Command
from keyrotation.tell.entries import Entry, Telling, short

_MONDAY = 0
# Bytes of JSON for the notices of a message, and what one takes beside its key and the names of its user and owner.
_ROOM_FOR_NOTICES, _NOTICE_SIZE = 42 * 1024, 135
# Lines of the mail for them: a key and a name that are longer than this take two.
_LINES_FOR_NOTICES, _LONGEST_LINE = 280, 65


class Severity(StrEnum):
    """What a mail asks of its readers today; also a message attribute for filter policies."""

    INFO = "info"
    ATTENTION = "attention"
    CRITICAL = "critical"


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


# Those for which Notify=Problems sends, and what they make of a mail; the others are information.
_SEVERITIES = {
    Reason.FORCED: Severity.CRITICAL,
    Reason.FAILED: Severity.CRITICAL,
    Reason.CRITICAL: Severity.CRITICAL,
    Reason.ATTENTION: Severity.ATTENTION,
    Reason.RESUMED: Severity.ATTENTION,
    Reason.DEFERRED: Severity.ATTENTION,
}


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """Numbers of users: `examined` + `unreadable` + `deferred` are all."""

    total: int
    examined: int
    exempt: int
    unreadable: int
    deferred: int


@dataclass(frozen=True, kw_only=True)
class Report:
    """`parts` has every section, complete, the worst entry first; `reasons` say why a mail is due.

    `users`: the same by user, the most urgent first, with their notices (blocks.py).

    `notices`: those that the message names, in every rendering, by day; others have to wait for tomorrow's. `listeners`:
    confirmed subscriptions; None: they could not be read. `unsubscribed`: owners who get no message of their own.
    """

    run_id: str
    today: date
    account: str
    alias: str
    region: str
    mode: Mode
    listeners: int | None
    parts: Mapping[Part, tuple[Entry, ...]]
    users: tuple[UserBlock, ...]
    notices: tuple[Announcement, ...]
    notices_left: int
    reasons: frozenset[Reason]
    worth_sending: bool
    coverage: Coverage
    settings: Mapping[str, str]
    max_users_per_run: int
    log_url: str
    log_command: Command
    runbook_url: str
    unsubscribed: tuple[str, ...]

    @property
    def severity(self) -> Severity:
        found = {_SEVERITIES.get(reason, Severity.INFO) for reason in self.reasons}
        if Severity.CRITICAL in found:
            return Severity.CRITICAL
        return Severity.ATTENTION if Severity.ATTENTION in found else Severity.INFO


def report_of(
    run: Run, settings: RotatorSettings, *, redelivered: bool, unsubscribed: Sequence[str] = ()
) -> Report:
    """`redelivered`: an earlier delivery of the order may have done things that no mail told.

    `unsubscribed`: owners for whom no subscription of their own is confirmed.
    """
    account = account_items(
        run.order, settings.policy, path_prefix=settings.user_path_prefix, listeners=run.listeners
    )
    return _report(
        Telling(run=run, settings=settings),
        account=account,
        to_tell=announcements(run, settings.policy),
        redelivered=redelivered,
        unsubscribed=unsubscribed,
    )


def report_of_part(part: Run, settings: RotatorSettings, *, redelivered: bool, whole: Report) -> Report:
    """Of some of a run's users, and nothing of the account. It names those notices that the whole report names."""
    named = {(each.key_id, each.notice) for each in whole.notices}
    return _report(
        Telling(run=part, settings=settings),
        account=(),
        to_tell=[
            each for each in announcements(part, settings.policy) if (each.key_id, each.notice) in named
        ],
        redelivered=redelivered,
        unsubscribed=(),
    )


def _report(
    telling: Telling,
    *,
    account: Sequence[Item],
    to_tell: Sequence[Announcement],
    redelivered: bool,
    unsubscribed: Sequence[str],
) -> Report:
    run, settings = telling.run, telling.settings
    acted = list(done.done(telling))
    forced = [entry for entry, action in acted if done.is_forced(action)]
    unforced = [entry for entry, action in acted if not done.is_forced(action)]
    before = list(done.done_before(telling, told=[*forced, *unforced])) if redelivered else []
    parts = {
        Part.FORCED: [*forced, *(entry for entry, was_in_use in before if was_in_use)],
        Part.CRITICAL: list(asked.items(telling, Level.CRITICAL)),
        Part.FAILED: list(done.failed(telling)),
        Part.ACCOUNT: list(asked.account(telling, account)),
        Part.ASKED: [
            *asked.items(telling, Level.ATTENTION),
            *(asked.stranded(telling) if telling.audit else ()),
        ],
        Part.WOULD: list(done.would_do(telling)) if telling.audit else [],
        Part.DONE: unforced,
        Part.DONE_BEFORE: [entry for entry, was_in_use in before if not was_in_use],
        Part.UPCOMING: [*done.noticed(telling), *asked.items(telling, Level.UPCOMING)],
        Part.EXEMPT: list(asked.items(telling, Level.EXEMPT)),
        Part.WAITING: [Entry(kind="waiting", text="", user=plan.user.name) for plan in run.waiting],
        Part.DEFERRED: [Entry(kind="deferred", text="", user=name) for name in run.deferred],
    }
    for part in (Part.ASKED, Part.UPCOMING, Part.EXEMPT):
        parts[part].sort(key=lambda entry: (entry.by or date.max, entry.user or ""))
    to_tell = [replace(each, owner=short(each.owner)) for each in to_tell]
    named = sorted(to_tell[: _room_for(to_tell)], key=_by_day)
    reasons = frozenset(_reasons(run, parts, to_tell, account, settings))
    asks = {
        Notify.ALWAYS: True,
        Notify.CHANGES: bool(reasons),
        Notify.PROBLEMS: not reasons.isdisjoint(_SEVERITIES),
    }
    return Report(
        run_id=run.order.run_id,
        today=run.today,
        account=settings.account,
        alias=run.order.account_alias,
        region=settings.aws_region,
        mode=settings.mode,
        listeners=run.listeners,
        parts={part: tuple(found) for part, found in parts.items()},
        users=blocks_of(parts, named),
        notices=tuple(named),
        notices_left=len(to_tell) - len(named),
        reasons=reasons,
        # Whatever Notify says: what is not told is not done.
        worth_sending=asks[settings.notify] or Reason.NOTICES in reasons,
        coverage=_coverage(run),
        settings=_in_force(settings),
        max_users_per_run=settings.policy.max_users_per_run,
        log_url=links.log(settings.log_group_name, region=settings.aws_region, partition=settings.partition),
        log_command=telling.log_command,
        runbook_url=settings.runbook_url,
        unsubscribed=tuple(unsubscribed),
    )


def _room_for(to_tell: Sequence[Announcement]) -> int:
    """How many of these notices a message can name, so that every rendering of it has room for all of them."""
    sizes = accumulate(
        _NOTICE_SIZE + len(each.user.name) + len(each.key_id) + _bytes_of(each.owner) for each in to_tell
    )
    lines = accumulate(1 + (len(f"{each.key_id} {each.user.name}") > _LONGEST_LINE) for each in to_tell)
    return sum(
        size <= _ROOM_FOR_NOTICES and line <= _LINES_FOR_NOTICES
        for size, line in zip(sizes, lines, strict=True)
    )


def _bytes_of(text: str) -> int:
    """In JSON that stands in JSON: a quotation mark takes four bytes there, and a letter of another alphabet up to four."""
    return len(json.dumps(json.dumps(text, ensure_ascii=False), ensure_ascii=False).encode())


def _by_day(each: Announcement) -> tuple[date, str, str, str, str]:
    notice = each.notice
    return notice.day, notice.what, notice.why, each.user.name, each.key_id


def asks(item: Item, today: date, policy: Policy) -> bool:
    """Whether an item asks for a mail today; whether it stands in one that is sent is another matter.

    The first day counts twice, so that one missed run loses no warning; and whatever has a deadline asks on
    each of the last three days before it.
    """
    left = (item.by - today).days if item.by is not None else None
    match item.level:
        case Level.CRITICAL:
            return True
        case Level.EXEMPT:
            return False
        case Level.UPCOMING:
            if item.kind in asked.NEEDS_NOBODY:
                return False
            # On two days, so that one missed run loses no notice; both keys will work after a replacement: that is enough.
            entered = left in (policy.warn_days, policy.warn_days - 1)
            return entered or (left in (1, 2) and item.kind is not Kind.REPLACEMENT)
        case Level.ATTENTION:
            if item.kind is Kind.SETTING:
                return today.weekday() == _MONDAY
            if item.since is None or left in (1, 2, 3):
                return True
            told = (today - item.since).days
            return told <= 1 or told % 7 == 0
        case _:
            assert_never(item.level)


def _reasons(
    run: Run,
    parts: Mapping[Part, Sequence[Entry]],
    to_tell: Sequence[Announcement],
    account: Sequence[Item],
    settings: RotatorSettings,
) -> Iterator[Reason]:
    policy = settings.policy
    items = [*account, *(item for plan in run.plans for item in plan.items)]
    asking = {item.level for item in items if asks(item, run.today, policy)}
    found = {
        Reason.FORCED: parts[Part.FORCED],
        Reason.FAILED: parts[Part.FAILED],
        Reason.CRITICAL: Level.CRITICAL in asking,
        Reason.NOTICES: any(each.new or runs_out(each.notice, policy, run.today) for each in to_tell),
        Reason.ATTENTION: Level.ATTENTION in asking or _has_stranded(parts[Part.ASKED]) or run.left_behind,
        Reason.RESUMED: parts[Part.DONE_BEFORE],
        Reason.DEFERRED: parts[Part.DEFERRED],
        Reason.DONE: parts[Part.DONE] or parts[Part.WAITING],
        Reason.UPCOMING: Level.UPCOMING in asking,
        Reason.AUDIT: parts[Part.WOULD]
        and (run.today.weekday() == _MONDAY or any(_is_new(entry, run.today) for entry in parts[Part.WOULD])),
    }
    yield from (reason for reason, holds in found.items() if holds)


def _has_stranded(entries: Sequence[Entry]) -> bool:
    """Of a day on which an interrupted replacement waits for Enforce, every one is a reason."""
    return any(entry.kind == asked.STRANDED for entry in entries)


def _is_new(entry: Entry, today: date) -> bool:
    """In Audit: it would be done since today, or since yesterday, whose run may have been missed."""
    return entry.since is not None and (today - entry.since).days <= 1


def _coverage(run: Run) -> Coverage:
    unreadable = sum(bool(plan.user.unread) for plan in run.plans)
    return Coverage(
        total=run.order.total,
        examined=run.order.total - unreadable - len(run.deferred),
        exempt=sum(any(item.level is Level.EXEMPT for item in plan.items) for plan in run.plans),
        unreadable=unreadable,
        deferred=len(run.deferred),
    )


def _in_force(settings: RotatorSettings) -> dict[str, str]:
    policy = settings.policy
    days = {parameter_name(each.name): str(getattr(policy, each.name)) for each in fields(policy)}
    return {"Mode": settings.mode, **days, "Notify": settings.notify}
