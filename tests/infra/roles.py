"""What each role may do, read back from the template: inline policies and attached ones, in either mode."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tests.infra.synthesized import Template, holds, of_type, text

SCANNER = "Scanner/Role"
ROTATOR = "Rotator/Role"
SCHEDULE = "Daily/Role"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement; resources are readable text, such as `${Orders/Queue.Arn}`."""

    effect: str
    actions: frozenset[str]
    resources: frozenset[str]
    conditions: dict[str, Any]


def statements(template: Template, role: str, *, mode: str, kms_key: str = "") -> list[Statement]:
    """Every statement that the role has in this mode, and with this SecretsKmsKeyArn.

    `role` is a construct path: SCANNER, ROTATOR or SCHEDULE.
    """
    resource = of_type(template, "AWS::IAM::Role")[role]
    managed = resource["Properties"].get("ManagedPolicyArns", [])
    if managed:
        raise AssertionError(
            f"{role} has managed policies, whose statements the template does not show: {managed}"
        )
    documents = [policy["PolicyDocument"] for policy in resource["Properties"].get("Policies", [])]
    documents += _attached(template, role, Mode=mode, SecretsKmsKeyArn=kms_key)
    return [_statement(template, each) for document in documents for each in document["Statement"]]


def allowed(template: Template, role: str, *, mode: str, kms_key: str = "") -> dict[str, frozenset[str]]:
    """The actions that the role's Allows name, each with the resources it is allowed on."""
    grants: dict[str, frozenset[str]] = {}
    for statement in statements(template, role, mode=mode, kms_key=kms_key):
        if statement.effect == "Allow":
            for action in statement.actions:
                grants[action] = grants.get(action, frozenset()) | statement.resources
    return grants


def _attached(template: Template, role: str, **parameters: str) -> Iterator[Any]:
    for policy in of_type(template, "AWS::IAM::Policy").values():
        roles = [text(template, each) for each in policy["Properties"].get("Roles", [])]
        if "${" + role + "}" in roles and holds(template, policy.get("Condition"), **parameters):
            yield policy["Properties"]["PolicyDocument"]


def _statement(template: Template, raw: dict[str, Any]) -> Statement:
    for broader in ("NotAction", "NotResource"):
        if broader in raw:
            raise AssertionError(f"{broader} allows what nobody listed: {raw}")
    return Statement(
        effect=raw["Effect"],
        actions=frozenset(_listed(raw["Action"])),
        resources=frozenset(text(template, each) for each in _listed(raw["Resource"])),
        conditions=raw.get("Condition", {}),
    )


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
