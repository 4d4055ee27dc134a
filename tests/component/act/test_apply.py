"""Carrying out a plan: the calls of each action, in the order that survives a crash, and what is told of it."""

from datetime import date, timedelta

import pytest
from keyrotation.act.apply import Done, Outcome
from keyrotation.decide import actions
from keyrotation.decide.tags import HoldReason
from keyrotation.look.observe import observe

from tests.component.account import PREFIX, TODAY, Account
from tests.component.calls import Calls
from tests.component.conftest import Clients

SINCE, HELD = f"{PREFIX}inactive-since:", f"{PREFIX}held-until:"


def apply(clients: Clients, calls: Calls, *decisions: actions.Action | actions.Item) -> Outcome:
    """Carry out decisions about carol."""
    user = observe("carol", iam=clients.iam, secrets=clients.secretsmanager, path_prefix="/")
    calls.made.clear()
    steps = tuple(actions.Step(rule="a_rule", decision=decision) for decision in decisions)
    return clients.applier().apply(actions.Plan(user=user, owner="", steps=steps))


def apply_and_tell(clients: Clients, calls: Calls, *decisions: actions.Action | actions.Item) -> Outcome:
    return clients.applier().finish(apply(clients, calls, *decisions))


def off(key_id: str, *, on: date = TODAY) -> actions.Deactivate:
    return actions.Deactivate(
        key_id=key_id, on=on, reason=actions.OffReason.QUIET, why="it is quiet", in_secret=False
    )


def replacement(key_id: str) -> actions.Replace:
    return actions.Replace(
        why="it is due",
        old_key_id=key_id,
        old_key_off_on=TODAY + timedelta(days=14),
        tag_keys_done=(),
    )


def requests(calls: Calls) -> list[tuple[str, dict[str, object]]]:
    return [(call.operation, dict(call.params)) for call in calls.made]


def test_a_mark_is_one_tag(account: Account, calls: Calls, clients: Clients) -> None:
    account.add_user("carol", tags={"cost": "7"})
    key_id = account.add_key("carol", age=80, status="Inactive")
    action = actions.MarkInactive(key_id=key_id, on=TODAY)

    outcome = apply(clients, calls, action)

    tags = [{"Key": SINCE + key_id, "Value": "2026-11-22"}]
    assert requests(calls) == [("TagUser", {"UserName": "carol", "Tags": tags})]
    assert account.tags("carol") == {"cost": "7", SINCE + key_id: "2026-11-22"}
    assert (outcome.done, outcome.failure) == ((Done(action=action),), None)


@pytest.mark.parametrize("reason", HoldReason)
def test_a_hold_is_one_tag_with_its_day_and_reason(
    account: Account, calls: Calls, clients: Clients, reason: HoldReason
) -> None:
    _, key_id = account.add_carol()
    action = actions.Hold(key_id=key_id, until=date(2026, 12, 6), reason=reason)

    told = apply(clients, calls, action)
    assert (calls.writes, told.done, told.once_told) == ([], (), (action,))
    outcome = clients.applier().finish(told)

    assert calls.writes == ["TagUser"]
    assert account.tags("carol") == {HELD + key_id: f"2026-12-06 {reason}"}
    assert outcome.done == (Done(action=action),)


def test_a_hold_is_there_before_the_mark_that_it_replaces_goes(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    account.iam.tag_user(UserName="carol", Tags=[{"Key": SINCE + key_id, "Value": "2026-11-20"}])
    action = actions.Hold(
        key_id=key_id, until=TODAY, reason=HoldReason.REACTIVATED, instead_of=(SINCE + key_id,)
    )

    clients.applier().finish(apply(clients, calls, action))

    assert calls.writes == ["TagUser", "UntagUser"]
    assert account.tags("carol") == {HELD + key_id: f"{TODAY} reactivated"}


def test_a_hold_that_cannot_be_written_is_a_failure_and_its_mark_stays(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    account.iam.tag_user(UserName="carol", Tags=[{"Key": SINCE + key_id, "Value": "2026-11-20"}])
    action = actions.Hold(
        key_id=key_id, until=TODAY, reason=HoldReason.REACTIVATED, instead_of=(SINCE + key_id,)
    )
    calls.refuse("TagUser", "AccessDenied")

    outcome = clients.applier().finish(apply(clients, calls, action))

    assert outcome.failure == "hold failed (TagUser: AccessDenied, TagUser said no)"
    assert account.tags("carol") == {SINCE + key_id: "2026-11-20"}


def test_marks_are_forgotten_in_one_call(account: Account, calls: Calls, clients: Clients) -> None:
    gone = {f"{SINCE}AKIAGONEGONEGONEGONE": "2026-11-01", f"{HELD}AKIAGONEGONEGONEGONE": "2026-11-01 in-use"}
    account.add_user("carol", tags={"cost": "7", **gone})
    action = actions.ForgetMarks(tag_keys=tuple(gone))

    told = apply(clients, calls, action)
    assert (calls.made, told.done, told.once_told) == ([], (), (action,))
    outcome = clients.applier().finish(told)

    assert requests(calls) == [("UntagUser", {"UserName": "carol", "TagKeys": list(gone)})]
    assert account.tags("carol") == {"cost": "7"}
    assert outcome.done == (Done(action=action),)


def test_a_key_is_marked_before_it_is_off(account: Account, calls: Calls, clients: Clients) -> None:
    _, key_id = account.add_carol()

    outcome = apply(clients, calls, off(key_id))

    tags = [{"Key": SINCE + key_id, "Value": "2026-11-22"}]
    assert requests(calls) == [
        ("TagUser", {"UserName": "carol", "Tags": tags}),
        ("UpdateAccessKey", {"UserName": "carol", "AccessKeyId": key_id, "Status": "Inactive"}),
    ]
    assert account.keys("carol") == {key_id: "Inactive"}
    assert account.tags("carol") == {SINCE + key_id: "2026-11-22"}
    assert (outcome.done, outcome.failure) == ((Done(action=off(key_id)),), None)


def test_a_key_that_could_not_be_marked_stays_on_and_is_told_as_a_failure(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    calls.refuse("TagUser", "LimitExceeded", status=409)

    outcome = apply(clients, calls, off(key_id))

    assert account.keys("carol") == {key_id: "Active"}
    assert outcome.done == ()
    assert outcome.failure == "deactivate failed (TagUser: LimitExceeded, TagUser said no)"


def test_a_mark_stays_when_nobody_knows_whether_the_key_went_off(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    calls.break_connection("UpdateAccessKey")

    apply(clients, calls, off(key_id))

    assert account.tags("carol") == {SINCE + key_id: "2026-11-22"}


def test_a_key_that_could_not_be_switched_off_does_not_stay_marked(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    calls.refuse("UpdateAccessKey", "AccessDenied")

    outcome = apply(clients, calls, off(key_id))

    assert calls.operations == ["TagUser", "UpdateAccessKey", "ListAccessKeys", "UntagUser"]
    assert account.keys("carol") == {key_id: "Active"}
    assert account.tags("carol") == {}
    assert outcome.done == ()
    assert outcome.failure == "deactivate failed (UpdateAccessKey: AccessDenied, UpdateAccessKey said no)"


def test_a_key_is_deleted_and_its_marks_once_that_is_told(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.add_user("carol", tags={"cost": "7"})
    key_id = account.add_key("carol", age=120, status="Inactive")
    marks = {SINCE + key_id: "2026-10-22", HELD + key_id: "2026-10-01 in-use"}
    account.iam.tag_user(
        UserName="carol", Tags=[{"Key": name, "Value": value} for name, value in marks.items()]
    )
    action = actions.Delete(key_id=key_id, why="inactive for 31 days", tag_keys=tuple(marks))

    told = apply(clients, calls, action)
    assert requests(calls) == [("DeleteAccessKey", {"UserName": "carol", "AccessKeyId": key_id})]
    assert account.keys("carol") == {}
    assert (told.done, told.failure) == ((Done(action=action),), None)
    calls.made.clear()
    outcome = clients.applier().finish(told)

    assert requests(calls) == [("UntagUser", {"UserName": "carol", "TagKeys": list(marks)})]
    assert account.tags("carol") == {"cost": "7"}
    assert outcome.failure is None


def test_a_deletion_whose_marks_could_not_be_removed_is_told_as_both(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.add_user("carol")
    key_id = account.add_key("carol", age=120, status="Inactive")
    action = actions.Delete(key_id=key_id, why="inactive for 31 days", tag_keys=(SINCE + key_id,))
    calls.refuse("UntagUser", "AccessDenied")

    outcome = apply_and_tell(clients, calls, action)

    assert account.keys("carol") == {}
    assert outcome.done == (Done(action=action),)
    assert outcome.failure == "forgetmarks failed (UntagUser: AccessDenied, UntagUser said no)"


def test_a_key_that_could_not_be_deleted_keeps_its_marks(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.add_user("carol")
    key_id = account.add_key("carol", age=120, status="Inactive")
    account.iam.tag_user(UserName="carol", Tags=[{"Key": SINCE + key_id, "Value": "2026-10-22"}])
    calls.refuse("DeleteAccessKey", "AccessDenied")

    outcome = apply(clients, calls, actions.Delete(key_id=key_id, why="inactive", tag_keys=(SINCE + key_id,)))

    assert calls.operations == ["DeleteAccessKey"]
    assert account.tags("carol") == {SINCE + key_id: "2026-10-22"}
    assert outcome.done == ()


def test_a_replacement_is_told_with_its_new_key(account: Account, calls: Calls, clients: Clients) -> None:
    _, key_id = account.add_carol()

    outcome = apply(clients, calls, replacement(key_id))

    (done,) = outcome.done
    assert done.action == replacement(key_id)
    assert done.issued is not None
    assert done.issued.key_id == account.new_key("carol", key_id)
    assert outcome.failure is None


def test_a_replacement_that_failed_is_told_in_its_own_words(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    calls.refuse("CreateAccessKey", "AccessDenied")

    outcome = apply(clients, calls, replacement(key_id))

    assert outcome.done == ()
    assert outcome.failure == "no key was made (CreateAccessKey: AccessDenied, CreateAccessKey said no)"


def test_actions_are_carried_out_in_the_order_of_the_plan_and_items_make_no_call(
    account: Account, calls: Calls, clients: Clients
) -> None:
    gone, key_id = account.add_carol_after()

    outcome = apply_and_tell(
        clients,
        calls,
        actions.Item(level=actions.Level.ATTENTION, text="look at this"),
        actions.Delete(key_id=gone, why="inactive", tag_keys=(SINCE + gone,)),
        replacement(key_id),
    )

    assert calls.writes[:2] == ["DeleteAccessKey", "CreateSecret"]
    assert calls.writes[-1] == "UntagUser"
    assert [type(done.action) for done in outcome.done] == [
        actions.Delete,
        actions.Replace,
        actions.ForgetMarks,
    ]
    assert outcome.failure is None


def test_a_plan_of_items_alone_makes_no_call(account: Account, calls: Calls, clients: Clients) -> None:
    account.add_carol()

    outcome = apply(clients, calls, actions.Item(level=actions.Level.UPCOMING, text="soon"))

    assert calls.made == []
    assert (outcome.done, outcome.failure) == ((), None)


def test_a_failure_stops_the_plan_and_what_had_been_done_is_told(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.add_user("carol")
    old, new = account.add_key("carol", age=90, used=20), account.add_key("carol", age=16, used=1)
    mark = actions.MarkInactive(key_id=new, on=TODAY)
    calls.refuse("UpdateAccessKey", "AccessDenied")

    outcome = apply(
        clients, calls, mark, off(old), actions.Hold(key_id=new, until=TODAY, reason=HoldReason.IN_USE)
    )

    assert calls.writes == ["TagUser", "TagUser", "UpdateAccessKey", "UntagUser"]
    assert outcome.done == (Done(action=mark),)
    assert outcome.once_told == ()
    assert outcome.failure == "deactivate failed (UpdateAccessKey: AccessDenied, UpdateAccessKey said no)"


def test_a_deletion_that_failed_leaves_no_try_at_the_replacement_that_needs_its_slot(
    account: Account, calls: Calls, clients: Clients
) -> None:
    gone, key_id = account.add_carol_after()
    calls.refuse("DeleteAccessKey", "AccessDenied")

    apply(clients, calls, actions.Delete(key_id=gone, why="inactive", tag_keys=()), replacement(key_id))

    assert calls.operations == ["DeleteAccessKey"]


@pytest.mark.parametrize("operation", ["TagUser", "UpdateAccessKey"])
def test_a_call_without_an_answer_is_told_by_its_kind(
    account: Account, calls: Calls, clients: Clients, operation: str
) -> None:
    _, key_id = account.add_carol()
    calls.break_connection(operation)

    assert apply(clients, calls, off(key_id)).failure == "deactivate failed (EndpointConnectionError)"


def test_a_user_deleted_in_between_is_a_failure_like_any_other(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    user = observe("carol", iam=clients.iam, secrets=clients.secretsmanager, path_prefix="/")
    account.delete_user("carol")
    calls.made.clear()

    outcome = clients.applier().apply(
        actions.Plan(user=user, owner="", steps=(actions.Step(rule="a_rule", decision=off(key_id)),))
    )

    assert "deactivate failed (TagUser: NoSuchEntity" in str(outcome.failure)


def test_a_refusal_of_a_later_try_leaves_the_mark_of_a_key_that_went_off_in_an_earlier_one(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    account.iam.update_access_key(UserName="carol", AccessKeyId=key_id, Status="Inactive")
    calls.refuse("UpdateAccessKey", "Throttling", status=400)

    outcome = apply(clients, calls, off(key_id))

    assert outcome.failure is not None
    assert account.tags("carol") == {SINCE + key_id: "2026-11-22"}
