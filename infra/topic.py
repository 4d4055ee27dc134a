"""The topic: where the digest and the alarms go, encrypted with a key that CloudWatch may use too."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct


class Topic(Construct):
    """The SNS topic, its key, and the email subscription when an address is given."""

    def __init__(self, scope: Construct, construct_id: str, *, alert_email: cdk.CfnParameter) -> None:
        super().__init__(scope, construct_id)
        stack = cdk.Stack.of(self)
        # A key of our own, because AWS's own key for SNS does not let CloudWatch in: alarms would be lost silently.
        self.key = kms.Key(
            self,
            "Key",
            description="Messages of the access key rotation's topic",
            enable_key_rotation=True,
            # Nothing is stored under it: messages are gone once delivered.
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        self.topic = sns.Topic(
            self, "Topic", display_name="Access key rotation", master_key=self.key, enforce_ssl=True
        )

        cloudwatch = iam.ServicePrincipal("cloudwatch.amazonaws.com")
        this_account = {"StringEquals": {"aws:SourceAccount": stack.account}}
        self.key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsOfThisAccount",
                principals=[cloudwatch],
                # As CloudWatch's documentation has it: a narrower list that is too narrow loses alarms silently.
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],  # in a key policy: this key
                conditions=this_account,
            )
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
