"""Every call that clients made from here on send to AWS, in order, and the faults that calls are made to meet."""

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

# The last asks the queue whether it handed an order out, and changes nothing of one that it just did.
_READS = ("Get", "List", "Describe", "ChangeMessageVisibility")
_NOWHERE = "https://aws.invalid"


@dataclass(frozen=True, kw_only=True)
class Call:
    """One call as the code made it: retries are in `Calls.sent`."""

    operation: str
    params: Mapping[str, Any]


# Told what is called; raises, or returns the answer that AWS is said to have given; None: AWS is asked.
Fault = Callable[[Call], tuple[AWSResponse, dict[str, Any]] | None]


class Calls:
    """`made`: the calls in order. `sent`: the operations that went out on the wire, each retry counted."""

    def __init__(self) -> None:
        self.made: list[Call] = []
        self.sent: list[str] = []
        self._secret_halves: list[str] = []
        self._before: list[Fault] = []
        self._lost: list[Fault] = []
        self._changes: list[Callable[[Call, dict[str, Any]], None]] = []
        # A call is made in one thread from its parameters to its answer.
        self._thread = threading.local()

    @property
    def operations(self) -> list[str]:
        return [call.operation for call in self.made]

    @property
    def writes(self) -> list[str]:
        return [each for each in self.operations if not each.startswith(_READS)]

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
        for each in (self.made, self.sent, self._before, self._lost, self._changes):
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

    def lose_answer(self, operation: str, **where: Any) -> None:
        """AWS does it, and nobody hears of it. The client's own retries come after this."""
        self._lost.append(_only(operation, where, unanswered))

    def meet(self, fault: Fault, *, lost: bool = False) -> None:
        """Any fault, asked for every call: before AWS gets it, or after AWS did it."""
        (self._lost if lost else self._before).append(fault)

    def change_answer(self, operation: str, change: Callable[[Call, dict[str, Any]], None]) -> None:
        """Change what AWS answered, in place."""

        def only(call: Call, answer: dict[str, Any]) -> None:
            if call.operation == operation:
                change(call, answer)

        self._changes.append(only)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Have every session that is made within report here."""
        hooks = [
            ("before-parameter-build", self._record),
            ("before-call", self._before_call),
            # Last: after moto, which answers at the same event, has done what was asked.
            ("before-send", self._before_send, botocore.handlers.REGISTER_LAST),
            ("after-call", self._after_call),
        ]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                botocore.handlers, "BUILTIN_HANDLERS", [*botocore.handlers.BUILTIN_HANDLERS, *hooks]
            )
            yield

    def _record(self, *, params: dict[str, Any], model: Any, **_: Any) -> None:
        call = Call(operation=model.name, params=dict(params))
        self._thread.call = call
        self.made.append(call)

    def _before_call(self, **_: Any) -> tuple[AWSResponse, dict[str, Any]] | None:
        return next((answer for fault in self._before if (answer := fault(self._thread.call))), None)

    def _before_send(self, **_: Any) -> None:
        self.sent.append(self._thread.call.operation)
        for fault in self._lost:
            fault(self._thread.call)

    def _after_call(self, *, parsed: dict[str, Any], **_: Any) -> None:
        call = self._thread.call
        if "AccessKey" in parsed:
            self._secret_halves.append(parsed["AccessKey"]["SecretAccessKey"])
        for change in self._changes:
            change(call, parsed)


def error_answer(call: Call, code: str, status: int, message: str) -> tuple[AWSResponse, dict[str, Any]]:
    """What botocore makes of an error that AWS answered."""
    parsed = {
        "Error": {"Code": code, "Message": f"{call.operation} {message}"},
        "ResponseMetadata": {"HTTPStatusCode": status, "RequestId": "none"},
    }
    return AWSResponse(_NOWHERE, status, HTTPHeaders(), None), parsed


def unreachable(call: Call) -> None:
    raise EndpointConnectionError(endpoint_url=f"{_NOWHERE}/{call.operation}")


def unanswered(call: Call) -> None:
    raise ReadTimeoutError(endpoint_url=f"{_NOWHERE}/{call.operation}")


def _only(operation: str, where: Mapping[str, Any], fault: Fault) -> Fault:
    def strike(call: Call) -> tuple[AWSResponse, dict[str, Any]] | None:
        meant = call.operation == operation and all(call.params.get(name) == where[name] for name in where)
        return fault(call) if meant else None

    return strike
