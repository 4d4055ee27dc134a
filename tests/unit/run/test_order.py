"""The order between the functions, and what is refused instead of it."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from keyrotation.run.order import (
    KEPT,
    BadInput,
    Order,
    is_redelivered,
    order_of_queue,
    prove_in_flight,
    refuse_out_of_time,
    refuse_to_pass_over,
    run_id_of_schedule,
)

QUEUE = "arn:aws:sqs:eu-west-1:123456789012:orders.fifo"
ORDER = Order(
    run_id="run-1",
    total=3,
    with_keys=2,
    root_has_keys=None,
    user_names=("alice", "data+etl,nightly@corp"),
    account_alias="prod-eu",
    gone_user_ids=("AIDAGONEGONEGONEGONE",),
    ordered_at=datetime(2026, 11, 22, 6, tzinfo=UTC),
)
HIDDEN = timedelta(minutes=90)


def event(body: str) -> dict[str, Any]:
    return {"Records": [{"eventSource": "aws:sqs", "eventSourceARN": QUEUE, "body": body}]}


def test_an_order_survives_the_queue() -> None:
    assert order_of_queue(event(ORDER.to_json()), queue_arn=QUEUE) == ORDER


def test_an_order_for_the_largest_account_fits_one_message() -> None:
    names = tuple(f"{number:064}" for number in range(5000))
    assert (
        len(
            Order(
                run_id="x" * 64, total=5000, with_keys=5000, root_has_keys=False, user_names=names
            ).to_json()
        )
        < 2**20
    )


@pytest.mark.parametrize(
    ("receives", "minutes", "ordered_at", "again"),
    [
        ("1", 1, ORDER.ordered_at, False),
        ("2", 1, ORDER.ordered_at, True),
        # Redriven: SQS counts its deliveries from one again.
        ("1", 90, ORDER.ordered_at, True),
        ("1", 90, None, False),
    ],
)
def test_an_order_that_came_back_is_known_by_its_deliveries_or_by_its_age(
    *, receives: str, minutes: int, ordered_at: datetime | None, again: bool
) -> None:
    order = replace(ORDER, ordered_at=ordered_at)
    delivered = event(order.to_json())
    delivered["Records"][0]["attributes"] = {"ApproximateReceiveCount": receives}
    now = datetime(2026, 11, 22, 6, tzinfo=UTC) + timedelta(minutes=minutes)
    assert order_of_queue(delivered, queue_arn=QUEUE) == order
    assert is_redelivered(delivered, order, now=now, hidden=HIDDEN) is again


FIELDS = json.loads(ORDER.to_json())


def without(field: str) -> str:
    return json.dumps({name: value for name, value in FIELDS.items() if name != field})


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("not json", "JSON"),
        ("[]", "JSON object"),
        *(
            (without(field), field)
            for field in sorted(set(FIELDS) - {"account_alias", "ordered_at", "gone_user_ids"})
        ),
        (json.dumps({**FIELDS, "ordered_at": "yesterday"}), "ordered_at"),
        (json.dumps({**FIELDS, "account_alias": None}), "account_alias"),
        (json.dumps({**FIELDS, "account_alias": "Prod 1"}), "account_alias"),
        (json.dumps({**FIELDS, "account_alias": "x" * 64}), "account_alias"),
        (json.dumps({**FIELDS, "version": 2}), "version"),
        (json.dumps({**FIELDS, "run_id": "a b"}), "run_id"),
        (json.dumps({**FIELDS, "run_id": "x" * 65}), "run_id"),
        (json.dumps({**FIELDS, "total": True}), "total"),
        (json.dumps({**FIELDS, "total": -1}), "total"),
        (json.dumps({**FIELDS, "total": 10**400}), "total"),
        (json.dumps({**FIELDS, "with_keys": "2"}), "with_keys"),
        (json.dumps({**FIELDS, "with_keys": 4}), "with_keys"),
        (json.dumps({**FIELDS, "root_has_keys": 1}), "root_has_keys"),
        (json.dumps({**FIELDS, "root_has_keys": "no"}), "root_has_keys"),
        (json.dumps({**FIELDS, "user_names": "alice"}), "user_names"),
        (json.dumps({**FIELDS, "user_names": ["a/b"]}), "user_names"),
        (json.dumps({**FIELDS, "user_names": [7]}), "user_names"),
        (json.dumps({**FIELDS, "user_names": ["a", "a"]}), "user_names"),
        (json.dumps({**FIELDS, "total": 1, "with_keys": 1}), "user_names"),
        (json.dumps({**FIELDS, "gone_user_ids": "AIDAGONEGONEGONEGONE"}), "gone_user_ids"),
        (json.dumps({**FIELDS, "gone_user_ids": ["short"]}), "gone_user_ids"),
        (json.dumps({**FIELDS, "gone_user_ids": [7]}), "gone_user_ids"),
    ],
)
def test_a_malformed_order_is_refused_by_the_field_at_fault(body: str, field: str) -> None:
    with pytest.raises(BadInput, match=field):
        order_of_queue(event(body), queue_arn=QUEUE)


def test_an_order_of_a_version_that_knew_of_no_alias_or_no_gone_users_is_still_taken() -> None:
    """An update may find one in the queue."""
    assert order_of_queue(event(without("account_alias")), queue_arn=QUEUE) == replace(
        ORDER, account_alias=""
    )
    assert order_of_queue(event(without("gone_user_ids")), queue_arn=QUEUE) == replace(
        ORDER, gone_user_ids=()
    )


@pytest.mark.parametrize(
    ("direct", "field"),
    [
        ({}, "Records"),
        (None, "Records"),
        ([], "Records"),
        ({"Records": []}, "Records"),
        ({"Records": [1]}, "Records"),
        ({"Records": [*event("{}")["Records"], *event("{}")["Records"]]}, "Records"),
        ({"Records": [{"body": "{}"}]}, "eventSourceARN"),
        (
            {"Records": [{"eventSource": "aws:sqs", "eventSourceARN": QUEUE + "x", "body": "{}"}]},
            "eventSourceARN",
        ),
        ({"Records": [{"eventSource": "aws:sqs", "eventSourceARN": QUEUE}]}, "body"),
    ],
)
def test_whatever_does_not_come_from_the_queue_is_refused(direct: object, field: str) -> None:
    with pytest.raises(BadInput, match=field):
        order_of_queue(direct, queue_arn=QUEUE)


@pytest.mark.parametrize("wrong", [{}, None, [], "x", {"run_id": ""}, {"run_id": 7}, {"run_id": "<aws.x>"}])
def test_a_schedule_without_its_run_id_is_refused(wrong: object) -> None:
    with pytest.raises(BadInput, match="run_id"):
        run_id_of_schedule(wrong)


@pytest.mark.parametrize(
    "receipt", [{}, {"receiptHandle": ""}, {"receiptHandle": None}, {"receiptHandle": 7}]
)
def test_an_order_without_a_receipt_is_refused_before_the_queue_is_asked(receipt: dict[str, Any]) -> None:
    forged = event(ORDER.to_json())
    forged["Records"][0] |= receipt
    nobody: Any = None
    with pytest.raises(BadInput, match="receiptHandle"):
        prove_in_flight(forged, sqs=nobody, queue_url="https://queue", seconds=5400)


SENT = datetime(2026, 11, 22, 6, tzinfo=UTC)


@pytest.mark.parametrize("late", [timedelta(minutes=-5), timedelta(0), KEPT])
def test_an_order_may_be_as_old_as_the_queue_keeps_it_and_clocks_may_be_apart(late: timedelta) -> None:
    refuse_out_of_time(ORDER, now=SENT + late)


@pytest.mark.parametrize("late", [timedelta(minutes=-6), KEPT + timedelta(seconds=1), timedelta(days=9000)])
def test_an_order_from_ahead_or_older_than_the_queue_keeps_one_is_refused(late: timedelta) -> None:
    with pytest.raises(BadInput, match="ordered_at"):
        refuse_out_of_time(ORDER, now=SENT + late)


def user(created: datetime) -> Any:
    return {"UserName": "alice", "CreateDate": created}


NOBODY = replace(ORDER, total=0, with_keys=0, user_names=())


def test_an_order_that_knows_of_nobody_is_refused_while_somebody_is_there() -> None:
    """It would pass for a completed run, and nobody was looked at."""
    with pytest.raises(BadInput, match="total"):
        refuse_to_pass_over(NOBODY, [user(SENT + timedelta(hours=1)), user(SENT - timedelta(days=1))])


def test_an_account_without_users_has_its_order_and_who_came_after_it_is_no_reason_to_refuse() -> None:
    refuse_to_pass_over(NOBODY, [])
    refuse_to_pass_over(NOBODY, [user(SENT + timedelta(seconds=1))])
    refuse_to_pass_over(ORDER, [user(SENT - timedelta(days=1))])
