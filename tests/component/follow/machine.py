"""A consumer's machine: a home directory with a store in it, and access-key-follow as a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from keyrotation.follow.adopt import secret_name
from keyrotation.follow.store import State, Store

from tests.component.follow.endpoint import OLD, REGION, SECRETS, USER, Account

CHECKOUT = Path(__file__).parents[3]
FOLLOW = (sys.executable, "-m", "keyrotation.follow")


@dataclass
class Machine:
    home: Path
    account: Account
    more: dict[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Store:
        return Store(self.home / "follow.json")

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the person's own, and no way to AWS itself."""
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "PYTHONPATH": str(CHECKOUT / "functions"),
            "AWS_ENDPOINT_URL": self.account.url,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(self.home / "config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.home / "credentials"),
            **self.more,
        }

    def has(self, **more: Any) -> None:
        """The store holds the old key, and a look is due."""
        self.store.write(state(**more))

    def start(self, *words: str, program: Sequence[str] = FOLLOW, **more: Any) -> subprocess.Popen[str]:
        command, *rest = words
        return subprocess.Popen(
            [*program, command, str(self.store.path), *rest],
            cwd=self.home,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def run(self, *words: str, program: Sequence[str] = FOLLOW, **more: Any) -> tuple[int, str, str]:
        """Exit code, stdout, stderr; no secret is ever in the last."""
        with self.start(*words, program=program, **more) as process:
            out, err = process.communicate()
        assert not [secret for secret in SECRETS if secret in err]
        return process.returncode, out, err

    def served(self, **more: Any) -> str:
        """The id of the key that an SDK gets."""
        code, out, err = self.run("serve", **more)
        assert code == 0, err
        answer = json.loads(out)
        assert sorted(answer) == ["AccessKeyId", "Expiration", "SecretAccessKey", "Version"]
        key_id: str = answer["AccessKeyId"]
        return key_id


def state(**more: Any) -> State:
    name = secret_name(USER.rpartition("/")[2])
    return State(**{"region": REGION, "arn": USER, "secret": name, "key": OLD, **more})
