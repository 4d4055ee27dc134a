"""Every call that clients made from here on send to AWS, in order, and the faults that calls are made to meet."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import botocore.handlers
import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.exceptions import EndpointConnectionError, ReadTimeoutError
from moto.core.botocore_stubber import MockRawResponse
from moto.core.models import botocore_stubber

# The last asks the queue whether it handed an order out, and changes nothing of one that it just did.
READS = ("Get", "List", "Describe", "Lookup", "Scan", "ChangeMessageVisibility")
_NOWHERE = "https://aws.invalid"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call as the code made it: retries are in `Calls.sent`. `protocol`: as botocore names it."""

    operation: str
    params: Mapping[str, Any]
    protocol: str


# Told what is called; raises, or returns the answer that AWS is said to have given; None: AWS is asked.
Fault = Callable[[Call], tuple[AWSResponse, dict[str, Any]] | None]
# The same for one attempt on the wire: the client's own retries come after it.
WireFault = Callable[[Call], AWSResponse | None]
# Told how a call ended, retries included: the error's code or kind, or None.
Witness = Callable[[Call, str | None], None]


class Crowd:
    """How many calls are there at once; `most`: at any time so far."""

    def __init__(self, together: int) -> None:
        self.most = 0
        self._now = 0
        self._lock, self._all_here = threading.Lock(), threading.Barrier(together, timeout=30)

    def come(self, _call: Call) -> None:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        self._all_here.wait()

    def leave(self, _call: Call, _answer: dict[str, Any]) -> None:
        with self._lock:
            self._now -= 1


class Calls:
    """`made`: the calls in order. `sent`: the operations that went out on the wire, each retry counted."""

    def __init__(self) -> None:
        self.made: list[Call] = []
        self.sent: list[str] = []
        self._secret_halves: list[str] = []
        self._before: list[Fault] = []
        self._wire: list[WireFault] = []
        self._lost: list[Fault | WireFault] = []
        self._witnesses: list[Witness] = []
        self._changes: list[Callable[[Call, dict[str, Any]], None]] = []
        # A call is made in one thread from its parameters to its answer.
        self._thread = threading.local()
        self._moto = threading.RLock()

    @property
    def operations(self) -> list[str]:
        return [call.operation for call in self.made]

    @property
    def writes(self) -> list[str]:
        return [each for each in self.operations if not each.startswith(READS)]

    def of(self, operation: str) -> list[Call]:
        return [call for call in self.made if call.operation == operation]

    @property
    def made_keys(self) -> int:
        return len(self._secret_halves)

    def leaks(self, text: str) -> int:
        """How many secret halves of the keys that were made stand in a text; a test never prints one."""
        return sum(secret in text for secret in self._secret_halves)

    def clear(self) -> None:
        """Forget what was called, and let everything succeed again."""
        for each in (
            self.made,
            self.sent,
            self._before,
            self._wire,
            self._lost,
            self._changes,
            self._witnesses,
        ):
            each.clear()

    # Faults. `where`: parameters that a call must have for it; each may be given once, or for every call.

    def refuse(
        self, operation: str, code: str, *, status: int = 403, message: str = "said no", **where: Any
    ) -> None:
        """AWS answers with an error and does nothing."""
        self._before.append(_only(operation, where, lambda call: error_answer(call, code, status, message)))

    def break_connection(self, operation: str, **where: Any) -> None:
        """The call never reaches AWS."""
        self._before.append(_only(operation, where, unreachable))

    def stumble(self, operation: str, error: Exception, **where: Any) -> None:
        """The call raises what nobody foresaw, before AWS gets it."""

        def fail(_call: Call) -> None:
            raise error

        self._before.append(_only(operation, where, fail))

    def lose_answer(self, operation: str, **where: Any) -> None:
        """AWS does it, and nobody hears of it. The client's own retries come after this."""
        self._lost.append(_only(operation, where, unanswered))

    def meet(self, fault: Fault, *, lost: bool = False) -> None:
        """Any fault, asked for every call: before AWS gets it, or after AWS did it."""
        (self._lost if lost else self._before).append(fault)

    def meet_on_the_wire(self, fault: WireFault, *, lost: bool) -> None:
        """Any fault, asked for every attempt, retries included: before AWS gets it, or after AWS did it."""
        (self._lost if lost else self._wire).append(fault)

    def tell(self, witness: Witness) -> None:
        """Have every call's end told."""
        self._witnesses.append(witness)

    def change_answer(self, operation: str, change: Callable[[Call, dict[str, Any]], None]) -> None:
        """Change what AWS answered, in place."""

        def only(call: Call, answer: dict[str, Any]) -> None:
            if call.operation == operation:
                change(call, answer)

        self._changes.append(only)

    def crowd_at(self, operation: str, *, together: int) -> "Crowd":
        """From here on its calls wait until so many are there; a number of calls that this does not divide fails."""
        crowd = Crowd(together)
        self._before.append(_only(operation, {}, crowd.come))
        self.change_answer(operation, crowd.leave)
        return crowd

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Have every session that is made within report here."""
        hooks = [
            ("before-parameter-build", self._record),
            ("before-call", self._before_call),
            ("after-call", self._after_call),
            ("after-call-error", self._after_call_error),
        ]
        # In the place of moto's answer: what never reaches AWS has no effect, and what is lost had one.
        handlers = [
            ("before-send", self._send) if handler == ("before-send", botocore_stubber) else handler
            for handler in botocore.handlers.BUILTIN_HANDLERS
        ]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(botocore.handlers, "BUILTIN_HANDLERS", [*handlers, *hooks])
            yield

    def _record(self, *, params: dict[str, Any], model: Any, **_: Any) -> None:
        protocol = model.service_model.resolved_protocol
        call = Call(operation=model.name, params=dict(params), protocol=protocol)
        self._thread.call = call
        self.made.append(call)

    def _before_call(self, **_: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
        return next((answer for fault in self._before if (answer := fault(self._thread.call))), None)

    def _send(self, event_name: str, request: Any, **_: Any) -> AWSResponse | None:
        call = self._thread.call
        self.sent.append(call.operation)
        refused = next((answer for fault in self._wire if (answer := fault(call))), None)
        if refused is not None:
            return refused
        # moto goes through its dictionaries without a lock of its own: another thread's secret may come in between.
        with self._moto:
            answer = botocore_stubber(event_name, request)
        for fault in self._lost:
            fault(call)
        return answer

    def _after_call(self, *, parsed: dict[str, Any], **_: Any) -> None:
        call = self._thread.call
        if "AccessKey" in parsed:
            self._secret_halves.append(parsed["AccessKey"]["SecretAccessKey"])
        for change in self._changes:
            change(call, parsed)
        self._told(parsed.get("Error", {}).get("Code"))

    def _after_call_error(self, *, exception: Exception, **_: Any) -> None:
        self._told(type(exception).__name__)

    def _told(self, error: str | None) -> None:
        for witness in self._witnesses:
            witness(self._thread.call, error)


def error_answer(call: Call, code: str, status: int, message: str) -> tuple[AWSResponse, dict[str, Any]]:
    """What botocore makes of an error that AWS answered."""
    parsed = {
        "Error": {"Code": code, "Message": f"{call.operation} {message}"},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "none"},
    }
    return AWSResponse(_NOWHERE, status, HTTPHeaders(), None), parsed


def refusal(call: Call, code: str, status: int) -> AWSResponse:
    """An error as it comes over the wire."""
    message = f"{call.operation} said no"
    if call.protocol == "json":
        body = json.dumps({"__type": code, "message": message})
    else:
        error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
        body = f"<ErrorResponse>{error}<RequestId>none</RequestId></ErrorResponse>"
    return AWSResponse(_NOWHERE, status, HTTPHeaders(), MockRawResponse(body))


def unreachable(call: Call) -> None:
    raise EndpointConnectionError(endpoint_url=f"{_NOWHERE}/{call.operation}")


def unanswered(call: Call) -> None:
    raise ReadTimeoutError(endpoint_url=f"{_NOWHERE}/{call.operation}")


def _only(operation: str, where: Mapping[str, Any], fault: Fault) -> Fault:
    def strike(call: Call) -> tuple[AWSResponse, dict[str, Any]] | None:
        meant = call.operation == operation and all(call.params.get(name) == where[name] for name in where)
        return fault(call) if meant else None

    return strike
