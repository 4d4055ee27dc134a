"""Each role: all its policies against the template's, statement by statement; who may assume it; what else it was given."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from infra.doctor.examine import Look
from infra.doctor.findings import Finding, fail, note, ok
from infra.doctor.mend import as_json, aws
from infra.doctor.policies import differences, statements
from infra.doctor.stack import Stack
from infra.doctor.template import Deployed


def looks(stack: Stack) -> Iterator[Look]:
    for logical_id in stack.deployed.resources("AWS::IAM::Role"):
        yield name_of(stack.deployed, logical_id), partial(_role, stack, logical_id)


def name_of(deployed: Deployed, logical_id: str) -> str:
    """On the page: `role Scanner`."""
    return f"role {deployed.path(logical_id).removesuffix('/Role')}"


def wanted_policies(deployed: Deployed, logical_id: str) -> dict[str, Any]:
    """Every policy that the template gives a role, by the policy's name. Raises Unresolved."""
    inline = deployed.properties(logical_id).get("Policies", [])
    wanted = {each["PolicyName"]: each["PolicyDocument"] for each in inline}
    role = deployed.physical_id(logical_id)
    for policy in deployed.resources("AWS::IAM::Policy"):
        properties = deployed.properties(policy)
        if role in properties.get("Roles", []):
            wanted[properties["PolicyName"]] = properties["PolicyDocument"]
    return wanted


def _role(stack: Stack, logical_id: str) -> Iterator[Finding]:
    iam, role = stack.client("iam"), stack.deployed.physical_id(logical_id)
    what = name_of(stack.deployed, logical_id)
    wanted = wanted_policies(stack.deployed, logical_id)
    names = [
        name
        for page in iam.get_paginator("list_role_policies").paginate(RoleName=role)
        for name in page.get("PolicyNames", [])
    ]
    found = {name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"] for name in names}
    wrong = [*_policies(stack, what, role, wanted, found), *_attached(stack, what, role)]
    described = iam.get_role(RoleName=role)["Role"]
    trusted = stack.deployed.properties(logical_id)["AssumeRolePolicyDocument"]
    if different := differences(trusted, described.get("AssumeRolePolicyDocument")):
        wrong.append(
            fail(
                what,
                f"who may assume it is not the template's: {'; '.join(different)}",
                aws(
                    "iam update-assume-role-policy",
                    region=stack.region,
                    role_name=role,
                    policy_document=as_json(trusted),
                ),
            )
        )
    yield from wrong
    if not wrong:
        count = sum(len(statements(each)) for each in wanted.values())
        yield ok(
            what, f"{count} statements, each the template's; no other policy; assumed by whom it should be"
        )
    if boundary := described.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn"):
        yield note(
            what, f"has the permissions boundary {boundary}: what that leaves, the simulator says below"
        )


def _policies(
    stack: Stack, what: str, role: str, wanted: Mapping[str, Any], found: Mapping[str, Any]
) -> Iterator[Finding]:
    for name in sorted(wanted.keys() | found.keys()):
        different = differences(wanted.get(name), found.get(name))
        if not different:
            continue
        mend = (
            aws(
                "iam put-role-policy",
                region=stack.region,
                role_name=role,
                policy_name=name,
                policy_document=as_json(wanted[name]),
            )
            if name in wanted
            else aws("iam delete-role-policy", region=stack.region, role_name=role, policy_name=name)
        )
        yield fail(what, f"its policy {name}: {'; '.join(different)}", mend)


def _attached(stack: Stack, what: str, role: str) -> Iterator[Finding]:
    """The template attaches none, whose words AWS, or whoever owns the policy, may change."""
    pages = stack.client("iam").get_paginator("list_attached_role_policies").paginate(RoleName=role)
    for page in pages:
        for each in page.get("AttachedPolicies", []):
            arn = each["PolicyArn"]
            yield fail(
                what,
                f"somebody attached the managed policy {arn}",
                aws("iam detach-role-policy", region=stack.region, role_name=role, policy_arn=arn),
            )
