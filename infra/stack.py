"""The stack: schedule, scanner, orders, rotator, topic, alarms; wired together, and who may do what."""

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import bundle, permissions
from infra.alarms import Alarms
from infra.function import TIMEOUT_SECONDS, Function
from infra.orders import Orders
from infra.parameters import Parameters
from infra.schedule import Schedule
from infra.topic import Topic


class AccessKeyRotation(cdk.Stack):
    """Everything that one AWS account needs to have its IAM users' access keys rotated."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(
            scope, construct_id, description="Rotates the access keys of this account's IAM users, once a day"
        )
        parameters = Parameters(stack=self)
        topic = Topic(self, "Alerts", alert_email=parameters.alert_email)
        orders = Orders(self, "Orders", consumer_timeout=cdk.Duration.seconds(TIMEOUT_SECONDS))
        code = bundle.code()

        scanner = Function(
            self,
            "Scanner",
            description="Lists users, tags and keys, and orders a rotation for whom something may be due",
            handler="scanner.handler",
            code=code,
            environment={**parameters.policy_environment(), "ORDERS_QUEUE_URL": orders.queue.queue_url},
        )
        scanner.allow(*permissions.scanner(stack=self, orders=orders))

        rotator = Function(
            self,
            "Rotator",
            description="Takes an order, looks at each user again, rotates what is due and tells",
            handler="rotator.handler",
            code=code,
            environment={
                **parameters.policy_environment(),
                "MODE": parameters.mode.value_as_string,
                "ORDERS_QUEUE_ARN": orders.queue.queue_arn,
                "NOTIFY": parameters.notify.value_as_string,
                "RUNBOOK_URL": parameters.runbook_url.value_as_string,
                "TOPIC_ARN": topic.topic.topic_arn,
                "FUNCTION_TIMEOUT_SECONDS": str(TIMEOUT_SECONDS),
            },
            # Secrets' resource policies name this role, so a stack that is deployed again must be the same principal;
            # and a second copy in another Region of the account is refused by the name.
            role_name="access-key-rotation-rotator",
        )
        rotator.function.add_environment("ROTATOR_ROLE_ARN", rotator.role.role_arn)
        # The mail names the log that holds the full report.
        rotator.function.add_environment("LOG_GROUP_NAME", rotator.log_group.log_group_name)
        rotator.allow(*permissions.rotator_always(stack=self, orders=orders, topic=topic))
        self._enforce(mode=parameters.mode, role=rotator.role)
        orders.feed(rotator.function)

        schedule = Schedule(
            self,
            "Daily",
            function=scanner.function,
            run_at=parameters.run_at,
            time_zone=parameters.time_zone,
        )
        Alarms(
            self,
            "Alarms",
            scanner=scanner.function,
            rotator=rotator.function,
            orders=orders.queue,
            dead_orders=orders.dead_letters,
            dead_firings=schedule.dead_letters,
            topic=topic.topic,
        )

        for name, value in {
            "ScannerName": scanner.function.function_name,
            "RotatorName": rotator.function.function_name,
            "ScheduleName": schedule.name,
            "OrdersQueueUrl": orders.queue.queue_url,
            "DeadLetterQueueUrl": orders.dead_letters.queue_url,
            "TopicArn": topic.topic.topic_arn,
            "RotatorRoleArn": rotator.role.role_arn,
        }.items():
            cdk.CfnOutput(self, name, value=value)

    def _enforce(self, *, mode: cdk.CfnParameter, role: iam.Role) -> None:
        """Let the role change keys and secrets in Enforce mode alone: in Audit mode the policy does not exist."""
        policy = iam.Policy(
            self, "Enforcement", roles=[role], statements=permissions.rotator_enforcing(stack=self)
        )
        resource = policy.node.default_child
        if not isinstance(resource, iam.CfnPolicy):
            raise TypeError("the CDK no longer makes an AWS::IAM::Policy of an iam.Policy")
        resource.cfn_options.condition = cdk.CfnCondition(
            self, "Enforcing", expression=cdk.Fn.condition_equals(mode.value_as_string, "Enforce")
        )
