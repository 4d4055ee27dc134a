"""Sending the digest: one publish per run."""

from typing import TYPE_CHECKING

from keyrotation.run.settings import RotatorSettings
from keyrotation.tell.digest import Digest

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


def listeners(settings: RotatorSettings, *, sns: "SNSClient") -> int:
    """Subscriptions of the topic that somebody confirmed and that get every message. Raises what botocore raises.

    One with a filter policy gets what it lets through, and nobody knows whether that is a notice.
    """
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=settings.topic_arn)
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


def publish(digest: Digest, settings: RotatorSettings, *, sns: "SNSClient") -> str:
    """The id of the message. Raises what botocore raises: a run that could not tell is not finished."""
    attributes = {"severity": digest.severity, "account": settings.account, "mode": settings.mode}
    published = sns.publish(
        TopicArn=settings.topic_arn,
        Subject=digest.subject,
        Message=digest.message,
        MessageStructure="json",
        MessageAttributes={
            name: {"DataType": "String", "StringValue": str(value)} for name, value in attributes.items()
        },
    )
    return published["MessageId"]
