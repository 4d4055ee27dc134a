"""What an account tells beside on-call's mail: a topic for the owners of users, and one for a chat."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra import permissions


class Bulletins(Construct):
    """Two topics, encrypted with the key of on-call's, by whose policy the rotator uses it for any topic."""

    def __init__(self, scope: Construct, construct_id: str, *, key: kms.IKey) -> None:
        super().__init__(scope, construct_id)
        # Teams subscribe to their own messages by the attribute `owner`.
        self.owners = sns.Topic(
            self, "Owners", display_name="Access keys of your users", master_key=key, enforce_ssl=True
        )
        # Amazon Q understands nothing but its own JSON.
        self.chat = sns.Topic(
            self, "Chat", display_name="Access key rotation", master_key=key, enforce_ssl=True
        )

    def speak_only_for(self, role: iam.IRole) -> None:
        """Have nobody publish but this role. No alarm comes here: no service of AWS either."""
        for topic in (self.owners, self.chat):
            topic.add_to_resource_policy(
                iam.PolicyStatement(
                    sid="NobodyElseSpeaks",
                    effect=iam.Effect.DENY,
                    principals=[iam.AnyPrincipal()],
                    actions=["sns:Publish"],
                    resources=[topic.topic_arn],
                    conditions={"StringNotEquals": {"aws:PrincipalArn": role.role_arn}},
                )
            )


class ToItsTopics:
    """How an account of its own tells (`telling.Telling`)."""

    def __init__(self, topic: sns.ITopic, bulletins: Bulletins, *, notify: cdk.CfnParameter) -> None:
        owners, chat = bulletins.owners.topic_arn, bulletins.chat.topic_arn
        self.environment = {
            "NOTIFY": notify.value_as_string,
            "TOPIC_ARN": topic.topic_arn,
            "OWNERS_TOPIC_ARN": owners,
            "CHAT_TOPIC_ARN": chat,
        }
        self.outputs = {"TopicArn": topic.topic_arn, "OwnersTopicArn": owners, "ChatTopicArn": chat}
        self.grants = permissions.telling_topics(on_call=topic.topic_arn, owners=owners, chat=chat)
