"""What the rotation would do to this account and when: `python -m keyrotation.preview --help`.

With the caller's own credentials, and by calls that only read. Writes nothing, changes nothing, and never sees a secret.
A composition root, as the two handlers are: here the clock is read and the clients are made.
"""

import argparse
import csv
import json
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, TextIO, assert_never

import boto3
from botocore import exceptions as failure
from botocore.config import Config

from keyrotation.actions import Deactivate, Delete, DeleteOrphan, Level, Promote, Replace
from keyrotation.causes import CALL_ERRORS, THROTTLED, cause_of, is_code
from keyrotation.forecast import Change, Forecast, forecast
from keyrotation.inventory import list_users, root_has_keys
from keyrotation.model import Key, Occasion, User
from keyrotation.observe import read
from keyrotation.order import Order
from keyrotation.plan import account_items
from keyrotation.policy import Policy, PolicyError, parameter_name
from keyrotation.secret_store import SecretStore

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

WORKERS = 10
# As the scanner: it backs off as IAM asks, and gives a call that hangs up in good time.
TRIES = 6
CONFIG = Config(
    retries={"mode": "adaptive", "total_max_attempts": TRIES},
    max_pool_connections=WORKERS,
    connect_timeout=3,
    read_timeout=30,
)
_DAYS_SHOWN = 14
_EXPIRED = ("ExpiredToken", "ExpiredTokenException", "RequestExpired")
_REFUSED = ("InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch", "AuthFailure")
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")
_UNREACHABLE = (
    failure.EndpointConnectionError,
    failure.ConnectTimeoutError,
    failure.ReadTimeoutError,
    failure.ConnectionClosedError,
    failure.ProxyConnectionError,
)
_LOGIN_ENDED = (failure.UnauthorizedSSOTokenError, failure.SSOTokenLoadError, failure.TokenRetrievalError)


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A user as the account's listing names it."""

    name: str
    id: str
    created_on: date


@dataclass(frozen=True, kw_only=True)
class Row:
    """One key, or a user without keys. Ages in days; `what` empty: nothing is foreseen. `asks`: who should act."""

    user: str
    user_id: str
    user_created_on: date
    key: str = ""
    status: str = ""
    age_days: int | None = None
    last_used_on: date | None = None
    last_used_service: str = ""
    on: date | None = None
    what: str = ""
    why: str = ""
    asks: str = ""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """`days`: from today on, users replaced and users who wait, under the cap."""

    today: date
    policy: Policy
    rows: tuple[Row, ...]
    days: tuple[tuple[date, int, int], ...]
    account: tuple[str, ...]


def main(arguments: Sequence[str], *, now: datetime, stdout: TextIO, stderr: TextIO) -> int:
    """Returns the exit code: 0, 1 for what AWS or the credentials refuse, 2 for what was asked wrongly."""
    options = _options().parse_args(arguments)
    try:
        policy = Policy(**{each.name: getattr(options, each.name) for each in fields(Policy)})
    except PolicyError as refused:
        return _fail(stderr, f"this policy is refused: {'; '.join(str(refused).splitlines())}", code=2)
    try:
        session = boto3.session.Session(profile_name=options.profile, region_name=options.region)
        found = look(
            session,
            path_prefix=options.user_path_prefix,
            policy=policy,
            now=now,
            progress=_progress(stderr),
        )
    except CALL_ERRORS as error:
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
    secrets = SecretStore(
        client=session.client("secretsmanager", config=CONFIG), rotator_role_arn="", sleep=time.sleep
    )
    # Somebody listens, or nothing would be switched off; and nobody waits for a preview to time out.
    occasion = Occasion(
        now=now, region=session.region_name, function_timeout=timedelta(minutes=15), listeners=1
    )
    listed = _everybody(iam, path_prefix, progress)

    def observed(name: str) -> User | None:
        try:
            return read(name, iam=iam, secrets=secrets, path_prefix=path_prefix)
        except iam.exceptions.NoSuchEntityException:
            # Deleted since it was listed.
            return None

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
    return previewed(listed, users, policy, occasion, root_keys=root)


def previewed(
    listed: Mapping[str, Listed],
    users: Mapping[str, User],
    policy: Policy,
    occasion: Occasion,
    *,
    root_keys: bool,
) -> Preview:
    """What the system makes of these users: its own plans and its own runs, and no policy beside them."""
    seen = {name: users[name] for name in sorted(users)}
    foreseen = forecast(seen, policy, occasion)
    order = Order(
        run_id="preview",
        total=len(seen),
        with_keys=sum(any(key.active for key in user.keys) for user in seen.values()),
        root_has_keys=root_keys,
        user_names=(),
    )
    days = [occasion.today + timedelta(days=ahead) for ahead in range(_DAYS_SHOWN)]
    replaced = foreseen.replaced
    return Preview(
        today=occasion.today,
        policy=policy,
        rows=tuple(
            row for name, user in seen.items() for row in _rows(listed[name], user, foreseen, occasion.today)
        ),
        days=tuple((day, replaced[day], foreseen.waiting[day]) for day in days),
        account=tuple(item.text for item in account_items(order, policy, listeners=occasion.listeners)),
    )


def _everybody(iam: "IAMClient", path_prefix: str, progress: Callable[[str], None]) -> dict[str, Listed]:
    listed: dict[str, Listed] = {}
    for user in list_users(iam, path_prefix):
        name = user["UserName"]
        created_on = user["CreateDate"].astimezone(UTC).date()
        listed[name] = Listed(name=name, id=user["UserId"], created_on=created_on)
        progress(f"{len(listed)} users listed")
    return listed


def _rows(listed: Listed, user: User, foreseen: Forecast, today: date) -> Iterator[Row]:
    changes = [each for each in foreseen.changes if each.user_name == user.name]
    plan = foreseen.plans.get(user.name)
    items = [item for item in plan.items if item.level is not Level.UPCOMING] if plan else []
    keys: list[Key | None] = [*sorted(user.keys, key=lambda key: key.seniority)]
    if not keys:
        keys = [None]
    known = {key.id for key in user.keys}
    for place, key in enumerate(keys):
        # What is about the user, or about a key that is yet to be made, stands beside the oldest key.
        about = {key.id if key else None} | ({None} if place == 0 else set())
        of_key = [each for each in changes if (each.key_id if each.key_id in known else None) in about]
        first = min(of_key, key=lambda each: each.on, default=None)
        asks = [item.text for item in items if (item.key_id if item.key_id in known else None) in about]
        use = key.use if key and key.used_on else None
        yield Row(
            user=user.name,
            user_id=listed.id,
            user_created_on=listed.created_on,
            key=key.id if key else "",
            status=key.status if key else "",
            age_days=(today - key.created_on).days if key else None,
            last_used_on=key.used_on if key else None,
            last_used_service=use.service if use else "",
            on=first.on if first else None,
            what=_what(first) if first else "",
            why=_printable(_why(first)) if first else "",
            asks=_printable("; ".join(asks)),
        )


def _what(change: Change) -> str:
    match change.action:
        case Replace(old_key_off_on=off_on):
            return f"replace, old key off {off_on}" if off_on else "replace"
        case Deactivate():
            return "switch off"
        case Delete():
            return "delete"
        case Promote():
            return "finish an interrupted replacement"
        case DeleteOrphan():
            return "undo an interrupted replacement"
        case _:
            assert_never(change.action)


def _why(change: Change) -> str:
    return change.action.why if isinstance(change.action, Replace | Deactivate | Delete) else ""


def _printable(text: str) -> str:
    """Tags are written by others, and this goes to a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)


# The three renderings.


def table(found: Preview, out: TextIO) -> None:
    """For people: the keys, who should act, and the days to come."""
    heads = ["USER", "USER ID", "CREATED", "KEY", "STATUS", "AGE", "LAST USED", "WOULD", "ON"]
    lines = [
        [
            row.user,
            row.user_id,
            str(row.user_created_on),
            row.key or "-",
            row.status or "-",
            "-" if row.age_days is None else str(row.age_days),
            f"{row.last_used_on} {row.last_used_service}" if row.last_used_on else "-",
            row.what or "-",
            str(row.on or "-"),
        ]
        for row in found.rows
    ]
    widths = [max(len(line[at]) for line in [heads, *lines]) for at in range(len(heads))]
    out.writelines(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in [heads, *lines]
    )
    asking = [(row.user, row.key, row.asks) for row in found.rows if row.asks]
    if asking or found.account:
        out.write("\nTo be told, and done by nobody but people:\n")
        out.writelines(f"  {text}\n" for text in found.account)
        out.writelines(f"  {' '.join(filter(None, [user, key]))}: {text}\n" for user, key, text in asking)
    out.write(f"\nReplacements, at most {found.policy.max_users_per_run} users changed a day:\n")
    out.writelines(
        f"  {day}  {replaced:4}" + (f"  ({waiting} wait for the next day)" if waiting else "") + "\n"
        for day, replaced, waiting in found.days
    )
    users = len({row.user for row in found.rows})
    keys = sum(row.status == "Active" for row in found.rows)
    over = sum(
        row.status == "Active" and (row.age_days or 0) >= found.policy.max_key_age_days for row in found.rows
    )
    out.write(
        f"\n{users} users, {keys} active keys, {over} of them {found.policy.max_key_age_days} days old or older. "
        "As things are: it is supposed that keys in use stay in use. Nothing was changed.\n"
    )


def comma_separated(found: Preview, out: TextIO) -> None:
    """A line per key, and per user without keys."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([each.name for each in fields(Row)])
    writer.writerows([getattr(row, each.name) for each in fields(Row)] for row in found.rows)


def as_json(found: Preview, out: TextIO) -> None:
    """For machines: everything."""
    told = {
        "version": 1,
        "today": found.today,
        "policy": {parameter_name(each.name): getattr(found.policy, each.name) for each in fields(Policy)},
        "keys": [asdict(row) for row in found.rows],
        "days": [
            {"on": day, "replaced": replaced, "waiting": waiting} for day, replaced, waiting in found.days
        ],
        "account": found.account,
    }
    out.write(json.dumps(told, indent=2, default=str) + "\n")


# What can go wrong, in one line.


def why_failed(error: Exception) -> str:
    """What to do about it stands in the same line; nothing of a request or a key does."""
    if isinstance(error, failure.ProfileNotFound):
        return "there is no such AWS profile: see `aws configure list-profiles`"
    if isinstance(error, failure.PartialCredentialsError):
        return "the AWS credentials are incomplete: an access key id and a secret access key belong together"
    if isinstance(error, failure.NoCredentialsError):
        return "there are no AWS credentials: sign in (`aws sso login`), or set AWS_PROFILE"
    if isinstance(error, failure.NoRegionError):
        return "no AWS Region is set: name the stack's with --region or AWS_REGION"
    if isinstance(error, _LOGIN_ENDED) or is_code(error, *_EXPIRED):
        return "the AWS credentials have expired: sign in again"
    if is_code(error, *_REFUSED):
        return "AWS does not know these credentials: the key is deleted, inactive or mistyped"
    if is_code(error, *_DENIED):
        return f"access denied: these credentials lack {_missing(error)}"
    if is_code(error, *THROTTLED):
        return f"AWS throttles this account's calls, {TRIES} times in a row: try again in some minutes"
    if isinstance(error, failure.SSLError):
        return "TLS failed: the endpoint's certificate is not trusted (behind a proxy, set AWS_CA_BUNDLE)"
    if isinstance(error, _UNREACHABLE):
        return "AWS cannot be reached: look at the network, the proxy and AWS_ENDPOINT_URL"
    return f"AWS could not be asked ({cause_of(error)})"


def _missing(error: Exception) -> str:
    """The action as a policy names it: AWS tells it, and the operation's name says it otherwise."""
    told = cause_of(error)
    if named := re.search(r"perform: ([a-z]+:[A-Za-z]+)", told):
        return named[1]
    operation = told.partition(":")[0]
    return f"{'secretsmanager' if 'Secret' in operation else 'iam'}:{operation}"


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
    parser.add_argument("--user-path-prefix", default="/", help="only users below this path (default: /)")
    for each in fields(Policy):
        option = f"--{each.name.replace('_', '-')}"
        told = f"the parameter {parameter_name(each.name)} (default: {each.default})"
        parser.add_argument(option, type=int, default=each.default, metavar="N", help=told)
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], now=datetime.now(UTC), stdout=sys.stdout, stderr=sys.stderr))
