"""The topic: where the digest and the alarms go, encrypted with a key that CloudWatch may use too."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

# `kms:GenerateDataKey*`, which the documentation of SNS and CloudWatch asks for, by its names: a list that is
# too narrow loses alarms silently.
ENCRYPT = [
    "kms:Decrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyPair",
    "kms:GenerateDataKeyPairWithoutPlaintext",
    "kms:GenerateDataKeyWithoutPlaintext",
]
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
    """The SNS topic, its key, and the email subscription when an address is given."""

    def __init__(self, scope: Construct, construct_id: str, *, alert_email: cdk.CfnParameter) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        cloudwatch = iam.ServicePrincipal("cloudwatch.amazonaws.com")
        this_account = {"StringEquals": {"aws:SourceAccount": stack.account}}
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
                        sid="AlarmsOfThisAccount",
                        principals=[cloudwatch],
                        actions=ENCRYPT,
                        resources=["*"],
                        conditions=this_account,
                    ),
                ]
            ),
        )
        self.topic = sns.Topic(
            self, "Topic", display_name="Access key rotation", master_key=self.key, enforce_ssl=True
        )
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                principals=[cloudwatch],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions=this_account,
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
        """Have nobody publish but this role and AWS's own services, which the Allow above limits to alarms.

        The digest holds commands for people to copy: somebody else's would be run by an administrator.
        """
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="DigestsOfTheRotator",
                principals=[iam.ArnPrincipal(role.role_arn)],
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=["*"],
                conditions=through_sns,
            )
        )
        self.topic.add_to_resource_policy(
            iam.PolicyStatement(
                sid="NobodyElseSpeaks",
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
                conditions={
                    "StringNotEquals": {"aws:PrincipalArn": role.role_arn},
                    "BoolIfExists": {"aws:PrincipalIsAWSService": "false"},
                },
            )
        )
