"""The orders: one message a run from the scanner to the rotator, first in first out, each until it is done."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lam
from aws_cdk import aws_sqs as sqs
from constructs import Construct

LARGEST_ORDER = 1024 * 1024  # bytes, the most that SQS takes: the names of 5,000 users fit


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
            # Six times the function's timeout, as Lambda asks: an order is not handed out twice while Lambda retries.
            visibility_timeout=cdk.Duration.seconds(6 * consumer_timeout.to_seconds()),
            dead_letter_queue=sqs.DeadLetterQueue(queue=self.dead_letters, max_receive_count=3),
        )

    def hand_out_only_to(self, taker: iam.IRole) -> None:
        """Have nobody take orders but `taker`, whatever their own policies say.

        Many a role of an account may take from `*`. An order that they take is a run that never was, and that the
        alarm on silence counts as completed. Sending is not denied: redriving a dead order is sending, as whoever
        does it, and names are all that an order can say.
        """
        self.queue.add_to_resource_policy(
            iam.PolicyStatement(
                sid="OnlyTheRotatorTakes",
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility"],
                resources=[self.queue.queue_arn],
                conditions={"StringNotEquals": {"aws:PrincipalArn": taker.role_arn}},
            )
        )

    def feed(self, function: lam.IFunction) -> None:
        """Invoke the function with each order, one at a time: its role must be allowed to take them."""
        # Lambda takes no on-failure destination for a mapping of SQS: the queue's own redrive is what catches an
        # order that fails.
        lam.EventSourceMapping(
            self, "Mapping", target=function, event_source_arn=self.queue.queue_arn, batch_size=1
        )
