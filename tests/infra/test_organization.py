"""The centre's two stacks: who may read the code, who may leave and read what, and that it can act nowhere else."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from keyrotation.centre.settings import CentreSettings
from keyrotation.tell import reports

from infra.organization import ALARMS, STACK_SET_NAME, organization
from tests.infra.roles import allowed, statements
from tests.infra.synthesized import (
    Template,
    app_in,
    of_type,
    parameters_of,
    properties,
    text,
    with_parameters,
)
from tests.infra.test_member import synthesize_member
from tests.infra.test_nag import found

CENTRE, REGION, ORGANIZATION = "999988887777", "eu-west-1", "o-abcdefghij"
UNITS, STRICT = "ou-ab12-cdefgh34", "ou-ab12-strict99"
DIGEST = "Digest/Role"
BUCKET = "${Reports.Arn}"


@dataclass(frozen=True, kw_only=True)
class Hub:
    assembly: Path
    release: Template
    centre: Template
    member: Template


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Hub:
    outdir = tmp_path_factory.mktemp("organization")
    app = app_in(outdir)
    organization(app)
    made = app.synth()
    return Hub(
        assembly=outdir,
        release=made.get_stack_by_name("AccessKeyRotationRelease").template,
        centre=made.get_stack_by_name("AccessKeyRotationOrganization").template,
        member=json.loads((outdir / "member" / "member.template.json").read_text()),
    )


@pytest.fixture(scope="module")
def deployed(hub: Hub) -> Template:
    return with_parameters(
        hub.centre,
        OrganizationId=ORGANIZATION,
        OrganizationalUnitIds=UNITS,
        EnforceOrganizationalUnitIds=STRICT,
    )


def policy(template: Template, bucket: str) -> list[dict[str, Any]]:
    """The statements of a bucket's policy."""
    for each in of_type(template, "AWS::S3::BucketPolicy").values():
        if text(template, each["Properties"]["Bucket"]) == f"${{{bucket}}}":
            found: list[dict[str, Any]] = each["Properties"]["PolicyDocument"]["Statement"]
            return found
    raise AssertionError(f"{bucket} has no policy")


def by_sid(template: Template, bucket: str) -> dict[str, dict[str, Any]]:
    return {each.get("Sid", "TLS only"): each for each in policy(template, bucket)}


def everything(value: Any) -> Iterator[Any]:
    yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from everything(each)


def resources(template: Template, kind: str) -> list[dict[str, Any]]:
    """Of a template without the CDK's paths, as it is published."""
    return [each for each in template["Resources"].values() if each["Type"] == kind]


def allows(template: Template) -> list[dict[str, Any]]:
    return [each for each in everything(template) if isinstance(each, dict) and each.get("Effect") == "Allow"]


def test_nothing_here_may_assume_a_role_anywhere_and_none_is_assumed_but_by_a_service(hub: Hub) -> None:
    """Neither in the centre nor in an account: there is no hub."""
    for template in (hub.release, hub.centre, hub.member):
        for each in allows(template):
            if "sts:" in json.dumps(each.get("Action", "")):
                assert set(each["Principal"]) == {"Service"}, each
        for role in resources(template, "AWS::IAM::Role"):
            (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            assert set(trust["Principal"]) == {"Service"}
    (denial,) = [each for each in statements(hub.centre, DIGEST, mode="Audit") if each.effect == "Deny"]
    assert (denial.actions, denial.resources) == (frozenset({"sts:AssumeRole"}), frozenset({"*"}))


def test_no_allow_names_an_action_by_a_wildcard(hub: Hub) -> None:
    for template in (hub.release, hub.centre):
        assert [each for each in allows(template) if "*" in json.dumps(each["Action"])] == []


def test_the_digest_may_read_reports_leave_words_and_tell_and_nothing_else(hub: Hub) -> None:
    logs = allowed(hub.centre, DIGEST, mode="Audit")
    reports_bucket = "arn:${AWS::Partition}:s3:::access-key-rotation-reports-${AWS::AccountId}-${AWS::Region}"
    assert {action: sorted(on) for action, on in logs.items() if not action.startswith("logs:")} == {
        "s3:ListBucket": [reports_bucket],
        "s3:GetObject": [f"{reports_bucket}/reports/*"],
        "s3:PutObject": [f"{reports_bucket}/heard/*", f"{reports_bucket}/table.csv"],
        "sns:ListSubscriptionsByTopic": ["${Digests/Topic}"],
        "sns:GetSubscriptionAttributes": ["*"],
        "sns:Publish": ["${Accounts}", "${Digests/Topic}"],
        "cloudformation:ListStackInstances": [
            "arn:${AWS::Partition}:cloudformation:${AWS::Region}:*:stackset/AccessKeyRotation:*"
        ],
        "organizations:ListAccounts": ["*"],
    }


def test_each_account_writes_its_own_report_and_reads_its_own_word_and_nothing_else(hub: Hub) -> None:
    statement = by_sid(hub.centre, "Reports")
    rotators = {
        "StringEquals": {"aws:PrincipalOrgID": {"Ref": "OrganizationId"}},
        "ArnLike": {"aws:PrincipalArn": "arn:*:iam::*:role/access-key-rotation-rotator"},
    }
    for sid, action, key in (
        ("EachWritesItsReport", "s3:PutObject", "reports/${aws:PrincipalAccount}/latest.json"),
        ("EachReadsItsWord", "s3:GetObject", "heard/${aws:PrincipalAccount}.json"),
    ):
        each = statement[sid]
        assert (each["Effect"], each["Action"], each["Condition"]) == ("Allow", action, rotators)
        assert text(hub.centre, each["Resource"]) == f"{BUCKET}/{key}"
    assert {sid for sid, each in statement.items() if each["Effect"] == "Allow"} == {
        "EachWritesItsReport",
        "EachReadsItsWord",
    }


def test_what_the_policy_lets_an_account_write_is_what_its_rotator_writes(hub: Hub) -> None:
    statement = by_sid(hub.centre, "Reports")
    for sid, key in (("EachWritesItsReport", reports.report_key), ("EachReadsItsWord", reports.heard_key)):
        (allowed_key,) = re.findall(r"\$\{Reports\.Arn\}/(.*)", text(hub.centre, statement[sid]["Resource"]))
        assert allowed_key.replace("${aws:PrincipalAccount}", "123456789012") == key("123456789012")


def test_nobody_but_the_digest_leaves_a_word_and_nobody_but_a_rotator_a_report(hub: Hub) -> None:
    """The centre's own administrators have policies of their own."""
    statement = by_sid(hub.centre, "Reports")
    word, report = statement["NobodyElseLeavesAWord"], statement["NobodyElseReports"]
    assert (word["Effect"], report["Effect"]) == ("Deny", "Deny")
    assert text(hub.centre, word["Resource"]) == f"{BUCKET}/heard/*"
    assert text(hub.centre, word["Condition"]["StringNotEquals"]["aws:PrincipalArn"]) == "${Digest/Role.Arn}"
    assert text(hub.centre, report["Resource"]) == f"{BUCKET}/reports/*"
    assert report["Condition"] == {
        "ArnNotLike": {"aws:PrincipalArn": "arn:*:iam::*:role/access-key-rotation-rotator"}
    }


def test_the_code_is_for_the_organization_and_only_to_be_read(hub: Hub) -> None:
    statement = by_sid(hub.release, "Code")
    assert set(statement) == {"TheOrganizationReads", "TLS only"}
    reads = statement["TheOrganizationReads"]
    assert (reads["Effect"], reads["Action"]) == ("Allow", "s3:GetObject")
    assert reads["Condition"] == {"StringEquals": {"aws:PrincipalOrgID": {"Ref": "OrganizationId"}}}


@pytest.mark.parametrize(("stack", "bucket"), [("release", "Code"), ("centre", "Reports")])
def test_a_bucket_is_private_versioned_and_outlives_its_stack(hub: Hub, stack: str, bucket: str) -> None:
    template: Template = getattr(hub, stack)
    resource = of_type(template, "AWS::S3::Bucket")[bucket]
    assert resource["DeletionPolicy"] == "Retain"
    found = resource["Properties"]
    assert found["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(found["PublicAccessBlockConfiguration"].values()) == {True}
    assert found["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    (expiry,) = found["LifecycleConfiguration"]["Rules"]
    assert expiry["NoncurrentVersionExpiration"] == {"NoncurrentDays": 400}
    tls = by_sid(template, bucket)["TLS only"]
    assert (tls["Effect"], tls["Condition"]) == ("Deny", {"Bool": {"aws:SecureTransport": "false"}})


def test_the_code_that_is_published_is_the_code_that_the_accounts_ask_for(hub: Hub) -> None:
    """The same sources are the same object, whichever template names it."""
    assets = json.loads((hub.assembly / "AccessKeyRotationOrganization.assets.json").read_text())["files"]
    published = {
        (where["bucketName"], where["objectKey"])
        for asset in assets.values()
        if asset["source"]["packaging"] == "zip"
        for where in asset["destinations"].values()
    }
    for function in resources(hub.member, "AWS::Lambda::Function"):
        code = function["Properties"]["Code"]
        bucket = text(hub.member, code["S3Bucket"]).replace("${CentreAccountId}", "${AWS::AccountId}")
        assert {(bucket, code["S3Key"])} == published


def test_the_published_template_is_the_one_that_the_tests_of_a_member_read(hub: Hub, tmp_path: Path) -> None:
    anew = synthesize_member(tmp_path)
    assert anew["Resources"].keys() == hub.member["Resources"].keys()
    assert anew["Parameters"] == hub.member["Parameters"]


def stack_set(template: Template) -> dict[str, Any]:
    return properties(template, "AWS::CloudFormation::StackSet", "Members")


def given(template: Template) -> dict[str, str]:
    return {
        each["ParameterKey"]: text(template, each["ParameterValue"])
        for each in stack_set(template)["Parameters"]
    }


def test_the_stackset_deploys_to_the_units_by_itself_and_leaves_a_stack_where_an_account_leaves(
    deployed: Template,
) -> None:
    found = stack_set(deployed)
    assert found["StackSetName"] == STACK_SET_NAME
    assert found["PermissionModel"] == "SERVICE_MANAGED"
    assert found["CallAs"] == "DELEGATED_ADMIN"
    assert found["AutoDeployment"] == {"Enabled": True, "RetainStacksOnAccountRemoval": True}
    assert found["Capabilities"] == ["CAPABILITY_NAMED_IAM"]
    assert found["OperationPreferences"] == {"FailureTolerancePercentage": 10, "MaxConcurrentPercentage": 25}


def test_every_account_begins_in_audit_and_is_in_enforce_by_its_unit(deployed: Template) -> None:
    assert given(deployed)["Mode"] == "Audit"
    audit, enforce = stack_set(deployed)["StackInstancesGroup"]
    assert audit == {
        "Regions": [{"Ref": "AWS::Region"}],
        "DeploymentTargets": {"OrganizationalUnitIds": UNITS},
    }
    assert enforce == {
        "Regions": [{"Ref": "AWS::Region"}],
        "DeploymentTargets": {"OrganizationalUnitIds": STRICT},
        "ParameterOverrides": [{"ParameterKey": "Mode", "ParameterValue": "Enforce"}],
    }


def test_without_a_unit_for_enforce_there_is_one_group_only(hub: Hub) -> None:
    none = with_parameters(hub.centre, OrganizationId=ORGANIZATION, OrganizationalUnitIds=UNITS)
    assert len(stack_set(none)["StackInstancesGroup"]) == 1


def test_every_parameter_of_an_account_is_given_by_the_stackset(hub: Hub, deployed: Template) -> None:
    assert given(deployed).keys() == parameters_of(hub.member).keys()
    changed = with_parameters(
        hub.centre,
        OrganizationId=ORGANIZATION,
        OrganizationalUnitIds=UNITS,
        OverlapDays="20",
        RunAt="03:00",
        OperatorArns="arn:aws:iam::123456789012:role/on-call",
    )
    differs = {name: value for name, value in given(changed).items() if value != given(deployed)[name]}
    assert differs == {
        "OverlapDays": "20",
        "RunAt": "03:00",
        "OperatorArns": "arn:aws:iam::123456789012:role/on-call",
    }


def test_the_digest_understands_the_environment_it_is_given(deployed: Template) -> None:
    put_in = {
        "Reports": reports.bucket_of(CENTRE, REGION),
        "Digests/Topic": f"arn:aws:sns:{REGION}:{CENTRE}:digests",
        "Accounts": f"arn:aws:sns:{REGION}:{CENTRE}:accounts",
    }
    variables = properties(deployed, "AWS::Lambda::Function", "Digest/Function")["Environment"]["Variables"]
    environment = {
        name: re.sub(r"\$\{([^}]+)\}", lambda found: put_in[found[1]], text(deployed, value))
        for name, value in variables.items()
    }
    settings = CentreSettings.parse(environment)
    assert (settings.account, settings.call_as, settings.stack_set_name) == (
        CENTRE,
        "DELEGATED_ADMIN",
        STACK_SET_NAME,
    )


def test_the_digest_is_made_some_hours_after_the_runs(deployed: Template) -> None:
    schedule = properties(deployed, "AWS::Scheduler::Schedule", "Daily")
    assert text(deployed, schedule["ScheduleExpression"]) == "cron(00 10 * * ? *)"
    assert given(deployed)["RunAt"] == "06:00"


def test_two_alarms_go_to_the_topic_of_the_digest_and_it_lets_no_other_in(hub: Hub) -> None:
    alarms = of_type(hub.centre, "AWS::CloudWatch::Alarm")
    assert set(alarms) == set(ALARMS)
    for each in alarms.values():
        assert [text(hub.centre, action) for action in each["Properties"]["AlarmActions"]] == [
            "${Digests/Topic}"
        ]
    policies = of_type(hub.centre, "AWS::SNS::TopicPolicy").values()
    speaks = [each for one in policies for each in one["Properties"]["PolicyDocument"]["Statement"]]
    lets_in = [each for each in speaks if each["Effect"] == "Allow"]
    assert [each["Principal"] for each in lets_in] == [{"Service": "cloudwatch.amazonaws.com"}]
    assert len([each for each in speaks if each.get("Sid") == "NobodyElseSpeaks"]) == 2


def test_cdk_nag_finds_nothing_that_is_not_acknowledged(tmp_path: Path) -> None:
    app = app_in(tmp_path)
    organization(app)
    assert found(app) == set()


def test_no_template_is_too_large_for_a_request(hub: Hub) -> None:
    sizes = {
        name: len(json.dumps(template, separators=(",", ":")))
        for name, template in (("release", hub.release), ("centre", hub.centre), ("member", hub.member))
    }
    assert {name: size for name, size in sizes.items() if size >= 51_200} == {}


def test_neither_stack_asks_for_a_bootstrap(hub: Hub) -> None:
    for template in (hub.release, hub.centre):
        assert "BootstrapVersion" not in template["Parameters"]
        assert "Rules" not in template


def test_every_parameter_says_what_it_means_and_stands_in_the_form(hub: Hub) -> None:
    form = hub.centre["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in form["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(parameters_of(hub.centre))
    for name, each in parameters_of(hub.centre).items():
        assert len(each["Description"]) >= 20
        assert each["ConstraintDescription"].startswith(f"{name} must be ")


@pytest.mark.parametrize(
    ("name", "taken", "refused"),
    [
        ("OrganizationId", ["o-abcdefghij"], ["", "o-short", "abcdefghij", "o-ABCDEFGHIJ", "*"]),
        ("OrganizationalUnitIds", [UNITS, "r-ab12"], ["", "ou-ab12", "*", "123456789012"]),
        ("EnforceOrganizationalUnitIds", ["", UNITS], ["*", "all"]),
    ],
)
def test_a_parameter_takes_what_is_meant_and_refuses_the_rest(
    hub: Hub, name: str, taken: list[str], refused: list[str]
) -> None:
    pattern = re.compile(hub.centre["Parameters"][name]["AllowedPattern"])
    assert [each for each in taken if not pattern.fullmatch(each)] == []
    assert [each for each in refused if pattern.fullmatch(each)] == []
