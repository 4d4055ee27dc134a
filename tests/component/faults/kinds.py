"""The ways in which one call fails."""

from collections.abc import Callable
from dataclasses import dataclass

from botocore.awsrequest import AWSResponse
from botocore.exceptions import ConnectionClosedError

from tests.component.calls import READS, Call, refusal, unanswered, unreachable
from tests.component.faults.clock import Clock

_ENDPOINT = "https://aws.invalid"

Effect = Callable[[Call, Clock], AWSResponse | None]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """`after`: AWS has done it. `once`: only the first attempt of the call, so that the SDK's retry meets AWS again.

    `from_then_on`: and every later call of this invocation. `writes_only`: for a read it is what another kind is.
    """

    name: str
    effect: Effect
    after: bool = False
    once: bool = False
    from_then_on: bool = False
    writes_only: bool = False

    def concerns(self, operation: str) -> bool:
        return not (self.writes_only and operation.startswith(READS))


def _answers(query: str, json: str, status: int) -> Effect:
    """The two protocols spell the same refusal differently."""

    def answer(call: Call, _: Clock) -> AWSResponse:
        return refusal(call, json if call.protocol == "json" else query, status)

    return answer


def _resets(_: Call, __: Clock) -> None:
    raise ConnectionClosedError(endpoint_url=_ENDPOINT)


def _unreachable(call: Call, _: Clock) -> None:
    unreachable(call)


def _unanswered(call: Call, _: Clock) -> None:
    unanswered(call)


def _dies(_: Call, clock: Clock) -> None:
    clock.die()


def _leaves(seconds: float, *, per_call: float) -> Effect:
    def leave(_: Call, clock: Clock) -> None:
        clock.leave(seconds)
        clock.seconds_per_call = per_call

    return leave


_throttled = _answers("Throttling", "ThrottlingException", 400)
_failed = _answers("ServiceFailure", "InternalServiceError", 500)

KINDS = (
    Kind(name="throttled", effect=_throttled),
    Kind(name="throttled once", effect=_throttled, once=True),
    Kind(name="access denied", effect=_answers("AccessDenied", "AccessDeniedException", 403)),
    Kind(name="service failure", effect=_failed),
    Kind(name="connection reset", effect=_resets),
    Kind(name="endpoint unreachable", effect=_unreachable),
    Kind(name="unreachable from then on", effect=_unreachable, from_then_on=True),
    Kind(
        name="credentials expired",
        effect=_answers("ExpiredToken", "ExpiredTokenException", 403),
        from_then_on=True,
    ),
    Kind(name="answer lost once", effect=_unanswered, after=True, once=True, writes_only=True),
    Kind(name="answer lost", effect=_unanswered, after=True, writes_only=True),
    Kind(
        name="answers lost from then on", effect=_unanswered, after=True, from_then_on=True, writes_only=True
    ),
    Kind(name="dies before", effect=_dies, writes_only=True),
    Kind(name="dies after", effect=_dies, after=True),
    Kind(name="slow, 200 s left", effect=_leaves(200, per_call=0), after=True),
    Kind(name="slow, 5 s left", effect=_leaves(5, per_call=1), after=True),
)
