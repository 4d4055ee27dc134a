"""boto3 clients of the emulated account, which no variable or file of the person's can send elsewhere."""

import ipaddress
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.session import Session

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_cloudwatch import CloudWatchClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_organizations import OrganizationsClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sts import STSClient

Service = Literal[
    "cloudformation",
    "cloudwatch",
    "dynamodb",
    "events",
    "iam",
    "kms",
    "lambda",
    "logs",
    "organizations",
    "s3",
    "scheduler",
    "secretsmanager",
    "sns",
    "sqs",
    "sts",
]


@dataclass(frozen=True)
class Key:
    """An access key in use; `token` is there for a role's session only."""

    key_id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


# What the emulator takes for the account's root.
ADMIN = Key(key_id="test", secret="test")  # noqa: S106 - not a secret: the emulator publishes it


def require_loopback(url: str) -> None:
    """Refuse to speak to anything but this machine, by what the URL says and not by what a name resolves to."""
    host = urlsplit(url).hostname or ""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback:
        raise ValueError(f"{url} is not on this machine, and nothing else may be spoken to")


class Clients:
    """Makes each client once and closes them all."""

    def __init__(self, *, endpoint: str, region: str, ca: Path) -> None:
        require_loopback(endpoint)
        self._endpoint = endpoint
        self._region = region
        self._ca = ca
        self._made: dict[tuple[Service, Key], Any] = {}

    @overload
    def client(self, service: Literal["cloudformation"], *, key: Key = ADMIN) -> "CloudFormationClient": ...
    @overload
    def client(self, service: Literal["cloudwatch"], *, key: Key = ADMIN) -> "CloudWatchClient": ...
    @overload
    def client(self, service: Literal["dynamodb"], *, key: Key = ADMIN) -> "DynamoDBClient": ...
    @overload
    def client(self, service: Literal["events"], *, key: Key = ADMIN) -> "EventBridgeClient": ...
    @overload
    def client(self, service: Literal["iam"], *, key: Key = ADMIN) -> "IAMClient": ...
    @overload
    def client(self, service: Literal["lambda"], *, key: Key = ADMIN) -> "LambdaClient": ...
    @overload
    def client(self, service: Literal["logs"], *, key: Key = ADMIN) -> "CloudWatchLogsClient": ...
    @overload
    def client(self, service: Literal["organizations"], *, key: Key = ADMIN) -> "OrganizationsClient": ...
    @overload
    def client(self, service: Literal["s3"], *, key: Key = ADMIN) -> "S3Client": ...
    @overload
    def client(self, service: Literal["scheduler"], *, key: Key = ADMIN) -> "EventBridgeSchedulerClient": ...
    @overload
    def client(self, service: Literal["secretsmanager"], *, key: Key = ADMIN) -> "SecretsManagerClient": ...
    @overload
    def client(self, service: Literal["sns"], *, key: Key = ADMIN) -> "SNSClient": ...
    @overload
    def client(self, service: Literal["sqs"], *, key: Key = ADMIN) -> "SQSClient": ...
    @overload
    def client(self, service: Literal["sts"], *, key: Key = ADMIN) -> "STSClient": ...
    # Only tests of `make doctor` speak to these.
    @overload
    def client(self, service: Literal["kms", "s3"], *, key: Key = ADMIN) -> Any: ...

    def client(self, service: Service, *, key: Key = ADMIN) -> Any:
        """A client of the account's administrator, or of whoever holds `key`. It never retries."""
        if (service, key) not in self._made:
            self._made[service, key] = self._session(key).client(
                service,
                endpoint_url=self._endpoint,
                verify=str(self._ca),
                config=Config(proxies={}, read_timeout=900, retries={"total_max_attempts": 1}),
            )
        return self._made[service, key]

    def close(self) -> None:
        for client in self._made.values():
            client.close()
        self._made.clear()

    def _session(self, key: Key) -> boto3.Session:
        # botocore's own table of settings, with every environment variable taken out and no file to read.
        variables = {
            name: (in_file, None, default, convert)
            for name, (in_file, _, default, convert) in Session.SESSION_VARIABLES.items()
        }
        nowhere = (None, None, os.devnull, None)
        session = Session(
            session_vars={**variables, "config_file": nowhere, "credentials_file": nowhere},
        )
        return boto3.Session(
            aws_access_key_id=key.key_id,
            aws_secret_access_key=key.secret,
            aws_session_token=key.token,
            region_name=self._region,
            botocore_session=session,
        )
