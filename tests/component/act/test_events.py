"""What other programs hear of a run: an event for each change of a key and each notice, and nothing that could stop it."""

import json
from contextlib import suppress
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError
from keyrotation.memory import Why

from tests.component.account import ACCOUNT, REGION, RUN_ID, TODAY, Account, days_ago
from tests.component.calls import Call, Calls
from tests.component.deployment import Deployment

OFF = "2026-12-06"


def entries(calls: Calls) -> list[tuple[str, dict[str, Any]]]:
    """Detail-type and detail of every event, in order."""
    sent = [entry for call in calls.of("PutEvents") for entry in call.params["Entries"]]
    assert {entry["Source"] for entry in sent} <= {"access-key-rotation"}
    return [(entry["DetailType"], json.loads(entry["Detail"])) for entry in sent]


def metric(output: str, name: str) -> list[float]:
    (told,) = [line[name] for line in map(json.loads, output.splitlines()) if "_aws" in line]
    values: list[float] = told
    return values


def test_a_replacement_says_where_the_new_key_is_and_when_the_old_one_goes_off(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    arn, old = account.add_carol()

    deployment.rotate(deployment.order("carol"))

    [(kind, detail), (_, notice)] = entries(calls)
    secret_arn = account.secrets.describe_secret(SecretId="access-keys/carol/credentials")["ARN"]
    assert kind == "Access Key Replaced"
    assert detail == {
        "version": 1,
        "runId": RUN_ID,
        "user": "carol",
        "userArn": arn,
        "newKeyId": account.new_key("carol", old),
        "oldKeyId": old,
        "oldKeyOffDate": OFF,
        "secretName": "access-keys/carol/credentials",
        "secretArn": secret_arn,
    }
    assert (notice["keyId"], notice["day"]) == (old, OFF)
    assert calls.made_keys == 1
    assert calls.leaks(repr([call.params for call in calls.of("PutEvents")])) == 0


def test_while_nobody_listens_a_replacement_names_no_day_and_no_notice_is_told_of(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_carol()
    deployment.subscribers(0)

    deployment.rotate(deployment.order("carol"))

    [(kind, detail)] = entries(calls)
    assert kind == "Access Key Replaced"
    assert "oldKeyOffDate" not in detail


def test_an_event_goes_out_before_anything_else_is_done_to_the_user(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    """A run that dies right after the event leaves `pending`, and the next one only remembers the key."""
    _, old = account.add_carol()
    account.tag("carol", replace="laptop lost")
    calls.refuse("UntagUser", "AccessDenied")

    deployment.rotate(deployment.order("carol"))

    (kind, detail), *_ = entries(calls)
    assert (kind, detail["newKeyId"]) == ("Access Key Replaced", account.new_key("carol", old))
    (mail,) = deployment.mails()
    assert ": FAILED" in mail.subject


def test_a_replacement_is_told_while_pending_is_still_set_and_its_notice_once_it_is_remembered(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_carol()
    deployment.rotate(deployment.order("carol"))

    # The last is to a chat.
    assert calls.writes[-7:] == [
        "UpdateSecretVersionStage",
        "PutEvents",
        "UpdateItem",
        "Publish",
        "UpdateItem",
        "PutEvents",
        "Publish",
    ]


def test_a_replacement_that_an_earlier_run_began_is_told_when_it_is_finished(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_user("carol")
    old = account.add_key("carol", age=80, used=1)
    new = account.add_key("carol", age=0.5)
    account.stage("carol", new)
    account.pending("carol", old, days=0.5)

    deployment.rotate(deployment.order("carol"))

    (kind, detail), (then, notice) = entries(calls)
    assert (kind, detail["newKeyId"], detail["oldKeyId"]) == ("Access Key Replaced", new, old)
    assert detail["secretArn"].startswith(
        f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:access-keys/carol/"
    )
    # The key was made yesterday, and its overlap counts from there.
    assert (then, notice["keyId"], notice["day"]) == ("Access Key Notice Given", old, "2026-12-05")


def test_an_interrupted_replacement_that_is_undone_tells_which_key_was_deleted(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_user("carol")
    old = account.add_key("carol", age=20, used=1)
    orphan = account.add_key("carol", age=0.5)
    account.add_placeholder("carol")
    account.pending("carol", old, days=0.5)

    deployment.rotate(deployment.order("carol"))

    [(kind, detail)] = entries(calls)
    assert (kind, detail["keyId"], detail["reason"]) == (
        "Access Key Deleted",
        orphan,
        "interrupted-replacement",
    )


def test_a_key_that_goes_off_is_given_notice_or_is_deleted_is_told_by_its_id_each_once(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    ids = {}
    for name, used in (("quiet", 20), ("used", 1)):
        account.add_user(name)
        ids[name] = account.add_key(name, age=89, used=used)
        account.store(name, account.add_key(name, age=14, used=0))
        account.notice(name, ids[name], Why.OVERLAP, days=0)
    account.add_user("left")
    ids["left"] = account.add_key("left", age=200, status="Inactive")
    account.remember_key("left", ids["left"], off_since=days_ago(82).date())
    account.notice("left", ids["left"], Why.INACTIVE, days=0)

    deployment.rotate(deployment.order("quiet", "used", "left"))

    told = {(kind, detail["user"]): detail for kind, detail in entries(calls)}
    assert len(entries(calls)) == len(told) == 4
    off, deleted = told["Access Key Deactivated", "quiet"], told["Access Key Deleted", "left"]
    assert (off["keyId"], off["reason"], off["offDate"]) == (ids["quiet"], "quiet", str(TODAY))
    assert (deleted["keyId"], deleted["reason"]) == (ids["left"], "inactive")
    given = {user: detail for (kind, user), detail in told.items() if kind == "Access Key Notice Given"}
    assert {
        user: (each["keyId"], each["what"], each["reason"], each["day"]) for user, each in given.items()
    } == {
        "used": (ids["used"], "switch-off", "in-use", OFF),
        "quiet": (ids["quiet"], "delete", "inactive", "2026-12-22"),
    }


def test_a_notice_is_told_of_once_it_counts_and_not_before_its_mail(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_user("carol")
    account.add_key("carol", age=200, used=100)

    deployment.rotate(deployment.order("carol"))

    assert calls.writes == ["Publish", "UpdateItem", "PutEvents", "Publish"]


def test_a_notice_that_is_told_again_is_no_event(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_user("carol")
    key_id = account.add_key("carol", age=200, used=100)
    account.notice("carol", key_id, Why.UNUSED, days=2)

    deployment.rotate(deployment.order("carol"), NOTIFY="Always")

    assert account.memory("carol").keys[key_id].notice is not None
    assert calls.writes == ["Publish", "UpdateItem", "Publish"]


@pytest.mark.parametrize("operation", ["Publish", "UpdateItem"])
def test_a_notice_that_does_not_count_is_no_event(
    account: Account, calls: Calls, deployment: Deployment, operation: str
) -> None:
    account.add_user("carol")
    account.add_key("carol", age=200, used=100)
    calls.refuse(operation, "AccessDeniedException", status=400)

    with suppress(ClientError):  # a run that cannot tell is not finished
        deployment.rotate(deployment.order("carol"))

    assert calls.of(operation) != []
    assert entries(calls) == []


def test_in_audit_nothing_is_told_since_nothing_is_done(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_carol()

    deployment.rotate(deployment.order("carol"), MODE="Audit")

    assert calls.of("PutEvents") == []


def test_an_event_that_cannot_be_sent_stops_and_undoes_nothing_and_is_counted(
    account: Account, calls: Calls, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("ann", "bob"):
        account.add_user(name)
        account.add_key(name, age=80, used=1)
    calls.refuse("PutEvents", "AccessDeniedException")

    deployment.rotate(deployment.order("ann", "bob"))

    output = capsys.readouterr().out
    assert account.current_works("ann")
    assert account.current_works("bob")
    (mail,) = deployment.mails()
    assert "2 new keys" in mail.subject
    # Of each a new key and a notice.
    assert metric(output, "EventsUnsent") == [4.0]
    assert metric(output, "Failed") == [0.0]
    assert output.count('"event not sent"') == 4


def test_an_event_that_the_bus_refuses_in_a_good_answer_is_counted_too(
    account: Account, calls: Calls, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    account.add_carol()

    def refuse_one(_: Call, answer: dict[str, Any]) -> None:
        answer["Entries"] = [{"ErrorCode": "InternalFailure", "ErrorMessage": "try again"}]

    calls.change_answer("PutEvents", refuse_one)

    deployment.rotate(deployment.order("carol"))

    output = capsys.readouterr().out
    assert metric(output, "EventsUnsent") == [2.0]
    assert "PutEvents: InternalFailure" in output


def test_an_answer_that_nobody_expects_does_not_stop_the_run(
    account: Account, calls: Calls, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    account.add_carol()

    def nonsense(call: Call) -> tuple[AWSResponse, dict[str, Any]] | None:
        if call.operation == "PutEvents":
            raise RuntimeError("unheard of")
        return None

    calls.meet(nonsense)

    deployment.rotate(deployment.order("carol"))

    output = capsys.readouterr().out
    assert metric(output, "EventsUnsent") == [2.0]
    assert "unheard of" not in output


def test_a_quiet_day_is_measured_with_zeros(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment.rotate(deployment.order(total=2))

    (told,) = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line]
    zeros = (
        *("KeysUnexplained", "Replaced", "Deactivated", "Deleted", "Held", "Failed", "Waiting"),
        *("Unreadable", "EventsUnsent"),
    )
    assert {name: told[name] for name in zeros} == {name: [0.0] for name in zeros}
    assert told["UsersExamined"] == [2.0]
    assert told["RunSeconds"][0] >= 0


def test_the_scanner_measures_the_oldest_active_key_and_those_over_the_threshold(
    account: Account, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    account.add_user("ann")
    account.add_key("ann", age=300, status="Inactive")
    account.add_key("ann", age=42)
    account.add_user("bob")
    account.add_key("bob", age=17)

    deployment.scan()

    output = capsys.readouterr().out
    assert metric(output, "OldestActiveKeyDays") == [42.0]
    assert metric(output, "KeysOverThreshold") == [0.0]


def test_keys_at_the_threshold_count_as_over_it(
    account: Account, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    account.add_user("ann")
    for age in (90, 400):
        account.add_key("ann", age=age)
    account.add_user("bob")
    account.add_key("bob", age=89)

    deployment.scan()

    assert metric(capsys.readouterr().out, "KeysOverThreshold") == [2.0]
