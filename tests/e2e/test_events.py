"""The rule of docs/notifications.md, deployed: a replaced key reaches whoever carries it to where it is used; and every other event."""

import json
import re
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from sandbox.account import EmulatedAccount
from sandbox.cast import Person
from sandbox.clients import Key
from sandbox.day import run_day
from sandbox.launch import CHECKOUT
from tests.e2e.conftest import Deployed
from tests.e2e.people import DUE, ELDER_IN_USE, QUIET_ELDER, inhabited, memory_of, secret_of
from tests.e2e.runbook import Shell, commands
from tests.e2e.test_emulator import new_function


def commands_of_the_document() -> str:
    """Those of the chapter on events, as they stand there."""
    document = Path(CHECKOUT, "docs/notifications.md").read_text()
    return commands(document.partition("## Events, for programs")[2].partition("\n## ")[0])


# Says what it is invoked with.
PIPELINE = """
import json
def handler(event, context):
    print(json.dumps(event))
"""


def received(
    account: EmulatedAccount, function_name: str, *, number: int = 1, within_seconds: float = 60
) -> list[dict[str, Any]]:
    """The events that the function has said, once there are so many at least. Raises TimeoutError."""
    deadline = time.monotonic() + within_seconds
    logs = account.client("logs")
    while True:
        try:
            said = [line for line in account.logs(function_name) if line.startswith('{"version"')]
        except logs.exceptions.ResourceNotFoundException:
            said = []  # there is no log before the function is first invoked
        if len(said) >= number:
            return [json.loads(line) for line in said]
        if time.monotonic() > deadline:
            raise TimeoutError(f"{len(said)} events came within {within_seconds:.0f} seconds")
        time.sleep(0.2)


def test_the_rule_of_the_document_brings_the_replaced_keys_and_no_other_event(
    stack: Deployed, tmp_path: Path
) -> None:
    account = stack.account
    pipeline = new_function(account, PIPELINE)
    shell = Shell(account, binaries=tmp_path)
    found = account.client("lambda").get_function_configuration(FunctionName=pipeline)
    shell.environment["PIPELINE"] = found["FunctionArn"]
    shell.run(commands_of_the_document())
    people = (
        Person(name="ev-due", story="due", keys=DUE),
        Person(name="ev-quiet", story="elder past its off date", keys=QUIET_ELDER),
    )
    with inhabited(stack, *people) as keys:
        run_id = run_day(account, stack.outputs)
        (event,) = received(account, pipeline)

        assert (event["source"], event["detail-type"]) == ("access-key-rotation", "Access Key Replaced")
        detail = event["detail"]
        assert (detail["user"], detail["runId"]) == ("ev-due", run_id)
        assert detail["oldKeyId"] == keys["ev-due"][0].key_id
        # The owner fetches by the ARN of the event what the event names.
        owner = account.client("secretsmanager", key=keys["ev-due"][0])
        value = json.loads(owner.get_secret_value(SecretId=detail["secretArn"])["SecretString"])
        assert value["AccessKeyId"] == detail["newKeyId"]
        assert detail["secretName"] == secret_of("ev-due")
        assert value["SecretAccessKey"] not in json.dumps(event)

    policy = json.loads(account.client("lambda").get_policy(FunctionName=pipeline)["Policy"])
    (allowed,) = policy["Statement"]
    rule = account.client("events").describe_rule(Name="new-access-keys")["Arn"]
    assert rule in json.dumps(allowed["Condition"])
    account.client("events").remove_targets(Rule="new-access-keys", Ids=["pipeline"])
    account.client("events").delete_rule(Name="new-access-keys")


def test_every_change_and_every_notice_is_an_event_with_its_day_and_reason(
    stack: Deployed, tmp_path: Path
) -> None:
    account = stack.account
    pipeline = new_function(account, PIPELINE)
    shell = Shell(account, binaries=tmp_path)
    found = account.client("lambda").get_function_configuration(FunctionName=pipeline)
    shell.environment["PIPELINE"] = found["FunctionArn"]
    of_everything = re.sub(r', "detail-type": \[[^]]*\]', "", commands_of_the_document())
    shell.run(of_everything)
    people = (
        Person(name="ev-due", story="due", keys=DUE),
        Person(name="ev-quiet", story="elder on its off date", keys=QUIET_ELDER),
        Person(name="ev-used", story="elder in use on its off date", keys=ELDER_IN_USE),
    )
    with inhabited(stack, *people) as keys:
        run_day(account, stack.outputs)
        known = {name: memory_of(account, name) for name in keys}
        events = received(account, pipeline, number=5)

    said = {(each["detail-type"], each["detail"]["user"]): each["detail"] for each in events}
    assert len(said) == len(events) == 5
    old = {name: held[0].key_id for name, held in keys.items()}
    notices = {
        user: (each["keyId"], each["what"], each["reason"], each["day"])
        for (kind, user), each in said.items()
        if kind == "Access Key Notice Given"
    }
    remembered = {name: known[name].key(old[name]).notice for name in keys}
    assert notices == {
        name: (old[name], notice.what, notice.why, str(notice.day))
        for name, notice in remembered.items()
        if notice is not None
    }
    assert {name: notice[2] for name, notice in notices.items()} == {
        "ev-due": "overlap",
        "ev-quiet": "inactive",
        "ev-used": "in-use",
    }
    assert said["Access Key Replaced", "ev-due"]["oldKeyOffDate"] == notices["ev-due"][3]
    off = said["Access Key Deactivated", "ev-quiet"]
    assert (off["keyId"], off["reason"]) == (old["ev-quiet"], "quiet")
    account.client("events").remove_targets(Rule="new-access-keys", Ids=["pipeline"])
    account.client("events").delete_rule(Name="new-access-keys")


def test_a_principal_with_the_rotators_grant_cannot_speak_for_another_source(stack: Deployed) -> None:
    """The condition of the grant, on a user who has nothing else."""
    account, name = stack.account, f"speaker-{uuid4().hex[:8]}"
    iam = account.client("iam")
    role = stack.outputs["RotatorRoleArn"].rpartition("/")[2]
    documents: list[Any] = [
        iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]
    ]
    iam.create_user(UserName=name)
    for number, document in enumerate(documents):
        for statement in document["Statement"]:
            # That it has to be the function's own code that asks is another test's (test_lockdown.py).
            for condition in statement.get("Condition", {}).values():
                condition.pop("lambda:SourceFunctionArn", None)
            statement["Condition"] = {
                operator: keys for operator, keys in statement.get("Condition", {}).items() if keys
            }
        iam.put_user_policy(UserName=name, PolicyName=f"as-{number}", PolicyDocument=json.dumps(document))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    bus = account.client("events", key=Key(made["AccessKeyId"], made["SecretAccessKey"]))

    ours = {"Source": "access-key-rotation", "DetailType": "Access Key Notice Given", "Detail": "{}"}
    assert bus.put_events(Entries=[ours])["FailedEntryCount"] == 0  # type: ignore[list-item]
    for refused in ([{**ours, "Source": "aws.health"}], [ours, {**ours, "Source": "payments"}]):
        with pytest.raises(ClientError, match="AccessDenied"):
            bus.put_events(Entries=refused)  # type: ignore[arg-type]

    iam.delete_access_key(UserName=name, AccessKeyId=made["AccessKeyId"])
    for policy in iam.list_user_policies(UserName=name)["PolicyNames"]:
        iam.delete_user_policy(UserName=name, PolicyName=policy)
    iam.delete_user(UserName=name)
