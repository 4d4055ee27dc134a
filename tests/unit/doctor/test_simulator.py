"""What the policy simulator says of boundaries and service control policies, which no emulator has."""

from collections.abc import Mapping
from typing import Any

import pytest

from infra.doctor import simulator
from infra.doctor.findings import Finding, Level
from tests.unit.doctor.answers import Client, refuses, role_with, stack_of, told

USERS = "arn:aws:iam::111122223333:user/apps/*"
CREATE = {"Effect": "Allow", "Action": "iam:CreateAccessKey", "Resource": USERS}
READ = {
    "Effect": "Allow",
    "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage"],
    "Resource": ["queue-a", "queue-b"],
}
NEVER = {"Effect": "Deny", "Action": "secretsmanager:GetSecretValue", "Resource": "*"}


def said(
    answer: Any = None, *statements: Mapping[str, Any], answers: Any = None
) -> tuple[list[Finding], list[dict[str, Any]]]:
    """The findings of one role, and what was asked; every action gets this answer."""

    def simulate(**request: Any) -> Any:
        results = [{"EvalActionName": action, **answer} for action in request["ActionNames"]]
        return {"EvaluationResults": results, "IsTruncated": False}

    iam = Client({"SimulatePrincipalPolicy": answers or simulate})
    stack = stack_of(("iam", iam), resources={"Role": role_with(*statements)})
    return told(simulator.looks(stack)), [request for _, request in iam.asked]


ALLOWED = {"EvalDecision": "allowed"}
IMPLICIT = {"EvalDecision": "implicitDeny"}


def test_what_is_allowed_is_counted_for_every_action_on_every_resource() -> None:
    (found,), asked = said(ALLOWED, CREATE, READ)
    assert (found.level, found.what) == (Level.OK, "may Role")
    assert found.detail.startswith("5 of 5 calls")
    assert [request["ResourceArns"] for request in asked] == [
        ["arn:aws:iam::111122223333:user/apps/example"],
        ["queue-a"],
        ["queue-b"],
    ]
    assert {request["PolicySourceArn"] for request in asked} == {"arn:aws:iam::111122223333:role/role"}


def test_the_streams_of_a_log_are_asked_about_as_a_stream() -> None:
    log = {"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "arn:aws:logs:r:1:log-group:g:*"}
    _, (request,) = said(ALLOWED, log)
    assert request["ResourceArns"] == ["arn:aws:logs:r:1:log-group:g:log-stream:example"]


SCP = {"OrganizationsDecisionDetail": {"AllowedByOrganizations": False}}
BOUNDARY = {"PermissionsBoundaryDecisionDetail": {"AllowedByPermissionsBoundary": False}}


@pytest.mark.parametrize(
    ("answer", "words", "mend"),
    [
        ({**IMPLICIT, **SCP}, "a service control policy of the organization forbids", "who administers"),
        ({"EvalDecision": "explicitDeny", **SCP}, "a service control policy", "who administers"),
        (
            {**IMPLICIT, **BOUNDARY},
            "the role's permissions boundary forbids",
            "aws iam delete-role-permissions-boundary --region eu-west-1 --role-name role",
        ),
        # AWS says it of each resource where resources are named.
        (
            {**IMPLICIT, "ResourceSpecificResults": [{"EvalResourceName": "x", **BOUNDARY}]},
            "boundary",
            "delete-role",
        ),
        (
            {**IMPLICIT, "ResourceSpecificResults": [{"EvalResourceName": "x", **SCP}]},
            "service control",
            "who",
        ),
        (IMPLICIT, "its policies do not allow", "stands under the role"),
        ({"EvalDecision": "explicitDeny"}, "one of its policies denies", "stands under the role"),
    ],
)
def test_a_call_that_is_refused_is_told_with_what_refuses_it(
    answer: dict[str, Any], words: str, mend: str
) -> None:
    (found,), _ = said(answer, CREATE)
    assert found.level is Level.FAIL
    assert words in found.detail
    assert f"iam:CreateAccessKey on {USERS}" in found.detail
    assert mend in found.mend


def test_what_another_thing_refuses_is_another_line() -> None:
    def simulate(**request: Any) -> Any:
        (resource,) = request["ResourceArns"]
        by = SCP if resource == "queue-a" else BOUNDARY
        return {
            "EvaluationResults": [
                {"EvalActionName": each, **IMPLICIT, **by} for each in request["ActionNames"]
            ]
        }

    found, _ = said(None, READ, answers=simulate)
    assert [each.detail.partition(" sqs:")[0] for each in found] == [
        "a service control policy of the organization forbids",
        "the role's permissions boundary forbids",
    ]


def test_a_condition_that_nobody_could_answer_is_not_seen_and_no_failure() -> None:
    """A service control policy may ask about what only a real call has."""
    for answer in (
        {**IMPLICIT, "MissingContextValues": ["aws:PrincipalOrgID"]},
        {**IMPLICIT, "ResourceSpecificResults": [{"MissingContextValues": ["aws:PrincipalOrgID"]}]},
    ):
        (found,), _ = said(answer, CREATE)
        assert found.level is Level.NOT_SEEN
        assert "iam:CreateAccessKey (depends on aws:PrincipalOrgID)" in found.detail


def test_what_a_role_may_never_do_must_be_denied_and_not_only_not_allowed() -> None:
    (found,), _ = said({"EvalDecision": "explicitDeny"}, NEVER)
    assert found.level is Level.OK
    for answer in (IMPLICIT, ALLOWED):
        (found,), _ = said(answer, NEVER)
        assert found.level is Level.FAIL
        assert "its policies do not deny secretsmanager:GetSecretValue" in found.detail


def test_a_call_is_made_as_the_code_makes_it() -> None:
    """The values of its own conditions; of several that it may be, one, unless the condition is about all."""
    conditions = {
        "ArnEquals": {"lambda:SourceFunctionArn": "arn:function"},
        "StringEquals": {"kms:ViaService": ["one", "another"]},
        "StringLike": {"kms:EncryptionContext:SecretARN": "secret:access-keys/*"},
        "Bool": {"secretsmanager:BlockPublicPolicy": "true"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]},
        "Null": {"aws:TagKeys": "false"},
    }
    _, (request,) = said(ALLOWED, {**CREATE, "Condition": conditions})
    context = {each["ContextKeyName"]: each for each in request["ContextEntries"]}
    assert {key: each["ContextKeyValues"] for key, each in context.items()} == {
        "aws:RequestedRegion": ["us-east-1"],
        "aws:PrincipalAccount": ["111122223333"],
        "aws:SecureTransport": ["true"],
        "lambda:SourceFunctionArn": ["arn:function"],
        "kms:ViaService": ["one"],
        "kms:EncryptionContext:SecretARN": ["secret:access-keys/example"],
        "secretsmanager:BlockPublicPolicy": ["true"],
        "aws:TagKeys": ["a", "b"],
    }
    assert context["aws:TagKeys"]["ContextKeyType"] == "stringList"
    assert context["secretsmanager:BlockPublicPolicy"]["ContextKeyType"] == "boolean"


def test_iam_is_asked_about_in_its_own_region_and_the_others_in_the_stacks() -> None:
    """A service control policy that allows some Regions only asks about that."""
    mixed = {
        "Effect": "Allow",
        "Action": ["iam:ListAccountAliases", "cloudtrail:LookupEvents"],
        "Resource": "*",
    }
    (found,), asked = said(ALLOWED, mixed)
    assert found.detail.startswith("2 of 2")
    regions = {
        tuple(request["ActionNames"]): each["ContextKeyValues"]
        for request in asked
        for each in request["ContextEntries"]
        if each["ContextKeyName"] == "aws:RequestedRegion"
    }
    assert regions == {
        ("cloudtrail:LookupEvents",): ["eu-west-1"],
        ("iam:ListAccountAliases",): ["us-east-1"],
    }


def test_a_simulator_that_may_not_be_asked_is_not_seen() -> None:
    (found,), _ = said(None, CREATE, answers=refuses("AccessDenied"))
    assert (found.level, found.mend) == (
        Level.NOT_SEEN,
        "# needs iam:SimulatePrincipalPolicy: docs/permissions.md",
    )
