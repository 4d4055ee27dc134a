"""A stack's life: updated from what it was, deployed again unchanged, deleted, and deployed anew."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.account import EmulatedAccount
from sandbox.cast import Person, SeededKey, overlap, seed
from sandbox.clients import Key
from sandbox.day import run_day
from tests.assembled import kept_assembly
from tests.e2e.conftest import ADDRESS

VERSION_0_1 = Path(__file__).parent / "version_0_1"
STACK = "AccessKeyRotation"
PREFIX = "access-key-rotation:"
DUE = (SeededKey(age=80, used=1),)
QUIET_PAIR = (SeededKey(age=95, used=20), SeededKey(age=15, used=0))
OFF_FOR_LONG = (SeededKey(age=200, used=90, active=False), SeededKey(age=50, used=0))


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


def mark(account: EmulatedAccount, user_name: str, tags: dict[str, str]) -> None:
    """As version 0.1 remembered."""
    account.client("iam").tag_user(
        UserName=user_name, Tags=[{"Key": key, "Value": value} for key, value in tags.items()]
    )


def secret_of_version_0_1(account: EmulatedAccount, user_name: str, key: Key) -> None:
    account.client("secretsmanager").create_secret(
        Name=f"access-keys/{user_name}/credentials",
        Description=f"Access key of the IAM user {user_name}, written by access-key-rotation",
        ClientRequestToken=f"{key.key_id}-access-key-rotation",
        SecretString="{}",
    )


def tags(account: EmulatedAccount, user_name: str) -> dict[str, str]:
    user = account.client("iam").get_user(UserName=user_name)["User"]
    return {tag["Key"]: tag["Value"] for tag in user.get("Tags", [])}


def statuses(account: EmulatedAccount, user_name: str) -> dict[str, str]:
    listed = account.client("iam").list_access_keys(UserName=user_name)["AccessKeyMetadata"]
    return {key["AccessKeyId"]: key["Status"] for key in listed}


def test_a_stack_of_version_0_1_is_updated_and_nothing_goes_off_because_of_it(
    account: EmulatedAccount,
) -> None:
    before = account.install(VERSION_0_1, {"Mode": "Enforce", "AlertEmail": ADDRESS, "MaxUsersPerRun": "7"})
    was, once = parameters(account), events(account)

    after = account.install(kept_assembly(), {})

    assert events(account) != once, "a change is one that CloudFormation tells"
    # Words for people, which say more now.
    referred_to = set(before) - {"Kept", "Preview"}
    assert {name: after[name] for name in referred_to} == {name: before[name] for name in referred_to}
    kept = parameters(account)
    assert {name: kept[name] for name in was} == was
    now = datetime.now(UTC)
    people = (
        Person(name="ben", story="due", keys=DUE),
        Person(name="eva", story="past her off date, as a tag says", keys=QUIET_PAIR),
        Person(name="hal", story="inactive for long, as a tag says", keys=OFF_FOR_LONG),
    )
    keys = seed(account, people, now)
    off = f"{PREFIX}inactive-since:{keys['hal'][0].key_id}"
    held = f"{PREFIX}held-until:{keys['eva'][0].key_id}"
    mark(account, "hal", {off: f"{now - timedelta(days=45):%Y-%m-%d}"})
    mark(account, "eva", {held: f"{now - timedelta(days=1):%Y-%m-%d} in-use"})
    secret_of_version_0_1(account, "eva", keys["eva"][1])
    unchanged = {name: statuses(account, name) for name in ("eva", "hal")}
    inbox = account.inbox(ADDRESS)

    mail = inbox.next(run_id=run_day(account, after))

    new = in_secret(account, "ben", key=keys["ben"][0])
    assert account.client("sts", key=new).get_caller_identity()["Arn"].endswith("/ben")
    assert {name: statuses(account, name) for name in unchanged} == unchanged
    told = " ".join(mail.body.split())
    for name, tag in (("hal", off), ("eva", held)):
        assert f"version 0.1 are ignored and can be removed: {tag}" in told, name
        assert f"aws iam untag-user --user-name={name}" in told.replace(" \\ ", " ")
    account.update({"Notify": "Always"})
    again = inbox.next(run_id=run_day(account, after))
    assert "version 0.1" not in again.body, "told once"
    assert {name: statuses(account, name) for name in unchanged} == unchanged


def test_deleting_the_stack_keeps_keys_and_secrets_and_a_new_one_goes_on_with_them(
    account: EmulatedAccount,
) -> None:
    parameters = {"Mode": "Enforce", "AlertEmail": ADDRESS}
    outputs = account.install(kept_assembly(), parameters)
    assert "keeps every access key" in outputs["Kept"]

    once = events(account)
    assert account.deploy({}) == outputs
    assert events(account) == once, "an unchanged deployment changes nothing"

    elder = SeededKey(age=95, used=20, notice=overlap(-1))
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

    outputs = account.install(kept_assembly(), parameters)
    # As if ben had to have another one: his old key has to make room first.
    iam = account.client("iam")
    iam.delete_access_key(UserName="ben", AccessKeyId=keys["ben"][0].key_id)
    iam.tag_user(UserName="ben", Tags=[{"Key": f"{PREFIX}replace", "Value": "leaked"}])
    run_day(account, outputs)

    newest = in_secret(account, "ben", key=new)
    assert newest.key_id != new.key_id
    assert statuses(account, "ben") == {new.key_id: "Active", newest.key_id: "Active"}
    assert statuses(account, "eva") == was["eva"][0], "her key is remembered as off, and its days go on"
    assert account.client("sts", key=newest).get_caller_identity()["Arn"].endswith("/ben")
