"""`make permissions`: docs/permissions.md, made of the stack itself, so that it cannot say anything else than what is deployed."""

import json
import sys
from collections.abc import Iterator
from typing import Any

import aws_cdk as cdk

from infra.doctor.reads import READS
from infra.grants import Grant
from infra.pages import code, row, synthesized

_HEAD = """# Permissions

Made by `make permissions` from `infra/permissions.py` and the policies of the queues, the topic, its key and the table; a
test compares it with the template. Where a condition stands, the action is allowed only if it holds. No Allow names an
action by a wildcard. What the secrets' own policy says is in
[secret_policy.py](../functions/keyrotation/act/secret_policy.py), word for word.

"""
_ROLES = """## What the roles may do

| role | when | action | on | condition | needed by |
|---|---|---|---|---|---|
"""
_NEVER = """
## What a role may never do

On everything, and whatever another policy allows it.

| role | action | because |
|---|---|---|
"""
_POLICIES = """
## What the queues, the topic, its key and the table say

A denial here holds whatever a caller's own policies allow.

| of | effect | who | action | condition | statement |
|---|---|---|---|---|---|
"""
_WILDCARDS = """
## Why a resource has a wildcard

"""
_DOCTOR = """
## What `make doctor` asks of its caller

All of it only reads. As a policy to attach:

"""
# Where the policy stands, and what names the resources that it is of; None: the one that it stands in.
_OF_RESOURCES = {
    "AWS::SQS::QueuePolicy": (["PolicyDocument"], "Queues"),
    "AWS::SNS::TopicPolicy": (["PolicyDocument"], "Topics"),
    "AWS::KMS::Key": (["KeyPolicy"], None),
    "AWS::DynamoDB::Table": (["ResourcePolicy", "PolicyDocument"], None),
}


def table() -> str:
    """The whole document."""
    stack, template = synthesized()
    names = {
        stack.resolve(each.logical_id): each.node.path.partition("/")[2].removesuffix("/Resource")
        for each in stack.node.find_all()
        if isinstance(each, cdk.CfnElement)
    }
    roles = [
        row(granted.role, granted.when, *_granted(stack, names, grant))
        for granted in stack.granted
        for grant in granted.grants
    ]
    wildcards = {
        _text(names, stack.resolve(grant.resource.arn)): grant.resource.wildcard_because
        for granted in stack.granted
        for grant in granted.grants
        if grant.resource.wildcard_because
    }
    because = [f"- {code(arn)}: {reason}\n" for arn, reason in wildcards.items()]
    never = [
        row(granted.role, "<br>".join(code(action) for action in denial.actions), denial.because)
        for granted in stack.granted
        for denial in granted.denials
    ]
    policies = list(_resource_policies(template, names))
    return "".join(
        [_HEAD, _ROLES, *roles, _NEVER, *never, _POLICIES, *policies, _WILDCARDS, *because, *_doctor()]
    )


def _doctor() -> Iterator[str]:
    yield _DOCTOR
    reads = {"Effect": "Allow", "Action": sorted(READS.values()), "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [reads]}, indent=2)
    yield from (f"    {line}\n" for line in policy.splitlines())


def _granted(stack: cdk.Stack, names: dict[str, str], grant: Grant) -> Iterator[str]:
    yield "<br>".join(code(action) for action in grant.actions)
    yield code(_text(names, stack.resolve(grant.resource.arn)))
    yield _condition(names, stack.resolve(dict(grant.conditions)))
    yield grant.needed_by


def _resource_policies(template: dict[str, Any], names: dict[str, str]) -> Iterator[str]:
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] not in _OF_RESOURCES:
            continue
        within, subjects = _OF_RESOURCES[resource["Type"]]
        properties = document = resource["Properties"]
        for name in within:
            document = document[name]
        of = (
            [names[logical_id]] if subjects is None else [_text(names, each) for each in properties[subjects]]
        )
        for statement in document["Statement"]:
            yield row(
                ", ".join(of).removeprefix("${").removesuffix("}"),
                statement["Effect"],
                _principal(names, statement["Principal"]),
                "<br>".join(code(action) for action in _listed(statement["Action"])),
                _condition(names, statement.get("Condition", {})),
                statement.get("Sid", "TLS only"),
            )


def _principal(names: dict[str, str], principal: Any) -> str:
    if principal == "*":
        return "anybody"
    [(_, value)] = principal.items()
    return "anybody" if value == "*" else code(_text(names, value))


def _condition(names: dict[str, str], conditions: dict[str, dict[str, Any]]) -> str:
    return "<br>".join(
        f"{operator} {code(key)} " + ", ".join(code(_text(names, each)) for each in _listed(value))
        for operator, keys in conditions.items()
        for key, value in keys.items()
    )


def _text(names: dict[str, str], value: Any) -> str:
    """As in Fn::Sub, with construct paths for logical ids, which change with the CDK's hashes."""
    match value:
        case str():
            return value
        case {"Ref": str(name)}:
            return f"${{{names.get(name, name)}}}"
        case {"Fn::GetAtt": [logical_id, attribute]}:
            return f"${{{names[logical_id]}.{attribute}}}"
        case {"Fn::Join": ["", parts]}:
            return "".join(_text(names, part) for part in parts)
        case {"Fn::If": [_, then, [otherwise]]}:
            # A list that is a parameter, and what stands for it when it is empty.
            return f"{_text(names, then)} (empty: {otherwise})"
    raise ValueError(f"an intrinsic function that no policy of ours has had yet: {value}")


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


if __name__ == "__main__":
    sys.stdout.write(table())
