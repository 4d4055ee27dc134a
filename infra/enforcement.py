"""The policies that let the rotator change keys and secrets. In Audit mode they do not exist."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from infra import permissions
from infra.grants import Grant, Granted, acknowledge_wildcards
from infra.parameters import Parameters


def enforce(stack: cdk.Stack, *, parameters: Parameters, role: iam.IRole) -> list[Granted]:
    """Two policies for `role`: with Mode=Enforce, and with Mode=Enforce where secrets have a key of their own."""
    enforcing = cdk.Fn.condition_equals(parameters.mode.value_as_string, "Enforce")
    no_key = cdk.Fn.condition_equals(parameters.secrets_kms_key_arn.value_as_string, "")
    change = permissions.rotator_enforcing(stack=stack, parameters=parameters)
    encrypt = permissions.rotator_encrypting(stack=stack, parameters=parameters)
    _attach(
        iam.Policy(stack, "Enforcement", roles=[role]),
        change,
        only_if=cdk.CfnCondition(stack, "Enforcing", expression=enforcing),
    )
    _attach(
        iam.Policy(stack, "Encryption", roles=[role]),
        encrypt,
        only_if=cdk.CfnCondition(
            stack, "Encrypting", expression=cdk.Fn.condition_and(enforcing, cdk.Fn.condition_not(no_key))
        ),
    )
    return [
        Granted(role="rotator", when="Mode=Enforce", grants=change),
        Granted(role="rotator", when="Mode=Enforce, with SecretsKmsKeyArn", grants=encrypt),
    ]


def _attach(policy: iam.Policy, grants: Sequence[Grant], *, only_if: cdk.CfnCondition) -> None:
    policy.add_statements(*(grant.statement() for grant in grants))
    acknowledge_wildcards(policy, grants)
    resource = policy.node.default_child
    if not isinstance(resource, iam.CfnPolicy):
        raise TypeError("the CDK no longer makes an AWS::IAM::Policy of an iam.Policy")
    resource.cfn_options.condition = only_if
