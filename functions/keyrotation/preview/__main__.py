"""What the rotation would do to this account and when: `python -m keyrotation.preview --help`.

With the caller's own credentials, and by calls that only read. Writes nothing, changes nothing, and never sees a secret.
A composition root, as the two handlers are: here the clock is read and the clients are made.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TextIO

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from keyrotation.causes import CALL_ERRORS, is_code
from keyrotation.look.inventory import list_users, profile_of, root_has_keys
from keyrotation.look.observe import Sources, read_listed
from keyrotation.model import Occasion, User
from keyrotation.policy import Policy, PolicyError, parameter_name
from keyrotation.preview.outlook import Listed, Preview, previewed
from keyrotation.preview.refusals import TRIES, why_failed
from keyrotation.preview.renderings import as_json, comma_separated, table
from keyrotation.remember.table import TABLE_NAME, Readings, Table
from keyrotation.run.settings import iam_path, region_of, whole_number

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

WORKERS = 10
# As the scanner: it backs off as IAM asks, and gives a call that hangs up in good time.
CONFIG = Config(
    retries={"mode": "adaptive", "total_max_attempts": TRIES},
    max_pool_connections=WORKERS,
    connect_timeout=3,
    read_timeout=30,
)


def main(arguments: Sequence[str], *, now: datetime, stdout: TextIO, stderr: TextIO) -> int:
    """Returns the exit code: 0, 1 for what AWS or the credentials refuse, 2 for what was asked wrongly."""
    options = _options().parse_args(arguments)
    try:
        policy = Policy(**{each.name: getattr(options, each.name) for each in fields(Policy)})
    except PolicyError as refused:
        return _fail(stderr, f"this policy is refused: {'; '.join(str(refused).splitlines())}", code=2)
    try:
        session = boto3.session.Session(
            profile_name=options.profile, region_name=options.region or region_of(os.environ)
        )
        found = look(
            session,
            path_prefix=options.user_path_prefix,
            policy=policy,
            now=now,
            progress=_progress(stderr),
        )
    except (*CALL_ERRORS, OSError, ValueError) as error:
        return _fail(stderr, why_failed(error), code=1)
    {"table": table, "csv": comma_separated, "json": as_json}[options.format](found, stdout)
    return 0


def look(
    session: "boto3.session.Session",
    *,
    path_prefix: str,
    policy: Policy,
    now: datetime,
    progress: Callable[[str], None],
) -> Preview:
    """Everybody below the path. Raises what botocore raises: a part of the account is not the account."""
    iam = session.client("iam", config=CONFIG)
    sources = Sources(
        iam=iam,
        secrets=session.client("secretsmanager", config=CONFIG),
        table=Table(client=session.client("dynamodb", config=CONFIG), name=TABLE_NAME, fresh=str),
        path_prefix=path_prefix,
    )
    # Somebody listens, or nothing would be switched off; and nobody waits for a preview to time out.
    occasion = Occasion(
        now=now, region=session.region_name, function_timeout=timedelta(minutes=15), listeners=1
    )
    try:
        listed = _everybody(iam, path_prefix, progress)
    finally:
        progress("")

    readings = _remembered(sources.table)

    def observed(name: str) -> User | None:
        try:
            return read_listed(listed[name].profile, readings, sources)
        except ClientError as error:
            if is_code(error, "NoSuchEntity"):
                return None  # deleted since it was listed
            raise

    users: dict[str, User] = {}
    with ThreadPoolExecutor(WORKERS) as pool:
        looks = [pool.submit(observed, name) for name in listed]
        try:
            for done, each in enumerate(as_completed(looks), start=1):
                if (user := each.result()) is not None:
                    users[user.name] = user
                progress(f"{done} of {len(listed)} users")
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
        finally:
            progress("")
    root = root_has_keys(iam)
    return previewed(listed, users, policy, occasion, path_prefix=path_prefix, root_keys=root)


def _remembered(table: Table) -> Readings:
    """Nothing, before the stack is deployed. Raises what botocore raises."""
    try:
        return table.read_all()
    except ClientError as error:
        if is_code(error, "ResourceNotFoundException"):
            return Readings(memories={}, unread={})
        raise


def _everybody(iam: "IAMClient", path_prefix: str, progress: Callable[[str], None]) -> dict[str, Listed]:
    listed: dict[str, Listed] = {}
    for user in list_users(iam, path_prefix):
        name = user["UserName"]
        created_on = user["CreateDate"].astimezone(UTC).date()
        listed[name] = Listed(profile=profile_of(user), created_on=created_on)
        progress(f"{len(listed)} users listed")
    return listed


def _fail(stderr: TextIO, message: str, *, code: int) -> int:
    stderr.write(f"preview: {message}\n")
    return code


def _progress(stderr: TextIO) -> Callable[[str], None]:
    """One line that is written over, for a person who waits; a file or a pipe gets nothing."""
    shown = stderr.isatty()

    def show(text: str) -> None:
        if shown:
            stderr.write(f"\r\x1b[K{text}")
            stderr.flush()

    return show


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="preview",
        description="What the rotation would do to this account's access keys, and when. Only reads.",
    )
    parser.add_argument("--format", choices=["table", "csv", "json"], default="table")
    parser.add_argument("--profile", help="of ~/.aws/config; without it the usual credentials are taken")
    parser.add_argument("--region", help="the one of the stack, where the secrets are")
    parser.add_argument(
        "--user-path-prefix", type=iam_path, default="/", help="only users below this path (default: /)"
    )
    for each in fields(Policy):
        option = f"--{each.name.replace('_', '-')}"
        told = f"the parameter {parameter_name(each.name)} (default: {each.default})"
        parser.add_argument(option, type=whole_number, default=each.default, metavar="N", help=told)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], now=datetime.now(UTC), stdout=sys.stdout, stderr=sys.stderr))
