"""The policies that let the rotator change keys and secrets. In Audit mode they do not exist."""

from collections.abc import Sequence
from dataclasses import replace

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lam

from infra import permissions
from infra.grants import Grant, Granted, acknowledge_wildcards
from infra.parameters import Parameters


def enforce(
    stack: cdk.Stack, *, parameters: Parameters, role: iam.IRole, function: lam.IFunction
) -> list[Granted]:
    """Two policies for `role`, which it has as `function` alone: with Mode=Enforce, and with Mode=Enforce where secrets have a key of their own."""
    enforcing = cdk.Fn.condition_equals(parameters.mode.value_as_string, "Enforce")
    no_key = cdk.Fn.condition_equals(parameters.secrets_kms_key_arn.value_as_string, "")
    change = of_the_code(function, permissions.rotator_enforcing(stack=stack, parameters=parameters))
    encrypt = of_the_code(function, permissions.rotator_encrypting(stack=stack, parameters=parameters))
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


def of_the_code(function: lam.IFunction, grants: Sequence[Grant]) -> list[Grant]:
    """These, for calls that the function's own code makes: a session of its role that another function has makes none.

    Lambda sets the key for what the code asks. Of what Secrets Manager then asks KMS in its place nobody documents that it
    has the key too: that is bound to Secrets Manager instead.
    """
    own_code: dict[str, dict[str, object]] = {
        "ArnEquals": {"lambda:SourceFunctionArn": function.function_arn}
    }
    return [
        each
        if all(action.startswith("kms:") for action in each.actions)
        else replace(each, conditions=each.conditions | own_code)
        for each in grants
    ]


def _attach(policy: iam.Policy, grants: Sequence[Grant], *, only_if: cdk.CfnCondition) -> None:
    policy.add_statements(*(grant.statement() for grant in grants))
    acknowledge_wildcards(policy, grants)
    resource = policy.node.default_child
    if not isinstance(resource, iam.CfnPolicy):
        raise TypeError("the CDK no longer makes an AWS::IAM::Policy of an iam.Policy")
    resource.cfn_options.condition = only_if
