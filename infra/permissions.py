"""What the two functions' roles may do: every action by its name, every resource by its ARN, in one place to audit."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam

from infra.orders import Orders
from infra.topic import Topic

# The tags that the rotator itself writes or removes. `exempt`, `max-age-days` and `owner` are people's alone.
OWN_TAGS = [
    "access-key-rotation:pending",
    "access-key-rotation:inactive-since:*",
    "access-key-rotation:held-until:*",
    "access-key-rotation:replace",
]


def scanner(*, stack: cdk.Stack, orders: Orders) -> list[iam.PolicyStatement]:
    """Read users, tags and keys; send an order. Nothing that changes anything."""
    return [
        # IAM knows no narrower resource for these. All only read: the one way to list users with their tags, the
        # one way to know whether the root user has keys, and what people call the account, for the mail's subject.
        iam.PolicyStatement(
            actions=[
                "iam:GetAccountAuthorizationDetails",
                "iam:GetAccountSummary",
                "iam:ListAccountAliases",
            ],
            resources=["*"],
        ),
        iam.PolicyStatement(actions=["iam:ListAccessKeys"], resources=[_users(stack)]),
        iam.PolicyStatement(actions=["sqs:SendMessage"], resources=[orders.queue.queue_arn]),
    ]


def rotator_always(*, stack: cdk.Stack, orders: Orders, topic: Topic) -> list[iam.PolicyStatement]:
    """Take an order, look at its users, tell: what Audit needs, and all that it has."""
    return [
        iam.PolicyStatement(
            actions=[
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:ChangeMessageVisibility",
                "sqs:GetQueueAttributes",
            ],
            resources=[orders.queue.queue_arn],
        ),
        iam.PolicyStatement(
            actions=["iam:GetUser", "iam:ListAccessKeys", "iam:GetAccessKeyLastUsed"],
            resources=[_users(stack)],
        ),
        iam.PolicyStatement(actions=["secretsmanager:DescribeSecret"], resources=[_secrets(stack)]),
        # The attributes tell whether anybody has confirmed a subscription.
        iam.PolicyStatement(
            actions=["sns:Publish", "sns:GetTopicAttributes"], resources=[topic.topic.topic_arn]
        ),
        # What SNS asks of whoever publishes to an encrypted topic.
        iam.PolicyStatement(actions=["kms:GenerateDataKey", "kms:Decrypt"], resources=[topic.key.key_arn]),
    ]


def rotator_enforcing(*, stack: cdk.Stack) -> list[iam.PolicyStatement]:
    """Change keys and write secrets. There is no GetSecretValue: what is written cannot be read back."""
    return [
        iam.PolicyStatement(
            actions=["iam:CreateAccessKey", "iam:UpdateAccessKey", "iam:DeleteAccessKey"],
            resources=[_users(stack)],
        ),
        iam.PolicyStatement(
            actions=["iam:TagUser", "iam:UntagUser"],
            resources=[_users(stack)],
            conditions={
                "ForAllValues:StringLike": {"aws:TagKeys": OWN_TAGS},
                # "For all values" is also true of none.
                "Null": {"aws:TagKeys": "false"},
            },
        ),
        iam.PolicyStatement(
            actions=[
                "secretsmanager:CreateSecret",
                "secretsmanager:RestoreSecret",
                "secretsmanager:PutResourcePolicy",
                "secretsmanager:GetResourcePolicy",
                "secretsmanager:PutSecretValue",
                "secretsmanager:UpdateSecretVersionStage",
            ],
            resources=[_secrets(stack)],
        ),
    ]


def _users(stack: cdk.Stack) -> str:
    return f"arn:{stack.partition}:iam::{stack.account}:user/*"


def _secrets(stack: cdk.Stack) -> str:
    return f"arn:{stack.partition}:secretsmanager:{stack.region}:{stack.account}:secret:access-keys/*"
