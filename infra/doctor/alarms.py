"""The alarms: whether each is there, as the template has it, heard by somebody, and quiet."""

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from infra.doctor.compared import is_so
from infra.doctor.examine import Look
from infra.doctor.findings import Finding, fail, note, ok
from infra.doctor.mend import aws
from infra.doctor.stack import Stack

_COMPARED = (
    "AlarmActions",
    "ComparisonOperator",
    "DatapointsToAlarm",
    "Dimensions",
    "EvaluationPeriods",
    "MetricName",
    "Namespace",
    "Period",
    "Statistic",
    "Threshold",
    "TreatMissingData",
)


def looks(stack: Stack) -> Iterator[Look]:
    yield "alarms", partial(_alarms, stack)


def _alarms(stack: Stack) -> Iterator[Finding]:
    wanted = {
        stack.deployed.physical_id(logical_id): stack.deployed.properties(logical_id)
        for logical_id in stack.deployed.resources("AWS::CloudWatch::Alarm")
    }
    answer = stack.client("cloudwatch").describe_alarms(AlarmNames=list(wanted))
    found = {each["AlarmName"]: each for each in answer.get("MetricAlarms", [])}
    wrong = [each for name in wanted for each in _alarm(stack, name, wanted[name], found.get(name))]
    yield from wrong
    if not wrong:
        yield ok("alarms", f"{len(wanted)}, each the template's, none in ALARM, their actions are on")
    silent = sorted(name for name, each in found.items() if each.get("StateValue") == "INSUFFICIENT_DATA")
    if silent:
        which = "all of them" if len(silent) == len(found) else ", ".join(silent)
        yield note("alarms", f"{len(silent)} have no data yet, which is usual on the first day: {which}")


def _alarm(
    stack: Stack, name: str, wanted: Mapping[str, Any], found: Mapping[str, Any] | None
) -> Iterator[Finding]:
    put_back = aws("cloudwatch put-metric-alarm", region=stack.region, cli_input_json=dict(wanted))
    if found is None:
        yield fail("alarms", f"{name} is gone", put_back)
        return
    changed = [each for each in _COMPARED if each in wanted and not is_so(wanted[each], found.get(each))]
    # An alarm on an expression has no other word for what it looks at.
    if "Metrics" in found and not is_so(wanted.get("Metrics"), found["Metrics"]):
        changed.append("Metrics")
    if changed:
        yield fail("alarms", f"{name} is not the template's: {', '.join(changed)}", put_back)
    if not found.get("ActionsEnabled", True):
        yield fail(
            "alarms",
            f"the actions of {name} are off: nobody hears of it",
            aws("cloudwatch enable-alarm-actions", region=stack.region, alarm_names=name),
        )
    if found.get("StateValue") == "ALARM":
        section = name.rpartition("-")[2]
        yield fail("alarms", f"{name} is in ALARM", f"# docs/runbook.md, {section}")
