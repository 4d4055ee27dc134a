"""What a run that dies leaves, and what the next one makes of it, more closely than tests/component/faults looks."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest
from keyrotation.decide import actions
from keyrotation.memory import KeyMemory, Notice, OffReason, Why
from keyrotation.policy import Policy
from keyrotation.run.record import Run, Told, announcements

from tests.component.account import NOW, OCCASION, REGION, TODAY, Account, days_ago
from tests.component.calls import Call, Calls
from tests.component.conftest import Clients
from tests.component.faults.clock import Died
from tests.component.replacing import HAPPY_PATH, Replacement
from tests.component.rotating import Rotation


def interrupt(replacement: Replacement, calls: Calls, step: int, how: Literal["before", "after"]) -> None:
    """Have the function die at this step: before AWS gets the call, or after AWS did it."""
    user = replacement.seen()
    die_at(calls, step, how)
    with suppress(Died):
        replacement.run(user)
    assert len(calls.made) == step + 1
    calls.clear()


def die_at(calls: Calls, step: int, how: Literal["before", "after"]) -> None:
    def die(_call: Call) -> None:
        if len(calls.made) - 1 == step:
            raise Died

    calls.meet(die, lost=how == "after")


CREATED, STORED = HAPPY_PATH.index("CreateAccessKey"), HAPPY_PATH.index("PutSecretValue")
PROMOTED, REMEMBERED = HAPPY_PATH.index("UpdateSecretVersionStage"), len(HAPPY_PATH) - 1
TOMORROW = replace(OCCASION, now=NOW + timedelta(days=1))


def run_later(clients: Clients, calls: Calls, *, cap: int = 100, names: tuple[str, ...] = ("carol",)) -> Run:
    """The run of the next day, with nothing in its way that is not put there anew."""
    calls.made.clear()
    return Rotation(clients).run(*names, cap=cap, occasion=TOMORROW, run_id="run-2026-11-23")


# A replacement that is cut short.


@pytest.mark.parametrize("how", ["before", "after"])
@pytest.mark.parametrize("step", range(len(HAPPY_PATH)), ids=lambda step: f"{step}-{HAPPY_PATH[step]}")
def test_after_a_crash_at_any_step_the_next_run_leaves_the_old_key_and_one_new_one_that_works(
    *,
    account: Account,
    replacement: Replacement,
    calls: Calls,
    clients: Clients,
    step: int,
    how: Literal["before", "after"],
) -> None:
    interrupt(replacement, calls, step, how)
    assert account.keys("carol")[replacement.old] == "Active"

    run = run_later(clients, calls)

    assert [outcome.failure for outcome in run.outcomes] == [None] * len(run.outcomes)
    assert account.keys("carol") == {replacement.old: "Active", replacement.new: "Active"}
    assert account.current("carol")["AccessKeyId"] == replacement.new
    assert account.current_works("carol")
    memory = account.memory("carol")
    assert memory.pending is None
    assert {key_id: known.secret_arn for key_id, known in memory.keys.items()} == {
        replacement.new: memory.secret_arn
    }
    # Nobody was told of it yet: the mail of this run gives the old key's notice, for the day on which the overlap ends.
    given = {key_id: notice.day for outcome in run.outcomes for key_id, notice in outcome.to_give}
    issued_on = memory.key(replacement.new).issued_on
    assert issued_on in (TODAY, TOMORROW.today)
    assert given == {replacement.old: issued_on + timedelta(days=14)}


def test_a_key_that_was_promoted_is_remembered_as_issued_and_not_made_again(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, PROMOTED, "after")
    promoted = replacement.new

    run = run_later(clients, calls)

    # Recalled, and then `pending` ends.
    assert calls.writes == ["UpdateItem", "UpdateItem"]
    assert replacement.new == promoted
    memory = account.memory("carol")
    assert memory.key(promoted) == KeyMemory(issued_on=TODAY, secret_arn=memory.secret_arn)
    assert ["install it" in item.text for item in run.plans[0].items] == [True]


def test_a_key_that_nobody_can_hold_is_deleted_before_pending_is_forgotten_and_then_replaced(
    replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, CREATED, "after")
    lost = replacement.new

    run_later(clients, calls)

    assert calls.writes[:3] == ["DeleteAccessKey", "UpdateItem", "PutResourcePolicy"]
    assert calls.of("DeleteAccessKey")[0].params == {"UserName": "carol", "AccessKeyId": lost}
    assert replacement.new != lost


def test_a_key_that_is_stored_is_promoted_once_its_policy_is_made_sure_of_and_no_other_is_made(
    replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, STORED, "after")
    stored = replacement.new

    run_later(clients, calls)

    assert calls.writes == [
        "PutResourcePolicy",
        "UpdateSecretVersionStage",
        # It is issued before `pending` goes.
        "UpdateItem",
        "UpdateItem",
    ]
    assert replacement.new == stored


def test_a_key_that_a_person_made_in_between_is_not_touched(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, CREATED, "before")
    theirs = account.add_key("carol", age=-0.5)

    run = run_later(clients, calls)

    assert account.keys("carol") == {replacement.old: "Active", theirs: "Active"}
    assert replacement.pending is None
    assert "DeleteAccessKey" not in calls.operations
    (settled,) = run.outcomes
    assert ["somebody made this key" in item.text for item in settled.plan.items] == [True]
    # The user was planned again after it, and the mail is made of that plan: it must still say so.
    assert "somebody made this key" in run.plans[0].items[0].text


def test_a_lost_key_that_was_used_is_somebodys_and_not_deleted(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, CREATED, "after")
    account.use(replacement.new, days=0)

    run_later(clients, calls)

    assert account.keys("carol") == {replacement.old: "Active", replacement.new: "Active"}
    assert "DeleteAccessKey" not in calls.operations


def test_a_replacement_that_may_still_run_and_one_of_another_region_are_left_alone(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, CREATED, "after")
    keys = account.keys("carol")
    for days, region in ((-1 + 10 / 1440, REGION), (0, "us-east-1")):
        account.pending("carol", replacement.old, days=days, region=region)

        run = run_later(clients, calls)

        assert calls.writes == []
        assert run.outcomes == ()
        assert account.keys("carol") == keys
        assert [item.text.startswith("nothing was done") for item in run.plans[0].items] == [True]


def test_a_tag_that_asked_for_the_interrupted_replacement_goes_with_pending(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    account.tag("carol", replace="laptop lost")
    interrupt(replacement, calls, STORED, "after")
    stored = replacement.new

    run_later(clients, calls)

    assert account.tags("carol") == {}
    assert calls.writes[-2:] == ["UntagUser", "UpdateItem"]
    assert replacement.new == stored


def test_a_tag_that_asked_for_a_replacement_of_which_nothing_came_asks_again(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    account.tag("carol", replace="laptop lost")
    interrupt(replacement, calls, CREATED, "after")
    lost = replacement.new

    run_later(clients, calls)

    assert replacement.new != lost
    assert account.current("carol")["AccessKeyId"] == replacement.new
    assert account.tags("carol") == {}


def test_a_key_that_was_there_when_the_replacement_began_is_not_its_orphan(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    theirs = account.add_key("carol", age=0)
    account.pending("carol", replacement.old, theirs, days=0)

    run_later(clients, calls)

    assert account.keys("carol") == {replacement.old: "Active", theirs: "Active"}
    assert replacement.pending is None
    assert "DeleteAccessKey" not in calls.operations


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_key_made_longer_than_a_function_lives_before_or_after_is_somebodys(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients, minutes: int
) -> None:
    account.add_placeholder("carol")
    theirs = account.add_key("carol", age=1 + minutes / 1440)
    account.pending("carol", replacement.old, days=1)

    run = run_later(clients, calls)

    assert account.keys("carol") == {replacement.old: "Active", theirs: "Active"}
    assert "DeleteAccessKey" not in calls.operations
    assert "somebody made this key" in run.plans[0].items[0].text


def test_while_memory_cannot_be_read_nothing_is_settled(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, CREATED, "after")
    keys = account.keys("carol")
    calls.refuse("GetItem", "AccessDeniedException", status=400)

    run = run_later(clients, calls)

    assert calls.writes == []
    assert account.keys("carol") == keys
    assert "GetItem: AccessDeniedException" in run.plans[0].items[0].text


def test_two_rotators_that_settle_the_same_come_to_the_same(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    """The second finds the orphan gone, and its write to memory stale: it changes nothing more."""
    interrupt(replacement, calls, CREATED, "after")

    def other(call: Call) -> None:
        if call.operation == "DeleteAccessKey" and len(calls.of("DeleteAccessKey")) == 1:
            account.iam.delete_access_key(**call.params)
            account.remember("carol", pending=None)

    calls.meet(other)
    run = Rotation(clients).run("carol", occasion=TOMORROW)

    assert account.keys("carol") == {replacement.old: "Active"}
    assert "CreateAccessKey" not in calls.operations
    (outcome,) = run.outcomes
    assert "settlepending failed (its memory was changed by somebody else" in str(outcome.failure)


@pytest.mark.parametrize(
    ("step", "operation"),
    [(CREATED, "DeleteAccessKey"), (STORED, "PutResourcePolicy"), (PROMOTED, "UpdateItem")],
)
def test_a_settlement_that_fails_leaves_pending_and_everything_else_as_it_is(
    *,
    account: Account,
    replacement: Replacement,
    calls: Calls,
    clients: Clients,
    step: int,
    operation: str,
) -> None:
    interrupt(replacement, calls, step, "after")
    keys = account.keys("carol")
    calls.refuse(operation, "AccessDenied")

    run = run_later(clients, calls)

    assert calls.writes == [operation]
    assert account.keys("carol") == keys
    assert replacement.pending is not None
    (outcome,) = run.outcomes
    assert f"{operation}: AccessDenied" in str(outcome.failure)


def test_a_settlement_that_failed_leaves_its_place_under_the_cap_to_the_next(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, CREATED, "after")
    account.add_user("dan")
    old = account.add_key("dan", age=80, used=1)
    calls.refuse("DeleteAccessKey", "AccessDenied")

    run = run_later(clients, calls, cap=1, names=("carol", "dan"))

    assert [plan.user.name for plan in run.waiting] == []
    assert account.new_key("dan", old)


def test_a_user_who_is_settled_and_then_replaced_is_one_user_under_the_cap(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, CREATED, "after")
    account.add_user("dan")
    old = account.add_key("dan", age=79, used=1)

    run = run_later(clients, calls, cap=2, names=("carol", "dan"))

    assert account.current("carol")["AccessKeyId"] == replacement.new
    assert [plan.user.name for plan in run.waiting] == []
    assert account.new_key("dan", old)


def test_a_user_who_was_settled_has_a_place_for_the_replacement_that_follows(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, CREATED, "after")
    account.add_user("dan")
    account.add_key("dan", age=200, used=1)

    run = run_later(clients, calls, cap=1, names=("carol", "dan"))

    assert account.current("carol")["AccessKeyId"] == replacement.new
    assert [plan.user.name for plan in run.waiting] == ["dan"]
    assert len(account.keys("dan")) == 1


def test_a_stored_key_that_a_person_switched_off_stays_off_and_is_told(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, STORED, "after")
    account.iam.update_access_key(UserName="carol", AccessKeyId=replacement.new, Status="Inactive")

    run = run_later(clients, calls)

    assert account.keys("carol") == {replacement.old: "Active", replacement.new: "Inactive"}
    assert replacement.pending is None
    assert {"DeleteAccessKey", "UpdateSecretVersionStage"}.isdisjoint(calls.operations)
    told = [item.text for item in run.plans[0].items]
    assert "somebody switched off the new key of an interrupted replacement" in told


def test_what_a_settlement_that_failed_has_to_say_is_said_once(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, CREATED, "before")
    account.add_key("carol", age=-0.5)
    calls.refuse("UpdateItem", "AccessDeniedException", status=400)

    run = run_later(clients, calls)

    assert ["somebody made this key" in item.text for item in run.plans[0].items] == [True]
    assert [each.failure is not None for each in run.outcomes] == [True]


# A switch-off and a deletion that are cut short.


def due_to_go_off(account: Account) -> tuple[str, Notice]:
    """Carol's old key, quiet, with a notice for today. Returns its id and the notice."""
    account.add_user("carol")
    old = account.add_key("carol", age=95, used=40)
    account.store("carol", account.add_key("carol", age=14, used=1))
    return old, account.notice("carol", old, Why.OVERLAP, days=0)


def cut_short(clients: Clients, calls: Calls, operation: str, how: Literal["before", "after"]) -> None:
    """Today's run dies at the first of these calls that it makes."""

    def die(call: Call) -> None:
        if call.operation == operation:
            raise Died

    calls.meet(die, lost=how == "after")
    with suppress(Died):
        Rotation(clients).run("carol")
    calls.clear()


@pytest.mark.parametrize(
    ("operation", "how", "status", "known"),
    [
        ("UpdateItem", "before", "Active", False),
        ("UpdateItem", "after", "Active", True),
        ("UpdateAccessKey", "before", "Active", True),
        ("UpdateAccessKey", "after", "Inactive", True),
    ],
)
def test_a_switch_off_that_is_cut_short_leaves_a_key_that_is_on_or_one_that_is_known_as_off(
    *,
    account: Account,
    calls: Calls,
    clients: Clients,
    operation: str,
    how: Literal["before", "after"],
    status: str,
    known: bool,
) -> None:
    old, notice = due_to_go_off(account)

    cut_short(clients, calls, operation, how)

    assert account.keys("carol")[old] == status
    expected = KeyMemory(off_since=TODAY, off_because=OffReason.QUIET) if known else KeyMemory(notice=notice)
    assert account.memory("carol").key(old) == expected


@pytest.mark.parametrize(("operation", "how"), [("UpdateItem", "after"), ("UpdateAccessKey", "before")])
def test_a_key_that_is_on_and_known_as_off_is_left_alone_the_day_after(
    account: Account, calls: Calls, clients: Clients, operation: str, how: Literal["before", "after"]
) -> None:
    """A person may have switched it on again: nobody can know, so it is taken for that."""
    old, _ = due_to_go_off(account)
    cut_short(clients, calls, operation, how)

    run = run_later(clients, calls)

    assert account.keys("carol")[old] == "Active"
    assert account.memory("carol").key(old) == KeyMemory(back_on=TOMORROW.today)
    assert calls.writes == ["UpdateItem"]
    assert [item.kind for item in run.plans[0].items] == [actions.Kind.BACK_ON]


def test_a_key_that_went_off_in_a_run_that_died_is_deleted_after_a_notice_of_its_own(
    account: Account, calls: Calls, clients: Clients
) -> None:
    """The mail that was to give it never went out."""
    old, _ = due_to_go_off(account)
    cut_short(clients, calls, "UpdateAccessKey", "after")

    run = run_later(clients, calls)

    (outcome,) = run.outcomes
    assert [(key_id, notice.why) for key_id, notice in outcome.to_give] == [(old, Why.INACTIVE)]
    assert outcome.to_give[0][1].day >= TOMORROW.today + timedelta(days=7)
    assert "DeleteAccessKey" not in calls.operations


@pytest.mark.parametrize(("operation", "how"), [("UpdateItem", "after"), ("DeleteAccessKey", "before")])
def test_a_deletion_that_is_cut_short_needs_a_notice_again(
    account: Account, calls: Calls, clients: Clients, operation: str, how: Literal["before", "after"]
) -> None:
    account.add_user("carol")
    off = account.add_key("carol", age=120, status="Inactive")
    account.remember_key("carol", off, off_since=days_ago(40).date())
    account.notice("carol", off, Why.INACTIVE, days=0)
    cut_short(clients, calls, operation, how)

    run = run_later(clients, calls)

    assert account.keys("carol") == {off: "Inactive"}
    (outcome,) = run.outcomes
    assert [notice.day for _, notice in outcome.to_give] == [TOMORROW.today + timedelta(days=7)]


def test_a_deletion_of_a_run_that_died_is_forgotten_by_the_next_and_takes_no_other_key_for_vanished(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.add_user("carol")
    off = account.add_key("carol", age=120, status="Inactive")
    account.remember_key("carol", off, issued_on=days_ago(120).date(), off_since=days_ago(40).date())
    account.notice("carol", off, Why.INACTIVE, days=0)
    cut_short(clients, calls, "DeleteAccessKey", "after")

    run_later(clients, calls)

    memory = account.memory("carol")
    assert (memory.keys, memory.vanished) == ({}, None)


# Between the message and what is remembered of it.


def test_a_notice_whose_run_died_after_its_message_is_given_anew_for_a_day_that_is_no_sooner(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.add_user("carol")
    key_id = account.add_key("carol", age=200, used=100)
    rotation = Rotation(clients)
    first = rotation.run("carol")
    (told,) = announcements(first, Policy())

    def die(call: Call) -> None:
        if call.operation == "UpdateItem":
            raise Died

    calls.meet(die)
    with suppress(Died):
        rotation.heard(Told(run=first, message_id="message-1", named=(told,)))
    calls.clear()
    assert account.memory("carol").key(key_id).notice is None

    (again,) = announcements(run_later(clients, calls), Policy())

    assert (again.key_id, again.new) == (key_id, True)
    assert again.notice.day > told.notice.day
    assert account.keys("carol") == {key_id: "Active"}


def test_a_notice_is_kept_on_its_day_once_its_message_was_remembered(
    account: Account, clients: Clients
) -> None:
    account.add_user("carol")
    key_id = account.add_key("carol", age=200, used=100)
    rotation = Rotation(clients)
    first = rotation.run("carol")
    rotation.heard(Told(run=first, message_id="message-1", named=announcements(first, Policy())))
    notice = account.memory("carol").key(key_id).notice
    assert notice is not None
    on_the_day = replace(OCCASION, now=NOW + (notice.day - TODAY))

    assert (
        rotation.run("carol", occasion=replace(on_the_day, now=on_the_day.now - timedelta(days=1))).outcomes
        == ()
    )
    rotation.run("carol", occasion=on_the_day)

    assert notice.day == TODAY + timedelta(days=7)
    assert account.keys("carol") == {key_id: "Inactive"}


def test_what_no_message_told_is_not_remembered(account: Account, calls: Calls, clients: Clients) -> None:
    account.add_user("carol")
    account.add_key("carol", age=200, used=100)
    rotation = Rotation(clients)
    run = rotation.run("carol")
    calls.clear()

    rotation.heard(Told(run=run, message_id=None, named=announcements(run, Policy())))

    assert calls.made == []
    assert account.memory("carol").keys == {}
