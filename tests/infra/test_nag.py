"""cdk-nag's AwsSolutions and CloudFormation's own checks: no finding but those that are acknowledged, each with its reason."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_sqs as sqs
from cdk_nag import AwsSolutionsChecks

from infra.alarms import NAMES
from infra.stack import AccessKeyRotation
from tests.infra.synthesized import app_in

USERS = "Resource::arn:<AWS::Partition>:iam::<AWS::AccountId>:user<UserPathPrefix>*"
ANYBODY = "Resource::arn:<AWS::Partition>:iam::<AWS::AccountId>:user/*"
SECRETS = "Resource::arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:access-keys/*"
# Everything that an auditor has to be convinced of, by the construct that it is about.
ACKNOWLEDGED = {
    ("Scanner/Role", "AwsSolutions-IAM5[Resource::*]"),
    ("Scanner/Role", f"AwsSolutions-IAM5[{ANYBODY}]"),
    ("Rotator/Role", "AwsSolutions-IAM5[Resource::*]"),
    ("Rotator/Role", f"AwsSolutions-IAM5[{USERS}]"),
    ("Rotator/Role", f"AwsSolutions-IAM5[{ANYBODY}]"),
    ("Rotator/Role", f"AwsSolutions-IAM5[{SECRETS}]"),
    ("Enforcement", f"AwsSolutions-IAM5[{USERS}]"),
    ("Enforcement", f"AwsSolutions-IAM5[{SECRETS}]"),
    ("Encryption", f"AwsSolutions-IAM5[{SECRETS}]"),
    ("Scanner/Function", "AwsSolutions-L1"),
    ("Rotator/Function", "AwsSolutions-L1"),
    ("Daily/DeadLetters", "AwsSolutions-SQS3"),
    ("", "W2509"),
    *((f"Alarms/{name}", "F3033") for name in NAMES),
}


def found(app: cdk.App) -> set[tuple[str, str]]:
    """Construct and rule of every finding that nobody acknowledged. The synthesis raises when there is an error."""
    cdk.Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    try:
        app.synth()
    except RuntimeError as refused:
        if not str(refused).startswith("ValidationFailed"):
            raise
    report = Path(app.outdir, "validation-report.json")
    reports = json.loads(report.read_text())["pluginReports"] if report.exists() else []
    return {
        (_within_the_stack(construct["constructPath"]), violation["ruleName"])
        for each in reports
        for violation in each["violations"]
        for construct in violation["violatingConstructs"]
    }


def acknowledged(app: cdk.App) -> dict[tuple[str, str], str]:
    """The reason by construct and rule."""
    return {
        (
            _within_the_stack(path),
            rule.removeprefix("Annotation::").removeprefix("CloudFormation-Validate::"),
        ): reason
        for path, reason_by_rule in _acknowledgements(app)
        for rule, reason in reason_by_rule.items()
    }


def _acknowledgements(app: cdk.App) -> Iterator[tuple[str, dict[str, str]]]:
    metadata: dict[str, list[Any]] = json.loads(
        Path(app.synth().directory, "AccessKeyRotation.metadata.json").read_text()
    )
    for path, entries in metadata.items():
        for entry in entries:
            if entry["type"] == "aws:cdk:acknowledged-rules":
                yield path.removeprefix("/"), entry["data"]


def _within_the_stack(path: str) -> str:
    return path.partition("/")[2].removesuffix("/Resource").removesuffix("/DefaultPolicy")


@pytest.fixture
def app(tmp_path: Path) -> cdk.App:
    return app_in(tmp_path)


def test_nothing_is_found_that_is_not_acknowledged(app: cdk.App) -> None:
    AccessKeyRotation(app, "AccessKeyRotation")
    assert found(app) == set()


def test_what_is_acknowledged_is_exactly_this_each_with_a_reason(app: cdk.App) -> None:
    AccessKeyRotation(app, "AccessKeyRotation")
    reasons = acknowledged(app)
    assert set(reasons) == ACKNOWLEDGED
    assert [reason for reason in reasons.values() if len(reason) < 80] == []


def test_without_the_acknowledgements_exactly_these_are_found(
    app: cdk.App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None of them is stale, and the checks do look."""
    nothing = SimpleNamespace(acknowledge=lambda *_: None)
    with monkeypatch.context() as patch:
        patch.setattr(cdk.Validations, "of", lambda _construct: nothing)
        AccessKeyRotation(app, "AccessKeyRotation")
    assert found(app) == ACKNOWLEDGED


def test_a_mistake_would_be_found(app: cdk.App) -> None:
    stack = AccessKeyRotation(app, "AccessKeyRotation")
    sqs.Queue(stack, "Careless")
    assert found(app) == {("Careless", "AwsSolutions-SQS3"), ("Careless", "AwsSolutions-SQS4")}
