"""docs/runbook.md as a person follows it: its commands, run by bash as they stand there, with tests/e2e/aws.py as `aws`."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from sandbox.account import EmulatedAccount
from sandbox.clients import ADMIN, Key
from sandbox.launch import CHECKOUT
from tests.e2e import aws

RUNBOOK = CHECKOUT / "docs" / "runbook.md"
AWS = Path(__file__).with_name("aws_asks.py")


def commands(text: str) -> str:
    """The indented lines."""
    return "\n".join(line.removeprefix("    ") for line in text.splitlines() if line.startswith("    "))


class Shell:
    """bash of an administrator, with tests/e2e/aws.py as `aws`, which is put into the empty folder `binaries`."""

    def __init__(self, account: EmulatedAccount, *, binaries: Path, key: Key = ADMIN) -> None:
        self._variables = binaries / "variables"
        command = binaries / "aws"
        # Without what Python looks for at its start, most of which is longer than asking.
        asks = shlex.join([sys.executable, "-IS", str(AWS)])
        command.write_text(f'#!/bin/sh\nexec {asks} "$AWS_ANSWERS_AT" "$@"\n')
        command.chmod(0o755)
        self.environment = {
            "PATH": f"{binaries}{os.pathsep}{os.defpath}",
            "HOME": str(binaries),
            "AWS_ACCESS_KEY_ID": key.key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret,
            **({} if key.token is None else {"AWS_SESSION_TOKEN": key.token}),
            "AWS_DEFAULT_REGION": account.region,
            "AWS_ENDPOINT_URL": account.emulator.endpoint,
            "AWS_CA_BUNDLE": str(account.emulator.ca),
        }

    def run(self, *commands: str) -> str:
        """What they print. Variables stay, as in a person's shell."""
        keep = f"env -0 > {shlex.quote(str(self._variables))}"
        with aws.answering() as port:
            done = subprocess.run(
                ["bash", "-c", "\n".join(["set -aeuo pipefail", *commands, keep])],
                env={**self.environment, "AWS_ANSWERS_AT": str(port)},
                cwd=CHECKOUT,
                capture_output=True,
                text=True,
                check=False,
                timeout=120,
            )
        if done.returncode != 0:
            raise AssertionError(f"a command does not work: {done.stderr}")
        kept = self._variables.read_text().split("\0")
        self.environment = dict(each.split("=", 1) for each in kept if each)
        return done.stdout


class Runbook:
    """Follows one section, as whom `key` says."""

    def __init__(self, account: EmulatedAccount, alarm: str, *, binaries: Path, key: Key = ADMIN) -> None:
        preamble, *sections = re.split(r"^## ", RUNBOOK.read_text(), flags=re.MULTILINE)
        (section,) = (each for each in sections if each.partition("\n")[0].endswith(f"({alarm})"))
        self._next = [commands(preamble)]
        # **Label.** text, up to the next label
        labels = re.split(r"^\*\*([^*]+)\.\*\*", section, flags=re.MULTILINE)[1:]
        self._parts = dict(zip(labels[::2], labels[1::2], strict=True))
        self._shell = Shell(account, binaries=binaries, key=key)

    def given(self, **variables: str) -> None:
        """What the runbook has people set from the mail."""
        self._shell.environment |= variables

    def follow(self, label: str) -> str:
        """Run the commands of a part, such as "What to do"; what they print."""
        first, self._next = self._next, []
        return self._shell.run(*first, commands(self._parts[label]))
