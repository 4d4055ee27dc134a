"""Parameters of the deployed stack: what they refuse, and that a change of one counts from the next run on."""

import io
import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra import after_deploy, before_deploy
from infra.version import VERSION
from sandbox.account import EmulatedAccount
from sandbox.cast import Person, SeededKey
from sandbox.day import run_day
from tests.e2e.conftest import Deployed
from tests.e2e.people import inhabited, statuses

STACK = "AccessKeyRotation"
ROLE = "arn:aws:iam::111122223333:role"
# A value of each kind that is refused, and the words: the constraint description where the emulator tells it, otherwise
# the parameter and the value.
REFUSED = {
    "too small": ("MaxKeyAgeDays", "9", "MaxKeyAgeDays must be a whole number from 10 to 3650."),
    "too large": ("MaxUsersPerRun", "5001", "MaxUsersPerRun must be a whole number from 1 to 5000."),
    "no number": ("WarnDays", "soon", "'WarnDays' value 'soon'"),
    "not the pattern": ("RunAt", "6:00", "RunAt must be a time from 00:00 to 23:59, written HH:MM."),
    "not the pattern, in a list": (
        "SecretReaderArns",
        f"{ROLE}/reader,{ROLE}/*",
        "SecretReaderArns must be ARNs of IAM users or roles, each by its full name, with commas between them; or empty.",
    ),
    "not one of the words": ("Mode", "Act", "'Mode' value 'Act'"),
    "not one of the numbers": ("LogRetentionDays", "7", "'LogRetentionDays' value '7'"),
}


def parameters(account: EmulatedAccount) -> dict[str, str]:
    (stack,) = account.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"]
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]}


def code(stack: Deployed) -> list[str]:
    functions = stack.account.client("lambda")
    return [
        functions.get_function_configuration(FunctionName=stack.outputs[name])["CodeSha256"]
        for name in ("ScannerName", "RotatorName")
    ]


@pytest.mark.parametrize("kind", REFUSED)
def test_an_update_with_a_value_that_cannot_be_meant_is_refused_in_words_and_changes_nothing(
    stack: Deployed, kind: str
) -> None:
    name, value, words = REFUSED[kind]
    before = parameters(stack.account)
    others = [{"ParameterKey": other, "UsePreviousValue": True} for other in before if other != name]
    with pytest.raises(ClientError) as refused:
        stack.account.client("cloudformation").update_stack(
            StackName=STACK,
            UsePreviousTemplate=True,
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[*others, {"ParameterKey": name, "ParameterValue": value}],  # type: ignore[list-item]
        )
    assert refused.value.response["Error"]["Code"] == "ValidationError"
    assert words in refused.value.response["Error"]["Message"]
    assert parameters(stack.account) == before


@pytest.mark.parametrize("kind", REFUSED)
def test_a_stack_with_a_value_that_cannot_be_meant_is_not_begun(stack: Deployed, kind: str) -> None:
    name, value, words = REFUSED[kind]
    cloudformation = stack.account.client("cloudformation")
    template = dict(cloudformation.get_template(StackName=STACK)["TemplateBody"])
    # The labels of the console and the outputs: a body may have 51,200 characters, and the CLI brings its template by S3.
    del template["Metadata"], template["Outputs"]
    with pytest.raises(ClientError) as refused:
        cloudformation.create_stack(
            StackName="Refused",
            TemplateBody=json.dumps(template, separators=(",", ":")),
            Capabilities=["CAPABILITY_NAMED_IAM"],
            Parameters=[{"ParameterKey": name, "ParameterValue": value}],
        )
    assert words in refused.value.response["Error"]["Message"]
    with pytest.raises(ClientError, match="does not exist"):
        cloudformation.describe_stacks(StackName="Refused")


def test_before_and_after_a_deployment_a_person_is_told_what_changes_where_and_what_to_do_next(
    stack: Deployed, capsys: pytest.CaptureFixture[str]
) -> None:
    account = stack.account

    def client(service: str, *, region_name: str | None) -> Any:
        assert region_name == account.region
        return account.client(service)  # type: ignore[call-overload]  # whichever is asked for

    environment = {"AWS_REGION": account.region}
    parameters = ["Mode=Audit", "WarnDays=7"]
    assert before_deploy.main(parameters, environment=environment, client=client, stdin=io.StringIO()) == 0
    said = capsys.readouterr().err
    assert f"Account  {account.account_id}" in said
    assert f"update from version {VERSION} to {VERSION}" in said
    assert "Change   1 parameter, compared with what is deployed\n         Mode  Enforce -> Audit\n" in said

    found = after_deploy.deployed(account.client("cloudformation"))
    steps = list(after_deploy.next_steps(found, sns=account.client("sns")))
    assert f"    {stack.outputs['RunNow']}" in steps


def test_a_lower_threshold_counts_from_the_next_run_on_with_the_same_code(stack: Deployed) -> None:
    person = Person(name="fifty-six", story="56 days old", keys=(SeededKey(age=56, used=1),))
    with inhabited(stack, person):
        deployed = code(stack)
        run_day(stack.account, stack.outputs)
        assert statuses(stack.account, "fifty-six") == ["Active"]

        stack.account.update({"MaxKeyAgeDays": "70"})
        try:
            run_day(stack.account, stack.outputs)
            lowered = code(stack)
        finally:
            stack.account.update({"MaxKeyAgeDays": "90"})

        assert statuses(stack.account, "fifty-six") == ["Active", "Active"]
        assert lowered == deployed
