"""A consumer's machine, and AWS behind HTTP on this one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.component.follow.endpoint import Account, serving
from tests.component.follow.machine import Machine


@pytest.fixture
def aws() -> Iterator[Account]:
    with serving() as account:
        yield account


@pytest.fixture
def machine(tmp_path: Path, aws: Account) -> Machine:
    machine = Machine(tmp_path, aws)
    machine.has()
    return machine
