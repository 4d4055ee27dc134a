"""The benchmark's own parts: its endpoint answers boto3 as AWS does, and its days are what they are called."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from keyrotation.decide.actions import GiveNotice, Plan
from keyrotation.decide.plan import only_remembers, plan_user
from keyrotation.look.observe import Sources, observe
from keyrotation.model import Occasion
from keyrotation.remember.table import TABLE_NAME, Table

from tests.benchmark.conditions import Conditions
from tests.benchmark.days import POLICY, account_on, due
from tests.benchmark.measure import Endpoint, endpoint
from tests.simulation.clients import Clients
from tests.simulation.faults import Line

if TYPE_CHECKING:
    from tests.simulation.account import Account

NOW = datetime(2026, 11, 22, 6, 0, tzinfo=UTC)
OCCASION = Occasion(now=NOW, region="eu-west-1", function_timeout=timedelta(minutes=15), listeners=1)


def client(service: Any, aws: Endpoint, *, key_id: str = "testing") -> Any:
    return boto3.session.Session().client(
        service,
        endpoint_url=aws.url,
        region_name="eu-west-1",
        aws_access_key_id=key_id,
        aws_secret_access_key="testing",
        config=Config(proxies={}, retries={"total_max_attempts": 1}),
    )


@contextmanager
def account(**conditions: Any) -> Iterator[Endpoint]:
    with endpoint(Conditions(**{"day": "quiet", "users": 5, "users_per_run": 100, **conditions})) as aws:
        yield aws


def code_of(error: "pytest.ExceptionInfo[ClientError]") -> str:
    return error.value.response["Error"]["Code"]


def test_it_pages_as_iam_does_and_counts_each_request() -> None:
    with account(users=1100) as aws:
        iam = client("iam", aws)
        listed = [len(page["Users"]) for page in iam.get_paginator("list_users").paginate()]
        detailed = iam.get_paginator("get_account_authorization_details").paginate(
            Filter=["User"], PaginationConfig={"PageSize": 1000}
        )
        users = [user for page in detailed for user in page["UserDetailList"]]
        (key,) = iam.list_access_keys(UserName="user-0007")["AccessKeyMetadata"]
        used = iam.get_access_key_last_used(AccessKeyId=key["AccessKeyId"])["AccessKeyLastUsed"]
        answered, throttled = aws.counts()
        iam.close()

    assert listed == [100] * 11
    assert len({user["UserName"] for user in users}) == 1100
    assert users[7]["Tags"] == [{"Key": "team", "Value": "team-7"}]
    assert key["CreateDate"] < used["LastUsedDate"]
    assert answered == {
        "iam:ListUsers": 11,
        "iam:GetAccountAuthorizationDetails": 2,
        "iam:ListAccessKeys": 1,
        "iam:GetAccessKeyLastUsed": 1,
    }
    assert not throttled


def test_it_refuses_what_is_above_the_rate_as_iam_does() -> None:
    with account(rate=0.1, burst=3) as aws:
        iam = client("iam", aws)
        for _ in range(3):
            iam.get_account_summary()
        with pytest.raises(ClientError, match="Rate exceeded") as error:
            iam.get_account_summary()
        answered, throttled = aws.counts()
        iam.close()

    assert (code_of(error), error.value.response["ResponseMetadata"]["HTTPStatusCode"]) == ("Throttling", 400)
    assert (answered, throttled) == ({"iam:GetAccountSummary": 3}, {"iam:GetAccountSummary": 1})


def test_a_new_key_does_not_work_at_once_and_then_says_whose_it_is() -> None:
    with account(propagation_seconds=0.5) as aws:
        iam = client("iam", aws)
        key = iam.create_access_key(UserName="user-0000")["AccessKey"]
        sts = client("sts", aws, key_id=key["AccessKeyId"])
        with pytest.raises(ClientError) as error:
            sts.get_caller_identity()
        time.sleep(0.6)
        arn = sts.get_caller_identity()["Arn"]
        sts.close()
        iam.close()

    assert code_of(error) == "InvalidClientTokenId"
    assert arn == "arn:aws:iam::123456789012:user/user-0000"


def test_each_answer_takes_as_long_as_it_should_and_none_waits_for_another() -> None:
    with account(delay_seconds=0.3) as aws, ThreadPoolExecutor(5) as pool:
        iam = client("iam", aws)
        started = time.monotonic()
        asked = [pool.submit(iam.get_account_summary) for _ in range(5)]
        assert all(each.result() for each in asked)
        took = time.monotonic() - started
        iam.close()

    assert 0.3 <= took < 5 * 0.3


def test_a_secret_that_is_not_there_is_refused_as_secrets_manager_does() -> None:
    with account() as aws:
        secrets = client("secretsmanager", aws)
        with pytest.raises(secrets.exceptions.ResourceNotFoundException):
            secrets.describe_secret(SecretId="access-keys/nobody/credentials")
        made = secrets.create_secret(
            Name="access-keys/user-0000/credentials", Description="x", SecretString="{}"
        )
        found = secrets.describe_secret(SecretId=made["ARN"])
        secrets.close()

    assert list(found["VersionIdsToStages"].values()) == [["AWSCURRENT"]]


def test_three_users_in_five_have_two_keys_on_a_steady_day() -> None:
    steady = account_on("steady", users=740, now=NOW)
    keys = [len(user.keys) for user in steady.iam.users.values()]
    assert (keys.count(1), keys.count(2)) == (300, 440)


@pytest.mark.parametrize(("day", "changes"), [("quiet", 0), ("steady", 6), ("first", 148)])
def test_what_the_product_would_change_is_what_the_day_says(day: str, changes: int) -> None:
    plans = _plans(account_on(day, users=148, now=NOW))
    assert sum(not only_remembers(plan) for plan in plans) == changes == due(day, 148)
    # What is due was told: nobody needs a notice first.
    assert [each for plan in plans for each in plan.actions if isinstance(each, GiveNotice)] == []


def test_on_a_quiet_day_there_is_nothing_to_tell() -> None:
    assert [plan.steps for plan in _plans(account_on("quiet", users=148, now=NOW)) if plan.steps] == []


def _plans(on: "Account") -> list[Plan]:
    made = Clients.of(on, Line(random=Random(0)))
    table = Table(client=made.dynamodb, name=TABLE_NAME, fresh=str)
    sources = Sources(iam=made.iam, secrets=made.secrets, table=table, path_prefix="/")
    return [plan_user(observe(name, sources), POLICY, OCCASION) for name in on.iam.users]
