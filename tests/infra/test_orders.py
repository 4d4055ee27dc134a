"""The queue between the functions: first in first out, one order at a time, none lost."""

from typing import Any

import pytest
from keyrotation.run.order import KEPT

from tests.infra.synthesized import Template, holds, of_type, properties, text

QUEUES = ["Orders/Queue", "Orders/DeadLetters", "Daily/DeadLetters"]
FOURTEEN_DAYS = 14 * 24 * 60 * 60
ONE_MEBIBYTE = 1024 * 1024


def queue(template: Template, path: str) -> dict[str, Any]:
    return properties(template, "AWS::SQS::Queue", path)


def test_the_queues_are_the_orders_and_two_for_dead_letters(template: Template) -> None:
    assert sorted(of_type(template, "AWS::SQS::Queue")) == sorted(QUEUES)


def test_orders_come_out_in_the_order_they_went_in(template: Template) -> None:
    assert queue(template, "Orders/Queue")["FifoQueue"] is True


def test_two_runs_that_found_the_same_users_are_two_orders(template: Template) -> None:
    assert queue(template, "Orders/Queue")["ContentBasedDeduplication"] is False


def test_an_order_may_name_every_user_of_an_account(template: Template) -> None:
    for path in ("Orders/Queue", "Orders/DeadLetters"):
        assert queue(template, path)["MaximumMessageSize"] == ONE_MEBIBYTE


def test_an_order_stays_hidden_for_six_times_the_rotators_time_limit(template: Template) -> None:
    timeout = properties(template, "AWS::Lambda::Function", "Rotator/Function")["Timeout"]
    assert queue(template, "Orders/Queue")["VisibilityTimeout"] == 6 * timeout


def test_an_order_that_failed_three_times_waits_two_weeks_for_a_person(template: Template) -> None:
    redrive = queue(template, "Orders/Queue")["RedrivePolicy"]
    assert redrive["maxReceiveCount"] == 3
    assert text(template, redrive["deadLetterTargetArn"]) == "${Orders/DeadLetters.Arn}"
    dead_letters = queue(template, "Orders/DeadLetters")
    # SQS takes only a FIFO queue as a FIFO queue's dead-letter queue.
    assert dead_letters["FifoQueue"] is True
    assert dead_letters["MessageRetentionPeriod"] == FOURTEEN_DAYS


@pytest.mark.parametrize("path", QUEUES)
def test_a_queue_is_encrypted_at_rest(template: Template, path: str) -> None:
    assert queue(template, path)["SqsManagedSseEnabled"] is True


def policy(template: Template, path: str) -> list[dict[str, Any]]:
    [found] = [
        each["Properties"]["PolicyDocument"]["Statement"]
        for each in of_type(template, "AWS::SQS::QueuePolicy").values()
        if [text(template, queue) for queue in each["Properties"]["Queues"]] == ["${" + path + "}"]
    ]
    return [{**each, "Resource": text(template, each["Resource"])} for each in found]


@pytest.mark.parametrize("path", QUEUES)
def test_a_queue_refuses_whoever_comes_without_tls(template: Template, path: str) -> None:
    assert {
        "Effect": "Deny",
        "Principal": {"AWS": "*"},
        "Action": "sqs:*",
        "Resource": "${" + path + ".Arn}",
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    } in policy(template, path)


@pytest.mark.parametrize("path", QUEUES)
def test_no_queue_policy_lets_anybody_in(template: Template, path: str) -> None:
    assert {each["Effect"] for each in policy(template, path)} == {"Deny"}


def denied(template: Template, path: str) -> dict[str, tuple[list[str], str]]:
    """By name: what a queue's policy denies to everybody, and to whom not."""
    found = {}
    for each in policy(template, path):
        if "Sid" in each:
            assert (each["Effect"], each["Principal"], each["Resource"]) == (
                "Deny",
                {"AWS": "*"},
                "${" + path + ".Arn}",
            )
            actions = each["Action"] if isinstance(each["Action"], list) else [each["Action"]]
            found[each["Sid"]] = (sorted(actions), excepted(template, each))
    return found


TAKES = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"]


def test_orders_come_from_the_scanner_and_go_to_the_rotator_and_nobody_purges_them(
    template: Template,
) -> None:
    assert denied(template, "Orders/Queue") == {
        "OnlyTheRotatorTakes": (TAKES, "${Rotator/Role.Arn}"),
        "OnlyTheScannerSends": (["sqs:SendMessage"], "${Scanner/Role.Arn}"),
        "NobodyPurges": (["sqs:PurgeQueue"], ""),
    }


@pytest.mark.parametrize("path", ["Orders/DeadLetters", "Daily/DeadLetters"])
def test_dead_letters_are_taken_by_the_operators_alone_and_by_nobody_when_none_is_named(
    template: Template, path: str
) -> None:
    operators = "${If HasOperators then OperatorArns else nobody}"
    assert denied(template, path) == {"OnlyOperatorsTake": (sorted([*TAKES, "sqs:PurgeQueue"]), operators)}
    assert holds(template, "HasOperators", OperatorArns="arn:aws:iam::111122223333:role/on-call")
    assert not holds(template, "HasOperators", OperatorArns="")


@pytest.mark.parametrize("path", ["Orders/Queue", "Daily/DeadLetters"])
def test_no_other_queue_can_make_this_one_its_dead_letter_queue(template: Template, path: str) -> None:
    """What SQS moves there is no SendMessage: a policy would not be asked."""
    assert queue(template, path)["RedriveAllowPolicy"] == {"redrivePermission": "denyAll"}


def test_an_order_that_the_queue_cannot_have_kept_so_long_is_one_that_the_rotator_refuses(
    template: Template,
) -> None:
    assert queue(template, "Orders/Queue")["MessageRetentionPeriod"] == KEPT.total_seconds()


def excepted(template: Template, statement: dict[str, Any]) -> str:
    """Empty: to nobody."""
    if "Condition" not in statement:
        return ""
    [(operator, [(key, value)])] = [
        (operator, list(keys.items())) for operator, keys in statement["Condition"].items()
    ]
    assert (operator, key) == ("StringNotEquals", "aws:PrincipalArn")
    return text(template, value)


def test_the_rotator_takes_one_order_at_a_time_from_the_queue_and_from_nowhere_else(
    template: Template,
) -> None:
    [mapping] = of_type(template, "AWS::Lambda::EventSourceMapping").values()
    assert mapping["Properties"]["BatchSize"] == 1
    assert mapping["Properties"].get("Enabled", True) is True
    assert text(template, mapping["Properties"]["EventSourceArn"]) == "${Orders/Queue.Arn}"
    assert text(template, mapping["Properties"]["FunctionName"]) == "${Rotator/Function}"
