"""What a run has to say: one structure, from which the mail and the JSON are rendered."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from enum import StrEnum
from itertools import accumulate

from keyrotation.decide.actions import Item, Level
from keyrotation.policy import Policy, parameter_name
from keyrotation.run.record import Announcement, Run, announcements
from keyrotation.run.settings import Mode, Notify, RotatorSettings
from keyrotation.tell import asked, done, links
from keyrotation.tell.account import account_items
from keyrotation.tell.blocks import Part, UserBlock, blocks_of
from keyrotation.tell.commands import Command
from keyrotation.tell.entries import Entry, Telling, short
from keyrotation.tell.when import Reason, reasons_of

# Bytes of JSON for the notices of a message, and what one takes beside its key and the names of its user and owner.
_ROOM_FOR_NOTICES, _NOTICE_SIZE = 42 * 1024, 135
# Lines of the mail for them: a key and a name that are longer than this take two.
_LINES_FOR_NOTICES, _LONGEST_LINE = 280, 65


class Severity(StrEnum):
    """What a mail asks of its readers today; also a message attribute for filter policies."""

    INFO = "info"
    ATTENTION = "attention"
    CRITICAL = "critical"


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
    confirmed subscriptions; None: they could not be read. `unsubscribed`: owners who get no message of their own; None: that
    could not be read.
    `settings_set`: those that differ from the stack's own defaults.
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
    settings_set: Mapping[str, str]
    max_users_per_run: int
    log_url: str
    log_command: Command
    runbook_url: str
    unsubscribed: tuple[str, ...] | None

    @property
    def severity(self) -> Severity:
        found = {_SEVERITIES.get(reason, Severity.INFO) for reason in self.reasons}
        if Severity.CRITICAL in found:
            return Severity.CRITICAL
        return Severity.ATTENTION if Severity.ATTENTION in found else Severity.INFO


def report_of(
    run: Run, settings: RotatorSettings, *, redelivered: bool, unsubscribed: Sequence[str] | None = ()
) -> Report:
    """`redelivered`: an earlier delivery of the order may have done things that no mail told.

    `unsubscribed`: owners for whom no subscription of their own is confirmed; None: that could not be read.
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
    unsubscribed: Sequence[str] | None,
) -> Report:
    run, settings = telling.run, telling.settings
    acted = list(done.done(telling))
    forced = [entry for entry, action in acted if done.is_forced(action)]
    unforced = [entry for entry, action in acted if not done.is_forced(action)]
    before = list(done.done_before(telling, told=[*forced, *unforced])) if redelivered else []
    since = done.since_the_last_mail(telling, told=[*forced, *unforced, *(entry for entry, _ in before)])
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
        Part.SINCE: list(since),
        Part.UPCOMING: [*done.noticed(telling), *asked.items(telling, Level.UPCOMING)],
        Part.EXEMPT: list(asked.items(telling, Level.EXEMPT)),
        Part.WAITING: [Entry(kind="waiting", text="", user=plan.user.name) for plan in run.waiting],
        Part.DEFERRED: [Entry(kind="deferred", text="", user=name) for name in run.deferred],
    }
    for part in (Part.ASKED, Part.UPCOMING, Part.EXEMPT):
        parts[part].sort(key=lambda entry: (entry.by or date.max, entry.user or ""))
    to_tell = [replace(each, owner=short(each.owner)) for each in to_tell]
    named = sorted(to_tell[: _room_for(to_tell)], key=_by_day)
    done_today = [action for _, action in acted if not done.is_forced(action)]
    reasons = reasons_of(run, parts, to_tell, done=done_today, account=account, policy=settings.policy)
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
        settings_set=_not_as_usual(settings),
        max_users_per_run=settings.policy.max_users_per_run,
        log_url=links.log(settings.log_group_name, region=settings.aws_region, partition=settings.partition),
        log_command=telling.log_command,
        runbook_url=settings.runbook_url,
        unsubscribed=None if unsubscribed is None else tuple(map(short, unsubscribed)),
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


def _coverage(run: Run) -> Coverage:
    unreadable = sum(bool(plan.user.unread) for plan in run.plans)
    return Coverage(
        total=run.order.total,
        examined=run.order.total - unreadable - len(run.deferred),
        exempt=sum(any(item.level is Level.EXEMPT for item in plan.items) for plan in run.plans),
        unreadable=unreadable,
        deferred=len(run.deferred),
    )


def _not_as_usual(settings: RotatorSettings) -> dict[str, str]:
    """The mode, and each parameter that has another value than the stack would give it."""
    usual = _in_force(replace(settings, policy=Policy(), notify=Notify.CHANGES))
    return {
        name: value for name, value in _in_force(settings).items() if name == "Mode" or value != usual[name]
    }


def _in_force(settings: RotatorSettings) -> dict[str, str]:
    policy = settings.policy
    days = {parameter_name(each.name): str(getattr(policy, each.name)) for each in fields(policy)}
    return {"Mode": settings.mode, **days, "Notify": settings.notify}
