"""Reading one account for a preview, by calls that only read."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from keyrotation.causes import is_code
from keyrotation.look.inventory import list_users, profile_of, root_has_keys
from keyrotation.look.observe import Sources, read_listed
from keyrotation.model import User
from keyrotation.preview.outlook import Found, Listed
from keyrotation.remember.table import Readings, Table

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

WORKERS = 10


def read_account(sources: Sources, progress: Callable[[str], None]) -> Found:
    """Everybody below the path. Raises what botocore raises: a part of the account is not the account."""
    try:
        listed, elsewhere = _everybody(sources.iam, sources.path_prefix, progress)
        readings = _remembered(sources.table)
        users = _users(listed, readings or Readings(memories={}, unread={}), sources, progress)
    finally:
        progress("")
    return Found(
        listed=listed,
        users=users,
        elsewhere=elsewhere,
        root_keys=root_has_keys(sources.iam),
        deployed=readings is not None,
    )


def _everybody(
    iam: "IAMClient", path_prefix: str, progress: Callable[[str], None]
) -> tuple[dict[str, Listed], Counter[str]]:
    """Those below the path; and how many have each other path."""
    listed: dict[str, Listed] = {}
    elsewhere: Counter[str] = Counter()
    for user in list_users(iam, "/"):
        if not user["Path"].startswith(path_prefix):
            elsewhere[user["Path"]] += 1
            continue
        created_on = user["CreateDate"].astimezone(UTC).date()
        listed[user["UserName"]] = Listed(profile=profile_of(user), created_on=created_on)
        progress(f"{len(listed)} users listed")
    return listed, elsewhere


def _remembered(table: Table) -> Readings | None:
    """None: there is no table in this Region. Raises what botocore raises."""
    try:
        return table.read_all()
    except ClientError as error:
        if is_code(error, "ResourceNotFoundException"):
            return None
        raise


def _users(
    listed: dict[str, Listed], readings: Readings, sources: Sources, progress: Callable[[str], None]
) -> dict[str, User]:
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
    return users
