"""Every IAM user with tags and keys, in as few calls as IAM allows."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from keyrotation.causes import CALL_ERRORS, cause_of, is_code
from keyrotation.model import UNASKED, Key, Unasked, User
from keyrotation.remember.table import Readings

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iam.type_defs import UserDetailTypeDef, UserTypeDef

# AWS's own policies have no account in their ARN: one of this name that somebody else made says nothing.
_OF_AWS, _QUARANTINE = ":iam::aws:policy/", "AWSCompromisedKeyQuarantine"


@dataclass(frozen=True, kw_only=True)
class Profile:
    """What IAM says of a user beside the keys.

    `quarantine`: the policy that AWS attaches to a user whose key it found exposed; GetUser does not tell.
    """

    name: str
    id: str
    arn: str
    path: str
    tags: Mapping[str, str]
    quarantine: str | Unasked | None


@dataclass(frozen=True, kw_only=True)
class Scan:
    """`total`: users below the path, `with_keys` of them with an active key; `named`: those who go into the order.

    `unread`: causes by name; those users count as having keys, and are named too. `active_since`: when each active
    key that could be listed was made. `gone`: the ids of users whom memory knows and the account does not have.
    """

    total: int
    with_keys: int
    named: tuple[str, ...]
    unread: dict[str, str]
    active_since: tuple[datetime, ...]
    gone: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Looked:
    user_name: str
    gone: bool = False
    named: bool = True
    cause: str | None = None
    active_since: tuple[datetime, ...] = ()


def scan(
    iam: "IAMClient",
    *,
    path_prefix: str,
    readings: Readings,
    may_concern: Callable[[User], bool],
    workers: int,
) -> Scan:
    """Look at every user below `path_prefix`, `workers` at a time; `may_concern` takes a user without last uses and secret.

    `readings`: the whole table, as it was when the scan began.

    A user whose keys cannot be listed goes into the order: something might be due, and the rotator looks
    again. An error of the listing itself is raised: a part of the account is not the account.
    """

    def look(listed: Profile) -> _Looked:
        name = listed.name
        try:
            keys = tuple(list_keys(iam, name))
        except CALL_ERRORS as error:
            return _Looked(user_name=name, gone=is_code(error, "NoSuchEntity"), cause=cause_of(error))
        active_since = tuple(key.created for key in keys if key.active)
        return _Looked(
            user_name=name,
            named=may_concern(user_of(listed, keys, readings)),
            active_since=active_since,
        )

    ids: set[str] = set()

    def everybody() -> Iterator[Profile]:
        for user in list_users(iam, "/"):
            ids.add(user["UserId"])
            yield profile_of(user)

    with ThreadPoolExecutor(workers) as pool:
        # By name: a listing that changes between two of its pages may name a user twice.
        # Of a page, which has everybody's policies too, no more is kept than this.
        listed = (profile for profile in everybody() if profile.path.startswith(path_prefix))
        found = {each.user_name: each for each in pool.map(look, listed) if not each.gone}
    looked = found.values()
    return Scan(
        total=len(looked),
        with_keys=sum(bool(each.active_since) or each.cause is not None for each in looked),
        named=tuple(sorted(each.user_name for each in looked if each.named)),
        unread={each.user_name: each.cause for each in looked if each.cause is not None},
        active_since=tuple(since for each in looked for since in each.active_since),
        gone=tuple(sorted(set(readings.memories) - ids)),
    )


def list_users(iam: "IAMClient", path_prefix: str) -> Iterator["UserDetailTypeDef"]:
    """As IAM tells them: this listing carries the tags, which ListUsers leaves out, but takes no path.

    One that changes between two of its pages may name a user twice. Raises what botocore raises.
    """
    pages = iam.get_paginator("get_account_authorization_details").paginate(
        Filter=["User"], PaginationConfig={"PageSize": 1000}
    )
    for page in pages:
        # Left out of an answer that has none, as every list may be.
        for user in page.get("UserDetailList", []):
            if user["Path"].startswith(path_prefix):
                yield user


def profile_of(user: "UserDetailTypeDef") -> Profile:
    """As the listing tells it."""
    attached = [policy["PolicyArn"] for policy in user.get("AttachedManagedPolicies", [])]
    return _profile(user, quarantine_among(attached))


def profile_of_one(user: "UserTypeDef") -> Profile:
    """As GetUser tells it."""
    return _profile(user, UNASKED)


def quarantine_among(policy_arns: Iterable[str]) -> str | None:
    """The name of AWS's own policy that says that a key of the user was found exposed; None: there is none."""
    names = (arn.partition(_OF_AWS)[2] for arn in policy_arns if _OF_AWS in arn)
    return next((name for name in names if name.startswith(_QUARANTINE)), None)


def user_of(profile: Profile, keys: tuple[Key, ...], readings: Readings) -> User:
    """What a listing, the keys and the table tell of one user; nobody asked for last uses and the secret yet."""
    unread = readings.unread.get(profile.id)
    return User(
        name=profile.name,
        id=profile.id,
        arn=profile.arn,
        keys=keys,
        tags=profile.tags,
        secret=UNASKED,
        quarantine=profile.quarantine,
        memory=readings.of(profile.id),
        unread=() if unread is None else (unread,),
    )


def _profile(user: "UserDetailTypeDef | UserTypeDef", quarantine: str | Unasked | None) -> Profile:
    return Profile(
        name=user["UserName"],
        id=user["UserId"],
        arn=user["Arn"],
        path=user["Path"],
        tags={tag["Key"]: tag["Value"] for tag in user.get("Tags", [])},
        quarantine=quarantine,
    )


def root_has_keys(iam: "IAMClient") -> bool:
    """The root user is not among the users, and its keys are never touched: only told. Raises what botocore raises."""
    return iam.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] > 0


def account_alias(iam: "IAMClient") -> str:
    """What people call the account; empty when it has no alias. Raises what botocore raises."""
    aliases = iam.list_account_aliases().get("AccountAliases", [])
    return aliases[0] if aliases else ""


def list_keys(iam: "IAMClient", user_name: str) -> Iterator[Key]:
    """A user's keys; nobody asked for their last use. Raises what botocore raises."""
    for page in iam.get_paginator("list_access_keys").paginate(UserName=user_name):
        for key in page.get("AccessKeyMetadata", []):
            yield Key(
                id=key["AccessKeyId"], status=key["Status"], created=key["CreateDate"], last_use=UNASKED
            )
