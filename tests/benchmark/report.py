"""The numbers as tables, to be read on a terminal and in docs/benchmark.md alike."""

import os
import platform
import subprocess
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from statistics import median

from tests.benchmark.days import DAYS
from tests.benchmark.limits import PROOF, Limit
from tests.benchmark.measure import ROOT, Measured
from tests.benchmark.runs import BURST, PROPAGATION_SECONDS, RATE, REPLACEMENTS, RUNBOOK_USERS, Days, Timed


def where() -> str:
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    ).stdout.strip()
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d} at commit {commit or 'unknown'}, with Python {platform.python_version()} "
        f"on {platform.system()} {platform.machine()}, {os.cpu_count()} cores."
    )


def of_limits(limits: Iterable[Limit]) -> Iterator[str]:
    yield from _table(
        ("", "limit", "measured", "at most"),
        [
            (
                "PASS" if each.kept else "FAIL",
                each.what,
                f"{_number(each.found)} {each.unit}".rstrip(),
                f"{_number(each.most)} {each.unit}".rstrip(),
            )
            for each in limits
        ],
    )


def of_days(days: Days) -> Iterator[str]:
    yield f"### Each answer after {days.delay_seconds * 1000:.0f} ms"
    yield ""
    yield from _table(
        (
            "day",
            "users",
            "IAM calls",
            "per user",
            "other calls",
            "seconds",
            "scanning",
            "to the runbook's way",
            "CPU s",
            "peak MB",
            "GB-s",
            "GB-s by CPU",
        ),
        [_row(days, days.of(day, users)) for day in DAYS for users in days.users],
    )
    yield ""
    yield (
        f"The runbook's way took {days.runbook.handler_seconds:.1f} s for {RUNBOOK_USERS:,} users "
        f"({sum(days.runbook.answered.values()):,} calls); for other numbers of users it is extrapolated from that."
    )


def of_growth(days: Days) -> Iterator[str]:
    steps = list(zip(days.users, days.users[1:], strict=False))
    yield from _table(
        ("day", "", *(f"{fewer:,} to {more:,} users" for fewer, more in steps)),
        [
            (
                day,
                what,
                *(
                    f"x {_of(what, days.of(day, more)) / _of(what, days.of(day, fewer)):.2f}"
                    for fewer, more in steps
                ),
            )
            for day in DAYS
            for what in ("IAM calls", "calls", "seconds", "peak MB", "GB-s")
        ],
    )


def of_calls(days: Days) -> Iterator[str]:
    most = days.users[-1]
    for day in DAYS:
        runs = [days.of(day, users).answered for users in days.users]
        yield ""
        yield from _table(
            (f"{day} day", *(f"{users:,} users" for users in days.users), "per user"),
            [
                (name, *(f"{run[name]:,}" for run in runs), f"{runs[-1][name] / most:.3f}")
                for name in sorted(runs[-1])
            ],
        )


def of_hardships(timed: Timed) -> Iterator[str]:
    """The runs in which AWS makes it hard."""
    run = timed.throttled
    yield (
        f"- IAM answers {RATE:.0f} requests a second ({BURST} at once), a quiet day of {run.conditions.users:,} users: "
        f"{run.calls_of('iam'):,} answered, {run.throttled.total():,} refused and asked again, {run.seconds:.1f} s."
    )
    run = timed.replacing
    rotator = run.rotator.answered if run.rotator is not None else Counter[str]()
    yield (
        f"- {REPLACEMENTS} replacements, and each new key works after {PROPAGATION_SECONDS:.0f} s: {run.seconds:.1f} s, "
        f"{rotator.total() - rotator[PROOF]:,} calls of the rotator and {rotator[PROOF]:,} tries of the new keys."
    )
    run = timed.both
    yield (
        f"- Both at once: {run.seconds:.1f} s, {run.calls_of('iam'):,} calls of IAM answered and {run.throttled.total():,} "
        "refused and asked again."
    )


def of_cold_starts(runs: Sequence[Measured]) -> str:
    scanner = median(run.scanner.import_seconds for run in runs)
    rotator = median(run.rotator.import_seconds for run in runs if run.rotator is not None)
    return f"Importing the scanner takes {scanner:.2f} s and the rotator {rotator:.2f} s (the median of {len(runs)} runs)."


def _row(days: Days, run: Measured) -> tuple[str, ...]:
    users, iam = run.conditions.users, run.calls_of("iam")
    return (
        run.conditions.day,
        f"{users:,}",
        f"{iam:,}",
        f"{run.iam_calls_per_user:.3f}",
        f"{run.answered.total() - iam:,}",
        f"{run.seconds:.1f}",
        f"{run.scanner.seconds:.1f}",
        f"{run.seconds / days.runbook_seconds(users):.3f}",
        f"{run.cpu_seconds:.1f}",
        f"{run.peak_mb:.0f}",
        f"{run.gb_seconds:.1f}",
        f"{run.gb_seconds_by_cpu:.1f}",
    )


def _of(what: str, run: Measured) -> float:
    return {
        "IAM calls": run.calls_of("iam"),
        "calls": run.answered.total(),
        "seconds": run.seconds,
        "peak MB": run.peak_mb,
        "GB-s": run.gb_seconds,
    }[what]


def _number(value: float) -> str:
    return f"{value:.0f}" if value == int(value) else f"{value:.3f}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Padded: a terminal shows it as it is. All but the first two columns are numbers."""
    widths = [max(len(row[at]) for row in (head, *rows)) for at in range(len(head))]
    numbers = [at > 0 and all(row[at][:1] in "0123456789x-" for row in rows) for at in range(len(head))]

    def line(cells: Sequence[str]) -> str:
        padded = (
            cell.rjust(width) if number else cell.ljust(width)
            for cell, width, number in zip(cells, widths, numbers, strict=True)
        )
        return f"| {' | '.join(padded)} |"

    yield line(head)
    yield f"|{'|'.join('-' * (width + 1) + (':' if number else '-') for width, number in zip(widths, numbers, strict=True))}|"
    yield from (line(row) for row in rows)
