"""boto3's clients as the product calls them, in front of an account in memory: its signatures, answers and errors."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from keyrotation.act.secret_store import NewKey
from keyrotation.memory import What, Why

from tests.simulation.access import readers_named
from tests.simulation.account import Account, Said
from tests.simulation.dynamodb import KEY, Item
from tests.simulation.faults import Kind, Line, ResourceExists, ResourceNotFound
from tests.simulation.iam import Refused, UserRecord
from tests.simulation.secrets_manager import CURRENT, SecretRecord, name_in

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sts import STSClient

# A subscription that gets only some of the messages.
_FILTERS = "filters"
_LARGEST_MESSAGE = 256 * 1024
# About as many as a megabyte holds.
_ITEMS_A_PAGE = 1000
# Faults of calls about no one user are booked on this name, which IAM does not allow.
ACCOUNT = "*"


@dataclass(frozen=True)
class Iam:
    """`retries` False: the client that never asks again."""

    account: Account
    line: Line
    retries: bool = True

    def get_user(self, *, UserName: str) -> Any:
        def effect() -> Any:
            user = self.account.iam.user(UserName)
            found = _named(user)
            if user.tags:
                found["Tags"] = _tags(user)
            return {"User": found}

        return self.line.call("GetUser", Kind.READ, UserName, effect)

    def get_access_key_last_used(self, *, AccessKeyId: str) -> Any:
        owner = self.account.iam.owner(AccessKeyId)

        def effect() -> Any:
            use = self.account.iam.key(AccessKeyId).last_use
            if use is None:
                return {"AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}}
            return {
                "AccessKeyLastUsed": {
                    "LastUsedDate": use.at,
                    "ServiceName": use.service,
                    "Region": use.region,
                }
            }

        return self.line.call("GetAccessKeyLastUsed", Kind.READ, owner.name if owner else ACCOUNT, effect)

    def get_account_summary(self) -> Any:
        return self.line.call(
            "GetAccountSummary", Kind.READ, ACCOUNT, lambda: {"SummaryMap": {"AccountAccessKeysPresent": 0}}
        )

    def list_account_aliases(self) -> Any:
        return self.line.call("ListAccountAliases", Kind.READ, ACCOUNT, lambda: {"AccountAliases": []})

    def get_paginator(self, operation: str) -> "_Paginator":
        if operation == "list_access_keys":
            return _Paginator(self._pages_of_keys)
        if operation == "list_attached_user_policies":
            return _Paginator(self._pages_of_policies)
        assert operation == "get_account_authorization_details"
        return _Paginator(self._pages_of_users)

    def untag_user(self, *, UserName: str, TagKeys: list[str]) -> None:
        self.line.call(
            "UntagUser",
            Kind.WRITE,
            UserName,
            lambda: self.account.iam.untag_user(UserName, tuple(TagKeys)),
        )

    def create_access_key(self, *, UserName: str) -> Any:
        def effect() -> Any:
            witness = self.account.witness
            if witness is not None:
                witness.creates(self.account.iam.user(UserName))
            key = self.account.iam.create_access_key(UserName, created=self.account.now)
            if witness is not None:
                witness.created(self.account.iam.user(UserName), key.id)
            return {
                "AccessKey": {
                    "UserName": UserName,
                    "AccessKeyId": key.id,
                    "SecretAccessKey": key.secret,
                    "Status": key.status,
                    "CreateDate": key.created,
                }
            }

        kind = Kind.WRITE if self.retries else Kind.ONCE
        return self.line.call("CreateAccessKey", kind, UserName, effect)

    def update_access_key(self, *, UserName: str, AccessKeyId: str, Status: str) -> None:
        assert Status == "Inactive", "nothing of this system switches a key on"

        def effect() -> None:
            user = self.account.iam.user(UserName)
            key = user.keys.get(AccessKeyId)
            if key is not None and key.active and self.account.witness is not None:
                self.account.witness.switches_off(user, AccessKeyId)
            self.account.iam.update_access_key(UserName, AccessKeyId, Status)

        self.line.call("UpdateAccessKey", Kind.WRITE, UserName, effect)

    def delete_access_key(self, *, UserName: str, AccessKeyId: str) -> None:
        def effect() -> None:
            user = self.account.iam.user(UserName)
            if AccessKeyId in user.keys and self.account.witness is not None:
                self.account.witness.deletes(user, AccessKeyId)
            self.account.iam.delete_access_key(UserName, AccessKeyId)

        self.line.call("DeleteAccessKey", Kind.WRITE, UserName, effect)

    def _pages_of_keys(self, *, UserName: str) -> Iterator[Any]:
        def effect() -> Any:
            if self.account.iam.user(UserName).id in self.account.closed:
                raise Refused("AccessDenied", 403)
            return {
                "AccessKeyMetadata": [
                    {
                        "UserName": UserName,
                        "AccessKeyId": key.id,
                        "Status": key.status,
                        "CreateDate": key.created,
                    }
                    for key in self.account.iam.user(UserName).keys.values()
                ]
            }

        yield self.line.call("ListAccessKeys", Kind.READ, UserName, effect)

    def _pages_of_users(
        self,
        *,
        Filter: list[str],
        PaginationConfig: dict[str, int],
    ) -> Iterator[Any]:
        assert Filter == ["User"]
        size = PaginationConfig["PageSize"]
        names = sorted(self.account.iam.users)
        for start in range(0, len(names), size):

            def effect(page: list[str] = names[start : start + size]) -> Any:
                return {"UserDetailList": [_detailed(self.account.iam.user(name)) for name in page]}

            yield self.line.call("GetAccountAuthorizationDetails", Kind.READ, ACCOUNT, effect)

    def _pages_of_policies(self, *, UserName: str) -> Iterator[Any]:
        def effect() -> Any:
            return {"AttachedPolicies": _attached(self.account.iam.user(UserName))}

        yield self.line.call("ListAttachedUserPolicies", Kind.READ, UserName, effect)


def _named(user: UserRecord) -> dict[str, Any]:
    return {"UserName": user.name, "UserId": user.id, "Path": user.path, "Arn": user.arn}


def _tags(user: UserRecord) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in user.tags.items()]


def _attached(user: UserRecord) -> list[dict[str, str]]:
    return [{"PolicyName": arn.rpartition("/")[2], "PolicyArn": arn} for arn in sorted(user.policies)]


def _detailed(user: UserRecord) -> dict[str, Any]:
    return {**_named(user), "Tags": _tags(user), "AttachedManagedPolicies": _attached(user)}


@dataclass(frozen=True)
class _Paginator:
    pages: Callable[..., Iterator[Any]]

    def paginate(self, **parameters: Any) -> Iterator[Any]:
        return self.pages(**parameters)


@dataclass(frozen=True)
class SecretsManager:
    """Where no token is given botocore makes one up, the same for each time that it asks again."""

    account: Account
    line: Line
    exceptions: Any = field(
        default_factory=lambda: SimpleNamespace(
            ResourceNotFoundException=ResourceNotFound, ResourceExistsException=ResourceExists
        )
    )
    _tokens: "count[int]" = field(default_factory=count)

    def describe_secret(self, *, SecretId: str) -> Any:
        def effect() -> Any:
            secret = self.account.secrets.describe(SecretId)
            found: dict[str, Any] = {
                "Name": secret.name,
                "ARN": secret.arn,
                "Description": secret.description,
            }
            stages = {version: sorted(labels) for version, labels in secret.stages.items() if labels}
            if stages:
                found["VersionIdsToStages"] = stages
            if secret.deleted_on is not None:
                found["DeletedDate"] = secret.deleted_on
            return found

        return self._call("DescribeSecret", Kind.READ, SecretId, effect)

    def create_secret(
        self, *, Name: str, Description: str, SecretString: str, ClientRequestToken: str | None = None
    ) -> Any:
        token = ClientRequestToken or self._token()

        def effect() -> Any:
            made = self.account.secrets.create(Name, token=token, value=SecretString, description=Description)
            return {"Name": Name, "ARN": made.arn}

        return self._call("CreateSecret", Kind.WRITE, Name, effect)

    def restore_secret(self, *, SecretId: str) -> None:
        self._call("RestoreSecret", Kind.WRITE, SecretId, lambda: self.account.secrets.restore(SecretId))

    def put_resource_policy(self, *, SecretId: str, ResourcePolicy: str, BlockPublicPolicy: bool) -> None:
        assert BlockPublicPolicy

        def effect() -> None:
            self.account.secrets.live(SecretId).policy = ResourcePolicy

        self._call("PutResourcePolicy", Kind.WRITE, SecretId, effect)

    def get_resource_policy(self, *, SecretId: str) -> Any:
        def effect() -> Any:
            policy = self.account.secrets.live(SecretId).policy
            return {"Name": SecretId} if policy is None else {"Name": SecretId, "ResourcePolicy": policy}

        return self._call("GetResourcePolicy", Kind.READ, SecretId, effect)

    def put_secret_value(
        self,
        *,
        SecretId: str,
        SecretString: str,
        ClientRequestToken: str | None = None,
        VersionStages: list[str] | None = None,
    ) -> Any:
        token = ClientRequestToken or self._token()
        assert 32 <= len(token) <= 64
        stages = tuple(VersionStages or ["AWSCURRENT"])

        def effect() -> Any:
            self.account.secrets.put(SecretId, token=token, value=SecretString, stages=stages)
            self._witnessed(self.account.secrets.live(SecretId), promoted=False)
            return {"VersionId": token}

        return self._call("PutSecretValue", Kind.WRITE, SecretId, effect)

    def update_secret_version_stage(
        self,
        *,
        SecretId: str,
        VersionStage: str,
        MoveToVersionId: str | None = None,
        RemoveFromVersionId: str | None = None,
    ) -> None:
        def effect() -> None:
            self.account.secrets.move(
                SecretId, stage=VersionStage, to=MoveToVersionId, away_from=RemoveFromVersionId
            )
            secret = self.account.secrets.live(SecretId)
            current = secret.key_with(CURRENT)
            owner = self.account.iam.owner(current) if current is not None else None
            if owner is not None:
                self.account.handed[owner.id] = secret
            self._witnessed(secret, promoted=True)

        self._call("UpdateSecretVersionStage", Kind.WRITE, SecretId, effect)

    def _witnessed(self, secret: SecretRecord, *, promoted: bool) -> None:
        if self.account.witness is not None:
            self.account.witness.stored(secret, promoted=promoted)

    def _call(self, operation: str, kind: Kind, secret_id: str, effect: Callable[[], Any]) -> Any:
        return self.line.call(operation, kind, self._booked_on(secret_id), effect)

    def _booked_on(self, secret_id: str) -> str:
        """Whose secret it is: of the user whom its policy names, who may bear another name by now."""
        name = name_in(secret_id) if secret_id.startswith("arn:") else secret_id
        secret = self.account.secrets.secrets.get(name)
        if secret is not None and (readers := readers_named(secret.policy)):
            return min(readers).rpartition("/")[2]
        return name.split("/")[1]

    def _token(self) -> str:
        return f"made-up-by-botocore-{next(self._tokens):012d}"


@dataclass(frozen=True)
class Sts:
    """Signs with one key, and never asks again."""

    account: Account
    line: Line
    key: NewKey

    def get_caller_identity(self) -> Any:
        def effect() -> Any:
            iam = self.account.iam
            user = iam.use(self.key.id, at=self.account.now, service="sts", region="us-east-1")
            return {"Arn": user.arn}

        # Not a read: it leaves a last use behind.
        owner = self.account.iam.owner(self.key.id)
        return self.line.call("GetCallerIdentity", Kind.ONCE, owner.name if owner else ACCOUNT, effect)

    def close(self) -> None:
        """As boto3's: nothing is left open here."""


@dataclass
class _Subscriptions:
    """As many addresses as listen, each confirmed; and two that do not: one that filters, and one that nobody confirmed."""

    account: Account
    line: Line

    def paginate(self, *, TopicArn: str) -> Iterator[dict[str, Any]]:
        subscribed = range(self.account.listeners)
        arns = [
            *(f"{TopicArn}:{each}" for each in subscribed),
            f"{TopicArn}:{_FILTERS}",
            "PendingConfirmation",
        ]
        page = {"Subscriptions": [{"SubscriptionArn": arn} for arn in arns]}
        yield self.line.call("ListSubscriptionsByTopic", Kind.READ, ACCOUNT, lambda: page)


@dataclass
class Sns:
    """`accepted`: how many messages went out; `said`: what the last of them named, whoever heard it."""

    account: Account
    line: Line
    accepted: int = 0
    said: tuple[Said, ...] = ()

    def get_paginator(self, operation: str) -> "_Subscriptions":
        assert operation == "list_subscriptions_by_topic"
        return _Subscriptions(self.account, self.line)

    def get_subscription_attributes(self, *, SubscriptionArn: str) -> dict[str, Any]:
        attributes = {"SubscriptionArn": SubscriptionArn, "PendingConfirmation": "false"}
        if SubscriptionArn.endswith(_FILTERS):
            attributes["FilterPolicy"] = '{"severity": ["critical"]}'
        return self.line.call(
            "GetSubscriptionAttributes", Kind.READ, ACCOUNT, lambda: {"Attributes": attributes}
        )

    def publish(self, *, Message: str, Subject: str, **_parameters: Any) -> dict[str, str]:
        assert 0 < len(Subject) < 100
        assert len(Message.encode()) <= _LARGEST_MESSAGE
        said = named_in(Message)

        def effect() -> dict[str, str]:
            if self.account.sns_refuses:
                raise Refused("InternalError", 500)
            self.accepted += 1
            self.said = said
            if self.account.listeners and self.account.witness is not None:
                self.account.witness.heard(said)
            return {"MessageId": f"message-{self.accepted}"}

        return self.line.call("Publish", Kind.WRITE, ACCOUNT, effect)


def named_in(message: str) -> tuple[Said, ...]:
    """The notices that a message names, for machines and for people alike."""
    renderings = json.loads(message)
    mail = renderings["default"]
    said = []
    for each in json.loads(renderings["sqs"])["notices"]:
        assert each["key"] in mail, f"the mail does not name {each}"
        assert each["day"] in mail, f"the mail does not name the day of {each}"
        said.append(
            Said(
                key_id=each["key"],
                what=What(each["what"]),
                why=Why(each["why"]),
                day=date.fromisoformat(each["day"]),
            )
        )
    return tuple(said)


@dataclass(frozen=True)
class DynamoDb:
    """The one table. Every call says whose item it is about, but for the scan."""

    account: Account
    line: Line

    def get_item(self, *, TableName: str, Key: dict[str, Any], ConsistentRead: bool) -> Any:
        assert TableName
        assert ConsistentRead

        def effect() -> Any:
            item = self.account.table.get(Key[KEY]["S"])
            return {} if item is None else {"Item": item}

        return self.line.call("GetItem", Kind.READ, self._name(Key), effect)

    def update_item(
        self,
        *,
        TableName: str,
        Key: dict[str, Any],
        UpdateExpression: str,
        ConditionExpression: str,
        ExpressionAttributeNames: dict[str, str],
        ExpressionAttributeValues: dict[str, Any],
        ReturnValuesOnConditionCheckFailure: str,
    ) -> Any:
        assert TableName
        assert ReturnValuesOnConditionCheckFailure == "ALL_OLD"
        return self.line.call(
            "UpdateItem",
            Kind.WRITE,
            self._name(Key),
            lambda: self.account.table.update(
                Key[KEY]["S"],
                update=UpdateExpression,
                condition=ConditionExpression,
                names=ExpressionAttributeNames,
                values=ExpressionAttributeValues,
            ),
        )

    def delete_item(
        self,
        *,
        TableName: str,
        Key: dict[str, Any],
        ConditionExpression: str,
        ExpressionAttributeNames: dict[str, str],
        ExpressionAttributeValues: dict[str, Any],
        ReturnValuesOnConditionCheckFailure: str,
    ) -> Any:
        assert TableName
        assert ReturnValuesOnConditionCheckFailure == "ALL_OLD"
        return self.line.call(
            "DeleteItem",
            Kind.WRITE,
            self._name(Key),
            lambda: self.account.table.delete(
                Key[KEY]["S"],
                condition=ConditionExpression,
                names=ExpressionAttributeNames,
                values=ExpressionAttributeValues,
            ),
        )

    def get_paginator(self, operation: str) -> _Paginator:
        assert operation == "scan"
        return _Paginator(self._pages)

    def _pages(self, *, TableName: str, ConsistentRead: bool) -> Iterator[Any]:
        assert TableName
        assert ConsistentRead
        items = list(self.account.table.items.values())
        for start in range(0, len(items) or 1, _ITEMS_A_PAGE):

            def effect(page: list[Item] = items[start : start + _ITEMS_A_PAGE]) -> Any:
                return {"Items": page}

            yield self.line.call("Scan", Kind.READ, ACCOUNT, effect)

    def _name(self, key: dict[str, Any]) -> str:
        user = self.account.iam.with_id(key[KEY]["S"])
        return user.name if user is not None else ACCOUNT


@dataclass(frozen=True, kw_only=True)
class Clients:
    """What the product's handlers make of boto3, as one invocation of theirs holds it. `spoken`: the same as `sns`."""

    iam: "IAMClient"
    iam_once: "IAMClient"
    secrets: "SecretsManagerClient"
    dynamodb: "DynamoDBClient"
    sns: "SNSClient"
    sts_for: "Callable[[NewKey], STSClient]"
    spoken: Sns

    @classmethod
    def of(cls, account: Account, line: Line) -> "Clients":
        """The casts: these answer what the product asks, and not all that boto3's clients can do."""
        sns = Sns(account, line)
        return cls(
            iam=cast("IAMClient", Iam(account, line)),
            iam_once=cast("IAMClient", Iam(account, line, retries=False)),
            secrets=cast("SecretsManagerClient", SecretsManager(account, line)),
            dynamodb=cast("DynamoDBClient", DynamoDb(account, line)),
            sns=cast("SNSClient", sns),
            sts_for=lambda key: cast("STSClient", Sts(account, line, key)),
            spoken=sns,
        )
