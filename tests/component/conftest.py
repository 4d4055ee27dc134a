"""An account of moto's, a fixed day, and a recorder of calls; nothing of the machine's own AWS settings."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import boto3
import moto.iam.models
import pytest
from botocore.config import Config
from keyrotation.act.apply import Applier, Done
from keyrotation.act.replacement import Issuer
from keyrotation.act.secret_store import NewKey, SecretStore
from keyrotation.look.observe import Observer, Sources
from keyrotation.remember.table import Table
from moto import mock_aws

from tests.component.account import NOW, OCCASION, ROTATOR_ROLE_ARN, RUN_ID, Account, table_of
from tests.component.calls import Calls
from tests.component.deployment import Deployment, no_settings_of_this_machine
from tests.component.once import once
from tests.component.replacing import Replacement

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_sts import STSClient

ONCE = Config(retries={"total_max_attempts": 1})


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    no_settings_of_this_machine(monkeypatch)


@pytest.fixture(scope="session", autouse=True)
def _once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        once(patch)
        yield


@pytest.fixture
def account(_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    with mock_aws():
        # What moto makes is made on the day of the tests.
        monkeypatch.setattr(moto.iam.models, "utcnow", lambda: NOW.replace(tzinfo=None))
        account = Account(boto3.session.Session())
        yield account
        account.close()


@pytest.fixture
def calls(account: Account) -> Iterator[Calls]:  # noqa: ARG001  # its clients are made first, unseen
    calls = Calls()
    with calls.watching():
        yield calls


@dataclass(frozen=True, kw_only=True)
class Clients:
    """As a function under test is given them, each with the recorder; without retries."""

    iam: "IAMClient"
    secretsmanager: "SecretsManagerClient"
    dynamodb: "DynamoDBClient"
    secrets: "SecretStore"
    slept: list[float] = field(default_factory=list)
    announced: list[tuple[str, Done]] = field(default_factory=list)
    waited_for_policy: list[float]

    @staticmethod
    def sts_for(key: NewKey) -> "STSClient":
        """As the rotator makes it: signing with the new key."""
        session = boto3.session.Session(aws_access_key_id=key.id, aws_secret_access_key=key.secret)
        return session.client("sts", config=ONCE)

    def issuer(self) -> Issuer:
        return Issuer(
            iam=self.iam,
            iam_once=self.iam,
            secrets=self.secrets,
            sts_for=self.sts_for,
            sleep=self.slept.append,
        )

    def applier(self) -> Applier:
        return Applier(
            iam=self.iam,
            issuer=self.issuer(),
            table=self.table,
            occasion=OCCASION,
            run_id=RUN_ID,
            announce=lambda user, done: self.announced.append((user.name, done)),
        )

    @property
    def table(self) -> Table:
        return table_of(self.dynamodb)

    def sources(self, *, path_prefix: str = "/") -> Sources:
        return Sources(iam=self.iam, secrets=self.secretsmanager, table=self.table, path_prefix=path_prefix)

    def observer(self) -> Observer:
        """Without a listing; the table was read just now."""
        return Observer(sources=self.sources(), listed={}, readings=self.table.read_all())


@pytest.fixture
def clients(calls: Calls) -> Iterator[Clients]:  # noqa: ARG001  # watches the sessions that are made here
    session = boto3.session.Session()
    iam, secretsmanager = session.client("iam", config=ONCE), session.client("secretsmanager", config=ONCE)
    dynamodb = session.client("dynamodb", config=ONCE)
    waited: list[float] = []
    secrets = SecretStore(client=secretsmanager, rotator_role_arn=ROTATOR_ROLE_ARN, sleep=waited.append)
    yield Clients(
        iam=iam,
        secretsmanager=secretsmanager,
        dynamodb=dynamodb,
        secrets=secrets,
        waited_for_policy=waited,
    )
    dynamodb.close()
    iam.close()
    secretsmanager.close()


@pytest.fixture
def deployment(account: Account, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    # A session without a recorder, whichever fixture comes first.
    deployment = Deployment(account.session, monkeypatch)
    yield deployment
    deployment.close()


@pytest.fixture
def replacement(account: Account, calls: Calls, clients: Clients) -> Replacement:
    return Replacement(account, calls, clients.applier(), clients.sources())
