"""An empty table of moto's, and a client of it that tries as often as the rotator's does."""

from collections.abc import Iterator
from itertools import count
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config
from keyrotation.remember.table import Table
from moto import mock_aws

from tests.component.calls import Calls

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

NAME = "access-key-rotation"


@pytest.fixture
def wire(monkeypatch: pytest.MonkeyPatch) -> Iterator[Calls]:
    """What goes to AWS and what comes back; the client waits for nothing between its tries."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)
    calls = Calls()
    with mock_aws(), calls.watching():
        yield calls


@pytest.fixture
def client(wire: Calls) -> "Iterator[DynamoDBClient]":
    session = boto3.session.Session(
        aws_access_key_id="testing", aws_secret_access_key="testing", region_name="eu-central-1"
    )
    client = session.client("dynamodb", config=Config(retries={"mode": "adaptive", "total_max_attempts": 5}))
    client.create_table(
        TableName=NAME,
        AttributeDefinitions=[{"AttributeName": "user_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "user_id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    wire.clear()
    yield client
    client.close()


@pytest.fixture
def table(client: "DynamoDBClient") -> Table:
    writes = count(1)
    return Table(client=client, name=NAME, fresh=lambda: f"write-{next(writes)}")
