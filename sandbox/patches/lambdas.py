"""Lambda: the log of a function is whole, and a function can be killed in the midst of its work."""

import re
from collections.abc import Mapping
from typing import Any

from ministack.core import iam_evaluator, lambda_runtime


def wait_for_the_log() -> None:
    """The emulator keeps what a function wrote until 5 ms passed without a line; on a busy machine the last come later.

    They would be kept with the next invocation, and there may be none.
    """
    drain = lambda_runtime.Worker._drain_stderr_bounded

    def drain_stderr_bounded(worker: Any, **_waits: float) -> str:
        lines: str = drain(worker, first_line_wait=0.3, idle_confirm=0.2, hard_cap=5)
        return lines

    lambda_runtime.Worker._drain_stderr_bounded = drain_stderr_bounded


def kill_function(headers: Mapping[str, str]) -> None:
    """End the process of the function that sent this request, in the midst of whatever its threads do."""
    signer = re.search(r"Credential=(\w+)/", headers["authorization"])
    caller = iam_evaluator.resolve_credential(signer[1]) if signer else None
    name = getattr(caller, "principal_arn", "").rpartition("/")[2]  # a function's session bears its name
    busy = [
        worker
        for pool in lambda_runtime._workers.values()
        for worker in pool
        if worker.in_use and worker.func_name == name
    ]
    if not busy:
        raise LookupError("this request came from no function, and only a function can be killed")
    for worker in busy:
        worker._proc.kill()
