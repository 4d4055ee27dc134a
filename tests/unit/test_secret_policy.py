"""The resource policy of a secret: the owner reads, nobody else does, and only the rotator writes."""

import json

from keyrotation.secret_policy import same_policy, secret_policy

USER = "arn:aws:iam::123456789012:user/apps/alice"
ROTATOR = "arn:aws:iam::123456789012:role/access-key-rotation-rotator"


def test_the_policy_says_who_reads_and_who_writes() -> None:
    allow, nobody_reads, nobody_writes = json.loads(secret_policy(user_arn=USER, rotator_role_arn=ROTATOR))[
        "Statement"
    ]
    assert allow["Effect"] == "Allow"
    assert allow["Principal"] == {"AWS": USER}
    assert "secretsmanager:GetSecretValue" in allow["Action"]
    assert nobody_reads["Effect"] == nobody_writes["Effect"] == "Deny"
    assert nobody_reads["Condition"] == {"StringNotEquals": {"aws:PrincipalArn": USER}}
    assert nobody_reads["Action"] == "secretsmanager:GetSecretValue"
    assert nobody_writes["Condition"] == {"StringNotEquals": {"aws:PrincipalArn": ROTATOR}}


def test_a_policy_is_the_same_whether_aws_returns_one_value_or_a_list_of_one_and_in_whatever_order() -> None:
    ours = secret_policy(user_arn=USER, rotator_role_arn=ROTATOR)
    returned = json.loads(ours)
    returned["Statement"][1]["Action"] = [returned["Statement"][1]["Action"]]
    returned["Statement"][0]["Principal"]["AWS"] = [USER]
    returned["Statement"][2]["Action"].reverse()
    assert same_policy(json.dumps(returned), ours)


def test_a_policy_that_lets_somebody_else_in_is_another_one() -> None:
    ours = secret_policy(user_arn=USER, rotator_role_arn=ROTATOR)
    for statement, key, value in (
        (0, "Principal", {"AWS": [USER, ROTATOR]}),
        (1, "Condition", {"StringNotEquals": {"aws:PrincipalArn": [USER, ROTATOR]}}),
        (1, "Effect", "Allow"),
        (2, "Action", "secretsmanager:PutSecretValue"),
    ):
        changed = json.loads(ours)
        changed["Statement"][statement][key] = value
        assert not same_policy(json.dumps(changed), ours)
    assert not same_policy("{}", ours)


def test_whatever_could_put_another_value_or_policy_in_place_is_denied() -> None:
    denied = json.loads(secret_policy(user_arn=USER, rotator_role_arn=ROTATOR))["Statement"][2]["Action"]
    assert {
        "secretsmanager:PutSecretValue",
        "secretsmanager:UpdateSecret",
        "secretsmanager:UpdateSecretVersionStage",
        "secretsmanager:PutResourcePolicy",
        "secretsmanager:DeleteResourcePolicy",
        "secretsmanager:ReplicateSecretToRegions",
        "secretsmanager:RotateSecret",
    } <= set(denied)


def test_deletion_is_not_denied_so_that_nothing_is_locked_for_good() -> None:
    assert "DeleteSecret" not in secret_policy(user_arn=USER, rotator_role_arn=ROTATOR)


def test_the_policy_is_far_below_the_limit_of_secrets_manager() -> None:
    longest = f"arn:aws-us-gov:iam::123456789012:user/{'p' * 512}/{'u' * 64}"
    assert len(secret_policy(user_arn=longest, rotator_role_arn=ROTATOR)) < 20480
