"""The centre's function over moto: an organization with a StackSet, a bucket with reports, and a topic with subscribers."""

import importlib
import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from keyrotation.tell.report_json import id_of
from keyrotation.tell.reports import bucket_of, heard_key, report_key
from moto import mock_aws
from moto.s3.models import s3_backends
from moto.sns.models import sns_backends

from tests.component.calls import Calls
from tests.component.deployment import Context
from tests.unit.centre.reports import data, entry, notice

if TYPE_CHECKING:
    from types import ModuleType

    from mypy_boto3_s3 import S3Client

CENTRE, REGION = "123456789012", "eu-central-1"
BUCKET = bucket_of(CENTRE, REGION)
TEMPLATE = json.dumps({"Resources": {"Queue": {"Type": "AWS::SQS::Queue"}}})


@dataclass
class Centre:
    """`members`: the accounts that the StackSet deploys to, by their names."""

    s3: "S3Client"
    members: dict[str, str]
    topic_arn: str
    accounts_topic_arn: str
    subscription_arn: str
    monkeypatch: pytest.MonkeyPatch

    def load(self) -> "ModuleType":
        variables = {
            "REPORTS_BUCKET": BUCKET,
            "TOPIC_ARN": self.topic_arn,
            "ACCOUNTS_TOPIC_ARN": self.accounts_topic_arn,
            "STACK_SET_NAME": "AccessKeyRotation",
            "CALL_AS": "SELF",
            "POWERTOOLS_SERVICE_NAME": "digest",
        }
        for name, value in variables.items():
            self.monkeypatch.setenv(name, value)
        self.monkeypatch.delitem(sys.modules, "digest", raising=False)
        self.monkeypatch.delitem(logging.Logger.manager.loggerDict, "digest", raising=False)
        return importlib.import_module("digest")

    def run(self) -> dict[str, int]:
        answer: dict[str, int] = self.load().handler({}, Context(function_name="digest"))
        return answer

    def leave(self, account: str, body: bytes | None = None, *, hours: float = 0, **facts: Any) -> None:
        """A report of so many hours ago."""
        self.s3.put_object(
            Bucket=BUCKET, Key=report_key(account), Body=body or json.dumps(data(account, **facts)).encode()
        )
        if hours:
            kept = s3_backends[CENTRE]["aws"].buckets[BUCKET].keys[report_key(account)]
            kept.last_modified -= timedelta(hours=hours)

    def word(self, account: str) -> dict[str, Any] | None:
        try:
            body = self.s3.get_object(Bucket=BUCKET, Key=heard_key(account))["Body"].read()
        except ClientError:
            return None
        word: dict[str, Any] = json.loads(body)
        return word

    def messages(self, topic_arn: str | None = None) -> list[tuple[str, str, dict[str, str]]]:
        """Subject, text, attributes of what was published; without an ARN: of the digest."""
        sent = sns_backends[CENTRE][REGION].topics[topic_arn or self.topic_arn].sent_notifications
        return [
            (str(subject), message, {name: value["Value"] for name, value in (attributes or {}).items()})
            for _, message, subject, attributes, *_ in sent
        ]

    def filter(self, policy: str) -> None:
        kept = sns_backends[CENTRE][REGION].subscriptions[self.subscription_arn]
        kept.attributes["FilterPolicy"] = policy


@pytest.fixture
def centre(_environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Centre]:
    with mock_aws():
        organizations = boto3.client("organizations")
        organizations.create_organization(FeatureSet="ALL")
        root = organizations.list_roots()["Roots"][0]["Id"]
        unit = organizations.create_organizational_unit(ParentId=root, Name="workloads")["OrganizationalUnit"]
        members = {}
        for name in ("healthy", "silent", "hostile"):
            made = organizations.create_account(Email=f"{name}@example.com", AccountName=name)
            members[name] = made["CreateAccountStatus"]["AccountId"]
            organizations.move_account(
                AccountId=members[name], SourceParentId=root, DestinationParentId=unit["Id"]
            )
        cloudformation = boto3.client("cloudformation")
        cloudformation.create_stack_set(
            StackSetName="AccessKeyRotation",
            TemplateBody=TEMPLATE,
            PermissionModel="SERVICE_MANAGED",
            AutoDeployment={"Enabled": True, "RetainStacksOnAccountRemoval": True},
        )
        cloudformation.create_stack_instances(
            StackSetName="AccessKeyRotation",
            DeploymentTargets={"OrganizationalUnitIds": [unit["Id"]]},
            Regions=[REGION],
        )
        s3, sns = boto3.client("s3"), boto3.client("sns")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        topic_arn = sns.create_topic(Name="digest")["TopicArn"]
        subscription = sns.subscribe(TopicArn=topic_arn, Protocol="email", Endpoint="security@example.com")
        accounts = sns.create_topic(Name="accounts")["TopicArn"]
        made_centre = Centre(s3, members, topic_arn, accounts, subscription["SubscriptionArn"], monkeypatch)
        sns_backends[CENTRE][REGION].subscriptions[made_centre.subscription_arn].attributes[
            "PendingConfirmation"
        ] = "false"
        yield made_centre
        for each in (organizations, cloudformation, s3, sns):
            each.close()


@pytest.fixture
def calls(centre: Centre) -> Iterator[Calls]:  # noqa: ARG001  # its clients are made first, unseen
    calls = Calls()
    with calls.watching():
        yield calls


def test_three_accounts_one_silent_one_hostile_one_healthy(centre: Centre) -> None:
    healthy, hostile = centre.members["healthy"], centre.members["hostile"]
    asked = {"failed": [entry("failed", "bob")]}
    centre.leave(healthy, sections=asked, notices=[notice()])
    centre.leave(hostile, json.dumps(data(healthy)).encode())

    counts = centre.run()

    assert counts == {"accounts": 3, "reports": 1, "pages": 1, "heard": 1, "others": 1}
    ((subject, body, about),) = centre.messages()
    ((_, of_account, to_account),) = centre.messages(centre.accounts_topic_arn)
    assert (
        subject
        == "CRITICAL: access keys: 1 in 1 accounts need someone; 1 accounts silent; 1 reports not understood"[
            :99
        ]
    )
    assert f'{centre.members["silent"]} "silent": has never reported' in body
    assert f'{hostile} "hostile": it names another account than the one that left it' in body
    assert f'{healthy} "healthy", user "bob"' in body
    assert about["about"] == "organization"
    assert to_account["account"] == healthy
    assert "alice" in of_account
    assert centre.word(healthy) == {
        "version": 1,
        "report": id_of(data(healthy, sections=asked, notices=[notice()])),
        "listeners": 1,
    }
    assert centre.word(hostile) is None
    table = centre.s3.get_object(Bucket=BUCKET, Key="table.csv")["Body"].read().decode()
    assert [line.split(",")[2] for line in sorted(table.splitlines()[1:])] == [
        {healthy: "reported", hostile: "not understood"}.get(account, "never reported")
        for account in sorted(centre.members.values())
    ]


def test_the_mail_goes_out_before_any_word_is_left(centre: Centre, calls: Calls) -> None:
    centre.leave(centre.members["healthy"])
    centre.run()
    writes = [each for each in calls.operations if each in {"Publish", "PutObject"}]
    assert writes[:2] == ["Publish", "PutObject"]


def test_a_mail_that_does_not_go_out_leaves_no_word_and_fails(centre: Centre, calls: Calls) -> None:
    centre.leave(centre.members["healthy"])
    calls.refuse("Publish", "InvalidParameter", status=400)

    with pytest.raises(ClientError, match="InvalidParameter"):
        centre.run()

    assert centre.word(centre.members["healthy"]) is None


def test_a_report_of_more_than_26_hours_ago_is_not_heard_again(centre: Centre) -> None:
    centre.leave(centre.members["healthy"], hours=27)
    assert centre.run()["heard"] == 0


@pytest.mark.parametrize("policy", ['{"about": ["organization"]}', '{"severity": ["critical"]}'])
def test_a_subscription_with_a_filter_policy_is_no_listener(centre: Centre, policy: str) -> None:
    centre.filter(policy)
    centre.leave(centre.members["healthy"])
    assert centre.run()["heard"] == 0


def test_when_nobody_is_subscribed_any_more_the_accounts_hear_that_instead_of_yesterdays_word(
    centre: Centre,
) -> None:
    healthy = centre.members["healthy"]
    centre.leave(healthy)
    centre.run()
    sns_backends[CENTRE][REGION].subscriptions[centre.subscription_arn].attributes["PendingConfirmation"] = (
        "true"
    )

    counts = centre.run()

    assert counts["heard"] == 0
    assert "NOBODY" in centre.messages()[1][1]
    word = centre.word(healthy)
    assert word is not None
    assert word["listeners"] == 0


def test_a_report_that_is_too_large_is_not_even_fetched(centre: Centre, calls: Calls) -> None:
    centre.leave(centre.members["hostile"], b"x" * (512 * 1024 + 1))
    centre.run()
    assert calls.of("GetObject") == []
    assert "it is larger than 512 KiB" in centre.messages()[0][1]


def test_when_the_stackset_cannot_be_asked_who_reports_is_told_and_heard_all_the_same(
    centre: Centre, calls: Calls
) -> None:
    calls.refuse("ListStackInstances", "AccessDenied")
    centre.leave(centre.members["healthy"])
    assert centre.run()["heard"] == 1
    assert "WHICH ACCOUNTS SHOULD REPORT COULD NOT BE READ" in centre.messages()[0][1]


def test_one_report_that_cannot_be_read_keeps_nobody_elses_from_being_heard(
    centre: Centre, calls: Calls
) -> None:
    healthy, hostile = centre.members["healthy"], centre.members["hostile"]
    centre.leave(healthy)
    centre.leave(hostile)
    calls.refuse("GetObject", "AccessDenied", Key=report_key(hostile))
    centre.run()
    assert (centre.word(healthy) is None, centre.word(hostile) is None) == (False, True)


def test_the_centre_makes_no_call_but_these_and_assumes_no_role(centre: Centre, calls: Calls) -> None:
    centre.leave(centre.members["healthy"], notices=[notice()])
    centre.run()
    assert set(calls.operations) == {
        "ListSubscriptionsByTopic",
        "GetSubscriptionAttributes",
        "ListStackInstances",
        "ListAccounts",
        "ListObjectsV2",
        "GetObject",
        "Publish",
        "PutObject",
    }
