"""The memory table, with IAM enforced: who writes, who reads, who cannot; and what is left of it when the stack goes."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from sandbox.account import EmulatedAccount
from sandbox.clients import Key
from tests.assembled import kept_assembly
from tests.e2e.conftest import ADDRESS
from tests.e2e.sessions import document, session_of

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TABLE = "access-key-rotation"
ENGINEER = "engineer"
PARAMETERS = {"AlertEmail": ADDRESS}  # Mode is Audit by default: the memory is written in Audit too


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The stack, and the roles that are tried."""

    account: EmulatedAccount
    rotator: Key
    scanner: Key
    engineer: Key

    def table(self, key: Key) -> "DynamoDBClient":
        return self.account.client("dynamodb", key=key)


@pytest.fixture(scope="module")
def account() -> Iterator[EmulatedAccount]:
    with EmulatedAccount.start() as account:
        account.install(kept_assembly(), PARAMETERS)
        iam = account.client("iam")
        trust = {"Effect": "Allow", "Principal": {"AWS": account.account_id}, "Action": "sts:AssumeRole"}
        iam.create_role(RoleName=ENGINEER, AssumeRolePolicyDocument=document(trust))
        anything = {"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}
        iam.put_role_policy(RoleName=ENGINEER, PolicyName="anything", PolicyDocument=document(anything))
        yield account


@pytest.fixture
def scene(account: EmulatedAccount) -> Scene:
    """As the stack is now: a test may have deployed it anew."""
    role = f"arn:aws:iam::{account.account_id}:role"
    (scanner,) = [
        each["Arn"]
        for each in account.client("iam").list_roles()["Roles"]
        if each["RoleName"].startswith("AccessKeyRotation-ScannerRole")
    ]
    return Scene(
        account=account,
        rotator=session_of(account, f"{role}/access-key-rotation-rotator"),
        scanner=session_of(account, scanner),
        engineer=session_of(account, f"{role}/{ENGINEER}"),
    )


def remember(scene: Scene, user_id: str = "", *, name: str = "ben") -> str:
    """An item, as the rotator writes it; the user's id."""
    user_id = user_id or f"AIDA{uuid4().hex[:12].upper()}"
    scene.table(scene.rotator).update_item(
        TableName=TABLE,
        Key={"user_id": {"S": user_id}},
        UpdateExpression="SET #name = :name",
        ConditionExpression="attribute_not_exists(user_id)",
        ExpressionAttributeNames={"#name": "name"},
        ExpressionAttributeValues={":name": {"S": name}},
    )
    return user_id


def items(scene: Scene) -> dict[str, Any]:
    found = scene.table(scene.scanner).scan(TableName=TABLE, ConsistentRead=True)["Items"]
    return {each["user_id"]["S"]: each for each in found}


def refused(attempt: Callable[[], object]) -> str:
    """The code with which it is refused."""
    with pytest.raises(ClientError) as error:
        attempt()
    return error.value.response["Error"]["Code"]


# Each way to write, as somebody who is allowed dynamodb:* tries it on one user's item.
Attempt = Callable[["DynamoDBClient", str], object]


def item(user_id: str) -> dict[str, Any]:
    return {"user_id": {"S": user_id}, "name": {"S": "forged"}}


INSERT = "INSERT INTO \"access-key-rotation\" VALUE {{'user_id': '{0}-2', 'name': 'forged'}}"
UPDATE = "UPDATE \"access-key-rotation\" SET name = 'forged' WHERE user_id = '{0}'"
DELETE = "DELETE FROM \"access-key-rotation\" WHERE user_id = '{0}'"
SELECT = "SELECT * FROM \"access-key-rotation\" WHERE user_id = '{0}'"
WRITES: dict[str, Attempt] = {
    "PutItem": lambda db, user_id: db.put_item(TableName=TABLE, Item=item(user_id)),
    "UpdateItem": lambda db, user_id: db.update_item(
        TableName=TABLE,
        Key={"user_id": {"S": user_id}},
        UpdateExpression="SET forged = :true",
        ExpressionAttributeValues={":true": {"BOOL": True}},
    ),
    "DeleteItem": lambda db, user_id: db.delete_item(TableName=TABLE, Key={"user_id": {"S": user_id}}),
    "a batch that puts": lambda db, user_id: db.batch_write_item(
        RequestItems={TABLE: [{"PutRequest": {"Item": item(user_id)}}]}
    ),
    "a batch that deletes": lambda db, user_id: db.batch_write_item(
        RequestItems={TABLE: [{"DeleteRequest": {"Key": {"user_id": {"S": user_id}}}}]}
    ),
    "a transaction that puts": lambda db, user_id: db.transact_write_items(
        TransactItems=[{"Put": {"TableName": TABLE, "Item": item(user_id)}}]
    ),
    "a transaction that deletes": lambda db, user_id: db.transact_write_items(
        TransactItems=[{"Delete": {"TableName": TABLE, "Key": {"user_id": {"S": user_id}}}}]
    ),
    "PartiQL's INSERT": lambda db, user_id: db.execute_statement(Statement=INSERT.format(user_id)),
    "PartiQL's UPDATE": lambda db, user_id: db.execute_statement(Statement=UPDATE.format(user_id)),
    "PartiQL's DELETE": lambda db, user_id: db.execute_statement(Statement=DELETE.format(user_id)),
    "a write after a read in a batch of PartiQL": lambda db, user_id: db.batch_execute_statement(
        Statements=[{"Statement": SELECT.format(f"{user_id}-2")}, {"Statement": UPDATE.format(user_id)}]
    ),
    "a transaction of PartiQL": lambda db, user_id: db.execute_transaction(
        TransactStatements=[{"Statement": DELETE.format(user_id)}]
    ),
}


def set_time_to_live(db: "DynamoDBClient", *, enabled: bool) -> object:
    return db.update_time_to_live(
        TableName=TABLE, TimeToLiveSpecification={"Enabled": enabled, "AttributeName": "expires"}
    )


@contextmanager
def without(scene: Scene, sid: str) -> Iterator[None]:
    """The table's policy has no such statement for the length of a block."""
    db = scene.account.client("dynamodb")
    arn = db.describe_table(TableName=TABLE)["Table"]["TableArn"]
    before = db.get_resource_policy(ResourceArn=arn)["Policy"]
    kept = [each for each in json.loads(before)["Statement"] if each["Sid"] != sid]
    db.put_resource_policy(ResourceArn=arn, Policy=document(*kept))
    try:
        yield
    finally:
        db.put_resource_policy(ResourceArn=arn, Policy=before)


@pytest.mark.parametrize("way", WRITES)
def test_an_engineer_who_may_do_anything_with_dynamodb_cannot_write_an_item(scene: Scene, way: str) -> None:
    user_id = remember(scene)
    before = items(scene)
    engineer = scene.table(scene.engineer)

    assert refused(lambda: WRITES[way](engineer, user_id)) == "AccessDeniedException"
    assert items(scene) == before

    with without(scene, "OnlyTheRotatorWrites"):
        WRITES[way](engineer, user_id)
    assert items(scene) != before, "it is this statement that it was refused by"


def test_an_engineer_can_read_it(scene: Scene) -> None:
    """On-call does; there are no secrets in it."""
    user_id = remember(scene)
    engineer = scene.table(scene.engineer)
    assert engineer.get_item(TableName=TABLE, Key={"user_id": {"S": user_id}})["Item"]["name"] == {"S": "ben"}
    assert engineer.execute_statement(Statement=SELECT.format(user_id))["Items"]


def test_an_engineer_cannot_have_items_expire(scene: Scene) -> None:
    engineer = scene.table(scene.engineer)

    def expire() -> object:
        return set_time_to_live(engineer, enabled=True)

    assert refused(expire) == "AccessDeniedException"
    told = engineer.describe_time_to_live(TableName=TABLE)["TimeToLiveDescription"]
    assert told["TimeToLiveStatus"] == "DISABLED"
    with without(scene, "NobodyDeletesOrExpires"):
        expire()
        set_time_to_live(engineer, enabled=False)


def test_an_engineer_cannot_delete_the_table_also_once_its_protection_is_off(scene: Scene) -> None:
    engineer = scene.table(scene.engineer)
    assert refused(lambda: engineer.delete_table(TableName=TABLE)) == "AccessDeniedException"
    # Whoever may do anything with DynamoDB may switch that off; the table's policy is the one that holds.
    engineer.update_table(TableName=TABLE, DeletionProtectionEnabled=False)
    try:
        assert refused(lambda: engineer.delete_table(TableName=TABLE)) == "AccessDeniedException"
    finally:
        engineer.update_table(TableName=TABLE, DeletionProtectionEnabled=True)
    with without(scene, "NobodyDeletesOrExpires"):
        assert refused(lambda: engineer.delete_table(TableName=TABLE)) == "ValidationException"


def test_the_rotator_reads_writes_and_forgets_and_no_more(scene: Scene) -> None:
    rotator = scene.table(scene.rotator)
    user_id = remember(scene)
    key = {"user_id": {"S": user_id}}
    assert rotator.get_item(TableName=TABLE, Key=key, ConsistentRead=True)["Item"]["name"] == {"S": "ben"}
    assert user_id in {each["user_id"]["S"] for each in rotator.scan(TableName=TABLE)["Items"]}
    rotator.delete_item(TableName=TABLE, Key=key)
    assert user_id not in items(scene)

    for attempt in (
        lambda: rotator.put_item(TableName=TABLE, Item=item(user_id)),
        lambda: rotator.execute_statement(Statement=INSERT.format(user_id)),
        lambda: set_time_to_live(rotator, enabled=True),
        lambda: rotator.delete_table(TableName=TABLE),
    ):
        assert refused(attempt) == "AccessDeniedException"


def test_the_scanner_reads_it_whole_and_writes_nothing(scene: Scene) -> None:
    user_id = remember(scene)
    assert user_id in items(scene)
    for way, attempt in WRITES.items():
        assert refused(lambda attempt=attempt: attempt(scene.table(scene.scanner), user_id)) == (  # type: ignore[misc]
            "AccessDeniedException"
        ), way
    # Not by the table's policy alone: its own role allows it no write either.
    with without(scene, "OnlyTheRotatorWrites"):
        assert refused(lambda: WRITES["UpdateItem"](scene.table(scene.scanner), user_id)) == (
            "AccessDeniedException"
        )


def settings(account: EmulatedAccount) -> dict[str, object]:
    """What the table is, its items aside."""
    db = account.client("dynamodb")
    table = db.describe_table(TableName=TABLE)["Table"]
    backups = db.describe_continuous_backups(TableName=TABLE)["ContinuousBackupsDescription"]
    return {
        "id": table["TableId"],
        "protected": table["DeletionProtectionEnabled"],
        "restorable": backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"],
        "policy": json.loads(db.get_resource_policy(ResourceArn=table["TableArn"])["Policy"]),
    }


def told_of_the_table(account: EmulatedAccount) -> list[str]:
    """What CloudFormation says that it did with the table, the first first."""
    cloudformation = account.client("cloudformation")
    events = cloudformation.describe_stack_events(StackName="AccessKeyRotation")["StackEvents"]
    return [
        each["ResourceStatus"] for each in reversed(events) if each["ResourceType"] == "AWS::DynamoDB::Table"
    ]


def test_a_deleted_stack_leaves_the_memory_and_one_deployed_again_goes_on_with_it(scene: Scene) -> None:
    account = scene.account
    user_id = remember(scene)
    was, before = settings(account), items(scene)
    assert (was["protected"], was["restorable"]) == (True, "ENABLED")

    account.destroy()

    assert settings(account) == was
    left = account.client("dynamodb").scan(TableName=TABLE)["Items"]
    assert {each["user_id"]["S"]: each for each in left} == before
    engineer = scene.table(scene.engineer)
    assert refused(lambda: WRITES["PutItem"](engineer, user_id)) == "AccessDeniedException"

    outputs = account.install(kept_assembly(), PARAMETERS)

    assert outputs["MemoryTableName"] == TABLE
    told = told_of_the_table(account)
    assert "IMPORT_COMPLETE" in told
    assert [each for each in told if each.startswith("CREATE")] == []
    assert settings(account) == was
    rotator = f"arn:aws:iam::{account.account_id}:role/access-key-rotation-rotator"
    again = Scene(
        account=account,
        rotator=session_of(account, rotator),
        scanner=scene.rotator,
        engineer=scene.engineer,
    )
    added = remember(again)
    found = again.table(again.rotator).scan(TableName=TABLE)["Items"]
    assert {each["user_id"]["S"] for each in found} == {*before, added}
    assert refused(lambda: WRITES["PutItem"](engineer, user_id)) == "AccessDeniedException"
    # From now on it is the stack's like anything else: an update leaves it as it is.
    account.update({"Mode": "Enforce"})
    assert settings(account) == was
    assert {each["user_id"]["S"] for each in again.table(again.rotator).scan(TableName=TABLE)["Items"]} == {
        *before,
        added,
    }
