"""Whatever fails in a replacement, and wherever it dies: no key is lost, and the next run finishes or undoes it."""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from keyrotation.apply import Outcome
from keyrotation.observe import observe
from keyrotation.order import Order
from keyrotation.policy import Policy
from keyrotation.rotation import Run, rotate

from tests.component.account import NOW, OCCASION, PREFIX, REGION, RUN_ID, Account
from tests.component.calls import Call, Calls, error_answer, unanswered, unreachable
from tests.component.conftest import Clients
from tests.component.replacing import HAPPY_PATH, PATIENCE, PENDING, Replacement


class Died(BaseException):
    """The function is no more: time-out, memory, a new deployment."""


def dies(_call: Call) -> None:
    raise Died


# By what happens: what is raised or answered, after AWS did it or before, and from then on or once.
FAULTS: dict[str, tuple[Any, bool, bool]] = {
    "is refused": (403, False, False),
    "and all that follow are refused": (403, False, True),
    "meets an error of AWS": (500, False, False),
    "and all that follow meet an error of AWS": (500, False, True),
    "does not reach AWS": (unreachable, False, False),
    "and all that follow do not reach AWS": (unreachable, False, True),
    "gets no answer though it was done": (unanswered, True, False),
    "and all that follow get no answer though they were done": (unanswered, True, True),
    "is never made, for the function dies": (dies, False, False),
    "is the last one, for the function dies": (dies, True, False),
}


def strike_at(step: int, how: str, *, calls: Calls) -> None:
    fault, lost, from_then_on = FAULTS[how]

    def strike(call: Call) -> Any:
        # A step that is tried again and again fails each time: what is meant is the step.
        at = len(calls.made) - 1
        again = call.operation == "GetCallerIdentity" == HAPPY_PATH[step]
        if not (at == step or (at > step and (from_then_on or again))):
            return None
        return error_answer(call, "Fault", fault, "said no") if isinstance(fault, int) else fault(call)

    calls.meet(strike, lost=lost)


def run_later(clients: Clients, calls: Calls, *, cap: int = 100, names: tuple[str, ...] = ("carol",)) -> Run:
    """The run of the next day, with nothing in its way that is not put there anew."""
    calls.made.clear()
    applier = clients.applier()
    return rotate(
        Order(
            run_id="run-2026-11-23",
            total=len(names),
            with_keys=len(names),
            root_has_keys=False,
            user_names=names,
        ),
        look=lambda name: observe(name, iam=clients.iam, secrets=clients.secrets),
        act=applier.apply,
        policy=Policy(max_users_per_run=cap),
        occasion=replace(OCCASION, now=NOW + timedelta(days=1)),
        seconds_left=lambda: 900.0,
        workers=1,
    )


def assert_no_key_is_lost(account: Account, replacement: Replacement, outcome: Outcome | None) -> None:
    keys, new = account.keys("carol"), replacement.new_or_none
    current = account.current("carol").get("AccessKeyId") if account.secret_names() else None
    assert keys[replacement.old] == "Active"
    # AWSCURRENT never names a dead key.
    assert current is None or keys.get(current) == "Active"
    # A key that nobody was given is one of which the next run will know.
    if new is not None and current != new:
        pending = str(replacement.pending)
        assert pending.endswith(f" {replacement.old}")
        assert new not in pending
    if outcome is None:
        return
    # What is told as done is done, and what is not told as failed has left nothing over.
    if outcome.done:
        assert current == new is not None
    if outcome.failure is None:
        assert outcome.done
        assert replacement.pending is None


@pytest.mark.parametrize("how", FAULTS)
@pytest.mark.parametrize(
    "step", range(len(HAPPY_PATH)), ids=[f"{i}-{each}" for i, each in enumerate(HAPPY_PATH)]
)
def test_whatever_fails_the_old_key_works_no_key_is_lost_and_the_next_run_gets_there(
    *,
    account: Account,
    replacement: Replacement,
    calls: Calls,
    clients: Clients,
    step: int,
    how: str,
) -> None:
    user = replacement.seen()
    strike_at(step, how, calls=calls)
    outcome = None
    try:
        outcome = replacement.run(user)
    except Died:
        assert "the function dies" in how

    assert_no_key_is_lost(account, replacement, outcome)
    assert calls.sent.count("CreateAccessKey") <= 1
    assert sum(clients.slept) <= PATIENCE
    leaks = calls.leaks(repr(outcome))
    assert leaks == 0

    calls.clear()
    run = run_later(clients, calls)

    assert [each.failure for each in run.outcomes if each.failure] == []
    assert account.tags("carol") == {}
    assert account.keys("carol") == {replacement.old: "Active", replacement.new: "Active"}
    assert account.current("carol")["AccessKeyId"] == replacement.new
    assert account.current_works("carol")


# The next run, more closely.


def interrupt(replacement: Replacement, calls: Calls, step: int, how: str) -> None:
    """Leave the replacement as a fault at this step does."""
    user = replacement.seen()
    strike_at(step, how, calls=calls)
    with suppress(Died):
        replacement.run(user)
    calls.clear()


CREATED, STORED = HAPPY_PATH.index("CreateAccessKey"), HAPPY_PATH.index("PutSecretValue")
LAST = "is the last one, for the function dies"


def test_a_key_that_nobody_can_hold_is_deleted_before_pending_is_forgotten_and_then_replaced(
    replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, CREATED, LAST)
    lost = replacement.new

    run_later(clients, calls)

    assert calls.writes[:3] == ["DeleteAccessKey", "UntagUser", "PutResourcePolicy"]
    assert calls.of("DeleteAccessKey")[0].params == {"UserName": "carol", "AccessKeyId": lost}
    assert replacement.new != lost


def test_a_key_that_is_stored_is_promoted_once_its_policy_is_made_sure_of_and_no_other_is_made(
    replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, STORED, LAST)
    stored = replacement.new

    run_later(clients, calls)

    assert calls.writes == [
        "PutResourcePolicy",
        "UpdateSecretVersionStage",
        "UpdateSecretVersionStage",
        "UntagUser",
    ]
    assert replacement.new == stored


def test_a_key_that_a_person_made_in_between_is_not_touched(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, CREATED, "is never made, for the function dies")
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
    interrupt(replacement, calls, CREATED, LAST)
    account.use(replacement.new, days=0)

    run_later(clients, calls)

    assert account.keys("carol") == {replacement.old: "Active", replacement.new: "Active"}
    assert "DeleteAccessKey" not in calls.operations


def test_a_replacement_that_may_still_run_and_one_of_another_region_are_left_alone(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, CREATED, LAST)
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
    interrupt(replacement, calls, STORED, LAST)
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
    interrupt(replacement, calls, step, LAST)
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
    interrupt(replacement, calls, CREATED, LAST)
    account.add_user("dan")
    old = account.add_key("dan", age=80, used=1)
    calls.refuse("DeleteAccessKey", "AccessDenied")

    run = run_later(clients, calls, cap=1, names=("carol", "dan"))

    assert [plan.user.name for plan in run.waiting] == []
    assert account.new_key("dan", old)


def test_a_user_who_is_settled_and_then_replaced_is_one_user_under_the_cap(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, CREATED, LAST)
    account.add_user("dan")
    old = account.add_key("dan", age=79, used=1)

    run = run_later(clients, calls, cap=2, names=("carol", "dan"))

    assert account.current("carol")["AccessKeyId"] == replacement.new
    assert [plan.user.name for plan in run.waiting] == []
    assert account.new_key("dan", old)


def test_a_user_who_was_settled_has_a_place_for_the_replacement_that_follows(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, CREATED, LAST)
    account.add_user("dan")
    account.add_key("dan", age=200, used=1)

    run = run_later(clients, calls, cap=1, names=("carol", "dan"))

    assert account.current("carol")["AccessKeyId"] == replacement.new
    assert [plan.user.name for plan in run.waiting] == ["dan"]
    assert len(account.keys("dan")) == 1


def test_a_stored_key_that_a_person_switched_off_stays_off_and_is_told(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    interrupt(replacement, calls, STORED, LAST)
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
    interrupt(replacement, calls, CREATED, "is never made, for the function dies")
    account.add_key("carol", age=-0.5)
    calls.refuse("UntagUser", "AccessDenied")

    run = run_later(clients, calls)

    assert ["somebody made this key" in item.text for item in run.plans[0].items] == [True]
    assert [each.failure is not None for each in run.outcomes] == [True]
