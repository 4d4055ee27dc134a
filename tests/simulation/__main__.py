"""`python -m tests.simulation --users 1000 --years 10 --seed 1`: exit 1 on any violation."""

import argparse
import gc
import sys
from pathlib import Path

# As pytest's `pythonpath` does it for the tests.
sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))

from tests.simulation.fleet import Fleet
from tests.simulation.report import lines, never_met, too_small


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--years", type=float, default=3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--missed", type=float, default=0.03, help="the chance that a day's run is missed")
    parser.add_argument("--faults", type=float, default=0, help="the chance that a call of a run fails")
    asked = parser.parse_args()
    # Nearly everything is small, plain and in no cycle: the collector, asked as often as usual, would find nothing.
    gc.set_threshold(100_000, 20, 50)
    fleet = Fleet(users=asked.users, seed=asked.seed, missed=asked.missed, faults=asked.faults)
    fleet.live(asked.years, progress=_shown if sys.stderr.isatty() else _silent)
    sys.stdout.write("\n".join(lines(fleet)) + "\n")
    return 1 if fleet.watch.violations or (never_met(fleet) and not too_small(fleet)) else 0


def _shown(day: int, days: int) -> None:
    """On one line, about every hundredth of the way, and the line empty again at the end."""
    if day == days:
        sys.stderr.write("\r\033[K")
    elif day % max(1, days // 100) == 0:
        sys.stderr.write(f"\rday {day} of {days}, {day * 100 // days} %")
    sys.stderr.flush()


def _silent(_day: int, _days: int) -> None:
    """Not on a terminal: what is written to a file is the result alone."""


if __name__ == "__main__":
    sys.exit(main())
