"""The alarms: what makes the silence of a quiet day trustworthy. Each says what it means, what to do first, and where the rest is."""

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.function import METRICS_NAMESPACE

NAMES = (
    "ScannerErrors",
    "RotatorErrors",
    "OrderFailed",
    "RunNotStarted",
    "OrderWaiting",
    "KeyChangeFailed",
    "OldKeyUnexplained",
    "NoSubscription",
    "NoCompletedRun",
)


def alarm_name(name: str) -> str:
    """In CloudWatch, where the alarms of all stacks stand side by side."""
    return f"{cdk.Aws.STACK_NAME}-{name}"


def alarm_arns(stack: cdk.Stack, names: Sequence[str]) -> list[str]:
    """Made of their names: the topic lets these publish, and they are made after it."""
    return [
        stack.format_arn(
            service="cloudwatch",
            resource="alarm",
            resource_name=alarm_name(name),
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        for name in names
    ]


class Alarms(Construct):
    """Errors of each function, dead letters, an order that waits, nobody to tell, and silence: all to the topic.

    `second_topic_arn`: where else they go; AWS::NoValue when nowhere.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        scanner: lam.IFunction,
        rotator: lam.IFunction,
        orders: sqs.IQueue,
        dead_orders: sqs.IQueue,
        dead_firings: sqs.IQueue,
        topic: sns.ITopic,
        second_topic_arn: str,
        runbook_url: str,
    ) -> None:
        super().__init__(scope, construct_id)
        # In case the first is what broke.
        second = sns.Topic.from_topic_arn(self, "SecondTopic", second_topic_arn)
        self._actions = [actions.SnsAction(topic), actions.SnsAction(second)]
        self._runbook_url = runbook_url
        self.all: list[cloudwatch.IAlarm] = []
        five_minutes = cdk.Duration.minutes(5)

        self._at_least(
            "ScannerErrors",
            scanner.metric_errors(period=five_minutes, statistic="Sum"),
            "The scanner failed, so today's run may not have started. Lambda tries it twice more by itself. "
            "First: read the error in the scanner's log, then fix the cause; the next daily run makes up for a missed one.",
        )
        self._at_least(
            "RotatorErrors",
            rotator.metric_errors(period=five_minutes, statistic="Sum"),
            "The rotator failed on an order; users may be unfinished. SQS hands the order out three times in all, "
            "90 minutes apart. First: read the error in the rotator's log.",
        )
        self._at_least(
            "OrderFailed",
            dead_orders.metric_approximate_number_of_messages_visible(
                period=five_minutes, statistic="Maximum"
            ),
            "An order failed three times and is in the dead-letter queue: its run was not completed. First: read the error in "
            "the rotator's log, fix the cause, then start a run by hand (the stack's output RunNow) and purge the orders' dead-letter queue.",
        )
        self._at_least(
            "RunNotStarted",
            dead_firings.metric_approximate_number_of_messages_visible(
                period=five_minutes, statistic="Maximum"
            ),
            "The schedule fired, but no run started: the scanner could not "
            "be invoked, or failed three times. First: read the message in the schedule's dead-letter "
            "queue (ERROR_MESSAGE in its attributes, or responsePayload in its body) and fix the cause; then start "
            "a run by hand and purge that queue.",
        )
        self._at_least(
            "OrderWaiting",
            orders.metric_approximate_age_of_oldest_message(period=five_minutes, statistic="Maximum"),
            "An order has waited for two hours: the rotator does not take orders, or failed repeatedly. "
            "First: see that the rotator's event source mapping is enabled, then read the rotator's log.",
            threshold=2 * 60 * 60,
        )

        # Both are said once a run, and last until the run after it says otherwise: as NoSubscription's, and for the reasons
        # that stand there. What the first run of a deployment finds over the threshold it also acts upon or tells.
        self._said_by_the_rotator(
            "KeyChangeFailed",
            "Failed",
            "At least one user's keys could not be changed in the last run: a replacement, switching off or deletion "
            "failed. The next run tries again. First: read the mail of that run, which names the user and the cause.",
        )
        self._said_by_the_rotator(
            "OldKeyUnexplained",
            "KeysUnexplained",
            "An active key is over MaxKeyAgeDays, and nothing explains it: no exemption, no extension, no replacement in "
            "progress, and no mail asked for anything. This should never happen. First: find the key with the command in the output Preview.",
        )

        # An alarm to a topic that nobody listens to reaches nobody: this one is there for its state, which dashboards
        # and the views over all alarms of an account (or of an organization) show, and for whoever subscribes later.
        # Missing data leaves that state as it is. The rotator says it once a run, and a "not breaching" would end the
        # alarm five minutes later; here it lasts until a run has found somebody. A fresh deployment has no data, so
        # its state is "insufficient data", and nobody is paged.
        self._alarm(
            "NoSubscription",
            cloudwatch.Metric(
                namespace=METRICS_NAMESPACE,
                metric_name="ConfirmedSubscribers",
                dimensions_map={"service": "rotator"},
                period=five_minutes,
                statistic="Minimum",
            ),
            "No subscription to the topic is both confirmed and without a filter policy. Runs go on, but no key is deactivated "
            "or deleted while nobody would get the mail. First: confirm the subscription that SNS mailed to AlertEmail (the "
            "link works for two days; the steps say how to get another), or subscribe somebody. The next run then goes on.",
            comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            threshold=1,
            periods=1,
            missing=cloudwatch.TreatMissingData.IGNORE,
        )

        # The rotator counts a run when it completed one on an order that could be the scanner's; an order that somebody
        # takes, or that knows of nobody, counts for nothing. FILL makes a zero of every hour without one: CloudWatch has no
        # data for those. It would make zeros of the hours before the deployment too, and page; so a sum with the queue's
        # own metric, which begins with the deployment and goes on as long as the mapping polls. 26 zeros in a row are 26
        # hours without a completed run, also when the very first run never comes. When the mapping is disabled the zeros
        # stop after a while; then orders wait, and OrderWaiting says so.
        an_hour = cdk.Duration.hours(1)
        self._alarm(
            "NoCompletedRun",
            cloudwatch.MathExpression(
                expression="FILL(completed, 0) + 0 * polled",
                using_metrics={
                    "completed": cloudwatch.Metric(
                        namespace=METRICS_NAMESPACE,
                        metric_name="RunsCompleted",
                        dimensions_map={"service": "rotator"},
                        period=an_hour,
                        statistic="Sum",
                    ),
                    "polled": orders.metric_approximate_number_of_messages_visible(
                        period=an_hour, statistic="Maximum"
                    ),
                },
                period=an_hour,
                label="runs completed",
            ),
            "No run was completed for 26 hours: nothing watches the keys. First: check that the schedule is on "
            "(the stack's output StartAgain turns it on). Then look for its last run in the scanner's log, and for the order in the rotator's log.",
            comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            threshold=1,
            periods=26,
        )

    def _said_by_the_rotator(self, name: str, metric_name: str, description: str) -> None:
        self._alarm(
            name,
            cloudwatch.Metric(
                namespace=METRICS_NAMESPACE,
                metric_name=metric_name,
                dimensions_map={"service": "rotator"},
                period=cdk.Duration.minutes(5),
                statistic="Maximum",
            ),
            description,
            comparison=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            threshold=1,
            periods=1,
            missing=cloudwatch.TreatMissingData.IGNORE,
        )

    def _at_least(
        self, name: str, metric: cloudwatch.Metric, description: str, *, threshold: float = 1
    ) -> None:
        self._alarm(
            name,
            metric,
            description,
            comparison=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            threshold=threshold,
            periods=1,
        )

    def _alarm(
        self,
        name: str,
        metric: cloudwatch.IMetric,
        description: str,
        *,
        comparison: cloudwatch.ComparisonOperator,
        threshold: float,
        periods: int,
        missing: cloudwatch.TreatMissingData = cloudwatch.TreatMissingData.NOT_BREACHING,
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            alarm_name=alarm_name(name),
            metric=metric,
            alarm_description=f"{description} The steps: {self._runbook_url}, {name}.",
            comparison_operator=comparison,
            threshold=threshold,
            evaluation_periods=periods,
            datapoints_to_alarm=periods,
            treat_missing_data=missing,
        )
        cdk.Validations.of(alarm).acknowledge(
            cdk.Acknowledgment(
                id="CloudFormation-Validate::F3033",
                reason="It puts the default of AlarmTopicArn, nothing, where the condition HasAlarmTopic lets none but a topic be.",
            )
        )
        self.all.append(alarm)
        alarm.add_alarm_action(*self._actions)
