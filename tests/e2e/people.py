"""Users who live in the shared deployment for the length of a test, and waiting for what happens to them."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from keyrotation.memory import Memory

from sandbox.account import EmulatedAccount
from sandbox.cast import Person, SeededKey, overlap, seed, table_of
from sandbox.clients import Key
from sandbox.day import wait_until_idle
from tests.e2e.conftest import Deployed

DUE = (SeededKey(age=80, used=1),)
FRESH = (SeededKey(age=5, used=0),)
# By which the rotator knows a secret of its own.
OUR_DESCRIPTION = "Access key of an IAM user, written by access-key-rotation"
ELDER_IN_USE = (SeededKey(age=95, used=0, notice=overlap(-1)), SeededKey(age=15, used=0, stored=True))
QUIET_ELDER = (SeededKey(age=95, used=20, notice=overlap(-1)), SeededKey(age=15, used=0, stored=True))


@contextmanager
def inhabited(stack: Deployed, *people: Person) -> Iterator[dict[str, list[Key]]]:
    """Seed these users, and remove them and their secrets afterwards: the deployment is shared."""
    iam, secrets = stack.account.client("iam"), stack.account.client("secretsmanager")
    # Nor does a run that an earlier test began see them, or send its mail among those of this one's.
    wait_until_idle(stack.account, stack.outputs)
    keys = seed(stack.account, people, datetime.now(UTC))
    try:
        yield keys
        # A run that finds its user gone would wait a minute for the new key to work.
        wait_until_idle(stack.account, stack.outputs)
    finally:
        table = table_of(stack.account)
        for person in people:
            user_id = iam.get_user(UserName=person.name)["User"]["UserId"]
            for key in iam.list_access_keys(UserName=person.name)["AccessKeyMetadata"]:
                iam.delete_access_key(UserName=person.name, AccessKeyId=key["AccessKeyId"])
            for name in iam.list_user_policies(UserName=person.name)["PolicyNames"]:
                iam.delete_user_policy(UserName=person.name, PolicyName=name)
            iam.delete_user(UserName=person.name)
            table.forget(table.read(user_id))
            try:
                secrets.delete_secret(SecretId=secret_of(person.name), ForceDeleteWithoutRecovery=True)
            except secrets.exceptions.ResourceNotFoundException:
                continue


def until(happened: Callable[[], bool], *, what: str, within_seconds: float = 60) -> None:
    deadline = time.monotonic() + within_seconds
    while not happened():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {within_seconds:.0f} seconds")
        time.sleep(0.2)


def memory_of(account: EmulatedAccount, user_name: str) -> Memory:
    """What is remembered of a user now."""
    user_id = account.client("iam").get_user(UserName=user_name)["User"]["UserId"]
    return table_of(account).read(user_id)


def remember(account: EmulatedAccount, user_name: str, **facts: Any) -> None:
    """Change what is remembered, as root."""
    memory = replace(memory_of(account, user_name), name=user_name, **facts)
    table_of(account).save(memory, run_id="by hand")


def secret_of(user_name: str) -> str:
    return f"access-keys/{user_name}/credentials"


def statuses(account: EmulatedAccount, user_name: str) -> list[str]:
    metadata = account.client("iam").list_access_keys(UserName=user_name)["AccessKeyMetadata"]
    return [key["Status"] for key in sorted(metadata, key=lambda key: key["CreateDate"])]
