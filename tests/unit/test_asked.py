"""What a day costs: whom the scanner names, and which facts the plan then asks for, each a call to AWS."""

from datetime import timedelta

import pytest
from keyrotation.model import STORE, User
from keyrotation.plan import may_concern
from keyrotation.policy import Policy

from tests.unit.people import NEW, OCCASION, OLD, asked_for, days_ago, key, listed, off, user

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
    return may_concern(listed(observed), Policy(), OCCASION.now)


def test_of_a_keys_74_days_its_user_is_in_the_order_on_24() -> None:
    assert [age for age in range(ISSUED + 1) if named(on_day(age))] == [
        *range(OFF - 7, OFF + 1),
        *range(DELETED - 7, DELETED + 1),
        *range(ISSUED - 7, ISSUED + 1),
    ]


@pytest.mark.parametrize(
    ("age", "facts"),
    [
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
    plan, asked = asked_for(user(key(200, used=0), tags=tags), Policy())
    assert plan.items
    assert asked == []


def test_an_owner_named_in_a_tag_is_no_reason_to_look() -> None:
    assert not named(user(key(20, used=0), tags={"access-key-rotation:owner": "payments"}))


def test_a_secret_that_somebody_schedules_for_deletion_is_told_with_the_end_of_the_overlap() -> None:
    """Until then the pair counts as made by hand, so that nothing is switched off meanwhile."""
    seen = {age: bool(asked_for(on_day(age), Policy())[1]) for age in range(OFF)}
    assert [age for age, looked in seen.items() if looked] == list(range(7, OFF))


def test_a_run_that_comes_after_midnight_of_another_zone_goes_by_the_utc_day() -> None:
    almost = OCCASION.now.replace(hour=23, minute=59)
    assert not may_concern(listed(on_day(66)), Policy(), almost)
    assert may_concern(listed(on_day(66)), Policy(), almost + timedelta(minutes=1))
