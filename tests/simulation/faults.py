"""The line between a run and the account: each call may be refused, lose its answer, or be the last one."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random
from typing import TypeVar

from botocore.exceptions import ClientError, EndpointConnectionError, ReadTimeoutError

from tests.simulation.iam import Refused

_T = TypeVar("_T")
_NOWHERE = "https://nowhere.invalid"


class Died(BaseException):
    """The function is no more: time-out, memory, a new deployment. What was done so far stays."""


class ResourceNotFound(ClientError):
    """As botocore makes one class for each error that a service declares."""


class ResourceExists(ClientError):
    """As ResourceNotFound."""


DECLARED = {"ResourceNotFoundException": ResourceNotFound, "ResourceExistsException": ResourceExists}


class Fault(StrEnum):
    """What happens to a call."""

    THROTTLED = "throttled"
    DENIED = "denied"
    FAILED = "error of AWS, not done"
    FAILED_DONE = "error of AWS, though done"
    UNREACHABLE = "did not reach AWS"
    LOST = "done, its answer lost"
    REPEATED = "done, its answer lost, asked again"
    DIES_BEFORE = "the function died before it"
    DIES_AFTER = "the function died after it"


class Kind(StrEnum):
    """Which faults make a difference to a call.

    Between two reads a function that dies leaves what it leaves after its last write: it dies at writes. botocore
    asks again after a lost answer, where it may: of a read nobody notices.
    """

    READ = "read"
    WRITE = "write"
    ONCE = "a write that is not asked again"


_OF_READS = (Fault.THROTTLED, Fault.DENIED, Fault.FAILED, Fault.UNREACHABLE, Fault.LOST)
_OF_ONCE = tuple(fault for fault in Fault if fault is not Fault.REPEATED)
_OF_KIND = {Kind.READ: _OF_READS, Kind.WRITE: tuple(Fault), Kind.ONCE: _OF_ONCE}


@dataclass
class Line:
    """`rate`: the chance that a call meets a fault. `hit`: whom the faults of this attempt were about."""

    random: Random
    rate: float = 0.0
    met: Counter[Fault] = field(default_factory=Counter)
    met_at: Counter[str] = field(default_factory=Counter)
    hit: set[str] = field(default_factory=set)
    _left: dict[str, list[Fault]] = field(default_factory=dict)
    _dead: bool = False

    def open(self) -> None:
        """A new invocation of a function."""
        self._dead = False
        self.hit = set()

    def call(self, operation: str, kind: Kind, user_name: str, effect: Callable[[], _T]) -> _T:
        """The answer, or what botocore raises; once the function has died, nothing that it calls happens."""
        if self._dead:
            raise Died
        fault = None
        if self.rate and self.random.random() < self.rate:
            fault = self._next(operation, kind)
            self.met[fault] += 1
            self.met_at[operation] += 1
            self.hit.add(user_name)
        try:
            return effect() if fault is None else self._meet(fault, operation, effect)
        except Refused as refused:
            raise answered(operation, refused) from None

    def _next(self, operation: str, kind: Kind) -> Fault:
        """Shuffled, and each once before any comes again: a rare call meets them all too."""
        left = self._left.setdefault(operation, [])
        if not left:
            left += self.random.sample(_OF_KIND[kind], len(_OF_KIND[kind]))
        return left.pop()

    def _meet(self, fault: Fault, operation: str, effect: Callable[[], _T]) -> _T:
        match fault:
            case Fault.THROTTLED:
                raise Refused("Throttling")
            case Fault.DENIED:
                raise Refused("AccessDenied", 403)
            case Fault.UNREACHABLE:
                raise EndpointConnectionError(endpoint_url=f"{_NOWHERE}/{operation}")
            case Fault.REPEATED:
                effect()
                return effect()
            case Fault.FAILED | Fault.DIES_BEFORE:
                pass
            case Fault.FAILED_DONE | Fault.LOST | Fault.DIES_AFTER:
                effect()
        if fault in (Fault.DIES_BEFORE, Fault.DIES_AFTER):
            self._dead = True
            raise Died
        if fault is Fault.LOST:
            raise ReadTimeoutError(endpoint_url=f"{_NOWHERE}/{operation}")
        raise Refused("ServiceFailure", 500)


def answered(operation: str, refused: Refused) -> ClientError:
    """What botocore makes of an error that AWS answered."""
    return DECLARED.get(refused.code, ClientError)(
        {
            **refused.beside,  # type: ignore[typeddict-item]  # the item that did not meet a condition
            "Error": {"Code": refused.code, "Message": f"{operation} said no"},
            "ResponseMetadata": {
                "HTTPStatusCode": refused.status,
                "RequestId": "none",
                "HostId": "none",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
            },
        },
        operation,
    )
