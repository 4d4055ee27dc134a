"""What a run has to say: one structure, from which the mail and the JSON are rendered.

It also decides whether anybody is to hear of the run at all (docs/design.md section 7).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from enum import StrEnum
from typing import assert_never

from keyrotation.decide.actions import Action, Hold, Item, Kind, Level, Plan
from keyrotation.policy import Policy, parameter_name
from keyrotation.run.record import Run
from keyrotation.run.settings import Mode, Notify, RotatorSettings
from keyrotation.tell import asked, done, links
from keyrotation.tell.account import account_items
from keyrotation.tell.commands import Command
from keyrotation.tell.entries import Entry, Telling

_MONDAY = 0
# What comes up and asks nothing of anybody: it stands in a mail, and is no reason for one.
_NEEDS_NOBODY = (Kind.DELETION, Kind.OFF_DATE_QUIET)


class Severity(StrEnum):
    """What a mail asks of its readers today; also a message attribute for filter policies."""

    INFO = "info"
    ATTENTION = "attention"
    CRITICAL = "critical"


class Part(StrEnum):
    """The sections of a report, those that need someone first."""

    FORCED = "forced-off"
    FAILED = "failed"
    ACCOUNT = "account"
    ASKED = "attention"
    WOULD = "would-do"
    DONE = "done"
    DONE_BEFORE = "done-before"
    UPCOMING = "upcoming"
    EXEMPT = "exempt"
    WAITING = "waiting"
    DEFERRED = "deferred"


class Reason(StrEnum):
    """Why a mail is due."""

    FORCED = "a key was switched off while in use"
    FAILED = "something failed"
    CRITICAL = "the root user has keys"
    HOLDS = "a hold begins"
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
    Reason.HOLDS: Severity.ATTENTION,
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
    """`parts` has every section, complete, the worst entry first; `reasons` say why a mail is due."""

    run_id: str
    today: date
    account: str
    alias: str
    region: str
    mode: Mode
    parts: Mapping[Part, tuple[Entry, ...]]
    reasons: frozenset[Reason]
    worth_sending: bool
    coverage: Coverage
    settings: Mapping[str, str]
    max_users_per_run: int
    log_url: str
    log_command: Command
    runbook_url: str

    @property
    def severity(self) -> Severity:
        found = {_SEVERITIES.get(reason, Severity.INFO) for reason in self.reasons}
        if Severity.CRITICAL in found:
            return Severity.CRITICAL
        return Severity.ATTENTION if Severity.ATTENTION in found else Severity.INFO


def report_of(run: Run, settings: RotatorSettings, *, redelivered: bool) -> Report:
    """`redelivered`: an earlier delivery of the order may have done things that no mail told."""
    telling = Telling(run=run, settings=settings)
    acted = list(done.done(telling))
    forced = [entry for entry, action in acted if done.is_forced(action)]
    unforced = [entry for entry, action in acted if not done.is_forced(action)]
    before = list(done.done_before(telling, told=[*forced, *unforced])) if redelivered else []
    parts = {
        Part.FORCED: [*forced, *(entry for entry, was_in_use in before if was_in_use)],
        Part.FAILED: list(done.failed(telling)),
        Part.ACCOUNT: list(asked.account(telling)),
        Part.ASKED: [
            *asked.items(telling, Level.ATTENTION),
            *(asked.stranded(telling) if telling.audit else ()),
        ],
        Part.WOULD: list(done.would_do(telling)) if telling.audit else [],
        Part.DONE: unforced,
        Part.DONE_BEFORE: [entry for entry, was_in_use in before if not was_in_use],
        Part.UPCOMING: list(asked.items(telling, Level.UPCOMING)),
        Part.EXEMPT: list(asked.items(telling, Level.EXEMPT)),
        Part.WAITING: [Entry(kind="waiting", text="", user=plan.user.name) for plan in run.waiting],
        Part.DEFERRED: [Entry(kind="deferred", text="", user=name) for name in run.deferred],
    }
    for part in (Part.ASKED, Part.UPCOMING, Part.EXEMPT):
        parts[part].sort(key=lambda entry: (entry.by or date.max, entry.user or ""))
    reasons = frozenset(_reasons(run, parts, settings))
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
        parts={part: tuple(found) for part, found in parts.items()},
        reasons=reasons,
        worth_sending=asks[settings.notify],
        coverage=_coverage(run),
        settings=_in_force(settings),
        max_users_per_run=settings.policy.max_users_per_run,
        log_url=links.log(settings.log_group_name, region=settings.aws_region, partition=settings.partition),
        log_command=telling.log_command,
        runbook_url=settings.runbook_url,
    )


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
            if item.kind in _NEEDS_NOBODY:
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


def _reasons(run: Run, parts: Mapping[Part, Sequence[Entry]], settings: RotatorSettings) -> Iterator[Reason]:
    policy = settings.policy
    items = [item for plan in run.plans for item in plan.items]
    items += account_items(run.order, policy, listeners=run.listeners)
    asking = {item.level for item in items if asks(item, run.today, policy)}
    found = {
        Reason.FORCED: parts[Part.FORCED],
        Reason.FAILED: parts[Part.FAILED],
        Reason.CRITICAL: Level.CRITICAL in asking,
        # No hold may begin that no mail told of, whatever asks for one (rotation.finish).
        Reason.HOLDS: any(
            _begins(action, outcome.plan) for outcome in run.outcomes for action in outcome.once_told
        ),
        Reason.ATTENTION: Level.ATTENTION in asking or _has_stranded(parts[Part.ASKED]),
        Reason.RESUMED: parts[Part.DONE_BEFORE],
        Reason.DEFERRED: parts[Part.DEFERRED],
        Reason.DONE: parts[Part.DONE] or parts[Part.WAITING],
        Reason.UPCOMING: Level.UPCOMING in asking,
        Reason.AUDIT: parts[Part.WOULD]
        and (run.today.weekday() == _MONDAY or any(_is_new(entry, run.today) for entry in parts[Part.WOULD])),
    }
    yield from (reason for reason, holds in found.items() if holds)


def _begins(action: Action, plan: Plan) -> bool:
    """A hold that people are told of; one that is only cut to what the policy allows waits for a mail without asking."""
    told = {item.key_id for item in plan.items if item.level is Level.ATTENTION}
    return isinstance(action, Hold) and action.key_id in told


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
