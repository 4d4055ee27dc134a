"""Secrets Manager in memory: versions with their values and stages, a policy each, and deletion that is scheduled.

By name or by ARN. A secret that is made anew under a name has another ARN, and nothing of the one before.
"""

import json
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import count

from tests.simulation.iam import ACCOUNT_ID, Refused

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
# How long Secrets Manager waits before a secret is gone: 7 days at least, as somebody in a hurry asks for it.
RECOVERY = timedelta(days=7)
_ARN = f"arn:aws:secretsmanager:eu-west-1:{ACCOUNT_ID}:secret:"


@dataclass(eq=False)
class SecretRecord:
    """`values` and `stages` by version id. A version that lost its last stage is there, but not listed."""

    name: str
    arn: str
    description: str = ""
    values: dict[str, str] = field(default_factory=dict)
    stages: dict[str, set[str]] = field(default_factory=dict)
    policy: str | None = None
    deleted_on: datetime | None = None

    def with_stage(self, stage: str) -> str | None:
        return next((version for version, labels in self.stages.items() if stage in labels), None)

    def key_with(self, stage: str) -> str | None:
        """The access key that the value with this stage holds; None for a placeholder, or for no such version."""
        version = self.with_stage(stage)
        return None if version is None else key_of(self.values[version])

    def key_ids(self) -> set[str]:
        """Every key that a value of this secret holds."""
        return {key_id for value in self.values.values() if (key_id := key_of(value)) is not None}


def key_of(value: str) -> str | None:
    """The access key in a secret's value."""
    try:
        found = json.loads(value).get("AccessKeyId")
    except ValueError:
        return None
    return found if isinstance(found, str) else None


@dataclass
class SecretsManager:
    """The operations that the product and people use; each raises Refused as Secrets Manager would.

    `secrets`: by name, as long as they are there or can be restored.
    """

    secrets: dict[str, SecretRecord] = field(default_factory=dict)
    _numbers: "count[int]" = field(default_factory=count)

    def create(self, name: str, *, token: str, value: str, description: str = "") -> SecretRecord:
        if (found := self.secrets.get(name)) is not None:
            if found.deleted_on is not None:
                raise Refused("InvalidRequestException")
            if found.values.get(token) == value:
                return found
            raise Refused("ResourceExistsException")
        self.secrets[name] = SecretRecord(
            name=name,
            arn=f"{_ARN}{name}-{_letters(next(self._numbers))}",
            description=description,
            values={token: value},
            stages={token: {CURRENT}},
        )
        return self.secrets[name]

    def restore(self, secret_id: str) -> None:
        self.describe(secret_id).deleted_on = None

    def schedule_deletion(self, secret_id: str, now: datetime) -> None:
        self.live(secret_id).deleted_on = now

    def delete_at_once(self, secret_id: str) -> None:
        """Gone; the name is free again."""
        del self.secrets[self.describe(secret_id).name]

    def purge(self, today: date) -> None:
        """Those whose time is over are gone."""
        over = [
            name
            for name, secret in self.secrets.items()
            if secret.deleted_on is not None and today - secret.deleted_on.date() > RECOVERY
        ]
        for name in over:
            del self.secrets[name]

    def put(self, secret_id: str, *, token: str, value: str, stages: tuple[str, ...]) -> None:
        """The token becomes the version id: the same value under it again is no change, another is refused."""
        secret = self.live(secret_id)
        if token in secret.values:
            if secret.values[token] != value:
                raise Refused("ResourceExistsException")
            return
        first = not secret.values
        secret.values[token], secret.stages[token] = value, set()
        for stage in {*stages, CURRENT} if first else stages:
            self._attach(secret, stage, token)

    def move(self, secret_id: str, *, stage: str, to: str | None, away_from: str | None) -> None:
        """One version has a stage: who moves it says from where."""
        secret = self.live(secret_id)
        if to is not None and to not in secret.values:
            raise Refused("ResourceNotFoundException")
        holder = secret.with_stage(stage)
        if away_from is not None and stage not in secret.stages.get(away_from, ()):
            raise Refused("InvalidParameterException")
        if to is None:
            if stage == CURRENT or away_from is None:
                raise Refused("InvalidParameterException")
            secret.stages[away_from].discard(stage)
        elif holder != to:
            if holder is not None and away_from != holder:
                raise Refused("InvalidParameterException")
            self._attach(secret, stage, to)

    def live(self, secret_id: str) -> SecretRecord:
        """One that can be written, and whose value and policy can be read."""
        secret = self.describe(secret_id)
        if secret.deleted_on is not None:
            raise Refused("InvalidRequestException")
        return secret

    def describe(self, secret_id: str) -> SecretRecord:
        """By its name or its ARN, also one that is scheduled for deletion."""
        if (secret := self.find(secret_id)) is None:
            raise Refused("ResourceNotFoundException")
        return secret

    def find(self, secret_id: str) -> SecretRecord | None:
        """None: there is none."""
        if not secret_id.startswith("arn:"):
            return self.secrets.get(secret_id)
        secret = self.secrets.get(name_in(secret_id))
        return secret if secret is not None and secret.arn == secret_id else None

    @staticmethod
    def _attach(secret: SecretRecord, stage: str, version: str) -> None:
        """The version that loses AWSCURRENT becomes AWSPREVIOUS, as Secrets Manager does it."""
        loser = secret.with_stage(stage)
        for labels in secret.stages.values():
            labels.discard(stage)
        secret.stages[version].add(stage)
        if stage == CURRENT and loser is not None and loser != version:
            for labels in secret.stages.values():
                labels.discard(PREVIOUS)
            secret.stages[loser].add(PREVIOUS)


def name_in(arn: str) -> str:
    """Without the six characters that Secrets Manager adds."""
    return arn.removeprefix(_ARN)[:-7]


def _letters(number: int) -> str:
    letters = ""
    for _ in range(6):
        number, letter = divmod(number, 26)
        letters += chr(ord("A") + letter)
    return letters
