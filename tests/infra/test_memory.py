"""The memory table: kept, protected, and closed to everybody but the rotator."""

import json
from typing import Any

from infra.memory import TABLE_NAME
from tests.infra.roles import ROTATOR, SCANNER, allowed
from tests.infra.synthesized import Template, of_type, properties, text

ARN = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/access-key-rotation"


def table(template: Template) -> dict[str, Any]:
    [found] = of_type(template, "AWS::DynamoDB::Table").values()
    return found


def denials(template: Template) -> dict[str, dict[str, Any]]:
    """The policy's statements by their names."""
    statements = properties(template, "AWS::DynamoDB::Table", "Memory/Table")["ResourcePolicy"][
        "PolicyDocument"
    ]["Statement"]
    return {each["Sid"]: each for each in statements}


def test_there_is_one_table_and_it_is_not_a_global_one(template: Template) -> None:
    assert list(of_type(template, "AWS::DynamoDB::Table")) == ["Memory/Table"]
    assert of_type(template, "AWS::DynamoDB::GlobalTable") == {}


def test_a_stack_deployed_again_can_take_it_over(template: Template) -> None:
    """CloudFormation does so with a literal name and a table that every deletion keeps, and with nothing else."""
    assert table(template)["Properties"]["TableName"] == TABLE_NAME == "access-key-rotation"
    assert table(template)["DeletionPolicy"] == "Retain"
    assert table(template)["UpdateReplacePolicy"] == "Retain"
    assert "Condition" not in table(template)


def test_an_item_is_found_by_the_users_id_alone(template: Template) -> None:
    found = table(template)["Properties"]
    assert found["KeySchema"] == [{"AttributeName": "user_id", "KeyType": "HASH"}]
    assert found["AttributeDefinitions"] == [{"AttributeName": "user_id", "AttributeType": "S"}]


def test_it_costs_by_the_request_and_can_be_restored_and_is_not_deleted(template: Template) -> None:
    found = table(template)["Properties"]
    assert found["BillingMode"] == "PAY_PER_REQUEST"
    assert found["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert found["DeletionProtectionEnabled"] is True


def test_nobody_can_take_it_away_by_a_key_or_have_its_items_expire(template: Template) -> None:
    found = table(template)["Properties"]
    # False stands for a key that AWS owns: no policy, and nobody to switch it off.
    assert found["SSESpecification"] == {"SSEEnabled": False}
    assert "TimeToLiveSpecification" not in found


def test_nobody_writes_but_the_rotators_role_by_whatever_way(template: Template) -> None:
    statement = denials(template)["OnlyTheRotatorWrites"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", {"AWS": "*"})
    assert set(statement["Action"]) == {
        # A transaction is authorized as these, too.
        *(f"dynamodb:{name}" for name in ("PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem")),
        *(f"dynamodb:PartiQL{name}" for name in ("Insert", "Update", "Delete")),
    }
    assert text(template, statement["Resource"]) == ARN
    [(operator, keys)] = statement["Condition"].items()
    assert operator == "StringNotEquals"
    assert {key: text(template, value) for key, value in keys.items()} == {
        "aws:PrincipalArn": "${Rotator/Role.Arn}"
    }


def test_nobody_at_all_deletes_it_or_sets_a_time_to_live(template: Template) -> None:
    statement = denials(template)["NobodyDeletesOrExpires"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", {"AWS": "*"})
    assert set(statement["Action"]) == {"dynamodb:DeleteTable", "dynamodb:UpdateTimeToLive"}
    assert text(template, statement["Resource"]) == ARN
    assert "Condition" not in statement


def test_its_policy_denies_and_allows_nothing(template: Template) -> None:
    """An Allow there would let somebody in of another account, or past a permissions boundary."""
    assert denials(template).keys() == {"OnlyTheRotatorWrites", "NobodyDeletesOrExpires"}
    assert {each["Effect"] for each in denials(template).values()} == {"Deny"}


def test_its_policy_leaves_room_below_the_20_kilobytes_that_dynamodb_takes(template: Template) -> None:
    assert len(json.dumps(denials(template))) < 4096


def test_both_functions_know_it_by_its_name(template: Template) -> None:
    for name in ("Scanner", "Rotator"):
        found = properties(template, "AWS::Lambda::Function", f"{name}/Function")
        assert found["Environment"]["Variables"]["TABLE_NAME"] == TABLE_NAME


def test_the_scanner_reads_it_and_the_rotator_also_writes_in_audit_too(template: Template) -> None:
    def on_the_table(role: str, mode: str) -> set[str]:
        granted = allowed(template, role, mode=mode)
        return {action.removeprefix("dynamodb:") for action, on in granted.items() if ARN in on}

    for mode in ("Audit", "Enforce"):
        assert on_the_table(SCANNER, mode) == {"Scan"}
        assert on_the_table(ROTATOR, mode) == {"Scan", "GetItem", "UpdateItem", "DeleteItem"}
