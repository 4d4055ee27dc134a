"""What somebody else may have done to a secret, or to the owner's name, before a key is stored in it."""

from dataclasses import replace

import pytest
from botocore.exceptions import ClientError
from keyrotation.act.secret_store import ForeignPolicy, ForeignSecret
from keyrotation.model import User

from tests.component.account import ACCOUNT, REGION, Account
from tests.component.calls import Calls
from tests.component.conftest import Clients

CAROL = User(name="carol", id="AIDACAROLCAROLCAROL1", arn=f"arn:aws:iam::{ACCOUNT}:user/carol")
NAME = "access-keys/carol/credentials"
OURS = "Access key of the IAM user carol, written by access-key-rotation"


@pytest.mark.parametrize(
    "key",
    [
        "alias/mallory/aws/secretsmanager",
        f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/mallory-alias/aws/secretsmanager",
        f"arn:aws:kms:{REGION}:999999999999:alias/aws/secretsmanager",
        f"arn:aws:kms:mars-1:{ACCOUNT}:alias/aws/secretsmanager",
    ],
)
def test_a_key_of_somebody_elses_gets_no_secret_whatever_its_alias_ends_in(
    account: Account, clients: Clients, key: str
) -> None:
    """Whoever owns the key may disable it: nobody could fetch the new one, and the old one goes off."""
    account.secrets.create_secret(Name=NAME, Description=OURS, SecretString="{}", KmsKeyId=key)
    with pytest.raises(ForeignSecret, match="is encrypted with"):
        clients.secrets.make_ready(CAROL)


@pytest.mark.parametrize(
    "key",
    ["alias/aws/secretsmanager", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/secretsmanager"],
)
def test_the_key_that_aws_manages_is_taken_by_either_of_its_names(
    account: Account, clients: Clients, key: str
) -> None:
    made = account.secrets.create_secret(Name=NAME, Description=OURS, SecretString="{}", KmsKeyId=key)
    assert clients.secrets.make_ready(CAROL).arn == made["ARN"]


def test_a_path_that_a_policy_takes_for_a_variable_gets_no_key(clients: Clients) -> None:
    """The policy's ARN would be another than the owner's: nobody could fetch the new key."""
    strange = replace(CAROL, arn=f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}/carol")
    with pytest.raises(ForeignPolicy, match="another path"):
        clients.secrets.make_ready(strange)


def test_a_name_that_aws_calls_denied_is_made_all_the_same(
    account: Account, calls: Calls, clients: Clients
) -> None:
    """Nobody has said what DescribeSecret answers for a name that is not taken, under a policy for a prefix."""
    calls.refuse("DescribeSecret", "AccessDeniedException", SecretId=NAME)
    arn = clients.secrets.make_ready(CAROL).arn
    assert account.secrets.describe_secret(SecretId=NAME)["ARN"] == arn


def test_a_name_that_is_taken_and_cannot_be_looked_at_gets_no_key(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.secrets.create_secret(Name=NAME, Description=OURS, SecretString="{}")
    calls.refuse("DescribeSecret", "AccessDeniedException", SecretId=NAME)
    with pytest.raises(ClientError, match="AccessDenied"):
        clients.secrets.make_ready(CAROL)
