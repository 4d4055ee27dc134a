"""The forms in which `refresh --print` writes a key, for what reads none of AWS's own files by itself."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from keyrotation.follow.store import AccessKey


def _env(key: AccessKey) -> str:
    """For `docker run --env-file`, systemd's EnvironmentFile, `set -a; . file`. A key has no character to quote."""
    return f"AWS_ACCESS_KEY_ID={key.id}\nAWS_SECRET_ACCESS_KEY={key.secret}\n"


def _json(key: AccessKey) -> str:
    return json.dumps({"Version": 1, **key.named()}) + "\n"


def _credentials_file(key: AccessKey) -> str:
    return f"[default]\naws_access_key_id = {key.id}\naws_secret_access_key = {key.secret}\n"


FORMATS: Mapping[str, Callable[[AccessKey], str]] = {
    "env": _env,
    "json": _json,
    "credentials-file": _credentials_file,
}
