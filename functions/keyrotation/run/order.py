"""The order that the scanner sends and the rotator takes: names, not decisions."""

import json
import re
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

if TYPE_CHECKING:
    from mypy_boto3_iam.type_defs import UserDetailTypeDef
    from mypy_boto3_sqs import SQSClient

_VERSION = 1
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"
# What a run id may be: it also stands in a tag value and is the queue's deduplication id (128 characters).
_RUN_ID = re.compile(r"[A-Za-z0-9_.:/=+@-]{1,64}")
# IAM's own alphabet of account aliases.
_ALIAS = re.compile(r"[a-z0-9-]{0,63}")
# IAM's own alphabet of user names.
_USER_NAME = re.compile(r"[A-Za-z0-9_+=,.@-]{1,64}")
# And of the unique ids of users.
_USER_ID = re.compile(r"[A-Za-z0-9]{16,128}")
# IAM has 5,000 users in an account; no number that people could mean is refused.
_MOST_USERS = 100_000
# As long as the queue keeps an order (infra/orders.py): nothing that is older came from the scanner.
KEPT = timedelta(days=4)
# How far the clocks of two functions may be apart.
_APART = timedelta(minutes=5)
# What SQS answers for a receipt that is none, is of another queue, or is of a message that nobody is working on.
_NO_RECEIPT = {"ReceiptHandleIsInvalid", "MessageNotInflight", "InvalidParameterValue", "InvalidAddress"}


class BadInput(ValueError):
    """An event or an order that is not what this system sends; the message names the field."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the scanner found: `total` users, `with_keys` of them with an active key (or unreadable).

    `user_names`: those for whom something might be due. `root_has_keys` None: it could not be read.
    `account_alias` empty: the account has none, or it could not be read. `ordered_at`: aware, UTC. `gone_user_ids`: users
    whom memory knows and the listing did not find.
    """

    run_id: str
    total: int
    with_keys: int
    root_has_keys: bool | None
    user_names: tuple[str, ...]
    account_alias: str = ""
    ordered_at: datetime | None = None
    gone_user_ids: tuple[str, ...] = ()

    def to_json(self) -> str:
        ordered_at = self.ordered_at.strftime(_INSTANT) if self.ordered_at is not None else None
        fields = {"version": _VERSION, **asdict(self), "ordered_at": ordered_at}
        return json.dumps(fields, separators=(",", ":"))

    @classmethod
    def from_json(cls, body: str) -> "Order":
        """Raises BadInput."""
        try:
            fields = json.loads(body)
        except ValueError:
            raise BadInput("the order is not JSON") from None
        if not isinstance(fields, dict):
            raise BadInput("the order is not a JSON object")
        if fields.get("version") != _VERSION:
            raise BadInput(f"version: this rotator takes {_VERSION}")
        total, with_keys = _count(fields, "total"), _count(fields, "with_keys")
        root_has_keys, names = fields.get("root_has_keys", "missing"), fields.get("user_names")
        if not (root_has_keys is None or isinstance(root_has_keys, bool)):
            raise BadInput("root_has_keys: neither true, false nor null")
        if not isinstance(names, list) or not all(
            isinstance(name, str) and _USER_NAME.fullmatch(name) for name in names
        ):
            raise BadInput("user_names: not a list of IAM user names")
        if with_keys > total:
            raise BadInput("with_keys: more than total")
        if len(set(names)) != len(names) or len(names) > total:
            raise BadInput("user_names: a name twice, or more names than total")
        # An update may find an order of the version before it in the queue, which knew of no alias.
        alias = fields.get("account_alias", "")
        if not isinstance(alias, str) or not _ALIAS.fullmatch(alias):
            raise BadInput("account_alias: not an account alias")
        # Nor of users who are gone.
        gone = fields.get("gone_user_ids", [])
        if not isinstance(gone, list) or not all(
            isinstance(each, str) and _USER_ID.fullmatch(each) for each in gone
        ):
            raise BadInput("gone_user_ids: not a list of IAM user ids")
        return cls(
            run_id=_run_id(fields),
            total=total,
            with_keys=with_keys,
            root_has_keys=root_has_keys,
            user_names=tuple(names),
            account_alias=alias,
            ordered_at=_instant(fields.get("ordered_at")),
            gone_user_ids=tuple(gone),
        )


def run_id_of_schedule(event: object) -> str:
    """The run id in the schedule's input; raises BadInput."""
    if not isinstance(event, dict):
        raise BadInput("the event is not a JSON object; the schedule sends run_id and scheduled_time")
    return _run_id(event)


def order_of_queue(event: object, *, queue_arn: str) -> Order:
    """The one order in an event from the queue; raises BadInput for anything else."""
    records = event.get("Records") if isinstance(event, dict) else None
    if not isinstance(records, list) or len(records) != 1 or not isinstance(records[0], dict):
        raise BadInput(
            "Records: the rotator takes exactly one order, from its queue; it cannot be invoked directly"
        )
    record = records[0]
    if record.get("eventSource") != "aws:sqs" or record.get("eventSourceARN") != queue_arn:
        raise BadInput(f"eventSourceARN: orders come from {queue_arn} only")
    if not isinstance(record.get("body"), str):
        raise BadInput("body: the record holds no order")
    return Order.from_json(record["body"])


def prove_in_flight(event: dict[str, Any], *, sqs: "SQSClient", queue_url: str, seconds: int) -> None:
    """Ask the queue whether it handed this order out: all else in an event can be forged by whoever may invoke us.

    Hides the order for `seconds` anew, which does nothing to one that was just handed out. For an event with an
    order. Raises BadInput when the queue knows of no such receipt, and otherwise what botocore raises.
    """
    receipt = event["Records"][0].get("receiptHandle")
    if not isinstance(receipt, str) or not receipt:
        raise BadInput("receiptHandle: the queue did not hand this order out")
    try:
        sqs.change_message_visibility(QueueUrl=queue_url, ReceiptHandle=receipt, VisibilityTimeout=seconds)
    except ClientError as error:
        # Older names of the errors bear a prefix: AWS.SimpleQueueService.MessageNotInflight.
        if error.response.get("Error", {}).get("Code", "").rpartition(".")[2] in _NO_RECEIPT:
            raise BadInput("receiptHandle: the queue is not handing this order out") from None
        raise


def refuse_out_of_time(order: Order, *, now: datetime) -> None:
    """Raises BadInput for an order that the scanner cannot have sent at that time. One of the version before says none."""
    if order.ordered_at is not None and not now - KEPT <= order.ordered_at <= now + _APART:
        raise BadInput(
            f"ordered_at: {order.ordered_at:{_INSTANT}} is ahead, or older than the queue keeps an order"
        )


def refuse_to_pass_over(order: Order, users: Iterable["UserDetailTypeDef"]) -> None:
    """Raises BadInput for an order that knows of nobody while `users` were there before it was given.

    It would end as a completed run, and keep the alarm on silence quiet.
    """
    if order.total == 0 and any(
        order.ordered_at is None or user["CreateDate"] < order.ordered_at for user in users
    ):
        raise BadInput("total: none, but the account has users below UserPathPrefix")


def _instant(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.strptime(str(value), _INSTANT).replace(tzinfo=UTC)
    except ValueError:
        raise BadInput("ordered_at: not a time") from None


def is_redelivered(event: dict[str, Any], order: Order, *, now: datetime, hidden: timedelta) -> bool:
    """An earlier delivery of this order did not end well: what it did was not told. For an event with an order.

    `hidden`: how long the queue hides an order that it handed out. One that is older came back, whatever SQS says
    of how often.
    """
    if order.ordered_at is not None and now - order.ordered_at >= hidden:
        return True
    attributes = event["Records"][0].get("attributes", {})
    return int(attributes.get("ApproximateReceiveCount", "1")) > 1


def _count(fields: dict[str, Any], name: str) -> int:
    number = fields.get(name)
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= _MOST_USERS:
        raise BadInput(f"{name}: not a number of users")
    return number


def _run_id(fields: dict[str, Any]) -> str:
    run_id = fields.get("run_id")
    if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id):
        raise BadInput("run_id: missing, or not 1 to 64 characters of A-Z a-z 0-9 _ . : / = + @ -")
    return run_id
