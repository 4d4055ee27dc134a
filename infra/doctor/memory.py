"""The table: what protects it, and its policy."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from keyrotation.causes import is_code

from infra.doctor.examine import Look
from infra.doctor.findings import Finding, fail, ok
from infra.doctor.mend import as_json, aws
from infra.doctor.policies import differences, statements
from infra.doctor.stack import Stack


def looks(stack: Stack) -> Iterator[Look]:
    for logical_id in stack.deployed.resources("AWS::DynamoDB::Table"):
        yield "memory", partial(_table, stack, logical_id)
        yield "memory's policy", partial(_policy, stack, logical_id)
        yield "memory's recovery", partial(_recovery, stack, logical_id)
        yield "memory's expiry", partial(_expiry, stack, logical_id)


def _table(stack: Stack, logical_id: str) -> Iterator[Finding]:
    name = stack.deployed.physical_id(logical_id)
    table = stack.client("dynamodb").describe_table(TableName=name)["Table"]
    protected = table.get("DeletionProtectionEnabled", False)
    if not protected:
        yield fail(
            "memory",
            "the table's deletion protection is off",
            aws(
                "dynamodb update-table",
                region=stack.region,
                table_name=name,
                deletion_protection_enabled=True,
            ),
        )
    if replicas := [each.get("RegionName") for each in table.get("Replicas", [])]:
        yield fail(
            "memory",
            f"somebody copies it to {', '.join(map(str, replicas))}: whoever may write there writes here",
            aws(
                "dynamodb update-table",
                region=stack.region,
                table_name=name,
                replica_updates=[{"Delete": {"RegionName": each}} for each in replicas],
            ),
        )
    elif protected:
        count = table.get("ItemCount", 0)
        yield ok(
            "memory", f"{name}: {table['TableStatus']}, protected; {count} users, as of up to six hours ago"
        )


def _policy(stack: Stack, logical_id: str) -> Iterator[Finding]:
    arn = stack.deployed.arn(logical_id)
    wanted = stack.deployed.properties(logical_id)["ResourcePolicy"]["PolicyDocument"]
    try:
        found: Any = stack.client("dynamodb").get_resource_policy(ResourceArn=arn)["Policy"]
    except ClientError as error:
        if not is_code(error, "PolicyNotFoundException"):
            raise
        found = None
    if different := differences(wanted, found):
        yield fail(
            "memory's policy",
            f"is not the template's: {'; '.join(different)}",
            _put_back(stack, arn, wanted),
        )
    else:
        yield ok("memory's policy", f"{len(statements(wanted))} statements, each the template's")


def _put_back(stack: Stack, arn: str, policy: Any) -> str:
    return aws("dynamodb put-resource-policy", region=stack.region, resource_arn=arn, policy=as_json(policy))


def _recovery(stack: Stack, logical_id: str) -> Iterator[Finding]:
    name = stack.deployed.physical_id(logical_id)
    answer = stack.client("dynamodb").describe_continuous_backups(TableName=name)
    status = (
        answer["ContinuousBackupsDescription"]
        .get("PointInTimeRecoveryDescription", {})
        .get("PointInTimeRecoveryStatus", "DISABLED")
    )
    if status == "ENABLED":
        yield ok("memory's recovery", "to any second of the last 35 days")
    else:
        yield fail(
            "memory's recovery",
            f"point-in-time recovery is {status}",
            aws(
                "dynamodb update-continuous-backups",
                region=stack.region,
                table_name=name,
                point_in_time_recovery_specification={"PointInTimeRecoveryEnabled": True},
            ),
        )


def _expiry(stack: Stack, logical_id: str) -> Iterator[Finding]:
    name = stack.deployed.physical_id(logical_id)
    answer = stack.client("dynamodb").describe_time_to_live(TableName=name)
    described = answer.get("TimeToLiveDescription", {})
    status = described.get("TimeToLiveStatus", "DISABLED")
    if status == "DISABLED":
        yield ok("memory's expiry", "none: nothing is forgotten by itself")
        return
    # The table's policy denies it to everybody, so it comes off for that moment and is put back.
    arn = stack.deployed.arn(logical_id)
    off = {"Enabled": False, "AttributeName": described.get("AttributeName", "")}
    yield fail(
        "memory's expiry",
        f"{status} on the attribute {described.get('AttributeName')}: DynamoDB deletes items by itself",
        " && ".join(
            [
                aws("dynamodb delete-resource-policy", region=stack.region, resource_arn=arn),
                aws(
                    "dynamodb update-time-to-live",
                    region=stack.region,
                    table_name=name,
                    time_to_live_specification=off,
                ),
                _put_back(
                    stack, arn, stack.deployed.properties(logical_id)["ResourcePolicy"]["PolicyDocument"]
                ),
            ]
        ),
    )
