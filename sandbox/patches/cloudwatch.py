"""CloudWatch: a template's alarm may be an expression over several metrics, and a topic says whose alarms it takes."""

from typing import Any

from ministack.core import iam_evaluator
from ministack.services import cloudwatch, sns
from ministack.services.cloudformation import provisioners

from sandbox.patches.answers import Parameters


def deploy_expressions() -> None:
    """The emulator refuses an alarm with metric math; here it is deployed as an alarm on the first metric of its own.

    Nothing here judges the expression: the tests of the template do.
    """
    record = provisioners._cw_metric_alarm_record

    def metric_alarm_record(name: str, properties: Parameters) -> dict[str, Any]:
        kept = dict(properties)
        if stats := [each["MetricStat"] for each in kept.pop("Metrics", []) if "MetricStat" in each]:
            kept |= {**stats[0]["Metric"], "Period": stats[0]["Period"], "Statistic": stats[0]["Stat"]}
        alarm: dict[str, Any] = record(name, kept)
        return alarm

    provisioners._cw_metric_alarm_record = metric_alarm_record


def ask_the_topic() -> None:
    """The emulator has an alarm speak through any topic; in AWS the topic's policy is asked, with the alarm as the source."""
    dispatch = cloudwatch._dispatch_alarm_actions

    def dispatch_alarm_actions(alarm: Parameters, *states_and_reason: str) -> None:
        heard = {
            kind: [action for action in alarm.get(kind) or [] if _lets_in(action, alarm["AlarmArn"])]
            for kind in ("AlarmActions", "OKActions", "InsufficientDataActions")
        }
        dispatch(alarm | heard, *states_and_reason)

    cloudwatch._dispatch_alarm_actions = dispatch_alarm_actions


def _lets_in(topic_arn: str, alarm_arn: str) -> bool:
    topic = sns._topic_by_arn_any_scope(topic_arn)
    if topic is None:
        return False
    *_, region, account, _name = topic_arn.split(":")
    asked = iam_evaluator.EvalContext(
        # A service is no principal of IAM.
        principal_arn="",
        principal_type="Service",
        principal_account=account,
        action="sns:Publish",
        resource_arn=topic_arn,
        region=region,
        secure_transport=True,
        service_context={
            "aws:sourcearn": alarm_arn,
            "aws:sourceaccount": alarm_arn.split(":")[4],
            "aws:principalisawsservice": "true",
        },
    )
    judged = iam_evaluator.evaluate_resource_policy(
        topic["attributes"]["Policy"], asked, service="cloudwatch.amazonaws.com"
    )
    return bool(judged.decision == "Allow")
