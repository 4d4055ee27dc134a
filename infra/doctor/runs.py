"""The last run that was completed, and its counts, from the rotator's log."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from infra.doctor.examine import Look
from infra.doctor.findings import Finding, fail, note, ok
from infra.doctor.stack import Stack

_LOOKS_BACK = timedelta(days=3)
# As the alarm NoCompletedRun: a day, and two hours for a late one.
_LATE = timedelta(hours=26)
# A completed run says so, and right after it writes its measures in one line.
_COMPLETED, _MEASURED = '"run completed"', '"RunsCompleted"'
_COUNTS = {
    "UsersExamined": "users",
    "Replaced": "replaced",
    "Deactivated": "switched off",
    "Deleted": "deleted",
    "Held": "kept on though due",
    "Failed": "failed",
    "Waiting": "waiting",
    "Unreadable": "unreadable",
    "KeysUnexplained": "keys unexplained",
}


def looks(stack: Stack, *, now: datetime) -> Iterator[Look]:
    yield "last run", lambda: _last_run(stack, now)


def _last_run(stack: Stack, now: datetime) -> Iterator[Finding]:
    completed = [
        (at, said)
        for at, said in _lines(stack, _COMPLETED, since=now - _LOOKS_BACK)
        if said.get("message") == "run completed"
    ]
    run_now = stack.outputs["RunNow"]
    if not completed:
        if now - stack.described["CreationTime"] < _LATE:
            yield note("last run", "none yet: the stack was deployed less than 26 hours ago", run_now)
        else:
            yield fail("last run", f"none was completed in the last {_LOOKS_BACK.days} days", run_now)
        return
    at, said = max(completed, key=lambda each: each[0])
    told = f"{said.get('run_id')}, completed {at:%Y-%m-%d %H:%M} UTC: {_counts(stack, since=at)}"
    if now - at > _LATE:
        hours = int((now - at).total_seconds()) // 3600
        yield fail("last run", f"{hours} hours ago ({told})", run_now)
    else:
        yield ok("last run", told)


def _lines(stack: Stack, pattern: str, *, since: datetime) -> Iterator[tuple[datetime, Mapping[str, Any]]]:
    configuration = stack.client("lambda").get_function_configuration(
        FunctionName=stack.outputs["RotatorName"]
    )
    pages = (
        stack.client("logs")
        .get_paginator("filter_log_events")
        .paginate(
            logGroupName=configuration["LoggingConfig"]["LogGroup"],
            startTime=int(since.timestamp() * 1000),
            filterPattern=pattern,
        )
    )
    for page in pages:
        for event in page.get("events", []):
            try:
                said = json.loads(event["message"])
            except ValueError:
                continue  # a line of Lambda's own
            if isinstance(said, dict):
                yield datetime.fromtimestamp(event["timestamp"] / 1000, UTC), said


def _counts(stack: Stack, *, since: datetime) -> str:
    """Those of the run that was completed then: the first that were written from that moment on."""
    measured = [(at, said) for at, said in _lines(stack, _MEASURED, since=since) if "RunsCompleted" in said]
    if not measured:
        return "its counts are not in the log"
    _, said = min(measured, key=lambda each: each[0])
    return ", ".join(f"{_number(said[name])} {words}" for name, words in _COUNTS.items() if name in said)


def _number(value: Any) -> int:
    """A metric's values are a list."""
    return int(value[0] if isinstance(value, list) else value)
