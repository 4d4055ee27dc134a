"""What a day costs: whom the scanner names, and which facts the plan then asks for, each a call to AWS."""

from dataclasses import replace
from datetime import timedelta

import pytest
from keyrotation.decide import plan
from keyrotation.decide.actions import Kind
from keyrotation.decide.plan import may_concern, plan_user
from keyrotation.memory import KeyMemory, Pending, Why
from keyrotation.model import STORE, Secret, User
from keyrotation.policy import Policy

from tests.unit.people import NEW, OCCASION, OLD, asked_for, days_ago, key, known, notice, off, user

ISSUED, OFF, DELETED = 74, 14, 44


def on_day(age: int, *, moved: int = 3, told: int = 1) -> User:
    """Of an owner's life under the default policy: the new key is `age` days old, in use since it was `moved`.

    The switch-off and the deletion were announced, and told `told` days ago.
    """
    new = key(age, used=None if age < moved else 0, id=NEW)
    idle = max(0, age - moved)
    if age <= OFF:
        memory = {OLD: known(notice=notice(Why.OVERLAP, OFF - age, told=told))}
        return user(key(ISSUED + age, used=idle), new, stored=NEW, memory=memory)
    if age <= DELETED:
        memory = {OLD: known(off=age - OFF, notice=notice(Why.INACTIVE, DELETED - age, told=told))}
        return user(off(ISSUED + age, used=idle), new, stored=NEW, memory=memory)
    return user(new, stored=NEW)


def named(observed: User) -> bool:
    return may_concern(observed.listed, Policy(), OCCASION.now, enforce=True)


def test_of_a_keys_74_days_its_user_is_in_the_order_on_29() -> None:
    told_today = {0, 7, 14, 21, 28}
    assert [age for age in range(ISSUED + 1) if named(on_day(age)) and age not in told_today] == [
        # Whether somebody does away with the secret.
        *(3, 6),
        *range(OFF - 6, OFF),
        *range(DELETED - 7, DELETED + 1),
        *range(ISSUED - 7, ISSUED + 1),
    ]


@pytest.mark.parametrize("age", [1, 4, 15, 20, 30])
def test_a_notice_that_was_told_a_week_ago_is_a_reason_to_look(age: int) -> None:
    assert named(on_day(age, told=7))
    assert not named(on_day(age, told=6))


@pytest.mark.parametrize(
    ("age", "facts"),
    [
        # The secret that hands over the new key.
        (3, {STORE}),
        (6, {STORE}),
        # A week before the day of a notice it is told again: nothing hangs on a use yet.
        (8, set()),
        # Three days before: whether the old key is in use.
        (11, {OLD, NEW, STORE}),
        (14, {OLD, NEW, STORE}),
        # A deletion that is told again needs no fact; one that is kept: whether the old key may be needed back.
        (37, set()),
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


def test_before_a_deletion_is_named_for_the_first_time_it_is_asked_whether_the_slot_is_wanted_sooner() -> (
    None
):
    """A replacement comes in 60 days, `DeleteAfterDays` is 90: the mail must not name the later day first."""
    policy = replace(Policy(), delete_after_days=90)

    def asked(memory: KeyMemory) -> list[str]:
        made = user(off(88, used=20), key(14, used=0, id=NEW), stored=NEW, memory={OLD: memory})
        return asked_for(made, policy)[1]

    assert NEW in asked(known(off=0))
    assert NEW not in asked(known(off=0, notice=notice(Why.INACTIVE, 90)))


def test_an_old_key_that_is_used_every_day_needs_no_word_about_the_new_one() -> None:
    _, asked = asked_for(on_day(OFF, moved=OFF), Policy())
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


@pytest.mark.parametrize("overlap", [8, 14, 18])
@pytest.mark.parametrize("missed", [0, 1])
def test_a_secret_scheduled_for_deletion_is_told_before_the_seven_days_are_over_that_it_has_at_least(
    overlap: int, missed: int
) -> None:
    """Also when the first run that looks for it is missed."""
    policy = Policy(overlap_days=overlap)

    def told(age: int) -> bool:
        memory = {OLD: known(notice=notice(Why.OVERLAP, overlap - age))}
        pair = user(key(40 + age, used=0), key(age, id=NEW), stored=NEW, memory=memory)
        assert isinstance(pair.secret, Secret)
        going = replace(pair, secret=replace(pair.secret, deleted=True))
        kinds = [item.kind for item in plan_user(going, policy, OCCASION).items]
        assert (Kind.TO_RESTORE in kinds) <= may_concern(going.listed, policy, OCCASION.now, enforce=True)
        return Kind.TO_RESTORE in kinds

    for scheduled in range(overlap):
        looked = [age for age in range(scheduled, min(scheduled + 7, overlap + 1)) if told(age)]
        assert len(looked) > missed or scheduled + 7 > overlap, scheduled


def test_a_key_over_the_threshold_is_named_though_the_plan_should_overlook_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(plan, "RULES", ())
    assert named(user(key(90, used=0)))
    assert named(user(key(400), off(20, id=NEW), memory={NEW: known(off=3)}))
    assert not named(user(key(89, used=0)))
    assert not named(user(key(400, used=0), key(5, id=NEW))), "an overlap explains it"
    assert named(user(key(400, used=0), key(60, id=NEW))), "one that is over does not"


def test_whoever_makes_the_scanners_test_fail_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: object) -> None:
        raise ValueError

    monkeypatch.setattr(plan, "RULES", (broken,))
    assert named(user(key(5, used=0)))


def test_an_interrupted_replacement_is_named_in_every_region() -> None:
    pending = Pending(
        since=OCCASION.now - timedelta(minutes=1), region="us-east-1", run_id="run-1", key_ids=(OLD,)
    )
    carol = user(key(5, used=0))
    assert not named(carol)
    assert named(replace(carol, memory=replace(carol.memory, pending=pending)))


def test_a_run_that_comes_after_midnight_of_another_zone_goes_by_the_utc_day() -> None:
    almost = OCCASION.now.replace(hour=23, minute=59)
    assert not may_concern(on_day(66).listed, Policy(), almost, enforce=True)
    assert may_concern(on_day(66).listed, Policy(), almost + timedelta(minutes=1), enforce=True)
