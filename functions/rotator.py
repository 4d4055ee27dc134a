"""The rotator Lambda: takes one order, looks at each user again, decides, acts, and sends one digest."""

import logging
import os
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from threading import Lock
from typing import TYPE_CHECKING, Any

import boto3
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config
from keyrotation.apply import Applier
from keyrotation.causes import CALL_ERRORS, cause_of
from keyrotation.digest import digest_of
from keyrotation.model import Occasion
from keyrotation.observe import observe
from keyrotation.order import is_redelivered, order_of_queue
from keyrotation.publish import confirmed_listeners, publish
from keyrotation.replacement import Issuer
from keyrotation.rotation import Run, Told, begin_holds, rotate
from keyrotation.secret_store import NewKey, SecretStore
from keyrotation.settings import Mode, RotatorSettings

if TYPE_CHECKING:
    from mypy_boto3_sts import STSClient

WORKERS = 10
# No user is started with less time left than one may take: the proof of a new key, and retries around it.
RESERVE_SECONDS = 240
# IAM's request limits are undocumented: back off as it asks.
CONFIG = Config(retries={"mode": "adaptive", "total_max_attempts": 6}, max_pool_connections=WORKERS)
ONCE = Config(retries={"total_max_attempts": 1}, max_pool_connections=WORKERS)
# A try to use a new key is repeated by whoever proves it: one that hangs must not eat the time that is kept back.
PROOF = Config(retries={"total_max_attempts": 1}, connect_timeout=3, read_timeout=5)

logger = Logger()
# Whatever level the function's log is set to: at DEBUG botocore writes requests and answers, secrets among them.
for library in ("botocore", "boto3", "urllib3"):
    logging.getLogger(library).setLevel(logging.INFO)
metrics = Metrics()
settings = RotatorSettings.parse(os.environ)
iam = boto3.client("iam", config=CONFIG)
iam_once = boto3.client("iam", config=ONCE)
sns = boto3.client("sns", config=CONFIG)
session = boto3.session.Session()
making_clients = Lock()
secrets = SecretStore(
    client=boto3.client("secretsmanager", config=CONFIG),
    rotator_role_arn=settings.rotator_role_arn,
    sleep=time.sleep,
)


def sts_for(key: NewKey) -> "STSClient":
    """One session for all of them: each has its own copy of the service's model, and a session is not thread-safe."""
    with making_clients:
        return session.client("sts", aws_access_key_id=key.id, aws_secret_access_key=key.secret, config=PROOF)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """`event`: one record of the orders queue. An error makes the queue deliver the order again."""
    order = order_of_queue(event, queue_arn=settings.orders_queue_arn)
    occasion = Occasion(
        now=datetime.now(UTC),
        region=settings.aws_region,
        function_timeout=timedelta(seconds=settings.function_timeout_seconds),
        listeners=listeners(order.run_id),
    )
    issuer = Issuer(iam=iam, iam_once=iam_once, secrets=secrets, sts_for=sts_for, sleep=time.sleep)
    applier = Applier(iam=iam, issuer=issuer, occasion=occasion, run_id=order.run_id)
    run = rotate(
        order,
        look=partial(observe, iam=iam, secrets=secrets),
        act=applier.apply if settings.mode is Mode.ENFORCE else None,
        policy=settings.policy,
        occasion=occasion,
        seconds_left=lambda: context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS,
        workers=WORKERS,
    )
    log(run)
    redelivered = is_redelivered(event)
    told = tell(run, redelivered=redelivered)
    # Told, then held: a crash in between lets the order come again, and the same hold is told and written.
    held = begin_holds(told, hold=applier.hold, workers=WORKERS) if told is not None else run
    if failures(held) != failures(run):
        log(held)
        tell(held, redelivered=redelivered)
    logger.info("run completed", extra={"run_id": order.run_id})
    metrics.add_metric(name="RunsCompleted", unit=MetricUnit.Count, value=1)
    metrics.add_metric(name="UsersExamined", unit=MetricUnit.Count, value=len(run.plans))
    metrics.add_metric(name="UsersFailed", unit=MetricUnit.Count, value=failures(held))


def listeners(run_id: str) -> int | None:
    """None, which counts as nobody, when it cannot be read: unknown is never a reason to act."""
    confirmed = None
    try:
        confirmed = confirmed_listeners(settings, sns=sns)
    except CALL_ERRORS as error:
        logger.warning("subscriptions could not be read", extra={"run_id": run_id, "cause": cause_of(error)})
    if confirmed == 0:
        logger.warning("nobody has confirmed a subscription", extra={"run_id": run_id})
    metrics.add_metric(name="ConfirmedSubscribers", unit=MetricUnit.Count, value=confirmed or 0)
    return confirmed


def tell(run: Run, *, redelivered: bool) -> Told | None:
    """None: nobody is to hear of it, and so no hold may begin.

    Raises what botocore raises: a run that could not tell is not finished, and its order comes again.
    """
    digest = digest_of(run, settings, redelivered=redelivered)
    told = None
    if digest.worth_sending:
        told = Told(run=run, message_id=publish(digest, settings, sns=sns))
    logger.info(
        "digest",
        extra={
            "run_id": run.order.run_id,
            "sent": told is not None,
            "message_id": told.message_id if told is not None else None,
            "subject": digest.subject,
        },
    )
    return told


def failures(run: Run) -> int:
    return sum(outcome.failure is not None for outcome in run.outcomes)


def log(run: Run) -> None:
    """The full report, a line per user: the mail names only the most urgent of many."""
    run_id = run.order.run_id
    for plan in run.plans:
        for step in plan.steps:
            logger.info(
                "planned",
                extra={
                    "run_id": run_id,
                    "user": plan.user.name,
                    "rule": step.rule,
                    "decision": repr(step.decision),
                },
            )
    for outcome in run.outcomes:
        logger.info(
            "applied",
            extra={
                "run_id": run_id,
                "user": outcome.plan.user.name,
                "done": [repr(done) for done in outcome.done],
                "failure": outcome.failure,
            },
        )
    if run.waiting or run.deferred:
        waiting = [plan.user.name for plan in run.waiting]
        logger.warning("not reached", extra={"run_id": run_id, "waiting": waiting, "deferred": run.deferred})
