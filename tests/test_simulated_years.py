"""Two years of a fleet, as `make simulate` has them for ten: without faults, and with one call in fifty failing."""

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def simulated(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "tests.simulation", *arguments]


# Seeds of which it is known that so few users meet every rule in two years.
@pytest.mark.parametrize(
    ("users", "seed", "faults"), [("80", "1", "0"), ("100", "3", "0.02")], ids=["no faults", "faults"]
)
def test_in_two_years_every_rule_and_fault_is_met_and_nothing_goes_wrong(
    users: str, seed: str, faults: str
) -> None:
    done = subprocess.run(
        simulated("--users", users, "--years", "2", "--seed", seed, "--faults", faults),
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


def test_it_is_the_seed_that_makes_the_fleet() -> None:
    def lived(seed: str) -> str:
        few = simulated("--users", "10", "--years", "0.5", "--seed", seed)
        return subprocess.run(few, cwd=ROOT, capture_output=True, text=True, check=False).stdout

    first, again, other = lived("1"), lived("1"), lived("2")
    assert first == again
    assert first.splitlines()[1:] != other.splitlines()[1:]


def test_on_a_terminal_it_says_how_far_it_is() -> None:
    ours, theirs = pty.openpty()
    few = simulated("--users", "2", "--years", "0.6")
    subprocess.run(few, cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs, check=False)
    os.close(theirs)
    seen = os.read(ours, 100_000).decode()
    os.close(ours)

    assert "day 200 of 219, 91 %" in seen
