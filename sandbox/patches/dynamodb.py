"""DynamoDB: a table's policy counts, a stack's table is made whole and not over another, PartiQL has IAM's names."""

import json
from collections.abc import Callable, Iterator
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.services import dynamodb
from ministack.services.cloudformation import provisioners

from sandbox.patches.answers import Parameters

_TABLE = "AWS::DynamoDB::Table"
# What the table's own provisioner leaves out of it.
_LEFT_OUT = ("ResourcePolicy", "PointInTimeRecoverySpecification")
_PARTIQL = {
    "INSERT": "dynamodb:PartiQLInsert",
    "UPDATE": "dynamodb:PartiQLUpdate",
    "DELETE": "dynamodb:PartiQLDelete",
    "SELECT": "dynamodb:PartiQLSelect",
    "EXISTS": "dynamodb:PartiQLSelect",
}


def enforce_table_policies() -> None:
    """The emulator keeps a table's policy and asks nobody about it: neither its Deny nor its Allow has an effect."""

    def table_policy_for_arn(arn: str) -> tuple[str, str] | None:
        # An index is of its table: arn:aws:dynamodb:REGION:ACCOUNT:table/NAME/index/INDEX.
        table = "/".join(arn.split("/")[:2])
        kept = dynamodb._resource_policies.get(table)
        return (kept["Policy"], table.split(":")[4]) if kept else None

    dynamodb.table_policy_for_arn = table_policy_for_arn
    iam_evaluator._RESOURCE_POLICY_LOOKUPS["dynamodb"] = ("dynamodb", "table_policy_for_arn")


def provision_the_whole_table() -> None:
    """CloudFormation here leaves out a table's policy and its recovery, and makes a table over one that is there.

    AWS refuses the latter; here the items would be gone.
    """
    handlers = provisioners._RESOURCE_HANDLERS[_TABLE]
    create: Callable[[str, Parameters, str], tuple[str, Parameters]] = handlers["create"]
    update: Callable[..., Any] = handlers["update"]

    def create_table(logical_id: str, properties: Parameters, stack_name: str) -> tuple[str, Parameters]:
        if properties.get("TableName") in dynamodb._tables:
            raise ValueError(
                f'Resource handler returned message: "Table already exists: {properties["TableName"]}" '
                "(HandlerErrorCode: AlreadyExists)"
            )
        name, attributes = create(logical_id, properties, stack_name)
        _complete(name, properties)
        return name, attributes

    def update_table(name: str, old: Parameters, new: Parameters, *rest: Any) -> Any:
        updated = update(name, old, new, *rest)
        # One that nothing was changed about is left as it is, as AWS does: what was done by hand stays.
        if [old.get(each) for each in _LEFT_OUT] != [new.get(each) for each in _LEFT_OUT]:
            _complete(name, new)
        return updated

    handlers["create"], handlers["update"] = create_table, update_table


def _complete(name: str, properties: Parameters) -> None:
    arn = dynamodb._tables[name]["TableArn"]
    policy = properties.get("ResourcePolicy", {}).get("PolicyDocument")
    if policy:
        dynamodb._put_resource_policy({"ResourceArn": arn, "Policy": json.dumps(policy)})
    else:
        dynamodb._delete_resource_policy({"ResourceArn": arn})
    recovery = properties.get("PointInTimeRecoverySpecification", {})
    # A template's booleans may be words.
    dynamodb._pitr_settings[name] = str(recovery.get("PointInTimeRecoveryEnabled")).lower() == "true"


def name_partiql_actions() -> None:
    """In IAM a statement of PartiQL is what it does to its table; here it is ExecuteStatement, on nothing.

    Each statement of a request is authorized by itself, as the emulator does with the items of a transaction.
    """
    checks_of = iam_actions.dynamodb_transaction_checks

    def dynamodb_transaction_checks(
        iam_action: str, body: bytes, region: str, account_id: str
    ) -> list[tuple[str, str]]:
        statements = [
            (_PARTIQL[operation], iam_actions._dynamodb_table_arn(table, region, account_id))
            for operation, table in _statements(iam_action, body)
        ]
        return statements or checks_of(iam_action, body, region, account_id)

    iam_actions.dynamodb_transaction_checks = dynamodb_transaction_checks


def _statements(iam_action: str, body: bytes) -> Iterator[tuple[str, str]]:
    """Operation and table of each statement; one that cannot be parsed does nothing, and is refused for that."""
    within = {
        "dynamodb:ExecuteStatement": None,
        "dynamodb:BatchExecuteStatement": "Statements",
        "dynamodb:ExecuteTransaction": "TransactStatements",
    }
    if iam_action not in within:
        return
    request = json.loads(body)
    member = within[iam_action]
    for each in request[member] if member else [request]:
        try:
            parsed = dynamodb._parse_partiql(each["Statement"], each.get("Parameters", []))
        except ValueError:
            continue
        yield parsed["op"], (parsed.get("select") or parsed)["table"]
