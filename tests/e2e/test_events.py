"""The rule of the README, deployed: a replaced key reaches the queue of whoever carries it to where it is used."""

import json
import time
from collections.abc import Iterator
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
from tests.e2e.people import DUE, QUIET_ELDER, inhabited, secret_of


def pattern_of_the_readme() -> str:
    """What stands after --event-pattern, between the quotes."""
    readme = Path(CHECKOUT, "README.md").read_text()
    return readme.partition("--event-pattern \\\n")[2].partition("'")[2].partition("'")[0]


@pytest.fixture
def delivered(stack: Deployed) -> Iterator[str]:
    """The URL of a queue to which the README's rule brings its events."""
    name = f"events-{uuid4().hex[:8]}"
    sqs, bus = stack.account.client("sqs"), stack.account.client("events")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus.put_rule(Name=name, EventPattern=pattern_of_the_readme())
    bus.put_targets(Rule=name, Targets=[{"Id": "queue", "Arn": arn}])
    yield url
    bus.remove_targets(Rule=name, Ids=["queue"])
    bus.delete_rule(Name=name)
    sqs.delete_queue(QueueUrl=url)


def received(account: EmulatedAccount, url: str, *, within_seconds: float = 30) -> list[dict[str, Any]]:
    """What is there once something came. Raises TimeoutError."""
    sqs, found = account.client("sqs"), []
    deadline = time.monotonic() + within_seconds
    while True:
        batch = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        found += [json.loads(message["Body"]) for message in batch]
        if found and not batch:
            return found
        if time.monotonic() > deadline:
            raise TimeoutError(f"no event came within {within_seconds:.0f} seconds")
        time.sleep(0.2)


def test_the_rule_of_the_readme_brings_the_replaced_keys_and_no_other_event(
    stack: Deployed, delivered: str
) -> None:
    people = (
        Person(name="ev-due", story="due", keys=DUE),
        Person(name="ev-quiet", story="elder past its off date", keys=QUIET_ELDER),
    )
    with inhabited(stack, *people) as keys:
        run_id = run_day(stack.account, stack.outputs)
        (event,) = received(stack.account, delivered)

        assert (event["source"], event["detail-type"]) == ("access-key-rotation", "Access Key Replaced")
        detail = event["detail"]
        assert (detail["user"], detail["runId"]) == ("ev-due", run_id)
        assert detail["oldKeyId"] == keys["ev-due"][0].key_id
        # The owner fetches by the ARN of the event what the event names.
        owner = stack.account.client("secretsmanager", key=keys["ev-due"][0])
        value = json.loads(owner.get_secret_value(SecretId=detail["secretArn"])["SecretString"])
        assert value["AccessKeyId"] == detail["newKeyId"]
        assert detail["secretName"] == secret_of("ev-due")
        assert value["SecretAccessKey"] not in json.dumps(event)


def test_a_principal_with_the_rotators_grant_cannot_speak_for_another_source(stack: Deployed) -> None:
    """The condition of the grant, on a user who has nothing else."""
    account, name = stack.account, f"speaker-{uuid4().hex[:8]}"
    iam = account.client("iam")
    role = stack.outputs["RotatorRoleArn"].rpartition("/")[2]
    documents = [
        iam.get_role_policy(RoleName=role, PolicyName=policy)["PolicyDocument"]
        for policy in iam.list_role_policies(RoleName=role)["PolicyNames"]
    ]
    iam.create_user(UserName=name)
    for number, document in enumerate(documents):
        iam.put_user_policy(UserName=name, PolicyName=f"as-{number}", PolicyDocument=json.dumps(document))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    bus = account.client("events", key=Key(made["AccessKeyId"], made["SecretAccessKey"]))

    ours = {"Source": "access-key-rotation", "DetailType": "Access Key Held", "Detail": "{}"}
    assert bus.put_events(Entries=[ours])["FailedEntryCount"] == 0  # type: ignore[list-item]
    for refused in ([{**ours, "Source": "aws.health"}], [ours, {**ours, "Source": "payments"}]):
        with pytest.raises(ClientError, match="AccessDenied"):
            bus.put_events(Entries=refused)  # type: ignore[arg-type]

    iam.delete_access_key(UserName=name, AccessKeyId=made["AccessKeyId"])
    for policy in iam.list_user_policies(UserName=name)["PolicyNames"]:
        iam.delete_user_policy(UserName=name, PolicyName=policy)
    iam.delete_user(UserName=name)
