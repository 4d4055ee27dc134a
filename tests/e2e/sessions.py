"""Sessions of roles, for tests of what a role can do."""

import json
from typing import Any

from sandbox.account import EmulatedAccount
from sandbox.clients import Key


def session_of(account: EmulatedAccount, role_arn: str, *, name: str = "test") -> Key:
    """A session of a role, which for a moment trusts the account's administrator to have one.

    One that bears a function's name is taken for the function's own.
    """
    iam, role = account.client("iam"), role_arn.rpartition("/")[2]
    before = iam.get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]
    trust = {"Effect": "Allow", "Principal": {"AWS": account.account_id}, "Action": "sts:AssumeRole"}
    iam.update_assume_role_policy(RoleName=role, PolicyDocument=document(trust))
    try:
        made = account.client("sts").assume_role(RoleArn=role_arn, RoleSessionName=name)["Credentials"]
    finally:
        iam.update_assume_role_policy(RoleName=role, PolicyDocument=json.dumps(before))
    return Key(key_id=made["AccessKeyId"], secret=made["SecretAccessKey"], token=made["SessionToken"])


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
