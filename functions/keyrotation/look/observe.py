"""What the rotator sees of users, read anew: the order's picture is never trusted."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from keyrotation.causes import CALL_ERRORS, cause_of, is_code
from keyrotation.look.inventory import (
    Profile,
    list_keys,
    list_users,
    profile_of,
    profile_of_one,
    quarantine_among,
    user_of,
)
from keyrotation.look.secrets import describe
from keyrotation.model import ATTACHED, STORE, UNASKED, Key, LastUse, User
from keyrotation.remember.table import MemoryRefused, Readings, Table

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_secretsmanager import SecretsManagerClient


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where everything about a user is read from. Nobody is looked at who is not below `path_prefix`: an order may name anybody."""

    iam: "IAMClient"
    secrets: "SecretsManagerClient"
    table: Table
    path_prefix: str


@dataclass(frozen=True, kw_only=True)
class Observer:
    """Looks at keys, tags and memory, and at last uses, the secret and attached policies only when it is asked for them.

    Never raises what AWS answers: a read that failed is in `unread`, and then the rest is not to be used. `listed` and
    `readings`: profiles and memories of the beginning of the run.
    """

    sources: Sources
    listed: Mapping[str, Profile] = field(repr=False)
    readings: Readings = field(repr=False)

    def glance(self, user_name: str) -> User:
        """With the tags and the memory of the beginning of the run: good for telling, and for who is to be looked at before acting."""

        def seen() -> User:
            profile = self.listed.get(user_name) or _profile(self.sources.iam, user_name)
            return _seen(profile, self.readings, self.sources)

        return self._caught(user_name, seen)

    def look(self, user_name: str) -> User:
        """Keys, tags and memory as they are now."""
        return self._caught(user_name, lambda: _now(user_name, self.sources))

    def look_up(self, user: User, what: str) -> User:
        """With one fact more: the last use of the key of this id, or STORE, or ATTACHED."""
        seen = self._caught(user.name, lambda: _with(user, what, self.sources))
        return seen if not seen.unread else replace(seen, unread_fact=what)

    def everything(self, user_name: str) -> User:
        """All that there is to know, at once and as it is now."""
        return self._caught(user_name, lambda: read(user_name, self.sources))

    def _caught(self, user_name: str, reading: Callable[[], User]) -> User:
        """Of who cannot be read, memory says all the same what was told: in Audit it is to be forgotten."""
        user = caught(user_name, reading)
        return user if not user.unread else replace(user, memory=self.readings.named(user_name))


def listed_profiles(iam: "IAMClient", *, path_prefix: str, names: Iterable[str]) -> dict[str, Profile]:
    """Of those of these users who are there, in a call for each thousand of the account. Raises what botocore raises."""
    wanted = set(names)
    return {
        user["UserName"]: profile_of(user)
        for user in list_users(iam, path_prefix)
        if user["UserName"] in wanted
    }


def observe(user_name: str, sources: Sources) -> User:
    """All that there is to know, at once; otherwise as Observer."""
    return caught(user_name, lambda: read(user_name, sources))


def read(user_name: str, sources: Sources) -> User:
    """The same for whoever wants to know what went wrong: raises what botocore raises, and MemoryRefused."""
    return _with_everything(_now(user_name, sources), sources)


def read_listed(profile: Profile, readings: Readings, sources: Sources) -> User:
    """All that there is to know of a user whom a listing has just told of. Raises what botocore raises."""
    return _with_everything(_seen(profile, readings, sources), sources)


def _with_everything(user: User, sources: Sources) -> User:
    # Also of a user whose memory cannot be read: nothing is done, and a preview shows the keys all the same.
    unasked = [key.id for key in user.keys] + [STORE] + [ATTACHED] * (user.quarantine is UNASKED)
    for what in unasked:
        user = _with(user, what, sources)
    return user


def caught(user_name: str, reading: Callable[[], User]) -> User:
    try:
        return reading()
    except CALL_ERRORS as error:
        if is_code(error, "NoSuchEntity"):
            return User(name=user_name, gone=True)
        return User(name=user_name, unread=(f"it could not be read ({cause_of(error)})",))
    except MemoryRefused as refused:
        return User(name=user_name, unread=(str(refused),))


def _profile(iam: "IAMClient", user_name: str) -> Profile:
    return profile_of_one(iam.get_user(UserName=user_name)["User"])


def _now(user_name: str, sources: Sources) -> User:
    profile = _profile(sources.iam, user_name)
    memory = sources.table.read(profile.id)
    return _seen(profile, Readings(memories={profile.id: memory}, unread={}), sources)


def _seen(profile: Profile, readings: Readings, sources: Sources) -> User:
    if not profile.path.startswith(sources.path_prefix):
        path = f"its path is {profile.path}, and UserPathPrefix is {sources.path_prefix}"
        return User(name=profile.name, unread=(path,))
    return user_of(profile, tuple(list_keys(sources.iam, profile.name)), readings)


def _with(user: User, what: str, sources: Sources) -> User:
    if what == STORE:
        arn = user.memory.secret_arn
        return replace(user, secret=None if arn is None else describe(sources.secrets, arn))
    if what == ATTACHED:
        return replace(user, quarantine=quarantine_among(_attached(sources.iam, user.name)))
    return replace(
        user,
        keys=tuple(_with_last_use(sources.iam, key) if key.id == what else key for key in user.keys),
    )


def _attached(iam: "IAMClient", user_name: str) -> Iterable[str]:
    for page in iam.get_paginator("list_attached_user_policies").paginate(UserName=user_name):
        yield from (policy["PolicyArn"] for policy in page.get("AttachedPolicies", []))


def _with_last_use(iam: "IAMClient", key: Key) -> Key:
    used = iam.get_access_key_last_used(AccessKeyId=key.id)["AccessKeyLastUsed"]
    # IAM leaves the date out for a key that was never used; that the call succeeded is what makes it "never".
    if "LastUsedDate" not in used:
        return replace(key, last_use=None)
    last_use = LastUse(at=used["LastUsedDate"], service=used["ServiceName"], region=used["Region"])
    return replace(key, last_use=last_use)
