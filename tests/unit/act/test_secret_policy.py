"""The resource policy of a secret: its readers read, nobody else does, and only the rotator writes."""

import json

import pytest
from keyrotation.act.secret_policy import same_policy, secret_policy

USER = "arn:aws:iam::123456789012:user/apps/alice"
ROTATOR = "arn:aws:iam::123456789012:role/access-key-rotation-rotator"
READER = "arn:aws:iam::123456789012:role/sync/reader"
OURS = secret_policy(user_arn=USER, reader_arns=(), rotator_role_arn=ROTATOR)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_this_is_the_policy_to_the_letter(partition: str) -> None:
    user = f"arn:{partition}:iam::123456789012:user/apps/alice"
    reader = f"arn:{partition}:iam::123456789012:role/sync/reader"
    rotator = f"arn:{partition}:iam::123456789012:role/access-key-rotation-rotator"
    assert json.loads(secret_policy(user_arn=user, reader_arns=(reader,), rotator_role_arn=rotator)) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "OwnerReads",
                "Effect": "Allow",
                "Principal": {"AWS": [user, reader]},
                "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
                "Resource": "*",
            },
            {
                "Sid": "NobodyElseReads",
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["secretsmanager:GetSecretValue"],
                "Resource": "*",
                "Condition": {"StringNotEquals": {"aws:PrincipalArn": [user, reader]}},
            },
            {
                "Sid": "OnlyTheRotatorWrites",
                "Effect": "Deny",
                "Principal": "*",
                "Action": [
                    "secretsmanager:PutSecretValue",
                    "secretsmanager:UpdateSecret",
                    "secretsmanager:UpdateSecretVersionStage",
                    "secretsmanager:RotateSecret",
                    "secretsmanager:CancelRotateSecret",
                    "secretsmanager:ReplicateSecretToRegions",
                    "secretsmanager:PutResourcePolicy",
                    "secretsmanager:DeleteResourcePolicy",
                ],
                "Resource": "*",
                "Condition": {"StringNotEquals": {"aws:PrincipalArn": [rotator]}},
            },
        ],
    }


def test_without_readers_only_the_owner_reads() -> None:
    allow, nobody_reads, _ = json.loads(OURS)["Statement"]
    assert allow["Principal"] == {"AWS": [USER]}
    assert nobody_reads["Condition"] == {"StringNotEquals": {"aws:PrincipalArn": [USER]}}


def test_an_owner_who_is_also_a_listed_reader_is_named_once() -> None:
    policy = secret_policy(user_arn=USER, reader_arns=(USER, READER), rotator_role_arn=ROTATOR)
    assert policy == secret_policy(user_arn=USER, reader_arns=(READER,), rotator_role_arn=ROTATOR)


def test_a_reader_may_not_write_nor_may_the_rotator_read() -> None:
    policy = secret_policy(user_arn=USER, reader_arns=(READER,), rotator_role_arn=ROTATOR)
    allow, nobody_reads, nobody_writes = json.loads(policy)["Statement"]
    assert READER not in json.dumps(nobody_writes)
    assert ROTATOR not in json.dumps([allow, nobody_reads])


def test_a_policy_is_the_same_whether_aws_returns_one_value_or_a_list_of_one_and_in_whatever_order() -> None:
    returned = json.loads(OURS)
    returned["Statement"][1]["Action"] = "secretsmanager:GetSecretValue"
    returned["Statement"][0]["Principal"]["AWS"] = USER
    returned["Statement"][2]["Action"].reverse()
    assert same_policy(json.dumps(returned), OURS)


def test_a_policy_that_lets_somebody_else_in_is_another_one() -> None:
    for statement, key, value in (
        (0, "Principal", {"AWS": [USER, ROTATOR]}),
        (1, "Condition", {"StringNotEquals": {"aws:PrincipalArn": [USER, ROTATOR]}}),
        (1, "Effect", "Allow"),
        (2, "Action", "secretsmanager:PutSecretValue"),
    ):
        changed = json.loads(OURS)
        changed["Statement"][statement][key] = value
        assert not same_policy(json.dumps(changed), OURS)
    assert not same_policy("{}", OURS)


def test_deletion_is_not_denied_so_that_nothing_is_locked_for_good() -> None:
    assert "DeleteSecret" not in OURS


def test_the_policy_of_ten_readers_with_the_longest_names_is_below_the_limit_of_secrets_manager() -> None:
    longest = f"arn:aws-us-gov:iam::123456789012:user/{'p' * 510}/{'u' * 64}"
    readers = [longest.replace(":user/", f":role/{number}") for number in range(10)]
    assert len(secret_policy(user_arn=longest, reader_arns=readers, rotator_role_arn=ROTATOR)) < 20480
