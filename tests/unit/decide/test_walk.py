"""Many days of many users (walk.py), as many as a test may take; the program takes more."""

import pytest

from tests.unit.decide.walk import walk

USERS = 30


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_whatever_happens_to_a_user_nobody_is_surprised_and_planned_again_nothing_is_left(seed: int) -> None:
    done = sum(
        (walk(seed * 1_000_000 + user, 300, good=False) for user in range(USERS)),
        start=walk(0, 1, good=False),
    )
    for action in (
        "Deactivate",
        "Delete",
        "Replace",
        "GiveNotice",
        "DropNotice",
        "MendPolicy",
        "runs that died",
    ):
        assert done[action] > 5, f"there was hardly any {action} to judge"


def test_no_active_key_of_a_consumer_who_changes_over_in_time_reaches_the_threshold() -> None:
    done = sum((walk(7_000_000 + user, 300, good=True) for user in range(USERS)), start=walk(0, 1, good=True))
    assert done["Deactivate"] > USERS
    assert done["Delete"] > USERS
