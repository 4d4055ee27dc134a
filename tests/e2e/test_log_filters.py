"""What on-call looks for in a log, as docs/runbook.md has it, in one that holds an error in each of its forms."""

import json
import re
import time
from collections.abc import Iterator
from uuid import uuid4

import pytest

from sandbox.account import EmulatedAccount
from tests.e2e.runbook import RUNBOOK

# Of Lambda's Python runtime before and from awslambdaric 4.1.0 on, of Lambda itself, and of the functions.
ERRORS = {
    "the function's own": {"level": "ERROR", "message": "failed", "service": "rotator"},
    "an older runtime's": {"log_level": "ERROR", "errorMessage": "said no", "stackTrace": []},
    "a newer runtime's": {"level": "ERROR", "message": "said no", "stackTrace": []},
    "the end of a time limit": {"type": "platform.report", "record": {"status": "timeout"}},
    "the end of a crash": {"type": "platform.report", "record": {"status": "error"}},
}
NO_ERRORS = {
    "a decision": {"level": "INFO", "message": "planned"},
    "what was done": {"level": "INFO", "message": "applied"},
    "the end of a run": {"level": "INFO", "message": "run completed"},
    "a warning": {"level": "WARNING", "message": "event not sent"},
    "the end of an invocation": {"type": "platform.report", "record": {"status": "success"}},
    "a metric": {"_aws": {}, "service": ["rotator"]},
}


@pytest.fixture
def group(empty_account: EmulatedAccount) -> Iterator[str]:
    name, logs = f"log-{uuid4().hex[:8]}", empty_account.client("logs")
    logs.create_log_group(logGroupName=name)
    logs.create_log_stream(logGroupName=name, logStreamName="one")
    lines = [*map(json.dumps, (ERRORS | NO_ERRORS).values()), "START RequestId: no JSON at all"]
    at = int(time.time() * 1000)
    logs.put_log_events(
        logGroupName=name,
        logStreamName="one",
        logEvents=[{"timestamp": at, "message": line} for line in lines],
    )
    yield name
    logs.delete_log_group(logGroupName=name)


def patterns() -> set[str]:
    """Each of the runbook's, its variable filled in."""
    text = RUNBOOK.read_text()
    (errors,) = re.findall(r"^    ERRORS='(.*)'$", text, re.MULTILINE)
    return {
        errors if each == '"$ERRORS"' else each[1:-1]
        for each in re.findall(r"""--filter-pattern ('[^']*'|"\$ERRORS")""", text)
    }


def found(account: EmulatedAccount, group: str, pattern: str) -> list[str]:
    """Which of the lines, by what they are."""
    lines = account.client("logs").filter_log_events(logGroupName=group, filterPattern=pattern)["events"]
    return [
        name
        for name, line in (ERRORS | NO_ERRORS).items()
        if json.dumps(line) in {each["message"] for each in lines}
    ]


def test_every_filter_of_the_runbook_finds_what_it_says_and_nothing_else(
    empty_account: EmulatedAccount, group: str
) -> None:
    finds = {pattern: found(empty_account, group, pattern) for pattern in patterns()}
    (errors,) = (pattern for pattern in finds if "ERROR" in pattern)
    assert finds == {
        errors: list(ERRORS),
        '{ $.message = "applied" }': ["what was done"],
        '"run completed"': ["the end of a run"],
    }
