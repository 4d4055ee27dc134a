"""The orders: one message a run from the scanner to the rotator, first in first out, each until it is done."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

LARGEST_ORDER = 1024 * 1024  # bytes, the most that SQS takes: the names of 5,000 users fit
# The rotator refuses an order that is older (order.KEPT): no queue of this stack can have kept it.
KEPT_FOR = cdk.Duration.days(4)
TAKES = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"]


class Orders(Construct):
    """The queue, and the dead-letter queue for an order that failed three times."""

    def __init__(self, scope: Construct, construct_id: str, *, consumer_timeout: cdk.Duration) -> None:
        super().__init__(scope, construct_id)
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            fifo=True,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            max_message_size_bytes=LARGEST_ORDER,
            retention_period=cdk.Duration.days(14),
        )
        self.queue = sqs.Queue(
            self,
            "Queue",
            fifo=True,
            # The run id is the deduplication id: two runs that found the same users are still two runs.
            content_based_deduplication=False,
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            max_message_size_bytes=LARGEST_ORDER,
            retention_period=KEPT_FOR,
            # No queue may name this one as its dead-letter queue: what SQS moves there is no SendMessage that a policy
            # could deny, so a forged order would come in that way.
            redrive_allow_policy=sqs.RedriveAllowPolicy(redrive_permission=sqs.RedrivePermission.DENY_ALL),
            # Six times the function's timeout, as Lambda asks: an order is not handed out twice while Lambda retries.
            visibility_timeout=cdk.Duration.seconds(6 * consumer_timeout.to_seconds()),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=3),
        )

    def pass_only(self, *, sender: iam.IRole, taker: iam.IRole, operators: list[str]) -> None:
        """Have nobody send orders but `sender` and nobody take them but `taker`, whatever their own policies say.

        Many a role of an account may do both to `*`. An order that somebody takes is a run that never was, and so is one
        whose deduplication id somebody used first. Nothing is lost by the denials: RunNow does all that a redrive does.
        `operators`: who may read and empty the dead-letter queue, by ARN.
        """
        deny(
            self.queue,
            "OnlyTheRotatorTakes",
            TAKES,
            conditions={"StringNotEquals": {"aws:PrincipalArn": taker.role_arn}},
        )
        deny(
            self.queue,
            "OnlyTheScannerSends",
            ["sqs:SendMessage"],
            conditions={"StringNotEquals": {"aws:PrincipalArn": sender.role_arn}},
        )
        deny(self.queue, "NobodyPurges", ["sqs:PurgeQueue"])
        only_operators_take(self.dead_letters, operators)

    def feed(self, function: lam.IFunction) -> None:
        """Invoke the function with each order, one at a time: its role must be allowed to take them."""
        # Lambda takes no on-failure destination for a mapping of SQS: the queue's own redrive is what catches an
        # order that fails.
        lam.EventSourceMapping(
            self, "Mapping", target=function, event_source_arn=self.queue.queue_arn, batch_size=1
        )


def only_operators_take(dead_letters: sqs.Queue, operators: list[str]) -> None:
    """Whoever takes a dead letter away ends its alarm: that is for those who are called by it."""
    deny(
        dead_letters,
        "OnlyOperatorsTake",
        [*TAKES, "sqs:PurgeQueue"],
        conditions={"StringNotEquals": {"aws:PrincipalArn": operators}},
    )


def deny(
    queue: sqs.Queue, sid: str, actions: list[str], *, conditions: dict[str, object] | None = None
) -> None:
    """Add to what the queue's policy denies everybody. Its own actions only: deleting the stack must stay possible."""
    queue.add_to_resource_policy(
        iam.PolicyStatement(
            sid=sid,
            effect=iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            actions=actions,
            resources=[queue.queue_arn],
            conditions=conditions,
        )
    )
