"""Insiders who may do everything by their own policies: they forge secrets, versions and stages, and try to read.

What a secret's own policy denies them, they cannot do; before the product has put one, they can.
"""

import json
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random

from keyrotation.model import secret_name, version_id

from tests.simulation.access import READ, may
from tests.simulation.account import Account
from tests.simulation.iam import Refused, UserRecord
from tests.simulation.secrets_manager import CURRENT, PENDING, PREVIOUS, SecretRecord
from tests.simulation.watch import STRANGER, Watch

_OURS = "Access key of the IAM user {}, written by access-key-rotation"
_OPEN = json.dumps({"Version": "2012-10-17", "Statement": []})


@dataclass
class Attackers:
    """`did`: how often each deed succeeded, and how often a policy stopped it."""

    random: Random
    account: Account
    watch: Watch
    did: Counter[str] = field(default_factory=Counter)

    def attack(self, user: UserRecord) -> bool:
        """True when it changed something about the user's secret."""
        secret = self._secret(user)
        if secret is None:
            return self._forges_a_secret(user)
        self._tries_to_read(secret)
        deeds = (
            ("puts a version", "secretsmanager:PutSecretValue", self._puts_a_version),
            ("moves a stage", "secretsmanager:UpdateSecretVersionStage", self._moves_a_stage),
            ("puts a policy", "secretsmanager:PutResourcePolicy", self._puts_a_policy),
            ("deletes the policy", "secretsmanager:DeleteResourcePolicy", self._deletes_the_policy),
            ("changes the description", "secretsmanager:UpdateSecret", self._describes),
        )
        what, action, deed = self.random.choice(deeds)
        if not may(secret.policy, action, arn=STRANGER[0], user_id=STRANGER[1]):
            self.did[f"{what}: denied"] += 1
            return False
        with suppress(Refused):
            deed(secret, user)
        self.did[what] += 1
        return True

    def _secret(self, user: UserRecord) -> SecretRecord | None:
        handed = self.account.handed.get(user.id)
        if handed is not None and self.account.secrets.find(handed.arn) is handed:
            return handed
        return self.account.secrets.secrets.get(secret_name(user.name))

    def _tries_to_read(self, secret: SecretRecord) -> None:
        if secret.deleted_on is None and may(secret.policy, READ, arn=STRANGER[0], user_id=STRANGER[1]):
            self.watch.stranger_read(secret)

    def _forges_a_secret(self, user: UserRecord) -> bool:
        """Under the name that the product will look for: as anybody makes one, or as the product does."""
        description = _OURS.format(user.name) if self.random.random() < 0.6 else "database"
        with suppress(Refused):
            made = self.account.secrets.create(
                secret_name(user.name), token="f" * 32, value="{}", description=description
            )
            made.policy = self.random.choice((None, _OPEN))
            self.did["forges a secret"] += 1
            return True
        return False

    def _puts_a_version(self, secret: SecretRecord, user: UserRecord) -> None:
        """That seems to hold a key of the user's."""
        key_id = self.random.choice([*user.keys, "AKIAFORGED0000000001"])
        stage = self.random.choice((CURRENT, PENDING))
        value = json.dumps({"UserName": user.name, "AccessKeyId": key_id, "SecretAccessKey": "forged"})
        self.account.secrets.put(secret.arn, token=version_id(key_id), value=value, stages=(stage,))

    def _moves_a_stage(self, secret: SecretRecord, _user: UserRecord) -> None:
        stage = self.random.choice((CURRENT, PENDING, PREVIOUS))
        to = self.random.choice(list(secret.values))
        self.account.secrets.move(secret.arn, stage=stage, to=to, away_from=secret.with_stage(stage))

    @staticmethod
    def _puts_a_policy(secret: SecretRecord, _user: UserRecord) -> None:
        secret.policy = _OPEN

    @staticmethod
    def _deletes_the_policy(secret: SecretRecord, _user: UserRecord) -> None:
        secret.policy = None

    @staticmethod
    def _describes(secret: SecretRecord, user: UserRecord) -> None:
        secret.description = _OURS.format(user.name)
