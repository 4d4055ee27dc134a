"""Where a test reads what a topic sends: as a queue gets it, or as a person with a mail address does."""

import json
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from sandbox.controls import Mail

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient


class Mailbox:
    """Messages one at a time, the oldest first."""

    def __init__(self, *, name: str, receive: Callable[[], Mail | None]) -> None:
        self._name = name
        self._receive = receive

    def next(self, *, run_id: str = "", within_seconds: float = 60) -> Mail:
        """The oldest message not yet read; those before it that do not name the run are passed over. Raises TimeoutError."""
        deadline = time.monotonic() + within_seconds
        while True:
            if mail := self._receive():
                if run_id in mail.body:
                    return mail
                continue
            if time.monotonic() > deadline:
                wanted = f"nothing of {run_id}" if run_id else "nothing"
                raise TimeoutError(f"{wanted} came to {self._name} within {within_seconds:.0f} seconds")
            time.sleep(0.2)


def subscribe_queue(
    *, name: str, topic_arn: str, attributes: Mapping[str, str], sns: "SNSClient", sqs: "SQSClient"
) -> Mailbox:
    """A new queue that gets what the topic sends from now on."""
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": arn,
        "Condition": {"ArnEquals": {"aws:SourceArn": topic_arn}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    sns.subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn, Attributes=dict(attributes))

    def receive() -> Mail | None:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=1).get("Messages", []):
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            envelope = json.loads(message["Body"])
            return Mail(
                to=arn,
                subject=envelope.get("Subject", ""),
                body=envelope["Message"],
                attributes={n: a["Value"] for n, a in envelope.get("MessageAttributes", {}).items()},
            )
        return None

    return Mailbox(name=name, receive=receive)


def watch_address(*, address: str, mails: Callable[[], list[Mail]]) -> Mailbox:
    """What is sent to the address from now on; a topic has it as an email subscription."""
    read = len(mails())

    def receive() -> Mail | None:
        nonlocal read
        unread = mails()[read:]
        if not unread:
            return None
        read += 1
        return unread[0]

    return Mailbox(name=address, receive=receive)
