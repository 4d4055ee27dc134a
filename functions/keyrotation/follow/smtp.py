"""The password of SES's SMTP interface, which is derived from a secret access key (AWS's algorithm, version 4)."""

from __future__ import annotations

import base64
import hashlib
import hmac

_VERSION = b"\x04"
# The signing key of one fixed day, for everybody: that is the algorithm.
_STEPS = ("11111111", "{region}", "ses", "aws4_request", "SendRawEmail")


def smtp_password(secret: str, region: str) -> str:
    """For the SMTP endpoint of that Region; the user name is the access key id."""
    signed = f"AWS4{secret}".encode()
    for step in _STEPS:
        signed = hmac.new(signed, step.format(region=region).encode(), hashlib.sha256).digest()
    return base64.b64encode(_VERSION + signed).decode()
