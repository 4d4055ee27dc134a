"""Users who live in the shared deployment for the length of a test."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sandbox.account import EmulatedAccount
from sandbox.cast import Person, SeededKey, seed
from sandbox.clients import Key
from tests.e2e.conftest import Deployed

DUE = (SeededKey(age=80, used=1),)
ELDER_IN_USE = (SeededKey(age=95, used=0), SeededKey(age=15, used=0, stored=True))
QUIET_ELDER = (SeededKey(age=95, used=20), SeededKey(age=15, used=0, stored=True))


@contextmanager
def inhabited(stack: Deployed, *people: Person) -> Iterator[dict[str, list[Key]]]:
    """Seed these users, and remove them and their secrets afterwards: the deployment is shared."""
    iam, secrets = stack.account.client("iam"), stack.account.client("secretsmanager")
    keys = seed(stack.account, people, datetime.now(UTC))
    try:
        yield keys
    finally:
        for person in people:
            for key in iam.list_access_keys(UserName=person.name)["AccessKeyMetadata"]:
                iam.delete_access_key(UserName=person.name, AccessKeyId=key["AccessKeyId"])
            for name in iam.list_user_policies(UserName=person.name)["PolicyNames"]:
                iam.delete_user_policy(UserName=person.name, PolicyName=name)
            iam.delete_user(UserName=person.name)
            try:
                secrets.delete_secret(SecretId=secret_of(person.name), ForceDeleteWithoutRecovery=True)
            except secrets.exceptions.ResourceNotFoundException:
                continue


def secret_of(user_name: str) -> str:
    return f"access-keys/{user_name}/credentials"


def statuses(account: EmulatedAccount, user_name: str) -> list[str]:
    metadata = account.client("iam").list_access_keys(UserName=user_name)["AccessKeyMetadata"]
    return [key["Status"] for key in sorted(metadata, key=lambda key: key["CreateDate"])]
