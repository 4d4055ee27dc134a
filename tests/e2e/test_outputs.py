"""Every output of the stack that is a command, run by bash as it stands there."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from keyrotation import VERSION

from sandbox.cast import Person
from sandbox.day import run_day, wait_until_completed
from sandbox.launch import CHECKOUT
from tests.e2e.conftest import ADDRESS, Deployed
from tests.e2e.people import DUE, inhabited, memory_of, secret_of
from tests.e2e.runbook import Shell

COMMANDS = {"RunNow", "Preview", "Stop", "StartAgain", "ReadMemory", "ReadLastReport"}


@pytest.fixture
def shell(stack: Deployed, tmp_path: Path) -> Shell:
    return Shell(stack.account, binaries=tmp_path)


def schedule(stack: Deployed) -> dict[str, Any]:
    """Everything that is to be known of it, but when it was changed."""
    found = dict(stack.account.client("scheduler").get_schedule(Name=stack.outputs["ScheduleName"]))
    return {
        name: value
        for name, value in found.items()
        if name not in {"LastModificationDate", "ResponseMetadata"}
    }


def test_the_commands_are_those_that_are_run_here(stack: Deployed) -> None:
    (described,) = stack.account.client("cloudformation").describe_stacks(StackName="AccessKeyRotation")[
        "Stacks"
    ]
    ready = {
        each["OutputKey"]
        for each in described["Outputs"]
        if each.get("Description") == "A command, ready to run"
    }
    assert ready == COMMANDS


def test_two_runs_started_one_right_after_the_other_are_two_runs(stack: Deployed, shell: Shell) -> None:
    """The queue drops an order whose id it has seen in the last five minutes, and says nothing."""
    printed = shell.run(stack.outputs["RunNow"], stack.outputs["RunNow"])
    run_ids = re.findall(r'"run_id": "(by-hand-[^"]+)"', printed)
    assert len(set(run_ids)) == 2
    for run_id in run_ids:
        wait_until_completed(stack.account, stack.outputs, run_id=run_id, within_seconds=120)


def test_the_schedule_is_turned_off_and_on_again_and_is_otherwise_what_it_was(
    stack: Deployed, shell: Shell
) -> None:
    before = schedule(stack)
    assert before["State"] == "ENABLED"
    try:
        shell.run(stack.outputs["Stop"])
        assert schedule(stack) == {**before, "State": "DISABLED"}
    finally:
        shell.run(stack.outputs["StartAgain"])
    assert schedule(stack) == before


def test_the_last_report_is_read_with_what_was_decided_for_whom(stack: Deployed, shell: Shell) -> None:
    with inhabited(stack, Person(name="reported", story="due", keys=DUE)):
        run_id = run_day(stack.account, stack.outputs)
        lines = shell.run(stack.outputs["ReadLastReport"]).splitlines()

    # A line of the log each, of which Lambda's own are no JSON here.
    said = [json.loads(line) for line in lines if line.startswith("{")]
    of_the_run = [each for each in said if each.get("run_id") == run_id]
    of_the_user = [each for each in of_the_run if each.get("user") == "reported"]
    # `told`: the notice that its mail gave was written after that.
    assert [each["message"] for each in of_the_user] == ["applied", "planned", "told"]
    assert [each["rule"] for each in of_the_user if each["message"] == "planned"] == ["replacement_due"]
    assert of_the_run[-1]["message"] == "run completed"


def test_what_is_remembered_of_a_user_is_read_by_the_users_name(stack: Deployed, shell: Shell) -> None:
    """After a replacement: since when there is a new key, where it is, and on which day the old one goes off."""
    account = stack.account
    with inhabited(stack, Person(name="remembered", story="due", keys=DUE)) as keys:
        run_day(account, stack.outputs)
        printed = shell.run(f"{{ {stack.outputs['ReadMemory']}; }} <<< remembered")
        known = memory_of(account, "remembered")
        secret = account.client("secretsmanager").describe_secret(SecretId=secret_of("remembered"))

    item = json.loads(printed)
    assert item["user_id"] == {"S": known.user_id}
    assert item["name"] == {"S": "remembered"}
    assert item["secret_arn"] == {"S": secret["ARN"]}
    (old,) = keys["remembered"]
    notice = known.key(old.key_id).notice
    assert notice is not None
    assert item["keys"]["M"][old.key_id]["M"]["notice"]["M"]["day"] == {"S": str(notice.day)}
    (new,) = item["keys"]["M"].keys() - {old.key_id}
    assert f"{new}-access-key-rotation" in secret["VersionIdsToStages"]


def test_the_version_is_that_of_the_code_and_the_mail_names_it(stack: Deployed) -> None:
    inbox = stack.account.inbox(ADDRESS)
    with inhabited(stack, Person(name="versioned", story="due", keys=DUE)):
        mail = inbox.next(run_id=run_day(stack.account, stack.outputs))
    assert stack.outputs["Version"] == VERSION
    assert f"access-key-rotation {VERSION}" in " ".join(mail.body.split())


def test_the_preview_shows_what_the_deployed_policy_would_do(stack: Deployed, shell: Shell) -> None:
    """Without make itself, which might make the folder anew in which these tests run."""
    said = subprocess.run(
        ["bash", "-c", stack.outputs["Preview"].replace("make ", "make --no-print-directory --dry-run ", 1)],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    command = said.splitlines()[-1].replace(".deploy/bin/python", sys.executable)
    with inhabited(stack, Person(name="foreseen", story="due", keys=DUE)):
        (row,) = [line for line in shell.run(command).splitlines() if "  foreseen  " in line]
    assert "replace, old key off" in row
