"""Sending the digest: one publish per run."""

import json
from typing import TYPE_CHECKING

from keyrotation.digest import Digest
from keyrotation.settings import RotatorSettings

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


def confirmed_listeners(settings: RotatorSettings, *, sns: "SNSClient") -> int:
    """Subscriptions of the topic that somebody confirmed. Raises what botocore raises."""
    return int(sns.get_topic_attributes(TopicArn=settings.topic_arn)["Attributes"]["SubscriptionsConfirmed"])


def publish(digest: Digest, settings: RotatorSettings, *, sns: "SNSClient") -> None:
    """Raises what botocore raises: a run that could not tell is not finished, and its order comes again."""
    attributes = {"severity": digest.severity, "account": settings.account, "mode": settings.mode}
    sns.publish(
        TopicArn=settings.topic_arn,
        Subject=digest.subject,
        Message=json.dumps({"default": digest.body}),
        MessageStructure="json",
        MessageAttributes={
            name: {"DataType": "String", "StringValue": str(value)} for name, value in attributes.items()
        },
    )
