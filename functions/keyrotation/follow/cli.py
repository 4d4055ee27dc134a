"""The words of the command line."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, TextIO

from keyrotation.follow.adopt import Adoption, Refusal
from keyrotation.follow.formats import FORMATS
from keyrotation.follow.hook import hand_over
from keyrotation.follow.profiles import ProfilesFile
from keyrotation.follow.refresh import Follower
from keyrotation.follow.serve import IN_TIME, serve
from keyrotation.follow.smtp import smtp_password
from keyrotation.follow.store import AccessKey, Store
from keyrotation.follow.told import Told, described

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from keyrotation.follow.look import Asks

DONE, FAILED = 0, 1
STDIN = "-"


@dataclass(frozen=True)
class Surroundings:
    """Everything from outside. `program`: the words that start this program from anywhere."""

    environment: Mapping[str, str]
    clock: Callable[[], float]
    aws_in: Callable[[str], Asks]
    program: Sequence[str]
    stdin: TextIO
    stdout: TextIO
    stderr: TextIO

    def say(self, text: str) -> None:
        print(f"access-key-follow: {text}", file=self.stderr)

    def follower(self, store: Store) -> Follower:
        return Follower(store=store, clock=self.clock, aws_in=self.aws_in)


def main(arguments: Sequence[str], around: Surroundings) -> int:
    """The exit code: 0, 1 for what could not be done, 2 for what was asked wrongly. stdout is whole or empty."""
    options = _options().parse_args(arguments)
    try:
        code, output = options.run(options, around)
    except Exception as error:  # noqa: BLE001  # a traceback, or a text of unknown origin, might quote a secret
        around.say(described(error))
        return FAILED
    around.stdout.write(output)
    return int(code)


def _serve(options: argparse.Namespace, around: Surroundings) -> tuple[int, str]:
    store = Store.at(options.store)
    _warn(store, around)
    return DONE, serve(around.follower(store), in_time=IN_TIME, say=around.say) + "\n"


def _refresh(options: argparse.Namespace, around: Surroundings) -> tuple[int, str]:
    store, command = Store.at(options.store), options.then
    _warn(store, around)
    before = store.read()
    if command is None and before.handed is not None:
        raise Refusal(
            "the key of this store is handed over by a command, and without it a new key would not reach its consumer: "
            'say --then again. To end that, take the line with "handed" out of the store'
        )

    def take(key: AccessKey) -> str | None:
        return hand_over(command, key, around.environment)

    key, code = before.key, FAILED
    try:
        look = around.follower(store).look(None if command is None else take)
    except (OSError, Told) as error:
        around.say(described(error))
    else:
        around.say(look.state.told)
        key, code = look.state.key, DONE if look.fine else FAILED
    # Also after a failure: the key that is there may well work, and the exit code says the rest.
    return code, FORMATS[options.print](key) if options.print else ""


def _adopt(options: argparse.Namespace, around: Surroundings) -> tuple[int, str]:
    store = Store.at(options.store)
    adoption = Adoption(
        store=store,
        credentials=ProfilesFile.at(
            around.environment.get("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/credentials"), prefixed=False
        ),
        config=ProfilesFile.at(around.environment.get("AWS_CONFIG_FILE", "~/.aws/config"), prefixed=True),
        profile=options.profile,
        region=options.region,
        secret=options.secret,
        process=command_line([*around.program, "serve", str(store.path)]),
    )
    if adoption.done_already():
        return DONE, f"[{options.profile}] follows the rotation already, by {store.path}\n"
    found = adoption.check(
        around.aws_in(options.region), key_id_in_environment=around.environment.get("AWS_ACCESS_KEY_ID")
    )
    profiles = ", ".join(f"[{name}]" for name in found.profiles)
    if not options.take_over:
        raise Refusal(
            f"with two copies of the key one would go on with it after the change, so nothing was done. With --take-over: "
            f"{found.key.id} of {found.arn} goes into {store.path}; {profiles} of {adoption.credentials.path} loses the two "
            f"lines of the key; and {adoption.config.path} gets there: credential_process = {adoption.process}"
        )
    adoption.carry_out(found)
    return DONE, (
        f"{found.arn}, key {found.key.id}: {profiles} now follows the rotation, by {store.path}\n"
        "Restart the programs that use it, once: what is running keeps the key that it read when it started.\n"
        "Copies of the key elsewhere (other machines, other users, environments) are not followed by this store.\n"
    )


def _status(options: argparse.Namespace, around: Surroundings) -> tuple[int, str]:
    store = Store.at(options.store)
    _warn(store, around)
    state = store.read()
    shown = state.without_secrets()
    for name in ("changed", "looked", "next_look"):
        if shown.get(name):
            shown[name] = f"{datetime.fromtimestamp(shown[name], timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
    return DONE, json.dumps(shown, indent=1) + "\n"


def _smtp(options: argparse.Namespace, around: Surroundings) -> tuple[int, str]:
    if options.store != STDIN:
        return DONE, smtp_password(Store.at(options.store).read().key.secret, options.region) + "\n"
    key = AccessKey.of(_object(around.stdin.read()))
    if key is None:
        raise Refusal("no key came by standard input")
    return DONE, smtp_password(key.secret, options.region) + "\n"


def _object(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    return value if isinstance(value, dict) else {}


def _warn(store: Store, around: Surroundings) -> None:
    if store.open_to_others():
        around.say(f"{store.path} can be read by others; it should be: chmod 600")


def command_line(words: Sequence[str]) -> str:
    """As the SDKs take it apart: by the rules of the shell, on Windows by those of its programs."""
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _options() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="access-key-follow",
        description="Keeps the access key of an IAM user the one that the rotation issued last. STORE is a file that this "
        "program makes: docs/consumers.md says where, and how to use it.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Callable[..., tuple[int, str]], text: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=text, description=text)
        added.add_argument("store", metavar="STORE")
        added.set_defaults(run=run)
        return added

    adopt = command(
        "adopt", _adopt, "take the static key of a profile over, and let the profile ask this program"
    )
    adopt.add_argument("--profile", default="default", help="in ~/.aws/credentials (default)")
    adopt.add_argument("--region", required=True, help="where the rotation runs: the Region of the secret")
    adopt.add_argument("--secret", help="its name or ARN, where it is not named after the user")
    adopt.add_argument(
        "--take-over", action="store_true", help="do it; otherwise only say what would be done"
    )
    command(
        "serve", _serve, "answer an SDK that asks by credential_process; looks for a new key every 6 hours"
    )
    refresh = command("refresh", _refresh, "look for a new key now: for timers and pipelines")
    refresh.add_argument(
        "--then", metavar="CMD", help="gets each new key, and has to succeed before it counts"
    )
    refresh.add_argument("--print", choices=FORMATS, help="write the key to standard output")
    command("status", _status, "what the store holds, without the secrets, and how the last look ended")
    smtp = command(
        "smtp", _smtp, "the SES SMTP password of the key; STORE may be -, for what --then gets by stdin"
    )
    smtp.add_argument("--region", required=True, help="of the SMTP endpoint")
    return parser
