"""The table of docs/consumers.md: what the rotation does for each kind of consumer, on the day on which it shows."""

from pathlib import Path

import pytest
from keyrotation.decide.plan import plan_user
from keyrotation.memory import Why
from keyrotation.model import User
from keyrotation.policy import Policy

from tests.unit.decide.test_plan import pair, says, summary
from tests.unit.people import OCCASION, key, user

PAGE = Path(__file__).parents[3] / "docs" / "consumers.md"
# The row of the table, the consumer on that day, and the plan.
ROWS: dict[str, tuple[User, list[str]]] = {
    "daily, follows": (
        pair(age=14, used=14, new_used=0, told=says(Why.OVERLAP, 0)),
        ["off old quiet, deleted in 30"],
    ),
    # Used 25 days ago and not yet changed over: quiet only when the job could have run again.
    "monthly, follows": (
        pair(age=14, used=25, new_used=None, told=says(Why.OVERLAP, 0)),
        ["notice old overlap in 11 instead of overlap", "held-until-quiet in 11"],
    ),
    "a timer refreshes": (
        pair(age=14, used=0, new_used=None, told=says(Why.OVERLAP, 0)),
        ["notice old in-use in 14 instead of overlap", "held-in-use in 14"],
    ),
    # The new key, which nobody ever used, a week before it goes off.
    "dead": (user(key(81, used=None)), ["notice old unused in 7"]),
    "dead, and a timer still refreshes": (user(key(74, used=0)), ["replace, old off in 14"]),
    "two on one key, one follows, the other is used daily": (
        pair(age=28, used=0, new_used=0, told=says(Why.IN_USE, 0)),
        ["off old forced, deleted in 30"],
    ),
    "two on one key, one follows, the other is a rare job": (
        pair(age=14, used=20, new_used=0, told=says(Why.OVERLAP, 0)),
        ["off old quiet, deleted in 30"],
    ),
    "nobody follows": (
        pair(age=28, used=0, new_used=None, told=says(Why.IN_USE, 0)),
        ["off old forced, deleted in 30"],
    ),
    "off for longer than the overlap": (
        pair(age=14, used=50, new_used=None, told=says(Why.OVERLAP, 0)),
        ["off old quiet, deleted in 30"],
    ),
}


@pytest.mark.parametrize("row", ROWS)
def test_the_rotation_does_what_the_page_says(row: str) -> None:
    consumer, expected = ROWS[row]
    assert summary(plan_user(consumer, Policy(), OCCASION)) == expected


def test_every_row_of_the_page_is_tried() -> None:
    table = PAGE.read_text().partition("## What the rotation sees and does")[2].partition("## Recipes")[0]
    rows = [line for line in table.splitlines() if line.startswith("| **")]
    said = [line.split("|")[1].replace("**", "").partition(" (")[0].strip() for line in rows]
    assert len(said) == len(ROWS)
    for row, kind in zip(ROWS, said, strict=True):
        assert row.startswith(kind.partition(",")[0]), (row, kind)
