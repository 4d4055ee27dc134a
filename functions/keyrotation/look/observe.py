"""What the rotator sees of users, read anew: the order's picture is never trusted."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from keyrotation.causes import CALL_ERRORS, cause_of
from keyrotation.look.inventory import Profile, list_keys, list_users, profile_of
from keyrotation.look.secrets import describe
from keyrotation.model import STORE, UNASKED, Key, LastUse, User, secret_name

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_secretsmanager import SecretsManagerClient


@dataclass(frozen=True, kw_only=True)
class Observer:
    """Looks at keys and tags, and at last uses and the secret only when it is asked for them: a call each.

    Never raises what AWS answers: a read that failed is in `unread`, and then the rest is not to be used. Nor is a user
    looked at who is not below `path_prefix`: an order may name anybody. `listed`: profiles of a while ago, for whom there
    are any.
    """

    iam: "IAMClient"
    secrets: "SecretsManagerClient"
    path_prefix: str
    listed: Mapping[str, Profile] = field(repr=False)

    def glance(self, user_name: str) -> User:
        """With the tags that the listing had: good for telling, and for who is to be looked at before acting."""
        listed = self.listed.get(user_name)
        return self.look(user_name) if listed is None else _caught(user_name, lambda: self._of(listed))

    def look(self, user_name: str) -> User:
        """Keys and tags as they are now."""
        return _caught(user_name, lambda: self._of(_profile(self.iam, user_name)))

    def look_up(self, user: User, what: str) -> User:
        """With one fact more: the last use of the key of this id, or STORE."""
        return _caught(user.name, lambda: _with(user, what, iam=self.iam, secrets=self.secrets))

    def _of(self, profile: Profile) -> User:
        return _seen(profile, iam=self.iam, path_prefix=self.path_prefix)


def listed_profiles(iam: "IAMClient", *, path_prefix: str, names: Iterable[str]) -> dict[str, Profile]:
    """Of those of these users who are there, in a call for each thousand of the account. Raises what botocore raises."""
    wanted = set(names)
    return {
        user["UserName"]: profile_of(user)
        for user in list_users(iam, path_prefix)
        if user["UserName"] in wanted
    }


def observe(user_name: str, *, iam: "IAMClient", secrets: "SecretsManagerClient", path_prefix: str) -> User:
    """All that there is to know, at once; otherwise as Observer."""
    return _caught(user_name, lambda: read(user_name, iam=iam, secrets=secrets, path_prefix=path_prefix))


def read(user_name: str, *, iam: "IAMClient", secrets: "SecretsManagerClient", path_prefix: str) -> User:
    """The same for whoever wants to know what went wrong: raises what botocore raises."""
    user = _seen(_profile(iam, user_name), iam=iam, path_prefix=path_prefix)
    if user.unread:
        return user
    for what in (*(key.id for key in user.keys), STORE):
        user = _with(user, what, iam=iam, secrets=secrets)
    return user


def _caught(user_name: str, reading: Callable[[], User]) -> User:
    try:
        return reading()
    except CALL_ERRORS as error:
        return User(name=user_name, unread=(f"it could not be read ({cause_of(error)})",))


def _profile(iam: "IAMClient", user_name: str) -> Profile:
    return profile_of(iam.get_user(UserName=user_name)["User"])


def _seen(profile: Profile, *, iam: "IAMClient", path_prefix: str) -> User:
    if not profile.path.startswith(path_prefix):
        path = f"its path is {profile.path}, and UserPathPrefix is {path_prefix}"
        return User(name=profile.name, unread=(path,))
    return User(
        name=profile.name,
        arn=profile.arn,
        keys=tuple(list_keys(iam, profile.name)),
        tags=profile.tags,
        secret=UNASKED,
    )


def _with(user: User, what: str, *, iam: "IAMClient", secrets: "SecretsManagerClient") -> User:
    if what == STORE:
        return replace(user, secret=describe(secrets, secret_name(user.name)))
    return replace(user, keys=tuple(_with_last_use(iam, key) if key.id == what else key for key in user.keys))


def _with_last_use(iam: "IAMClient", key: Key) -> Key:
    used = iam.get_access_key_last_used(AccessKeyId=key.id)["AccessKeyLastUsed"]
    # IAM leaves the date out for a key that was never used; that the call succeeded is what makes it "never".
    if "LastUsedDate" not in used:
        return replace(key, last_use=None)
    last_use = LastUse(at=used["LastUsedDate"], service=used["ServiceName"], region=used["Region"])
    return replace(key, last_use=last_use)
