"""From the schedule's payload to the mail: both handlers, the queue between them and the topic behind."""

import json
import logging
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from keyrotation.memory import KeyMemory, Notice, OffReason, Vanished, What, Why
from keyrotation.model import version_id

from tests.component.account import ACCOUNT, NOW, PREFIX, REGION, RUN_ID, TODAY, Account
from tests.component.calls import Call, Calls, error_answer, unanswered
from tests.component.deployment import SCHEDULED, Deployment, Mail

READS = {
    "ChangeMessageVisibility",
    "GetUser",
    "ListAccessKeys",
    "GetAccessKeyLastUsed",
    "ListAttachedUserPolicies",
    "DescribeSecret",
    "LookupEvents",
    "Scan",
    "GetItem",
}


@pytest.fixture
def people(account: Account) -> dict[str, str]:
    """Users in several states, what was announced being due today; the id of each one's oldest key by name."""
    ids = {}
    for name, age, used in (("fresh", 3, 1), ("due", 80, 1), ("far-over", 400, 2), ("unused", 120, None)):
        account.add_user(name)
        ids[name] = account.add_key(name, age=age, used=used)
    for name, elder_used in (("quiet", 20), ("held", 0)):
        account.add_user(name)
        ids[name] = account.add_key(name, age=92, used=elder_used)
        account.store(name, account.add_key(name, age=16, used=1))
        account.notice(name, ids[name], Why.OVERLAP, days=0)
    account.notice("unused", ids["unused"], Why.UNUSED, days=0)
    account.add_user("left", tags={f"{PREFIX}owner": "Ann"})
    ids["left"] = account.add_key("left", age=200, used=100, status="Inactive")
    account.remember_key("left", ids["left"], off_since=date(2026, 10, 1))
    account.notice("left", ids["left"], Why.INACTIVE, days=0)
    account.add_user("exempt", tags={f"{PREFIX}exempt": "2027-01-31 migration"})
    ids["exempt"] = account.add_key("exempt", age=100, used=1)
    account.add_user("console")
    return ids


@pytest.mark.usefixtures("people")
def test_the_scanner_orders_who_is_due_and_nobody_else(deployment: Deployment) -> None:
    summary = deployment.scan()

    (body,) = deployment.orders()
    named = ["due", "exempt", "far-over", "held", "left", "quiet", "unused"]
    assert json.loads(body) == {
        "version": 1,
        "run_id": RUN_ID,
        "total": 9,
        "with_keys": 7,
        "root_has_keys": False,
        "user_names": named,
        "account_alias": "",
        "ordered_at": "2026-11-22T06:00:00Z",
        "gone_user_ids": [],
    }
    assert summary == {"run_id": RUN_ID, "users": 9, "named": 7, "unread": 0}


@pytest.mark.usefixtures("people")
def test_the_scanner_reads_users_and_keys_sends_one_order_and_does_nothing_else(
    calls: Calls, deployment: Deployment
) -> None:
    deployment.scan()

    assert set(calls.operations) == {
        "GetAccountAuthorizationDetails",
        "GetAccountSummary",
        "ListAccountAliases",
        "ListAccessKeys",
        "Scan",
        "SendMessage",
    }
    (sent,) = calls.of("SendMessage")
    assert sent.params["MessageDeduplicationId"] == RUN_ID


@pytest.mark.usefixtures("people")
def test_the_accounts_alias_stands_in_the_order_and_in_the_subject(
    account: Account, deployment: Deployment
) -> None:
    account.iam.create_account_alias(AccountAlias="prod-eu")
    deployment.scan()
    (body,) = deployment.orders()
    deployment.rotate(deployment.delivery(body))
    (mail,) = deployment.mails()
    assert mail.subject.startswith("prod-eu: ")
    assert mail.subject.endswith(f"({ACCOUNT})")


@pytest.mark.usefixtures("people")
def test_an_alias_that_cannot_be_read_holds_nothing_up(calls: Calls, deployment: Deployment) -> None:
    calls.refuse("ListAccountAliases", "AccessDenied")
    deployment.scan()
    (body,) = deployment.orders()
    assert json.loads(body)["account_alias"] == ""
    assert len(json.loads(body)["user_names"]) == 7


def notices_in(mail: Mail) -> dict[str, tuple[str, str, str, bool]]:
    """What the JSON of a mail says of each key: what happens to it, why and when; and whether that is new."""
    found = json.loads(mail.data)["notices"]
    return {each["key"]: (each["what"], each["why"], each["day"], each["new"]) for each in found}


def noticed(account: Account, name: str, key_id: str) -> Notice:
    """What is remembered of a key's notice; there is one."""
    notice = account.memory(name).key(key_id).notice
    assert notice is not None
    return notice


def details(calls: Calls, kind: str) -> list[dict[str, Any]]:
    """Of the events of this kind that were sent."""
    entries = [entry for call in calls.of("PutEvents") for entry in call.params["Entries"]]
    return [json.loads(entry["Detail"]) for entry in entries if entry["DetailType"] == kind]


@pytest.mark.parametrize("notify", ["Changes", "Problems", "Always"])
def test_a_notice_is_given_whatever_notify_says_and_remembered_once_its_mail_went_out(
    *, account: Account, calls: Calls, deployment: Deployment, people: dict[str, str], notify: str
) -> None:
    deployment.rotate(deployment.order("held"), NOTIFY=notify)

    # The notice that it replaces is forgotten before, and an event and two cards of a chat tell of it after.
    assert calls.writes == ["UpdateItem", "Publish", "UpdateItem", "PutEvents", "Publish", "Publish"]
    given = Notice(what=What.SWITCH_OFF, why=Why.IN_USE, day=date(2026, 12, 6), told=TODAY)
    assert noticed(account, "held", people["held"]) == given
    (mail,) = deployment.mails()
    assert notices_in(mail) == {people["held"]: ("switch-off", "in-use", "2026-12-06", True)}
    (detail,) = details(calls, "Access Key Notice Given")
    assert (detail["user"], detail["keyId"]) == ("held", people["held"])
    assert (detail["what"], detail["reason"], detail["day"]) == ("switch-off", "in-use", "2026-12-06")


def test_the_notice_of_a_replacement_goes_out_also_when_only_problems_are_told(
    account: Account, deployment: Deployment, people: dict[str, str]
) -> None:
    deployment.rotate(deployment.order("due"), NOTIFY="Problems")

    assert account.current_works("due")
    (mail,) = deployment.mails()
    assert notices_in(mail) == {people["due"]: ("switch-off", "overlap", "2026-12-06", True)}
    assert noticed(account, "due", people["due"]).day == date(2026, 12, 6)


def test_notify_problems_tells_of_no_deletion_that_was_announced(
    account: Account, calls: Calls, deployment: Deployment, people: dict[str, str]
) -> None:
    deployment.rotate(deployment.order("left"), NOTIFY="Problems")

    assert account.keys("left") == {}
    assert "Publish" not in calls.operations
    # Until a mail has told it.
    assert account.memory("left").deleted == {people["left"]: TODAY}


def test_a_notice_that_is_told_again_is_remembered_as_told_today_and_no_event_tells_it(
    account: Account, calls: Calls, deployment: Deployment, people: dict[str, str]
) -> None:
    told = account.notice("held", people["held"], Why.IN_USE, days=2, told=3)

    deployment.rotate(deployment.order("held"))

    assert noticed(account, "held", people["held"]) == replace(told, told=TODAY)
    (mail,) = deployment.mails()
    assert notices_in(mail) == {people["held"]: ("switch-off", "in-use", "2026-11-24", False)}
    assert details(calls, "Access Key Notice Given") == []


@pytest.mark.usefixtures("people")
def test_queues_get_the_report_as_json(deployment: Deployment) -> None:
    deployment.rotate(deployment.order("due", "held"))

    (mail,) = deployment.mails()
    report = json.loads(mail.data)
    assert (report["version"], report["run_id"], report["severity"]) == (1, RUN_ID, "attention")
    assert [entry["user"] for entry in report["sections"]["attention"]] == ["held"]
    assert report["subject"] == mail.subject


@pytest.mark.usefixtures("people")
def test_a_schedule_that_fires_twice_makes_one_order(deployment: Deployment) -> None:
    deployment.scan()
    deployment.scan()

    assert len(deployment.orders()) == 1


@pytest.mark.usefixtures("people")
def test_two_runs_that_find_the_same_are_two_orders(deployment: Deployment) -> None:
    deployment.scan()
    deployment.scan({**SCHEDULED, "run_id": "another-run"})

    assert len(deployment.orders()) == 2


def test_a_run_of_the_whole_account_does_what_is_planned_and_tells_it_in_one_mail(
    account: Account, deployment: Deployment, people: dict[str, str]
) -> None:
    untouched = {name: account.keys(name) for name in ("fresh", "held", "exempt", "console")}
    deployment.scan()
    (body,) = deployment.orders()

    deployment.rotate(deployment.delivery(body))

    for name in ("due", "far-over"):
        new = account.new_key(name, people[name])
        assert account.keys(name) == {people[name]: "Active", new: "Active"}
        assert account.current(name)["AccessKeyId"] == new
        assert account.current_works(name)
        known = account.memory(name)
        assert (known.pending, known.changed, known.key(new).issued_on) == (None, TODAY, TODAY)
        assert noticed(account, name, people[name]).day == date(2026, 12, 6)
    for name, reason in (("quiet", OffReason.QUIET), ("unused", OffReason.UNUSED)):
        assert account.keys(name)[people[name]] == "Inactive"
        known_key = account.memory(name).key(people[name])
        assert (known_key.off_since, known_key.off_because) == (TODAY, reason)
        assert noticed(account, name, people[name]).what is What.DELETE
    assert noticed(account, "held", people["held"]).why is Why.IN_USE
    assert account.keys("left") == {}
    assert account.memory("left").keys == {}
    assert {name: account.keys(name) for name in untouched} == untouched
    # No tag is written; what people wrote stays.
    assert account.tags("left") == {f"{PREFIX}owner": "Ann"}
    assert [account.tags(name) for name in people if name not in ("left", "exempt")] == [{}] * 6

    (mail,) = deployment.mails()
    assert len(mail.subject) < 100
    assert mail.subject.isascii()
    assert mail.subject == f"{ACCOUNT}: ACT by 12-06: 1 key in use goes off"
    assert mail.attributes == {"severity": "attention", "account": ACCOUNT, "mode": "Enforce"}
    for name in ("due", "far-over", "quiet", "held", "left", "unused", "exempt"):
        assert f"* {name}" in mail.body
    assert '(owner: "Ann")' in mail.body
    assert "fresh" not in mail.body
    assert "examined 9 of 9 users, 1 exempt, 0 unreadable, 0 deferred" in mail.text
    assert f"Run {RUN_ID}, access-key-rotation" in mail.text
    assert all(line.isprintable() for line in mail.body.splitlines())


@pytest.mark.usefixtures("people")
def test_the_same_order_again_changes_nothing_more(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    deployment.scan()
    (body,) = deployment.orders()
    deployment.rotate(deployment.delivery(body))
    assert calls.writes
    names = ("due", "far-over", "quiet", "held", "left", "unused")
    keys, known = ({name: of(name) for name in names} for of in (account.keys, account.memory))
    calls.clear()

    deployment.rotate(deployment.delivery(body))

    others = {
        "GetAccountAuthorizationDetails",
        "ListSubscriptionsByTopic",
        "GetSubscriptionAttributes",
        "Publish",
    }
    assert set(calls.operations) - READS <= others
    assert {name: account.keys(name) for name in names} == keys
    assert {name: account.memory(name) for name in names} == known


def test_audit_tells_what_would_be_done_and_changes_nothing_but_memory(
    account: Account, calls: Calls, deployment: Deployment, people: dict[str, str]
) -> None:
    keys = {name: account.keys(name) for name in people}
    deployment.scan(MODE="Audit")
    (body,) = deployment.orders()
    calls.clear()

    deployment.rotate(deployment.delivery(body), MODE="Audit", NOTIFY="Always")

    # Notices fall; none is given.
    assert set(calls.writes) == {"UpdateItem", "Publish"}
    assert set(calls.operations) <= READS | {
        "GetAccountAuthorizationDetails",
        "ListSubscriptionsByTopic",
        "GetSubscriptionAttributes",
        "Publish",
        "UpdateItem",
    }
    assert {name: account.keys(name) for name in people} == keys
    for name in people:
        assert [key.notice for key in account.memory(name).keys.values() if key.notice] == []
    (mail,) = deployment.mails()
    assert "AUDIT: would replace 2 access keys" in mail.subject
    assert mail.attributes["mode"] == "Audit"
    assert notices_in(mail) == {}
    assert "WOULD BE DONE (Mode is Audit: nothing was changed)" in mail.text
    done = json.loads(mail.data)["sections"]["done"]
    assert {entry["kind"] for entry in done} == {"notice-fell"}


def test_audit_remembers_which_keys_are_off_on_again_or_gone(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_user("carol")
    off = account.add_key("carol", age=60, used=40, status="Inactive")
    back = account.add_key("carol", age=30, used=1)
    account.remember_key("carol", back, off_since=TODAY - timedelta(days=3))
    account.add_user("dan")
    theirs = account.add_key("dan", age=40, used=1)
    account.remember_key("dan", "AKIAGONE", issued_on=TODAY - timedelta(days=20))

    deployment.rotate(deployment.order("carol", "dan"), MODE="Audit")

    carol, dan = account.memory("carol"), account.memory("dan")
    assert carol.keys == {off: KeyMemory(off_since=TODAY), back: KeyMemory(back_on=TODAY)}
    assert (dan.keys, dan.vanished) == ({}, Vanished(key_id="AKIAGONE", on=TODAY))
    assert set(calls.writes) <= {"UpdateItem", "Publish"}
    assert account.keys("dan") == {theirs: "Active"}


@pytest.mark.parametrize("delivered", ["1", "2"])
def test_audit_drops_the_notices_also_of_a_user_who_cannot_be_read(
    *, account: Account, calls: Calls, deployment: Deployment, people: dict[str, str], delivered: str
) -> None:
    """The first day of Enforce switches nothing off that was announced before."""
    calls.refuse("ListAccessKeys", "AccessDenied", UserName="held")
    order = deployment.order("held", "quiet")
    order["Records"][0]["attributes"]["ApproximateReceiveCount"] = delivered

    deployment.rotate(order, MODE="Audit")

    assert [account.memory(name).key(people[name]).notice for name in ("held", "quiet")] == [None, None]
    assert set(calls.writes) <= {"UpdateItem", "Publish"}


def test_the_first_day_of_enforce_gives_notice_and_switches_nothing_off(
    account: Account, deployment: Deployment, people: dict[str, str]
) -> None:
    deployment.rotate(deployment.order(*people), MODE="Audit")
    deployment.mails()
    keys = {name: account.keys(name) for name in ("quiet", "held", "left", "unused")}
    deployment.now = NOW + timedelta(days=1)

    deployment.rotate(deployment.order(*people))

    assert {name: account.keys(name) for name in keys} == keys
    (mail,) = deployment.mails()
    given = notices_in(mail)
    assert {people[name] for name in keys} <= set(given)
    assert {given[people[name]][2] for name in keys} == {"2026-11-30"}


@pytest.mark.usefixtures("people")
def test_a_full_run_makes_no_other_calls_than_those_that_the_role_is_meant_to_have(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.tag("fresh", replace="laptop lost")
    deployment.scan()
    (body,) = deployment.orders()
    calls.clear()

    deployment.rotate(deployment.delivery(body))

    writes = {
        "CreateAccessKey",
        "UpdateAccessKey",
        "DeleteAccessKey",
        "UntagUser",
        "UpdateItem",
        "CreateSecret",
        "PutResourcePolicy",
        "PutSecretValue",
        "UpdateSecretVersionStage",
        "Publish",
        "PutEvents",
    }
    assert set(calls.operations) == READS | writes | {
        "GetAccountAuthorizationDetails",
        "GetResourcePolicy",
        "GetCallerIdentity",
        "ListSubscriptionsByTopic",
        "GetSubscriptionAttributes",
    }


def test_nothing_is_published_when_there_is_nothing_to_say(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_user("fresh")
    account.add_key("fresh", age=3, used=1)
    account.add_user("exempt", tags={f"{PREFIX}exempt": "2027-01-31 migration"})
    account.add_key("exempt", age=100, used=1)

    for names in ((), ("fresh",), ("fresh", "exempt")):
        deployment.rotate(deployment.order(*names, total=2))

    assert "Publish" not in calls.operations
    assert calls.writes == []
    assert deployment.mails() == []


def test_a_run_without_a_mail_counts_as_completed(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment.rotate(deployment.order(total=2))

    metrics = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line]
    assert [line["RunsCompleted"] for line in metrics] == [[1.0]]


def test_a_publish_that_fails_raises_so_that_the_order_comes_again(
    account: Account, calls: Calls, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    account.add_carol()
    calls.refuse("Publish", "AuthorizationError")

    with pytest.raises(Exception, match=r"AuthorizationError.*Publish"):
        deployment.rotate(deployment.order("carol"))

    assert "RunsCompleted" not in capsys.readouterr().out


def test_what_an_attempt_did_that_could_not_tell_is_told_when_the_order_comes_again(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_user("alice")
    elder = account.add_key("alice", age=92, used=20)
    account.store("alice", account.add_key("alice", age=16, used=1))
    account.notice("alice", elder, Why.OVERLAP, days=0)
    _, old = account.add_carol()
    account.add_user("dan")
    gone = account.add_key("dan", age=200, status="Inactive")
    account.remember_key("dan", gone, off_since=date(2026, 10, 1))
    account.notice("dan", gone, Why.INACTIVE, days=0)
    order = deployment.order("alice", "carol", "dan")
    calls.refuse("Publish", "AuthorizationError")
    with pytest.raises(Exception, match=r"AuthorizationError.*Publish"):
        deployment.rotate(order)
    new = account.new_key("carol", old)
    assert account.keys("alice")[elder] == "Inactive"
    assert account.keys("dan") == {}
    # What nobody was told is no notice.
    assert account.memory("alice").key(elder).notice is None
    assert account.memory("carol").key(old).notice is None
    calls.clear()

    order["Records"][0]["attributes"]["ApproximateReceiveCount"] = "2"
    deployment.rotate(order)

    assert {"UpdateAccessKey", "DeleteAccessKey", "CreateAccessKey"}.isdisjoint(calls.operations)
    (mail,) = deployment.mails()
    assert "RESUMED: 3 changes that may not have been told" in mail.subject
    assert [key_id for key_id in (elder, new, gone) if key_id not in mail.body] == []
    assert "earlier attempt made this new key" in mail.text
    assert notices_in(mail) == {
        elder: ("delete", "inactive", "2026-12-22", True),
        old: ("switch-off", "overlap", "2026-12-06", True),
    }
    assert noticed(account, "alice", elder).what is What.DELETE
    assert noticed(account, "carol", old).why is Why.OVERLAP
    assert account.memory("dan").keys == {}


@pytest.mark.parametrize("who", ["a person deleted it", "this system deleted it"])
def test_a_deletion_is_told_as_ours_only_when_it_was(
    account: Account, deployment: Deployment, who: str
) -> None:
    """Before it deletes a key, this system remembers that; whatever else is gone, a person deleted."""
    account.add_user("dan")
    account.add_key("dan", age=20, used=1)
    notice = Notice(what=What.DELETE, why=Why.INACTIVE, day=TODAY + timedelta(days=9), told=TODAY)
    ours = who == "this system deleted it"
    account.remember("dan", changed=TODAY, deleted={"AKIAGONE": TODAY} if ours else {})
    account.remember_key(
        "dan",
        "AKIAGONE",
        off_since=TODAY - timedelta(days=30),
        off_because=OffReason.QUIET,
        notice=None if ours else notice,
    )
    order = deployment.order("dan")
    order["Records"][0]["attributes"]["ApproximateReceiveCount"] = "2"

    deployment.rotate(order, NOTIFY="Always")

    (mail,) = deployment.mails()
    assert ("The key AKIAGONE was deleted on 2026-11-22, as announced" in mail.text) is ours


def test_a_key_that_a_person_switched_off_is_not_told_as_ours_and_no_command_undoes_it(
    account: Account, deployment: Deployment
) -> None:
    account.add_user("dan")
    theirs = account.add_key("dan", age=20, used=1, status="Inactive")
    account.remember_key("dan", theirs, off_since=TODAY)
    account.notice("dan", theirs, Why.INACTIVE, days=30, told=0)
    order = deployment.order("dan")
    order["Records"][0]["attributes"]["ApproximateReceiveCount"] = "2"

    deployment.rotate(order, NOTIFY="Always")

    (mail,) = deployment.mails()
    assert mail.subject.endswith("Nothing to do")
    assert "update-access-key" not in mail.body


def test_a_rotator_that_dies_between_its_mail_and_its_memory_gives_the_notices_anew(
    account: Account, calls: Calls, deployment: Deployment, people: dict[str, str]
) -> None:
    order = deployment.order("due", "held", "quiet")
    dead = False

    def die(call: Call) -> None:
        nonlocal dead
        dead = dead or call.operation == "Publish"
        if dead:
            raise SystemExit

    calls.meet(die, lost=True)
    with pytest.raises(SystemExit), pytest.warns(UserWarning, match="No application metrics"):
        deployment.rotate(order)
    (first,) = deployment.mails()
    assert [account.memory(name).key(people[name]).notice for name in ("due", "held", "quiet")] == [None] * 3
    calls.clear()

    order["Records"][0]["attributes"]["ApproximateReceiveCount"] = "2"
    deployment.rotate(order)

    (second,) = deployment.mails()
    assert notices_in(first)[people["held"]] == ("switch-off", "in-use", "2026-12-06", True)
    # Nobody knows of that any more, and the elder has a week more to be quiet in before it is given again.
    anew = {people["held"]: ("switch-off", "overlap", "2026-11-29", True)}
    assert notices_in(second) == notices_in(first) | anew
    for name in ("due", "held", "quiet"):
        assert str(noticed(account, name, people[name]).day) == notices_in(second)[people[name]][2]


def test_an_order_that_cannot_be_sent_raises_so_that_the_schedule_tries_again(
    calls: Calls, deployment: Deployment
) -> None:
    calls.refuse("SendMessage", "AccessDenied")

    with (
        pytest.warns(UserWarning, match="No application metrics"),
        pytest.raises(Exception, match=r"AccessDenied.*SendMessage"),
    ):
        deployment.scan()


@pytest.mark.parametrize(("keys_present", "root_has_keys"), [(0, False), (1, True)])
def test_the_order_says_whether_the_root_user_has_access_keys(
    calls: Calls,
    deployment: Deployment,
    keys_present: int,
    root_has_keys: bool,  # noqa: FBT001
) -> None:
    def present(_call: Call, answer: dict[str, Any]) -> None:
        answer["SummaryMap"]["AccountAccessKeysPresent"] = keys_present

    calls.change_answer("GetAccountSummary", present)
    deployment.scan()
    (body,) = deployment.orders()
    assert json.loads(body)["root_has_keys"] is root_has_keys


def test_what_cannot_be_read_of_the_root_user_is_unknown_and_the_order_is_sent(
    calls: Calls, deployment: Deployment
) -> None:
    calls.refuse("GetAccountSummary", "AccessDenied")
    deployment.scan()
    (body,) = deployment.orders()
    assert json.loads(body)["root_has_keys"] is None


@pytest.mark.filterwarnings("ignore:No application metrics to publish:UserWarning")
def test_a_listing_that_fails_sends_no_order(account: Account, calls: Calls, deployment: Deployment) -> None:
    account.add_carol()
    calls.refuse("GetAccountAuthorizationDetails", "AccessDenied")

    with pytest.raises(Exception, match=r"AccessDenied.*GetAccountAuthorizationDetails"):
        deployment.scan()

    assert "SendMessage" not in calls.operations


def test_a_user_whom_the_scanner_cannot_read_is_ordered_and_the_cause_is_in_its_log(
    account: Account, calls: Calls, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("alice", "bob"):
        account.add_user(name)
        account.add_key(name, age=3, used=1)
    calls.refuse("ListAccessKeys", "AccessDenied", UserName="bob")

    summary = deployment.scan()

    (body,) = deployment.orders()
    assert json.loads(body)["user_names"] == ["bob"]
    assert (summary["users"], summary["unread"]) == (2, 1)
    warnings = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if line.get("user")]
    assert [(each["level"], each["user"]) for each in warnings] == [("WARNING", "bob")]
    assert "AccessDenied" in warnings[0]["cause"]


def test_a_lost_answer_to_the_creation_is_not_sent_again_by_the_handlers_own_clients(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    _, old = account.add_carol()
    calls.lose_answer("CreateAccessKey")

    deployment.rotate(deployment.order("carol"))

    assert calls.sent.count("CreateAccessKey") == 1
    assert len(account.keys("carol")) == 2
    pending = account.memory("carol").pending
    assert pending is not None
    assert (pending.key_ids, pending.run_id) == ((old,), RUN_ID)
    (mail,) = deployment.mails()
    assert "FAILED: changes to 1 user did not finish" in mail.subject
    assert mail.attributes["severity"] == "critical"


def test_the_handlers_own_clients_try_a_read_without_an_answer_again(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_user("fresh")
    account.add_key("fresh", age=3, used=1)
    lost = 0

    def lose_two(call: Call) -> None:
        nonlocal lost
        if call.operation == "ListAccessKeys" and lost < 2:
            lost += 1
            unanswered(call)

    calls.meet(lose_two, lost=True)

    deployment.rotate(deployment.order("fresh"))

    assert calls.sent.count("ListAccessKeys") == 3
    assert deployment.mails() == []


def test_a_new_key_that_never_works_is_rolled_back_and_told(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    _, old = account.add_carol()
    calls.refuse("GetCallerIdentity", "InvalidClientTokenId")

    deployment.rotate(deployment.order("carol"))

    assert account.keys("carol") == {old: "Active"}
    assert account.memory("carol").pending is None
    assert account.memory("carol").key(old).notice is None
    (mail,) = deployment.mails()
    assert "rolled back" in mail.text.lower()
    assert 0 < sum(deployment.slept) < 180


def test_the_proof_is_signed_with_the_new_key_alone(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    arn, old = account.add_carol()
    seen = []
    calls.change_answer("GetCallerIdentity", lambda _call, answer: seen.append(answer["Arn"]))

    deployment.rotate(deployment.order("carol"))

    assert seen == [arn]
    assert account.used_with_sts(account.new_key("carol", old))


def test_near_the_time_limit_users_are_deferred_by_name(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_carol()

    deployment.rotate(deployment.order("carol"), remaining=lambda: 120_000)

    assert calls.writes == ["Publish"]
    (mail,) = deployment.mails()
    assert "1 user deferred to the next run because the time was nearly up: carol" in mail.text


def test_users_who_cannot_be_listed_are_each_read_for_themselves(
    account: Account, calls: Calls, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = {}
    for name in ("ann", "bob"):
        account.add_user(name)
        ids[name] = account.add_key(name, age=80, used=1)
    calls.refuse("GetAccountAuthorizationDetails", "AccessDenied")

    deployment.rotate(deployment.order("ann", "bob"))

    assert all(account.new_key(name, old) for name, old in ids.items())
    assert calls.operations.count("GetUser") == 4
    assert "users could not be listed" in capsys.readouterr().out


def test_an_order_that_names_nobody_asks_iam_nothing(calls: Calls, deployment: Deployment) -> None:
    deployment.rotate(deployment.order(total=5))

    assert set(calls.operations) == {
        "ChangeMessageVisibility",
        "ListSubscriptionsByTopic",
        "GetSubscriptionAttributes",
        "Scan",
    }


def test_a_replacement_takes_twenty_calls_beside_the_proof(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    """docs/benchmark.md says what each is for."""
    for name in ("ann", "bob"):
        account.add_user(name)
        account.add_key(name, age=80, used=1)

    deployment.rotate(deployment.order("ann", "bob"))

    aside = {
        "ChangeMessageVisibility",
        "GetAccountAuthorizationDetails",
        "ListSubscriptionsByTopic",
        "GetSubscriptionAttributes",
        "Publish",
        "Scan",
    }
    made = Counter(each for each in calls.operations if each not in {*aside, "GetCallerIdentity"})
    of_one = Counter(
        [
            *("ListAccessKeys", "GetAccessKeyLastUsed"),
            *("GetUser", "GetItem", "ListAccessKeys", "GetAccessKeyLastUsed", "ListAttachedUserPolicies"),
            *("DescribeSecret", "CreateSecret", "PutResourcePolicy", "GetResourcePolicy", "DescribeSecret"),
            # Pending, then the key: conditional writes of one item; and its notice, once that was told.
            *("UpdateItem", "CreateAccessKey", "PutSecretValue", "UpdateSecretVersionStage", "UpdateItem"),
            *("PutEvents", "UpdateItem", "PutEvents"),
        ]
    )
    assert of_one.total() == 20
    assert made == Counter({operation: 2 * times for operation, times in of_one.items()})


def test_an_overlap_ends_on_the_day_that_was_told_and_every_mail_of_its_last_days_names_it(
    account: Account, deployment: Deployment
) -> None:
    """Day by day: the old key is used for a week more, the new one from then on."""
    _, old = account.add_carol()
    deployment.rotate(deployment.order("carol"))
    new = account.new_key("carol", old)
    (first,) = deployment.mails()
    assert notices_in(first) == {old: ("switch-off", "overlap", "2026-12-06", True)}
    mails: dict[int, Mail] = {}
    for day in range(1, 15):
        account.use(old if day < 7 else new, days=0.5 - day)
        assert account.keys("carol") == {old: "Active", new: "Active"}
        deployment.now = NOW + timedelta(days=day)

        deployment.rotate(deployment.order("carol"))

        mails |= dict.fromkeys([day], *found) if (found := deployment.mails()) else {}
    assert account.keys("carol") == {old: "Inactive", new: "Active"}
    assert "AWSCURRENT" in account.stages("carol")[version_id(new)]
    # That was announced, and asks nothing: it is told on a Monday after a week without a mail.
    assert 14 not in mails
    for day in range(15, 30):
        deployment.now = NOW + timedelta(days=day)
        deployment.rotate(deployment.order("carol"))
        if found := deployment.mails():
            break
    (last,) = found
    assert deployment.now.weekday() == 0
    assert last.subject == f"{ACCOUNT}: Done: 1 key switched off"
    assert last.attributes["severity"] == "info"
    assert "It was switched off on 2026-12-06, as announced." in last.text
    assert notices_in(last)[old] == ("delete", "inactive", "2027-01-05", True)
    # Told again in time to be kept, and each time for the same day.
    assert [mail for mail in mails.values() if notices_in(mail)[old][2:] != ("2026-12-06", False)] == []
    assert any(14 - day <= 8 for day in mails)


@pytest.mark.usefixtures("people")
def test_no_secret_half_is_in_a_mail_a_log_or_on_standard_output(
    calls: Calls,
    deployment: Deployment,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    # The root logger too: at DEBUG botocore writes whole requests and answers.
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="rotator")
    deployment.scan(POWERTOOLS_LOG_LEVEL="DEBUG")
    (body,) = deployment.orders()

    # One succeeds, one is rolled back after it was stored.
    def refuse(call: Call) -> tuple[AWSResponse, dict[str, Any]] | None:
        refused = (
            call.operation == "UpdateSecretVersionStage" and "access-keys/due/" in call.params["SecretId"]
        )
        return error_answer(call, "AccessDenied", 403, "said no") if refused else None

    calls.meet(refuse)

    deployment.rotate(deployment.delivery(body), POWERTOOLS_LOG_LEVEL="DEBUG")

    printed = capsys.readouterr()
    logged = "\n".join(f"{record.getMessage()} {vars(record)!r}" for record in caplog.records)
    (mail,) = deployment.mails()
    text = "\n".join([printed.out, printed.err, logged, mail.subject, mail.body, repr(mail.attributes)])
    assert calls.made_keys == 2
    assert "rolled back" in text
    assert "run completed" in printed.out
    leaks = calls.leaks(text)
    assert leaks == 0


@pytest.mark.usefixtures("people")
def test_the_log_holds_the_full_report(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    deployment.scan()
    (body,) = deployment.orders()
    capsys.readouterr()

    deployment.rotate(deployment.delivery(body), MAX_USERS_PER_RUN="2")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    by_message: dict[str, list[dict[str, object]]] = {}
    for line in lines:
        by_message.setdefault(line.get("message", "metrics"), []).append(line)
    assert {line["user"] for line in by_message["planned"]} >= {"due", "held", "left", "quiet"}
    # As it happens: what was done before the mail; and what the mail gave notice of once that is remembered.
    assert {line["user"] for line in by_message["applied"] if line["done"]} == {"left", "unused"}
    assert {line["user"] for line in by_message["told"] if line["notices"]} == {"held", "quiet", "unused"}
    assert not any("failure" in line for line in by_message["told"])
    assert len(by_message["not reached"]) == 1
    (digest,) = by_message["digest"]
    assert (digest["run_id"], digest["sent"]) == (RUN_ID, True)
    (completed,) = by_message["run completed"]
    assert (completed["run_id"], completed["service"]) == (RUN_ID, "rotator")


def test_a_mail_of_a_large_account_stays_within_what_sns_takes(
    account: Account, deployment: Deployment
) -> None:
    names = [f"{number:03}-{'long-name' * 6}" for number in range(170)]
    for name in names:
        account.add_user(name, tags={f"{PREFIX}owner": "An Owner With A Very Long Name " * 7})
        account.add_key(name, age=120, used=None)

    deployment.rotate(deployment.order(*names), MAX_USERS_PER_RUN="170")

    (mail,) = deployment.mails()
    assert len(mail.body.encode()) < 200 * 1024
    assert len(mail.subject) < 100
    # The message holds every notice that it gives, in every rendering; what does not fit is not given.
    given, left = notices_in(mail), json.loads(mail.data)["notices_left"]
    assert 0 < len(given) < 170
    assert left == 170 - len(given)
    assert [key_id for key_id in given if key_id not in mail.body] == []
    assert f"{left} notices did not fit into this mail and will be in the next ones" in mail.text
    assert remembered(account, names) == dict.fromkeys(given, "2026-11-29")

    deployment.now = NOW + timedelta(days=1)
    deployment.rotate(deployment.order(*names), MAX_USERS_PER_RUN="170")

    (next_mail,) = deployment.mails()
    new = {key_id for key_id, (*_, is_new) in notices_in(next_mail).items() if is_new}
    assert len(new) == left
    assert new.isdisjoint(given)
    assert remembered(account, names) == dict.fromkeys(given, "2026-11-29") | dict.fromkeys(new, "2026-11-30")


def remembered(account: Account, names: list[str]) -> dict[str, str]:
    """The days of the notices that are remembered, by key id."""
    known = [(key_id, key) for name in names for key_id, key in account.memory(name).keys.items()]
    return {key_id: str(key.notice.day) for key_id, key in known if key.notice is not None}


def test_users_outside_the_path_are_neither_ordered_nor_changed_when_an_order_names_them(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_user("inside", path="/apps/")
    account.add_user("outside", path="/people/")
    keys = {name: account.add_key(name, age=80, used=1) for name in ("inside", "outside")}

    assert deployment.scan(USER_PATH_PREFIX="/apps/")["users"] == 1
    (body,) = deployment.orders()
    assert json.loads(body)["user_names"] == ["inside"]
    deployment.rotate(deployment.order("inside", "outside"), USER_PATH_PREFIX="/apps/")

    assert len(account.keys("inside")) == 2
    assert account.keys("outside") == {keys["outside"]: "Active"}
    assert {call.operation for call in calls.made if call.params.get("UserName") == "outside"} == {"GetUser"}
    (mail,) = deployment.mails()
    assert "its path is /people/, and UserPathPrefix is /apps/" in mail.text
    assert "ATTENTION: 1 user needs someone" in mail.subject


def test_the_parameters_about_secrets_reach_the_secret(account: Account, deployment: Deployment) -> None:
    account.add_carol()
    reader, key = f"arn:aws:iam::{ACCOUNT}:role/reader", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/mine"

    deployment.rotate(deployment.order("carol"), SECRET_READER_ARNS=reader, SECRETS_KMS_KEY_ARN=key)

    found = account.secrets.describe_secret(SecretId="access-keys/carol/credentials")
    policy = account.secrets.get_resource_policy(SecretId="access-keys/carol/credentials")["ResourcePolicy"]
    assert found["KmsKeyId"] == key
    assert policy.count(reader) == 2


# What is told, to whom, and what waits until it is.


def test_a_publish_that_fails_leaves_no_notice(
    account: Account, calls: Calls, deployment: Deployment, people: dict[str, str]
) -> None:
    calls.refuse("Publish", "AuthorizationError")

    with pytest.raises(Exception, match=r"AuthorizationError.*Publish"):
        deployment.rotate(deployment.order("held", "due", "quiet"))

    assert [account.memory(name).key(people[name]).notice for name in ("held", "due", "quiet")] == [None] * 3
    assert details(calls, "Access Key Notice Given") == []


def test_a_notice_that_could_not_be_remembered_is_told_in_a_mail_of_its_own_and_by_no_event(
    account: Account, calls: Calls, deployment: Deployment, people: dict[str, str]
) -> None:
    def refuse(call: Call) -> tuple[AWSResponse, dict[str, Any]] | None:
        refused = call.operation == "UpdateItem" and "Publish" in calls.operations
        return error_answer(call, "AccessDeniedException", 400, "said no") if refused else None

    calls.meet(refuse)

    deployment.rotate(deployment.order("held"))

    assert account.memory("held").key(people["held"]).notice is None
    first, second = deployment.mails()
    assert "ACT by 12-06" in first.subject
    assert "FAILED: changes to 1 user did not finish" in second.subject
    assert "Remembering it failed (UpdateItem: AccessDeniedException" in second.text
    assert details(calls, "Access Key Notice Given") == []


def test_a_notice_that_could_not_be_forgotten_is_not_replaced_by_another(
    account: Account, calls: Calls, deployment: Deployment, people: dict[str, str]
) -> None:
    before = noticed(account, "held", people["held"])
    calls.refuse("UpdateItem", "AccessDeniedException", status=400)

    deployment.rotate(deployment.order("held"))

    assert noticed(account, "held", people["held"]) == before
    (mail,) = deployment.mails()
    assert "FAILED: changes to 1 user did not finish" in mail.subject
    assert notices_in(mail) == {}


@pytest.mark.parametrize("how", ["nobody has confirmed", "it cannot be read"])
def test_while_nobody_is_known_to_listen_nothing_goes_off_or_away_and_no_notice_is_given_but_keys_are_replaced(
    *,
    account: Account,
    calls: Calls,
    deployment: Deployment,
    people: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    how: str,
) -> None:
    if how == "nobody has confirmed":
        deployment.subscribers(0)
    else:
        calls.refuse("ListSubscriptionsByTopic", "AuthorizationError")
    account.add_user("idle")
    idle = account.add_key("idle", age=120)
    waiting = {name: account.keys(name) for name in ("quiet", "held", "left", "unused", "idle")}
    known = {name: account.memory(name) for name in waiting}

    deployment.rotate(deployment.order(*people, "idle"))

    assert {name: account.keys(name) for name in waiting} == waiting
    # The old notices stay as they are, and none is given though the mail went out.
    assert {name: account.memory(name) for name in waiting} == known
    assert account.memory("idle").key(idle).notice is None
    for name in ("due", "far-over"):
        assert account.current_works(name)
        assert account.memory(name).key(people[name]).notice is None
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["ConfirmedSubscribers"] for line in lines if "_aws" in line] == [[0.0]]
    assert [
        line["level"]
        for line in lines
        if "known to hear" in str(line.get("message")) or "who listens" in str(line.get("message"))
    ] == ["WARNING"]
    (mail,) = deployment.mails()
    assert how.rpartition(" ")[2] in mail.text.partition("THE ACCOUNT")[2].partition("NEEDS")[0]
    assert mail.text.count("It stays as it is: as long as no subscription is confirmed") == 4
    assert [each for each in notices_in(mail).values() if each[3]] == []
    assert details(calls, "Access Key Notice Given") == []


@pytest.mark.usefixtures("people")
def test_the_number_of_confirmed_subscribers_is_a_metric_also_when_the_run_fails(
    calls: Calls, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment.subscribers(3)
    calls.refuse("Publish", "AuthorizationError")

    with pytest.raises(Exception, match=r"AuthorizationError.*Publish"):
        deployment.rotate(deployment.order("held"))

    metrics = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line]
    assert [line["ConfirmedSubscribers"] for line in metrics] == [[3.0]]


def test_a_tag_that_comes_after_the_listing_counts_before_anything_is_done(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    """The listing is a while old when it comes to acting."""
    for name in ("ann", "bob"):
        account.add_user(name)
        account.add_key(name, age=80, used=1)

    def exempt(call: Call) -> None:
        if call.operation == "ListAccessKeys" and call.params["UserName"] == "bob":
            account.tag("bob", exempt="2027-01-31 migration")

    calls.meet(exempt)

    deployment.rotate(deployment.order("ann", "bob"))

    assert "GetAccountAuthorizationDetails" in calls.operations
    assert (len(account.keys("ann")), len(account.keys("bob"))) == (2, 1)
    (mail,) = deployment.mails()
    assert "EXEMPT * bob" in mail.text


def test_one_user_of_a_large_account_is_read_without_listing_all(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_carol()

    deployment.rotate(deployment.order("carol", total=5000))

    assert "GetAccountAuthorizationDetails" not in calls.operations
    assert calls.operations.count("GetUser") == 2


def test_a_last_use_that_only_a_mail_wants_stops_nothing_when_it_cannot_be_had(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    """A person switched a key on again that is to be replaced: the replacement hangs on no last use."""
    account.add_user("carol", tags={f"{PREFIX}replace": "leaked"})
    old = account.add_key("carol", age=30, used=1)
    account.remember_key("carol", old, back_on=TODAY - timedelta(days=2))
    calls.refuse("GetAccessKeyLastUsed", "AccessDenied")

    deployment.rotate(deployment.order("carol"))

    assert account.new_key("carol", old)
    (mail,) = deployment.mails()
    assert f"{old}, 30 days old " in mail.text
    assert "Done today: it was replaced" in mail.text
    assert "never used" not in mail.text
