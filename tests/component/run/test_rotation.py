"""A run over many users: the fleet is finished whatever one user does, under the cap and within the time."""

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from keyrotation.decide.actions import Plan
from keyrotation.decide.plan import plan_user
from keyrotation.model import User
from keyrotation.policy import Policy
from keyrotation.run import rotation as rotation_module
from keyrotation.run.record import Run
from keyrotation.run.settings import Mode, Notify, RotatorSettings
from keyrotation.tell.digest import Digest, digest_of
from keyrotation.tell.report import Severity

from tests.component.account import ACCOUNT, NOW, OCCASION, PREFIX, REGION, ROTATOR_ROLE_ARN, Account
from tests.component.calls import Call, Calls
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


def replaced(account: Account, *names: str) -> list[str]:
    return [name for name in names if len(account.keys(name)) == 2]


def failures(run: Run) -> dict[str, str]:
    return {each.plan.user.name: each.failure for each in run.outcomes if each.failure is not None}


# One user's failure.


@pytest.mark.parametrize(
    ("operation", "code", "status"),
    [
        ("CreateAccessKey", "AccessDenied", 403),
        ("CreateAccessKey", "LimitExceeded", 409),
        ("CreateAccessKey", "NoSuchEntity", 404),
        ("TagUser", "AccessDenied", 403),
        ("TagUser", "LimitExceeded", 409),
        ("TagUser", "NoSuchEntity", 404),
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
    calls.refuse(operation, code, status=status, UserName="bob")

    run = rotation.run("alice", "bob", "carol", workers=3)

    assert replaced(account, "alice", "bob", "carol") == ["alice", "carol"]
    assert failures(run) == {"bob": f"no key was made ({operation}: {code}, {operation} said no)"}
    mail = digest(run)
    assert mail.severity is Severity.CRITICAL
    assert mail.worth_sending
    assert f"* bob No key was made ({operation}: {code}, {operation} said no)." in told(run)
    assert "alice" in told(run)
    assert "carol" in told(run)


def test_a_user_deleted_between_scan_and_look_is_told_by_name_and_the_others_are_done(
    account: Account, rotation: Rotation
) -> None:
    add_due(account, "alice", "carol")

    run = rotation.run("alice", "ghost", "carol")

    assert replaced(account, "alice", "carol") == ["alice", "carol"]
    assert "* ghost" in told(run)
    assert "GetUser: NoSuchEntity" in told(run)


def test_a_user_deleted_between_look_and_act_is_told_by_name_and_the_others_are_done(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    add_due(account, "alice", "bob", "carol")

    def delete(call: Call) -> None:
        if call.operation == "TagUser" and call.params["UserName"] == "bob":
            account.delete_user("bob")

    calls.meet(delete)

    run = rotation.run("alice", "bob", "carol")

    assert replaced(account, "alice", "carol") == ["alice", "carol"]
    assert list(failures(run)) == ["bob"]
    assert "NoSuchEntity" in failures(run)["bob"]
    assert "* bob" in told(run)


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
    assert digest(run).subject.startswith("FAILED: 2 replacements not made, nothing lost")
    assert {name: account.keys(name) for name in ids} == {name: {id_: "Active"} for name, id_ in ids.items()}
    assert [account.tags(name) for name in ids] == [{}, {}]


def test_what_was_done_before_a_failure_is_told_beside_it(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    old, key_id = account.add_carol_after(inactive_since="2026-10-01")
    calls.refuse("CreateSecret", "LimitExceeded", status=409)

    run = rotation.run("carol")

    assert account.keys("carol") == {key_id: "Active"}
    assert "No key was made (CreateSecret: LimitExceeded" in told(run)
    assert "DONE TODAY * carol" in told(run)
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
    _, key_id = account.add_carol_after(inactive_since="2026-10-01")

    calls.stumble("CreateSecret", RuntimeError("a mistake of ours"))

    run = rotation.run("carol")

    assert account.keys("carol") == {key_id: "Active"}
    assert "(RuntimeError)" in told(run)
    assert "DONE TODAY * carol" in told(run)


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


def test_work_in_flight_goes_before_replacements_and_those_before_marks(
    account: Account, rotation: Rotation
) -> None:
    add_due(account, "due")
    account.add_user("mark")
    account.add_key("mark", age=300, status="Inactive")
    account.add_user("elder")
    account.add_key("elder", age=60, used=20)
    account.store("elder", account.add_key("elder", age=16, used=1))

    run = rotation.run("due", "elder", "mark", cap=2)

    # A mark takes no place under the cap: one that waits is a date that is wrong.
    assert rotation.tried == ["elder", "due", "mark"]
    assert run.waiting == ()


def test_the_cap_holds_when_many_work_at_once(account: Account, rotation: Rotation) -> None:
    names = tuple(f"user-{number:02}" for number in range(20))
    add_due(account, *names)

    run = rotation.run(*names, cap=7, workers=8)

    assert len(replaced(account, *names)) == 7
    assert len(run.waiting) == 13
    assert set(rotation.looked) == set(names)


# Audit.


def test_audit_plans_everything_and_writes_nothing(
    account: Account, calls: Calls, rotation: Rotation
) -> None:
    names = ("alice", "bob", "carol")
    add_due(account, "alice", "bob")
    account.add_user("carol")
    account.add_key("carol", age=300, status="Inactive")
    calls.clear()

    run = rotation.run(*names, mode=Mode.AUDIT, cap=1)

    assert calls.writes == []
    assert len([plan for plan in run.plans if plan.actions]) == 3
    assert (run.outcomes, run.waiting, run.deferred) == ((), (), ())
    mail = digest(run, mode=Mode.AUDIT)
    assert mail.subject.startswith("AUDIT: would replace 2")
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
    assert account.tags("alice") == {}
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
    account.add_user("bob")
    account.add_key("bob", age=60, used=20)
    account.store("bob", account.add_key("bob", age=16, used=1))
    account.add_user("carol")
    account.add_key("carol", age=300, status="Inactive")
    names = ("alice", "bob", "carol")
    first = rotation.run(*names)
    assert len(first.outcomes) == 3
    calls.clear()

    second = rotation.run(*names)

    assert failures(first) == {}
    assert calls.writes == []
    assert [plan.actions for plan in second.plans] == [(), (), ()]


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
    assert f"{PREFIX}pending" in account.tags("alice")
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
