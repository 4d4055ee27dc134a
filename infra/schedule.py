"""The schedule: once a day at RunAt in TimeZone, the scanner is invoked with the run's id and time."""

import json

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lam
from aws_cdk import aws_scheduler as scheduler
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra import permissions
from infra.orders import only_operators_take

# Filled in by EventBridge Scheduler at each attempt: a late retry is a run of its own, which finds nothing left to do.
INPUT = {"run_id": "<aws.scheduler.execution-id>", "scheduled_time": "<aws.scheduler.scheduled-time>"}

# A late run does no harm, but one that is hours late is better seen as a dead letter.
GIVES_UP_AFTER_SECONDS = 2 * 60 * 60


class Schedule(Construct):
    """The daily schedule, the role it invokes with, and the dead-letter queue of firings that never became an order."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        function: lam.IFunction,
        run_at: cdk.CfnParameter,
        time_zone: cdk.CfnParameter,
        operators: list[str],
    ) -> None:
        super().__init__(scope, construct_id)
        # Apart from the orders' dead letters: Scheduler and Lambda's destinations write to standard queues only.
        self.dead_letters = sqs.Queue(
            self,
            "DeadLetters",
            encryption=sqs.QueueEncryption.SQS_MANAGED,
            enforce_ssl=True,
            retention_period=cdk.Duration.days(14),
            redrive_allow_policy=sqs.RedriveAllowPolicy(redrive_permission=sqs.RedrivePermission.DENY_ALL),
        )
        only_operators_take(self.dead_letters, operators)
        cdk.Validations.of(self.dead_letters).acknowledge(
            cdk.Acknowledgment(
                id="AwsSolutions-SQS3",
                reason="It is a dead-letter queue itself: of the schedule below, where cdk-nag does not look for one. An "
                "alarm tells of each message in it.",
            )
        )
        self.grants = permissions.schedule(
            function_arn=function.function_arn, dead_letters_arn=self.dead_letters.queue_arn
        )
        role = iam.Role(
            self,
            "Role",
            description="Starts the daily run: invokes the scanner and nothing else",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com",
                conditions={"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}},
            ),
            # Inline, so that the schedule never exists before its role may invoke the scanner.
            inline_policies={
                "Start": iam.PolicyDocument(statements=[grant.statement() for grant in self.grants])
            },
        )
        hour, minute = (cdk.Fn.select(part, cdk.Fn.split(":", run_at.value_as_string)) for part in (0, 1))
        self.resource = scheduler.CfnSchedule(
            self,
            "Schedule",
            description="Starts the daily access key rotation. The stack's outputs Stop and StartAgain turn it off and on",
            schedule_expression=f"cron({minute} {hour} * * ? *)",
            schedule_expression_timezone=time_zone.value_as_string,
            flexible_time_window=scheduler.CfnSchedule.FlexibleTimeWindowProperty(mode="OFF"),
            target=scheduler.CfnSchedule.TargetProperty(
                arn=function.function_arn,
                role_arn=role.role_arn,
                input=json.dumps(INPUT),
                retry_policy=scheduler.CfnSchedule.RetryPolicyProperty(
                    maximum_event_age_in_seconds=GIVES_UP_AFTER_SECONDS, maximum_retry_attempts=10
                ),
                dead_letter_config=scheduler.CfnSchedule.DeadLetterConfigProperty(
                    arn=self.dead_letters.queue_arn
                ),
            ),
        )
        self.name = self.resource.ref

        # Scheduler is done as soon as Lambda has queued the event, so what fails after that never comes to its
        # dead-letter queue by itself. It goes to the same one: a firing that never became an order, whichever way,
        # is one alarm and one thing to do.
        lam.CfnEventInvokeConfig(
            self,
            "Failures",
            function_name=function.function_name,
            qualifier="$LATEST",
            # Lambda's own numbers are 2 and 6 hours; the age is the schedule's, for the same reason. They count apart:
            # a firing that meets both kinds of trouble is told four hours after its time at the latest.
            maximum_retry_attempts=2,
            maximum_event_age_in_seconds=GIVES_UP_AFTER_SECONDS,
            destination_config=lam.CfnEventInvokeConfig.DestinationConfigProperty(
                on_failure=lam.CfnEventInvokeConfig.OnFailureProperty(destination=self.dead_letters.queue_arn)
            ),
        )
