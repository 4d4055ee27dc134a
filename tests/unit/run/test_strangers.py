"""Readers of another account: with a key of one's own, or by mistake."""

import pytest
from keyrotation.run.settings import SettingsError, refuse_strangers

ACCOUNT = "123456789012"
OURS = f"arn:aws:iam::{ACCOUNT}:role/deployer"
THEIRS = "arn:aws:iam::999999999999:role/deployer"
KEY = f"arn:aws:kms:eu-west-1:{ACCOUNT}:key/mine"


def test_a_reader_of_another_account_is_refused_by_name_while_aws_own_key_encrypts_the_secrets() -> None:
    """Every replacement would name it in the secret's policy, and it could read none."""
    with pytest.raises(SettingsError, match=THEIRS):
        refuse_strangers([OURS, THEIRS], account=ACCOUNT, kms_key_arn=None)


def test_with_a_key_of_ones_own_it_can_be_meant_and_readers_of_this_account_always_can() -> None:
    refuse_strangers([OURS, THEIRS], account=ACCOUNT, kms_key_arn=KEY)
    refuse_strangers([OURS], account=ACCOUNT, kms_key_arn=None)
