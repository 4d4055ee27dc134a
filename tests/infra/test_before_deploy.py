"""`make deploy` refuses parameters that do not fit together in the words of the functions, before it deploys."""

import io
import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber
from keyrotation.policy import Policy, PolicyError
from keyrotation.run.settings import ScannerSettings, SettingsError

from infra.before_deploy import main, problems
from infra.values import defaults
from infra.version import VERSION
from tests.component.account import NOW
from tests.component.deployment import POLICY
from tests.infra.synthesized import ROOT, Template

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


class Account:
    """What AWS answers to whoever deploys. `stack`: of describe_stacks; None: there is none.

    `users`: by path; None: they may not be listed.
    """

    def __init__(
        self,
        stack: dict[str, Any] | None,
        *,
        aliases: list[str] | None = None,
        users: dict[str, list[str]] | None = None,
    ) -> None:
        self.stack, self.aliases, self.users = stack, aliases, users
        self.regions: set[str | None] = set()

    def client(self, service: str, *, region_name: str | None) -> Any:
        self.regions.add(region_name)
        made = boto3.client(
            service,  # type: ignore[call-overload]  # one of three
            region_name=region_name or "us-east-1",
            aws_access_key_id="A",
            aws_secret_access_key="B",
        )
        if service == "iam":
            made.get_paginator = lambda _: self
        stubber = Stubber(made)
        match service:
            case "sts":
                arn = "arn:aws:sts::123456789012:assumed-role/deployer/me"
                stubber.add_response(
                    "get_caller_identity", {"Account": "123456789012", "Arn": arn, "UserId": "U"}
                )
            case "iam" if self.aliases is None:
                stubber.add_client_error("list_account_aliases", "AccessDenied", "no")
            case "iam":
                stubber.add_response(
                    "list_account_aliases", {"AccountAliases": self.aliases, "IsTruncated": False}
                )
            case _ if self.stack is None:
                stubber.add_client_error(
                    "describe_stacks", "ValidationError", f"Stack with id {NAME} does not exist"
                )
            case _ if not self.stack:
                stubber.add_client_error("describe_stacks", "AccessDenied", "no")
            case _:
                stubber.add_response("describe_stacks", {"Stacks": [self.stack]}, {"StackName": NAME})
        stubber.activate()
        return made

    def paginate(self, *, PathPrefix: str) -> list[dict[str, list[str]]]:  # noqa: N803  # as botocore spells it
        """Of list_users, in pages of which the first is empty, as IAM may answer."""
        if self.users is None:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "ListUsers")
        return [{"Users": []}, {"Users": self.users.get(PathPrefix, [])}]

    def judges(self, *parameters: str, answer: str | None = None, **environment: str) -> int:
        """`answer`: of a person at a terminal; None: there is nobody."""
        stdin = io.StringIO(answer) if answer is None else Terminal(answer)
        return main(parameters, environment=environment, client=self.client, stdin=stdin)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def stack(*, status: str = "CREATE_COMPLETE", **parameters: str) -> dict[str, Any]:
    return {
        "StackName": NAME,
        "CreationTime": NOW,
        "StackStatus": status,
        "Parameters": [{"ParameterKey": k, "ParameterValue": v} for k, v in parameters.items()],
        "Outputs": [{"OutputKey": "Version", "OutputValue": "0.1.0"}],
    }


def test_the_deployed_stack_is_asked_where_the_cdk_cli_deploys_to() -> None:
    there = Account(stack(MaxKeyAgeDays="365"))
    assert there.judges("OverlapDays=60", AWS_REGION="eu-west-3", AWS_DEFAULT_REGION="us-east-1") == 0
    assert there.regions == {"eu-west-3"}


@pytest.mark.parametrize(
    "account",
    [
        Account(None),
        Account({}),
        Account(stack(MaxKeyAgeDays="365", status="ROLLBACK_COMPLETE")),
    ],
    ids=["no stack", "a stack that cannot be read", "a stack whose first deployment failed"],
)
def test_without_a_stack_the_defaults_count(account: Account) -> None:
    assert account.judges("OverlapDays=60") == 1
    assert account.judges("OverlapDays=20") == 0


def test_a_person_sees_account_region_version_and_what_changes_and_is_warned_that_nobody_is_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = Account(stack(Mode="Audit", MaxKeyAgeDays="90", AlertEmail=""), aliases=["prod"])
    assert there.judges("Mode=Enforce", "MaxKeyAgeDays=90", "OverlapDays=10", AWS_REGION="eu-west-3") == 0
    said = capsys.readouterr().err.splitlines()
    assert said[:7] == [
        "Account  123456789012 (prod)",
        "Region   eu-west-3",
        "As       arn:aws:sts::123456789012:assumed-role/deployer/me",
        f"Stack    AccessKeyRotation, update from version 0.1.0 to {VERSION}",
        "Change   2 parameters, compared with what is deployed",
        "         Mode         Audit -> Enforce",
        "         OverlapDays  14 -> 10",
    ]
    assert said[7].startswith("Mode     Enforce: ")
    assert said[8].startswith("WARNING  AlertEmail is empty")


def test_before_a_first_deployment_it_says_new_and_what_differs_from_the_defaults(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert Account(None).judges("AlertEmail=a@example.com", "WarnDays=7") == 0
    said = capsys.readouterr().err
    assert "(its alias could not be read: AccessDenied)" in said
    assert f"AccessKeyRotation {VERSION}, new\n" in said
    assert (
        "Change   1 parameter, compared with the defaults\n         AlertEmail  (empty) -> a@example.com\n"
        in said
    )
    assert "Mode     Audit: " in said
    assert "WARNING" not in said


REFUSED = {
    "Mode=enforce": "Mode must be Audit or Enforce. It is 'enforce'; did you mean Enforce?",
    "Mod=Enforce": "there is no parameter Mod; did you mean Mode?",
    "maxkeyagedays=80": "there is no parameter maxkeyagedays; did you mean MaxKeyAgeDays?",
    "Colour=red": "there is no parameter Colour",
    "Enforce": "'Enforce' is not Name=value. A value with a space in it is not possible",
    "WarnDays=0": "WarnDays must be a whole number from 1 to 3650. It is '0'",
    "WarnDays=soon": "WarnDays must be a whole number from 1 to 3650. It is 'soon'",
    "RunAt=6:00": "RunAt must be a time from 00:00 to 23:59, written HH:MM. It is '6:00'",
    "TimeZone=Europe/Berln": "TimeZone: there is no time zone 'Europe/Berln'; did you mean Europe/Berlin?",
    "AlarmTopicArn=arn:aws:sns:eu-west-1:123456789012:mine": "AlarmTopicArn is in eu-west-1, and must be in the Region of "
    "the stack, us-east-1",
}


@pytest.mark.parametrize("word", REFUSED)
def test_a_value_that_cannot_be_meant_is_refused_before_anything_is_synthesized(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Account(None).judges(word) == 1
    assert capsys.readouterr().err == f"refused: {REFUSED[word]}\n"


USERS = {"/apps/": ["ann"]}
NOBODY = (
    "WARNING  no IAM user is below UserPathPrefix=/Apps/: no key would be rotated. A path is case-sensitive\n"
)


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("Yes\n", 0), ("n\n", 1), ("\n", 1), ("", 1)])
def test_a_person_is_asked_when_nobody_is_below_the_path(
    answer: str, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert Account(None, users=USERS).judges("UserPathPrefix=/Apps/", answer=answer) == code
    assert capsys.readouterr().err.endswith(f"{NOBODY}Deploy all the same? [y/N] ")


def test_without_a_terminal_such_a_path_is_refused_unless_it_is_said_to_be_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    there = Account(None, users=USERS)
    assert there.judges("UserPathPrefix=/Apps/") == 1
    assert capsys.readouterr().err.endswith(
        f"{NOBODY}refused: there is nobody to ask here. If the path is meant: APPROVAL=never\n"
    )
    assert there.judges("UserPathPrefix=/Apps/", APPROVAL="never") == 0
    assert capsys.readouterr().err.endswith(NOBODY)


def test_a_path_that_is_deployed_is_asked_about_as_one_that_is_named() -> None:
    assert Account(stack(UserPathPrefix="/Apps/"), users=USERS).judges() == 1
    assert Account(stack(UserPathPrefix="/Apps/"), users=USERS).judges("UserPathPrefix=/apps/") == 0


def test_nobody_is_asked_where_somebody_is_or_may_come_or_who_it_is_may_not_be_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert Account(None, users=USERS).judges("UserPathPrefix=/apps/") == 0
    assert Account(None, users={}).judges() == 0, "an account without users"
    capsys.readouterr()
    assert Account(None, users=None).judges("UserPathPrefix=/Apps/") == 0
    assert capsys.readouterr().err.endswith(
        "Whether anybody is below /Apps/ could not be read: AccessDenied\n"
    )


def test_a_parameter_that_is_there_twice_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert Account(None).judges("Mode=Audit", "Mode=Enforce") == 1
    assert capsys.readouterr().err == "refused: Mode is there twice\n"


def test_the_definitions_are_those_of_the_template(template: Template) -> None:
    assert defaults() == {
        name: str(each["Default"]) for name, each in template["Parameters"].items() if name in defaults()
    }
    assert defaults().keys() == {name for name in template["Parameters"] if name != "BootstrapVersion"}


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
