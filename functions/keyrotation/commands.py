"""The commands that a mail tells people to copy."""

import shlex

from keyrotation.model import secret_name


def set_status(user_name: str, key_id: str, status: str) -> str:
    return f"aws iam update-access-key {_key(user_name, key_id)} --status {status}"


def delete_key(user_name: str, key_id: str) -> str:
    return f"aws iam delete-access-key {_key(user_name, key_id)}"


def fetch_new_key(user_name: str, *, region: str) -> str:
    """For the owner, signed with the old key while it works; secrets are in one Region, IAM is not."""
    name = shlex.quote(secret_name(user_name))
    return (
        f"aws secretsmanager get-secret-value --region {region} --secret-id {name} "
        "--query SecretString --output text"
    )


def _key(user_name: str, key_id: str) -> str:
    return f"--user-name {shlex.quote(user_name)} --access-key-id {key_id}"
