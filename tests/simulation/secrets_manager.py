"""Secrets Manager in memory: stages by version id, the key that each version holds, and deletion that is scheduled."""

from dataclasses import dataclass, field

from keyrotation.model import Secret

from tests.simulation.iam import Refused

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"


@dataclass
class SecretRecord:
    """`held`: the access key id in each version's value. The first version is a placeholder."""

    stages: dict[str, set[str]] = field(default_factory=lambda: {"placeholder": {CURRENT}})
    held: dict[str, str] = field(default_factory=dict)
    deleted: bool = False

    def with_stage(self, stage: str) -> str | None:
        return next((version for version, labels in self.stages.items() if stage in labels), None)


@dataclass
class SecretsManager:
    secrets: dict[str, SecretRecord] = field(default_factory=dict)

    def create(self, name: str) -> None:
        if name in self.secrets:
            raise Refused("ResourceExistsException")
        self.secrets[name] = SecretRecord()

    def restore(self, name: str) -> None:
        self.secrets[name].deleted = False

    def schedule_deletion(self, name: str) -> None:
        self.secrets[name].deleted = True

    def put(self, name: str, *, version: str, key_id: str, stage: str) -> None:
        secret = self._live(name)
        for labels in secret.stages.values():
            labels.discard(stage)
        secret.stages[version] = {stage}
        secret.held[version] = key_id

    def move(self, name: str, *, stage: str, to: str | None) -> None:
        """The version that loses AWSCURRENT becomes AWSPREVIOUS, as Secrets Manager does it."""
        secret = self._live(name)
        loser = secret.with_stage(stage)
        for labels in secret.stages.values():
            labels.discard(stage)
        if to is not None:
            secret.stages[to].add(stage)
        if stage == CURRENT and loser is not None and loser != to:
            for labels in secret.stages.values():
                labels.discard(PREVIOUS)
            secret.stages[loser].add(PREVIOUS)

    def describe(self, name: str) -> Secret | None:
        """Versions without a stage are not listed."""
        secret = self.secrets.get(name)
        if secret is None:
            return None
        stages = {version: frozenset(labels) for version, labels in secret.stages.items() if labels}
        return Secret(stages=stages, deleted=secret.deleted)

    def current_key(self, name: str) -> str | None:
        """What GetSecretValue would hand to the owner."""
        secret = self.secrets.get(name)
        if secret is None or secret.deleted:
            return None
        return secret.held.get(secret.with_stage(CURRENT) or "")

    def _live(self, name: str) -> SecretRecord:
        if name not in self.secrets:
            raise Refused("ResourceNotFoundException")
        if self.secrets[name].deleted:
            raise Refused("InvalidRequestException")
        return self.secrets[name]
