"""A clock of our own for a run of many threads: it stands still while one of them works, and jumps when all sleep."""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from botocore.retries import bucket


def set_token_buckets(
    patch: pytest.MonkeyPatch, *, now: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    """Have botocore's adaptive retries wait by this clock: before clients are made."""

    class Condition(threading.Condition):
        def wait(self, timeout: float | None = None) -> bool:
            # As the real one: whoever waits holds nobody up.
            self.release()
            try:
                # At least a millisecond: what is less than the clock can tell would be waited for without an end.
                sleep(max(timeout or 0, 0.001))
            finally:
                self.acquire()
            return True

    patch.setattr(bucket.Clock, "current_time", lambda _: now())
    patch.setattr(bucket, "threading", SimpleNamespace(Lock=threading.Lock, Condition=Condition))


class VirtualClock:
    """`now`: seconds since the start. Everything that would wait in the code under test must wait here."""

    def __init__(self) -> None:
        self.now = 0.0
        self._changed = threading.Condition()
        self._working = 0
        self._wakes: dict[int, float] = {}

    def sleep(self, seconds: float) -> None:
        me = threading.get_ident()
        with self._changed:
            self._wakes[me] = self.now + seconds
            while self.now < self._wakes[me]:
                self._jump()
                if self.now < self._wakes[me]:
                    self._changed.wait()
            del self._wakes[me]

    def _jump(self) -> None:
        """When everybody sleeps; the thread that waits for the pool neither works nor sleeps."""
        if len(self._wakes) >= self._working:
            self.now = max(self.now, min(self._wakes.values()))
            self._changed.notify_all()

    def work(self, task: Callable[..., Any], *arguments: Any) -> Any:
        with self._changed:
            self._working += 1
        try:
            return task(*arguments)
        finally:
            with self._changed:
                self._working -= 1
                if self._wakes:
                    self._jump()

    def semaphore(self, number: int) -> Any:
        """Whoever waits for it neither works nor sleeps, so that the clock may jump for those who hold it."""
        clock, free = self, number

        class Semaphore:
            def acquire(self) -> None:
                nonlocal free
                with clock._changed:
                    clock._working -= 1
                    while not free:
                        if clock._wakes:
                            clock._jump()
                        clock._changed.wait()
                    clock._working += 1
                    free -= 1

            def release(self) -> None:
                nonlocal free
                with clock._changed:
                    free += 1
                    clock._changed.notify_all()

        return Semaphore()

    def pool(self, workers: int) -> ThreadPoolExecutor:
        clock = self

        class Pool(ThreadPoolExecutor):
            def submit(self, task: Any, /, *arguments: Any, **named: Any) -> Future[Any]:
                return super().submit(clock.work, task, *arguments, **named)

        return Pool(workers)
