"""One daily run of the deployed stack, started with the schedule's own payload."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import uuid4

from sandbox.account import EmulatedAccount


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
