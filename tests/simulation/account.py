"""One account on one clock: IAM and Secrets Manager in memory, and how anybody who may read everything sees it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from keyrotation.model import Key, Secret, User, secret_name

from tests.simulation.iam import Iam
from tests.simulation.secrets_manager import SecretsManager

REGION = "eu-west-1"


@dataclass
class Account:
    """`now` moves when somebody moves it, or sleeps. `people_know`: keys that a person made or laid hands on."""

    iam: Iam = field(default_factory=Iam)
    secrets: SecretsManager = field(default_factory=SecretsManager)
    now: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    people_know: set[str] = field(default_factory=set)

    def sleep(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def look(self, user_name: str) -> User:
        """The truth, past every client and fault."""
        user = self.iam.users[user_name]
        secret = self.secrets.secrets.get(secret_name(user_name))
        return User(
            name=user_name,
            arn=user.arn,
            keys=tuple(
                Key(id=key.id, status=key.status, created=key.created, last_use=key.last_use)
                for key in user.keys.values()
            ),
            tags=dict(user.tags),
            secret=None
            if secret is None
            else Secret(
                stages={version: frozenset(labels) for version, labels in secret.stages.items() if labels},
                deleted=secret.deleted_on is not None,
            ),
        )
