"""What permissions boundaries and service control policies leave of what each role may do, as IAM's policy simulator says.

It is asked for every Allow of docs/permissions.md that is deployed, on each resource. It evaluates no policy of a resource:
queues, topic, key, table and secrets are compared by their words instead, and resource control policies are seen by nobody.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from infra.doctor.examine import Look
from infra.doctor.findings import Finding, fail, not_seen, ok
from infra.doctor.mend import aws
from infra.doctor.roles import wanted_policies
from infra.doctor.stack import Stack

# Conditions that name the values that a call of ours has.
_BY_VALUE = ("StringEquals", "StringLike", "ArnEquals", "ArnLike", "ForAllValues:StringEquals", "Bool")
_MOST_NAMED = 4
# Where IAM is, whatever Region a call comes from: service control policies ask about it.
_IAMS_REGION = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}


def looks(stack: Stack) -> Iterator[Look]:
    for logical_id in stack.deployed.resources("AWS::IAM::Role"):
        what = f"may {stack.deployed.path(logical_id).removesuffix('/Role')}"
        yield what, partial(_role, stack, logical_id, what)


def _role(stack: Stack, logical_id: str, what: str) -> Iterator[Finding]:
    arn = stack.deployed.arn(logical_id)
    allowed, undecided = 0, []
    refused: dict[str, list[tuple[str, str]]] = {}
    for policy in wanted_policies(stack.deployed, logical_id).values():
        for statement in policy["Statement"]:
            expected = "allowed" if statement["Effect"] == "Allow" else "explicitDeny"
            for resource in _listed(statement["Resource"]):
                for result in _asked(stack, arn, statement, resource):
                    action = result["EvalActionName"]
                    missing = _missing(result)
                    if result["EvalDecision"] == expected:
                        allowed += 1
                    elif missing:
                        undecided.append(f"{action} (depends on {', '.join(missing)})")
                    else:
                        refused.setdefault(_by_what(result, expected), []).append((action, resource))
    for cause, calls in refused.items():
        yield _refusal(stack, what, arn, cause, calls)
    if undecided:
        yield not_seen(what, f"the simulator cannot decide {', '.join(undecided)}")
    if not refused and not undecided:
        yield ok(
            what,
            f"{allowed} of {allowed} calls are as the template says, with boundary and service control policies",
        )


def _asked(
    stack: Stack, arn: str, statement: Mapping[str, Any], resource: str
) -> Iterator[Mapping[str, Any]]:
    """About the actions of IAM apart from the others: their Region is another."""
    actions = _listed(statement["Action"])
    of_iam = [each for each in actions if each.startswith("iam:")]
    others = [each for each in actions if each not in of_iam]
    iams_region = _IAMS_REGION.get(stack.partition, stack.region)
    for named, region in ((others, stack.region), (of_iam, iams_region)):
        if not named:
            continue
        pages = (
            stack.client("iam")
            .get_paginator("simulate_principal_policy")
            .paginate(
                PolicySourceArn=arn,
                ActionNames=named,
                ResourceArns=[_example(resource)],
                ContextEntries=_context(stack, statement.get("Condition", {}), region=region),
            )
        )
        for page in pages:
            yield from page.get("EvaluationResults", [])


def _example(resource: str) -> str:
    """One that the pattern takes: the simulator knows no wildcards but the one for everything."""
    if resource == "*":
        return resource
    return (
        resource.removesuffix(":*") + ":log-stream:example"
        if resource.endswith(":*")
        else resource.replace("*", "example")
    )


def _context(
    stack: Stack, conditions: Mapping[str, Mapping[str, Any]], *, region: str
) -> list[dict[str, Any]]:
    """What a call of ours has: the values of the statement's own conditions, and what every call here has."""
    entries = {
        "aws:RequestedRegion": ("string", [region]),
        "aws:PrincipalAccount": ("string", [stack.account]),
        "aws:SecureTransport": ("boolean", ["true"]),
    }
    for operator, keys in conditions.items():
        if operator not in _BY_VALUE:
            continue
        for key, value in keys.items():
            values = [str(each).replace("*", "example") for each in _listed(value)]
            several = operator.startswith("ForAllValues")
            kind = "stringList" if several else "boolean" if operator == "Bool" else "string"
            # Of several that it may be, a call has one.
            entries[key] = (kind, values if several else values[:1])
    return [
        {"ContextKeyName": key, "ContextKeyType": kind, "ContextKeyValues": values}
        for key, (kind, values) in entries.items()
    ]


def _details(result: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """AWS says some of it of the action as a whole, and some of it of each resource."""
    yield result
    yield from result.get("ResourceSpecificResults", [])


def _missing(result: Mapping[str, Any]) -> list[str]:
    return sorted({key for each in _details(result) for key in each.get("MissingContextValues", [])})


def _by_what(result: Mapping[str, Any], expected: str) -> str:
    if expected == "explicitDeny":
        return "its policies do not deny"
    for each in _details(result):
        if each.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations") is False:
            return "a service control policy of the organization forbids"
        if each.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary") is False:
            return "the role's permissions boundary forbids"
    return (
        "one of its policies denies"
        if result["EvalDecision"] == "explicitDeny"
        else "its policies do not allow"
    )


def _refusal(stack: Stack, what: str, arn: str, cause: str, calls: list[tuple[str, str]]) -> Finding:
    named = ", ".join(f"{action} on {resource}" for action, resource in calls[:_MOST_NAMED])
    more = f", and {len(calls) - _MOST_NAMED} more" if len(calls) > _MOST_NAMED else ""
    if "organization" in cause:
        mend = "# ask who administers the organization to except this role: docs/runbook.md, FAILED"
    elif "boundary" in cause:
        mend = aws(
            "iam delete-role-permissions-boundary", region=stack.region, role_name=arn.rpartition("/")[2]
        )
    else:
        mend = "# what its policies say otherwise than the template stands under the role"
    return fail(what, f"{cause} {named}{more}", mend)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
