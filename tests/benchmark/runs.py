"""Which runs the benchmark is made of."""

import shutil
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from infra.bundle import FUNCTIONS, bundle
from tests.benchmark.conditions import Conditions
from tests.benchmark.days import DAYS
from tests.benchmark.measure import Invocation, Measured, product, runbook

DELAY_SECONDS = 0.04
# The runbook's way takes minutes for more: it makes the same calls for each user.
RUNBOOK_USERS = 1000
REPEATS = 3
RATE, BURST = 25.0, 25
REPLACEMENTS, PROPAGATION_SECONDS = 100, 10.0


@dataclass(frozen=True, kw_only=True)
class Days:
    """Each kind of day for each number of users, every answer after `delay_seconds`; beside it the runbook's way."""

    delay_seconds: float
    users: tuple[int, ...]
    measured: dict[tuple[str, int], Measured]
    runbook: Invocation

    def of(self, day: str, users: int | None = None) -> Measured:
        """For the most users, if not said otherwise."""
        return self.measured[day, users or self.users[-1]]

    def runbook_seconds(self, users: int) -> float:
        """Extrapolated from RUNBOOK_USERS, by the user."""
        return self.runbook.handler_seconds * users / RUNBOOK_USERS


@dataclass(frozen=True, kw_only=True)
class Timed:
    """What only a full benchmark has. `repeats`: the quiet day for the second most users, several times.

    `both`: keys that work late, while IAM answers no more than it does in `throttled`.
    """

    days: Days
    repeats: tuple[Measured, ...]
    throttled: Measured
    replacing: Measured
    both: Measured


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What Lambda gets."""

    folder: Path
    zipped_bytes: int

    @classmethod
    def made_in(cls, work: Path) -> "Bundle":
        folder = work / "bundle"
        bundle(FUNCTIONS, folder)
        zipped = shutil.make_archive(str(work / "zipped"), "zip", folder)
        return cls(folder=folder, zipped_bytes=Path(zipped).stat().st_size)


def days(users: tuple[int, ...], *, delay_seconds: float, functions: Path) -> Days:
    measured = {
        (day, number): _told(_conditions(day, number, delay_seconds), functions)
        for day in DAYS
        for number in users
    }
    _tell("the runbook's way")
    alike = _conditions("quiet", RUNBOOK_USERS, delay_seconds)
    return Days(delay_seconds=delay_seconds, users=users, measured=measured, runbook=runbook(alike))


def timed(users: tuple[int, ...], *, functions: Path) -> Timed:
    *_, fewer, most = users
    again = _conditions("quiet", fewer, DELAY_SECONDS)
    throttled = replace(_conditions("quiet", most, DELAY_SECONDS), rate=RATE, burst=BURST)
    replacing = replace(
        _conditions("first", REPLACEMENTS, DELAY_SECONDS), propagation_seconds=PROPAGATION_SECONDS
    )
    measured = days(users, delay_seconds=DELAY_SECONDS, functions=functions)
    repeats = tuple(_told(again, functions) for _ in range(REPEATS))
    both = replace(replacing, rate=RATE, burst=BURST)
    # Side by side: they wait for IAM's limit or for new keys, and none has much to do meanwhile.
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(_told, each, functions) for each in (throttled, replacing, both)]
        of_throttled, of_replacing, of_both = (each.result() for each in waiting)
    return Timed(days=measured, repeats=repeats, throttled=of_throttled, replacing=of_replacing, both=of_both)


def _conditions(day: str, users: int, delay_seconds: float) -> Conditions:
    # Of 5,000 users about 203 are due on a steady day: there the cap does not bind.
    cap = REPLACEMENTS if day == "first" else 300
    return Conditions(day=day, users=users, users_per_run=cap, delay_seconds=delay_seconds)


def _told(conditions: Conditions, functions: Path) -> Measured:
    run = product(conditions, functions=functions)
    limit = f", at most {conditions.rate:.0f} requests a second" if conditions.rate else ""
    _tell(
        f"{conditions.day} day, {conditions.users} users, {conditions.delay_seconds * 1000:.0f} ms{limit}: "
        f"{run.seconds:.1f} s"
    )
    return run


def _tell(what: str) -> None:
    sys.stderr.write(f"{what}\n")
