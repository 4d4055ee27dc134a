"""What the run after an interrupted replacement does, more closely than tests/component/faults looks."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Literal

import pytest
from keyrotation.run.record import Run

from tests.component.account import NOW, OCCASION, PREFIX, REGION, RUN_ID, Account
from tests.component.calls import Call, Calls
from tests.component.conftest import Clients
from tests.component.faults.clock import Died
from tests.component.replacing import HAPPY_PATH, PENDING, Replacement
from tests.component.rotating import Rotation


def interrupt(replacement: Replacement, calls: Calls, step: int, how: Literal["before", "after"]) -> None:
    """Have the function die at this step: before AWS gets the call, or after AWS did it."""
    user = replacement.seen()

    def die(_call: Call) -> None:
        if len(calls.made) - 1 == step:
            raise Died

    calls.meet(die, lost=how == "after")
    with suppress(Died):
        replacement.run(user)
    calls.clear()


CREATED, STORED = HAPPY_PATH.index("CreateAccessKey"), HAPPY_PATH.index("PutSecretValue")


def run_later(clients: Clients, calls: Calls, *, cap: int = 100, names: tuple[str, ...] = ("carol",)) -> Run:
    """The run of the next day, with nothing in its way that is not put there anew."""
    calls.made.clear()
    tomorrow = replace(OCCASION, now=NOW + timedelta(days=1))
    return Rotation(clients).run(*names, cap=cap, occasion=tomorrow, run_id="run-2026-11-23")


def test_a_key_that_nobody_can_hold_is_deleted_before_pending_is_forgotten_and_then_replaced(
    replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, CREATED, "after")
    lost = replacement.new

    run_later(clients, calls)

    assert calls.writes[:3] == ["DeleteAccessKey", "UntagUser", "PutResourcePolicy"]
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
        "UntagUser",
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
    for since, region in (("2026-11-23T05:50:00Z", REGION), ("2026-11-22T06:00:00Z", "us-east-1")):
        value = f"{since} {region} {RUN_ID} {replacement.old}"
        account.iam.tag_user(UserName="carol", Tags=[{"Key": PENDING, "Value": value}])

        run = run_later(clients, calls)

        assert calls.writes == []
        assert run.outcomes == ()
        assert account.keys("carol") == keys
        assert [item.text.startswith("nothing was done") for item in run.plans[0].items] == [True]


def test_a_tag_that_asked_for_the_interrupted_replacement_goes_with_pending(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    account.iam.tag_user(UserName="carol", Tags=[{"Key": f"{PREFIX}replace", "Value": "laptop lost"}])
    interrupt(replacement, calls, STORED, "after")
    stored = replacement.new

    run_later(clients, calls)

    assert account.tags("carol") == {}
    assert replacement.new == stored


@pytest.mark.parametrize(("step", "operation"), [(CREATED, "DeleteAccessKey"), (STORED, "PutResourcePolicy")])
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
    calls.refuse("UntagUser", "AccessDenied")

    run = run_later(clients, calls)

    assert ["somebody made this key" in item.text for item in run.plans[0].items] == [True]
    assert [each.failure is not None for each in run.outcomes] == [True]
