"""The mocked account: users and keys told by their ages, and what became of them."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from keyrotation.memory import Memory, Notice, Pending, What, Why
from keyrotation.model import Occasion, secret_name, version_id
from keyrotation.remember.table import TABLE_NAME, Table
from moto.iam.models import AccessKey, AccessKeyLastUsed, AWSManagedPolicy, iam_backends

if TYPE_CHECKING:
    from boto3.session import Session
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_iam.type_defs import TagTypeDef

ACCOUNT = "123456789012"  # moto's own
REGION = "eu-central-1"
NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
TODAY = NOW.date()
OCCASION = Occasion(now=NOW, region=REGION, function_timeout=timedelta(minutes=15), listeners=1)
ROTATOR_ROLE_ARN = f"arn:aws:iam::{ACCOUNT}:role/access-key-rotation-rotator"
RUN_ID = "run-2026-11-22"
PREFIX = "access-key-rotation:"


_QUARANTINE = "AWSCompromisedKeyQuarantineV3"
# As the secrets of this system say it.
_DESCRIPTION = "Access key of an IAM user, written by access-key-rotation"


def table_of(client: "DynamoDBClient") -> Table:
    return Table(client=client, name=TABLE_NAME, fresh=lambda: str(uuid4()))


def days_ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


class Account:
    """Seeds and reads through clients of its own, so that a recorder sees nothing of it."""

    def __init__(self, session: "Session") -> None:
        self.session = session
        self.iam = session.client("iam")
        self.secrets = session.client("secretsmanager")
        self.dynamodb = session.client("dynamodb")
        self.table = table_of(self.dynamodb)
        self.make_table()

    def make_table(self) -> None:
        """As the stack makes it (tests/infra/test_memory.py)."""
        self.dynamodb.create_table(
            TableName=TABLE_NAME,
            AttributeDefinitions=[{"AttributeName": "user_id", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "user_id", "KeyType": "HASH"}],
            BillingMode="PAY_PER_REQUEST",
        )

    def lose_memory(self) -> None:
        """Somebody deleted the table and made it anew."""
        self.dynamodb.delete_table(TableName=TABLE_NAME)
        self.make_table()

    def memory(self, user_name: str) -> Memory:
        """What is remembered of a user now."""
        return self.table.read(self.user_id(user_name))

    def remember(self, user_name: str, **facts: Any) -> None:
        """Change what is remembered of a user, as an earlier run would have written it."""
        self.table.save(replace(self.memory(user_name), name=user_name, **facts), run_id="an earlier run")

    def remember_key(self, user_name: str, key_id: str, **facts: Any) -> None:
        """The same of one key: `issued_on`, `off_since`, `notice`, ..."""
        self.remember(user_name, keys=self.memory(user_name).with_key(key_id, **facts).keys)

    def notice(self, user_name: str, key_id: str, why: Why, *, days: int, told: int = 1) -> Notice:
        """Have a notice be remembered: kept in `days` days (before today: negative), told `told` days ago. Returns it."""
        what = What.DELETE if why is Why.INACTIVE else What.SWITCH_OFF
        notice = Notice(
            what=what, why=why, day=TODAY + timedelta(days=days), told=TODAY - timedelta(days=told)
        )
        self.remember_key(user_name, key_id, notice=notice)
        return notice

    def user_id(self, user_name: str) -> str:
        return self.iam.get_user(UserName=user_name)["User"]["UserId"]

    def close(self) -> None:
        self.iam.close()
        self.dynamodb.close()
        self.secrets.close()

    def add_user(self, name: str, *, path: str = "/", tags: dict[str, str] | None = None) -> str:
        """Returns the ARN."""
        pairs: list[TagTypeDef] = [{"Key": key, "Value": value} for key, value in (tags or {}).items()]
        return self.iam.create_user(UserName=name, Path=path, Tags=pairs)["User"]["Arn"]

    def add_key(
        self,
        user_name: str,
        *,
        age: float,
        used: float | None = None,
        service: str = "s3",
        status: str = "Active",
    ) -> str:
        """A key made `age` days ago and last used `used` days ago (None: never). Returns its id."""
        key_id = self.iam.create_access_key(UserName=user_name)["AccessKey"]["AccessKeyId"]
        key = self._behind(key_id)
        key.status = status
        key.create_date = days_ago(age).replace(tzinfo=None)
        if used is not None:
            self.use(key_id, days=used, service=service)
        return key_id

    def use(self, key_id: str, *, days: float, service: str = "s3") -> None:
        """Have the key used for the last time `days` days ago."""
        at = days_ago(days).replace(tzinfo=None)
        self._behind(key_id).last_used = AccessKeyLastUsed(at, service, REGION)

    def add_carol(self) -> tuple[str, str]:
        """A user whose only key is due for a replacement, and in use. Returns the ARN and the key's id."""
        return self.add_user("carol"), self.add_key("carol", age=80, used=1)

    def store(self, user_name: str, key_id: str) -> None:
        """Have AWSCURRENT hold this key, and memory know that it was issued when it was made: as a replacement leaves it."""
        made = self.secrets.create_secret(
            Name=secret_name(user_name),
            Description=_DESCRIPTION,
            ClientRequestToken=version_id(key_id),
            SecretString=self.value(user_name, key_id),
        )
        self._remember_secret(user_name, made["ARN"])
        issued_on = self._behind(key_id).create_date.date()
        self.remember_key(user_name, key_id, issued_on=issued_on, secret_arn=made["ARN"])

    def stage(self, user_name: str, key_id: str) -> None:
        """Have AWSPENDING hold this key and AWSCURRENT a placeholder, as an interrupted replacement leaves it."""
        self.add_placeholder(user_name)
        self.secrets.put_secret_value(
            SecretId=secret_name(user_name),
            ClientRequestToken=version_id(key_id),
            SecretString=self.value(user_name, key_id),
            VersionStages=["AWSPENDING"],
        )

    def _remember_secret(self, user_name: str, arn: str) -> None:
        user = self.iam.get_user(UserName=user_name)["User"]
        self.remember(user_name, secret_arn=arn, policy_arn=user["Arn"])

    def add_placeholder(self, user_name: str) -> None:
        """A secret of ours without a key, which memory knows."""
        made = self.secrets.create_secret(
            Name=secret_name(user_name),
            Description=_DESCRIPTION,
            SecretString=json.dumps({"UserName": user_name}),
        )
        self._remember_secret(user_name, made["ARN"])

    def pending(self, user_name: str, *key_ids: str, days: float = 1, region: str = REGION) -> None:
        """A replacement began so many days ago, when these keys were there, and did not finish."""
        pending = Pending(since=days_ago(days), region=region, run_id="a run that died", key_ids=key_ids)
        self.remember(user_name, pending=pending)

    def value(self, user_name: str, key_id: str) -> str:
        """What a secret holds of a key; a key that is gone has no secret half any more."""
        key = iam_backends[ACCOUNT]["aws"].access_keys.get(key_id)
        secret = key.secret_access_key if key is not None else "gone"
        return json.dumps({"UserName": user_name, "AccessKeyId": key_id, "SecretAccessKey": secret})

    def tag(self, user_name: str, **tags: str) -> None:
        """Tags of this system; underscores stand for hyphens."""
        pairs: list[TagTypeDef] = [
            {"Key": PREFIX + name.replace("_", "-"), "Value": value} for name, value in tags.items()
        ]
        self.iam.tag_user(UserName=user_name, Tags=pairs)

    def quarantine(self, user_name: str) -> None:
        """AWS found a key of the user in public."""
        arn = f"arn:aws:iam::aws:policy/{_QUARANTINE}"
        backend = iam_backends[ACCOUNT]["aws"]
        if arn not in backend.managed_policies:
            version = {"Document": {"Version": "2012-10-17", "Statement": []}, "DefaultVersionId": "v1"}
            dates = {"CreateDate": NOW.isoformat(), "UpdateDate": NOW.isoformat()}
            data = {"Arn": arn, "Path": "/", **version, **dates}
            backend.managed_policies[arn] = AWSManagedPolicy.from_data(_QUARANTINE, ACCOUNT, REGION, data)
        self.iam.attach_user_policy(UserName=user_name, PolicyArn=arn)

    def rename(self, old: str, new: str) -> None:
        """moto leaves the keys under the old name; IAM takes them along."""
        self.iam.update_user(UserName=old, NewUserName=new)
        for key in iam_backends[ACCOUNT]["aws"].access_keys.values():
            if key.user_name == old:
                key.user_name = new

    def delete_user(self, name: str) -> None:
        for key_id in self.keys(name):
            self.iam.delete_access_key(UserName=name, AccessKeyId=key_id)
        self.iam.delete_user(UserName=name)

    def delete_secret(self, user_name: str) -> None:
        """Schedule the user's secret for deletion."""
        self.secrets.delete_secret(SecretId=secret_name(user_name))

    def keys(self, user_name: str) -> dict[str, str]:
        """Status by key id, in the order of creation."""
        found = self.iam.list_access_keys(UserName=user_name)["AccessKeyMetadata"]
        return {key["AccessKeyId"]: key["Status"] for key in found}

    def new_key(self, user_name: str, *old: str) -> str:
        """The id of the only key that is not among the old ones."""
        (key_id,) = set(self.keys(user_name)) - set(old)
        return key_id

    def tags(self, user_name: str) -> dict[str, str]:
        return {tag["Key"]: tag["Value"] for tag in self.iam.list_user_tags(UserName=user_name)["Tags"]}

    def current(self, user_name: str) -> dict[str, Any]:
        """The value that the owner of the secret reads."""
        # Named, since moto would answer with the newest AWSPENDING version otherwise.
        found = self.secrets.get_secret_value(SecretId=secret_name(user_name), VersionStage="AWSCURRENT")
        value: dict[str, Any] = json.loads(found["SecretString"])
        return value

    def stages(self, user_name: str) -> dict[str, set[str]]:
        """Stages by version id; without the versions that have none."""
        found = self.secrets.describe_secret(SecretId=secret_name(user_name))["VersionIdsToStages"]
        return {version: set(stages) for version, stages in found.items() if stages}

    def secret_names(self) -> list[str]:
        listed = self.secrets.list_secrets(IncludePlannedDeletion=True)["SecretList"]
        return [each["Name"] for each in listed]

    def current_works(self, user_name: str) -> bool:
        """True when IAM knows the key in the secret, active, with the secret half that stands there."""
        value = self.current(user_name)
        key = iam_backends[ACCOUNT]["aws"].access_keys.get(value["AccessKeyId"])
        return (
            key is not None
            and key.user_name == user_name
            and key.status == "Active"
            and key.secret_access_key == value["SecretAccessKey"]
        )

    def used_with_sts(self, key_id: str) -> bool:
        use = self._behind(key_id).last_used
        return use is not None and use.service == "sts"

    def make_older(self, key_id: str, *, days: float) -> None:
        """Move the creation of a key into the past."""
        self._behind(key_id).create_date -= timedelta(days=days)

    @staticmethod
    def _behind(key_id: str) -> AccessKey:
        return iam_backends[ACCOUNT]["aws"].access_keys[key_id]
