"""One account on one clock: IAM, Secrets Manager and the table in memory, and who witnesses what the product does there."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Protocol

from keyrotation.memory import What, Why

from tests.simulation.access import READ, may
from tests.simulation.dynamodb import DynamoDb
from tests.simulation.iam import Iam, UserRecord
from tests.simulation.secrets_manager import CURRENT, SecretRecord, SecretsManager

REGION = "eu-west-1"


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a message said of one key: what happens to it, why, and from which day on."""

    key_id: str
    what: What
    why: Why
    day: date


class Witness(Protocol):
    """Who sees what the product does to keys and secrets, as AWS carries it out: just before the effect."""

    def creates(self, user: UserRecord) -> None: ...

    def created(self, user: UserRecord, key_id: str) -> None: ...

    def switches_off(self, user: UserRecord, key_id: str) -> None: ...

    def deletes(self, user: UserRecord, key_id: str) -> None: ...

    def stored(self, secret: SecretRecord, *, promoted: bool) -> None: ...

    def heard(self, said: tuple[Said, ...]) -> None: ...


@dataclass
class Account:
    """`now` moves when somebody moves it, or sleeps. `listeners`: confirmed subscriptions.

    `people_know`: keys that a person made or laid hands on. `sns_refuses`: no message is accepted.
    `closed`: ids of users of whom IAM refuses to tell the keys. `garbled`: of whom the item in the table
    makes no sense. `handed`: by user id, the secret into which the
    product put a key for its owner last.
    """

    iam: Iam = field(default_factory=Iam)
    secrets: SecretsManager = field(default_factory=SecretsManager)
    table: DynamoDb = field(default_factory=DynamoDb)
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    listeners: int = 1
    sns_refuses: bool = False
    people_know: set[str] = field(default_factory=set)
    closed: set[str] = field(default_factory=set)
    garbled: set[str] = field(default_factory=set)
    witness: Witness | None = None
    handed: dict[str, SecretRecord] = field(default_factory=dict)

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def read_by_owner(self, user: UserRecord) -> str | None:
        """The key that the owner would fetch, by the secret that the last mail named; None: there is none, or they may not."""
        handed = self.handed.get(user.id)
        if handed is None or handed.deleted_on is not None or self.secrets.find(handed.arn) is not handed:
            return None
        return handed.key_with(CURRENT) if may(handed.policy, READ, arn=user.arn, user_id=user.id) else None
