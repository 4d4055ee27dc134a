"""One day under given conditions: an account, and the real handlers one after the other, each in a fresh process."""

import http.client
import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from keyrotation.model import OWNER_TAG_KEYS
from keyrotation.remember.table import TABLE_NAME

from sandbox.clients import require_loopback
from tests.benchmark.conditions import Conditions
from tests.benchmark.days import POLICY, ROTATOR_ROLE_ARN
from tests.benchmark.endpoint import COUNTS, ORDER
from tests.benchmark.invoke import TIMEOUT_SECONDS

ROOT = Path(__file__).parents[2]
REGION = "eu-west-1"
QUEUE_ARN = f"arn:aws:sqs:{REGION}:123456789012:orders.fifo"
MEMORY_GB = 0.5
# Lambda gives a whole core to 1,769 MB, and a function its share of that.
SHARE_OF_A_CORE = 512 / 1769
# What hangs is ended: an account lasts for two functions.
_PATIENCE_SECONDS = 2 * TIMEOUT_SECONDS + 60


@dataclass(frozen=True, kw_only=True)
class Invocation:
    """`answered` and `throttled`: calls by `service:Operation`. `metrics`: what it sent to CloudWatch."""

    import_seconds: float
    handler_seconds: float
    cpu_seconds: float
    peak_bytes: int
    returned: Any
    error: str | None
    answered: Counter[str]
    throttled: Counter[str]
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """What Lambda bills: the cold start too."""
        return self.import_seconds + self.handler_seconds


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A run of the product. `rotator` None: the scanner sent no order."""

    conditions: Conditions
    scanner: Invocation
    rotator: Invocation | None

    @property
    def invocations(self) -> list[Invocation]:
        return [each for each in (self.scanner, self.rotator) if each is not None]

    @property
    def errors(self) -> list[str]:
        return [each.error for each in self.invocations if each.error is not None]

    @property
    def answered(self) -> Counter[str]:
        return sum((each.answered for each in self.invocations), Counter[str]())

    @property
    def throttled(self) -> Counter[str]:
        return sum((each.throttled for each in self.invocations), Counter[str]())

    def calls_of(self, service: str) -> int:
        return sum(times for name, times in self.answered.items() if name.startswith(f"{service}:"))

    @property
    def iam_calls_per_user(self) -> float:
        return self.calls_of("iam") / self.conditions.users

    @property
    def seconds(self) -> float:
        return sum(each.seconds for each in self.invocations)

    @property
    def cpu_seconds(self) -> float:
        return sum(each.cpu_seconds for each in self.invocations)

    @property
    def peak_mb(self) -> float:
        return max(each.peak_bytes for each in self.invocations) / 1e6

    @property
    def gb_seconds(self) -> float:
        return self.seconds * MEMORY_GB

    @property
    def gb_seconds_by_cpu(self) -> float:
        """What Lambda would bill at least, had it this machine's cores: a function gets a share of one."""
        return self.cpu_seconds / SHARE_OF_A_CORE * MEMORY_GB


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """The account's process, as whoever measures sees it."""

    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def counts(self) -> tuple[Counter[str], Counter[str]]:
        """Requests so far: answered, and throttled."""
        told = self._ask(COUNTS)
        return Counter(told["answered"]), Counter(told["throttled"])

    def order(self) -> str | None:
        found: str | None = self._ask(ORDER)
        return found

    def _ask(self, path: str) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        try:
            connection.request("GET", path)
            return json.load(connection.getresponse())
        finally:
            connection.close()


@contextmanager
def endpoint(conditions: Conditions) -> Iterator[Endpoint]:
    told = json.dumps(asdict(conditions))
    with _running("tests.benchmark.endpoint", told, environment=_bare()) as process:
        assert process.stdout is not None
        yield Endpoint(port=int(process.stdout.readline()))


@contextmanager
def _running(module: str, *arguments: str, environment: dict[str, str]) -> Iterator["subprocess.Popen[str]"]:
    """A process that sees the end of its input when this one is gone, and is ended when the block is."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        hangs = threading.Timer(_PATIENCE_SECONDS, process.kill)
        hangs.start()
        try:
            yield process
        finally:
            hangs.cancel()
            process.kill()


def product(conditions: Conditions, *, functions: Path) -> Measured:
    """`functions`: the folder that Lambda gets."""
    with endpoint(conditions) as aws:

        def invoked(function: str, event: object) -> Invocation:
            environment = _environment(aws, function, conditions, functions)
            return _measured(aws, "tests.benchmark.invoke", function, environment=environment, event=event)

        scanned = invoked("scanner", _SCHEDULED)
        order = aws.order()
        rotated = None if order is None else invoked("rotator", _delivery(order))
    return Measured(conditions=conditions, scanner=scanned, rotator=rotated)


def runbook(conditions: Conditions) -> Invocation:
    with endpoint(conditions) as aws:
        return _measured(aws, "tests.benchmark.runbook", environment=_of_lambda(aws), event=None)


_SCHEDULED = {"run_id": "benchmark", "scheduled_time": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"}


def _delivery(body: str) -> dict[str, Any]:
    """The event that SQS has Lambda get."""
    record = {
        "messageId": "message-1",
        "receiptHandle": "receipt-1",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": "account"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": QUEUE_ARN,
        "awsRegion": REGION,
    }
    return {"Records": [record]}


def _measured(
    aws: Endpoint, module: str, *arguments: str, environment: dict[str, str], event: object
) -> Invocation:
    answered, throttled = aws.counts()
    with _running(module, *arguments, environment=environment) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{json.dumps(event)}\n")
        process.stdin.flush()
        lines = process.stdout.read().splitlines()
        if process.wait() != 0:
            raise RuntimeError(f"{module} {' '.join(arguments)} ended with {process.returncode}")
    *log, told = lines
    answered_then, throttled_then = aws.counts()
    return Invocation(
        **json.loads(told),
        answered=answered_then - answered,
        throttled=throttled_then - throttled,
        metrics=_metrics(log),
    )


def _metrics(log: list[str]) -> dict[str, float]:
    """Powertools writes them as one line of the log."""
    found: dict[str, float] = {}
    for line in log:
        if line.startswith('{"_aws"'):
            told = json.loads(line)
            found |= {name: value[0] for name, value in told.items() if isinstance(value, list)}
    return found


def _bare() -> dict[str, str]:
    """No setting of the person who runs this: no profile, no credentials, no endpoint, no proxy.

    And nothing compiled is kept: the functions' folder is read-only in Lambda.
    """
    return {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}


def _of_lambda(aws: Endpoint) -> dict[str, str]:
    require_loopback(aws.url)
    return {
        **_bare(),
        "AWS_ENDPOINT_URL": aws.url,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    }


def _environment(aws: Endpoint, function: str, conditions: Conditions, functions: Path) -> dict[str, str]:
    """As the stack sets it: the rotator's is the scanner's and more."""
    policy = {**vars(POLICY), "max_users_per_run": conditions.users_per_run}
    return {
        **_of_lambda(aws),
        "PYTHONPATH": str(functions),
        "POWERTOOLS_SERVICE_NAME": function,
        "POWERTOOLS_METRICS_NAMESPACE": "AccessKeyRotation",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        **{name.upper(): str(value) for name, value in policy.items()},
        "TABLE_NAME": TABLE_NAME,
        "USER_PATH_PREFIX": "/",
        "ORDERS_QUEUE_URL": f"{aws.url}/123456789012/orders.fifo",
        "ORDERS_QUEUE_ARN": QUEUE_ARN,
        "MODE": "Enforce",
        "NOTIFY": "Changes",
        "RUNBOOK_URL": "docs/runbook.md",
        "LOG_GROUP_NAME": "rotator-logs",
        "SECRET_READER_ARNS": "",
        "SECRETS_KMS_KEY_ARN": "",
        "OWNER_TAG_KEYS": ",".join(OWNER_TAG_KEYS),
        "TOPIC_ARN": f"arn:aws:sns:{REGION}:123456789012:alerts",
        "OWNERS_TOPIC_ARN": f"arn:aws:sns:{REGION}:123456789012:owners",
        "CHAT_TOPIC_ARN": f"arn:aws:sns:{REGION}:123456789012:chat",
        "ROTATOR_ROLE_ARN": ROTATOR_ROLE_ARN,
        "FUNCTION_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
    }
