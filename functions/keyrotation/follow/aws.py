"""The two questions that are put to AWS, by botocore: what does the secret hold, and whose key is this."""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from keyrotation.follow.store import AccessKey
from keyrotation.follow.told import Told

# Seconds for one answer: a program waits for ours, and some SDKs give it no more than a minute.
CONNECT, READ = 4, 8


class Failed(Told):
    """No answer that could be used."""


class Refused(Failed):
    """AWS answered, and it was an error; `code` is AWS's word for it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Offer:
    """What the secret holds as AWSCURRENT. `key` None: no key was issued yet."""

    user_name: str
    key: AccessKey | None


class Aws:
    """AWS in one Region. Both questions raise Failed."""

    def __init__(self, region: str) -> None:
        self._region = region

    def current(self, key: AccessKey, secret: str) -> Offer:
        """The secret's value, asked with `key`."""
        answer = self._ask(
            key, "secretsmanager", "GetSecretValue", SecretId=secret, VersionStage="AWSCURRENT"
        )
        try:
            value = json.loads(answer["SecretString"])
            return Offer(user_name=value["UserName"], key=AccessKey.of(value))
        except (KeyError, TypeError, ValueError):
            raise Failed("the secret is not as the rotation writes it") from None

    def owner(self, key: AccessKey) -> str:
        """The ARN of whoever `key` belongs to. It needs no permission."""
        arn = self._ask(key, "sts", "GetCallerIdentity").get("Arn")
        if not isinstance(arn, str):
            raise Failed("GetCallerIdentity without an Arn")
        return arn

    def _ask(self, key: AccessKey, service: str, operation: str, **parameters: str) -> dict[str, Any]:
        # Only here: importing botocore takes longer than everything that happens between two looks.
        from botocore import xform_name  # noqa: PLC0415
        from botocore.config import Config  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415
        from botocore.session import Session  # noqa: PLC0415

        try:
            session = Session()
            # Versions before 1.36 ask sts in us-east-1 otherwise, which a private network may not reach.
            session.set_config_variable("sts_regional_endpoints", "regional")
            client = session.create_client(
                service,
                region_name=self._region,
                # Given here, so that no profile is asked for them: the profile's process is this program.
                aws_access_key_id=key.id,
                aws_secret_access_key=key.secret,
                config=Config(connect_timeout=CONNECT, read_timeout=READ, retries={"total_max_attempts": 1}),
            )
            with closing(client):
                answer: dict[str, Any] = getattr(client, xform_name(operation))(**parameters)
                return answer
        except ClientError as error:
            raise Refused(_word(error.response.get("Error", {}).get("Code"))) from None
        except (BotoCoreError, OSError, ValueError) as error:
            raise Failed(type(error).__name__) from None


def _word(code: object) -> str:
    """A proxy's page may stand where AWS's word should."""
    return code if isinstance(code, str) and re.fullmatch(r"[A-Za-z0-9.]{1,80}", code) else "an unknown error"
