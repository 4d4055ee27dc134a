"""Emulated accounts: an empty one per module, and one with the stack for the whole session."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from sandbox.account import EmulatedAccount
from tests.assembled import kept_assembly

ADDRESS = "on-call@example.com"


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """An account with the stack in it, and the stack's outputs."""

    account: EmulatedAccount
    outputs: Mapping[str, str]


@pytest.fixture(scope="module")
def empty_account() -> Iterator[EmulatedAccount]:
    """Nothing is deployed in it; what a module creates there no other module sees."""
    with EmulatedAccount.start() as account:
        yield account


@pytest.fixture(scope="session")
def stack() -> Iterator[Deployed]:
    """The stack in Enforce mode, deployed once by the real CLI. Tests leave it as they found it."""
    with EmulatedAccount.start() as account:
        outputs = account.install(kept_assembly(), {"Mode": "Enforce", "AlertEmail": ADDRESS})
        yield Deployed(account=account, outputs=outputs)
