"""AWS as a look sees it, in memory, and what was asked with which key."""

from __future__ import annotations

from dataclasses import dataclass, field

from keyrotation.follow.aws import Failed, Offer, Refused
from keyrotation.follow.store import AccessKey, State

OLD, NEW, NEWEST = (
    AccessKey(f"AKIA{name:A<16}", f"{name.lower()}/secret+half") for name in ("OLD", "NEW", "THIRD")
)
SECRETS = [key.secret for key in (OLD, NEW, NEWEST)]
USER = "arn:aws:iam::111122223333:user/team/etl"
SECRET = "access-keys/etl/credentials"
# Some moment, in seconds since 1970.
NOW = 1_800_000_000.0
DAY = 86_400.0


def state(key: AccessKey = OLD, **more: object) -> State:
    return State(**{"region": "eu-west-1", "arn": USER, "secret": SECRET, "key": key, **more})  # type: ignore[arg-type]


@dataclass
class World:
    """`current` is what the secret holds; None: a placeholder. `asked`: key id and question, in order."""

    current_key: AccessKey | None = NEW
    user_name: str = "etl"
    dead: tuple[AccessKey, ...] = ()
    owners: dict[str, str] = field(default_factory=dict)
    failing: dict[str, Failed] = field(default_factory=dict)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def current(self, key: AccessKey, secret: str) -> Offer:
        assert secret == SECRET
        self._ask(key, "secret")
        return Offer(user_name=self.user_name, key=self.current_key)

    def owner(self, key: AccessKey) -> str:
        self._ask(key, "owner")
        return self.owners.get(key.id, USER)

    def _ask(self, key: AccessKey, question: str) -> None:
        self.asked.append((key.id, question))
        if question in self.failing:
            raise self.failing[question]
        if key in self.dead:
            # Each service has a word of its own for it.
            raise Refused("UnrecognizedClientException" if question == "secret" else "InvalidClientTokenId")
