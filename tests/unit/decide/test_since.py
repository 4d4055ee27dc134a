"""Since when an item holds: what the state remembers decides on which days it is told."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from keyrotation.decide.actions import Item, Kind
from keyrotation.decide.plan import plan_user
from keyrotation.memory import Pending, Vanished, Why
from keyrotation.model import User
from keyrotation.policy import Policy

from tests.unit.people import NEW, OCCASION, OLD, TODAY, days_ago, key, known, notice, off, user


def item_of(observed: User, kind: Kind) -> Item:
    (item,) = [item for item in plan_user(observed, Policy(), OCCASION).items if item.kind is kind]
    return item


def pair(age: int, used: int, told: Why, ahead: int) -> User:
    memory = {OLD: known(notice=notice(told, ahead))}
    return user(key(74 + age, used=used), key(age, used=0, id=NEW), stored=NEW, memory=memory)


def elsewhere() -> User:
    since = OCCASION.now - timedelta(days=3)
    pending = Pending(since=since, region="us-east-1", run_id="run-1", key_ids=(OLD,))
    carol = user(key(80, used=0))
    return replace(carol, memory=replace(carol.memory, pending=pending))


def without_one() -> User:
    carol = user(key(100, used=0))
    return replace(carol, memory=replace(carol.memory, vanished=Vanished(key_id=NEW, on=days_ago(9))))


@pytest.mark.parametrize(
    ("observed", "kind", "since"),
    [
        (pair(14, 1, Why.OVERLAP, 0), Kind.IN_USE, TODAY),
        (pair(18, 1, Why.IN_USE, 10), Kind.IN_USE, days_ago(4)),
        (user(key(60, used=0), memory={OLD: known(off=1)}), Kind.BACK_ON, TODAY),
        (user(key(60, used=0), memory={OLD: known(back=9)}), Kind.BACK_ON, days_ago(9)),
        (user(key(200, used=0), key(100, used=0, id=NEW)), Kind.BY_HAND, days_ago(100 - 14 + 7)),
        (
            user(
                key(84, used=40), key(50, used=0, id=NEW), memory={OLD: known(notice=notice(Why.BY_HAND, 4))}
            ),
            Kind.BY_HAND_QUIET,
            days_ago(3),
        ),
        (user(key(84, used=40), key(50, used=0, id=NEW)), Kind.BY_HAND_QUIET, TODAY),
        (user(key(200, used=0), key(100, used=0, id=NEW)), Kind.BLOCKED_BY_PAIR, days_ago(26)),
        (
            user(key(200, used=0), key(9, used=0, id=NEW), tags={"access-key-rotation:replace": "x"}),
            Kind.BLOCKED_BY_PAIR,
            None,
        ),
        (
            user(off(300, used=30), key(80, used=0, id=NEW), memory={OLD: known(off=3)}),
            Kind.BLOCKED,
            days_ago(6),
        ),
        (user(key(200, used=99), key(120, used=99, id=NEW)), Kind.UNUSED_KEPT, days_ago(9)),
        (replace(user(key(80)), unread=("GetUser: Throttling",)), Kind.NOT_UNDERSTOOD, None),
        (elsewhere(), Kind.INTERRUPTED, date(2026, 11, 19)),
        (without_one(), Kind.VANISHED, days_ago(9)),
    ],
)
def test_an_item_knows_since_when_from_what_the_state_remembers(
    observed: User, kind: Kind, since: date | None
) -> None:
    assert item_of(observed, kind).since == since


def test_a_replacement_knows_since_when_it_was_due() -> None:
    (action,) = plan_user(user(key(80, used=0)), Policy(), OCCASION).actions
    assert getattr(action, "since", None) == days_ago(6)
    asked = user(key(80, used=0), tags={"access-key-rotation:replace": ""})
    (action,) = plan_user(asked, Policy(), OCCASION).actions
    assert getattr(action, "since", TODAY) is None
