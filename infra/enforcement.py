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
    change = [
        replace(each, conditions=each.conditions | as_the_code_of(function))
        for each in permissions.rotator_enforcing(stack=stack, parameters=parameters)
    ]
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


def as_the_code_of(function: lam.IFunction) -> dict[str, dict[str, object]]:
    """The condition that the function's own code makes the call: a session of its role that another function has is none.

    Lambda sets the key for what the code asks, and for that alone: what Lambda or Secrets Manager asks in its place, such as
    the queue or a KMS key, has it not.
    """
    return {"ArnEquals": {"lambda:SourceFunctionArn": function.function_arn}}


def _attach(policy: iam.Policy, grants: Sequence[Grant], *, only_if: cdk.CfnCondition) -> None:
    policy.add_statements(*(grant.statement() for grant in grants))
    acknowledge_wildcards(policy, grants)
    resource = policy.node.default_child
    if not isinstance(resource, iam.CfnPolicy):
        raise TypeError("the CDK no longer makes an AWS::IAM::Policy of an iam.Policy")
    resource.cfn_options.condition = only_if
