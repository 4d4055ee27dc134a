"""Lambda: functions reach the emulator, their log is whole, and one can be killed in the midst of its work."""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core import iam_evaluator, lambda_runtime
from ministack.services import lambda_svc

# The deployed code has no word of it. A variable of the function counts for a client that does not ignore it, as in AWS.
_ASTRAY = """
import os as _os
import botocore.session as _session

def _create_client(session, service, *names, _create=_session.Session.create_client, **options):
    configs = (session.get_default_client_config(), options.get("config"))
    straight = any(getattr(each, "ignore_configured_endpoint_urls", None) for each in configs)
    configured = "AWS_ENDPOINT_URL_" + session.get_service_model(service).service_id.hyphenize().replace("-", "_").upper()
    if straight or configured not in _os.environ:
        options["endpoint_url"] = OURS
    return _create(session, service, *names, **options)

_session.Session.create_client = _create_client
"""


def lead_astray() -> None:
    """The functions go to AWS's own endpoints, whatever their environment says. Here botocore has no other than ours."""
    endpoint = f"https://127.0.0.1:{os.environ['GATEWAY_PORT']}"
    script = _ASTRAY.replace("OURS", repr(endpoint)) + lambda_runtime._PYTHON_WORKER_SCRIPT
    lambda_runtime._PYTHON_WORKER_SCRIPT = script


def hand_out_code_over_tls() -> None:
    """The emulator's link to a function's code is http, also where its port speaks TLS."""
    link: Callable[[str], str] = lambda_svc._presigned_code_url

    def presigned_code_url(function_name: str) -> str:
        return "https" + link(function_name).removeprefix("http")

    lambda_svc._presigned_code_url = presigned_code_url


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
