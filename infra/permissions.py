"""What each role may do: every action by its name, every resource by its ARN, and the code that needs it.

docs/permissions.md is made of this (`make permissions`).
"""

import aws_cdk as cdk
from aws_cdk import aws_logs as logs

from infra.grants import Denial, Grant, Resource
from infra.memory import table_arn
from infra.orders import Orders
from infra.parameters import Parameters

_PREFIX = "access-key-rotation:"
# Tags are people's words. The rotator writes none, and removes this one, which asks for a replacement, when there is one.
REMOVED_TAG = f"{_PREFIX}replace"


def own_log(log_group: logs.ILogGroup) -> list[Grant]:
    """What Lambda asks of a function's role to write the function's log."""
    return [
        Grant(
            actions=["logs:CreateLogStream", "logs:PutLogEvents"],
            resource=Resource(arn=log_group.log_group_arn),
            needed_by="Lambda itself, for the function's log",
        )
    ]


def scanner(*, stack: cdk.Stack, orders: Orders) -> list[Grant]:
    """Read users, tags, keys and the memory; send an order. Nothing that changes anything."""
    return [
        Grant(
            actions=["iam:GetAccountAuthorizationDetails"],
            resource=_ANY,
            needed_by="`inventory.scan`: all users with their tags",
        ),
        Grant(
            actions=["iam:GetAccountSummary"],
            resource=_ANY,
            needed_by="`inventory.root_has_keys`",
        ),
        Grant(
            actions=["iam:ListAccountAliases"],
            resource=_ANY,
            needed_by="`inventory.account_alias`, for the mail's subject",
        ),
        Grant(
            actions=["iam:ListAccessKeys"],
            resource=_anybody(stack),
            needed_by="`inventory.list_keys`",
        ),
        Grant(
            actions=["sqs:SendMessage"],
            resource=Resource(arn=orders.queue.queue_arn),
            needed_by="`scanner.handler`: the order",
        ),
        Grant(
            actions=["dynamodb:Scan"],
            resource=_memory(stack),
            needed_by="`table.Table.read_all`: what was done and told",
        ),
    ]


def scanner_failures(*, dead_letters_arn: str) -> list[Grant]:
    """Where Lambda, as the function's role, leaves word of a firing on which the scanner failed."""
    return [
        Grant(
            actions=["sqs:SendMessage"],
            resource=Resource(arn=dead_letters_arn),
            needed_by="Lambda's on-failure destination of the scanner, which writes as the function's role",
        )
    ]


def rotator_always(*, stack: cdk.Stack, parameters: Parameters, orders: Orders) -> list[Grant]:
    """Take an order, look at its users, remember: with what it needs to tell, all that it has in Audit."""
    return [
        Grant(
            actions=["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
            resource=Resource(arn=orders.queue.queue_arn),
            needed_by="Lambda's event source mapping, which polls as the function's role",
        ),
        Grant(
            actions=["sqs:ChangeMessageVisibility"],
            resource=Resource(arn=orders.queue.queue_arn),
            needed_by="`order.prove_in_flight`, and the event source mapping",
        ),
        Grant(
            actions=["iam:GetAccountAuthorizationDetails"],
            resource=_ANY,
            needed_by="`observe.listed_profiles`: the tags of all who are in the order, at the beginning of a run",
        ),
        Grant(
            actions=["iam:GetAccessKeyLastUsed"],
            resource=_users(stack, parameters),
            needed_by="`observe.Observer`",
        ),
        Grant(
            actions=["iam:GetUser"],
            resource=_anybody(stack),
            needed_by="`observe.Observer`",
        ),
        Grant(
            actions=["iam:ListAccessKeys"],
            resource=_anybody(stack),
            needed_by="`inventory.list_keys`, for `observe.Observer`",
        ),
        Grant(
            actions=["iam:ListAttachedUserPolicies"],
            resource=_users(stack, parameters),
            needed_by="`observe.Observer`: whether AWS has flagged a key of the user as exposed",
        ),
        Grant(
            actions=["dynamodb:Scan"],
            resource=_memory(stack),
            needed_by="`table.Table.read_all`: what was done and told, at the beginning of a run",
        ),
        Grant(
            actions=["dynamodb:GetItem"],
            resource=_memory(stack),
            needed_by="`table.Table.read`: a user's item, once more right before acting",
        ),
        Grant(
            actions=["dynamodb:UpdateItem"],
            resource=_memory(stack),
            needed_by="`table.Table.save`: what was done, told or seen; in Audit too",
        ),
        Grant(
            actions=["dynamodb:DeleteItem"],
            resource=_memory(stack),
            needed_by="`table.Table.forget`: the item of a user who is gone",
        ),
        Grant(
            actions=["secretsmanager:DescribeSecret"],
            resource=_secrets(stack),
            needed_by="`secrets.describe`: which key is AWSCURRENT, and whether the secret is as we made it",
        ),
        Grant(
            actions=["cloudtrail:LookupEvents"],
            resource=Resource(
                arn="*",
                wildcard_found_as="*",
                wildcard_because="cloudtrail:LookupEvents supports no resource narrower than *. It only reads: which program "
                "still uses a key that people have to follow up.",
            ),
            needed_by="`usage.who_uses`: who still uses a key that people have to follow up",
        ),
    ]


def telling_topics(*, on_call: str, owners: str, chat: str) -> list[Grant]:
    """What SNS needs of the topics' key to take a message from the rotator stands in the key's own policy (topic.py)."""
    return [
        Grant(
            actions=["sns:ListSubscriptionsByTopic"],
            resource=Resource(arn=on_call),
            needed_by="`publish.Topic`: nothing goes off while nobody listens",
        ),
        Grant(
            actions=["sns:ListSubscriptionsByTopic"],
            resource=Resource(arn=owners),
            needed_by="`publish.Topic.unsubscribed`: the mail names owners who get no message of their own",
        ),
        Grant(
            actions=["sns:GetSubscriptionAttributes"],
            resource=Resource(
                arn="*",
                wildcard_found_as="*",
                wildcard_because="sns:GetSubscriptionAttributes supports no resource narrower than *. It only reads: whether a "
                "subscription is confirmed, and gets everything.",
            ),
            needed_by="`publish.Topic`: a subscription with a filter policy does not count",
        ),
        Grant(
            actions=["sns:Publish"],
            resource=Resource(arn=on_call),
            needed_by="`publish.Topic`: the digest",
        ),
        Grant(
            actions=["sns:Publish"],
            resource=Resource(arn=owners),
            needed_by="`publish.Topic.spread`: to each owner what is about the owner's users",
        ),
        Grant(
            actions=["sns:Publish"],
            resource=Resource(arn=chat),
            needed_by="`publish.Topic.spread`: the run as a chat shows it",
        ),
    ]


def telling_the_centre(*, report_arn: str, word_arn: str) -> list[Grant]:
    """One object to write and one to read, in the bucket of the organization's centre; its policy says the same."""
    return [
        Grant(
            actions=["s3:PutObject"],
            resource=Resource(arn=report_arn),
            needed_by="`reports.Reports`: this account's report, after each run",
        ),
        Grant(
            actions=["s3:GetObject"],
            resource=Resource(arn=word_arn),
            needed_by="`reports.Reports`: whether the centre's mail with it went out",
        ),
    ]


def digest(*, bucket_arn: str, topic_arn: str, accounts_topic_arn: str, stack_set: Resource) -> list[Grant]:
    """Read the reports, tell, and say what was heard. In no other account may it do anything."""
    return [
        Grant(
            actions=["s3:ListBucket"],
            resource=Resource(arn=bucket_arn),
            needed_by="`gathering.Gathering.found`",
            conditions={"StringEquals": {"s3:prefix": "reports/"}},
        ),
        Grant(
            actions=["s3:GetObject"],
            resource=_below(bucket_arn, "reports/"),
            needed_by="`gathering.Gathering.found`: what the accounts report",
        ),
        Grant(
            actions=["s3:PutObject"],
            resource=_below(bucket_arn, "heard/"),
            needed_by="`digest.say`: a word to each account whose report went out",
        ),
        Grant(
            actions=["s3:PutObject"],
            resource=Resource(arn=f"{bucket_arn}/table.csv"),
            needed_by="`digest.send_digest`: a row for each account",
        ),
        Grant(
            actions=["sns:ListSubscriptionsByTopic"],
            resource=Resource(arn=topic_arn),
            needed_by="`publish.listeners`: nothing is heard while nobody listens",
        ),
        Grant(
            actions=["sns:GetSubscriptionAttributes"],
            resource=Resource(
                arn="*",
                wildcard_found_as="*",
                wildcard_because="sns:GetSubscriptionAttributes and organizations:ListAccounts support no resource narrower "
                "than *. They only read: whether a subscription is confirmed, and what the accounts are called.",
            ),
            needed_by="`publish.listeners`: a subscription with a filter policy does not count",
        ),
        Grant(
            actions=["sns:Publish"],
            resource=Resource(arn=topic_arn),
            needed_by="`digest.send`: the digest",
        ),
        Grant(
            actions=["sns:Publish"],
            resource=Resource(arn=accounts_topic_arn),
            needed_by="`digest.send`: what is for those who subscribed to an account or an owner",
        ),
        Grant(
            actions=["cloudformation:ListStackInstances"],
            resource=stack_set,
            needed_by="`gathering.Gathering.expected`: which accounts should report",
        ),
        Grant(
            actions=["organizations:ListAccounts"],
            resource=Resource(arn="*"),
            needed_by="`gathering.Gathering.expected`: what the accounts are called",
        ),
    ]


def digest_never() -> list[Denial]:
    """The centre is no hub: whatever an account trusts it with, it has no use of it."""
    return [
        Denial(
            actions=["sts:AssumeRole"],
            because="The centre reads what the accounts leave here, and acts nowhere else: it says so, so that neither a policy "
            "attached to the role later nor a role of an account that trusts it makes it a hub.",
        )
    ]


def _below(bucket_arn: str, prefix: str) -> Resource:
    return Resource(
        arn=f"{bucket_arn}/{prefix}*",
        wildcard_found_as="arn:<AWS::Partition>:s3:::access-key-rotation-reports-<AWS::AccountId>-<AWS::Region>"
        f"/{prefix}*",
        wildcard_because="An object for each account of the organization, those included that join later, so they cannot be named "
        "in a policy. Bucket and prefix bound it.",
    )


def rotator_never() -> list[Denial]:
    """What no policy that is attached to the role later can give it either."""
    return [
        Denial(
            actions=["secretsmanager:GetSecretValue", "secretsmanager:BatchGetSecretValue"],
            because="The rotator writes keys and never reads one back. It says so here and not only by leaving it out, so "
            "that neither a policy attached to the role later nor a secret's own policy makes it a reader.",
        )
    ]


def rotator_enforcing(*, stack: cdk.Stack, parameters: Parameters) -> list[Grant]:
    """Change keys and write secrets. What is written cannot be read back: rotator_never."""
    users, secrets = _users(stack, parameters), _secrets(stack)
    return [
        Grant(
            actions=["iam:CreateAccessKey"], resource=users, needed_by="`replacement.Issuer.issue`, step 3"
        ),
        Grant(actions=["iam:UpdateAccessKey"], resource=users, needed_by="`apply.Applier`: deactivate"),
        Grant(
            actions=["iam:DeleteAccessKey"],
            resource=users,
            needed_by="`apply.Applier`: delete; `replacement.Issuer.issue`: roll back",
        ),
        Grant(
            actions=["iam:UntagUser"],
            resource=users,
            needed_by="`replacement.Issuer.clear_request`: the request for a replacement, when there is one",
            conditions={
                "ForAllValues:StringEquals": {"aws:TagKeys": [REMOVED_TAG]},
                # "For all values" is also true of none.
                "Null": {"aws:TagKeys": "false"},
            },
        ),
        Grant(
            actions=[
                "secretsmanager:CreateSecret",
                "secretsmanager:RestoreSecret",
                "secretsmanager:GetResourcePolicy",
            ],
            resource=secrets,
            needed_by="`secret_store.SecretStore.make_ready`",
        ),
        Grant(
            actions=["secretsmanager:PutResourcePolicy"],
            resource=secrets,
            needed_by="`secret_store.SecretStore.put_policy`, which has Secrets Manager refuse one that lets everybody in",
            conditions={"Bool": {"secretsmanager:BlockPublicPolicy": "true"}},
        ),
        Grant(
            actions=["secretsmanager:PutSecretValue"],
            resource=secrets,
            needed_by="`secret_store.SecretStore.stage`",
        ),
        Grant(
            actions=["secretsmanager:UpdateSecretVersionStage"],
            resource=secrets,
            needed_by="`secret_store.SecretStore.promote`",
        ),
        Grant(
            actions=["events:PutEvents"],
            resource=Resource(
                arn=f"arn:{stack.partition}:events:{stack.region}:{stack.account}:event-bus/default"
            ),
            needed_by="`events.Events`: what was changed, for whoever carries new keys to where they are used",
            conditions={
                "ForAllValues:StringEquals": {"events:source": ["access-key-rotation"]},
                "Null": {"events:source": "false"},
            },
        ),
    ]


def rotator_encrypting(*, stack: cdk.Stack, parameters: Parameters) -> list[Grant]:
    """Encrypt secrets with the key of SecretsKmsKeyArn: only when one is given, and only through Secrets Manager."""
    return [
        Grant(
            actions=["secretsmanager:UpdateSecret"],
            resource=_secrets(stack),
            needed_by="`secret_store.SecretStore.make_ready`: a secret of before the key was named",
        ),
        Grant(
            # Encrypt: without it UpdateSecret moves a secret to the key without encrypting its versions anew.
            actions=["kms:GenerateDataKey", "kms:Decrypt", "kms:Encrypt"],
            resource=Resource(arn=parameters.secrets_kms_key_arn.value_as_string),
            needed_by="Secrets Manager, on behalf of `secret_store.SecretStore`",
            conditions={
                **through(stack, "secretsmanager"),
                # Of other secrets under the same key neither.
                "StringLike": {"kms:EncryptionContext:SecretARN": _secrets(stack).arn},
            },
        ),
    ]


def schedule(*, function_arn: str, dead_letters_arn: str) -> list[Grant]:
    """Start the run, or leave word that it could not be started."""
    return [
        Grant(
            actions=["lambda:InvokeFunction"],
            resource=Resource(arn=function_arn),
            needed_by="EventBridge Scheduler, at RunAt",
        ),
        Grant(
            actions=["sqs:SendMessage"],
            resource=Resource(arn=dead_letters_arn),
            needed_by="EventBridge Scheduler, for a firing that never got through",
        ),
    ]


def through(stack: cdk.Stack, service: str) -> dict[str, dict[str, object]]:
    """The condition that a key is used by way of this service of this Region and not directly."""
    names = [f"{service}.{stack.region}.amazonaws.com"]
    # Documented with this suffix in every partition, and seen with the partition's own in China.
    names.append(f"{service}.{stack.region}.{stack.url_suffix}")
    return {"StringEquals": {"kms:ViaService": names}}


# The calls that take no resource.
_ANY = Resource(
    arn="*",
    wildcard_found_as="*",
    wildcard_because="iam:GetAccountAuthorizationDetails, iam:GetAccountSummary and iam:ListAccountAliases support no resource "
    "narrower than *. They only read: the one way to list users with their tags, to know whether the root user has keys, "
    "and what people call the account. "
    "Users outside UserPathPrefix are passed over in the code, and no other permission reaches them.",
)


def _users(stack: cdk.Stack, parameters: Parameters) -> Resource:
    return Resource(
        arn=f"arn:{stack.partition}:iam::{stack.account}:user{parameters.user_path_prefix.value_as_string}*",
        wildcard_found_as="arn:<AWS::Partition>:iam::<AWS::AccountId>:user<UserPathPrefix>*",
        wildcard_because="The system looks after every user below UserPathPrefix, those included who are made after the "
        "deployment, so they cannot be named in a policy. Account and path bound it, and every action is named.",
    )


def _anybody(stack: cdk.Stack) -> Resource:
    return Resource(
        arn=f"arn:{stack.partition}:iam::{stack.account}:user/*",
        wildcard_found_as="arn:<AWS::Partition>:iam::<AWS::AccountId>:user/*",
        wildcard_because="IAM cannot know the path of a user who is gone: bound to UserPathPrefix, these two reads would answer "
        "that they are denied where the user was deleted meanwhile. They only read, and whoever is not below the path is "
        "passed over in the code; every write is bound to it.",
    )


def _memory(stack: cdk.Stack) -> Resource:
    return Resource(arn=table_arn(stack))


def _secrets(stack: cdk.Stack) -> Resource:
    return Resource(
        arn=f"arn:{stack.partition}:secretsmanager:{stack.region}:{stack.account}:secret:access-keys/*",
        wildcard_found_as="arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:access-keys/*",
        wildcard_because="One secret for each user, made when the user's key is first replaced; Secrets Manager ends its "
        "ARN in six random characters, so it cannot be named in a policy. The name's prefix is this system's own, and "
        "reading a value is not among the actions.",
    )
