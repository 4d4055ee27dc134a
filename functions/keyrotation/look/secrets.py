"""What Secrets Manager tells of a user's secret without its value."""

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from keyrotation.causes import is_code
from keyrotation.model import Secret

if TYPE_CHECKING:
    from mypy_boto3_secretsmanager import SecretsManagerClient
    from mypy_boto3_secretsmanager.type_defs import DescribeSecretResponseTypeDef


def described(client: "SecretsManagerClient", secret_id: str) -> "DescribeSecretResponseTypeDef | None":
    """By its name or its ARN. None: there is no such secret. Raises what botocore raises."""
    try:
        return client.describe_secret(SecretId=secret_id)
    except ClientError as error:
        # By its code: the client makes its classes of exceptions when they are first asked for, without a lock.
        if is_code(error, "ResourceNotFoundException"):
            return None
        raise


def describe(client: "SecretsManagerClient", secret_id: str) -> Secret | None:
    """The same, in this system's words."""
    found = described(client, secret_id)
    if found is None:
        return None
    stages = found.get("VersionIdsToStages", {})
    return Secret(
        stages={version: frozenset(labels) for version, labels in stages.items()},
        deleted="DeletedDate" in found,
    )
