"""The two functions: one asset, the same defaults, each with its own role and log."""

import re
from pathlib import Path
from typing import Any

import pytest
from keyrotation import VERSION

from infra.stack import AccessKeyRotation
from tests.infra.synthesized import Template, app_in, of_type, properties, text

FUNCTIONS = ["Scanner", "Rotator"]


def function(template: Template, name: str) -> dict[str, Any]:
    return properties(template, "AWS::Lambda::Function", f"{name}/Function")


def variables(template: Template, name: str) -> dict[str, str]:
    found = function(template, name)["Environment"]["Variables"]
    return {variable: text(template, value) for variable, value in found.items()}


def test_there_are_no_functions_but_the_scanner_and_the_rotator(template: Template) -> None:
    assert set(of_type(template, "AWS::Lambda::Function")) == {f"{name}/Function" for name in FUNCTIONS}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_runs_python_3_13_on_arm64_for_at_most_15_minutes(template: Template, name: str) -> None:
    found = function(template, name)
    assert (found["Runtime"], found["Architectures"], found["Timeout"]) == ("python3.13", ["arm64"], 900)
    assert found["MemorySize"] >= 512
    assert found["Handler"] == f"{name.lower()}.handler"


def test_both_functions_share_one_asset(template: Template) -> None:
    assert function(template, "Scanner")["Code"] == function(template, "Rotator")["Code"]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_has_a_role_of_its_own(template: Template, name: str) -> None:
    assert text(template, function(template, name)["Role"]) == f"${{{name}/Role.Arn}}"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_writes_json_to_a_log_group_of_its_own(template: Template, name: str) -> None:
    logging = function(template, name)["LoggingConfig"]
    assert logging["LogFormat"] == "JSON"
    assert text(template, logging["LogGroup"]) == f"${{{name}/Logs}}"


def test_every_log_group_keeps_what_is_asked_and_outlives_the_stack(template: Template) -> None:
    for path, group in of_type(template, "AWS::Logs::LogGroup").items():
        assert group["Properties"]["RetentionInDays"] == {"Ref": "LogRetentionDays"}, path
        assert group["DeletionPolicy"] == "Retain", path
        # Evidence, and the metrics that alarms read, which the role could not bring back.
        assert group["Properties"]["DeletionProtectionEnabled"] is True, path


@pytest.mark.parametrize("name", FUNCTIONS)
def test_powertools_knows_the_function_by_its_name(template: Template, name: str) -> None:
    found = variables(template, name)
    assert found["POWERTOOLS_SERVICE_NAME"] == name.lower()
    assert found["POWERTOOLS_METRICS_NAMESPACE"] == "AccessKeyRotation"
    assert found["POWERTOOLS_LOG_LEVEL"] == "INFO"


def test_the_scanner_knows_the_queue_it_sends_to(template: Template) -> None:
    assert variables(template, "Scanner")["ORDERS_QUEUE_URL"] == "${Orders/Queue}"


def test_the_rotator_knows_its_queue_its_topic_its_role_and_its_time_limit(template: Template) -> None:
    found = variables(template, "Rotator")
    assert found["ORDERS_QUEUE_URL"] == "${Orders/Queue}"
    assert found["ORDERS_QUEUE_ARN"] == "${Orders/Queue.Arn}"
    assert found["TOPIC_ARN"] == "${Alerts/Topic}"
    assert found["OWNERS_TOPIC_ARN"] == "${Bulletins/Owners}"
    assert found["CHAT_TOPIC_ARN"] == "${Bulletins/Chat}"
    assert found["ROTATOR_ROLE_ARN"] == "${Rotator/Role.Arn}"
    assert found["FUNCTION_TIMEOUT_SECONDS"] == str(function(template, "Rotator")["Timeout"])


def test_the_outputs_are_what_scripts_look_for(template: Template) -> None:
    outputs = {name: text(template, each["Value"]) for name, each in template["Outputs"].items()}
    kept = outputs.pop("Kept")
    assert "keeps every access key" in kept
    assert "the table access-key-rotation" in kept
    for name in ("RunNow", "Preview", "Stop", "StartAgain", "ReadMemory", "ReadLastReport"):
        # tests/e2e/test_outputs.py runs them.
        assert "--region ${AWS::Region} " in outputs.pop(name)
    assert outputs == {
        "ScannerName": "${Scanner/Function}",
        "RotatorName": "${Rotator/Function}",
        "ScheduleName": "${Daily/Schedule}",
        "OrdersQueueUrl": "${Orders/Queue}",
        "DeadLetterQueueUrl": "${Orders/DeadLetters}",
        "DeadFiringsQueueUrl": "${Daily/DeadLetters}",
        "MemoryTableName": "${Memory/Table}",
        "TopicArn": "${Alerts/Topic}",
        "OwnersTopicArn": "${Bulletins/Owners}",
        "ChatTopicArn": "${Bulletins/Chat}",
        "RotatorRoleArn": "${Rotator/Role.Arn}",
        "Version": VERSION,
    }


def test_no_output_is_longer_than_cloudformation_takes(template: Template) -> None:
    """With names as long as they get, the CDK's included."""
    longest = {
        name: re.sub(r"\$\{[^}]+\}", "x" * 64, text(template, each["Value"]))
        for name, each in template["Outputs"].items()
    }
    assert {name: value for name, value in longest.items() if len(value) > 1024} == {}


def test_nothing_has_a_physical_name_but_the_rotators_role_and_the_table(template: Template) -> None:
    """Other names would keep a second stack of another version, or a replacement, from being made beside the first."""
    naming = (
        "RoleName",
        "FunctionName",
        "QueueName",
        "TopicName",
        "LogGroupName",
        "Name",
        "AlarmName",
        "TableName",
    )
    named = {
        (resource["Type"], resource["Properties"][key])
        for resource in template["Resources"].values()
        for key in naming
        # An event source mapping's FunctionName is the function that it feeds.
        if isinstance(resource["Properties"].get(key), str)
    }
    assert named == {
        ("AWS::IAM::Role", "access-key-rotation-rotator"),
        ("AWS::DynamoDB::Table", "access-key-rotation"),
    }


@pytest.mark.parametrize("name", FUNCTIONS)
def test_no_variable_has_a_function_load_or_ask_what_is_not_in_its_bundle(
    template: Template, name: str
) -> None:
    """The sandbox's functions find the emulator by code that it puts in itself: nothing of it is deployed."""
    led = ("AWS_", "PYTHON", "HTTP", "ALL_PROXY", "LD_")
    assert [each for each in variables(template, name) if each.upper().startswith(led)] == []
    assert "Layers" not in function(template, name)


def test_the_stack_is_protected_from_deletion_and_with_it_every_alarm(tmp_path: Path) -> None:
    stack = AccessKeyRotation(app_in(tmp_path), "AccessKeyRotation")
    assert stack.termination_protection is True
