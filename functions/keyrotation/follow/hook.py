"""`refresh --then`: a command brings a new key to where it is used."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from keyrotation.follow.store import AccessKey

# Whatever would win over the key that the command is given, in the SDKs and in the AWS CLI.
IN_THE_WAY = ("AWS_SESSION_TOKEN", "AWS_SECURITY_TOKEN", "AWS_PROFILE", "AWS_DEFAULT_PROFILE")
_STDERR = 2


def hand_over(command: str, key: AccessKey, environment: Mapping[str, str]) -> str | None:
    """Run it in the shell. The key goes by environment and standard input: everybody may read a process's arguments.

    None: it took the key; otherwise why not. What it prints goes to stderr: stdout is ours.
    """
    surroundings = {name: value for name, value in environment.items() if name not in IN_THE_WAY}
    done = subprocess.run(  # noqa: S602  # it is a command line, of the person who runs this program
        command,
        shell=True,
        check=False,
        env={
            **surroundings,
            "AWS_ACCESS_KEY_ID": key.id,
            "AWS_SECRET_ACCESS_KEY": key.secret,
        },
        input=json.dumps({"Version": 1, **key.named()}).encode(),
        stdout=_STDERR,
    )
    return None if done.returncode == 0 else f"it ended with {done.returncode}"
