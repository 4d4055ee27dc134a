"""The resource policy of a secret: its readers read, nobody else does, and only the rotator writes."""

import json
from typing import Any

import pytest
from keyrotation.act.secret_policy import same_policy, secret_policy

USER = "arn:aws:iam::123456789012:user/apps/alice"
ROTATOR = "arn:aws:iam::123456789012:role/access-key-rotation-rotator"
READER = "arn:aws:iam::123456789012:role/sync/reader"
USER_ID = "AIDAIOSFODNN7EXAMPLE"


def policy_of(*reader_arns: str, user_arn: str = USER, user_id: str = USER_ID) -> str:
    return secret_policy(
        user_arn=user_arn, user_id=user_id, reader_arns=reader_arns, rotator_role_arn=ROTATOR
    )


OURS = policy_of()


def statement(policy: str, sid: str) -> dict[str, Any]:
    (found,) = [each for each in json.loads(policy)["Statement"] if each["Sid"] == sid]
    return dict(found)


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
def test_this_is_the_policy_to_the_letter(partition: str) -> None:
    user = f"arn:{partition}:iam::123456789012:user/apps/alice"
    reader = f"arn:{partition}:iam::123456789012:role/sync/reader"
    rotator = f"arn:{partition}:iam::123456789012:role/access-key-rotation-rotator"
    ours = secret_policy(user_arn=user, user_id=USER_ID, reader_arns=(reader,), rotator_role_arn=rotator)
    assert json.loads(ours) == {
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
                "Sid": "NobodyReadsInTheOwnersName",
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["secretsmanager:GetSecretValue"],
                "Resource": "*",
                "Condition": {
                    "StringEquals": {"aws:PrincipalArn": user},
                    "StringNotEquals": {"aws:userid": USER_ID},
                },
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
            {
                "Sid": "NobodyDeletesAtOnce",
                "Effect": "Deny",
                "Principal": "*",
                "Action": ["secretsmanager:DeleteSecret"],
                "Resource": "*",
                "Condition": {"Bool": {"secretsmanager:ForceDeleteWithoutRecovery": "true"}},
            },
        ],
    }


def test_without_readers_only_the_owner_reads() -> None:
    assert statement(OURS, "OwnerReads")["Principal"] == {"AWS": [USER]}
    assert statement(OURS, "NobodyElseReads")["Condition"] == {
        "StringNotEquals": {"aws:PrincipalArn": [USER]}
    }


def test_an_owner_who_is_also_a_listed_reader_is_named_once() -> None:
    assert policy_of(USER, READER) == policy_of(READER)


def test_a_reader_may_not_write_nor_may_the_rotator_read() -> None:
    ours = policy_of(READER)
    assert READER not in json.dumps(statement(ours, "OnlyTheRotatorWrites"))
    reading = [
        statement(ours, sid) for sid in ("OwnerReads", "NobodyElseReads", "NobodyReadsInTheOwnersName")
    ]
    assert ROTATOR not in json.dumps(reading)


def test_a_user_made_anew_under_the_owners_name_has_the_same_arn_and_another_policy() -> None:
    """Whoever deletes the owner and makes a user of that name is told apart by IAM's unique id, and reads nothing."""
    denied = statement(OURS, "NobodyReadsInTheOwnersName")
    assert denied["Condition"]["StringNotEquals"] == {"aws:userid": USER_ID}
    assert not same_policy(policy_of(user_id="AIDAI44QH8DHBEXAMPLE"), OURS)


def test_a_listed_reader_is_not_denied_for_having_another_id_than_the_owner() -> None:
    denied = statement(policy_of(READER), "NobodyReadsInTheOwnersName")
    assert denied["Condition"]["StringEquals"] == {"aws:PrincipalArn": USER}


def test_a_policy_is_the_same_whether_aws_returns_one_value_or_a_list_of_one_and_in_whatever_order() -> None:
    returned = json.loads(OURS)
    returned["Statement"].reverse()
    for each in returned["Statement"]:
        if isinstance(each["Action"], list) and len(each["Action"]) == 1:
            (each["Action"],) = each["Action"]
        elif isinstance(each["Action"], list):
            each["Action"].reverse()
    returned["Statement"][-1]["Principal"]["AWS"] = USER
    assert same_policy(json.dumps(returned), OURS)


def test_a_policy_is_the_same_in_whatever_order_its_keys_are_and_however_it_is_spaced() -> None:
    assert same_policy(json.dumps(json.loads(OURS), sort_keys=True, indent=4), OURS)


@pytest.mark.parametrize(
    ("sid", "key", "value"),
    [
        ("OwnerReads", "Principal", {"AWS": [USER, ROTATOR]}),
        ("NobodyElseReads", "Condition", {"StringNotEquals": {"aws:PrincipalArn": [USER, ROTATOR]}}),
        ("NobodyElseReads", "Effect", "Allow"),
        ("NobodyReadsInTheOwnersName", "Condition", {"StringEquals": {"aws:PrincipalArn": USER}}),
        ("OnlyTheRotatorWrites", "Action", "secretsmanager:PutSecretValue"),
        (
            "NobodyDeletesAtOnce",
            "Condition",
            {"Bool": {"secretsmanager:ForceDeleteWithoutRecovery": "false"}},
        ),
    ],
)
def test_a_policy_that_lets_somebody_else_in_is_another_one(sid: str, key: str, value: object) -> None:
    changed = json.loads(OURS)
    for each in changed["Statement"]:
        if each["Sid"] == sid:
            each[key] = value
    assert not same_policy(json.dumps(changed), OURS)


@pytest.mark.parametrize("number", range(len(json.loads(OURS)["Statement"])))
def test_a_policy_with_a_statement_less_is_another_one(number: int) -> None:
    changed = json.loads(OURS)
    del changed["Statement"][number]
    assert not same_policy(json.dumps(changed), OURS)
    assert not same_policy("{}", OURS)


def test_deletion_at_once_is_denied_to_everybody_and_deletion_with_its_waiting_time_to_nobody() -> None:
    """So a key that nobody has fetched yet can be had back for seven days, and nothing is locked for good."""
    deletes = [each for each in json.loads(OURS)["Statement"] if "DeleteSecret" in json.dumps(each)]
    assert [(each["Sid"], each["Principal"]) for each in deletes] == [("NobodyDeletesAtOnce", "*")]
    # Of a call that says nothing of it, the condition key is not there, and `Bool` does not match.
    assert deletes[0]["Condition"] == {"Bool": {"secretsmanager:ForceDeleteWithoutRecovery": "true"}}


def test_the_policy_of_ten_readers_with_the_longest_names_is_below_the_limit_of_secrets_manager() -> None:
    longest = f"arn:aws-us-gov:iam::123456789012:user/{'p' * 510}/{'u' * 64}"
    readers = [longest.replace(":user/", f":role/{number}") for number in range(10)]
    assert len(policy_of(*readers, user_arn=longest, user_id="A" * 128)) < 20480
