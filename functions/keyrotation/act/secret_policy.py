"""Who may do what with a rotated key's secret: the exact text of its resource policy, in one place."""

import json
from collections.abc import Sequence

_READ = "secretsmanager:GetSecretValue"
_WRITE = [
    "secretsmanager:PutSecretValue",
    "secretsmanager:UpdateSecret",
    "secretsmanager:UpdateSecretVersionStage",
    "secretsmanager:RotateSecret",
    "secretsmanager:CancelRotateSecret",
    "secretsmanager:ReplicateSecretToRegions",
    "secretsmanager:PutResourcePolicy",
    "secretsmanager:DeleteResourcePolicy",
]


def secret_policy(*, user_arn: str, user_id: str, reader_arns: Sequence[str], rotator_role_arn: str) -> str:
    """JSON. docs/design.md section 7: the owner and the listed readers read, nobody else does, and only the rotator writes.

    The denials hold against identity policies too: an engineer with `secretsmanager:*` must not become an
    administrator by reading an administrator's new key. Deletion with its waiting time is not denied, so nothing is locked
    for good; deletion at once is: it would take away a key that nobody has fetched yet.
    """
    readers = list(dict.fromkeys([user_arn, *reader_arns]))
    statements = [
        {
            "Sid": "OwnerReads",
            "Effect": "Allow",
            "Principal": {"AWS": readers},
            "Action": [_READ, "secretsmanager:DescribeSecret"],
            "Resource": "*",
        },
        _deny("NobodyElseReads", [_READ], {"StringNotEquals": {"aws:PrincipalArn": readers}}),
        # Somebody who deletes the owner and makes a user of the same name has the same ARN, and another id.
        _deny(
            "NobodyReadsInTheOwnersName",
            [_READ],
            {"StringEquals": {"aws:PrincipalArn": user_arn}, "StringNotEquals": {"aws:userid": user_id}},
        ),
        _deny("OnlyTheRotatorWrites", _WRITE, {"StringNotEquals": {"aws:PrincipalArn": [rotator_role_arn]}}),
        _deny(
            "NobodyDeletesAtOnce",
            ["secretsmanager:DeleteSecret"],
            {"Bool": {"secretsmanager:ForceDeleteWithoutRecovery": "true"}},
        ),
    ]
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def same_policy(one: str, other: str) -> bool:
    """AWS may return a list of one as a scalar, and a list or its keys in another order: that is the same policy."""
    return _normal(json.loads(one)) == _normal(json.loads(other))


def _normal(value: object) -> object:
    match value:
        case dict():
            return {key: _normal(each) for key, each in value.items()}
        case [only]:
            return _normal(only)
        case list():
            return sorted(
                (_normal(each) for each in value), key=lambda each: json.dumps(each, sort_keys=True)
            )
        case _:
            return value


def _deny(sid: str, actions: list[str], condition: dict[str, object]) -> dict[str, object]:
    return {
        "Sid": sid,
        "Effect": "Deny",
        "Principal": "*",
        "Action": actions,
        "Resource": "*",
        "Condition": condition,
    }
