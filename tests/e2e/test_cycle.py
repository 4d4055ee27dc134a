"""The deployed stack, from schedule to mail, with IAM enforced."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from keyrotation.memory import Memory, Pending, Why

from sandbox.account import FunctionFailed
from sandbox.cast import Person, SeededKey, SeededNotice, table_of
from sandbox.clients import Key
from sandbox.controls import Mail
from sandbox.day import run_day, wait_until_completed
from tests.e2e.conftest import ADDRESS, Deployed
from tests.e2e.people import (
    DUE,
    ELDER_IN_USE,
    FRESH,
    OUR_DESCRIPTION,
    QUIET_ELDER,
    inhabited,
    memory_of,
    remember,
    secret_of,
    statuses,
    until,
)
from tests.infra.roles import ROTATOR, SCANNER, allowed
from tests.infra.synthesized import synthesize

PREFIX = "access-key-rotation:"
LONG_OFF = (
    SeededKey(
        age=200,
        used=90,
        active=False,
        inactive_for=40,
        notice=SeededNotice(why=Why.INACTIVE, days=-1),
    ),
    SeededKey(age=50, used=0),
)

# What the roles need though no request of a function shows it: Lambda polls the queue and writes the logs with the
# function's role, and the emulator records neither.
BEHIND_THE_SCENES = {
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:GetQueueAttributes",
    "logs:CreateLogStream",
    "logs:PutLogEvents",
}


def one_day(stack: Deployed) -> Mail:
    """Run, and read the mail of that run."""
    inbox = stack.account.inbox(ADDRESS)
    return inbox.next(run_id=run_day(stack.account, stack.outputs))


def test_a_full_cycle_asks_for_exactly_what_the_roles_allow(stack: Deployed, tmp_path: Path) -> None:
    """Permission contract. Take any action out of a role, or add one, and this names it."""
    account = stack.account
    people = (
        Person(name="p-new", story="due, no secret yet", keys=DUE),
        Person(name="p-restored", story="due, its secret scheduled for deletion", keys=DUE),
        Person(name="p-quiet", story="elder past its off date", keys=QUIET_ELDER),
        Person(name="p-off", story="inactive for long", keys=LONG_OFF),
        Person(name="p-held", story="elder in use past its off date", keys=ELDER_IN_USE),
        Person(name="p-moved", story="elder's user moved to another path", keys=QUIET_ELDER),
        Person(name="p-asked", story="asked for by tag", keys=FRESH, tags={f"{PREFIX}replace": "x"}),
    )
    with inhabited(stack, *people) as keys:
        secrets = account.client("secretsmanager")
        secrets.create_secret(Name=secret_of("p-restored"), SecretString="{}", Description=OUR_DESCRIPTION)
        secrets.delete_secret(SecretId=secret_of("p-restored"))
        remember(account, "p-moved", policy_arn=f"arn:aws:iam::{account.account_id}:user/before/p-moved")
        gone = Memory(user_id="AIDAGONEGONEGONEGONE1", name="p-gone")
        table_of(account).save(gone, run_id="long ago")
        account.forget()
        mail = one_day(stack)

        rotator_role = stack.outputs["RotatorRoleArn"]
        scanner = account.client("lambda").get_function_configuration(
            FunctionName=stack.outputs["ScannerName"]
        )
        template = synthesize(tmp_path)
        for arn, role in ((scanner["Role"], SCANNER), (rotator_role, ROTATOR)):
            calls = account.calls(principal=arn)
            denied = {call.action for call in calls if not call.allowed}
            asked = {call.action for call in calls}
            granted = set(allowed(template, role, mode="Enforce")) - BEHIND_THE_SCENES
            assert (denied, asked - granted, granted - asked) == (set(), set(), set()), role

        assert ": ACT by " in mail.subject
        assert statuses(account, "p-new") == ["Active", "Active"]
        assert statuses(account, "p-restored") == ["Active", "Active"]
        assert statuses(account, "p-quiet") == ["Inactive", "Active"]
        assert statuses(account, "p-off") == ["Active"]
        assert statuses(account, "p-held") == ["Active", "Active"]
        assert statuses(account, "p-moved") == ["Active", "Active"], "told anew, once its owner can read"
        for name in ("p-new", "p-restored", "p-asked"):
            owner = account.client("secretsmanager", key=keys[name][0])
            value = json.loads(owner.get_secret_value(SecretId=secret_of(name))["SecretString"])
            new = Key(key_id=value["AccessKeyId"], secret=value["SecretAccessKey"])
            assert account.client("sts", key=new).get_caller_identity()["Arn"].endswith(f"/{name}")


def test_the_next_run_on_the_same_day_changes_nothing_more(stack: Deployed) -> None:
    with inhabited(stack, Person(name="again", story="due", keys=DUE)):
        one_day(stack)
        after_first = stack.account.client("iam").list_access_keys(UserName="again")["AccessKeyMetadata"]
        stack.account.forget()
        run_day(stack.account, stack.outputs)
        calls = {call.action for call in stack.account.calls(principal=stack.outputs["RotatorRoleArn"])}
        # The scanner sees from the dates that nothing is due in the first days of an overlap.
        assert calls == {
            "sqs:ChangeMessageVisibility",
            "sns:ListSubscriptionsByTopic",
            "sns:GetSubscriptionAttributes",
            "dynamodb:Scan",
        }
        assert (
            stack.account.client("iam").list_access_keys(UserName="again")["AccessKeyMetadata"] == after_first
        )


def test_a_schedule_moved_to_the_next_minute_fires_and_the_mail_bears_its_id(stack: Deployed) -> None:
    account, name = stack.account, stack.outputs["ScheduleName"]
    scheduler = account.client("scheduler")
    found = scheduler.get_schedule(Name=name)
    kept: dict[str, Any] = {
        key: found[key]
        for key in ("Name", "GroupName", "FlexibleTimeWindow", "Target", "State")
        if key in found
    }
    soon = datetime.now(UTC) + timedelta(minutes=1, seconds=5)
    with inhabited(stack, Person(name="scheduled", story="due", keys=DUE)):
        inbox = account.inbox(ADDRESS)
        before = len(account.logs(stack.outputs["ScannerName"]))

        def sent() -> set[str]:
            """The run ids of the orders that the scanner has sent since."""
            lines = account.logs(stack.outputs["ScannerName"])[before:]
            return {json.loads(line)["run_id"] for line in lines if '"order sent"' in line}

        scheduler.update_schedule(**kept, ScheduleExpression=f"cron({soon.minute} {soon.hour} * * ? *)")
        try:
            until(lambda: bool(sent()), what="the schedule fires", within_seconds=150)
        finally:
            scheduler.update_schedule(**kept, ScheduleExpression=found["ScheduleExpression"])
        (run_id,) = sent()
        mail = inbox.next(run_id=run_id)
        wait_until_completed(account, stack.outputs, run_id=run_id, within_seconds=30)
    assert re.fullmatch(r"[0-9a-z]{16}", run_id)
    assert f"Run {run_id}" in mail.body
    assert "* scheduled" in mail.body


def test_a_role_that_may_not_create_keys_gives_a_run_that_says_so(stack: Deployed) -> None:
    iam = stack.account.client("iam")
    role = stack.outputs["RotatorRoleArn"].rpartition("/")[2]
    deny = {"Effect": "Deny", "Action": "iam:CreateAccessKey", "Resource": "*"}
    people = (
        Person(name="denied", story="due", keys=DUE),
        Person(name="off-anyway", story="elder past its off date", keys=QUIET_ELDER),
    )
    with inhabited(stack, *people):
        iam.put_role_policy(
            RoleName=role,
            PolicyName="boundary",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [deny]}),
        )
        try:
            mail = one_day(stack)
        finally:
            iam.delete_role_policy(RoleName=role, PolicyName="boundary")
        assert "FAILED: 1 replacement not made, nothing lost" in mail.subject
        assert "CreateAccessKey: AccessDenied" in " ".join(mail.body.split())
        assert statuses(stack.account, "denied") == ["Active"]
        assert memory_of(stack.account, "denied").pending is None
        assert statuses(stack.account, "off-anyway") == ["Inactive", "Active"]


def test_250_users_in_pages_of_100_are_all_examined_and_each_page_is_fetched_once(
    stack: Deployed,
) -> None:
    account, action, iam = stack.account, "GetAccountAuthorizationDetails", stack.account.client("iam")
    crowd = [f"crowd-{number:03}" for number in range(249)]
    for name in crowd:
        iam.create_user(UserName=name)
    try:
        # Made last, so that it is listed last: on the third page.
        with inhabited(stack, Person(name="due-in-the-crowd", story="due", keys=DUE)):
            account.forget()
            with account.page_size(action, 100):
                mail = one_day(stack)
    finally:
        for name in crowd:
            iam.delete_user(UserName=name)
    fetched = account.pages()
    assert {page.start: times for page, times in fetched.items() if page.action == action} == {
        0: 1,
        100: 1,
        200: 1,
    }
    looked_at = {page.user_name: times for page, times in fetched.items() if page.action == "ListAccessKeys"}
    assert {name: looked_at[name] for name in crowd} == dict.fromkeys(crowd, 1)
    assert "examined 250 of 250 users" in mail.body
    assert "* due-in-the-crowd" in mail.body


def test_in_audit_the_role_can_change_nothing_and_the_mail_says_what_would_be_done(
    stack: Deployed, tmp_path: Path
) -> None:
    account = stack.account
    with inhabited(stack, Person(name="audited", story="due", keys=DUE)):
        # Findings that are not new wait for Monday otherwise.
        account.update({"Mode": "Audit", "Notify": "Always"})
        try:
            account.forget()
            mail = one_day(stack)
            calls = {call.action for call in account.calls(principal=stack.outputs["RotatorRoleArn"])}
            policies = role_policies(stack)
            granted = set(allowed(synthesize(tmp_path), ROTATOR, mode="Audit")) - BEHIND_THE_SCENES
        finally:
            account.update({"Mode": "Enforce", "Notify": "Changes"})
        assert "AUDIT: would replace 1 access key" in mail.subject
        # LookupEvents is for keys that people have to follow up, and there is none here; DescribeSecret for users with two
        # keys; a listing for more than one user; and there is nothing to be remembered of one key.
        elsewhere = {
            "cloudtrail:LookupEvents",
            "secretsmanager:DescribeSecret",
            "iam:GetAccountAuthorizationDetails",
            "dynamodb:GetItem",
            "dynamodb:UpdateItem",
            "dynamodb:DeleteItem",
        }
        assert calls == granted - elsewhere
        assert policies
        assert not any(action in policies for action in WRITES)
        assert statuses(account, "audited") == ["Active"]
        assert "INSTALL by " in one_day(stack).subject


def role_policies(stack: Deployed) -> str:
    """All that the rotator's role has, as one text."""
    iam, role = stack.account.client("iam"), stack.outputs["RotatorRoleArn"].rpartition("/")[2]
    return "\n".join(
        json.dumps(iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"])
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    )


WRITES = (
    "iam:CreateAccessKey",
    "iam:UpdateAccessKey",
    "iam:UntagUser",
    "secretsmanager:PutSecretValue",
    "secretsmanager:CreateSecret",
)


def test_a_replacement_in_flight_when_the_mode_goes_to_audit_waits_and_is_told_until_it_is_enforced_again(
    stack: Deployed,
) -> None:
    """Enforce, Audit, Enforce, by updates of the parameter alone."""
    account, iam = stack.account, stack.account.client("iam")
    person = Person(name="in-flight", story="its run was cut off after the key was stored", keys=DUE)
    with inhabited(stack, person) as keys:
        since = datetime.now(UTC) - timedelta(hours=2)
        new = iam.create_access_key(UserName="in-flight")["AccessKey"]["AccessKeyId"]
        secrets = account.client("secretsmanager")
        made = secrets.create_secret(
            Name=secret_of("in-flight"), SecretString="{}", Description=OUR_DESCRIPTION
        )
        old = keys["in-flight"][0].key_id
        pending = Pending(since=since, region=account.region, run_id="cut-off", key_ids=(old,))
        remember(account, "in-flight", pending=pending, secret_arn=made["ARN"])
        secrets.put_secret_value(
            SecretId=secret_of("in-flight"),
            ClientRequestToken=f"{new}-access-key-rotation",
            SecretString="{}",
            VersionStages=["AWSPENDING"],
        )
        assert all(action in role_policies(stack) for action in WRITES)
        account.update({"Mode": "Audit"})
        try:
            assert not any(action in role_policies(stack) for action in WRITES)
            audited = one_day(stack)
        finally:
            account.update({"Mode": "Enforce"})
        assert all(action in role_policies(stack) for action in WRITES)
        assert "an interrupted replacement waits for Mode=Enforce" in " ".join(audited.body.split()).replace(
            "An int", "an int"
        )
        assert audited.attributes["severity"] == "attention"
        assert statuses(account, "in-flight") == ["Active", "Active"]

        finished = one_day(stack)
        assert "interrupted replacement was finished" in " ".join(finished.body.split())
        known = memory_of(account, "in-flight")
        assert known.pending is None
        assert known.key(new).issued_on is not None
        stages = secrets.describe_secret(SecretId=secret_of("in-flight"))["VersionIdsToStages"]
        assert "AWSCURRENT" in stages[f"{new}-access-key-rotation"]


def test_a_rotator_invoked_directly_refuses(stack: Deployed) -> None:
    with pytest.raises(FunctionFailed, match="Records"):
        stack.account.invoke(stack.outputs["RotatorName"], {"run_id": "x", "user_names": ["somebody"]})


def test_a_scanner_invoked_with_nothing_refuses_and_sends_no_order(stack: Deployed) -> None:
    sqs, url = stack.account.client("sqs"), stack.outputs["OrdersQueueUrl"]
    with pytest.raises(FunctionFailed, match="run_id"):
        stack.account.invoke(stack.outputs["ScannerName"], {})
    counts = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    assert (counts["ApproximateNumberOfMessages"], counts["ApproximateNumberOfMessagesNotVisible"]) == (
        "0",
        "0",
    )


def test_a_refused_combination_of_parameters_stops_the_function_by_name(stack: Deployed) -> None:
    stack.account.update({"OverlapDays": "45"})
    try:
        with pytest.raises(FunctionFailed, match="MaxKeyAgeDays=90, OverlapDays=45"):
            stack.account.invoke(stack.outputs["ScannerName"], {"run_id": f"refused-{uuid4()}"})
    finally:
        stack.account.update({"OverlapDays": "14"})


def test_nobody_else_reads_a_rotated_key_and_the_owner_needs_no_policy(stack: Deployed) -> None:
    people = (
        Person(name="owner", story="due", keys=DUE),
        Person(
            name="snoop", story="secretsmanager:*", keys=(SeededKey(age=5, used=0),), reads_all_secrets=True
        ),
    )
    with inhabited(stack, *people) as keys:
        one_day(stack)
        name = secret_of("owner")
        snoop = stack.account.client("secretsmanager", key=keys["snoop"][0])
        with pytest.raises(ClientError, match="AccessDenied"):
            snoop.get_secret_value(SecretId=name)
        with pytest.raises(ClientError, match="AccessDenied"):
            snoop.put_resource_policy(SecretId=name, ResourcePolicy="{}")
        owner = stack.account.client("secretsmanager", key=keys["owner"][0])
        assert json.loads(owner.get_secret_value(SecretId=name)["SecretString"])["UserName"] == "owner"
