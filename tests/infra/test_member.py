"""The member's template: the account's own, without a topic, and with two objects in the centre's bucket instead."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from keyrotation.run.settings import RotatorSettings, ScannerSettings
from keyrotation.tell import reports

from infra.member import Member
from tests.infra.roles import ROTATOR, SCANNER, SCHEDULE, allowed, statements
from tests.infra.synthesized import (
    Template,
    app_in,
    of_type,
    parameters_of,
    properties,
    text,
    with_parameters,
)
from tests.infra.test_contract import DEPLOYED, OF_LAMBDA

CENTRE, ACCOUNT, REGION = "999988887777", "123456789012", "eu-west-1"
CODE_KEY = f"{'0' * 64}.zip"
# CloudFormation's limit of a template in a request; a StackSet takes more by a URL.
LARGEST_BODY = 51_200


def synthesize_member(outdir: Path) -> Template:
    app = app_in(outdir)
    stack = Member(app, "AccessKeyRotation", code_key=CODE_KEY)
    template: Template = app.synth().get_stack_by_name(stack.stack_name).template
    return template


@pytest.fixture(scope="module")
def member(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return synthesize_member(tmp_path_factory.mktemp("member"))


def environment(member: Template, function: str) -> dict[str, str]:
    deployed = with_parameters(member, CentreAccountId=CENTRE)
    variables = properties(deployed, "AWS::Lambda::Function", f"{function}/Function")["Environment"][
        "Variables"
    ]
    return OF_LAMBDA | {
        name: re.sub(r"\$\{([^}]+)\}", lambda found: DEPLOYED[found[1]], text(deployed, value))
        for name, value in variables.items()
    }


def test_it_can_be_deployed_by_cloudformation_alone_in_an_account_that_was_never_bootstrapped(
    member: Template,
) -> None:
    assert set(member) == {"Description", "Metadata", "Parameters", "Conditions", "Resources", "Outputs"}
    assert "BootstrapVersion" not in member["Parameters"]
    assert "cdk-" not in json.dumps(member)
    assert [
        each for each in Counter(r["Type"] for r in member["Resources"].values()) if "Custom" in each
    ] == []


def test_it_fits_into_a_request(member: Template) -> None:
    assert len(json.dumps(member, separators=(",", ":"))) < LARGEST_BODY * 2 / 3


def test_it_has_what_the_accounts_own_stack_has_but_the_topic_its_key_the_alarms_and_the_dashboard(
    template: Template, member: Template
) -> None:
    def kinds(of: Template) -> Counter[str]:
        return Counter(each["Type"] for each in of["Resources"].values())

    left_out = {
        "AWS::SNS::Topic": 3,
        "AWS::SNS::TopicPolicy": 3,
        "AWS::SNS::Subscription": 1,
        "AWS::KMS::Key": 1,
        "AWS::CloudWatch::Alarm": 9,
        "AWS::CloudWatch::Dashboard": 1,
    }
    assert kinds(template) - kinds(member) == Counter(left_out)
    assert kinds(member) - kinds(template) == Counter()


def test_what_both_have_is_the_very_same_but_the_functions_and_their_roles(
    template: Template, member: Template
) -> None:
    """The queues' and the table's policies, the schedule, the conditions: nothing was written twice."""
    kinds = (
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        "AWS::DynamoDB::Table",
        "AWS::Lambda::EventInvokeConfig",
    )
    for kind in kinds:
        assert of_type(member, kind) == of_type(template, kind)
    schedule = properties(member, "AWS::Scheduler::Schedule", "Daily/Schedule")
    assert schedule == properties(template, "AWS::Scheduler::Schedule", "Daily/Schedule")


@pytest.mark.parametrize("mode", ["Audit", "Enforce"])
def test_each_role_may_what_it_may_in_an_account_of_its_own_but_two_objects_of_the_centre_instead_of_a_topic(
    template: Template, member: Template, mode: str
) -> None:
    bucket = "arn:${AWS::Partition}:s3:::access-key-rotation-reports-${CentreAccountId}-${AWS::Region}"
    instead = {
        "s3:PutObject": frozenset({f"{bucket}/reports/${{AWS::AccountId}}/latest.json"}),
        "s3:GetObject": frozenset({f"{bucket}/heard/${{AWS::AccountId}}.json"}),
    }
    for role in (SCANNER, SCHEDULE):
        assert allowed(member, role, mode=mode) == allowed(template, role, mode=mode)
    own = allowed(template, ROTATOR, mode=mode)
    without_sns = {action: on for action, on in own.items() if not action.startswith("sns:")}
    assert allowed(member, ROTATOR, mode=mode) == without_sns | instead


@pytest.mark.parametrize("role", [SCANNER, ROTATOR, SCHEDULE])
def test_no_role_of_a_member_assumes_another_and_none_is_assumed_but_by_a_service(
    member: Template, role: str
) -> None:
    assert "sts:" not in str([each.actions for each in statements(member, role, mode="Enforce")])
    for each in of_type(member, "AWS::IAM::Role").values():
        (trust,) = each["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert set(trust["Principal"]) == {"Service"}


def test_its_functions_understand_the_environment_they_are_given(member: Template) -> None:
    rotator = RotatorSettings.parse(environment(member, "Rotator"))
    assert (rotator.centre, rotator.topic_arn) == (CENTRE, None)
    ScannerSettings.parse(environment(member, "Scanner"))
    for function in ("Scanner", "Rotator"):
        assert environment(member, function)["POWERTOOLS_METRICS_DISABLED"] == "true"


def test_the_rotator_asks_for_the_very_objects_that_its_role_may(member: Template) -> None:
    grants = allowed(member, ROTATOR, mode="Audit")
    put_in = {
        "AWS::Partition": "aws",
        "CentreAccountId": CENTRE,
        "AWS::Region": REGION,
        "AWS::AccountId": ACCOUNT,
    }

    def objects(action: str) -> set[str]:
        return {re.sub(r"\$\{([^}]+)\}", lambda found: put_in[found[1]], each) for each in grants[action]}

    bucket = f"arn:aws:s3:::{reports.bucket_of(CENTRE, REGION)}"
    assert objects("s3:PutObject") == {f"{bucket}/{reports.report_key(ACCOUNT)}"}
    assert objects("s3:GetObject") == {f"{bucket}/{reports.heard_key(ACCOUNT)}"}


def test_its_code_comes_from_the_centres_bucket_by_the_hash_of_what_it_holds(member: Template) -> None:
    for function in of_type(member, "AWS::Lambda::Function").values():
        code = function["Properties"]["Code"]
        assert text(member, code["S3Bucket"]) == "access-key-rotation-code-${CentreAccountId}-${AWS::Region}"
        assert code["S3Key"] == CODE_KEY


def test_its_parameters_are_the_accounts_own_but_who_is_told(template: Template, member: Template) -> None:
    own, members = parameters_of(template), parameters_of(member)
    assert own.keys() - members.keys() == {"AlertEmail", "AlarmTopicArn", "Notify"}
    assert members.keys() - own.keys() == {"CentreAccountId"}
    assert {name: own[name] for name in own.keys() & members.keys()} == {
        name: members[name] for name in own.keys() & members.keys()
    }
    form = member["Metadata"]["AWS::CloudFormation::Interface"]
    assert sorted(name for group in form["ParameterGroups"] for name in group["Parameters"]) == sorted(
        members
    )
    # It begins in Audit wherever it comes.
    assert members["Mode"]["Default"] == "Audit"
