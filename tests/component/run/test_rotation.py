"""A run over many users: the fleet is finished whatever one user does, under the cap and within the time."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from botocore.awsrequest import AWSResponse
from keyrotation.act.apply import Done
from keyrotation.decide.actions import GiveNotice, Plan, RememberOff
from keyrotation.decide.plan import plan_user
from keyrotation.memory import Why
from keyrotation.model import User
from keyrotation.policy import Policy
from keyrotation.remember.table import TABLE_NAME
from keyrotation.run import rotation as rotation_module
from keyrotation.run.record import Run, Told
from keyrotation.run.settings import Mode, Notify, RotatorSettings
from keyrotation.tell.digest import Digest, digest_of
from keyrotation.tell.report import Severity

from tests.component.account import (
    ACCOUNT,
    NOW,
    OCCASION,
    PREFIX,
    REGION,
    ROTATOR_ROLE_ARN,
    RUN_ID,
    TODAY,
    Account,
)
from tests.component.calls import Call, Calls, Fault, error_answer
from tests.component.conftest import Clients
from tests.component.rotating import Rotation

if TYPE_CHECKING:
    from mypy_boto3_iam.type_defs import TagTypeDef


@pytest.fixture
def rotation(clients: Clients) -> Rotation:
    return Rotation(clients)


def digest(run: Run, *, mode: Mode = Mode.ENFORCE) -> Digest:
    settings = RotatorSettings(
        policy=Policy(),
        mode=mode,
        table_name=TABLE_NAME,
        user_path_prefix="/",
        secret_reader_arns=(),
        secrets_kms_key_arn=None,
        aws_region=REGION,
        orders_queue_url=f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/orders.fifo",
        orders_queue_arn=f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders.fifo",
        topic_arn=f"arn:aws:sns:{REGION}:{ACCOUNT}:alerts",
        rotator_role_arn=ROTATOR_ROLE_ARN,
        function_timeout_seconds=900,
        notify=Notify.CHANGES,
        runbook_url="docs/runbook.md",
        log_group_name="rotator-logs",
    )
    return digest_of(run, settings, redelivered=False)


def told(run: Run) -> str:
    """The body of the mail as one line: where it is wrapped is no matter here."""
    return " ".join(digest(run).body.split())


def add_due(account: Account, *names: str) -> dict[str, str]:
    """Users whose only key is due and in use, the first named the oldest. Returns the keys' ids by user."""
    ids = {}
    for younger, name in enumerate(names):
        account.add_user(name)
        ids[name] = account.add_key(name, age=95 - younger, used=1)
    return ids


def add_elder(account: Account, name: str, *, days: int, used: float = 20) -> str:
    """A user whose elder key, the id of which is returned, goes off in `days` days, as was told."""
    account.add_user(name)
    elder = account.add_key(name, age=92, used=used)
    account.store(name, account.add_key(name, age=16, used=1))
    account.notice(name, elder, Why.OVERLAP, days=days)
    return elder


def add_inactive(account: Account, name: str, *, days: int) -> str:
    """A user whose only key is off and is deleted in `days` days, as was told. Returns its id."""
    account.add_user(name)
    key_id = account.add_key(name, age=200, status="Inactive")
    account.remember_key(name, key_id, off_since=TODAY - timedelta(days=30 - days))
    account.notice(name, key_id, Why.INACTIVE, days=days)
    return key_id


def add_carol_after_a_deletion(account: Account) -> tuple[str, str]:
    """Carol, whose key is due once another is deleted, which is today. Returns the other's id and hers."""
    return add_inactive(account, "carol", days=0), account.add_key("carol", age=80, used=1)


def replaced(account: Account, *names: str) -> list[str]:
    return [name for name in names if len(account.keys(name)) == 2]


def failures(run: Run) -> dict[str, str]:
    return {each.plan.user.name: each.failure for each in run.outcomes if each.failure is not None}


def of_bob(operation: str, fault: Fault) -> Fault:
    """That fault, where a call of this operation is about bob: as a user, by the name of the secret, or in the table."""

    def only(call: Call) -> tuple[AWSResponse, dict[str, Any]] | None:
        return fault(call) if call.operation == operation and "bob" in repr(call.params) else None

    return only


# One user's failure.


@pytest.mark.parametrize(
    ("operation", "code", "status"),
    [
        ("CreateAccessKey", "AccessDenied", 403),
        ("CreateAccessKey", "LimitExceeded", 409),
        ("CreateSecret", "LimitExceeded", 409),
        ("PutResourcePolicy", "AccessDenied", 403),
    ],
)
def test_one_users_failure_is_told_by_name_and_cause_and_the_others_are_done(
    *,
    account: Account,
    calls: Calls,
    rotation: Rotation,
    operation: str,
    code: str,
    status: int,
) -> None:
    add_due(account, "alice", "bob", "carol")
    calls.meet(of_bob(operation, lambda call: error_answer(call, code, status, "said no")))

    run = rotation.run("alice", "bob", "carol", workers=3)

    assert replaced(account, "alice", "bob", "carol") == ["alice", "carol"]
    assert account.memory("bob").pending is None
    assert failures(run) == {"bob": f"no key was made ({operation}: {code}, {operation} said no)"}
    mail = digest(run)
    assert mail.severity is Severity.CRITICAL
    assert mail.worth_sending
    assert f"* bob No key was made ({operation}: {code}, {operation} said no)." in told(run)
    assert "alice" in told(run)
    assert "carol" in told(run)


def test_a_user_deleted_between_scan_and_look_is_no_news_and_the_others_are_done(
    account: Account, rotation: Rotation
) -> None:
    add_due(account, "alice", "carol")

    run = rotation.run("alice", "ghost", "carol")

    assert replaced(account, "alice", "carol") == ["alice", "carol"]
    assert "ghost" not in told(run)
    assert failures(run) == {}


@pytest.mark.parametrize("step", ["CreateSecret", "UpdateItem", "CreateAccessKey"])
def test_a_user_deleted_between_look_and_act_is_no_news_and_the_others_are_done(
    account: Account, calls: Calls, rotation: Rotation, step: str
) -> None:
    ids = add_due(account, "alice", "bob", "carol")

    def delete(_call: Call) -> None:
        if account.iam.list_users()["Users"][1]["UserName"] == "bob":
            account.delete_user("bob")

    calls.meet(of_bob(step, delete))

    run = rotation.run(*ids)

    assert replaced(account, "alice", "carol") == ["alice", "carol"]
    assert failures(run) == {}
    assert "INSTALL by 12-06: 2 new keys" in digest(run).subject


@pytest.mark.parametrize(("step", "what"), [("UpdateAccessKey", "off"), ("DeleteAccessKey", "deleted")])
def test_a_key_that_somebody_deleted_just_before_is_no_failure(
    *, account: Account, calls: Calls, rotation: Rotation, step: str, what: str
) -> None:
    key_id = add_elder(account, "bob", days=0) if what == "off" else add_inactive(account, "bob", days=0)

    def delete(_call: Call) -> None:
        if key_id in account.keys("bob"):
            account.iam.delete_access_key(UserName="bob", AccessKeyId=key_id)

    calls.meet(of_bob(step, delete))

    run = rotation.run("bob")

    assert failures(run) == {}
    assert key_id not in account.keys("bob")


@pytest.mark.parametrize("operation", ["GetUser", "ListAccessKeys"])
def test_a_user_who_cannot_be_read_is_told_left_alone_and_counted_as_unreadable(
    account: Account, calls: Calls, rotation: Rotation, operation: str
) -> None:
    ids = add_due(account, "alice", "bob")
    calls.refuse(operation, "AccessDenied", UserName="bob")

    run = rotation.run("alice", "bob", total=7)

    assert account.keys("bob") == {ids["bob"]: "Active"}
    assert rotation.tried == ["alice"]
    assert f"* bob Nothing was done: it could not be read ({operation}: AccessDenied" in told(run)
    assert "examined 6 of 7 users, 0 exempt, 1 unreadable, 0 deferred" in told(run)


def test_a_connection_that_fails_for_one_user_is_told_and_the_others_are_done(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    add_due(account, "alice", "bob", "carol")
    calls.break_connection("CreateAccessKey", UserName="bob")

    run = rotation.run("alice", "bob", "carol")

    assert replaced(account, "alice", "bob", "carol") == ["alice", "carol"]
    assert "nobody knows whether a key was made (EndpointConnectionError)" in failures(run)["bob"]


def test_a_role_without_the_right_to_make_keys_gives_a_run_that_reports_it(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    ids = add_due(account, "alice", "bob")
    calls.refuse("CreateAccessKey", "AccessDenied", message="is not authorized")

    run = rotation.run("alice", "bob")

    assert set(failures(run)) == {"alice", "bob"}
    assert "FAILED: 2 replacements not made, nothing lost" in digest(run).subject
    assert {name: account.keys(name) for name in ids} == {name: {id_: "Active"} for name, id_ in ids.items()}
    assert [account.memory(name).pending for name in ids] == [None, None]


def test_what_was_done_before_a_failure_is_told_beside_it(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    old, key_id = add_carol_after_a_deletion(account)
    calls.refuse("CreateSecret", "LimitExceeded", status=409)

    run = rotation.run("carol")

    assert account.keys("carol") == {key_id: "Active"}
    assert "No key was made (CreateSecret: LimitExceeded" in told(run)
    assert "Done today: it was deleted" in told(run)
    assert f"{old}, 200 days old" in told(run)


@pytest.mark.parametrize("operation", ["GetUser", "CreateAccessKey"])
def test_what_nobody_foresaw_about_one_user_is_told_by_its_kind_and_the_others_are_done(
    account: Account, calls: Calls, rotation: Rotation, operation: str
) -> None:
    add_due(account, "alice", "bob", "carol")

    calls.stumble(operation, RuntimeError("something that may quote a parameter"), UserName="bob")

    run = rotation.run("alice", "bob", "carol")

    assert replaced(account, "alice", "bob", "carol") == ["alice", "carol"]
    assert "* bob" in told(run)
    assert "(RuntimeError)" in told(run)
    assert "quote" not in told(run)


def test_what_was_done_before_something_that_nobody_foresaw_is_told_beside_it(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    _, key_id = add_carol_after_a_deletion(account)

    calls.stumble("CreateSecret", RuntimeError("a mistake of ours"))

    run = rotation.run("carol")

    assert account.keys("carol") == {key_id: "Active"}
    assert "(RuntimeError)" in told(run)
    assert "Done today: it was deleted" in told(run)


def test_what_a_person_changed_while_others_were_looked_at_counts(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    ids = add_due(account, "alice", "bob")
    looks = 0

    def exempt_bob(call: Call) -> None:
        nonlocal looks
        looks += call.operation == "GetUser"
        if looks == 2:
            tags: list[TagTypeDef] = [{"Key": f"{PREFIX}exempt", "Value": "2027-01-31 migration"}]
            account.iam.tag_user(UserName="bob", Tags=tags)

    calls.meet(exempt_bob)

    run = rotation.run("alice", "bob")

    assert replaced(account, "alice", "bob") == ["alice"]
    assert account.keys("bob") == {ids["bob"]: "Active"}
    assert "EXEMPT * bob" in told(run)
    assert failures(run) == {}


# The cap.


def test_the_cap_lets_the_oldest_keys_go_first_and_the_rest_wait_by_name(
    account: Account, rotation: Rotation
) -> None:
    names = ("eve", "dan", "carol", "bob", "alice")
    add_due(account, *names)

    run = rotation.run(*sorted(names), cap=2)

    assert rotation.tried == ["eve", "dan"]
    assert replaced(account, *names) == ["eve", "dan"]
    assert [plan.user.name for plan in run.waiting] == ["carol", "bob", "alice"]
    assert run.deferred == ()


def test_an_attempt_that_failed_leaves_its_place_to_the_next(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    names = ("alice", "bob", "carol", "dan", "eve")
    add_due(account, *names)
    for name in ("alice", "bob"):
        calls.refuse("CreateAccessKey", "AccessDenied", UserName=name)

    run = rotation.run(*names, cap=2)

    assert replaced(account, *names) == ["carol", "dan"]
    assert set(failures(run)) == {"alice", "bob"}
    assert [plan.user.name for plan in run.waiting] == ["eve"]


def test_everyone_is_tried_when_everyone_fails(account: Account, calls: Calls, rotation: Rotation) -> None:
    names = ("alice", "bob", "carol", "dan")
    add_due(account, *names)
    calls.refuse("CreateAccessKey", "AccessDenied")

    run = rotation.run(*names, cap=1)

    assert set(failures(run)) == set(names)
    assert run.waiting == ()


def test_a_failure_after_a_change_counts_as_a_change(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    add_due(account, "alice", "bob")
    account.tag("alice", replace="laptop lost")
    # The key is there and promoted; only the tag could not be removed.
    calls.refuse("UntagUser", "AccessDenied", UserName="alice")

    run = rotation.run("alice", "bob", cap=1)

    assert replaced(account, "alice", "bob") == ["alice"]
    assert [plan.user.name for plan in run.waiting] == ["bob"]


def test_users_with_nothing_to_do_take_no_place(account: Account, rotation: Rotation) -> None:
    for name in ("adam", "anna"):
        account.add_user(name)
        account.add_key(name, age=3, used=1)
    add_due(account, "carol")

    run = rotation.run("adam", "anna", "carol", cap=1)

    assert rotation.tried == ["carol"]
    assert run.waiting == ()


def test_work_in_flight_goes_before_replacements_and_what_is_only_remembered_takes_no_place(
    account: Account, rotation: Rotation
) -> None:
    add_due(account, "due", "later")
    account.add_user("off")
    off = account.add_key("off", age=300, status="Inactive")
    add_elder(account, "elder", days=0)

    run = rotation.run("due", "elder", "later", "off", cap=2)

    # A day that is remembered late is a day that is wrong.
    assert rotation.tried == ["elder", "off", "due"]
    assert account.memory("off").key(off).off_since == TODAY
    assert [plan.user.name for plan in run.waiting] == ["later"]


def test_the_cap_counts_whom_earlier_runs_of_the_day_changed(account: Account, rotation: Rotation) -> None:
    add_due(account, "alice", "bob", "carol")
    first = rotation.run("alice", cap=2)
    rotation.heard(Told(run=first, message_id="message-1", named=digest(first).named))
    rotation.tried.clear()

    changed_today = account.table.read_all().changed_on(TODAY)
    run = rotation.run("alice", "bob", "carol", cap=2, changed_today=changed_today)

    assert changed_today == {account.user_id("alice")}
    assert rotation.tried == ["bob"]
    assert replaced(account, "alice", "bob", "carol") == ["alice", "bob"]
    assert [plan.user.name for plan in run.waiting] == ["carol"]


def test_who_was_changed_today_has_a_place_already(account: Account, rotation: Rotation) -> None:
    add_due(account, "alice", "bob")
    account.remember("alice", changed=TODAY)

    run = rotation.run(
        "alice", "bob", cap=1, changed_today=account.table.read_all().changed_on(OCCASION.today)
    )

    assert replaced(account, "alice", "bob") == ["alice"]
    assert [plan.user.name for plan in run.waiting] == ["bob"]


def test_whom_a_run_changed_yesterday_counts_no_more(account: Account) -> None:
    add_due(account, "alice", "bob")
    account.remember("alice", changed=TODAY - timedelta(days=1))

    assert account.table.read_all().changed_on(TODAY) == frozenset()


def test_the_cap_holds_when_many_work_at_once(account: Account, rotation: Rotation) -> None:
    names = tuple(f"user-{number:02}" for number in range(20))
    add_due(account, *names)

    run = rotation.run(*names, cap=7, workers=8)

    assert len(replaced(account, *names)) == 7
    assert len(run.waiting) == 13
    assert set(rotation.looked) == set(names)


# Audit.


def test_audit_plans_everything_and_changes_nothing_but_what_is_remembered(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    names = ("alice", "bob", "carol")
    add_due(account, "alice", "bob")
    account.add_user("carol")
    off = account.add_key("carol", age=300, status="Inactive")
    calls.clear()

    run = rotation.run(*names, mode=Mode.AUDIT, cap=1)

    # Since when a key is known to be off, and nothing else: the notice would be given.
    assert calls.writes == ["UpdateItem"]
    assert account.memory("carol").key(off).off_since == TODAY
    assert account.memory("carol").key(off).notice is None
    assert len([plan for plan in run.plans if plan.would]) == 3
    (outcome,) = run.outcomes
    assert outcome.done == (Done(action=RememberOff(key_id=off, on=TODAY)),)
    assert (outcome.to_give, run.waiting, run.deferred) == ((), (), ())
    mail = digest(run, mode=Mode.AUDIT)
    assert "AUDIT: would replace 2" in mail.subject
    assert mail.named == ()
    assert all(f"* {name}" in mail.body for name in names)


# The time.


def test_without_time_for_anyone_everyone_is_deferred_by_name_and_nothing_is_called(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    add_due(account, "alice", "bob")
    calls.clear()
    rotation.left = -60

    run = rotation.run("bob", "alice")

    assert calls.made == []
    assert run.deferred == ("alice", "bob")
    assert "2 users deferred to the next run" in told(run)
    assert digest(run).worth_sending


def test_looking_leaves_half_of_the_time_to_act_on_who_was_looked_at(
    account: Account, rotation: Rotation
) -> None:
    names = tuple(f"user-{number}" for number in range(8))
    add_due(account, *names)
    rotation.look_takes = 100

    run = rotation.run(*names)

    # 600, 500, 400, 300; then the time that is left is for those, each of whom is looked at once more.
    seen = set(rotation.looked[:4])
    assert len(seen) == 4
    assert rotation.looked[4:] == rotation.tried == sorted(seen)[:2]
    assert replaced(account, *names) == sorted(seen)[:2]
    assert set(run.deferred) == set(names) - set(rotation.tried)


def test_users_who_were_not_started_in_time_are_deferred_by_name(
    account: Account, rotation: Rotation
) -> None:
    names = ("alice", "bob", "carol", "dan")
    add_due(account, *names)
    rotation.act_takes = 200

    run = rotation.run(*names)

    assert replaced(account, *names) == ["alice", "bob", "carol"]
    assert run.deferred == ("dan",)
    assert "1 user deferred to the next run because the time was nearly up: dan" in told(run)
    assert "examined 3 of 4 users" in told(run)


def test_a_user_who_was_started_is_finished_when_the_time_runs_out(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    add_due(account, "alice", "bob")

    def run_out(call: Call) -> None:
        if call.operation == "CreateAccessKey":
            rotation.left = 0

    calls.meet(run_out)

    run = rotation.run("alice", "bob")

    assert replaced(account, "alice", "bob") == ["alice"]
    assert account.memory("alice").pending is None
    assert run.deferred == ("bob",)
    assert failures(run) == {}


def test_time_that_runs_out_under_the_cap_defers_those_who_had_a_place_and_the_others_wait(
    account: Account, rotation: Rotation
) -> None:
    names = tuple(f"user-{number}" for number in range(6))
    add_due(account, *names)
    rotation.act_takes = 300

    run = rotation.run(*names, cap=3)

    assert [each.plan.user.name for each in run.outcomes] == list(names[:2])
    assert run.deferred == names[2:3]
    assert [plan.user.name for plan in run.waiting] == list(names[3:])
    assert "examined 5 of 6 users" in told(run)


def test_time_that_never_suffices_does_not_leave_out_the_same_users_every_day(
    account: Account, rotation: Rotation
) -> None:
    names = tuple(f"user-{number}" for number in range(7))
    for name in names:
        account.add_user(name)
    first = set()
    for day in range(20):
        rotation.looked.clear()
        rotation.run(*names, occasion=replace(OCCASION, now=NOW + timedelta(days=day)))
        assert sorted(rotation.looked) == list(names)
        first.add(rotation.looked[0])

    assert first == set(names)


def test_an_order_of_nobody_is_a_run_with_nothing_to_say(calls: Calls, rotation: Rotation) -> None:
    run = rotation.run(total=40)

    assert calls.made == []
    assert not digest(run).worth_sending
    assert "examined 40 of 40 users" in told(run)


# A second run.


def test_a_second_run_on_the_same_day_finds_nothing_left_to_do(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    add_due(account, "alice")
    add_elder(account, "bob", days=0)
    account.add_user("carol")
    account.add_key("carol", age=300, status="Inactive")
    add_elder(account, "dan", days=0, used=0)
    names = ("alice", "bob", "carol", "dan")
    first = rotation.run(*names)
    assert len(first.outcomes) == 4
    rotation.heard(Told(run=first, message_id="message-1", named=digest(first).named))
    calls.clear()

    second = rotation.run(*names)

    assert failures(first) == {}
    assert calls.writes == []
    assert [plan.actions for plan in second.plans] == [(), (), (), ()]


# Notices: remembered once they were told, and only those that the message named.


def test_a_notice_is_remembered_when_the_message_that_names_it_was_heard_and_not_before(
    account: Account, rotation: Rotation
) -> None:
    account.add_user("carol")
    off = account.add_key("carol", age=300, status="Inactive")
    run = rotation.run("carol")
    assert account.memory("carol").key(off).notice is None

    rotation.heard(Told(run=run, message_id="message-1", named=digest(run).named))

    notice = account.memory("carol").key(off).notice
    assert notice is not None
    assert (notice.why, notice.day, notice.told) == (Why.INACTIVE, TODAY + timedelta(days=30), TODAY)


@pytest.mark.parametrize("message_id", ["message-1", None])
def test_what_a_message_did_not_name_or_nobody_heard_is_no_notice(
    account: Account, calls: Calls, rotation: Rotation, message_id: str | None
) -> None:
    account.add_user("carol")
    off = account.add_key("carol", age=300, status="Inactive")
    run = rotation.run("carol")
    (named,) = digest(run).named
    calls.clear()

    rotation.heard(Told(run=run, message_id=message_id, named=() if message_id else (named,)))

    assert calls.writes == []
    assert account.memory("carol").key(off).notice is None


def test_a_notice_that_cannot_be_remembered_is_a_failure_and_the_others_are_remembered(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    ids = {}
    for name in ("alice", "bob"):
        account.add_user(name)
        ids[name] = account.add_key(name, age=300, status="Inactive")
    run = rotation.run("alice", "bob")
    assert failures(run) == {}
    calls.meet(of_bob("UpdateItem", lambda call: error_answer(call, "AccessDeniedException", 400, "said no")))

    finished = rotation.heard(Told(run=run, message_id="message-1", named=digest(run).named))

    assert list(failures(finished)) == ["bob"]
    assert failures(finished)["bob"].startswith("remembering it failed (UpdateItem: AccessDeniedException")
    assert account.memory("alice").key(ids["alice"]).notice is not None
    assert account.memory("bob").key(ids["bob"]).notice is None


def test_what_fails_twice_about_a_user_is_told_once(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    account.add_user("bob")
    account.add_key("bob", age=300, status="Inactive")
    run = rotation.run("bob")
    (outcome,) = run.outcomes
    run = replace(run, outcomes=(replace(outcome, failure="it had failed before"),))
    calls.meet(of_bob("UpdateItem", lambda call: error_answer(call, "AccessDeniedException", 400, "said no")))

    finished = rotation.heard(Told(run=run, message_id="message-1", named=digest(run).named))

    # Another outcome beside it would tell what was remembered before: a notice that was forgotten, a key that is gone.
    assert finished.outcomes == run.outcomes


def test_the_notice_that_another_replaces_is_forgotten_before_the_other_is_told(
    account: Account, rotation: Rotation
) -> None:
    elder = add_elder(account, "bob", days=0, used=0)

    run = rotation.run("bob")

    (outcome,) = run.outcomes
    (given,) = [each for each in outcome.plan.actions if isinstance(each, GiveNotice)]
    assert given.instead_of is not None
    assert given.notice.why is Why.IN_USE
    assert account.memory("bob").key(elder).notice is None


# One rotator at a time.


def test_who_wrote_to_memory_in_between_keeps_a_replacement_from_being_made(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    ids = add_due(account, "alice", "bob")

    def write(_call: Call) -> None:
        account.remember("bob", changed=TODAY)

    calls.meet(of_bob("CreateSecret", write))

    run = rotation.run("alice", "bob")

    assert replaced(account, "alice", "bob") == ["alice"]
    assert account.keys("bob") == {ids["bob"]: "Active"}
    assert "no key was made (its memory was changed by somebody else" in failures(run)["bob"]
    # Asked for once, and refused: alice's is the only key.
    assert calls.operations.count("CreateAccessKey") == 1


@pytest.mark.parametrize("what", ["off", "deleted"])
def test_who_wrote_to_memory_in_between_keeps_a_key_from_being_switched_off_or_deleted(
    account: Account, calls: Calls, rotation: Rotation, what: str
) -> None:
    key_id = add_elder(account, "bob", days=0) if what == "off" else add_inactive(account, "bob", days=0)
    before = account.keys("bob")

    def write(_call: Call) -> None:
        account.remember("bob", changed=TODAY)

    calls.meet(of_bob("UpdateItem", write))

    run = rotation.run("bob")

    assert account.keys("bob") == before
    assert "its memory was changed by somebody else" in failures(run)["bob"]
    assert account.memory("bob").key(key_id).notice is not None


def test_a_user_whose_replacement_was_interrupted_just_now_is_left_alone_and_told(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    add_due(account, "alice")
    calls.lose_answer("CreateAccessKey")
    rotation.run("alice")
    keys = account.keys("alice")
    calls.clear()

    run = rotation.run("alice")

    assert calls.writes == []
    assert account.keys("alice") == keys
    pending = account.memory("alice").pending
    assert pending is not None
    assert (pending.since, pending.run_id) == (NOW, RUN_ID)
    assert "* alice Nothing was done: a replacement that began on 2026-11-22 06:00 UTC" in told(run)
    assert digest(run).worth_sending


def test_audit_settles_no_interrupted_replacement(account: Account, calls: Calls, rotation: Rotation) -> None:
    add_due(account, "alice")
    calls.lose_answer("CreateAccessKey")
    rotation.run("alice")
    keys = account.keys("alice")
    calls.clear()
    later = replace(OCCASION, now=NOW + timedelta(days=1))

    rotation.run("alice", mode=Mode.AUDIT, occasion=later)

    assert calls.writes == []
    assert account.keys("alice") == keys


def test_an_exempt_user_is_listed_and_left_alone(account: Account, calls: Calls, rotation: Rotation) -> None:
    add_due(account, "alice")
    account.iam.tag_user(
        UserName="alice", Tags=[{"Key": f"{PREFIX}exempt", "Value": "2027-01-31 migration to SSO"}]
    )
    calls.clear()

    run = rotation.run("alice")

    assert calls.writes == []
    assert "EXEMPT * alice" in told(run)
    assert "migration to SSO" in told(run)
    assert "1 exempt" in told(run)


def test_the_users_of_an_order_are_looked_at_in_parallel_and_never_more_than_the_workers_at_once(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    names = tuple(f"user-{number}" for number in range(6))
    for name in names:
        account.add_user(name)
    crowd = calls.crowd_at("GetUser", together=3)

    rotation.run(*names, workers=3)

    assert crowd.most == 3
    assert sorted(rotation.looked) == list(names)


def test_a_user_over_whom_the_planner_stumbles_is_told_and_the_others_are_done(
    account: Account, rotation: Rotation, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_due(account, "alice", "bob")
    honest = plan_user

    def stumble(user: User, *rest: Any) -> Plan:
        if user.name == "bob" and not user.unread:
            raise OverflowError
        return honest(user, *rest)

    monkeypatch.setattr(rotation_module, "plan_user", stumble)

    run = rotation.run("alice", "bob")

    assert replaced(account, "alice", "bob") == ["alice"]
    assert "it could not be planned (OverflowError)" in told(run)
