"""The SMTP password, by four vectors of the Terraform AWS provider and by botocore's own signature."""

from __future__ import annotations

import base64

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from keyrotation.follow.smtp import smtp_password


@pytest.mark.parametrize(
    ("region", "secret", "password"),
    [
        ("eu-central-1", "some+secret+key", "BMXhUYlu5Z3gSXVQORxlVa7XPaz91aGWdfHxvkOZdWZ2"),
        ("eu-central-1", "another+secret+key", "BBbphbrQmrKMx42d1N6+C7VINYEBGI5v9VsZeTxwskfh"),
        ("us-west-1", "some+secret+key", "BH+jbMzper5WwlwUar9E1ySBqHa9whi0GPo+sJ0mVYJj"),
        ("us-west-1", "another+secret+key", "BKVmjjMDFk/qqw8EROW99bjCS65PF8WKvK5bSr4Y6EqF"),
    ],
)
def test_it_is_what_another_program_derives(region: str, secret: str, password: str) -> None:
    assert smtp_password(secret, region) == password


@pytest.mark.parametrize("region", ["eu-west-1", "us-gov-west-1"])
def test_it_is_the_signature_of_a_fixed_text_on_a_fixed_day(region: str) -> None:
    request = AWSRequest()
    request.context["timestamp"] = "11111111T000000Z"
    signed = SigV4Auth(Credentials("AKIA", "a/secret+half"), "ses", region).signature("SendRawEmail", request)
    assert base64.b64decode(smtp_password("a/secret+half", region)) == b"\x04" + bytes.fromhex(signed)
