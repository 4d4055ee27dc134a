"""Carrying out a plan: the calls of each action, memory before its effect, and notices only once they were told."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from keyrotation.act.apply import Done, Heard, Outcome
from keyrotation.decide import actions
from keyrotation.memory import KeyMemory, Memory, Notice, OffReason, Vanished, What, Why
from keyrotation.model import User

from tests.component.account import RUN_ID, TODAY, Account
from tests.component.calls import Call, Calls, error_answer
from tests.component.conftest import Clients
from tests.component.replacing import NOTICE

MONTH_AGO = TODAY - timedelta(days=30)
GONE = "AKIAGONEGONEGONEGONE"
DELETION = Notice(what=What.DELETE, why=Why.INACTIVE, day=TODAY + timedelta(days=30), told=TODAY)
UNUSED = Notice(what=What.SWITCH_OFF, why=Why.UNUSED, day=TODAY + timedelta(days=7), told=TODAY)


def seen(clients: Clients, calls: Calls) -> User:
    """Carol, as the rotator sees her now."""
    user = clients.observer().look("carol")
    calls.made.clear()
    return user


def carry_out(clients: Clients, user: User, *decisions: actions.Action | actions.Item) -> Outcome:
    steps = tuple(actions.Step(rule="a_rule", decision=decision) for decision in decisions)
    return clients.applier().apply(actions.Plan(user=user, owner="", steps=steps))


def apply(clients: Clients, calls: Calls, *decisions: actions.Action | actions.Item) -> Outcome:
    """Carry out decisions about carol."""
    return carry_out(clients, seen(clients, calls), *decisions)


def off(key_id: str, *, notice: Notice | None = DELETION) -> actions.Deactivate:
    return actions.Deactivate(
        key_id=key_id, on=TODAY, reason=OffReason.QUIET, why="it is quiet", in_secret=False, notice=notice
    )


def replacement(key_id: str) -> actions.Replace:
    return actions.Replace(why="it is due", old_key_id=key_id, asked=False, notice=NOTICE)


def given(key_id: str, *, instead_of: Notice | None = None) -> actions.GiveNotice:
    return actions.GiveNotice(key_id=key_id, notice=UNUSED, because="nobody uses it", instead_of=instead_of)


def requests(calls: Calls) -> list[tuple[str, dict[str, object]]]:
    return [(call.operation, dict(call.params)) for call in calls.made]


def add_inactive(account: Account) -> tuple[str, Notice]:
    """Carol's key, off for a month, with a notice of deletion for today. Returns its id and the notice."""
    account.add_user("carol")
    key_id = account.add_key("carol", age=120, status="Inactive")
    account.remember_key("carol", key_id, off_since=MONTH_AGO)
    return key_id, account.notice("carol", key_id, Why.INACTIVE, days=0)


def meanwhile(account: Account, calls: Calls, before: str) -> None:
    """Another rotator writes carol's memory right before this call."""

    def overtake(call: Call) -> None:
        if call.operation == before:
            account.remember("carol", told={"another-run": TODAY})

    calls.meet(overtake)


# What is only remembered.


REMEMBERED: list[tuple[actions.Remembered, dict[str, Any]]] = [
    (actions.RememberOff(key_id="A", on=TODAY), {"off_since": TODAY}),
    (actions.RememberOn(key_id="A", on=TODAY), {"back_on": TODAY}),
    (actions.DropNotice(key_id="A", notice=NOTICE, why="it was used"), {}),
]


@pytest.mark.parametrize(("action", "facts"), REMEMBERED, ids=lambda each: type(each).__name__)
def test_what_is_only_remembered_is_one_write_and_nothing_else(
    account: Account, calls: Calls, clients: Clients, action: Any, facts: dict[str, Any]
) -> None:
    _, key_id = account.add_carol()
    account.notice("carol", key_id, Why.OVERLAP, days=3)
    action = replace(action, key_id=key_id)

    outcome = apply(clients, calls, action)

    assert calls.operations == ["UpdateItem"]
    assert account.memory("carol").key(key_id) == KeyMemory(**facts)
    assert (outcome.done, outcome.failure) == ((Done(action=action),), None)
    assert outcome.memory == account.memory("carol")
    assert not outcome.changed


def test_all_that_is_only_remembered_of_a_user_is_one_write(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    account.remember_key("carol", GONE, issued_on=MONTH_AGO)
    vanished = Vanished(key_id=GONE, on=TODAY)

    outcome = apply(
        clients,
        calls,
        actions.ForgetKeys(key_ids=(GONE,), vanished=vanished),
        actions.RememberOff(key_id=key_id, on=TODAY),
    )

    (write,) = calls.of("UpdateItem")
    assert write.params["ExpressionAttributeValues"][":run_id"] == {"S": RUN_ID}
    memory = account.memory("carol")
    assert (memory.vanished, memory.keys) == (vanished, {key_id: KeyMemory(off_since=TODAY)})
    assert (memory.name, memory.changed) == ("carol", None)
    assert [type(done.action) for done in outcome.done] == [actions.ForgetKeys, actions.RememberOff]


def test_what_is_remembered_already_makes_no_call(account: Account, calls: Calls, clients: Clients) -> None:
    key_id, _ = add_inactive(account)

    assert apply(clients, calls, actions.RememberOff(key_id=key_id, on=MONTH_AGO)).failure is None
    assert calls.made == []


def test_a_plan_of_items_alone_makes_no_call(account: Account, calls: Calls, clients: Clients) -> None:
    account.add_carol()

    outcome = apply(clients, calls, actions.Item(level=actions.Level.UPCOMING, text="soon"))

    assert calls.made == []
    assert (outcome.done, outcome.failure, outcome.changed) == ((), None, False)


# Notices: forgotten before another takes their place, and written when they were told, by `remember` alone.


def test_a_notice_is_given_by_nothing_that_is_carried_out(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()

    outcome = apply(clients, calls, given(key_id))

    assert calls.made == []
    assert account.memory("carol").keys == {}
    assert (outcome.to_give, outcome.done, outcome.failure) == (((key_id, UNUSED),), (), None)


def test_the_notice_that_another_replaces_is_forgotten_before_anything_is_told(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    old = account.notice("carol", key_id, Why.OVERLAP, days=3)

    outcome = apply(clients, calls, given(key_id, instead_of=old))

    assert calls.operations == ["UpdateItem"]
    assert account.memory("carol").key(key_id).notice is None
    assert outcome.to_give == ((key_id, UNUSED),)


def test_a_notice_is_not_given_while_the_one_that_it_replaces_could_not_be_forgotten(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    old = account.notice("carol", key_id, Why.OVERLAP, days=3)
    calls.refuse("UpdateItem", "AccessDeniedException", status=400)

    outcome = apply(clients, calls, given(key_id, instead_of=old))

    assert outcome.to_give == ()
    assert outcome.failure == "remembering it failed (UpdateItem: AccessDeniedException, UpdateItem said no)"
    assert account.memory("carol").key(key_id).notice == old


def test_a_notice_is_remembered_when_its_message_went_out_and_as_told_today(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    outcome = apply(clients, calls, given(key_id))
    heard = Heard(notices=outcome.to_give, given=outcome.to_give, once=("old-tags",))

    cause = clients.applier().remember(outcome.plan.user, outcome.memory, heard)

    assert (cause, calls.operations) == (None, ["UpdateItem"])
    memory = account.memory("carol")
    assert (memory.key(key_id).notice, memory.told) == (UNUSED, {"old-tags": TODAY})


def test_a_notice_that_is_told_again_keeps_its_day_and_is_told_today(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    old = account.notice("carol", key_id, Why.OVERLAP, days=3, told=6)
    user = seen(clients, calls)

    clients.applier().remember(user, user.memory, Heard(notices=((key_id, old),)))

    assert account.memory("carol").key(key_id).notice == replace(old, told=TODAY)


def test_a_notice_is_not_remembered_over_what_another_run_wrote(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    outcome = apply(clients, calls, given(key_id))
    account.remember("carol", told={"another-run": TODAY})

    cause = clients.applier().remember(outcome.plan.user, outcome.memory, Heard(notices=outcome.to_give))

    assert "changed by somebody else" in str(cause)
    assert account.memory("carol").keys == {}


@pytest.mark.parametrize("how", ["refused", "lost"])
def test_a_telling_that_cannot_be_remembered_is_told(
    account: Account, calls: Calls, clients: Clients, how: str
) -> None:
    _, key_id = account.add_carol()
    user = seen(clients, calls)
    if how == "refused":
        calls.refuse("UpdateItem", "AccessDeniedException", status=400)
    else:
        calls.lose_answer("UpdateItem")

    cause = clients.applier().remember(user, user.memory, Heard(notices=((key_id, UNUSED),)))

    assert str(cause).startswith("remembering it failed (")
    assert (account.memory("carol").key(key_id).notice is None) == (how == "refused")


# Switching off.


def test_memory_knows_a_key_as_off_before_it_is_off(account: Account, calls: Calls, clients: Clients) -> None:
    _, key_id = account.add_carol()
    account.notice("carol", key_id, Why.OVERLAP, days=0)
    at_the_switch: list[Memory] = []

    def look(call: Call) -> None:
        if call.operation == "UpdateAccessKey":
            at_the_switch.append(account.memory("carol"))

    user = seen(clients, calls)
    calls.meet(look)
    outcome = carry_out(clients, user, off(key_id))

    assert calls.operations == ["UpdateItem", "UpdateAccessKey"]
    assert calls.made[1].params == {"UserName": "carol", "AccessKeyId": key_id, "Status": "Inactive"}
    assert account.keys("carol") == {key_id: "Inactive"}
    known = KeyMemory(off_since=TODAY, off_because=OffReason.QUIET)
    assert [(memory.key(key_id), memory.changed) for memory in at_the_switch] == [(known, TODAY)]
    assert account.memory("carol") == outcome.memory == at_the_switch[0]
    assert (outcome.done, outcome.failure) == ((Done(action=off(key_id)),), None)
    assert outcome.changed


def test_the_notice_of_its_deletion_is_given_by_the_mail_that_tells_of_the_switch_off(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()

    outcome = apply(clients, calls, off(key_id))

    assert outcome.to_give == ((key_id, DELETION),)
    assert account.memory("carol").key(key_id).notice is None


def test_a_key_stays_on_when_memory_cannot_be_told_of_it(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    old = account.notice("carol", key_id, Why.OVERLAP, days=0)
    before = account.memory("carol")
    calls.refuse("UpdateItem", "ProvisionedThroughputExceededException", status=400)

    outcome = apply(clients, calls, off(key_id))

    assert calls.operations == ["UpdateItem", "GetUser"]
    assert account.keys("carol") == {key_id: "Active"}
    assert account.memory("carol") == outcome.memory == before
    assert before.key(key_id).notice == old
    assert (outcome.done, outcome.to_give) == ((), ())
    assert "deactivate failed (UpdateItem: ProvisionedThroughputExceeded" in str(outcome.failure)


def test_what_was_not_done_is_not_remembered_when_only_its_own_write_failed(
    account: Account, calls: Calls, clients: Clients
) -> None:
    """The table answers again a moment later: the key is on, and nothing may say that it is off."""
    _, key_id = account.add_carol()
    account.notice("carol", key_id, Why.OVERLAP, days=0)
    before = account.memory("carol")
    failures = [True]

    def once(call: Call) -> Any:
        if call.operation != "UpdateItem" or not failures:
            return None
        failures.clear()
        return error_answer(call, "ThrottlingException", 400, "said no")

    user = seen(clients, calls)
    calls.meet(once)
    outcome = carry_out(clients, user, off(key_id))

    assert outcome.failure is not None
    assert account.keys("carol") == {key_id: "Active"}
    assert account.memory("carol") == before


def test_a_key_that_another_rotator_looks_after_stays_as_it_is(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    user = seen(clients, calls)
    meanwhile(account, calls, "UpdateItem")

    outcome = carry_out(clients, user, off(key_id))

    assert calls.writes == ["UpdateItem"]
    assert account.keys("carol") == {key_id: "Active"}
    assert account.memory("carol").keys == {}
    assert "deactivate failed (its memory was changed by somebody else" in str(outcome.failure)


def test_a_switch_off_of_which_nobody_knows_whether_it_was_done_stays_remembered(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    calls.break_connection("UpdateAccessKey")

    outcome = apply(clients, calls, off(key_id))

    assert outcome.failure == "deactivate failed (EndpointConnectionError)"
    assert account.memory("carol").key(key_id).off_since == TODAY


def test_a_lost_answer_to_a_switch_off_leaves_the_key_off_and_known_as_off(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    calls.lose_answer("UpdateAccessKey")

    outcome = apply(clients, calls, off(key_id))

    assert account.keys("carol") == {key_id: "Inactive"}
    assert account.memory("carol").key(key_id).off_since == TODAY
    assert (outcome.done, outcome.to_give) == ((), ())
    assert outcome.failure == "deactivate failed (ReadTimeoutError)"


def test_a_lost_answer_of_the_table_leaves_the_key_on_and_known_as_off(
    account: Account, calls: Calls, clients: Clients
) -> None:
    """As a run that died in between: rule 8 leaves the key alone for a while, and nobody is surprised."""
    _, key_id = account.add_carol()
    calls.lose_answer("UpdateItem")

    outcome = apply(clients, calls, off(key_id))

    assert "UpdateAccessKey" not in calls.operations
    assert account.keys("carol") == {key_id: "Active"}
    assert account.memory("carol").key(key_id).off_since == TODAY
    assert outcome.failure == "deactivate failed (ReadTimeoutError)"


def test_a_refused_switch_off_puts_memory_back_as_it_was(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    account.remember("carol", changed=MONTH_AGO)
    old = account.notice("carol", key_id, Why.OVERLAP, days=0)
    before = account.memory("carol")
    calls.refuse("UpdateAccessKey", "AccessDenied")

    outcome = apply(clients, calls, off(key_id))

    assert calls.operations[:4] == ["UpdateItem", "UpdateAccessKey", "ListAccessKeys", "UpdateItem"]
    assert account.keys("carol") == {key_id: "Active"}
    # Its place under the cap too: nothing was changed today.
    assert account.memory("carol") == replace(before, revision=before.revision + 2)
    assert before.key(key_id).notice == old
    assert (outcome.done, outcome.to_give) == ((), ())
    assert outcome.failure == "deactivate failed (UpdateAccessKey: AccessDenied, UpdateAccessKey said no)"


def test_a_refusal_of_a_later_try_leaves_known_as_off_what_went_off_in_an_earlier_one(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    account.iam.update_access_key(UserName="carol", AccessKeyId=key_id, Status="Inactive")
    calls.refuse("UpdateAccessKey", "Throttling", status=400)

    outcome = apply(clients, calls, off(key_id))

    assert outcome.failure is not None
    assert account.memory("carol").key(key_id).off_since == TODAY


def test_a_key_that_is_not_there_any_more_when_it_is_switched_off_is_no_failure(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    user = seen(clients, calls)
    account.iam.delete_access_key(UserName="carol", AccessKeyId=key_id)

    outcome = carry_out(clients, user, off(key_id))

    assert (outcome.done, outcome.failure, outcome.to_give) == ((), None, ())


# Deleting.


def test_a_key_is_deleted_after_its_notice_is_forgotten_and_is_forgotten_once_that_is_told(
    account: Account, calls: Calls, clients: Clients
) -> None:
    key_id, _ = add_inactive(account)
    action = actions.Delete(key_id=key_id, why="inactive for 30 days")

    told = apply(clients, calls, action)
    assert calls.operations == ["UpdateItem", "DeleteAccessKey"]
    assert calls.made[1].params == {"UserName": "carol", "AccessKeyId": key_id}
    assert account.keys("carol") == {}
    assert (told.done, told.failure) == ((Done(action=action),), None)
    # An attempt that dies now leaves something to tell.
    assert account.memory("carol").keys == {key_id: KeyMemory(off_since=MONTH_AGO)}
    assert account.memory("carol").changed == TODAY

    cause = clients.applier().remember(told.plan.user, told.memory, Heard(), forget=[key_id])

    assert (cause, account.memory("carol").keys) == (None, {})


def test_a_key_is_not_deleted_when_memory_cannot_be_told_of_it(
    account: Account, calls: Calls, clients: Clients
) -> None:
    key_id, notice = add_inactive(account)
    calls.refuse("UpdateItem", "AccessDeniedException", status=400)

    outcome = apply(clients, calls, actions.Delete(key_id=key_id, why="inactive"))

    assert "DeleteAccessKey" not in calls.operations
    assert account.memory("carol").key(key_id).notice == notice
    assert outcome.done == ()


def test_a_key_that_another_rotator_looks_after_is_not_deleted(
    account: Account, calls: Calls, clients: Clients
) -> None:
    key_id, _ = add_inactive(account)
    user = seen(clients, calls)
    meanwhile(account, calls, "UpdateItem")

    outcome = carry_out(clients, user, actions.Delete(key_id=key_id, why="inactive"))

    assert calls.writes == ["UpdateItem"]
    assert "changed by somebody else" in str(outcome.failure)


def test_a_key_that_could_not_be_deleted_keeps_its_notice_and_takes_no_place(
    account: Account, calls: Calls, clients: Clients
) -> None:
    key_id, _ = add_inactive(account)
    before = account.memory("carol")
    calls.refuse("DeleteAccessKey", "AccessDenied")

    outcome = apply(clients, calls, actions.Delete(key_id=key_id, why="inactive"))

    assert account.memory("carol") == replace(before, revision=before.revision + 2)
    assert outcome.done == ()
    assert outcome.failure == "delete failed (DeleteAccessKey: AccessDenied, DeleteAccessKey said no)"


def test_a_deletion_of_which_nobody_knows_whether_it_was_done_needs_a_notice_again(
    account: Account, calls: Calls, clients: Clients
) -> None:
    key_id, _ = add_inactive(account)
    calls.break_connection("DeleteAccessKey")

    apply(clients, calls, actions.Delete(key_id=key_id, why="inactive"))

    assert account.memory("carol").key(key_id) == KeyMemory(off_since=MONTH_AGO)


@pytest.mark.parametrize("kind", [actions.Delete, actions.DeleteOrphan])
def test_a_key_that_somebody_deleted_meanwhile_is_deleted_and_no_failure(
    account: Account, calls: Calls, clients: Clients, kind: Any
) -> None:
    key_id, _ = add_inactive(account)
    user = seen(clients, calls)
    account.iam.delete_access_key(UserName="carol", AccessKeyId=key_id)
    action = kind(key_id=key_id, **({"why": "inactive"} if kind is actions.Delete else {}))

    outcome = carry_out(clients, user, action)

    assert (outcome.done, outcome.failure) == ((Done(action=action),), None)


# Rule 5: the secret of a user who was renamed or moved.


def renamed(account: Account, clients: Clients, calls: Calls) -> tuple[User, str, str]:
    """Carol was kate: her secret keeps its name. Returns her, her key's id and the secret's ARN."""
    account.add_user("kate")
    key_id = account.add_key("kate", age=10, used=1)
    account.store("kate", key_id)
    account.iam.update_user(UserName="kate", NewUserName="carol")
    arn = account.memory("carol").secret_arn
    assert arn is not None
    return seen(clients, calls), key_id, arn


def test_the_policy_is_put_anew_on_the_secret_that_memory_knows_and_then_remembered(
    account: Account, calls: Calls, clients: Clients
) -> None:
    user, key_id, arn = renamed(account, clients, calls)
    notice = account.notice("carol", key_id, Why.OVERLAP, days=3)
    user = seen(clients, calls)
    mend = actions.MendPolicy(secret_arn=arn, user_arn=user.arn)

    outcome = carry_out(
        clients, user, actions.DropNotice(key_id=key_id, notice=notice, why="the user was renamed"), mend
    )

    # The notices that fall are forgotten first: the owner could not fetch the key until now.
    assert calls.operations == ["UpdateItem", "PutResourcePolicy", "GetResourcePolicy", "UpdateItem"]
    (put,) = calls.of("PutResourcePolicy")
    assert put.params["SecretId"] == arn
    assert user.arn in put.params["ResourcePolicy"]
    assert account.secret_names() == ["access-keys/kate/credentials"]
    memory = account.memory("carol")
    assert (memory.policy_arn, memory.key(key_id).notice, memory.name) == (user.arn, None, "carol")
    assert outcome.failure is None
    assert outcome.done[-1] == Done(action=mend)


@pytest.mark.parametrize("operation", ["PutResourcePolicy", "GetResourcePolicy"])
def test_a_policy_that_cannot_be_mended_stops_everything_that_comes_after_it(
    account: Account, calls: Calls, clients: Clients, operation: str
) -> None:
    user, key_id, arn = renamed(account, clients, calls)
    old_arn = user.memory.policy_arn
    calls.refuse(operation, "AccessDeniedException", status=400)

    outcome = carry_out(
        clients,
        user,
        actions.MendPolicy(secret_arn=arn, user_arn=user.arn),
        off(key_id),
        given(key_id),
    )

    assert "UpdateAccessKey" not in calls.operations
    assert account.memory("carol").policy_arn == old_arn
    assert (outcome.done, outcome.to_give) == ((), ())
    assert f"mendpolicy failed ({operation}: AccessDeniedException" in str(outcome.failure)


def test_a_policy_that_somebody_changes_at_once_is_told_and_not_remembered_as_mended(
    account: Account, calls: Calls, clients: Clients
) -> None:
    user, _, arn = renamed(account, clients, calls)

    def foreign(_call: Call, answer: dict[str, Any]) -> None:
        answer["ResourcePolicy"] = "{}"

    calls.change_answer("GetResourcePolicy", foreign)

    outcome = carry_out(clients, user, actions.MendPolicy(secret_arn=arn, user_arn=user.arn))

    assert f"the resource policy of {arn} is not the one that was put" in str(outcome.failure)
    assert account.memory("carol").policy_arn == user.memory.policy_arn != user.arn


# A plan of several actions.


def test_a_replacement_is_told_with_its_new_key(account: Account, calls: Calls, clients: Clients) -> None:
    _, key_id = account.add_carol()

    outcome = apply(clients, calls, replacement(key_id))

    (done,) = outcome.done
    assert done.action == replacement(key_id)
    assert done.issued is not None
    assert done.issued.key_id == account.new_key("carol", key_id)
    assert outcome.failure is None
    assert outcome.to_give == ((key_id, NOTICE),)
    assert account.memory("carol").key(key_id).notice is None


def test_a_replacement_that_failed_is_told_in_its_own_words_and_gives_no_notice(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    calls.refuse("CreateAccessKey", "AccessDenied")

    outcome = apply(clients, calls, replacement(key_id))

    assert (outcome.done, outcome.to_give, outcome.changed) == ((), (), False)
    assert outcome.failure == "no key was made (CreateAccessKey: AccessDenied, CreateAccessKey said no)"


def test_actions_are_carried_out_in_the_order_of_the_plan_and_items_make_no_call(
    account: Account, calls: Calls, clients: Clients
) -> None:
    gone, _ = add_inactive(account)
    key_id = account.add_key("carol", age=80, used=1)

    outcome = apply(
        clients,
        calls,
        actions.Item(level=actions.Level.ATTENTION, text="look at this"),
        actions.Delete(key_id=gone, why="inactive"),
        replacement(key_id),
    )

    assert calls.writes[:3] == ["UpdateItem", "DeleteAccessKey", "CreateSecret"]
    assert [type(done.action) for done in outcome.done] == [actions.Delete, actions.Replace]
    assert [(name, done.action) for name, done in clients.announced] == [
        ("carol", done.action) for done in outcome.done
    ]
    assert outcome.failure is None


def test_a_failure_stops_what_changes_keys_and_notices_are_given_all_the_same(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.add_user("carol")
    old, new = account.add_key("carol", age=90, used=20), account.add_key("carol", age=16, used=1)
    first = actions.RememberOn(key_id=new, on=TODAY)
    calls.refuse("UpdateAccessKey", "AccessDenied")

    outcome = apply(clients, calls, first, off(old), off(new), given(new))

    assert len(calls.of("UpdateAccessKey")) == 1
    assert outcome.done == (Done(action=first),)
    assert outcome.to_give == ((new, UNUSED),)
    assert account.memory("carol").keys == {new: KeyMemory(back_on=TODAY)}
    assert outcome.failure == "deactivate failed (UpdateAccessKey: AccessDenied, UpdateAccessKey said no)"


def test_a_deletion_that_failed_leaves_no_try_at_the_replacement_that_needs_its_slot(
    account: Account, calls: Calls, clients: Clients
) -> None:
    gone, _ = add_inactive(account)
    key_id = account.add_key("carol", age=80, used=1)
    calls.refuse("DeleteAccessKey", "AccessDenied")

    apply(clients, calls, actions.Delete(key_id=gone, why="inactive"), replacement(key_id))

    assert {"CreateSecret", "CreateAccessKey"}.isdisjoint(calls.operations)


def test_in_audit_what_is_remembered_is_done_and_nothing_else(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    decisions = (
        actions.RememberOff(key_id=key_id, on=TODAY),
        off(key_id),
        replacement(key_id),
        given(key_id),
    )
    steps = tuple(actions.Step(rule="a_rule", decision=decision) for decision in decisions)
    user = seen(clients, calls)

    outcome = clients.applier().apply(actions.Plan(user=user, owner="", steps=steps, enforce=False))

    assert calls.operations == ["UpdateItem"]
    assert account.keys("carol") == {key_id: "Active"}
    assert (outcome.to_give, len(outcome.done)) == ((), 1)


def test_a_surprise_is_told_by_its_kind_and_stops_nobody_else(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    calls.stumble("UpdateAccessKey", RuntimeError("with words that nobody knows"))

    outcome = apply(clients, calls, off(key_id))

    assert outcome.failure == "deactivate failed unexpectedly (RuntimeError)"


# A user who is gone is no news, at whatever step that is found.


def test_a_user_deleted_in_between_is_no_failure(account: Account, calls: Calls, clients: Clients) -> None:
    _, key_id = account.add_carol()
    user = seen(clients, calls)
    account.delete_user("carol")

    outcome = carry_out(clients, user, off(key_id), given(key_id))

    assert (outcome.done, outcome.failure, outcome.to_give) == ((), None, ())


STEPS_OF_A_USER: list[tuple[str, str]] = [
    ("PutResourcePolicy", "MalformedPolicyDocumentException"),
    ("CreateAccessKey", "NoSuchEntity"),
    ("GetCallerIdentity", "InvalidClientTokenId"),
    ("UntagUser", "NoSuchEntity"),
]


@pytest.mark.parametrize(("operation", "code"), STEPS_OF_A_USER)
def test_a_user_who_is_deleted_during_a_replacement_is_no_failure(
    account: Account, calls: Calls, clients: Clients, operation: str, code: str
) -> None:
    """What AWS answers then differs from step to step: a policy that names nobody is malformed."""
    _, key_id = account.add_carol()
    account.tag("carol", replace="laptop lost")
    user = seen(clients, calls)
    deleted: list[bool] = []

    def delete_them(call: Call) -> Any:
        if call.operation != operation:
            return None
        if not deleted:
            account.delete_user("carol")
            deleted.append(True)
        return error_answer(call, code, 400, "said no")

    calls.meet(delete_them)

    outcome = carry_out(clients, user, replace(replacement(key_id), asked=True))

    assert deleted
    assert (outcome.failure, outcome.to_give) == (None, ())


def test_a_failure_stays_one_when_nobody_can_say_whether_the_user_is_gone(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    user = seen(clients, calls)
    calls.refuse("UpdateAccessKey", "AccessDenied")
    calls.break_connection("GetUser")

    outcome = carry_out(clients, user, off(key_id))

    assert outcome.failure == "deactivate failed (UpdateAccessKey: AccessDenied, UpdateAccessKey said no)"


def test_a_failure_over_a_user_who_was_made_anew_meanwhile_is_none_of_the_one_who_is_gone(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    user = seen(clients, calls)
    account.delete_user("carol")
    account.add_user("carol")
    calls.refuse("UpdateAccessKey", "AccessDenied")

    outcome = carry_out(clients, user, off(key_id))

    assert (outcome.done, outcome.failure) == ((), None)


def test_a_user_made_anew_under_the_same_name_is_somebody_else(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    user = seen(clients, calls)
    account.delete_user("carol")
    account.add_user("carol")
    theirs = account.add_key("carol", age=0)

    outcome = carry_out(clients, user, off(key_id))

    assert (outcome.done, outcome.failure) == ((), None)
    assert account.keys("carol") == {theirs: "Active"}
    assert account.memory("carol") == Memory(user_id=account.user_id("carol"))
