"""`make deploy` refuses parameters that do not fit together in the words of the functions, before it deploys."""

import subprocess
from pathlib import Path

import boto3
import pytest
from botocore.stub import Stubber
from keyrotation.policy import Policy, PolicyError
from keyrotation.run.settings import ScannerSettings, SettingsError

from infra.before_deploy import in_force, main, problems
from tests.component.account import NOW
from tests.component.deployment import POLICY, no_settings_of_this_machine
from tests.infra.synthesized import ROOT

NAME = "AccessKeyRotation"
TOGETHER = {
    "OverlapDays=5": "OVERLAP_DAYS",
    "QuietDays=20": "QUIET_DAYS",
    "MaxKeyAgeDays=30": "MAX_KEY_AGE_DAYS",
}


@pytest.mark.parametrize("parameter", TOGETHER)
def test_the_words_are_those_of_the_functions(parameter: str) -> None:
    environment = {
        **POLICY,
        "MODE": "Audit",
        "TABLE_NAME": "memory",
        "USER_PATH_PREFIX": "/",
        "ORDERS_QUEUE_URL": "https://queue",
        TOGETHER[parameter]: parameter.partition("=")[2],
    }
    with pytest.raises(SettingsError) as refused:
        ScannerSettings.parse(environment)
    assert problems([parameter], deployed={}) == str(refused.value).splitlines()


@pytest.mark.parametrize(
    "parameters",
    [[], ["Mode=Enforce", "AlertEmail=a@example.com"], ["MaxKeyAgeDays=80"], ["MaxKeyAgeDays=80.0"]],
)
def test_what_fits_together_is_let_through(parameters: list[str]) -> None:
    assert problems(parameters, deployed={}) == []


def test_what_is_no_number_is_told_by_name() -> None:
    assert problems(["WarnDays=soon"], deployed={}) == ["WarnDays is 'soon': not a whole number"]


def test_the_defaults_that_it_judges_with_are_the_functions_own() -> None:
    """Otherwise a parameter that nobody named would be judged by another number than the one that is deployed."""
    judged = {days: problems([f"MaxKeyAgeDays={days}"], deployed={}) == [] for days in range(10, 100)}
    assert judged == {days: accepted(days) for days in judged}
    assert set(judged.values()) == {True, False}


def accepted(max_key_age_days: int) -> bool:
    try:
        Policy(max_key_age_days=max_key_age_days)
    except PolicyError:
        return False
    return True


def test_what_is_deployed_counts_for_what_is_not_named() -> None:
    assert problems(["OverlapDays=60"], deployed={}) != []
    assert problems(["OverlapDays=60"], deployed={"MaxKeyAgeDays": "365"}) == []
    assert problems(["MaxKeyAgeDays=60"], deployed={"OverlapDays": "40", "AlertEmail": ""}) != []


def test_the_deployed_stack_is_asked_and_before_the_first_deployment_there_is_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    no_settings_of_this_machine(monkeypatch)
    client = boto3.client("cloudformation")
    asked: list[str | None] = []

    def made(_: str, *, region_name: str | None) -> object:
        asked.append(region_name)
        return client

    monkeypatch.setattr(boto3, "client", made)
    parameters = [{"ParameterKey": "MaxKeyAgeDays", "ParameterValue": "365"}]
    stack = {
        "StackName": NAME,
        "CreationTime": NOW,
        "StackStatus": "CREATE_COMPLETE",
        "Parameters": parameters,
    }
    with Stubber(client) as cloudformation:
        for _ in range(2):
            cloudformation.add_client_error(
                "describe_stacks", "ValidationError", f"Stack with id {NAME} does not exist"
            )
        assert in_force({}) == {}
        assert main(["OverlapDays=60"]) == 1
        for _ in range(2):
            cloudformation.add_response("describe_stacks", {"Stacks": [stack]}, {"StackName": NAME})
        assert in_force({"AWS_REGION": "eu-west-3", "AWS_DEFAULT_REGION": "us-east-1"}) == {
            "MaxKeyAgeDays": "365"
        }
        assert asked[-1] == "eu-west-3", "where the CDK CLI deploys to"
        assert main(["OverlapDays=60"]) == 0
        # What cannot be looked at is judged by the template's defaults.
        for _ in range(2):
            cloudformation.add_client_error("describe_stacks", "AccessDenied", "no")
        assert main(["OverlapDays=60"]) == 1
        assert main(["OverlapDays=20"]) == 0
    client.close()


THEIRS = "arn:aws:iam::999999999999:role/deployer"


@pytest.mark.parametrize(
    ("parameters", "account", "refused"),
    [
        ([f"SecretReaderArns={THEIRS}"], "123456789012", True),
        ([f"SecretReaderArns={THEIRS}"], "999999999999", False),
        ([f"SecretReaderArns={THEIRS}"], None, False),
        (
            [f"SecretReaderArns={THEIRS}", "SecretsKmsKeyArn=arn:aws:kms:eu-west-1:123456789012:key/mine"],
            "123456789012",
            False,
        ),
        (["SecretReaderArns="], "123456789012", False),
    ],
)
def test_a_reader_of_another_account_needs_a_key_of_ones_own(
    parameters: list[str],
    account: str | None,
    refused: bool,  # noqa: FBT001
) -> None:
    told = problems(parameters, deployed={}, account=account)
    assert [THEIRS in each for each in told] == [True] * refused


def test_make_asks_before_it_deploys() -> None:
    said = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "deploy", "PARAMETERS=QuietDays=20"],
        cwd=Path(ROOT),
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "infra.before_deploy 'QuietDays=20'" in said
    assert said.index("infra.before_deploy") < said.index("cdk deploy")


def test_more_readers_than_a_function_takes_are_refused() -> None:
    readers = ",".join(f"arn:aws:iam::123456789012:role/reader-{number}" for number in range(21))
    (problem,) = problems([f"SecretReaderArns={readers}"], deployed={})
    assert problem.startswith("SecretReaderArns: more than 20")
    assert problems([f"SecretReaderArns={readers.rpartition(',')[0]}"], deployed={}) == []
