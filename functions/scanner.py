"""The scanner Lambda: looks at every user and sends one order with the names of those who may be due."""

import logging
import os
from datetime import UTC, datetime
from typing import Any

import boto3
import botocore.session
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config
from keyrotation import VERSION
from keyrotation.causes import CALL_ERRORS, cause_of
from keyrotation.decide.plan import may_concern
from keyrotation.look.inventory import account_alias, root_has_keys, scan
from keyrotation.remember.table import Table
from keyrotation.run.order import Order, run_id_of_schedule
from keyrotation.run.settings import Mode, ScannerSettings, SettingsError
from keyrotation.straight import STRAIGHT

WORKERS = 10
# IAM's request limits are undocumented: back off as it asks. botocore's adaptive retries then let each worker wait for its
# turn, so that as many work at once as IAM answers (docs/benchmark.md: at 25 requests a second).
# A page of a thousand users takes its time; a call that hangs is given up in good time all the same.
CONFIG = Config(
    retries={"mode": "adaptive", "total_max_attempts": 6},
    max_pool_connections=WORKERS,
    connect_timeout=3,
    read_timeout=30,
)

# An order holds 256 KiB, and names up to 5,000 users: whoever does not fit is told of another month.
MOST_GONE = 500

logger = Logger()
# Whatever level the function's log is set to: at DEBUG botocore writes whole requests and answers.
for library in ("botocore", "boto3", "urllib3"):
    logging.getLogger(library).setLevel(logging.INFO)
metrics = Metrics()
try:
    settings = ScannerSettings.parse(os.environ)
except SettingsError:
    logger.exception("the settings are refused")
    raise
below = botocore.session.get_session()
below.set_default_client_config(STRAIGHT)
session = boto3.session.Session(botocore_session=below)
iam = session.client("iam", config=CONFIG)
sqs = session.client("sqs", config=CONFIG)
# It only reads: no write needs an id.
table = Table(client=session.client("dynamodb", config=CONFIG), name=settings.table_name, fresh=str)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: object, context: LambdaContext) -> dict[str, Any]:  # noqa: ARG001  # Lambda passes both
    """`event`: the schedule's input. Returns the run id and the counts, for a person who invokes it by hand."""
    try:
        return send_order(event)
    except Exception:
        # The runtime writes of it too, but calls the level by another name in some of its versions.
        logger.exception("failed")
        raise


def send_order(event: object) -> dict[str, Any]:
    """Look at everybody, and order a rotation for whom something may be due."""
    run_id = run_id_of_schedule(event)
    logger.info("scan started", extra={"run_id": run_id, "event": event, "version": VERSION})
    now = datetime.now(UTC)
    found = scan(
        iam,
        path_prefix=settings.user_path_prefix,
        readings=table.read_all(),
        may_concern=lambda user: may_concern(
            user, settings.policy, now, enforce=settings.mode is Mode.ENFORCE
        ),
        workers=WORKERS,
    )
    for user_name, cause in found.unread.items():
        logger.warning(
            "keys could not be listed", extra={"run_id": run_id, "user": user_name, "cause": cause}
        )
    order = Order(
        run_id=run_id,
        total=found.total,
        with_keys=found.with_keys,
        root_has_keys=_root_has_keys(run_id),
        user_names=found.named,
        account_alias=_account_alias(run_id),
        ordered_at=now,
        gone_user_ids=found.gone[:MOST_GONE],
    )
    # The run id is the deduplication id: Lambda's own retry of an invocation that did send makes no second run.
    sqs.send_message(
        QueueUrl=settings.orders_queue_url,
        MessageBody=order.to_json(),
        MessageGroupId="account",
        MessageDeduplicationId=run_id,
    )
    summary = {"run_id": run_id, "users": found.total, "named": len(found.named), "unread": len(found.unread)}
    logger.info("order sent", extra=summary)
    metrics.add_metric(name="UsersScanned", unit=MetricUnit.Count, value=found.total)
    ages = [(now.date() - since.astimezone(UTC).date()).days for since in found.active_since]
    over = sum(age >= settings.policy.max_key_age_days for age in ages)
    metrics.add_metric(name="OldestActiveKeyDays", unit=MetricUnit.Count, value=max(ages, default=0))
    metrics.add_metric(name="KeysOverThreshold", unit=MetricUnit.Count, value=over)
    return summary


def _root_has_keys(run_id: str) -> bool | None:
    """None, which the mail tells, when it cannot be read: the users are no less due for that."""
    try:
        return root_has_keys(iam)
    except CALL_ERRORS as error:
        logger.warning(
            "account summary could not be read", extra={"run_id": run_id, "cause": cause_of(error)}
        )
        return None


def _account_alias(run_id: str) -> str:
    """Empty when it cannot be read: the mail then names the account by its number alone."""
    try:
        return account_alias(iam)
    except CALL_ERRORS as error:
        logger.warning("account alias could not be read", extra={"run_id": run_id, "cause": cause_of(error)})
        return ""
