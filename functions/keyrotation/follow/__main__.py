"""`access-key-follow`, or `python -m keyrotation.follow`: where the clock, the environment and the streams come in."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from keyrotation.follow.aws import Aws
from keyrotation.follow.cli import Surroundings, main

SCRIPT = "access-key-follow"


def run() -> int:
    return main(
        sys.argv[1:],
        Surroundings(
            environment=os.environ,
            clock=time.time,
            aws_in=Aws,
            program=program(sys.argv[0]),
            stdin=sys.stdin,
            stdout=sys.stdout,
            stderr=sys.stderr,
        ),
    )


def program(started_as: str) -> list[str]:
    """The words that start this program from any directory. A link to the script stays one: it survives an update."""
    script = Path(started_as)
    if script.stem == SCRIPT and script.exists():
        return [str(script.absolute())]
    return [sys.executable, "-m", "keyrotation.follow"]


if __name__ == "__main__":
    sys.exit(run())
