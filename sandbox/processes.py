"""Processes that this program starts, each in a session of its own, and ends together with their children."""

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

_LAST_LINES = 40


class CommandFailed(Exception):
    """A command ended otherwise than it should have; the message ends with its last lines."""


def last_lines(text: str) -> str:
    return "\n".join(text.rstrip().splitlines()[-_LAST_LINES:])


@contextmanager
def running(
    command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in the background, its output in `log`; when the block ends, so do it and its children.

    Its input is a pipe that stays open as long as this process lives.
    """
    with (
        log.open("ab") as output,
        subprocess.Popen(
            command,
            env=env,
            cwd=cwd,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        try:
            yield process
        finally:
            _end(process)


def run(
    command: Sequence[str | Path], *, env: Mapping[str, str], cwd: Path, log: Path, within_seconds: float
) -> None:
    """Run a command to its end. Raises CommandFailed with its last lines."""
    with running(command, env=env, cwd=cwd, log=log) as process:
        try:
            status: int | str = process.wait(timeout=within_seconds)
        except subprocess.TimeoutExpired:
            status = f"nothing within {within_seconds:.0f} seconds"
    if status != 0:
        words = shlex.join(str(word) for word in command)
        raise CommandFailed(f"`{words}` ended with {status}:\n{last_lines(log.read_text(errors='replace'))}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask, wait three seconds, then kill: the process by its id, its children by the group that it leads."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    for _ in range(50):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return
        except PermissionError:  # macOS, when only dead children are left
            return
        time.sleep(0.02)
