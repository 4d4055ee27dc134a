"""EventBridge Scheduler: a schedule says who fired when."""

import secrets
from datetime import UTC, datetime
from typing import Any

from ministack.services import eventbridge, scheduler

from sandbox.patches.answers import SECONDS, Parameters


def substitute_schedule_context() -> None:
    """The emulator passes a schedule's Input on as it is; AWS fills its context attributes in."""
    # A test that waits for a firing waits for the sweep too; ministack's own comes every ten seconds.
    scheduler._SCHEDULE_TICK_INTERVAL = 1
    invoke = eventbridge._invoke_target

    def invoke_target(target: Parameters, event: Parameters, rule: Parameters, view: Any = None) -> None:
        if event.get("Source") == "aws.scheduler" and target.get("Input"):
            # cron() has whole minutes, and the sweep comes seconds after; at() says when.
            fired = datetime.fromtimestamp(event["Time"], UTC).replace(second=0, microsecond=0)
            at = scheduler._at_time_epoch(rule["ScheduleExpression"])
            attributes = {
                "schedule-arn": rule["Arn"],
                "scheduled-time": (datetime.fromtimestamp(at, UTC) if at else fired).strftime(SECONDS),
                "execution-id": secrets.token_hex(8),
                "attempt-number": "1",
            }
            text = target["Input"]
            for name, value in attributes.items():
                text = text.replace(f"<aws.scheduler.{name}>", value)
            target = {**target, "Input": text}
        invoke(target, event, rule, view)

    eventbridge._invoke_target = invoke_target
