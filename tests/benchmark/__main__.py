"""What a day costs, measured: exit 1 when a limit is not kept. The numbers go into docs/benchmark.md."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

# As pytest's `pythonpath` does it for the tests.
sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))

from tests.benchmark import limits, report
from tests.benchmark.limits import Limit
from tests.benchmark.measure import ROOT
from tests.benchmark.runs import Bundle, Days, Timed, days, timed

DOCUMENT = ROOT / "docs" / "benchmark.md"
BEGIN, END = "<!-- make bench writes from here -->", "<!-- to here -->"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    parser.add_argument("--users", type=int, nargs="+", help="100, 1000 and 5000, if not said otherwise")
    parser.add_argument(
        "--quick", action="store_true", help="calls only, without delay; up to 1000 users; writes nothing"
    )
    asked = parser.parse_args()
    if asked.users is not None and len(set(asked.users)) < 2:
        parser.error(
            "--users wants two numbers at least: the limits hold for the larger one, growth for both"
        )
    users = tuple(sorted(asked.users or ([100, 1000] if asked.quick else [100, 1000, 5000])))
    with TemporaryDirectory() as work:
        made = Bundle.made_in(Path(work))
        fast = days(users, delay_seconds=0, functions=made.folder)
        slow = None if asked.quick else timed(users, functions=made.folder)
    judged = [*limits.of_calls(fast), limits.of_bundle(made.zipped_bytes)]
    if slow is not None:
        judged += limits.of_time(slow)
    text = "\n".join(_lines(judged, fast, slow))
    sys.stdout.write(f"{text}\n")
    if slow is not None:
        before, _, rest = DOCUMENT.read_text().partition(BEGIN)
        after = rest.partition(END)[2]
        DOCUMENT.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
    return 0 if all(each.kept for each in judged) else 1


def _lines(judged: list[Limit], fast: Days, slow: Timed | None) -> Iterator[str]:
    runs = list(fast.measured.values())
    if slow is not None:
        runs += [*slow.days.measured.values(), *slow.repeats, slow.throttled, slow.replacing, slow.both]
    yield report.where()
    yield ""
    yield from report.of_limits(judged)
    for error in (error for run in runs for error in run.errors):
        yield f"\nA run ended with an error: {error}"
    yield "\n" + report.of_cold_starts(runs)
    for measured in [slow.days, fast] if slow is not None else [fast]:
        yield ""
        yield from report.of_days(measured)
    if slow is not None:
        yield "\n### When AWS makes it hard\n"
        yield from report.of_hardships(slow)
    yield "\n### How it grows\n"
    yield from report.of_growth(slow.days if slow is not None else fast)
    yield "\n### Calls by operation"
    yield from report.of_calls(fast)


if __name__ == "__main__":
    sys.exit(main())
