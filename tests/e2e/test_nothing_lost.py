"""What dies or fails half-way comes again, by itself or by the runbook, and in the end nothing is lost or done twice."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from keyrotation.memory import Pending

from sandbox.account import EmulatedAccount
from sandbox.cast import Person
from sandbox.clients import Key
from sandbox.day import payload, wait_until_completed, wait_until_idle
from tests.e2e.conftest import ADDRESS, OPERATOR_ARN, Deployed
from tests.e2e.people import DUE, inhabited, memory_of, remember, secret_of, statuses, until
from tests.e2e.runbook import Runbook
from tests.e2e.sessions import session_of


def waiting(account: EmulatedAccount, url: str) -> tuple[int, int]:
    """Messages that are there to be received, and messages that some consumer has."""
    found = account.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    return int(found["ApproximateNumberOfMessages"]), int(found["ApproximateNumberOfMessagesNotVisible"])


@pytest.fixture(autouse=True)
def _idle(stack: Deployed) -> None:
    """Runs that the tests before this one started are over: the deployment is shared."""
    wait_until_idle(stack.account, stack.outputs)


def failures(stack: Deployed) -> int:
    """How many invocations of the rotator ended badly: the emulator says so of each batch that it keeps."""
    return stack.account.emulator.log().count(
        f"Lambda {stack.outputs['RotatorName']} failed processing SQS batch"
    )


def start(stack: Deployed) -> str:
    """Have the scanner send an order; its run id."""
    run_id = f"day-{uuid4()}"
    event = payload(stack.account, stack.outputs["ScheduleName"], run_id=run_id)
    stack.account.invoke(stack.outputs["ScannerName"], event)
    return run_id


def until_it_failed(stack: Deployed, *, before: int) -> None:
    until(lambda: failures(stack) > before, what="the rotator fails")


def until_it_is_handed_out_again(stack: Deployed, *, user_name: str | None = None) -> None:
    """Let the queue's visibility timeout pass, for what functions wrote about time as well."""
    attributes = stack.account.client("sqs").get_queue_attributes(
        QueueUrl=stack.outputs["OrdersQueueUrl"], AttributeNames=["VisibilityTimeout"]
    )["Attributes"]
    time_to_pass = timedelta(seconds=int(attributes["VisibilityTimeout"]))
    if user_name is not None:
        began = pending(stack.account, user_name)
        remember(stack.account, user_name, pending=replace(began, since=began.since - time_to_pass))
    stack.account.let_pass(time_to_pass)


def pending(account: EmulatedAccount, user_name: str) -> Pending:
    found = memory_of(account, user_name).pending
    assert found is not None
    return found


def key_ids(account: EmulatedAccount, user_name: str) -> set[str]:
    listed = account.client("iam").list_access_keys(UserName=user_name)["AccessKeyMetadata"]
    return {key["AccessKeyId"] for key in listed}


def stored(account: EmulatedAccount, user_name: str, *, owner: Key) -> Key:
    """What the owner fetches with the old key."""
    secrets = account.client("secretsmanager", key=owner)
    value = json.loads(secrets.get_secret_value(SecretId=secret_of(user_name))["SecretString"])
    return Key(key_id=value["AccessKeyId"], secret=value["SecretAccessKey"])


@pytest.mark.parametrize(
    ("action", "where", "survives"),
    [
        ("iam:CreateAccessKey", {"UserName": "cut-short"}, False),
        # Nobody else is due: the only value that is stored.
        ("secretsmanager:PutSecretValue", {}, True),
    ],
    ids=["made and not stored", "stored and not proved"],
)
def test_a_rotator_that_dies_in_a_replacement_leaves_an_order_that_ends_it_with_one_new_stored_key(
    stack: Deployed, action: str, where: dict[str, str], *, survives: bool
) -> None:
    account = stack.account
    with inhabited(stack, Person(name="cut-short", story="due", keys=DUE)) as keys:
        (old,) = keys["cut-short"]
        before, inbox = failures(stack), account.inbox(ADDRESS)
        with account.kill_after(action, where=where):
            run_id = start(stack)
            until_it_failed(stack, before=before)
        # It is dead: the key is there, memory says so, nobody was told, and the order is kept for later.
        (interrupted,) = key_ids(account, "cut-short") - {old.key_id}
        began = pending(account, "cut-short")
        assert (began.run_id, began.key_ids) == (run_id, (old.key_id,))
        assert waiting(account, stack.outputs["OrdersQueueUrl"]) == (0, 1)
        with pytest.raises(TimeoutError):
            inbox.next(within_seconds=0)
        account.forget()

        until_it_is_handed_out_again(stack, user_name="cut-short")
        wait_until_completed(account, stack.outputs, run_id=run_id, within_seconds=120)

        new = stored(account, "cut-short", owner=old)
        assert key_ids(account, "cut-short") == {old.key_id, new.key_id}
        assert (new.key_id == interrupted) is survives
        assert statuses(account, "cut-short") == ["Active", "Active"]
        for key in (old, new):
            assert account.client("sts", key=key).get_caller_identity()["Arn"].endswith("/cut-short")
        known = memory_of(account, "cut-short")
        assert known.pending is None
        assert known.key(new.key_id).issued_on is not None
        made = [call.action for call in account.calls(principal=stack.outputs["RotatorRoleArn"])]
        assert made.count("iam:CreateAccessKey") == (0 if survives else 1)
        assert made.count("iam:DeleteAccessKey") == (0 if survives else 1)
        mail = inbox.next(run_id=run_id)
        assert new.key_id in mail.body
        assert ("interrupted replacement was " + ("finished" if survives else "undone")) in " ".join(
            mail.body.split()
        )
        until(
            lambda: waiting(account, stack.outputs["OrdersQueueUrl"]) == (0, 0), what="the order is deleted"
        )
        assert waiting(account, stack.outputs["DeadLetterQueueUrl"]) == (0, 0)


def operator_follows(account: EmulatedAccount, alarm: str, *, binaries: Path) -> Runbook:
    return Runbook(account, alarm, binaries=binaries, key=session_of(account, OPERATOR_ARN))


def run_started_by_hand(printed: str) -> str:
    run_id: str
    (run_id,) = set(re.findall(r'"run_id": "(by-hand-[^"]+)"', printed))
    return str(run_id)


def test_an_order_that_failed_three_times_is_put_aside_and_the_runbook_makes_up_for_it(
    stack: Deployed, tmp_path: Path
) -> None:
    account, aside = stack.account, stack.outputs["DeadLetterQueueUrl"]
    with inhabited(stack, Person(name="put-aside", story="due", keys=DUE)) as keys:
        (old,) = keys["put-aside"]
        account.forget()
        with account.fail("sns:Publish", code="KMSDisabled", times=3):
            before = failures(stack)
            run_id = start(stack)
            for attempt in range(3):
                until_it_failed(stack, before=before + attempt)
                assert waiting(account, aside) == (0, 0)
                until_it_is_handed_out_again(stack)
            until(lambda: waiting(account, aside) == (1, 0), what="the order is put aside")
        assert failures(stack) == before + 3
        assert waiting(account, stack.outputs["OrdersQueueUrl"]) == (0, 0)

        runbook = operator_follows(account, "OrderFailed", binaries=tmp_path)
        printed = runbook.follow("What to do")
        assert "KMSDisabled" in printed
        assert run_id in printed
        made_up_for = run_started_by_hand(printed)
        wait_until_completed(account, stack.outputs, run_id=made_up_for, within_seconds=120)
        until(
            lambda: waiting(account, stack.outputs["OrdersQueueUrl"]) == (0, 0), what="the order is deleted"
        )
        verified = runbook.follow("Verify")

        assert waiting(account, aside) == (0, 0)
        assert made_up_for in verified
        # What no mail told, as the runbook says: who was replaced, by the first of four attempts.
        assert "put-aside" in verified.splitlines()[-1]
        made = [call.action for call in account.calls(principal=stack.outputs["RotatorRoleArn"])]
        assert made.count("iam:CreateAccessKey") == 1
        assert key_ids(account, "put-aside") == {old.key_id, stored(account, "put-aside", owner=old).key_id}


def test_a_firing_on_which_the_scanner_fails_is_put_aside_and_the_runbook_makes_up_for_it(
    stack: Deployed, tmp_path: Path
) -> None:
    account, aside = stack.account, stack.outputs["DeadFiringsQueueUrl"]
    missed = f"missed-{uuid4()}"
    event = payload(account, stack.outputs["ScheduleName"], run_id=missed)
    with account.fail("iam:GetAccountAuthorizationDetails", code="AccessDenied", status=403, times=3):
        # As Scheduler does it: Lambda has the event, and Scheduler is done.
        account.client("lambda").invoke(
            FunctionName=stack.outputs["ScannerName"], InvocationType="Event", Payload=json.dumps(event)
        )
        until(lambda: waiting(account, aside) == (1, 0), what="the firing is put aside")
    assert waiting(account, stack.outputs["OrdersQueueUrl"]) == (0, 0)

    runbook = operator_follows(account, "RunNotStarted", binaries=tmp_path)
    printed = runbook.follow("What to do")
    assert missed in printed
    assert "AccessDenied" in printed
    run_id = run_started_by_hand(printed)
    wait_until_completed(account, stack.outputs, run_id=run_id, within_seconds=120)
    runbook.follow("Verify")
    assert waiting(account, aside) == (0, 0)
