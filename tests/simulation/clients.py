"""boto3's clients as the product calls them, in front of an account in memory: its signatures, answers and errors."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from keyrotation.act.secret_store import NewKey

from tests.simulation.account import Account
from tests.simulation.faults import Kind, Line, ResourceExists, ResourceNotFound

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sts import STSClient

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
            found: dict[str, Any] = {"UserName": UserName, "Path": "/", "Arn": user.arn}
            if user.tags:
                found["Tags"] = [{"Key": key, "Value": value} for key, value in user.tags.items()]
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
        assert operation == "get_account_authorization_details"
        return _Paginator(self._pages_of_users)

    def tag_user(self, *, UserName: str, Tags: list[dict[str, str]]) -> None:
        def effect() -> None:
            for tag in Tags:
                self.account.iam.tag_user(UserName, tag["Key"], tag["Value"])

        self.line.call("TagUser", Kind.WRITE, UserName, effect)

    def untag_user(self, *, UserName: str, TagKeys: list[str]) -> None:
        self.line.call(
            "UntagUser",
            Kind.WRITE,
            UserName,
            lambda: self.account.iam.untag_user(UserName, tuple(TagKeys)),
        )

    def create_access_key(self, *, UserName: str) -> Any:
        def effect() -> Any:
            key = self.account.iam.create_access_key(UserName, created=self.account.now)
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
        self.line.call(
            "UpdateAccessKey",
            Kind.WRITE,
            UserName,
            lambda: self.account.iam.update_access_key(UserName, AccessKeyId, Status),
        )

    def delete_access_key(self, *, UserName: str, AccessKeyId: str) -> None:
        self.line.call(
            "DeleteAccessKey",
            Kind.WRITE,
            UserName,
            lambda: self.account.iam.delete_access_key(UserName, AccessKeyId),
        )

    def _pages_of_keys(self, *, UserName: str) -> Iterator[Any]:
        def effect() -> Any:
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
                return {
                    "UserDetailList": [
                        {
                            "UserName": name,
                            "Path": "/",
                            "Arn": self.account.iam.user(name).arn,
                            "Tags": [
                                {"Key": k, "Value": v} for k, v in self.account.iam.user(name).tags.items()
                            ],
                        }
                        for name in page
                    ]
                }

            yield self.line.call("GetAccountAuthorizationDetails", Kind.READ, ACCOUNT, effect)


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
        name = _name(SecretId)

        def effect() -> Any:
            secret = self.account.secrets.describe(name)
            found: dict[str, Any] = {"Name": name, "ARN": _arn(name)}
            stages = {version: sorted(labels) for version, labels in secret.stages.items() if labels}
            if stages:
                found["VersionIdsToStages"] = stages
            if secret.deleted_on is not None:
                found["DeletedDate"] = secret.deleted_on
            return found

        return self.line.call("DescribeSecret", Kind.READ, _owner(_name(SecretId)), effect)

    def create_secret(
        self, *, Name: str, Description: str, SecretString: str, ClientRequestToken: str | None = None
    ) -> Any:
        assert Description
        token = ClientRequestToken or self._token()

        def effect() -> Any:
            self.account.secrets.create(Name, token=token, value=SecretString)
            return {"Name": Name, "ARN": _arn(Name)}

        return self.line.call("CreateSecret", Kind.WRITE, _owner(Name), effect)

    def restore_secret(self, *, SecretId: str) -> None:
        self.line.call(
            "RestoreSecret",
            Kind.WRITE,
            _owner(_name(SecretId)),
            lambda: self.account.secrets.restore(_name(SecretId)),
        )

    def put_resource_policy(self, *, SecretId: str, ResourcePolicy: str, BlockPublicPolicy: bool) -> None:
        assert BlockPublicPolicy

        def effect() -> None:
            self.account.secrets.live(_name(SecretId)).policy = ResourcePolicy

        self.line.call("PutResourcePolicy", Kind.WRITE, _owner(_name(SecretId)), effect)

    def get_resource_policy(self, *, SecretId: str) -> Any:
        def effect() -> Any:
            policy = self.account.secrets.live(_name(SecretId)).policy
            return {"Name": SecretId} if policy is None else {"Name": SecretId, "ResourcePolicy": policy}

        return self.line.call("GetResourcePolicy", Kind.READ, _owner(_name(SecretId)), effect)

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
            self.account.secrets.put(_name(SecretId), token=token, value=SecretString, stages=stages)
            return {"VersionId": token}

        return self.line.call("PutSecretValue", Kind.WRITE, _owner(_name(SecretId)), effect)

    def update_secret_version_stage(
        self,
        *,
        SecretId: str,
        VersionStage: str,
        MoveToVersionId: str | None = None,
        RemoveFromVersionId: str | None = None,
    ) -> None:
        self.line.call(
            "UpdateSecretVersionStage",
            Kind.WRITE,
            _owner(_name(SecretId)),
            lambda: self.account.secrets.move(
                _name(SecretId), stage=VersionStage, to=MoveToVersionId, away_from=RemoveFromVersionId
            ),
        )

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
    """One address, which was confirmed."""

    line: Line

    def paginate(self, *, TopicArn: str) -> Iterator[dict[str, Any]]:
        page = {"Subscriptions": [{"SubscriptionArn": f"{TopicArn}:one"}]}
        yield self.line.call("ListSubscriptionsByTopic", Kind.READ, ACCOUNT, lambda: page)


@dataclass
class Sns:
    """`bodies`: the mails that went out."""

    line: Line
    bodies: list[str] = field(default_factory=list)

    def get_paginator(self, operation: str) -> "_Subscriptions":
        assert operation == "list_subscriptions_by_topic"
        return _Subscriptions(self.line)

    def get_subscription_attributes(self, *, SubscriptionArn: str) -> dict[str, Any]:
        attributes = {"SubscriptionArn": SubscriptionArn, "PendingConfirmation": "false"}
        return self.line.call(
            "GetSubscriptionAttributes", Kind.READ, ACCOUNT, lambda: {"Attributes": attributes}
        )

    def publish(self, *, Message: str, Subject: str, **_parameters: Any) -> dict[str, str]:
        assert 0 < len(Subject) < 100

        def effect() -> dict[str, str]:
            self.bodies.append(Message)
            return {"MessageId": f"message-{len(self.bodies)}"}

        return self.line.call("Publish", Kind.WRITE, ACCOUNT, effect)


def _arn(name: str) -> str:
    """AWS adds six characters of its own; here nobody deletes a secret for good and makes another."""
    return f"arn:aws:secretsmanager:eu-west-1:123456789012:secret:{name}-AbCdEf"


def _name(secret_id: str) -> str:
    return secret_id.partition(":secret:")[2].removesuffix("-AbCdEf") or secret_id


def _owner(name: str) -> str:
    return name.split("/")[1]


@dataclass(frozen=True, kw_only=True)
class Clients:
    """What the product's handlers make of boto3, as one invocation of theirs holds it."""

    iam: "IAMClient"
    iam_once: "IAMClient"
    secrets: "SecretsManagerClient"
    sns: "SNSClient"
    sts_for: "Callable[[NewKey], STSClient]"
    mails: list[str]

    @classmethod
    def of(cls, account: Account, line: Line) -> "Clients":
        """The casts: these answer what the product asks, and not all that boto3's clients can do."""
        sns = Sns(line)
        return cls(
            iam=cast("IAMClient", Iam(account, line)),
            iam_once=cast("IAMClient", Iam(account, line, retries=False)),
            secrets=cast("SecretsManagerClient", SecretsManager(account, line)),
            sns=cast("SNSClient", sns),
            sts_for=lambda key: cast("STSClient", Sts(account, line, key)),
            mails=sns.bodies,
        )
