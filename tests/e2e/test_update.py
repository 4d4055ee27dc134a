"""A stack's life: updated from what it was, deployed again unchanged, deleted, and deployed anew."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sandbox.account import EmulatedAccount
from sandbox.cast import Person, SeededKey, seed
from sandbox.clients import Key
from sandbox.day import run_day
from tests.e2e.conftest import ADDRESS

PART_1 = Path(__file__).parent / "part1"
STACK = "AccessKeyRotation"
PREFIX = "access-key-rotation:"
DUE = (SeededKey(age=80, used=1),)


@pytest.fixture
def account() -> Iterator[EmulatedAccount]:
    with EmulatedAccount.start() as account:
        yield account


def parameters(account: EmulatedAccount) -> dict[str, str]:
    (stack,) = account.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}


def events(account: EmulatedAccount) -> list[str]:
    found = account.client("cloudformation").describe_stack_events(StackName=STACK)["StackEvents"]
    return [each["EventId"] for each in found]


def in_secret(account: EmulatedAccount, user_name: str, *, key: Key) -> Key:
    """The new key, as its owner fetches it with one that works."""
    secrets = account.client("secretsmanager", key=key)
    found = secrets.get_secret_value(SecretId=f"access-keys/{user_name}/credentials")
    value: dict[str, Any] = json.loads(found["SecretString"])
    return Key(key_id=value["AccessKeyId"], secret=value["SecretAccessKey"])


def tags(account: EmulatedAccount, user_name: str) -> dict[str, str]:
    user = account.client("iam").get_user(UserName=user_name)["User"]
    return {tag["Key"]: tag["Value"] for tag in user.get("Tags", [])}


def statuses(account: EmulatedAccount, user_name: str) -> dict[str, str]:
    listed = account.client("iam").list_access_keys(UserName=user_name)["AccessKeyMetadata"]
    return {key["AccessKeyId"]: key["Status"] for key in listed}


def test_the_stack_of_part_1_is_updated_in_place_and_works(account: EmulatedAccount) -> None:
    before = account.install(PART_1, {"Mode": "Enforce", "AlertEmail": ADDRESS, "MaxUsersPerRun": "7"})
    was, once = parameters(account), events(account)

    after = account.deploy({})

    assert events(account) != once, "a change is one that CloudFormation tells"
    assert {name: after[name] for name in before} == before, "nothing that people refer to was made anew"
    kept = parameters(account)
    assert {name: kept[name] for name in was} == was
    assert kept["Mode"] == "Enforce"
    assert kept["UserPathPrefix"] == "/"
    keys = seed(account, (Person(name="ben", story="due", keys=DUE),), datetime.now(UTC))
    run_day(account, after)
    new = in_secret(account, "ben", key=keys["ben"][0])
    assert account.client("sts", key=new).get_caller_identity()["Arn"].endswith("/ben")


def test_deleting_the_stack_keeps_keys_and_secrets_and_a_new_one_goes_on_with_them(
    account: EmulatedAccount,
) -> None:
    parameters = {"Mode": "Enforce", "AlertEmail": ADDRESS}
    outputs = account.deploy(parameters)
    assert "Deleting this stack keeps every access key" in outputs["Kept"]

    once = events(account)
    assert account.deploy({}) == outputs
    assert events(account) == once, "an unchanged deployment changes nothing"

    elder = SeededKey(age=95, used=20)
    people = (
        Person(name="ben", story="due", keys=DUE),
        Person(name="eva", story="past her off date", keys=(elder, SeededKey(age=15, used=0, stored=True))),
    )
    keys = seed(account, people, datetime.now(UTC))
    run_day(account, outputs)
    new = in_secret(account, "ben", key=keys["ben"][0])
    was = {name: (statuses(account, name), tags(account, name)) for name in ("ben", "eva")}
    group = account.log_group(outputs["RotatorName"])
    logs = account.log_lines(group)

    account.destroy()

    assert {name: (statuses(account, name), tags(account, name)) for name in was} == was
    assert in_secret(account, "ben", key=new) == new
    assert account.client("sts", key=new).get_caller_identity()["Arn"].endswith("/ben")
    assert account.log_lines(group) == logs

    outputs = account.deploy(parameters)
    # As if ben had to have another one: his old key has to make room first.
    iam = account.client("iam")
    iam.delete_access_key(UserName="ben", AccessKeyId=keys["ben"][0].key_id)
    iam.tag_user(UserName="ben", Tags=[{"Key": f"{PREFIX}replace", "Value": "leaked"}])
    run_day(account, outputs)

    newest = in_secret(account, "ben", key=new)
    assert newest.key_id != new.key_id
    assert statuses(account, "ben") == {new.key_id: "Active", newest.key_id: "Active"}
    assert statuses(account, "eva") == was["eva"][0], "her mark was read, and its days go on"
    assert account.client("sts", key=newest).get_caller_identity()["Arn"].endswith("/ben")
