"""One look: are we compliant, did it run, what is stuck."""

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.alarms import Alarms
from infra.function import METRICS_NAMESPACE

_WIDTH = 24


class Dashboard(Construct):
    """Three rows, a question each, and the alarms below them."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        max_key_age_days: str,
        orders: sqs.IQueue,
        dead_orders: sqs.IQueue,
        dead_firings: sqs.IQueue,
        alarms: Alarms,
    ) -> None:
        super().__init__(scope, construct_id)
        board = cloudwatch.Dashboard(self, "Dashboard", default_interval=cdk.Duration.days(14))
        board.add_widgets(
            self._says(f"# Are we compliant?\nNo active key reaches MaxKeyAgeDays = {max_key_age_days}."),
            self._numbers("Oldest active key, days", [_said("scanner", "OldestActiveKeyDays")]),
            self._numbers(
                "Keys over the threshold, before the run, and those that nothing explains after it",
                [_said("scanner", "KeysOverThreshold"), _said("rotator", "KeysUnexplained")],
            ),
        )
        completed = orders.metric_number_of_messages_deleted(
            period=cdk.Duration.days(1), statistic="Sum", label="runs completed a day"
        )
        names = ("UsersExamined", "Replaced", "Deactivated", "Deleted", "RunSeconds")
        board.add_widgets(
            self._says("# Did it run?\nOne order a day is finished; what it did stands beside it."),
            self._numbers("Runs", [completed]),
            self._graph("What runs did", [_said("rotator", name) for name in names]),
        )
        stuck = ("Held", "Failed", "Waiting", "Unreadable")
        visible = {"period": cdk.Duration.days(1), "statistic": "Maximum"}
        board.add_widgets(
            self._says("# What is stuck?\nUsers and keys that need someone; the mail names each."),
            self._graph("Users and keys", [_said("rotator", name) for name in stuck]),
            self._numbers(
                "Dead letters",
                [
                    dead_orders.metric_approximate_number_of_messages_visible(label="orders", **visible),  # type: ignore[arg-type]  # one dict of both kinds
                    dead_firings.metric_approximate_number_of_messages_visible(label="firings", **visible),  # type: ignore[arg-type]
                ],
            ),
        )
        board.add_widgets(cloudwatch.AlarmStatusWidget(title="Alarms", width=_WIDTH, alarms=alarms.all))

    @staticmethod
    def _says(markdown: str) -> cloudwatch.IWidget:
        return cloudwatch.TextWidget(markdown=markdown, width=_WIDTH // 4, height=6)

    @staticmethod
    def _numbers(title: str, metrics: list[cloudwatch.IMetric]) -> cloudwatch.IWidget:
        return cloudwatch.SingleValueWidget(title=title, metrics=metrics, width=_WIDTH * 3 // 8, height=6)

    @staticmethod
    def _graph(title: str, metrics: list[cloudwatch.IMetric]) -> cloudwatch.IWidget:
        return cloudwatch.GraphWidget(title=title, left=metrics, width=_WIDTH * 3 // 8, height=6)


def _said(service: str, name: str) -> cloudwatch.IMetric:
    """What a function's runs say; the worst of a day."""
    return cloudwatch.Metric(
        namespace=METRICS_NAMESPACE,
        metric_name=name,
        dimensions_map={"service": service},
        period=cdk.Duration.days(1),
        statistic="Maximum",
    )
