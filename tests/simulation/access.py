"""Who may do what with a secret: as much of IAM's policy language as the product writes into resource policies.

Everybody here may do everything by their own policies, as administrators may: a resource policy can only take away.
"""

import json
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

READ = "secretsmanager:GetSecretValue"
_OPERATORS = {
    "StringEquals": lambda found, wanted: found in wanted,
    "StringNotEquals": lambda found, wanted: found not in wanted,
    "Bool": lambda found, wanted: found in wanted,
}


@lru_cache(maxsize=8192)
def may(policy: str | None, action: str, *, arn: str, user_id: str, at_once: bool = False) -> bool:
    """Whether no statement denies this to a principal with this ARN and this unique id."""
    facts = {
        "aws:PrincipalArn": arn,
        "aws:userid": user_id,
        "secretsmanager:ForceDeleteWithoutRecovery": "true" if at_once else "false",
    }
    return not any(
        statement["Effect"] == "Deny" and action in _many(statement["Action"]) and _meets(statement, facts)
        for statement in _statements(policy)
    )


def readers_named(policy: str | None) -> set[str]:
    """The ARNs that an Allow of the policy names."""
    return {
        arn
        for statement in _statements(policy)
        if statement["Effect"] == "Allow"
        for arn in _many(statement["Principal"]["AWS"])
    }


@lru_cache(maxsize=8192)
def _statements(policy: str | None) -> list[dict[str, Any]]:
    return [] if policy is None else list(json.loads(policy)["Statement"])


def _meets(statement: dict[str, Any], facts: dict[str, str]) -> bool:
    return all(
        _OPERATORS[operator](facts[key], _many(wanted))
        for operator, conditions in statement.get("Condition", {}).items()
        for key, wanted in conditions.items()
    )


def _many(value: str | Iterable[str]) -> list[str]:
    return [value] if isinstance(value, str) else list(value)
