"""Sending the digest to the account's own topic: one publish per run."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keyrotation.act.apply import Applier, Heard
from keyrotation.memory import Memory
from keyrotation.model import Hearing, User
from keyrotation.run.settings import Mode
from keyrotation.tell.digest import Digest

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


def listeners(sns: "SNSClient", topic_arn: str) -> int:
    """Subscriptions of the topic that somebody confirmed and that get every message. Raises what botocore raises.

    One with a filter policy gets what it lets through, and nobody knows whether that is a notice.
    """
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
    arns = [each["SubscriptionArn"] for page in pages for each in page["Subscriptions"]]
    # Of one that nobody confirmed SNS says "PendingConfirmation", and of one that has just gone "Deleted".
    attributes = [
        sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        for arn in arns
        if arn.startswith("arn:")
    ]
    return sum(
        not each.get("FilterPolicy") and each.get("PendingConfirmation", "true").lower() == "false"
        for each in attributes
    )


@dataclass(frozen=True, kw_only=True)
class Topic:
    """An account that tells by itself (`outlet.Outlet`)."""

    sns: "SNSClient" = field(repr=False)
    arn: str
    account: str
    mode: Mode

    def hear(self) -> Hearing:
        """Who listens. Raises what botocore raises."""
        return Hearing(listeners=listeners(self.sns, self.arn))

    def deliver(self, digest: Digest) -> str | None:
        """The id of the message; None: nobody is to hear of this run. Raises what botocore raises."""
        if not digest.worth_sending:
            return None
        attributes = {"severity": digest.severity, "account": self.account, "mode": self.mode}
        published = self.sns.publish(
            TopicArn=self.arn,
            Subject=digest.subject,
            Message=digest.message,
            MessageStructure="json",
            MessageAttributes={
                name: {"DataType": "String", "StringValue": str(value)} for name, value in attributes.items()
            },
        )
        return published["MessageId"]

    def remember(
        self,
        applier: Applier,
        user: User,
        memory: Memory,
        heard: Heard,
        *,
        told_in: str | None,  # noqa: ARG002  # whatever the message's id: it went out
        forget: Iterable[str],
    ) -> str | None:
        """What SNS accepted was told."""
        return applier.remember(user, memory, heard, forget=forget)
