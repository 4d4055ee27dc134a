"""The rotator Lambda: takes one order, looks at each user again, decides, acts, and sends one digest."""

import logging
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from itertools import chain
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import boto3
import botocore.session
from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config
from keyrotation import VERSION
from keyrotation.act.apply import Applier, Done, Heard, Outcome
from keyrotation.act.events import Events
from keyrotation.act.replacement import Issuer
from keyrotation.act.secret_store import NewKey, SecretStore
from keyrotation.causes import CALL_ERRORS, cause_of
from keyrotation.decide.actions import Plan
from keyrotation.decide.remembering import settled
from keyrotation.look.inventory import list_users
from keyrotation.look.left_behind import is_to_be_told, left_behind, told_of
from keyrotation.look.observe import Observer, Sources, listed_profiles
from keyrotation.look.usage import keys_in_question, who_uses
from keyrotation.memory import Memory
from keyrotation.model import Hearing, Occasion, Use, User
from keyrotation.remember.table import MemoryRefused, Readings, Table
from keyrotation.run.order import (
    Order,
    is_redelivered,
    order_of_queue,
    prove_in_flight,
    refuse_out_of_time,
    refuse_to_pass_over,
)
from keyrotation.run.record import Run, Told, last_told
from keyrotation.run.rotation import Complete, Eyes, remember, rotate
from keyrotation.run.settings import Mode, RotatorSettings, SettingsError
from keyrotation.run.turns import Turns
from keyrotation.straight import STRAIGHT
from keyrotation.tell.bulletin import Bulletin, Channel
from keyrotation.tell.chat import cards_of
from keyrotation.tell.digest import Digest, digest_of
from keyrotation.tell.measures import measures
from keyrotation.tell.outlet import Outlet
from keyrotation.tell.owners import letters_of, owners_of
from keyrotation.tell.publish import Topic
from keyrotation.tell.reports import NotUnderstood, Reports

if TYPE_CHECKING:
    from keyrotation.look.inventory import Profile
    from mypy_boto3_cloudtrail import CloudTrailClient
    from mypy_boto3_sts import STSClient

# So many ask IAM at once. Of those who act there are more: most wait for a new key to work, and let others go on.
LOOKERS, ACTORS = 10, 40
# No user is started with less time left than one may take: the proof of a new key, and retries around it.
RESERVE_SECONDS = 240
# IAM's request limits are undocumented: back off as it asks.
# A call that hangs is given up in good time: all its tries together take less than a third of the reserve.
CONFIG = Config(
    retries={"mode": "adaptive", "total_max_attempts": 5},
    max_pool_connections=ACTORS,
    connect_timeout=3,
    read_timeout=10,
)
# A page of a thousand users, with everybody's policies, takes its time.
LISTING = Config(retries={"mode": "adaptive", "total_max_attempts": 3}, connect_timeout=3, read_timeout=30)
# More patience with the one call whose lost answer leaves a user waiting for the next run.
ONCE = Config(
    retries={"total_max_attempts": 1}, max_pool_connections=ACTORS, connect_timeout=5, read_timeout=30
)
# The first secret of a Region is slow to make, since its key is made with it. A repeated creation finds its secret there.
STORING = Config(
    retries={"mode": "adaptive", "total_max_attempts": 3},
    max_pool_connections=ACTORS,
    connect_timeout=3,
    read_timeout=30,
)
# A try to use a new key is repeated by whoever proves it: one that hangs must not eat the time that is kept back.
PROOF = Config(retries={"total_max_attempts": 1}, connect_timeout=3, read_timeout=5)
# Who uses a key is worth knowing, and no run waits long for it.
LOOKING_UP_SECONDS = 60
# Between two messages to owners: eight a second.
PAUSE_SECONDS = 0.125
BEST_EFFORT = Config(
    retries={"total_max_attempts": 2}, max_pool_connections=ACTORS, connect_timeout=3, read_timeout=5
)

logger = Logger()
# Whatever level the function's log is set to: at DEBUG botocore writes requests and answers, secrets among them.
for library in ("botocore", "boto3", "urllib3"):
    logging.getLogger(library).setLevel(logging.INFO)
metrics = Metrics()
try:
    settings = RotatorSettings.parse(os.environ)
except SettingsError:
    logger.exception("the settings are refused")
    raise
# One for all clients: each session reads the services' models and endpoints anew. Making one is not thread-safe.
below = botocore.session.get_session()
below.set_default_client_config(STRAIGHT)
session = boto3.session.Session(botocore_session=below)
making_clients = Lock()
iam = session.client("iam", config=CONFIG)
iam_once = session.client("iam", config=ONCE)
iam_listing = session.client("iam", config=LISTING)
sqs = session.client("sqs", config=CONFIG)
bus = session.client("events", config=BEST_EFFORT)
secretsmanager = session.client("secretsmanager", config=STORING)
table = Table(
    client=session.client("dynamodb", config=CONFIG), name=settings.table_name, fresh=lambda: str(uuid4())
)
sources = Sources(iam=iam, secrets=secretsmanager, table=table, path_prefix=settings.user_path_prefix)
secrets = SecretStore(
    client=secretsmanager,
    rotator_role_arn=settings.rotator_role_arn,
    reader_arns=settings.secret_reader_arns,
    kms_key_arn=settings.secrets_kms_key_arn,
    sleep=time.sleep,
)


def outlet_of(settings: RotatorSettings) -> Outlet:
    """Where this account's runs tell: in a member of an organization the centre, otherwise the account's own topic."""
    if settings.centre is not None:
        return Reports(
            s3=session.client("s3", config=CONFIG),
            centre=settings.centre,
            region=settings.aws_region,
            account=settings.account,
            now=lambda: datetime.now(UTC),
        )
    return Topic(
        sns=session.client("sns", config=CONFIG),
        arn=settings.topic_arn or "",
        beside={
            Channel.OWNERS: settings.owners_topic_arn or "",
            Channel.CHAT: settings.chat_topic_arn or "",
        },
        account=settings.account,
        mode=settings.mode,
    )


outlet = outlet_of(settings)


def sts_for(key: NewKey) -> "STSClient":
    """Signs with the new key."""
    with making_clients:
        return session.client("sts", aws_access_key_id=key.id, aws_secret_access_key=key.secret, config=PROOF)


@logger.inject_lambda_context
@metrics.log_metrics
def handler(event: dict[str, Any], context: LambdaContext) -> None:
    """`event`: one record of the orders queue. An error makes the queue deliver the order again."""
    try:
        work_off(event, context)
    except Exception:
        # The runtime writes of it too, but calls the level by another name in some of its versions.
        logger.exception("failed")
        raise


def work_off(event: dict[str, Any], context: LambdaContext) -> None:
    """Look, decide, act, tell and remember, for the users of one order."""
    started = time.monotonic()
    order = order_of_queue(event, queue_arn=settings.orders_queue_arn)
    prove_in_flight(
        event, sqs=sqs, queue_url=settings.orders_queue_url, seconds=settings.order_hidden_seconds
    )
    now = datetime.now(UTC)
    refuse_out_of_time(order, now=now)
    if order.total == 0:
        refuse_to_pass_over(order, list_users(iam_listing, settings.user_path_prefix))
    hearing = hear(order.run_id)
    occasion = Occasion(
        now=now,
        region=settings.aws_region,
        function_timeout=timedelta(seconds=settings.function_timeout_seconds),
        listeners=hearing.listeners,
        enforce=settings.mode is Mode.ENFORCE,
        owner_tag_keys=settings.owner_tag_keys,
    )
    redelivered = is_redelivered(
        event, order, now=occasion.now, hidden=timedelta(seconds=settings.order_hidden_seconds)
    )
    events = Events(client=bus, run_id=order.run_id, owner_tag_keys=settings.owner_tag_keys)
    unsent: list[str] = []
    readings = settle(table.read_all(), hearing, run_id=order.run_id)

    def announce(user: User, done: Done) -> None:
        missed(user, events.send(user, done))

    def missed(user: User, cause: str | None) -> None:
        if cause is not None:
            unsent.append(user.name)
            logger.warning(
                "event not sent", extra={"run_id": order.run_id, "user": user.name, "cause": cause}
            )

    turns = Turns(LOOKERS, sleep=time.sleep)
    applier = Applier(
        iam=iam,
        issuer=Issuer(
            iam=iam,
            iam_once=iam_once,
            secrets=replace(secrets, owners=readings.owners(gone=order.gone_user_ids)),
            sts_for=sts_for,
            sleep=turns.wait,
        ),
        table=table,
        occasion=occasion,
        run_id=order.run_id,
        announce=announce,
    )

    def act(plan: Plan) -> Outcome:
        return logged(applier.apply(plan), run_id=order.run_id)

    def write(user: User, memory: Memory, heard: Heard, forget: tuple[str, ...]) -> str | None:
        cause = outlet.remember(applier, user, memory, heard, told_in=told.message_id, forget=forget)
        logged_telling(user, heard, cause, run_id=order.run_id)
        if cause is None:
            for key_id, notice in heard.given:
                missed(user, events.send_notice(user, key_id, notice))
        return cause

    def seconds_left() -> float:
        return context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS

    run = rotate(
        order,
        eyes=eyes_for(order, readings, redelivered=redelivered),
        act=act,
        policy=settings.policy,
        occasion=occasion,
        changed_today=readings.changed_on(occasion.today),
        seconds_left=seconds_left,
        lookers=LOOKERS,
        actors=ACTORS,
        turns=turns,
    )
    gone = look_after_those_who_are_gone(order, readings, occasion.today)
    run = replace(run, left_behind=gone, last_told=last_told(readings.memories.values()))
    run = replace(run, uses=uses_of(run, time_left=lambda: seconds_left() > 0))
    log(run)
    digest, told = tell(run, redelivered=redelivered)
    # Told first: a crash in between lets the order come again, and the same is told and then remembered.
    finished = remember(told, write=write, workers=LOOKERS)
    if told.message_id is not None:
        for memory in (each for each in run.left_behind if ("", each.user_id) in told.once):
            tidy(partial(table.save, told_of(memory, occasion.today), run_id=order.run_id))
    if failures(finished) != failures(run):
        tell(finished, redelivered=redelivered)
    # After all that must not be lost: on-call's mail has everything, and these reach more people.
    if told.message_id is not None:
        for user, key_id, day in told.due:
            # There may be thousands, and each may hang: a run that did all the rest is not to end for want of time.
            in_time = seconds_left() > 0
            missed(user, events.send_due(user, key_id, day) if in_time else "the time was nearly up")
    unspread = spread(
        # One after the other: there may be thousands of owners, and each message takes its kilobytes.
        chain(
            letters_of(run, settings, redelivered=redelivered, whole=digest.report), cards_of(digest.report)
        ),
        run_id=order.run_id,
        time_left=lambda: seconds_left() > 0,
    )
    logger.info("run completed", extra={"run_id": order.run_id, "version": VERSION})
    metrics.add_metric(name="RunsCompleted", unit=MetricUnit.Count, value=1)
    for name, value in measures(finished, settings.policy).items():
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)
    metrics.add_metric(name="RunSeconds", unit=MetricUnit.Seconds, value=time.monotonic() - started)
    metrics.add_metric(name="EventsUnsent", unit=MetricUnit.Count, value=len(unsent))
    metrics.add_metric(name="BulletinsUnsent", unit=MetricUnit.Count, value=unspread)


def look_after_those_who_are_gone(order: Order, readings: Readings, today: date) -> tuple[Memory, ...]:
    """Forget those of whom nothing is left; who left a secret is told of once a month."""
    found = left_behind(order.gone_user_ids, readings, sources)
    for memory in found.nothing:
        tidy(partial(table.forget, memory))
    return tuple(memory for memory in found.secrets if is_to_be_told(memory, today))


def tidy(write: Callable[[], object]) -> None:
    """What is written of users who are gone can wait for another day: no run fails over it."""
    try:
        write()
    except (*CALL_ERRORS, MemoryRefused) as error:
        logger.warning("not tidied", extra={"cause": cause_of(error)})


def eyes_for(order: Order, readings: Readings, *, redelivered: bool) -> Eyes:
    """What an attempt that died had done is read from everything that there is to see."""
    if redelivered:
        return Complete(see=Observer(sources=sources, listed={}, readings=readings).everything)
    listed: dict[str, Profile] = {}
    try:
        # A page has a thousand users: for fewer names than pages, each is read for itself.
        if len(order.user_names) > 1 + order.total // 1000:
            listed = listed_profiles(
                iam_listing, path_prefix=settings.user_path_prefix, names=order.user_names
            )
    except CALL_ERRORS as error:
        # Each is then read for itself.
        logger.warning("users could not be listed", extra={"run_id": order.run_id, "cause": cause_of(error)})
    return Observer(sources=sources, listed=listed, readings=readings)


@cache
def trail_in(region: str) -> "CloudTrailClient":
    return session.client("cloudtrail", region_name=region, config=BEST_EFFORT)


def uses_of(run: Run, *, time_left: Callable[[], bool]) -> dict[str, tuple[Use, ...]]:
    """Who still uses the keys that people have to follow up, as far as it can be had in time."""

    def miss(key_id: str, cause: str) -> None:
        logger.warning(
            "uses could not be looked up", extra={"run_id": run.order.run_id, "key": key_id, "cause": cause}
        )

    started = time.monotonic()
    return who_uses(
        keys_in_question(run.plans, run.today),
        trail_in=trail_in,
        sleep=time.sleep,
        time_left=lambda: time_left() and time.monotonic() - started < LOOKING_UP_SECONDS,
        miss=miss,
    )


def hear(run_id: str) -> Hearing:
    """Of nobody when it cannot be read, which counts as nobody: unknown is never a reason to act."""
    hearing = Hearing(listeners=None)
    try:
        hearing = outlet.hear()
    except (*CALL_ERRORS, NotUnderstood) as error:
        logger.warning("who listens could not be read", extra={"run_id": run_id, "cause": cause_of(error)})
    if hearing.listeners == 0:
        logger.warning("nobody is known to hear of this run", extra={"run_id": run_id})
    metrics.add_metric(name="ConfirmedSubscribers", unit=MetricUnit.Count, value=hearing.listeners or 0)
    return hearing


def settle(readings: Readings, hearing: Hearing, *, run_id: str) -> Readings:
    """What the last report offered is remembered as told, or forgotten, before anything is decided by it.

    A user whose offer cannot be settled keeps it in the table: nobody looks at it but here, and it is told anew.
    """
    memories = dict(readings.memories)
    for user_id, memory in readings.memories.items():
        new = settled(memory, hearing, warn_days=settings.policy.warn_days)
        if new == memory:
            continue
        try:
            memories[user_id] = table.save(new, run_id=run_id)
        except (*CALL_ERRORS, MemoryRefused) as error:
            logger.warning("not settled", extra={"user": memory.name, "cause": cause_of(error)})
        else:
            logger.info(
                "settled",
                extra={
                    "user": memory.name,
                    "offer": repr(memory.offer),
                    "heard": hearing.report,
                    "run_id": run_id,
                },
            )
    return replace(readings, memories=memories)


def spread(bulletins: Iterable[Bulletin], *, run_id: str, time_left: Callable[[], bool]) -> int:
    """How many could not be sent. No run fails over them."""
    missed = 0
    for bulletin in bulletins:
        cause = "the time was nearly up"
        try:
            if time_left():
                outlet.spread(bulletin)
                # SNS suspends an email subscription that gets more than ten messages a second.
                time.sleep(PAUSE_SECONDS)
                continue
        except CALL_ERRORS as error:
            cause = cause_of(error)
        missed += 1
        logger.warning(
            "bulletin not sent",
            extra={"run_id": run_id, "channel": bulletin.channel, "about": bulletin.about, "cause": cause},
        )
    return missed


def unsubscribed(run: Run) -> tuple[str, ...] | None:
    """Owners who get no message of their own; None: that could not be read."""
    try:
        return outlet.unsubscribed(owners_of(run))
    except CALL_ERRORS as error:
        logger.warning(
            "owners' subscriptions could not be read",
            extra={"run_id": run.order.run_id, "cause": cause_of(error)},
        )
        return None


def tell(run: Run, *, redelivered: bool) -> tuple[Digest, Told]:
    """Raises what botocore raises: a run that could not tell is not finished, and its order comes again."""
    digest = digest_of(run, settings, redelivered=redelivered, unsubscribed=unsubscribed(run))
    message_id = outlet.deliver(digest)
    logger.info(
        "digest",
        extra={
            "run_id": run.order.run_id,
            "sent": message_id is not None,
            "message_id": message_id,
            "subject": digest.subject,
        },
    )
    # What nobody listened to was not told.
    heard = message_id if run.listeners else None
    return digest, Told(run=run, message_id=heard, named=digest.named, once=digest.once)


def failures(run: Run) -> int:
    return sum(outcome.failure is not None for outcome in run.outcomes)


def logged(outcome: Outcome, *, run_id: str) -> Outcome:
    """As it happens: an attempt that dies leaves its log, and nothing else that tells all that it did."""
    logger.info(
        "applied",
        extra={
            "run_id": run_id,
            "user": outcome.plan.user.name,
            "done": [repr(done) for done in outcome.done],
            "to_give": [repr(notice) for notice in outcome.to_give],
            "failure": outcome.failure,
        },
    )
    return outcome


def logged_telling(user: User, heard: Heard, cause: str | None, *, run_id: str) -> None:
    """Which notices count from now on; a cause says why they do not."""
    notices = [repr(notice) for notice in heard.notices]
    logger.info("told", extra={"run_id": run_id, "user": user.name, "notices": notices, "failure": cause})


def log(run: Run) -> None:
    """The full report, a line per decision: the mail names only the most urgent of many."""
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
    if run.waiting or run.deferred:
        waiting = [plan.user.name for plan in run.waiting]
        logger.warning("not reached", extra={"run_id": run_id, "waiting": waiting, "deferred": run.deferred})
