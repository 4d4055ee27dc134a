"""Secrets Manager in memory: versions with their values and stages, a policy each, and deletion that is scheduled."""

import json
from dataclasses import dataclass, field
from datetime import datetime

from tests.simulation.iam import Refused

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"


@dataclass
class SecretRecord:
    """`values` and `stages` by version id. A version that lost its last stage is there, but not listed."""

    values: dict[str, str] = field(default_factory=dict)
    stages: dict[str, set[str]] = field(default_factory=dict)
    policy: str | None = None
    deleted_on: datetime | None = None

    def with_stage(self, stage: str) -> str | None:
        return next((version for version, labels in self.stages.items() if stage in labels), None)

    def key_with(self, stage: str) -> str | None:
        """The access key that the value with this stage holds; None for a placeholder, or for no such version."""
        version = self.with_stage(stage)
        return None if version is None else json.loads(self.values[version]).get("AccessKeyId")


@dataclass
class SecretsManager:
    """The operations that the product and people use; each raises Refused as Secrets Manager would."""

    secrets: dict[str, SecretRecord] = field(default_factory=dict)

    def create(self, name: str, *, token: str, value: str) -> None:
        if name in self.secrets:
            if self.secrets[name].deleted_on is not None:
                raise Refused("InvalidRequestException")
            if self.secrets[name].values.get(token) == value:
                return
            raise Refused("ResourceExistsException")
        self.secrets[name] = SecretRecord(values={token: value}, stages={token: {CURRENT}})

    def restore(self, name: str) -> None:
        self._there(name).deleted_on = None

    def schedule_deletion(self, name: str, now: datetime) -> None:
        self._there(name).deleted_on = now

    def put(self, name: str, *, token: str, value: str, stages: tuple[str, ...]) -> None:
        """The token becomes the version id: the same value under it again is no change, another is refused."""
        secret = self.live(name)
        if token in secret.values:
            if secret.values[token] != value:
                raise Refused("ResourceExistsException")
            return
        first = not secret.values
        secret.values[token], secret.stages[token] = value, set()
        for stage in {*stages, CURRENT} if first else stages:
            self._attach(secret, stage, token)

    def move(self, name: str, *, stage: str, to: str | None, away_from: str | None) -> None:
        """One version has a stage: who moves it says from where."""
        secret = self.live(name)
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

    def live(self, name: str) -> SecretRecord:
        """One that can be written, and whose value and policy can be read."""
        secret = self._there(name)
        if secret.deleted_on is not None:
            raise Refused("InvalidRequestException")
        return secret

    def describe(self, name: str) -> SecretRecord:
        return self._there(name)

    def current_key(self, name: str) -> str | None:
        """What GetSecretValue would hand to the owner."""
        secret = self.secrets.get(name)
        return None if secret is None or secret.deleted_on is not None else secret.key_with(CURRENT)

    def _there(self, name: str) -> SecretRecord:
        if name not in self.secrets:
            raise Refused("ResourceNotFoundException")
        return self.secrets[name]

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
