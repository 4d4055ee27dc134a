"""Many are in the middle of something, few work at a time: whoever waits lets another go on."""

from collections.abc import Callable
from threading import BoundedSemaphore


class Turns:
    """A context manager for work, of which at most `number` go on at once; `wait` is for a pause within one.

    So that the wait for one new key is the time in which others are made, and IAM is asked by no more at once than when
    users are looked at.
    """

    def __init__(self, number: int, *, sleep: Callable[[float], None]) -> None:
        self._free = BoundedSemaphore(number)
        self._sleep = sleep

    def __enter__(self) -> None:
        self._free.acquire()

    def __exit__(self, *_error: object) -> None:
        self._free.release()

    def wait(self, seconds: float) -> None:
        """Only within a turn."""
        self._free.release()
        try:
            self._sleep(seconds)
        finally:
            self._free.acquire()
