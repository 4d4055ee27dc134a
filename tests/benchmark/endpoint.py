"""The account behind HTTP on this machine, in a process of its own: each answer delayed, throttled and counted.

Run as `python -m tests.benchmark.endpoint <conditions as JSON>`: it prints its port, and lives as long as its standard
input stays open.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

# As pytest's `pythonpath` does it for the tests.
sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))

from tests.benchmark.aws import Aws
from tests.benchmark.conditions import Conditions
from tests.benchmark.days import account_on
from tests.benchmark.invoke import end_with_parent
from tests.benchmark.wire import Call, answered, read, refused
from tests.simulation.iam import Refused

# What is asked by the benchmark itself: neither delayed nor counted.
COUNTS, ORDER = "/benchmark/counts", "/benchmark/order"


@dataclass
class Bucket:
    """IAM's limit: `rate` requests a second, and `burst` of them at once."""

    rate: float
    burst: int
    _tokens: float = field(init=False)
    _filled: float = field(init=False, default_factory=time.monotonic)

    def __post_init__(self) -> None:
        self._tokens = self.burst

    def take(self) -> bool:
        now = time.monotonic()
        self._tokens = min(self.burst, self._tokens + (now - self._filled) * self.rate)
        self._filled = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass
class Endpoint:
    """`answered` and `throttled`: requests by `service:Operation`."""

    aws: Aws
    delay: float
    bucket: Bucket | None
    answered: Counter[str] = field(default_factory=Counter)
    throttled: Counter[str] = field(default_factory=Counter)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, kept alive: a request, its answer, and the next."""
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                request, *lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
                named = (line.partition(b":") for line in lines if line)
                headers = {name.lower(): value.strip() for name, _, value in named}
                body = await reader.readexactly(int(headers.get(b"content-length", 0)))
                path = request.split(b" ")[1].decode()
                if path in (COUNTS, ORDER):
                    status, answer = 200, json.dumps(self._told(path)).encode()
                else:
                    status, answer = self._answer(read(headers, body))
                    if self.delay:
                        await asyncio.sleep(self.delay)
                head = f"HTTP/1.1 {status} -\r\ncontent-length: {len(answer)}\r\n\r\n"
                writer.write(head.encode() + answer)
                await writer.drain()
        writer.close()

    def _told(self, path: str) -> object:
        return self.aws.order if path == ORDER else {"answered": self.answered, "throttled": self.throttled}

    def _answer(self, call: Call) -> tuple[int, bytes]:
        name = f"{call.service}:{call.operation}"
        if call.service == "iam" and self.bucket is not None and not self.bucket.take():
            self.throttled[name] += 1
            return 400, refused(call, "Throttling", "Rate exceeded")
        self.answered[name] += 1
        try:
            return 200, answered(call, self.aws.answer(call))
        except Refused as error:
            return error.status, refused(call, error.code, f"{call.operation} said no")


async def serve(conditions: Conditions) -> None:
    account = account_on(conditions.day, users=conditions.users, now=datetime.now(UTC))
    account.iam.settles_in = timedelta(seconds=conditions.propagation_seconds)
    endpoint = Endpoint(
        aws=Aws(account),
        delay=conditions.delay_seconds,
        bucket=Bucket(conditions.rate, conditions.burst) if conditions.rate is not None else None,
    )
    server = await asyncio.start_server(endpoint.converse, "127.0.0.1", 0)
    sys.stdout.write(f"{server.sockets[0].getsockname()[1]}\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    end_with_parent()
    asyncio.run(serve(Conditions(**json.loads(sys.argv[1]))))
