"""The alarms: what makes the silence of a quiet day trustworthy. Each says what it means and what to do first."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lam
from aws_cdk import aws_sns as sns
from aws_cdk import aws_sqs as sqs
from constructs import Construct


class Alarms(Construct):
    """Errors of each function, dead letters, an order that waits, and silence: all to the topic."""

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
    ) -> None:
        super().__init__(scope, construct_id)
        self._topic = topic
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
            "DeadOrders",
            dead_orders.metric_approximate_number_of_messages_visible(
                period=five_minutes, statistic="Maximum"
            ),
            "An order failed three times and was put aside: its run was not completed. First: read the error in "
            "the rotator's log, fix the cause, then start a run by hand and purge the orders' dead-letter queue (a redrive is "
            "denied: nobody but the scanner sends orders).",
        )
        self._at_least(
            "DeadFirings",
            dead_firings.metric_approximate_number_of_messages_visible(
                period=five_minutes, statistic="Maximum"
            ),
            "The schedule could not invoke the scanner for two hours: that day's run never started. First: read "
            "ERROR_MESSAGE in the attributes of the message in the schedule's dead-letter queue and fix the cause, "
            "then purge that queue; the next daily run makes up for the missed one.",
        )
        self._at_least(
            "OldestOrder",
            orders.metric_approximate_age_of_oldest_message(period=five_minutes, statistic="Maximum"),
            "An order has waited for two hours: the rotator is not taking orders, or failed and failed again. "
            "First: see that the rotator's event source mapping is enabled, then read the rotator's log.",
            threshold=2 * 60 * 60,
        )

        # Completed runs, counted by SQS: an order is deleted only when the rotator finished it without an error.
        # The mapping polls the queue all the time, so SQS reports zeros from the deployment on: 26 of them in a
        # row are 26 hours without a completed run, also when the very first run never comes. A metric of our own
        # would not exist before the first run; its missing data would have to breach, and that pages at deployment.
        # Here missing data must not breach, since a fresh queue has no past. When the mapping is disabled the
        # zeros stop after a while; then orders wait, and OldestOrder says so.
        self._alarm(
            "Silence",
            orders.metric_number_of_messages_deleted(period=cdk.Duration.hours(1), statistic="Sum"),
            "No run was completed for 26 hours: nothing watches the keys. First: see that the schedule is enabled, "
            "then look for its last firing in the scanner's log and for the order in the rotator's.",
            comparison=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            threshold=1,
            periods=26,
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
    ) -> None:
        alarm = cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            alarm_description=description,
            comparison_operator=comparison,
            threshold=threshold,
            evaluation_periods=periods,
            datapoints_to_alarm=periods,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        alarm.add_alarm_action(actions.SnsAction(self._topic))
