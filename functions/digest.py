"""The centre's Lambda: reads every account's report, sends one digest, and says to each account what was heard."""

import logging
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import boto3
import botocore.session
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from botocore.config import Config
from keyrotation import VERSION
from keyrotation.centre.digest import Day, digest_of
from keyrotation.centre.gathering import Gathering
from keyrotation.centre.settings import CentreSettings
from keyrotation.centre.spreadsheet import table_of
from keyrotation.run.settings import SettingsError
from keyrotation.straight import STRAIGHT
from keyrotation.tell.reports import heard_key, word_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from keyrotation.centre.digest import Message

# Reports that are read at once, and words that are written.
WORKERS = 32
CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 4},
    max_pool_connections=WORKERS,
    connect_timeout=3,
    read_timeout=20,
)

logger = Logger()
for library in ("botocore", "boto3", "urllib3"):
    logging.getLogger(library).setLevel(logging.INFO)
try:
    settings = CentreSettings.parse(os.environ)
except SettingsError:
    logger.exception("the settings are refused")
    raise
below = botocore.session.get_session()
below.set_default_client_config(STRAIGHT)
session = boto3.session.Session(botocore_session=below)
s3 = session.client("s3", config=CONFIG)
sns = session.client("sns", config=CONFIG)


def missed(what: str, cause: str) -> None:
    logger.warning("could not be read", extra={"what": what, "cause": cause})


gathering = Gathering(
    settings=settings,
    s3=s3,
    sns=sns,
    cloudformation=session.client("cloudformation", config=CONFIG),
    organizations=session.client("organizations", config=CONFIG),
    workers=WORKERS,
    miss=missed,
)


@logger.inject_lambda_context
def handler(event: object, context: LambdaContext) -> dict[str, int]:  # noqa: ARG001  # Lambda passes both
    """Returns the counts. An error has Lambda try again: everybody may then get the same once more, and nobody too little."""
    try:
        return send_digest()
    except Exception:
        logger.exception("failed")
        raise


def send_digest() -> dict[str, int]:
    """Read, tell, and only then say what was heard: a crash in between leaves notices that are told anew."""
    day = Day(
        now=datetime.now(UTC),
        bucket=settings.reports_bucket,
        listeners=gathering.listeners(),
        expected=gathering.expected(),
        found=gathering.found(),
    )
    digest = digest_of(day)
    for page in digest.pages:
        send(page, to=settings.topic_arn)
    with ThreadPoolExecutor(WORKERS) as pool:
        words = list(pool.map(lambda each: say(*each, day=day), digest.heard.items()))
        put("table.csv", table_of(day).encode(), "text/csv")
        others = sum(send_some(some, pool) for some in several(digest.others))
    counts = {
        "accounts": len(day.accounts),
        "reports": len(day.reports),
        "pages": len(digest.pages),
        "heard": len(words) if day.listeners else 0,
        "others": others,
    }
    logger.info("digest sent", extra={**counts, "version": VERSION})
    return counts


def several(messages: "Iterator[Message]") -> "Iterator[list[Message]]":
    """So that not all of them are there at once."""
    while some := list(islice(messages, 10 * WORKERS)):
        yield some


def send_some(messages: "list[Message]", pool: ThreadPoolExecutor) -> int:
    return len(list(pool.map(partial(send, to=settings.accounts_topic_arn), messages)))


def send(message: "Message", *, to: str) -> None:
    sns.publish(
        TopicArn=to,
        Subject=message.subject,
        Message=message.body,
        MessageAttributes={
            name: {"DataType": "String", "StringValue": value} for name, value in message.attributes.items()
        },
    )


def say(account: str, report: str, *, day: Day) -> None:
    """While nobody gets the digest, that: the word of another day would let the account go on for two days more."""
    put(heard_key(account), word_of(report, listeners=day.listeners), "application/json")


def put(key: str, body: bytes, kind: str) -> None:
    s3.put_object(
        Bucket=settings.reports_bucket,
        Key=key,
        Body=body,
        ContentType=kind,
        ChecksumAlgorithm="SHA256",
        ExpectedBucketOwner=settings.account,
    )
