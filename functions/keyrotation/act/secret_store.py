"""The secret that hands a new key to its owner. Values are written here and never read."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, TypedDict

from botocore.exceptions import ClientError

from keyrotation.act.secret_policy import same_policy, secret_policy
from keyrotation.causes import cause_of, is_code
from keyrotation.look.secrets import described
from keyrotation.model import CURRENT_STAGE, PENDING_STAGE, User, secret_name, version_id

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import DescribeSecretResponseTypeDef


# Seconds before each time that a policy is read back.
POLICY_DELAYS = (0, 1, 3)
# AWS leaves the key out, or names this alias, when a secret is encrypted with the key that it manages.
_AWS_MANAGED = "alias/aws/secretsmanager"


# How the description of a secret of ours ends, also of those that version 0.1 made.
_MADE_BY = "written by access-key-rotation"
_OUR_STAGES = {CURRENT_STAGE, PENDING_STAGE, "AWSPREVIOUS"}


class _KmsKey(TypedDict, total=False):
    KmsKeyId: str


class ForeignSecret(Exception):
    """Somebody else may decide what becomes of what is stored in the secret; the message says what to do."""


class ForeignPolicy(ForeignSecret):
    """The secret's resource policy is not exactly ours: somebody else decides who reads it."""


@dataclass(frozen=True, kw_only=True)
class NewKey:
    """A key as CreateAccessKey returned it, the only moment at which its secret half can be had."""

    id: str
    secret: str = field(repr=False)
    created: datetime


@dataclass(frozen=True, kw_only=True)
class ReadySecret:
    """A secret that a key may go into. `current`: the version that has AWSCURRENT, and gives it away to the key's."""

    arn: str
    current: str


@dataclass(frozen=True, kw_only=True)
class SecretStore:
    """Secrets Manager as this system uses it. Every method raises what botocore raises.

    `reader_arns`: who reads the secrets besides their owners. `kms_key_arn`: the key that encrypts them; None: the
    one that AWS manages. `owners`: whose each secret is, the user's id by the secret's ARN, as far as memory knows.
    """

    client: "SecretsManagerClient" = field(repr=False)
    rotator_role_arn: str
    reader_arns: tuple[str, ...] = ()
    kms_key_arn: str | None = None
    owners: Mapping[str, str] = field(default_factory=dict, repr=False)
    sleep: Callable[[float], None]

    def make_ready(self, user: User) -> ReadySecret:
        """Make sure that a key can be stored, and that only its readers will read it, before there is a key.

        By the ARN that memory knows, and only if there is none (any more) by name. By its ARN it goes from here on: a secret
        that somebody deletes and makes anew has the same name, another policy, and another ARN. Raises ForeignSecret when it
        is not as this system makes them.
        """
        name, known = secret_name(user.name), user.memory.secret_arn
        arn = None if known is None else self._found(known, user)
        arn = arn or self._found_by_name(name, user) or self._created(name, user)
        self.put_policy(arn, user)
        # Only now, when the policy keeps everybody else from copying it or having it rotated.
        found = self.client.describe_secret(SecretId=arn)
        self._refuse_surprises(found)
        if self.kms_key_arn is not None and not _is_key(found.get("KmsKeyId", ""), self.kms_key_arn):
            self.client.update_secret(SecretId=arn, KmsKeyId=self.kms_key_arn)
        stages = found.get("VersionIdsToStages", {})
        current = next((version for version, labels in stages.items() if CURRENT_STAGE in labels), None)
        if current is None:
            # Somebody made it without a value, and the first version of a secret becomes AWSCURRENT whatever
            # it is asked to be: let that be a placeholder, and not a key that is not proved yet.
            put = self.client.put_secret_value(SecretId=arn, SecretString=_placeholder(user))
            current = put["VersionId"]
        return ReadySecret(arn=arn, current=current)

    def put_policy(self, arn: str, user: User) -> None:
        """Let the owner read under the name and the path of today, and see that it stands. Raises ForeignPolicy."""
        if "${" in user.arn:
            # IAM takes it in a path. In a policy it is a variable, and the owner's ARN would be no longer what stands there.
            raise ForeignPolicy(
                f"the path in {user.arn} holds ${{, which a policy takes for a variable: the owner could not read the secret. "
                "Move the user to another path"
            )
        ours = secret_policy(
            user_arn=user.arn,
            user_id=user.id,
            reader_arns=self.reader_arns,
            rotator_role_arn=self.rotator_role_arn,
        )
        try:
            self.client.put_resource_policy(SecretId=arn, ResourcePolicy=ours, BlockPublicPolicy=True)
        except ClientError as error:
            # AWS says that a principal is not supported, and not which: the owner's is one that was just looked at.
            if not self.reader_arns or not is_code(error, "MalformedPolicyDocumentException"):
                raise
            raise ForeignPolicy(
                f"{cause_of(error)}. See whether each user and role of SecretReaderArns exists"
            ) from None
        if not self._has_policy(arn, ours):
            raise ForeignPolicy(f"the resource policy of {arn} is not the one that was put")

    def _found(self, secret_id: str, user: User) -> str | None:
        """The ARN of one that is there and is as this system makes them; None: there is none."""
        found = described(self.client, secret_id)
        if found is None:
            return None
        # Who takes the name of a renamed user would be let in to that user's key, which works.
        if (owner := self.owners.get(found["ARN"], user.id)) != user.id:
            raise ForeignSecret(
                f"the secret {found['Name']} is another user's, whose id is {owner} and who had this name before: give one of "
                "the two another name"
            )
        self._refuse_surprises(found)
        if "DeletedDate" in found:
            self.client.restore_secret(SecretId=found["ARN"])
        return found["ARN"]

    def _found_by_name(self, name: str, user: User) -> str | None:
        """As _found. Whether AWS calls a name that nobody has taken denied or unknown is not documented.

        CreateSecret then says which: it refuses a name that is taken.
        """
        try:
            return self._found(name, user)
        except ClientError as error:
            if is_code(error, "AccessDeniedException"):
                return None
            raise

    def _refuse_surprises(self, found: "DescribeSecretResponseTypeDef") -> None:
        kms_key = found.get("KmsKeyId") or _AWS_MANAGED
        # arn:aws:secretsmanager:eu-west-1:111122223333:secret:...
        _, partition, _, region, account, *_ = found["ARN"].split(":")
        # Whole: anybody may give a key of theirs the alias alias/mine/aws/secretsmanager.
        aws_managed = {_AWS_MANAGED, f"arn:{partition}:kms:{region}:{account}:{_AWS_MANAGED}"}
        if surprises := list(_surprises(found)):
            raise ForeignSecret(
                f"the secret {found['Name']} is not as this system makes them: {'; '.join(surprises)}. Find out who did "
                "that, and undo it: the next run then goes on"
            )
        if self.kms_key_arn is None and kms_key not in aws_managed:
            raise ForeignSecret(
                f"the secret {found['Name']} is encrypted with {kms_key}, and SecretsKmsKeyArn is empty: set the parameter "
                "to the key that is meant, or have the secret encrypted with AWS's own (update-secret --kms-key-id "
                "alias/aws/secretsmanager)"
            )

    def _has_policy(self, arn: str, ours: str) -> bool:
        """Asked a few times: the answer to the first may be from before the policy was put."""
        for delay in POLICY_DELAYS:
            self.sleep(delay)
            if same_policy(self.client.get_resource_policy(SecretId=arn).get("ResourcePolicy", "{}"), ours):
                return True
        return False

    def _created(self, name: str, user: User) -> str:
        """Its ARN. Where somebody made it in between, what it is then found to be decides whether it will do."""
        key: _KmsKey = {} if self.kms_key_arn is None else {"KmsKeyId": self.kms_key_arn}
        try:
            made = self.client.create_secret(
                Name=name,
                Description=f"Access key of the IAM user {user.name}, {_MADE_BY}",
                SecretString=_placeholder(user),
                **key,
            )
        except ClientError as error:
            if not is_code(error, "ResourceExistsException") or (arn := self._found(name, user)) is None:
                raise
            return arn
        return made["ARN"]

    def stage(self, arn: str, user_name: str, key: NewKey) -> None:
        """Store the key as AWSPENDING. The token is the version id: it names the key, and repeats do nothing."""
        value = {
            # With `Version` it is also a valid answer of a `credential_process`.
            "Version": 1,
            "UserName": user_name,
            "AccessKeyId": key.id,
            "SecretAccessKey": key.secret,
            "CreateDate": key.created.isoformat(),
        }
        self.client.put_secret_value(
            SecretId=arn,
            ClientRequestToken=version_id(key.id),
            SecretString=json.dumps(value),
            VersionStages=[PENDING_STAGE],
        )

    def promote(self, secret: ReadySecret, key_id: str) -> None:
        """Make the key's version AWSCURRENT.

        It keeps AWSPENDING beside it, as Secrets Manager's own rotation leaves it; the next key takes that away.
        """
        version = version_id(key_id)
        if secret.current != version:
            self.client.update_secret_version_stage(
                SecretId=secret.arn,
                VersionStage=CURRENT_STAGE,
                MoveToVersionId=version,
                RemoveFromVersionId=secret.current,
            )


def _surprises(found: "DescribeSecretResponseTypeDef") -> Iterator[str]:
    """What this system never does to a secret, and what could carry its value away or take it out of our hands."""
    if copies := found.get("ReplicationStatus"):
        yield f"it is copied to {', '.join(sorted(copy.get('Region', '?') for copy in copies))}"
    region = found["ARN"].split(":")[3]
    if (primary := found.get("PrimaryRegion", region)) != region:
        yield f"it is a copy of one in {primary}"
    if found.get("RotationEnabled"):
        yield f"it is rotated by {found.get('RotationLambdaARN', 'something else')}"
    if owner := found.get("OwningService"):
        yield f"it belongs to {owner}"
    if kind := found.get("Type"):
        yield f"it is of the type {kind}"
    if not found.get("Description", "").endswith(_MADE_BY):
        yield "its description does not say that this system made it"
    stages = {stage for labels in found.get("VersionIdsToStages", {}).values() for stage in labels}
    if foreign := sorted(stages - _OUR_STAGES):
        yield f"a version of it bears {', '.join(foreign)}, which this system never sets"


def _is_key(kms_key_id: str, arn: str) -> bool:
    """AWS tells a secret's key as it was given: by its ARN or by its id alone."""
    return kms_key_id in (arn, arn.rpartition("/")[2])


def _placeholder(user: User) -> str:
    return json.dumps({"UserName": user.name, "Note": "no access key was issued here yet"})
