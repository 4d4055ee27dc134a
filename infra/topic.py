"""The topic: where the digest and the alarms go, encrypted with a key that CloudWatch may use too."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from infra.alarms import alarm_arns

# The documentation of SNS and CloudWatch asks for `kms:GenerateDataKey*`: by their names, those of it that make keys for
# messages. The others make pairs of keys, for signatures.
ENCRYPT = ["kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"]
# What this account's administrators and CloudFormation do to a key, and never with it: whoever has kms:* by a policy
# of their own does not thereby read or write the topic's messages. PutKeyPolicy is the way out of any mistake here.
ADMINISTER = [
    "kms:CancelKeyDeletion",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateKeyDescription",
]


class Topic(Construct):
    """The SNS topic, its key, and the email subscription when an address is given. `alarms`: those that may publish."""

    def __init__(
        self, scope: Construct, construct_id: str, *, alert_email: cdk.CfnParameter, alarms: Sequence[str]
    ) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        cloudwatch = iam.ServicePrincipal("cloudwatch.amazonaws.com")
        # Whoever may make an alarm must not be able to have CloudWatch say what they like, under our name, to on-call.
        our_alarms = {
            "StringEquals": {"aws:SourceAccount": stack.account},
            "ArnEquals": {"aws:SourceArn": alarm_arns(stack, alarms)},
        }
        # A key of our own, because AWS's own key for SNS does not let CloudWatch in: alarms would be lost silently.
        self.key = kms.Key(
            self,
            "Key",
            description="Messages of the access key rotation's topic",
            enable_key_rotation=True,
            # Nothing is stored under it: messages are gone once delivered.
            removal_policy=cdk.RemovalPolicy.DESTROY,
            # In a key policy `*` is this key.
            policy=iam.PolicyDocument(
                statements=[
                    iam.PolicyStatement(
                        sid="AdministeredByThisAccount",
                        principals=[iam.AccountRootPrincipal()],
                        actions=ADMINISTER,
                        resources=["*"],
                    ),
                    iam.PolicyStatement(
                        sid="AlarmsOfThisStack",
                        principals=[cloudwatch],
                        actions=ENCRYPT,
                        resources=["*"],
                        conditions=our_alarms,
                    ),
                ]
            ),
        )
        self.topic = sns.Topic(
            self, "Topic", display_name="Access key rotation", master_key=self.key, enforce_ssl=True
        )
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisStack",
                principals=[cloudwatch],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions=our_alarms,
            )
        )

        subscription = sns.CfnSubscription(
            self,
            "Email",
            topic_arn=self.topic.topic_arn,
            protocol="email",
            endpoint=alert_email.value_as_string,
        )
        subscription.cfn_options.condition = cdk.CfnCondition(
            self,
            "HasEmail",
            expression=cdk.Fn.condition_not(cdk.Fn.condition_equals(alert_email.value_as_string, "")),
        )

    def speak_only_for(self, role: iam.IRole, *, through_sns: dict[str, dict[str, object]]) -> None:
        """Have nobody publish but this role and AWS's own services, which the Allow above limits to this stack's alarms.

        The digest holds commands for people to copy: somebody else's would be run by an administrator.
        """
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="DigestsOfTheRotator",
                # By a condition: KMS looks a principal up, finds none that was made a moment ago, and takes one of the same
                # name that is made anew for another.
                principals=[iam.AnyPrincipal()],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],
                conditions={
                    "StringEquals": {
                        **through_sns["StringEquals"],
                        "aws:PrincipalArn": role.role_arn,
                        "kms:CallerAccount": cdk.Stack.of(self).account,
                    }
                },
            )
        )
        nobody_else_speaks(self.topic, role)


def nobody_else_speaks(topic: sns.Topic, role: iam.IRole) -> None:
    """Add to the topic's policy that this role alone publishes, and AWS's own services."""
    topic.add_to_resource_policy(
        iam.PolicyStatement(
            sid="NobodyElseSpeaks",
            effect=iam.Effect.DENY,
            principals=[iam.AnyPrincipal()],
            actions=["sns:Publish"],
            resources=[topic.topic_arn],
            # An alarm is let by for two reasons, each of which is enough: no principal of IAM has either.
            conditions={
                "StringNotEquals": {
                    "aws:PrincipalArn": role.role_arn,
                    "aws:SourceAccount": cdk.Stack.of(topic).account,
                },
                "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
            },
        )
    )
