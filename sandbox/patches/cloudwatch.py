"""CloudWatch: a template's alarm may be an expression over several metrics."""

from typing import Any

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
