"""The server itself: its port, and the faults that any service's requests can meet."""

import json
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from ministack import app
from ministack.core import iam_actions

from sandbox.controls import Controls
from sandbox.patches.answers import Parameters, Response, iam_error, json_error
from sandbox.patches.lambdas import kill_function


def stay_on_one_port() -> None:
    """With TLS, ministack also takes port 443 where it may; a test run owns its own port only."""
    app._port_is_bindable = lambda *_: False


def inject_faults(controls: Controls) -> None:
    """Behind authentication and authorization, where AWS's own throttling and races strike."""
    for service, handler in app.SERVICE_HANDLERS.items():
        app.SERVICE_HANDLERS[service] = _failing(controls, service=service, handler=handler)


def _failing(controls: Controls, *, service: str, handler: Callable[..., Any]) -> Callable[..., Any]:
    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: Parameters) -> Any:
        action = iam_actions.extract_iam_action(service, method, path, headers, body, query)
        fault = controls.strike(action=action or "", parameters=_parameters(headers, body))
        if fault is not None and fault.code is not None and not fault.takes_effect:
            return _refusal(fault.code, fault.status, is_json="x-amz-target" in headers)
        answer = await handler(method, path, headers, body, query)
        if fault is None:
            return answer
        if fault.code is None:
            kill_function(headers)
            return answer  # to nobody
        return _refusal(fault.code, fault.status, is_json="x-amz-target" in headers)

    return handle


def _parameters(headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    """The top level of a request of the query or the JSON protocol."""
    if "x-amz-target" in headers:
        parsed = json.loads(body or b"{}")
        return parsed if isinstance(parsed, dict) else {}
    return dict(parse_qsl(body.decode("utf-8", errors="replace")))


def _refusal(code: str, status: int, *, is_json: bool) -> Response:
    refuse = json_error if is_json else iam_error
    return refuse(status, code, "injected by the test")
