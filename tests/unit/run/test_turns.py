"""Whoever waits lets another work, and no more work at once than may."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from keyrotation.run.turns import Turns


def test_all_wait_at_once_and_few_work_at_once() -> None:
    users, turns_at_once = 8, 2
    everybody, pair = threading.Barrier(users, timeout=30), threading.Barrier(turns_at_once, timeout=30)
    counting, working, most = threading.Lock(), 0, 0

    def count(by: int) -> None:
        nonlocal working, most
        with counting:
            working += by
            most = max(most, working)

    def sleep(_seconds: float) -> None:
        # Nobody gets past it before all have come to their wait.
        everybody.wait()

    turns = Turns(turns_at_once, sleep=sleep)

    def work(_user: int) -> None:
        with turns:
            count(+1)
            pair.wait()
            count(-1)
            turns.wait(10)
            count(+1)
            count(-1)

    with ThreadPoolExecutor(users) as pool:
        list(pool.map(work, range(users)))

    assert most == turns_at_once


def test_a_wait_that_is_broken_off_leaves_the_turn_as_it_was() -> None:
    def die(_seconds: float) -> None:
        raise KeyboardInterrupt

    turns = Turns(1, sleep=die)
    with pytest.raises(KeyboardInterrupt), turns:
        turns.wait(1)
    with turns:
        pass
