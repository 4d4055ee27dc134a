"""What the rotator sees of one user, read anew: the order's picture is never trusted."""

from dataclasses import replace
from typing import TYPE_CHECKING

from keyrotation.causes import CALL_ERRORS, cause_of
from keyrotation.inventory import list_keys
from keyrotation.model import Key, LastUse, User, secret_name
from keyrotation.secret_store import SecretStore

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


def observe(user_name: str, *, iam: "IAMClient", secrets: SecretStore, path_prefix: str = "/") -> User:
    """Never raises what AWS answers: a read that failed is in `unread`, and then the rest is not to be used.

    Nor is a user looked at who is not below `path_prefix`: an order may name anybody.
    """
    try:
        return read(user_name, iam=iam, secrets=secrets, path_prefix=path_prefix)
    except CALL_ERRORS as error:
        return User(name=user_name, unread=(f"it could not be read ({cause_of(error)})",))


def read(user_name: str, *, iam: "IAMClient", secrets: SecretStore, path_prefix: str) -> User:
    """The same for whoever wants to know what went wrong: raises what botocore raises."""
    found = iam.get_user(UserName=user_name)["User"]
    if not found["Path"].startswith(path_prefix):
        path = f"its path is {found['Path']}, and UserPathPrefix is {path_prefix}"
        return User(name=user_name, unread=(path,))
    return User(
        name=user_name,
        arn=found["Arn"],
        keys=tuple(_with_last_use(iam, key) for key in list_keys(iam, user_name)),
        tags={tag["Key"]: tag["Value"] for tag in found.get("Tags", [])},
        secret=secrets.describe(secret_name(user_name)),
    )


def _with_last_use(iam: "IAMClient", key: Key) -> Key:
    used = iam.get_access_key_last_used(AccessKeyId=key.id)["AccessKeyLastUsed"]
    # IAM leaves the date out for a key that was never used; that the call succeeded is what makes it "never".
    if "LastUsedDate" not in used:
        return key
    last_use = LastUse(at=used["LastUsedDate"], service=used["ServiceName"], region=used["Region"])
    return replace(key, last_use=last_use)
