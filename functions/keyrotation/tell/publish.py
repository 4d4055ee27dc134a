"""Sending to the account's own topics: the digest, one publish per run, and beside it what owners and a chat get."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from keyrotation.act.apply import Applier, Heard
from keyrotation.memory import Memory
from keyrotation.model import Hearing, User
from keyrotation.run.settings import Mode
from keyrotation.tell.bulletin import Bulletin, Channel
from keyrotation.tell.digest import Digest
from keyrotation.tell.owners import speaks_for

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


def listeners(sns: "SNSClient", topic_arn: str) -> int:
    """Subscriptions of the topic that somebody confirmed and that get every message. Raises what botocore raises.

    One with a filter policy gets what it lets through, and nobody knows whether that is a notice.
    """
    return sum(not each.get("FilterPolicy") for each in _confirmed(sns, topic_arn))


def _confirmed(sns: "SNSClient", topic_arn: str) -> list[dict[str, str]]:
    """The attributes of each subscription that somebody confirmed."""
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic_arn)
    arns = [each["SubscriptionArn"] for page in pages for each in page["Subscriptions"]]
    # Of one that nobody confirmed SNS says "PendingConfirmation", and of one that has just gone "Deleted".
    attributes = [
        sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        for arn in arns
        if arn.startswith("arn:")
    ]
    return [each for each in attributes if each.get("PendingConfirmation", "true").lower() == "false"]


@dataclass(frozen=True, kw_only=True)
class Topic:
    """An account that tells by itself (`outlet.Outlet`). `beside`: the ARNs of the topics for owners and for a chat."""

    sns: "SNSClient" = field(repr=False)
    arn: str
    beside: Mapping[Channel, str]
    account: str
    mode: Mode

    def hear(self) -> Hearing:
        """Who listens. Raises what botocore raises."""
        return Hearing(listeners=listeners(self.sns, self.arn))

    def unsubscribed(self, owners: Iterable[str]) -> tuple[str, ...]:
        """Those for whom no subscription to the Owners topic is confirmed. Raises what botocore raises."""
        confirmed = _confirmed(self.sns, self.beside[Channel.OWNERS])
        policies = [each.get("FilterPolicy") for each in confirmed]
        return tuple(owner for owner in owners if not any(speaks_for(policy, owner) for policy in policies))

    def deliver(self, digest: Digest) -> str | None:
        """The id of the message; None: nobody is to hear of this run. Raises what botocore raises."""
        if not digest.worth_sending:
            return None
        return self._publish(
            self.arn,
            subject=digest.subject,
            message=digest.message,
            by_protocol=True,
            attributes={"severity": digest.severity, "account": self.account, "mode": self.mode},
        )

    def spread(self, bulletin: Bulletin) -> None:
        """Raises what botocore raises."""
        self._publish(
            self.beside[bulletin.channel],
            subject=bulletin.subject,
            message=bulletin.message,
            by_protocol=bulletin.by_protocol,
            attributes=bulletin.attributes,
        )

    def _publish(
        self, arn: str, *, subject: str, message: str, by_protocol: bool, attributes: Mapping[str, str]
    ) -> str:
        published = self.sns.publish(
            TopicArn=arn,
            Message=message,
            **({"Subject": subject} if subject else {}),
            **({"MessageStructure": "json"} if by_protocol else {}),
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
