"""What a run leaves to be told, and what of it is remembered once it was."""

from dataclasses import replace

import pytest
from keyrotation.act.apply import Heard
from keyrotation.memory import Notice, OffReason, Why
from keyrotation.model import User
from keyrotation.run.record import Run, Told, announcements

from tests.unit.people import OLD, THIRD, TODAY, key, notice, off
from tests.unit.scenes import (
    DUE,
    ENFORCE,
    EXEMPT,
    HELD,
    LONG_OFF,
    QUIET,
    REMINDED,
    UNREADABLE,
    acted,
    pair,
    run_of,
    user,
)


def told(run: Run) -> list[tuple[str, Why, int, bool]]:
    """Of each announcement: the user, the reason, in how many days, and whether it is new."""
    found = announcements(run, ENFORCE.policy)
    return [(each.user.name, each.notice.why, (each.notice.day - TODAY).days, each.new) for each in found]


@pytest.mark.parametrize(
    ("observed", "expected"),
    [
        (DUE, ("alice", Why.OVERLAP, 14, True)),
        (QUIET, ("bob", Why.INACTIVE, 30, True)),
        (HELD, ("carol", Why.IN_USE, 14, True)),
        (REMINDED, ("rita", Why.OVERLAP, 3, False)),
        (user("nils", key(81)), ("nils", Why.UNUSED, 7, True)),
        (user("fred", off(40)), ("fred", Why.INACTIVE, 30, True)),
    ],
)
def test_a_replacement_a_switch_off_and_a_rule_each_give_their_notice_and_a_near_one_is_told_again(
    observed: User, expected: tuple[str, Why, int, bool]
) -> None:
    assert told(run_of(observed)) == [expected]


def test_what_a_run_kept_is_told_no_more_and_gives_only_what_follows() -> None:
    assert told(run_of(LONG_OFF)) == []
    assert told(run_of(QUIET, listeners=0)) == [("bob", Why.OVERLAP, 0, False)]
    assert told(run_of(EXEMPT, UNREADABLE)) == []


def test_the_notice_of_a_user_who_waits_for_a_place_stays_alive() -> None:
    assert told(run_of(QUIET, waiting=1)) == [("bob", Why.OVERLAP, 0, False)]
    assert told(run_of(LONG_OFF, waiting=1)) == [("vera", Why.INACTIVE, 0, False)]


def test_the_notice_of_a_user_who_was_not_reached_in_time_stays_alive() -> None:
    run = run_of(QUIET, done=False, deferred=("bob",))
    assert told(run) == [("bob", Why.OVERLAP, 0, False)]


def test_the_notice_of_a_switch_off_that_was_refused_stays_alive() -> None:
    """The rotator put it back into memory when AWS said that it did not do it."""
    assert told(run_of(QUIET, failure="deactivate failed (UpdateAccessKey: AccessDenied)")) == [
        ("bob", Why.OVERLAP, 0, False)
    ]


def test_the_notice_of_a_switch_off_whose_answer_was_lost_is_not_told_for_a_key_that_may_be_off() -> None:
    run = run_of(QUIET, failure="deactivate failed (EndpointConnectionError)")
    (outcome,) = run.outcomes
    forgotten = outcome.memory.with_key(OLD, notice=None, off_since=TODAY, off_because=OffReason.QUIET)
    assert told(replace(run, outcomes=(replace(outcome, memory=forgotten),))) == []


def test_a_failed_replacement_gives_no_notice_of_the_old_keys_end() -> None:
    assert told(run_of(DUE, failure="rolled back")) == []


def test_in_audit_no_notice_is_given_or_told_again() -> None:
    assert told(run_of(DUE, QUIET, HELD, REMINDED, LONG_OFF, enforce=False)) == []


def test_what_runs_out_comes_before_what_is_new_and_a_reminder_that_can_wait_comes_last() -> None:
    late = pair("ruth", issued=11, used=12, due=notice(Why.OVERLAP, 3, told=8))
    assert [name for name, *_ in told(run_of(REMINDED, DUE, user("nils", key(81)), late))] == [
        "ruth",
        "nils",
        "alice",
        "rita",
    ]


# What is remembered.


def heard(run: Run, *, message_id: str | None, named: int | None = None) -> dict[str, Heard]:
    found = announcements(run, ENFORCE.policy)[:named]
    once = frozenset({("otto", "old-tags")})
    of_run = Told(run=run, message_id=message_id, named=found, once=once)
    return {plan.user.name: of_run.heard_of(plan) for plan in run.plans}


def ids(notices: tuple[tuple[str, Notice], ...]) -> list[str]:
    return [key_id for key_id, _ in notices]


def test_a_message_that_went_out_and_was_heard_is_remembered_user_by_user() -> None:
    of_user = heard(run_of(DUE, REMINDED, EXEMPT), message_id="m")
    assert ids(of_user["alice"].given) == ids(of_user["alice"].notices) == [OLD]
    assert of_user["rita"].given == ()
    assert ids(of_user["rita"].notices) == [OLD]
    assert of_user["erin"] == Heard()


def test_of_a_message_that_did_not_go_out_or_that_nobody_heard_nothing_is_remembered() -> None:
    tagged = user("otto", key(30, used=0), tags={"access-key-rotation:pending": "x"})
    run = run_of(DUE, REMINDED, tagged)
    assert heard(run, message_id="m")["otto"].once == ("old-tags",)
    assert set(heard(run, message_id=None).values()) == {Heard()}
    assert Told(run=run, message_id="m").heard_of(run.plans[-1]).once == (), "the mail had no room for it"


def test_a_notice_that_found_no_room_in_the_message_is_not_remembered() -> None:
    of_user = heard(run_of(DUE, REMINDED), message_id="m", named=1)
    assert ids(of_user["alice"].given) == [OLD]
    assert of_user["rita"] == Heard()


def test_a_deleted_key_is_forgotten_once_that_was_told() -> None:
    run = run_of(LONG_OFF)
    (outcome,) = run.outcomes
    assert OLD in outcome.memory.keys
    (plan,) = run.plans
    assert Told(run=run, message_id="m").forgotten(plan) == (OLD,)
    assert Told(run=run, message_id=None).forgotten(plan) == ()


def test_a_deletion_of_an_earlier_run_is_forgotten_once_a_message_had_room_for_it() -> None:
    gone = user("gone", key(20, used=0))
    run = run_of(replace(gone, memory=replace(gone.memory, deleted={THIRD: TODAY})))
    (plan,) = run.plans
    once = frozenset({("gone", THIRD)})
    assert Told(run=run, message_id="m", once=once).forgotten(plan) == (THIRD,)
    assert Told(run=run, message_id="m").forgotten(plan) == ()
    assert Told(run=run, message_id=None, once=once).forgotten(plan) == ()


def test_what_is_written_after_the_message_starts_from_what_the_run_wrote_last() -> None:
    run = run_of(QUIET, UNREADABLE)
    written = Told(run=run, message_id="m")
    off_now, unread = run.plans
    assert written.memory_of(off_now).key(OLD).off_since == TODAY
    assert written.memory_of(unread) == unread.user.memory


def test_of_a_user_whose_interrupted_replacement_was_settled_first_the_last_outcome_counts() -> None:
    run = run_of(QUIET)
    (plan,) = run.plans
    first = replace(acted(plan), to_give=(), memory=plan.user.memory)
    both = replace(run, outcomes=(first, *run.outcomes))
    assert told(both) == told(run) == [("bob", Why.INACTIVE, 30, True)]


def test_a_notice_that_memory_does_not_have_any_more_is_not_told_again() -> None:
    run = run_of(REMINDED)
    (plan,) = run.plans
    forgotten = replace(acted(plan), memory=plan.user.memory.with_key(OLD, notice=None))
    assert told(replace(run, outcomes=(forgotten,))) == []
