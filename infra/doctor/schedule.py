"""Whether a run starts every day: the schedule against the template's, and where word of a failed start goes."""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from botocore.exceptions import ClientError
from keyrotation.causes import is_code

from infra.doctor.compared import is_so
from infra.doctor.examine import Look
from infra.doctor.findings import Finding, fail, ok
from infra.doctor.mend import aws
from infra.doctor.stack import Stack

_COMPARED = ("ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "Target")
_DAILY = re.compile(r"cron\((\d+) (\d+) \* \* \? \*\)")


def looks(stack: Stack, *, now: datetime) -> Iterator[Look]:
    for logical_id in stack.deployed.resources("AWS::Scheduler::Schedule"):
        yield "schedule", partial(_schedule, stack, logical_id, now)
    for logical_id in stack.deployed.resources("AWS::Lambda::EventInvokeConfig"):
        yield "failed starts", partial(_failures, stack, logical_id)


def _schedule(stack: Stack, logical_id: str, now: datetime) -> Iterator[Finding]:
    wanted, name = stack.deployed.properties(logical_id), stack.deployed.physical_id(logical_id)
    found = stack.client("scheduler").get_schedule(Name=name)
    changed = [each for each in _COMPARED if not is_so(wanted.get(each), found.get(each))]
    changed += [each for each in ("StartDate", "EndDate", "KmsKeyArn") if found.get(each)]
    if changed:
        yield fail(
            "schedule",
            f"it is not the template's: {', '.join(changed)}",
            aws(
                "scheduler update-schedule",
                region=stack.region,
                cli_input_json={**wanted, "Name": name, "State": "ENABLED"},
            ),
        )
    if found["State"] != "ENABLED":
        yield fail("schedule", f"{found['State']}: no run, no mail, no notice", stack.outputs["StartAgain"])
    elif not changed:
        starts = _next_run(found, now)
        yield ok(
            "schedule",
            f"on; the next run starts at {starts:%Y-%m-%d %H:%M %Z} ({found['ScheduleExpression']})",
        )


def _next_run(schedule: Mapping[str, Any], now: datetime) -> datetime:
    """Computed: EventBridge Scheduler does not say it."""
    daily = _DAILY.fullmatch(schedule["ScheduleExpression"])
    if daily is None:
        raise ValueError(f"{schedule['ScheduleExpression']} is not once a day")
    local = now.astimezone(ZoneInfo(schedule.get("ScheduleExpressionTimezone", "UTC")))
    starts = local.replace(minute=int(daily[1]), hour=int(daily[2]), second=0, microsecond=0)
    return starts if starts > local else starts + timedelta(days=1)


def _failures(stack: Stack, logical_id: str) -> Iterator[Finding]:
    """The destination of the firings on which the scanner failed."""
    wanted = stack.deployed.properties(logical_id)
    config = {name: value for name, value in wanted.items() if name not in ("FunctionName", "Qualifier")}
    put_back = aws(
        "lambda put-function-event-invoke-config",
        region=stack.region,
        cli_input_json={
            **config,
            "FunctionName": wanted["FunctionName"],
            "Qualifier": wanted["Qualifier"],
        },
    )
    try:
        found = stack.client("lambda").get_function_event_invoke_config(
            FunctionName=wanted["FunctionName"], Qualifier=wanted["Qualifier"]
        )
    except ClientError as error:
        if not is_code(error, "ResourceNotFoundException"):
            raise
        yield fail("failed starts", "go nowhere: the scanner's destination for them is gone", put_back)
        return
    if is_so(config, found):
        yield ok("failed starts", "go to the schedule's dead-letter queue, after three tries")
    else:
        yield fail(
            "failed starts", "where they go, or how often they are tried, is not the template's", put_back
        )
