"""The roles: exactly these actions on exactly these resources, in Audit and in Enforce."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from keyrotation.act.events import SOURCE

from infra.stack import AccessKeyRotation
from tests.infra.roles import ROTATOR, SCANNER, SCHEDULE, Statement, allowed, statements
from tests.infra.synthesized import Template, app_in, of_type, text

# A user who is gone has no path.
ANYBODY = "arn:${AWS::Partition}:iam::${AWS::AccountId}:user/*"
USERS = "arn:${AWS::Partition}:iam::${AWS::AccountId}:user${UserPathPrefix}*"
MEMORY = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/access-key-rotation"
SECRETS = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:access-keys/*"

SCANNER_MAY: dict[str, str | list[str]] = {
    "logs:CreateLogStream": "${Scanner/Logs.Arn}",
    "logs:PutLogEvents": "${Scanner/Logs.Arn}",
    "iam:GetAccountAuthorizationDetails": "*",
    "iam:GetAccountSummary": "*",
    "iam:ListAccountAliases": "*",
    "iam:ListAccessKeys": ANYBODY,
    "dynamodb:Scan": MEMORY,
    # Its order, and what Lambda writes as this role: a firing on which the scanner failed for the last time.
    "sqs:SendMessage": ["${Daily/DeadLetters.Arn}", "${Orders/Queue.Arn}"],
}
TAKE_NO_RESOURCE = {"iam:GetAccountAuthorizationDetails", "iam:GetAccountSummary", "iam:ListAccountAliases"}
ROTATOR_ALWAYS_MAY: dict[str, str | list[str]] = {
    "logs:CreateLogStream": "${Rotator/Logs.Arn}",
    "logs:PutLogEvents": "${Rotator/Logs.Arn}",
    "sqs:ReceiveMessage": "${Orders/Queue.Arn}",
    "sqs:DeleteMessage": "${Orders/Queue.Arn}",
    "sqs:ChangeMessageVisibility": "${Orders/Queue.Arn}",
    "sqs:GetQueueAttributes": "${Orders/Queue.Arn}",
    "iam:GetAccountAuthorizationDetails": "*",
    "iam:GetUser": ANYBODY,
    "iam:ListAccessKeys": ANYBODY,
    "iam:GetAccessKeyLastUsed": USERS,
    "iam:ListAttachedUserPolicies": USERS,
    "dynamodb:Scan": MEMORY,
    "dynamodb:GetItem": MEMORY,
    "dynamodb:UpdateItem": MEMORY,
    "dynamodb:DeleteItem": MEMORY,
    "secretsmanager:DescribeSecret": SECRETS,
    "sns:Publish": ["${Alerts/Topic}", "${Bulletins/Chat}", "${Bulletins/Owners}"],
    "cloudtrail:LookupEvents": "*",
    "sns:ListSubscriptionsByTopic": ["${Alerts/Topic}", "${Bulletins/Owners}"],
    "sns:GetSubscriptionAttributes": "*",
}
ROTATOR_ENFORCING_MAY: dict[str, str | list[str]] = {
    "iam:CreateAccessKey": USERS,
    "iam:UpdateAccessKey": USERS,
    "iam:DeleteAccessKey": USERS,
    "iam:UntagUser": USERS,
    "secretsmanager:CreateSecret": SECRETS,
    "secretsmanager:RestoreSecret": SECRETS,
    "secretsmanager:PutResourcePolicy": SECRETS,
    "secretsmanager:GetResourcePolicy": SECRETS,
    "secretsmanager:PutSecretValue": SECRETS,
    "secretsmanager:UpdateSecretVersionStage": SECRETS,
    "events:PutEvents": "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:event-bus/default",
}
ROTATOR_ENCRYPTING_MAY: dict[str, str | list[str]] = {
    "secretsmanager:UpdateSecret": SECRETS,
    "kms:GenerateDataKey": "${SecretsKmsKeyArn}",
    "kms:Decrypt": "${SecretsKmsKeyArn}",
    "kms:Encrypt": "${SecretsKmsKeyArn}",
}
KMS_KEY = "arn:aws:kms:eu-west-1:123456789012:key/mine"
SCHEDULE_MAY = {
    "lambda:InvokeFunction": "${Scanner/Function.Arn}",
    "sqs:SendMessage": "${Daily/DeadLetters.Arn}",
}

ROLES = [SCANNER, ROTATOR, SCHEDULE]
MODES = ["Audit", "Enforce"]


def may(template: Template, role: str, *, mode: str) -> dict[str, list[str]]:
    return {action: sorted(resources) for action, resources in allowed(template, role, mode=mode).items()}


def as_the_rotator(statement: Statement) -> dict[str, Any]:
    """What it has of that; the test of its own says what it is."""
    return {"ArnEquals": statement.conditions["ArnEquals"]}


def exactly(grants: Mapping[str, str | list[str]]) -> dict[str, list[str]]:
    return {action: [on] if isinstance(on, str) else on for action, on in grants.items()}


def test_there_are_no_roles_but_the_three_and_no_policies_on_anything_else(template: Template) -> None:
    assert sorted(of_type(template, "AWS::IAM::Role")) == sorted(ROLES)
    others = {
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::UserPolicy",
        "AWS::IAM::RolePolicy",
        "AWS::IAM::GroupPolicy",
    }
    assert [each["Type"] for each in template["Resources"].values() if each["Type"] in others] == []
    attached = {
        text(template, role)
        for policy in of_type(template, "AWS::IAM::Policy").values()
        for role in policy["Properties"]["Roles"]
    }
    assert attached <= {f"${{{role}}}" for role in ROLES}


@pytest.mark.parametrize("mode", MODES)
def test_the_scanner_may_read_and_send_in_either_mode(template: Template, mode: str) -> None:
    assert may(template, SCANNER, mode=mode) == exactly(SCANNER_MAY)


@pytest.mark.parametrize("mode", MODES)
def test_the_scanner_has_no_iam_or_secrets_manager_write(template: Template, mode: str) -> None:
    touching = {
        action
        for action in may(template, SCANNER, mode=mode)
        if action.startswith(("iam:", "secretsmanager:"))
    }
    assert touching == {*TAKE_NO_RESOURCE, "iam:ListAccessKeys"}


def test_in_audit_mode_the_rotator_may_look_and_tell_and_nothing_else(template: Template) -> None:
    assert may(template, ROTATOR, mode="Audit") == exactly(ROTATOR_ALWAYS_MAY)


def test_in_enforce_mode_the_rotator_may_also_change_keys_and_write_secrets(template: Template) -> None:
    assert may(template, ROTATOR, mode="Enforce") == exactly({**ROTATOR_ALWAYS_MAY, **ROTATOR_ENFORCING_MAY})


def test_with_a_key_for_the_secrets_the_rotator_may_also_use_it_and_only_to_enforce(
    template: Template,
) -> None:
    granted = allowed(template, ROTATOR, mode="Enforce", kms_key=KMS_KEY)
    assert {action: sorted(resources) for action, resources in granted.items()} == exactly(
        {**ROTATOR_ALWAYS_MAY, **ROTATOR_ENFORCING_MAY, **ROTATOR_ENCRYPTING_MAY}
    )
    assert allowed(template, ROTATOR, mode="Audit", kms_key=KMS_KEY).keys() == ROTATOR_ALWAYS_MAY.keys()


def test_the_rotator_uses_that_key_by_way_of_secrets_manager_alone(template: Template) -> None:
    [statement] = [
        each
        for each in statements(template, ROTATOR, mode="Enforce", kms_key=KMS_KEY)
        if any(action.startswith("kms:") for action in each.actions)
    ]
    assert statement.conditions.keys() == {"StringEquals", "StringLike"}
    # And for the secrets of this system alone.
    within = statement.conditions["StringLike"]
    assert {key: text(template, each) for key, each in within.items()} == {
        "kms:EncryptionContext:SecretARN": SECRETS
    }
    assert {text(template, each) for each in statement.conditions["StringEquals"]["kms:ViaService"]} == {
        "secretsmanager.${AWS::Region}.amazonaws.com",
        "secretsmanager.${AWS::Region}.${AWS::URLSuffix}",
    }


@pytest.mark.parametrize("mode", MODES)
def test_the_rotator_cannot_read_a_secret_back_or_give_anyone_a_policy(template: Template, mode: str) -> None:
    granted = may(template, ROTATOR, mode=mode)
    reads = {"secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue"}
    assert reads.isdisjoint(granted)
    assert "iam:PutUserPolicy" not in granted
    # And nothing that is attached to the role later, or that a secret's policy says, makes it a reader.
    denied = [each for each in statements(template, ROTATOR, mode=mode) if each.effect == "Deny"]
    assert [(set(each.actions), set(each.resources), each.conditions) for each in denied] == [
        (reads, {"*"}, {})
    ]


def test_the_rotator_writes_no_tag_and_removes_none_but_the_one_that_asks_for_a_replacement(
    template: Template,
) -> None:
    assert "iam:TagUser" not in may(template, ROTATOR, mode="Enforce")
    [untagging] = [
        each for each in statements(template, ROTATOR, mode="Enforce") if "iam:UntagUser" in each.actions
    ]
    assert (set(untagging.actions), untagging.conditions) == (
        {"iam:UntagUser"},
        {
            "ForAllValues:StringEquals": {"aws:TagKeys": ["access-key-rotation:replace"]},
            # Without this, a request that names no tag at all would pass.
            "Null": {"aws:TagKeys": "false"},
            **as_the_rotator(untagging),
        },
    )


def test_in_enforce_the_role_changes_keys_and_secrets_as_the_rotators_own_code_and_in_no_other_function(
    template: Template,
) -> None:
    """With a key for the secrets too: UpdateSecret can change what is in one."""
    always = statements(template, ROTATOR, mode="Audit")
    besides = [
        each
        for each in statements(template, ROTATOR, mode="Enforce", kms_key=KMS_KEY)
        if each not in always and not all(action.startswith("kms:") for action in each.actions)
    ]
    assert {"secretsmanager:UpdateSecret", "iam:CreateAccessKey"} <= {
        action for each in besides for action in each.actions
    }
    for each in besides:
        arn = each.conditions["ArnEquals"]["lambda:SourceFunctionArn"]
        assert text(template, arn) == "${Rotator/Function.Arn}"


def test_the_rotator_puts_a_policy_on_a_secret_only_where_secrets_manager_refuses_a_public_one(
    template: Template,
) -> None:
    [statement] = [
        each
        for each in statements(template, ROTATOR, mode="Enforce")
        if "secretsmanager:PutResourcePolicy" in each.actions
    ]
    assert statement.actions == {"secretsmanager:PutResourcePolicy"}
    assert statement.conditions == {
        "Bool": {"secretsmanager:BlockPublicPolicy": "true"},
        **as_the_rotator(statement),
    }


def test_the_rotator_sends_events_in_its_own_name_only(template: Template) -> None:
    [statement] = [
        each for each in statements(template, ROTATOR, mode="Enforce") if "events:PutEvents" in each.actions
    ]
    assert statement.conditions == {
        "ForAllValues:StringEquals": {"events:source": [SOURCE]},
        # Without this, a request that names no source at all would pass.
        "Null": {"events:source": "false"},
        **as_the_rotator(statement),
    }


def test_the_schedule_may_invoke_the_scanner_and_leave_dead_letters(template: Template) -> None:
    assert may(template, SCHEDULE, mode="Enforce") == exactly(SCHEDULE_MAY)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("role", ROLES)
def test_no_allowed_action_has_a_wildcard(template: Template, role: str, mode: str) -> None:
    granted = allowed(template, role, mode=mode, kms_key=KMS_KEY)
    assert [action for action in granted if "*" in action or "?" in action] == []


@pytest.mark.parametrize("role", ROLES)
def test_every_resource_is_named_but_that_of_the_calls_that_take_none(template: Template, role: str) -> None:
    anything = {
        action
        for action, resources in allowed(template, role, mode="Enforce", kms_key=KMS_KEY).items()
        if "*" in resources
    }
    assert anything <= TAKE_NO_RESOURCE | {"cloudtrail:LookupEvents", "sns:GetSubscriptionAttributes"}


@pytest.mark.parametrize(
    ("role", "service"),
    [
        (SCANNER, "lambda.amazonaws.com"),
        (ROTATOR, "lambda.amazonaws.com"),
        (SCHEDULE, "scheduler.amazonaws.com"),
    ],
)
def test_a_role_is_assumed_by_its_service_alone(template: Template, role: str, service: str) -> None:
    trust = of_type(template, "AWS::IAM::Role")[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    assert [(each["Effect"], each["Action"], each["Principal"]) for each in trust] == [
        ("Allow", "sts:AssumeRole", {"Service": service})
    ]


def test_the_scheduler_assumes_its_role_for_this_account_only(template: Template) -> None:
    trust = of_type(template, "AWS::IAM::Role")[SCHEDULE]["Properties"]["AssumeRolePolicyDocument"][
        "Statement"
    ]
    assert trust[0]["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_the_rotators_role_has_the_name_that_secrets_policies_rely_on(template: Template) -> None:
    assert (
        of_type(template, "AWS::IAM::Role")[ROTATOR]["Properties"]["RoleName"]
        == "access-key-rotation-rotator"
    )


def test_a_permissions_boundary_in_the_context_is_on_every_role(tmp_path: Path) -> None:
    """As docs/other-tools.md says it: accounts where every role must have one."""
    app = app_in(tmp_path)
    app.node.set_context("@aws-cdk/core:permissionsBoundary", {"name": "developer-boundary"})
    stack = AccessKeyRotation(app, "AccessKeyRotation")
    template: Template = app.synth().get_stack_by_name(stack.stack_name).template

    roles = of_type(template, "AWS::IAM::Role")

    assert len(roles) == len(ROLES)
    boundaries = [text(template, role["Properties"]["PermissionsBoundary"]) for role in roles.values()]
    assert boundaries == ["arn:${AWS::Partition}:iam::${AWS::AccountId}:policy/developer-boundary"] * len(
        ROLES
    )
