"""`python -m infra.doctor`: with the caller's own credentials, where AWS_PROFILE and AWS_REGION say, as `make deploy`.

A composition root: here the clock is read and the clients are made.
"""

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, TextIO

import boto3  # noqa: TID251  # a command of its own, which reads with the caller's credentials
from botocore.config import Config
from botocore.exceptions import ClientError
from keyrotation.causes import CALL_ERRORS, cause_of
from keyrotation.run.settings import region_of

from infra.after_deploy import CLOUD_ASSEMBLY, STACK, fetched
from infra.doctor import (
    alarms,
    bootstrap,
    deployment,
    functions,
    listeners,
    memory,
    page,
    queues,
    roles,
    runs,
    schedule,
    simulator,
    topic,
    who,
)
from infra.doctor.examine import Look, findings
from infra.doctor.findings import Exit, Finding, comes_to
from infra.doctor.stack import NoStack, Stack, read

_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 5}, connect_timeout=5, read_timeout=30)


def everything(stack: Stack, *, now: datetime, fetch: Callable[[str], bytes]) -> Iterator[Look]:
    """In the order of the page."""
    yield from who.looks(stack)
    yield from deployment.looks(stack)
    yield from listeners.looks(stack)
    yield from schedule.looks(stack, now=now)
    yield from runs.looks(stack, now=now)
    yield from alarms.looks(stack)
    yield from queues.looks(stack)
    yield from functions.looks(stack, fetch=fetch)
    yield from roles.looks(stack)
    yield from simulator.looks(stack)
    yield from topic.looks(stack)
    yield from memory.looks(stack)
    yield from bootstrap.looks(stack)


def examined(
    client: Callable[[str], Any],
    *,
    assembly: Path,
    now: datetime,
    fetch: Callable[[str], bytes],
) -> list[Finding]:
    """Raises NoStack, and what botocore raises where the stack itself cannot be read."""
    stack = read(client=client, assembly=assembly)
    return list(findings(everything(stack, now=now, fetch=fetch)))


def main(arguments: Sequence[str], *, now: datetime, assembly: Path, stdout: TextIO, stderr: TextIO) -> Exit:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="doctor",
        description="Whether the deployed stack is healthy, and is what this checkout deploys. Only reads. "
        "Ends with 0: healthy; 1: something is wrong; 2: could not look; 3: nothing wrong, but not all was seen.",
    )
    parser.add_argument("--format", choices=["text", "json"], default="text")
    options = parser.parse_args(arguments)
    if not (assembly / f"{STACK}.template.json").is_file():
        return _could_not(
            stderr, f"{assembly} holds no template: run `npx --no-install cdk synth --quiet` first"
        )
    try:
        session = boto3.session.Session(region_name=region_of(os.environ))  # noqa: TID251  # a command of its own
        with ExitStack() as clients:

            @cache
            def client(service: str) -> Any:
                return clients.enter_context(closing(session.client(service, config=_CONFIG)))  # type: ignore[call-overload]  # any service

            found = examined(client, assembly=assembly, now=now, fetch=fetched)
    except NoStack:
        return _could_not(stderr, f"there is no stack {STACK} in this account and Region")
    except ClientError as error:
        if "does not exist" in str(error):
            return _could_not(stderr, f"there is no stack {STACK} in this account and Region")
        return _could_not(stderr, cause_of(error))
    except (*CALL_ERRORS, OSError, ValueError) as error:
        return _could_not(stderr, f"{type(error).__name__}: {error}")
    stdout.write({"text": page.text, "json": page.as_json}[options.format](found, now=now))
    return comes_to(found)


def _could_not(stderr: TextIO, why: str) -> Exit:
    stderr.write(f"doctor: could not look: {why}\n")
    return Exit.COULD_NOT_LOOK


if __name__ == "__main__":
    sys.exit(
        main(
            sys.argv[1:],
            now=datetime.now(UTC),  # noqa: TID251  # a command of its own
            assembly=CLOUD_ASSEMBLY,
            stdout=sys.stdout,
            stderr=sys.stderr,
        )
    )
