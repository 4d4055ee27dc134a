"""Both handlers as Lambda has them: imported anew in a complete environment, between a queue, a topic and a mailbox."""

import importlib
import json
import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

import pytest
from keyrotation.model import OWNER_TAG_KEYS
from keyrotation.policy import Policy
from keyrotation.remember.table import TABLE_NAME
from moto.cloudtrail.responses import CloudTrailResponse
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends

from tests.component.account import ACCOUNT, NOW, REGION, ROTATOR_ROLE_ARN, RUN_ID

if TYPE_CHECKING:
    from types import ModuleType

    from boto3.session import Session

POLICY = {name.upper(): str(value) for name, value in vars(Policy()).items()}
SCHEDULED = {"run_id": RUN_ID, "scheduled_time": "2026-11-22T06:00:00Z"}


def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No profile, no credentials, no endpoint of the person who runs this."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "POWERTOOLS_"))]:
        monkeypatch.delenv(name)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)


@dataclass(frozen=True, kw_only=True)
class Context:
    """What powertools and the handlers ask of Lambda's context."""

    function_name: str
    memory_limit_in_mb: int = 512
    aws_request_id: str = "request-1"
    remaining: Callable[[], int] = lambda: 900_000

    @property
    def invoked_function_arn(self) -> str:
        return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{self.function_name}"

    def get_remaining_time_in_millis(self) -> int:
        return self.remaining()


@dataclass(frozen=True, kw_only=True)
class Mail:
    subject: str
    body: str
    data: str
    attributes: dict[str, str]

    @property
    def text(self) -> str:
        """The body as one line: where it is wrapped is no matter here."""
        return " ".join(self.body.split())


@dataclass
class Deployment:
    """Its own clients are of a session that no recorder sees."""

    session: "Session"
    monkeypatch: pytest.MonkeyPatch
    slept: list[float] = field(default_factory=list)
    sleep: Callable[[float], None] = field(init=False)
    now: datetime = NOW

    def __post_init__(self) -> None:
        self.sleep = self.slept.append
        self._sqs, self._sns = self.session.client("sqs"), self.session.client("sns")
        made = self._sqs.create_queue(QueueName="orders.fifo", Attributes={"FifoQueue": "true"})
        self.queue_url = made["QueueUrl"]
        self.queue_arn = self._arn(self.queue_url)
        self.topic_arn = self._sns.create_topic(Name="alerts")["TopicArn"]
        self.owners_topic_arn = self._sns.create_topic(Name="owners")["TopicArn"]
        self.chat_topic_arn = self._sns.create_topic(Name="chat")["TopicArn"]
        self._mailbox = self._sqs.create_queue(QueueName="mailbox")["QueueUrl"]
        # moto records no events.
        self.monkeypatch.setattr(
            CloudTrailResponse, "lookup_events", lambda _: json.dumps({"Events": []}), raising=False
        )
        self.subscription_arn = self._sns.subscribe(
            TopicArn=self.topic_arn, Protocol="sqs", Endpoint=self._arn(self._mailbox)
        )["SubscriptionArn"]
        self.subscribers(1)

    def close(self) -> None:
        self._sqs.close()
        self._sns.close()

    def _arn(self, url: str) -> str:
        found = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
        return found["Attributes"]["QueueArn"]

    def subscribers(self, confirmed: int) -> None:
        """So many listen: the mailbox, and addresses; 0: the mailbox gets everything, and nobody confirmed it."""
        kept = sns_backends[ACCOUNT][REGION].subscriptions[self.subscription_arn]
        kept.attributes["PendingConfirmation"] = "false" if confirmed else "true"
        for number in range(1, confirmed):
            self._sns.subscribe(TopicArn=self.topic_arn, Protocol="email", Endpoint=f"{number}@example.com")

    def environment(self, function: Literal["scanner", "rotator"], **overrides: str | None) -> dict[str, str]:
        """Complete; an override of None leaves the variable out."""
        variables: dict[str, str | None] = {
            **POLICY,
            "MODE": "Enforce",
            "TABLE_NAME": TABLE_NAME,
            "USER_PATH_PREFIX": "/",
            "ORDERS_QUEUE_URL": self.queue_url,
            "AWS_REGION": REGION,
            "POWERTOOLS_SERVICE_NAME": function,
            "POWERTOOLS_METRICS_NAMESPACE": "AccessKeyRotation",
            "POWERTOOLS_LOG_LEVEL": "INFO",
        }
        if function == "rotator":
            variables |= {
                "SECRET_READER_ARNS": "",
                "SECRETS_KMS_KEY_ARN": "",
                "ORDERS_QUEUE_ARN": self.queue_arn,
                "OWNER_TAG_KEYS": ",".join(OWNER_TAG_KEYS),
                "TOPIC_ARN": self.topic_arn,
                "OWNERS_TOPIC_ARN": self.owners_topic_arn,
                "CHAT_TOPIC_ARN": self.chat_topic_arn,
                "ROTATOR_ROLE_ARN": ROTATOR_ROLE_ARN,
                "FUNCTION_TIMEOUT_SECONDS": "900",
                "NOTIFY": "Changes",
                "RUNBOOK_URL": "docs/runbook.md",
                "LOG_GROUP_NAME": "rotator-logs",
            }
        variables |= overrides
        return {name: value for name, value in variables.items() if value is not None}

    def load(self, function: Literal["scanner", "rotator"], **overrides: str | None) -> "ModuleType":
        """Import the handler's module as a cold start does; its clock says `now`. Raises what the import raises."""
        environment = self.environment(function, **overrides)
        for name in {*self.environment(function), *environment}:
            self.monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            self.monkeypatch.setenv(name, value)
        # The module and its logger, whose stream is the standard output of the test that made it.
        self.monkeypatch.delitem(sys.modules, function, raising=False)
        self.monkeypatch.delitem(logging.Logger.manager.loggerDict, function, raising=False)
        # A cold start finds no level that an earlier import set.
        for library in ("botocore", "boto3", "urllib3"):
            logging.getLogger(library).setLevel(logging.NOTSET)
        self.monkeypatch.setattr("time.sleep", self.sleep)
        module = importlib.import_module(function)
        self.monkeypatch.setattr(module, "datetime", self._clock())
        return module

    def _clock(self) -> type[datetime]:
        deployment = self

        class Stopped(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
                return deployment.now.astimezone(tz)

        return Stopped

    # The whole way of a run.

    def scan(self, event: object = SCHEDULED, **overrides: str | None) -> dict[str, Any]:
        module = self.load("scanner", **overrides)
        summary: dict[str, Any] = module.handler(event, Context(function_name="scanner"))
        return summary

    def rotate(
        self, event: object, *, remaining: Callable[[], int] = lambda: 900_000, **overrides: str | None
    ) -> None:
        module = self.load("rotator", **overrides)
        module.handler(event, Context(function_name="rotator", remaining=remaining))

    def orders(self) -> list[str]:
        """The bodies of the orders that wait, taken off the queue."""
        return self._take(self.queue_url)

    def done_with(self, event: dict[str, Any]) -> None:
        """Lambda takes an order that was worked on out of the queue; each delivery here is a message of its own."""
        self._sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=event["Records"][0]["receiptHandle"])

    def delivery(self, body: str) -> dict[str, Any]:
        """The event that SQS has Lambda get, of an order that is in the queue and that Lambda has just taken."""
        self._sqs.send_message(
            QueueUrl=self.queue_url,
            # SQS takes no empty body; what the record holds is what the rotator reads.
            MessageBody=body or " ",
            # Not `account`: this queue is not waiting for an earlier delivery to be done with.
            MessageGroupId=str(uuid4()),
            MessageDeduplicationId=str(uuid4()),
        )
        (taken,) = self._sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=1)["Messages"]
        record = {
            "messageId": "message-1",
            "receiptHandle": taken["ReceiptHandle"],
            "body": body,
            "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": "account"},
            "messageAttributes": {},
            "eventSource": "aws:sqs",
            "eventSourceARN": self.queue_arn,
            "awsRegion": REGION,
        }
        return {"Records": [record]}

    def order(self, *names: str, total: int | None = None, **fields: object) -> dict[str, Any]:
        """The delivery of an order that names these users."""
        order = {
            "version": 1,
            "run_id": RUN_ID,
            "total": len(names) if total is None else total,
            "with_keys": len(names),
            "root_has_keys": False,
            "user_names": list(names),
        }
        return self.delivery(json.dumps(order | fields))

    def mails(self) -> list[Mail]:
        """What the topic's subscriber got, taken out of the mailbox, and the text that people get of the same."""
        envelopes = [json.loads(body) for body in self._take(self._mailbox)]
        sent = sns_backends[ACCOUNT][REGION].topics[self.topic_arn].sent_notifications
        texts = {message_id: json.loads(message)["default"] for message_id, message, *_ in sent}
        return [
            Mail(
                subject=each["Subject"],
                body=texts[each["MessageId"]],
                data=each["Message"],
                attributes={name: value["Value"] for name, value in each["MessageAttributes"].items()},
            )
            for each in envelopes
        ]

    def sent_beside(self, topic_arn: str) -> list[tuple[str, dict[str, str]]]:
        """What went to owners or to the chat: each message, and its attributes."""
        sent = sns_backends[ACCOUNT][REGION].topics[topic_arn].sent_notifications
        return [
            (message, {name: value["Value"] for name, value in (attributes or {}).items()})
            for _, message, _, attributes, _ in sent
        ]

    def _take(self, url: str) -> list[str]:
        """As a consumer takes and deletes them, but behind moto's back: twice in each day that a test has."""
        queue = sqs_backends[ACCOUNT][REGION].queues[url.rpartition("/")[2]]
        taken = queue.messages
        queue._messages = [message for message in queue._messages if message not in taken]
        return [message.body for message in taken]
