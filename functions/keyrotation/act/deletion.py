"""Deleting an access key for good, and whether its user is there under the name that was seen."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from keyrotation.causes import is_code
from keyrotation.model import User

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


def delete_key(iam: "IAMClient", user: User, key_id: str) -> None:
    """One that somebody has deleted meanwhile is deleted. Raises what botocore raises.

    Of a key that is gone and of a user who has another name now IAM says the same: where the user is not there any more under
    the name, nobody knows that the key is gone.
    """
    try:
        iam.delete_access_key(UserName=user.name, AccessKeyId=key_id)
    except ClientError as error:
        if not is_code(error, "NoSuchEntity") or not is_there(iam, user):
            raise


def is_there(iam: "IAMClient", user: User) -> bool:
    """Under the same name, and not another user who has taken it. Raises what botocore raises."""
    try:
        return iam.get_user(UserName=user.name)["User"]["UserId"] == user.id
    except ClientError as error:
        if is_code(error, "NoSuchEntity"):
            return False
        raise
