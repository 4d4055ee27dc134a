"""One daily run of the deployed stack, started with the schedule's own payload; and the days between two runs."""

import json
import time
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

from sandbox.account import EmulatedAccount
from sandbox.cast import table_of


def run_day(account: EmulatedAccount, outputs: Mapping[str, str], *, within_seconds: float = 120) -> str:
    """Scanner, queue, rotator; the run id. Raises TimeoutError when the rotator does not say that it finished."""
    run_id = f"day-{uuid4()}"
    account.invoke(outputs["ScannerName"], payload(account, outputs["ScheduleName"], run_id=run_id))
    wait_until_completed(account, outputs, run_id=run_id, within_seconds=within_seconds)
    return run_id


def payload(account: EmulatedAccount, schedule_name: str, *, run_id: str) -> object:
    """What EventBridge Scheduler would send now: the schedule's input, its context attributes filled in."""
    template = account.client("scheduler").get_schedule(Name=schedule_name)["Target"]["Input"]
    filled = template.replace("<aws.scheduler.execution-id>", run_id)
    return json.loads(
        filled.replace("<aws.scheduler.scheduled-time>", f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    )


def wait_until_idle(
    account: EmulatedAccount, outputs: Mapping[str, str], *, within_seconds: float = 120
) -> None:
    """Until no order waits or is at work."""
    deadline = time.monotonic() + within_seconds
    while True:
        queue = account.client("sqs").get_queue_attributes(
            QueueUrl=outputs["OrdersQueueUrl"], AttributeNames=["All"]
        )["Attributes"]
        counts = queue["ApproximateNumberOfMessages"], queue["ApproximateNumberOfMessagesNotVisible"]
        if counts == ("0", "0"):
            return
        if time.monotonic() > deadline:
            raise TimeoutError(f"an order is still there after {within_seconds:.0f} s")
        time.sleep(0.2)


def wait_until_completed(
    account: EmulatedAccount, outputs: Mapping[str, str], *, run_id: str, within_seconds: float
) -> None:
    deadline = time.monotonic() + within_seconds
    while True:
        lines = account.logs(outputs["RotatorName"])
        if any('"run completed"' in line and run_id in line for line in lines):
            return
        if time.monotonic() > deadline:
            told = "\n".join(lines[-20:])
            raise TimeoutError(
                f"the rotator did not complete {run_id} within {within_seconds:.0f} s:\n{told}"
            )
        time.sleep(0.5)


def days_pass(account: EmulatedAccount, days: int = 1) -> None:
    """For users, keys, last uses and messages, and for what is remembered of them."""
    by, table = timedelta(days=days), table_of(account)
    account.let_pass(by)
    for memory in table.read_all().memories.values():
        table.save(older(memory, by), run_id="days pass")


def older(remembered: Any, by: timedelta) -> Any:
    """Every day and time in it."""
    if isinstance(remembered, date):
        return remembered - by
    if isinstance(remembered, Mapping):
        return {key: older(value, by) for key, value in remembered.items()}
    if is_dataclass(remembered) and not isinstance(remembered, type):
        aged = {each.name: older(getattr(remembered, each.name), by) for each in fields(remembered)}
        return replace(remembered, **aged)
    return remembered
