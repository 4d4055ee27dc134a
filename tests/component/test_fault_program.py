"""Every kind of fault meets the calls of a run: the part of `make faults` that `make test` has."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_no_single_fault_and_no_pair_of_a_sample_loses_a_key_or_leaves_anybody_untold() -> None:
    """In one process: pytest has others at work beside it."""
    program = [sys.executable, "-m", "tests.component.faults", "--processes", "1"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
