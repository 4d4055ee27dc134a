"""Many due users while AWS refuses three calls of ten: each is finished, or named among those who are not.

`make test` has 200 of them, and a fifth of the time to work; `make bench` has the thousand and all of it.
"""

import json
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import keyrotation.run.rotation
import keyrotation.run.turns
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from keyrotation.memory import Memory
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse
from moto.iam.models import AccessKey, AccessKeyLastUsed, IAMBackend, iam_backends

from tests.component.account import ACCOUNT, REGION, TODAY, Account, days_ago
from tests.component.clock import VirtualClock, set_token_buckets
from tests.component.deployment import Deployment

XML = "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>"
JSON = '{"__type": "ThrottlingException", "message": "Rate exceeded"}'
LAMBDA_SECONDS = 900
ALL = 1000
# What a call takes; IAM answers in about this time.
LATENCY = 0.1


@dataclass
class Wire:
    """AWS behind a wire on which every attempt takes its time, and a share of them is throttled."""

    clock: VirtualClock
    share: float
    attempts: int = 0
    throttled: int = 0
    _chance: random.Random = field(default_factory=lambda: random.Random(1))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def between(self, moto: Callable[..., AWSResponse | None]) -> Callable[..., AWSResponse | None]:
        """moto behind this wire. Not an event hook: moto does what is asked even when another hook has answered."""

        def answer(stubber: object, event_name: str, request: AWSPreparedRequest, **rest: Any) -> Any:
            self.clock.sleep(LATENCY)
            with self._lock:
                self.attempts += 1
                refused = self._chance.random() < self.share
                self.throttled += refused
            return _throttling(request) if refused else moto(stubber, event_name, request, **rest)

        return answer


def _throttling(request: AWSPreparedRequest) -> AWSResponse:
    """In the protocol of the service that was asked."""
    is_json = "X-Amz-Target" in request.headers
    return AWSResponse(request.url, 400, HTTPHeaders(), MockRawResponse(JSON if is_json else XML))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> VirtualClock:
    clock = VirtualClock()
    set_token_buckets(monkeypatch, now=lambda: clock.now, sleep=clock.sleep)
    monkeypatch.setattr(keyrotation.run.rotation, "ThreadPoolExecutor", clock.pool)
    monkeypatch.setattr(keyrotation.run.turns, "BoundedSemaphore", clock.semaphore)
    return clock


@dataclass(frozen=True, kw_only=True)
class Behind:
    """What moto holds, made and read behind its back: by calls, the users would take most of the test."""

    iam: IAMBackend = field(default_factory=lambda: iam_backends[ACCOUNT]["aws"])

    def add_due(self, name: str) -> str:
        """A user whose only key is due and in use. Returns the key's id."""
        self.iam.create_user(REGION, name)
        key: AccessKey = self.iam.create_access_key(name)
        key.create_date = days_ago(80).replace(tzinfo=None)
        key.last_used = AccessKeyLastUsed(days_ago(1).replace(tzinfo=None), "s3", REGION)
        return str(key.access_key_id)

    def keys(self, name: str) -> dict[str, str]:
        return {key.access_key_id: key.status for key in self.iam.users[name].access_keys}


@dataclass(frozen=True, kw_only=True)
class Told:
    """What the run's log says of whom."""

    replaced: set[str]
    failed: dict[str, str]
    unread: set[str]
    deferred: set[str]

    @classmethod
    def in_log(cls, text: str) -> "Told":
        lines = [json.loads(line) for line in text.splitlines()]
        applied = [line for line in lines if line.get("message") == "applied"]
        failed = {line["user"]: line["failure"] for line in applied if line.get("failure")}
        return cls(
            replaced={line["user"] for line in applied if line["done"]} - set(failed),
            failed=failed,
            unread={
                line["user"]
                for line in lines
                if line.get("rule") == "not_understood" and "could not be read" in line["decision"]
            }
            - set(failed),
            deferred={name for line in lines for name in line.get("deferred", ())},
        )


def test_each_of_many_due_users_is_replaced_or_named_when_three_calls_of_ten_are_throttled(
    *,
    pytestconfig: pytest.Config,
    account: Account,
    deployment: Deployment,
    clock: VirtualClock,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    behind = Behind()
    users: int = pytestconfig.getoption("--throttled-users")
    # For fewer users less of the time before the reserve, in which nobody is started: it runs out as it does for all.
    before_reserve = LAMBDA_SECONDS - deployment.load("rotator").RESERVE_SECONDS
    began = before_reserve * (1 - users / ALL)
    old = {name: behind.add_due(name) for name in (f"user-{number:04}" for number in range(users))}
    order = deployment.order(*old)
    wire = Wire(clock=clock, share=0.3)
    with monkeypatch.context() as patch:
        patch.setattr(BotocoreStubber, "__call__", wire.between(BotocoreStubber.__call__))
        deployment.sleep = clock.sleep
        deployment.rotate(
            order,
            remaining=lambda: int((LAMBDA_SECONDS - began - clock.now) * 1000),
            MAX_USERS_PER_RUN="1000",
        )

    told = Told.in_log(capsys.readouterr().out)
    # Lambda would have let it end: users are started as long as there is time for the slowest, and no longer.
    assert began + clock.now < LAMBDA_SECONDS
    assert 0.25 < wire.throttled / wire.attempts < 0.35
    fates = [told.replaced, set(told.failed), told.unread, told.deferred]
    # Everybody is in one of them, and in one only.
    assert sorted(name for fate in fates for name in fate) == sorted(old)
    assert told.replaced
    assert told.deferred

    readings = account.table.read_all()

    def memory(name: str) -> Memory:
        return readings.of(behind.iam.users[name].id)

    for name in told.replaced:
        new = account.new_key(name, old[name])
        assert behind.keys(name) == {old[name]: "Active", new: "Active"}
        assert account.current(name)["AccessKeyId"] == new
        assert account.current_works(name)
        known = memory(name)
        assert (known.pending, known.key(new).issued_on) == (None, TODAY)
    for name in told.deferred | told.unread:
        assert (behind.keys(name), memory(name).keys) == ({old[name]: "Active"}, {})
        assert memory(name).pending is None
    for name, failure in told.failed.items():
        # No key is left that the next run would not know of: `pending` stays with it, and the failure says so.
        keys, pending = behind.keys(name), memory(name).pending
        assert keys.pop(old[name]) == "Active"
        assert len(keys) <= 1
        new_is_known = set(keys) <= set(memory(name).keys)
        assert new_is_known or (pending is not None and pending.key_ids == (old[name],))
        assert pending is None or "pending" in failure or "remembering" in failure

    (mail,) = deployment.mails()
    assert (": FAILED: " in mail.subject) is bool(told.failed)
    assert f"{len(told.deferred)} users deferred to the next run because the time was nearly up" in mail.text
