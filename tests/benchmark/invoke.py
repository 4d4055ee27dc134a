"""One cold start and one invocation, as Lambda does it, in this fresh process: `<function>`, its event the first line of input.

The last line of standard output is the measurement; the lines before it are the function's own log.
"""

import importlib
import json
import os
import resource
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TIMEOUT_SECONDS = 900


@dataclass(frozen=True, kw_only=True)
class Context:
    """What powertools and the handlers ask of Lambda's context."""

    function_name: str
    ends: float
    memory_limit_in_mb: int = 512
    aws_request_id: str = "request-1"

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:eu-west-1:123456789012:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        return int((self.ends - time.monotonic()) * 1000)


def lead_astray() -> None:
    """The functions go to AWS's own endpoints, whatever their environment says; here there is one on this machine."""
    # Here, for a cold start has it to import too.
    from botocore.session import Session  # noqa: PLC0415

    create: Any = Session.create_client
    endpoint = os.environ["AWS_ENDPOINT_URL"]

    def create_client(session: Session, *names: Any, **options: Any) -> Any:
        return create(session, *names, **{**options, "endpoint_url": endpoint})

    Session.create_client = create_client  # type: ignore[assignment,method-assign]


def measured(function: str, work: Callable[[], Callable[[], object]]) -> None:
    """`work` imports, and returns what is to be called."""
    begun = time.monotonic()
    call = work()
    imported = time.monotonic()
    returned, error = None, None
    try:
        returned = call()
    except Exception as raised:  # noqa: BLE001  # a run that fails is a result
        error = f"{function}: {type(raised).__name__}: {raised}"
    told = {
        "import_seconds": imported - begun,
        "handler_seconds": time.monotonic() - imported,
        "cpu_seconds": time.process_time(),
        "peak_bytes": peak_bytes(),
        "returned": returned,
        "error": error,
    }
    sys.stdout.write(f"{json.dumps(told)}\n")


def peak_bytes() -> int:
    """Of this program alone: ru_maxrss also counts, on Linux, what the parent was before it became this program."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def end_with_parent() -> None:
    """A killed parent cannot clean up, but its end of the pipe closes with it."""

    def watch() -> None:
        # Not by sys.stdin, whose lock an ending program wants.
        while os.read(0, 1024):
            pass
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def main() -> None:
    function, event = sys.argv[1], json.loads(sys.stdin.readline())
    end_with_parent()

    def work() -> Callable[[], object]:
        lead_astray()
        module = importlib.import_module(function)
        context = Context(function_name=function, ends=time.monotonic() + TIMEOUT_SECONDS)
        return lambda: module.handler(event, context)

    measured(function, work)


if __name__ == "__main__":
    main()
