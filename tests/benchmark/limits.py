"""What the product has to keep, each with the number that was measured."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.benchmark.days import DAYS, due
from tests.benchmark.measure import Measured
from tests.benchmark.runs import BURST, RATE, REPLACEMENTS, Days, Timed

PROOF = "sts:GetCallerIdentity"
# What a run of the rotator costs, however many keys it replaces.
ONCE_A_RUN = (
    "dynamodb:Scan",
    "iam:GetAccountAuthorizationDetails",
    "sns:GetSubscriptionAttributes",
    "sns:ListSubscriptionsByTopic",
    "sns:Publish",
    "sqs:ChangeMessageVisibility",
)


@dataclass(frozen=True, kw_only=True)
class Limit:
    """`found` is not to be more than `most`."""

    what: str
    found: float
    most: float
    unit: str = ""

    @property
    def kept(self) -> bool:
        return self.found <= self.most


def of_calls(days: Days) -> Iterator[Limit]:
    """What can be counted, and so holds at any speed."""
    quiet, steady = days.of("quiet"), days.of("steady")
    yield Limit(what="quiet day: IAM calls per user", found=quiet.iam_calls_per_user, most=1.02)
    yield Limit(what="quiet day: calls of Secrets Manager", found=quiet.calls_of("secretsmanager"), most=0)
    yield Limit(what="steady day: IAM calls per user", found=steady.iam_calls_per_user, most=2)
    # Of both functions, a page each: nobody is remembered yet.
    yield Limit(what="quiet day: calls of the table", found=quiet.calls_of("dynamodb"), most=2)
    # Every notice that is told again is remembered as told.
    per_user = steady.calls_of("dynamodb") / steady.conditions.users
    yield Limit(what="steady day: calls of the table per user", found=per_user, most=0.5)
    for day in DAYS:
        run = days.of(day)
        yield Limit(what=f"{day} day: users who were not looked at", found=unseen(run), most=0)
        yield Limit(what=f"{day} day: changes that were due and not made", found=undone(run), most=0)


def of_time(timed: Timed) -> Iterator[Limit]:
    days = timed.days
    fewer, most = days.users[-2:]
    quiet = days.of("quiet")
    again = sorted(run.seconds for run in timed.repeats)
    yield Limit(
        what="quiet day: time, to the runbook's way",
        found=quiet.seconds / days.runbook_seconds(most),
        most=0.1,
    )
    # Equal runs differ by as much as the slowest of them: that is no growth.
    yield Limit(
        what=f"quiet day: time, {most:,} to {fewer:,} users (the slowest of {len(again)} runs)",
        found=quiet.seconds / again[-1],
        most=most / fewer,
    )
    peaks = [days.of(day).peak_mb for day in DAYS]
    growths = [days.of(day).peak_mb - days.of(day, fewer).peak_mb for day in DAYS]
    yield Limit(what="any day: peak memory", found=max(peaks), most=200, unit="MB")
    yield Limit(what=f"any day: more memory than for {fewer:,} users", found=max(growths), most=20, unit="MB")
    yield from _throttled(timed.throttled)
    yield from _replacing(timed.replacing)
    what = f"{REPLACEMENTS} replacements at {RATE:.0f} requests a second: not made"
    yield Limit(what=what, found=undone(timed.both), most=0)


def of_bundle(zipped_bytes: int) -> Limit:
    return Limit(what="bundle, zipped", found=zipped_bytes / 1e6, most=2, unit="MB")


def _throttled(run: Measured) -> Iterator[Limit]:
    allowed = (run.calls_of("iam") - BURST) / RATE
    yield Limit(what=f"{RATE:.0f} requests a second: users who were not looked at", found=unseen(run), most=0)
    yield Limit(
        what=f"{RATE:.0f} requests a second: time, to what the rate allows",
        found=run.seconds / allowed,
        most=1.3,
    )


def _replacing(run: Measured) -> Iterator[Limit]:
    what = f"{REPLACEMENTS} replacements"
    seconds, calls, of_table = 0.0, 0, 0
    if run.rotator is not None:
        seconds = run.rotator.seconds
        aside = {PROOF, *ONCE_A_RUN}
        answered = {name: times for name, times in run.rotator.answered.items() if name not in aside}
        of_table = sum(times for name, times in answered.items() if name.startswith("dynamodb:"))
        calls = sum(answered.values()) - of_table
    yield Limit(what=f"{what}: not made", found=undone(run), most=0)
    yield Limit(what=f"{what}: time", found=seconds, most=60, unit="s")
    yield Limit(
        what=f"{what}: calls for each, without its proof and the table", found=calls / REPLACEMENTS, most=16
    )
    yield Limit(what=f"{what}: calls of the table for each", found=of_table / REPLACEMENTS, most=4)


def unseen(run: Measured) -> float:
    """Users whom the scanner did not find or could not read, and those whom the rotator did not reach or could not read."""
    users, scanned = run.conditions.users, run.scanner.returned
    if scanned is None or run.rotator is None or "UsersExamined" not in run.rotator.metrics:
        return users
    lost: float = users - run.rotator.metrics["UsersExamined"] + scanned["unread"]
    return lost


def undone(run: Measured) -> float:
    made = run.rotator.metrics if run.rotator is not None else {}
    changes = sum(made.get(name, 0) for name in ("Replaced", "Deactivated", "Deleted"))
    return min(due(run.conditions.day, run.conditions.users), run.conditions.users_per_run) - changes
