"""Sending the digest: one publish per run."""

from typing import TYPE_CHECKING

from keyrotation.run.settings import RotatorSettings
from keyrotation.tell.digest import Digest

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


def confirmed_listeners(settings: RotatorSettings, *, sns: "SNSClient") -> int:
    """Subscriptions of the topic that somebody confirmed. Raises what botocore raises."""
    return int(sns.get_topic_attributes(TopicArn=settings.topic_arn)["Attributes"]["SubscriptionsConfirmed"])


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
