"""Emulated accounts: an empty one per module, and one with the stack for the whole session."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from sandbox.account import EmulatedAccount
from sandbox.launch import ACCOUNT_ID
from tests.assembled import kept_assembly
from tests.e2e.sessions import document

ADDRESS = "on-call@example.com"
OPERATOR = "on-call"
OPERATOR_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/{OPERATOR}"


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """An account with the stack in it, and the stack's outputs."""

    account: EmulatedAccount
    outputs: Mapping[str, str]


def make_operator(account: EmulatedAccount) -> None:
    """The role of whoever is on call: an administrator, whom OperatorArns names."""
    iam, everything = account.client("iam"), {"Effect": "Allow", "Action": "*", "Resource": "*"}
    trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT_ID}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName=OPERATOR, AssumeRolePolicyDocument=document(trust))
    iam.put_role_policy(RoleName=OPERATOR, PolicyName="everything", PolicyDocument=document(everything))


@pytest.fixture(scope="module")
def empty_account() -> Iterator[EmulatedAccount]:
    """Nothing is deployed in it; what a module creates there no other module sees."""
    with EmulatedAccount.start() as account:
        yield account


@pytest.fixture(scope="session")
def stack() -> Iterator[Deployed]:
    """The stack in Enforce mode, deployed once by the real CLI. Tests leave it as they found it."""
    with EmulatedAccount.start() as account:
        make_operator(account)
        outputs = account.install(
            kept_assembly(), {"Mode": "Enforce", "AlertEmail": ADDRESS, "OperatorArns": OPERATOR_ARN}
        )
        yield Deployed(account=account, outputs=outputs)
