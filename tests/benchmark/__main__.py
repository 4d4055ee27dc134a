"""`python -m tests.benchmark --users 100 1000`: calls of each kind of day, without delay."""

import argparse
import sys
from pathlib import Path

# As pytest's `pythonpath` does it for the tests.
sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))

from tests.benchmark.conditions import Conditions
from tests.benchmark.days import DAYS
from tests.benchmark.measure import ROOT, product


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmark", description=__doc__)
    parser.add_argument("--users", type=int, nargs="+", default=[100, 1000])
    asked = parser.parse_args()
    for users in asked.users:
        for day in DAYS:
            # Of 5,000 users about 203 are due on a steady day.
            cap = 100 if day == "first" else 300
            run = product(Conditions(day=day, users=users, users_per_run=cap), functions=ROOT / "functions")
            sys.stdout.write(
                f"{day}, {users} users: {run.iam_calls_per_user:.3f} IAM calls per user, {run.seconds:.1f} s, "
                f"{run.peak_mb:.0f} MB {' '.join(run.errors)}\n"
            )
            for name, times in sorted(run.answered.items()):
                sys.stdout.write(f"  {name:<44}{times:>8}{times / users:>9.3f}\n")


if __name__ == "__main__":
    main()
