"""The fleet's own judgement: planned again on the same day, nothing is left to do."""

from unittest.mock import patch

import pytest
from keyrotation.tell import report

from tests.simulation.account import Said
from tests.simulation.fleet import START, Fleet
from tests.simulation.runs import Attempt, Reader, quickly


@pytest.mark.parametrize(
    ("later", "wrong"),
    [([], True), ([Attempt(ended=False)], False)],
    ids=["its own message", "the message of a later attempt, which died"],
)
def test_notices_that_a_message_named_and_memory_does_not_know_are_left_to_do_unless_a_later_attempt_died(
    later: list[Attempt],
    *,
    wrong: bool,
) -> None:
    fleet = Fleet(users=40, seed=1)
    with quickly(Reader()), patch.object(report, "_ROOM_FOR_NOTICES", 0):
        (first,) = fleet._attempts(0, START)
        assert first.run is not None
        given = [each for outcome in first.run.outcomes for each in outcome.to_give]
        assert given
        fleet.product.clients.spoken.said = tuple(
            Said(key_id=key_id, what=notice.what, why=notice.why, day=notice.day) for key_id, notice in given
        )
        fleet._evening(0, [first, *later], START)
    assert any("left to do" in each for each in fleet.watch.violations) is wrong
