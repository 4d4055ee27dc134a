"""The secret that hands a new key to its owner. Values are written here and never read."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from keyrotation.model import CURRENT_STAGE, PENDING_STAGE, Secret, User, secret_name, version_id
from keyrotation.secret_policy import same_policy, secret_policy

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient


# Seconds before each time that a policy is read back.
POLICY_DELAYS = (0, 1, 3)


class ForeignPolicy(Exception):
    """The secret's resource policy is not exactly ours: somebody else decides who reads it."""


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key as CreateAccessKey returned it, the only moment at which its secret half can be had."""

    id: str
    secret: str = field(repr=False)
    created: datetime


@dataclass(frozen=True, kw_only=True)
class SecretStore:
    """Secrets Manager as this system uses it. Every method raises what botocore raises."""

    client: "SecretsManagerClient" = field(repr=False)
    rotator_role_arn: str
    sleep: Callable[[float], None]

    def describe(self, name: str) -> Secret | None:
        """None: there is no such secret."""
        try:
            found = self.client.describe_secret(SecretId=name)
        except self.client.exceptions.ResourceNotFoundException:
            return None
        stages = found.get("VersionIdsToStages", {})
        return Secret(
            stages={version: frozenset(labels) for version, labels in stages.items()},
            deleted="DeletedDate" in found,
        )

    def make_ready(self, user: User) -> None:
        """Make sure that a key can be stored, and that only its owner will read it, before there is a key.

        Raises ForeignPolicy when the policy that is read back is not exactly ours: somebody may have made the
        secret first, with a policy of their own.
        """
        name, secret = secret_name(user.name), user.secret
        if secret is None and not self._created(name, user):
            secret = self.describe(name)
        if secret is not None and secret.deleted:
            self.client.restore_secret(SecretId=name)
        ours = secret_policy(user_arn=user.arn, rotator_role_arn=self.rotator_role_arn)
        self.client.put_resource_policy(SecretId=name, ResourcePolicy=ours, BlockPublicPolicy=True)
        if not self._has_policy(name, ours):
            raise ForeignPolicy(f"the resource policy of {name} is not the one that was put")
        if secret is not None and self._version_with(secret, CURRENT_STAGE) is None:
            # Somebody made it without a value, and the first version of a secret becomes AWSCURRENT whatever
            # it is asked to be: let that be a placeholder, and not a key that is not proved yet.
            self.client.put_secret_value(SecretId=name, SecretString=_placeholder(user))

    def _has_policy(self, name: str, ours: str) -> bool:
        """Asked a few times: the answer to the first may be from before the policy was put."""
        for delay in POLICY_DELAYS:
            self.sleep(delay)
            if same_policy(self.client.get_resource_policy(SecretId=name).get("ResourcePolicy", "{}"), ours):
                return True
        return False

    def _created(self, name: str, user: User) -> bool:
        """False: somebody made it in between; the policy that is put and read back decides whether it will do."""
        try:
            self.client.create_secret(
                Name=name,
                Description=f"Access key of the IAM user {user.name}, written by access-key-rotation",
                SecretString=_placeholder(user),
            )
        except self.client.exceptions.ResourceExistsException:
            return False
        return True

    def stage(self, user_name: str, key: NewKey) -> None:
        """Store the key as AWSPENDING. The token is the version id: it names the key, and repeats do nothing."""
        value = {
            "UserName": user_name,
            "AccessKeyId": key.id,
            "SecretAccessKey": key.secret,
            "CreateDate": key.created.isoformat(),
        }
        self.client.put_secret_value(
            SecretId=secret_name(user_name),
            ClientRequestToken=version_id(key.id),
            SecretString=json.dumps(value),
            VersionStages=[PENDING_STAGE],
        )

    def promote(self, user_name: str, key_id: str) -> None:
        """Make the key's version AWSCURRENT, and take AWSPENDING away from it."""
        name, version = secret_name(user_name), version_id(key_id)
        secret = self.describe(name)
        holder = self._version_with(secret, CURRENT_STAGE)
        if holder is None:
            self.client.update_secret_version_stage(
                SecretId=name, VersionStage=CURRENT_STAGE, MoveToVersionId=version
            )
        elif holder != version:
            self.client.update_secret_version_stage(
                SecretId=name, VersionStage=CURRENT_STAGE, MoveToVersionId=version, RemoveFromVersionId=holder
            )
        if self._version_with(self.describe(name), PENDING_STAGE) != version:
            return
        # The key is AWSCURRENT, and its owner may have it by now: a secret that somebody deletes underneath is no
        # reason to take that key for one that was never handed over.
        with suppress(self.client.exceptions.ResourceNotFoundException):
            self.client.update_secret_version_stage(
                SecretId=name, VersionStage=PENDING_STAGE, RemoveFromVersionId=version
            )

    @staticmethod
    def _version_with(secret: Secret | None, stage: str) -> str | None:
        stages = secret.stages if secret is not None else {}
        return next((version for version, labels in stages.items() if stage in labels), None)


def _placeholder(user: User) -> str:
    return json.dumps({"UserName": user.name, "Note": "no access key was issued here yet"})
