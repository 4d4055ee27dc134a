"""The time of a case: nobody waits, and a function whose time is up dies."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

import moto.iam.models
import pytest
from botocore.retries import adaptive, bucket, quota, throttling

from tests.component.account import NOW
from tests.component.clock import set_token_buckets

# Seconds, of both functions (infra/function.py).
TIMEOUT = 900


class Died(BaseException):
    """The function is no more: time-out, memory, a new deployment."""


class Clock:
    """`seconds_per_call`: what every call takes from now on. `iam_ahead`: how far IAM's clock is before Lambda's."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.now = NOW
        self.iam_ahead = timedelta()
        self.seconds_per_call = 0.0
        self.dead = False
        self._deadline: datetime | None = None

    def start_function(self) -> None:
        self._deadline = self.now + timedelta(seconds=TIMEOUT)
        self.seconds_per_call = 0.0
        self.dead = False

    def end_function(self) -> None:
        self._deadline = None

    def leave(self, seconds: float) -> None:
        """Have the time pass until that much of it is left to the function."""
        if self._deadline is not None:
            self.now = max(self.now, self._deadline - timedelta(seconds=seconds))

    def milliseconds_left(self) -> int:
        return int(((self._deadline or self.now) - self.now).total_seconds() * 1000)

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        if self._deadline is not None and self.now >= self._deadline:
            self.die()

    def die(self) -> None:
        self.dead = True
        raise Died

    def today(self) -> date:
        return self.now.date()

    def timestamp(self) -> float:
        return self.now.timestamp()

    def iam_now(self) -> datetime:
        return (self.now + self.iam_ahead).replace(tzinfo=None)

    def install(self, patch: pytest.MonkeyPatch) -> None:
        """For what IAM makes, and for the token bucket of botocore's adaptive retries: before clients are made."""
        patch.setattr(moto.iam.models, "utcnow", self.iam_now)
        set_token_buckets(patch, now=self.timestamp, sleep=self.sleep)

    def datetime(self) -> type[datetime]:
        """What the handlers read."""
        clock = self

        class Now(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return clock.now.astimezone(tz)

        return Now


class Retries:
    """What botocore's clients remember of earlier calls, so that each case starts with what a cold start has."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self._made: list[Any] = []
        self._fresh: list[tuple[Any, dict[str, Any]]] = []
        for each in (
            quota.RetryQuota,
            bucket.TokenBucket,
            throttling.CubicCalculator,
            adaptive.RateClocker,
            adaptive.ClientRateLimiter,
        ):
            patch.setattr(each, "__init__", self._remembered(each.__init__))

    def _remembered(self, init: Callable[..., None]) -> Callable[..., None]:
        def remember(made: Any, *args: Any, **kwargs: Any) -> None:
            init(made, *args, **kwargs)
            self._made.append(made)

        return remember

    def keep(self) -> None:
        """What they remember now is what `reset` goes back to."""
        self._fresh = [(each, dict(vars(each))) for each in self._made]

    def reset(self) -> None:
        for each, state in self._fresh:
            vars(each).update(state)
