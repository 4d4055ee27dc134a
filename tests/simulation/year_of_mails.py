"""A year of a 20-user account in good order: how many mails go out, and why.

`python -m tests.simulation.year_of_mails` prints the table of docs/design.md.
"""

import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from keyrotation.act.apply import Heard, Outcome
from keyrotation.decide.actions import Delete, GiveNotice, Plan
from keyrotation.decide.plan import may_concern
from keyrotation.memory import Memory
from keyrotation.model import Key, LastUse, Occasion, User
from keyrotation.policy import Policy
from keyrotation.run.order import Order
from keyrotation.run.record import Told, last_told
from keyrotation.run.rotation import Complete, remember, rotate
from keyrotation.run.settings import Mode, Notify, RotatorSettings
from keyrotation.tell.digest import digest_of
from keyrotation.tell.report import Report, report_of
from keyrotation.tell.when import Reason

from tests.unit.effects import applied
from tests.unit.scenes import acted

USERS, DAYS, FIRST = 20, 365, date(2026, 1, 1)
POLICY = Policy()
SETTINGS = RotatorSettings(
    policy=POLICY,
    mode=Mode.ENFORCE,
    notify=Notify.CHANGES,
    runbook_url="docs/runbook.md",
    log_group_name="rotator-logs",
    user_path_prefix="/",
    secret_reader_arns=(),
    secrets_kms_key_arn=None,
    orders_queue_url="https://sqs.invalid/orders.fifo",
    aws_region="eu-west-1",
    orders_queue_arn="arn:aws:sqs:eu-west-1:123456789012:orders.fifo",
    table_name="access-key-rotation",
    topic_arn="arn:aws:sns:eu-west-1:123456789012:topic",
    rotator_role_arn="arn:aws:iam::123456789012:role/access-key-rotation-rotator",
    function_timeout_seconds=900,
)


@dataclass
class Program:
    """Uses its key every day, and installs a new one this many days after it came; `joined`: its first key's day."""

    user: User
    installs_after: int

    def works(self, now: datetime) -> None:
        """The newest key that has been there for long enough is used."""
        mature = [key for key in self.user.keys if (now - key.created).days >= self.installs_after]
        newest = max(mature or self.user.keys, key=lambda key: key.seniority)
        assert newest.active, f"{self.user.name} is cut off"
        use = LastUse(at=now, service="s3", region="eu-west-1")
        keys = tuple(replace(key, last_use=use) if key is newest else key for key in self.user.keys)
        self.user = replace(self.user, keys=keys)


def account(*, together: bool) -> dict[str, Program]:
    """Keys made one after the other through a cycle, or all within one week, as after a first run."""
    programs = {}
    for number in range(USERS):
        age = number % 5 if together else number * POLICY.issue_age // USERS
        created = datetime(FIRST.year, FIRST.month, FIRST.day, 5, tzinfo=UTC) - timedelta(days=age)
        key = Key(id=f"AKIAFIRST{number:011}", status="Active", created=created)
        name, user_id = f"user-{number:02}", f"AIDAUSER{number:012}"
        user = User(
            name=name,
            id=user_id,
            arn=f"arn:aws:iam::123456789012:user/{name}",
            keys=(key,),
            memory=Memory(user_id=user_id, name=name),
        )
        # Most owners install the new key within days; one in ten needs a reminder on the off date.
        installs_after = 10 if number % 10 == 9 else 1 + number % 5
        programs[user.name] = Program(user=user, installs_after=installs_after)
    return programs


def year(*, together: bool) -> list[Report]:
    """The report of each day."""
    programs, reports = account(together=together), []
    for day in range(DAYS):
        today = FIRST + timedelta(days=day)
        now = datetime(today.year, today.month, today.day, 6, tzinfo=UTC)
        for program in programs.values():
            program.works(now - timedelta(hours=1))
        reports.append(_run(programs, now, run_id=f"day-{day}"))
    return reports


def _run(programs: dict[str, Program], now: datetime, *, run_id: str) -> Report:
    named = tuple(
        name for name, each in programs.items() if may_concern(each.user, POLICY, now, enforce=True)
    )

    def act(plan: Plan) -> Outcome:
        program = programs[plan.user.name]
        outcome = acted(plan, now=now)
        done = [each for each in plan.actions if not isinstance(each, GiveNotice)]
        deleted = {each.key_id: now.date() for each in done if isinstance(each, Delete)}
        memory = replace(outcome.memory, deleted={**outcome.memory.deleted, **deleted})
        program.user = replace(applied(program.user, done, now, told=False), memory=memory)
        return replace(outcome, memory=memory)

    def write(user: User, memory: Memory, heard: Heard, forget: tuple[str, ...]) -> None:
        memory = memory.without_keys(forget).without_deleted(forget)
        for key_id, notice in heard.notices:
            memory = memory.with_key(key_id, notice=replace(notice, told=now.date()))
        program = programs[user.name]
        program.user = replace(program.user, memory=memory)

    run = rotate(
        Order(run_id=run_id, total=USERS, with_keys=USERS, root_has_keys=False, user_names=named),
        eyes=Complete(see=lambda name: programs[name].user),
        act=act,
        policy=POLICY,
        occasion=Occasion(now=now, region="eu-west-1", function_timeout=timedelta(minutes=15), listeners=1),
        changed_today=(),
        seconds_left=lambda: 600,
        lookers=1,
        actors=1,
        turns=nullcontext(),
    )
    run = replace(run, last_told=last_told([each.user.memory for each in programs.values()]))
    report, digest = report_of(run, SETTINGS, redelivered=False), digest_of(run, SETTINGS, redelivered=False)
    if report.worth_sending:
        told = Told(run=run, message_id="message", named=digest.named, once=digest.once)
        remember(told, write=write, workers=1)
    return report


# The most important of a mail's reasons, as a reader would name it.
_WHY = {
    Reason.FORCED: "a key was switched off while in use",
    Reason.FAILED: "something failed",
    Reason.ATTENTION: "an old key is in use on its day: then, weekly, and on the last three days",
    Reason.DONE: "a new key has to be installed",
    Reason.NOTICES: "a notice is given, or has to be told again so that it can be kept",
    Reason.UPCOMING: "the last Monday before a replacement that was not announced, or an old key in use shortly before its day",
    Reason.SUMMARY: "a summary on a Monday, since no mail went out for a week",
}


def table() -> list[str]:
    """Markdown."""
    spread, together = (Counter(map(_why, year(together=each))) for each in (False, True))
    lines = [
        "| why (the most important reason of each) | mails, keys spread evenly | mails, keys of one week |",
        "|---|---|---|",
    ]
    lines += [
        f"| {why} | {spread[why]} | {together[why]} |" for why in _WHY.values() if spread[why] + together[why]
    ]
    lines.append(f"| **mails in the year** | **{_sent(spread)}** | **{_sent(together)}** |")
    lines.append(f"| of these with `Notify` = Problems | {_problems(spread)} | {_problems(together)} |")
    lines.append(f"| days of silence | {spread['']} | {together['']} |")
    return lines


def _why(report: Report) -> str:
    """Empty: no mail. A reason that the table has no words for is an error."""
    unknown = report.reasons - set(_WHY)
    if unknown:
        raise AssertionError(f"an account in good order, and a mail because of {unknown}")
    return next((why for reason, why in _WHY.items() if reason in report.reasons), "")


def _sent(counts: Counter[str]) -> int:
    return sum(number for why, number in counts.items() if why)


def _problems(counts: Counter[str]) -> int:
    return sum(counts[_WHY[reason]] for reason in (Reason.FORCED, Reason.FAILED, Reason.ATTENTION))


def main(arguments: Sequence[str]) -> int:
    if arguments:
        raise SystemExit("it takes no arguments")
    print("\n".join(table()))  # noqa: T201  # a program for people
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
