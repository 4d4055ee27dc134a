"""How the rotator tells what it did: by the account's own topic (topic.py), or by the organization's centre (member.py)."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from infra.grants import Grant


class Telling(Protocol):
    """`environment`: what the rotator reads of it. `grants`: what its role needs for it, in either mode."""

    @property
    def environment(self) -> Mapping[str, str]: ...

    @property
    def grants(self) -> Sequence[Grant]: ...
