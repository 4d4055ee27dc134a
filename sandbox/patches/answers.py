"""What a patched handler answers, as ministack's own handlers do."""

from collections.abc import Callable, Mapping
from typing import Any

from ministack.core import responses
from ministack.services import iam

Response = tuple[int, dict[str, str], bytes]
Parameters = dict[str, Any]
Handler = Callable[[Parameters], Response]

# IAM writes seconds, in UTC; schedules do too.
SECONDS = "%Y-%m-%dT%H:%M:%SZ"


def iam_error(status: int, code: str, message: str) -> Response:
    response: Response = iam._error(status, code, message)
    return response


def json_error(status: int, code: str, message: str) -> Response:
    response: Response = responses.error_response_json(code, message, status)
    return response


def json_answer(answer: Mapping[str, Any]) -> Response:
    response: Response = responses.json_response(answer)
    return response
