"""What a day costs: whom the scanner names, and which facts the plan then asks for, each a call to AWS."""

from dataclasses import replace
from datetime import timedelta

import pytest
from keyrotation.decide import plan
from keyrotation.decide.actions import Kind
from keyrotation.decide.plan import may_concern, plan_user
from keyrotation.model import STORE, Secret, User
from keyrotation.policy import Policy

from tests.unit.people import NEW, OCCASION, OLD, asked_for, days_ago, key, off, user

MARK = f"access-key-rotation:inactive-since:{OLD}"
ISSUED, OFF, DELETED = 74, 14, 44


def on_day(age: int, *, moved: int = 3) -> User:
    """Of an owner's life under the default policy: the new key is `age` days old, in use since it was `moved`."""
    new = key(age, used=None if age < moved else 0, id=NEW)
    idle = max(0, age - moved)
    if age <= OFF:
        return user(key(ISSUED + age, used=idle), new, stored=NEW)
    if age <= DELETED:
        return user(off(ISSUED + age, used=idle), new, tags={MARK: str(days_ago(age - OFF))}, stored=NEW)
    return user(new, stored=NEW)


def named(observed: User) -> bool:
    return may_concern(observed.listed, Policy(), OCCASION.now)


def test_of_a_keys_74_days_its_user_is_in_the_order_on_26() -> None:
    assert [age for age in range(ISSUED + 1) if named(on_day(age))] == [
        # Whether somebody does away with the secret.
        *(3, 6),
        *range(OFF - 7, OFF + 1),
        *range(DELETED - 7, DELETED + 1),
        *range(ISSUED - 7, ISSUED + 1),
    ]


@pytest.mark.parametrize(
    ("age", "facts"),
    [
        (3, {STORE}),
        (6, {STORE}),
        # Seven days before the off date: whether the old key is in use, and the secret that hands over the new one.
        (7, {OLD, STORE}),
        # Idle for more than QuietDays and less than 35: it hangs on whether the new key was used.
        (11, {OLD, NEW, STORE}),
        (14, {OLD, NEW, STORE}),
        # A deletion: whether the old key may be needed back, which the use of the newer one says.
        (37, {NEW}),
        (44, {NEW}),
        # A replacement: whether the key was ever used.
        (67, {NEW}),
        (74, {NEW}),
    ],
)
def test_a_plan_asks_for_what_hangs_on_it_and_for_nothing_else(age: int, facts: set[str]) -> None:
    _, asked = asked_for(on_day(age), Policy())
    assert set(asked) == facts
    assert len(asked) == len(facts), "each once"


def test_an_old_key_that_is_used_every_day_needs_no_word_about_the_new_one() -> None:
    _, asked = asked_for(on_day(10, moved=10), Policy())
    assert set(asked) == {OLD, STORE}


@pytest.mark.parametrize(
    "tags",
    [
        {"access-key-rotation:exempt": f"{days_ago(-30)} migration"},
        {"access-key-rotation:exempt": "forever"},
    ],
)
def test_nothing_is_asked_about_who_is_exempt_or_not_understood(tags: dict[str, str]) -> None:
    planned, asked = asked_for(user(key(200, used=0), tags=tags), Policy())
    assert planned.items
    assert asked == []


def test_an_owner_named_in_a_tag_is_no_reason_to_look() -> None:
    assert not named(user(key(20, used=0), tags={"access-key-rotation:owner": "payments"}))


@pytest.mark.parametrize("overlap", [8, 14, 21, 30])
@pytest.mark.parametrize("missed", [0, 1])
def test_a_secret_scheduled_for_deletion_is_told_before_the_seven_days_are_over_that_it_has_at_least(
    overlap: int, missed: int
) -> None:
    """Also when the first run that looks for it is missed."""
    policy = Policy(overlap_days=overlap, max_key_age_days=90)

    def told(age: int) -> bool:
        pair = user(key(40 + age, used=0), key(age, id=NEW), stored=NEW)
        assert isinstance(pair.secret, Secret)
        going = replace(pair, secret=replace(pair.secret, deleted=True))
        kinds = [item.kind for item in plan_user(going, policy, OCCASION).items]
        assert (Kind.TO_RESTORE in kinds) <= may_concern(going.listed, policy, OCCASION.now)
        return Kind.TO_RESTORE in kinds

    for scheduled in range(overlap):
        looked = [age for age in range(scheduled, scheduled + 7) if told(age)]
        assert len(looked) > missed, scheduled


def test_a_key_over_the_threshold_is_named_though_the_plan_should_overlook_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan, "RULES", ())
    assert named(user(key(90, used=0)))
    assert named(user(key(400), off(20, id=NEW), tags={f"{MARK[:-20]}{NEW}": str(days_ago(3))}))
    assert not named(user(key(89, used=0)))
    assert not named(user(key(400, used=0), key(5, id=NEW))), "an overlap explains it"
    assert named(user(key(400, used=0), key(60, id=NEW))), "one that is over does not"


def test_a_run_that_comes_after_midnight_of_another_zone_goes_by_the_utc_day() -> None:
    almost = OCCASION.now.replace(hour=23, minute=59)
    assert not may_concern(on_day(66).listed, Policy(), almost)
    assert may_concern(on_day(66).listed, Policy(), almost + timedelta(minutes=1))
