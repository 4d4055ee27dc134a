"""Where a run tells: the account's own topic, or the bucket of the organization's centre. The handler chooses once."""

from collections.abc import Iterable
from typing import Protocol

from keyrotation.act.apply import Applier, Heard
from keyrotation.memory import Memory
from keyrotation.model import Hearing, User
from keyrotation.tell.bulletin import Bulletin
from keyrotation.tell.digest import Digest


class Outlet(Protocol):
    """Every method but `remember` raises what botocore raises."""

    def hear(self) -> Hearing:
        """Who would hear of a notice, and what was heard of the last report."""

    def deliver(self, digest: Digest, /) -> str | None:
        """The id of what went out, or None. A run that could not tell is not finished."""

    def unsubscribed(self, owners: Iterable[str], /) -> tuple[str, ...]:
        """Those owners to whom nothing of their own goes."""

    def spread(self, bulletin: Bulletin, /) -> None:
        """What an owner or a chat gets beside."""

    def remember(
        self,
        applier: Applier,
        user: User,
        memory: Memory,
        heard: Heard,
        *,
        told_in: str | None,
        forget: Iterable[str],
    ) -> str | None:
        """Once that went out: what it told of this user. Why it could not be remembered, or None."""
