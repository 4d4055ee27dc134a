"""Lambda: functions reach the emulator, their log is whole, and one can be killed in the midst of its work."""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core import iam_evaluator, lambda_runtime
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.services import lambda_svc, s3

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


def fetch_code_across_accounts() -> None:
    """The emulator gives a function whose code lies in another account's bucket no code, and says nothing; AWS asks the policy."""
    fetch = lambda_svc._fetch_code_from_s3

    def fetch_code_from_s3(bucket: str, key: str, version_id: str | None = None) -> bytes:
        owner, account = s3._bucket_owner_account(bucket), get_account_id()
        if owner is None or owner == account:
            found = fetch(bucket, key, version_id)
        elif not s3._foreign_bucket_allows(owner, bucket, key, "GET", {}, account):
            raise ValueError(f"Your access has been denied by S3 to GetObject of {bucket}/{key}")
        else:
            with request_scope(owner, get_region()):
                found = fetch(bucket, key, version_id)
        if found is None:
            raise ValueError(f"S3 has no {bucket}/{key}")
        code: bytes = found
        return code

    lambda_svc._fetch_code_from_s3 = fetch_code_from_s3


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
