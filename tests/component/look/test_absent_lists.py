"""IAM's protocol leaves a list without members out, and botocore then has no key for it: nobody is there, and nothing fails."""

from typing import Any

import boto3
import pytest
from botocore.stub import Stubber
from keyrotation.look.inventory import account_alias, list_keys, list_users


@pytest.fixture
def iam() -> Any:
    return boto3.client("iam", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")


def test_an_account_without_users_has_none(iam: Any) -> None:
    with Stubber(iam) as answers:
        answers.add_response("get_account_authorization_details", {"IsTruncated": False})
        assert list(list_users(iam, "/")) == []


def test_a_user_without_keys_has_none(iam: Any) -> None:
    with Stubber(iam) as answers:
        # The model has it as required; the parser does not ask.
        answers._validate_response = lambda *_: None  # type: ignore[attr-defined]
        answers.add_response("list_access_keys", {"IsTruncated": False})
        assert list(list_keys(iam, "alice")) == []


def test_an_account_without_an_alias_has_none(iam: Any) -> None:
    with Stubber(iam) as answers:
        answers._validate_response = lambda *_: None  # type: ignore[attr-defined]
        answers.add_response("list_account_aliases", {"IsTruncated": False})
        assert account_alias(iam) == ""
