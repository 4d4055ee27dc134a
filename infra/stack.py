"""The stack: schedule, scanner, orders, rotator, topic, alarms; wired together, and who may do what."""

from collections.abc import Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from infra import bundle, permissions
from infra.alarms import Alarms
from infra.commands import Commands
from infra.dashboard import Dashboard
from infra.function import TIMEOUT_SECONDS, Function
from infra.orders import Orders
from infra.parameters import Parameters
from infra.permissions import Grant
from infra.schedule import Schedule
from infra.topic import Topic
from infra.version import VERSION

# Said where somebody who deletes the stack looks: what CloudFormation did not make, it does not take away.
KEPT = (
    "Deleting this stack keeps every access key, every tag and every secret access-keys/*, and the functions' logs. Keys "
    "then grow old: nothing switches them off. A stack deployed again goes on from the tags with the same secrets."
)


@dataclass(frozen=True, kw_only=True)
class Granted:
    """For docs/permissions.md: what a role has, and in which case."""

    role: str
    when: str
    grants: Sequence[Grant]


class AccessKeyRotation(cdk.Stack):
    """Everything that one AWS account needs to have its IAM users' access keys rotated."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(
            scope,
            construct_id,
            description=f"Rotates the access keys of this account's IAM users, once a day (access-key-rotation {VERSION})",
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
            log_retention_days=parameters.log_retention_days,
            environment={
                **parameters.policy_environment(),
                "USER_PATH_PREFIX": parameters.user_path_prefix.value_as_string,
                "ORDERS_QUEUE_URL": orders.queue.queue_url,
            },
        )
        scanner.allow(permissions.scanner(stack=self, parameters=parameters, orders=orders))

        rotator = Function(
            self,
            "Rotator",
            description="Takes an order, looks at each user again, rotates what is due and tells",
            handler="rotator.handler",
            code=code,
            log_retention_days=parameters.log_retention_days,
            environment={
                **parameters.policy_environment(),
                "MODE": parameters.mode.value_as_string,
                "USER_PATH_PREFIX": parameters.user_path_prefix.value_as_string,
                "SECRET_READER_ARNS": cdk.Fn.join(",", parameters.secret_reader_arns.value_as_list),
                "SECRETS_KMS_KEY_ARN": parameters.secrets_kms_key_arn.value_as_string,
                "ORDERS_QUEUE_URL": orders.queue.queue_url,
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
        rotator.allow(
            permissions.rotator_always(stack=self, parameters=parameters, orders=orders, topic=topic)
        )
        enforcing = self._enforce(parameters=parameters, role=rotator.role)
        topic.speak_only_for(rotator.role, through_sns=permissions.through(self, "sns"))
        orders.hand_out_only_to(rotator.role)
        orders.feed(rotator.function)

        schedule = Schedule(
            self,
            "Daily",
            function=scanner.function,
            run_at=parameters.run_at,
            time_zone=parameters.time_zone,
        )
        scanner.allow(permissions.scanner_failures(dead_letters_arn=schedule.dead_letters.queue_arn))
        alarms = Alarms(
            self,
            "Alarms",
            scanner=scanner.function,
            rotator=rotator.function,
            orders=orders.queue,
            dead_orders=orders.dead_letters,
            dead_firings=schedule.dead_letters,
            topic=topic.topic,
            runbook_url=parameters.runbook_url.value_as_string,
        )
        Dashboard(
            self,
            "Overview",
            max_key_age_days=parameters.policy_environment()["MAX_KEY_AGE_DAYS"],
            orders=orders.queue,
            dead_orders=orders.dead_letters,
            dead_firings=schedule.dead_letters,
            alarms=alarms,
        )

        for name, value in {
            "ScannerName": scanner.function.function_name,
            "RotatorName": rotator.function.function_name,
            "ScheduleName": schedule.name,
            "OrdersQueueUrl": orders.queue.queue_url,
            "DeadLetterQueueUrl": orders.dead_letters.queue_url,
            "DeadFiringsQueueUrl": schedule.dead_letters.queue_url,
            "TopicArn": topic.topic.topic_arn,
            "RotatorRoleArn": rotator.role.role_arn,
        }.items():
            cdk.CfnOutput(self, name, value=value)
        commands = Commands(stack=self)
        policy = {name.lower(): value for name, value in parameters.policy_environment().items()}
        for name, command in {
            "RunNow": commands.run(scanner_name=scanner.function.function_name),
            "Preview": commands.preview(
                user_path_prefix=parameters.user_path_prefix.value_as_string, **policy
            ),
            "Stop": commands.switch("DISABLED", schedule_name=schedule.name),
            "StartAgain": commands.switch("ENABLED", schedule_name=schedule.name),
            "ReadLastReport": commands.read_log(log_group_name=rotator.log_group.log_group_name),
        }.items():
            cdk.CfnOutput(self, name, value=command, description="A command, ready to run")
        cdk.CfnOutput(self, "Kept", value=KEPT)
        cdk.CfnOutput(self, "Version", value=VERSION)
        self.granted = (
            Granted(role="scanner", when="always", grants=scanner.grants),
            Granted(role="rotator", when="always", grants=rotator.grants),
            *enforcing,
            Granted(role="schedule", when="always", grants=schedule.grants),
        )

    def _enforce(self, *, parameters: Parameters, role: iam.Role) -> tuple[Granted, Granted]:
        """Let the role change keys and secrets in Enforce mode alone: in Audit mode the policies do not exist."""
        enforce = cdk.Fn.condition_equals(parameters.mode.value_as_string, "Enforce")
        no_key = cdk.Fn.condition_equals(parameters.secrets_kms_key_arn.value_as_string, "")
        conditions = {
            "Enforcing": enforce,
            "Encrypting": cdk.Fn.condition_and(enforce, cdk.Fn.condition_not(no_key)),
        }
        granted = (
            Granted(
                role="rotator",
                when="Mode=Enforce",
                grants=permissions.rotator_enforcing(stack=self, parameters=parameters),
            ),
            Granted(
                role="rotator",
                when="Mode=Enforce, with SecretsKmsKeyArn",
                grants=permissions.rotator_encrypting(stack=self, parameters=parameters),
            ),
        )
        for name, (condition, expression), each in zip(
            ("Enforcement", "Encryption"), conditions.items(), granted, strict=True
        ):
            policy = iam.Policy(
                self, name, roles=[role], statements=[grant.statement() for grant in each.grants]
            )
            permissions.acknowledge_wildcards(policy, each.grants)
            resource = policy.node.default_child
            if not isinstance(resource, iam.CfnPolicy):
                raise TypeError("the CDK no longer makes an AWS::IAM::Policy of an iam.Policy")
            resource.cfn_options.condition = cdk.CfnCondition(self, condition, expression=expression)
        return granted
