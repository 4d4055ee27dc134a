"""The filter policy of the README: the pager rings when somebody is needed, and only then."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.component.account import ACCOUNT, REGION, Account
from tests.component.deployment import Deployment

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

README = Path(__file__).parents[2] / "README.md"


def policy() -> str:
    (attributes,) = re.findall(r"^ +'([{].FilterPolicy.*[}])'$", README.read_text(), re.MULTILINE)
    found = json.loads(attributes)["FilterPolicy"]
    assert isinstance(found, str)
    return found


@dataclass
class Pager:
    """A queue in its place, subscribed with the README's policy; and whoever raises an alarm."""

    deployment: Deployment
    sns: "SNSClient"
    sqs: "SQSClient"

    def __post_init__(self) -> None:
        self.url = self.sqs.create_queue(QueueName="pager")["QueueUrl"]
        self.sns.subscribe(
            TopicArn=self.deployment.topic_arn,
            Protocol="sqs",
            Endpoint=f"arn:aws:sqs:{REGION}:{ACCOUNT}:pager",
            Attributes={"FilterPolicy": policy()},
        )

    def alarm(self) -> None:
        self.sns.publish(TopicArn=self.deployment.topic_arn, Subject="ALARM: Silence", Message="No run")

    def rang(self) -> list[str]:
        """The subjects, up to the colon."""
        messages = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", [])
        return [json.loads(message["Body"])["Subject"].partition(":")[0] for message in messages]


@pytest.fixture
def pager(account: Account, deployment: Deployment) -> Iterator[Pager]:
    with closing(account.session.client("sns")) as sns, closing(account.session.client("sqs")) as sqs:
        yield Pager(deployment, sns, sqs)


def test_the_pager_rings_for_what_needs_somebody_and_for_alarms_and_not_for_what_was_done(
    account: Account, deployment: Deployment, pager: Pager
) -> None:
    account.add_user("due")
    account.add_key("due", age=80, used=1)
    deployment.rotate(deployment.order("due"))
    assert len(deployment.mails()) == 1
    assert pager.rang() == []

    account.add_user("malformed", tags={"access-key-rotation:exempt": "forever"})
    deployment.rotate(deployment.order("malformed"))
    pager.alarm()

    assert sorted(pager.rang()) == ["ALARM", "ATTENTION"]
