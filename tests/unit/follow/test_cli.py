"""The commands as they are typed: what goes to which stream, with which exit code, and what is in the files then."""

from __future__ import annotations

import io
import json
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from keyrotation.follow.aws import Failed, Refused
from keyrotation.follow.cli import Surroundings, command_line, main
from keyrotation.follow.profiles import ProfilesFile
from keyrotation.follow.store import Store

from tests.unit.follow.world import NEW, NEWEST, NOW, OLD, SECRETS, USER, World, state

PROGRAM = "/opt/a program/access-key-follow"
TAKES = f'{sys.executable} -c \'import json, os, sys; open("taken", "a").write(json.dumps([os.environ["AWS_ACCESS_KEY_ID"], json.load(sys.stdin)]) + "\\n")\''


@dataclass
class Machine:
    """A home directory, and AWS; `run` is the command line there."""

    home: Path
    world: World = field(default_factory=lambda: World(current_key=OLD))
    environment: dict[str, str] = field(default_factory=dict)
    out: str = ""
    err: str = ""

    @property
    def store(self) -> Store:
        return Store(self.home / "follow" / "app.json")

    @property
    def credentials(self) -> Path:
        return self.home / ".aws" / "credentials"

    @property
    def config(self) -> Path:
        return self.home / ".aws" / "config"

    def run(self, *words: str, stdin: str = "") -> int:
        out, err = io.StringIO(), io.StringIO()
        command, *rest = words
        code = main(
            [command, *([] if rest[:1] == ["-"] else [str(self.store.path)]), *rest],
            Surroundings(
                environment={
                    **os.environ,
                    "AWS_SHARED_CREDENTIALS_FILE": str(self.credentials),
                    "AWS_CONFIG_FILE": str(self.config),
                    **self.environment,
                },
                clock=lambda: NOW,
                aws_in=lambda _: self.world,
                program=[PROGRAM],
                stdin=io.StringIO(stdin),
                stdout=out,
                stderr=err,
            ),
        )
        self.out, self.err = out.getvalue(), err.getvalue()
        assert not [secret for secret in SECRETS if secret in self.err]
        return code

    def adopt(self, *more: str) -> int:
        return self.run("adopt", "--profile", "app", "--region", "eu-west-1", *more)

    def files(self) -> dict[str, bytes]:
        return {
            str(path.relative_to(self.home)): path.read_bytes()
            for path in self.home.rglob("*")
            if path.is_file()
        }


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    machine = Machine(tmp_path)
    machine.credentials.parent.mkdir()
    machine.credentials.write_text(
        f"[app]\naws_access_key_id = {OLD.id}\naws_secret_access_key = {OLD.secret}\n"
        f"[other]\naws_access_key_id = {NEWEST.id}\naws_secret_access_key = {NEWEST.secret}\n"
    )
    machine.config.write_text("[profile app]\nregion = eu-west-1\n")
    return machine


@pytest.fixture
def adopted(machine: Machine) -> Machine:
    assert machine.adopt("--take-over") == 0
    return machine


# --- adopt ---


def test_adopt_takes_the_key_over_and_lets_the_profile_ask_this_program(machine: Machine) -> None:
    assert machine.adopt("--take-over") == 0
    assert machine.store.read() == state(OLD)
    assert machine.config.read_text() == (
        f"[profile app]\ncredential_process = '{PROGRAM}' serve {machine.store.path}\nregion = eu-west-1\n"
    )
    assert machine.credentials.read_text() == (
        f"[app]\n[other]\naws_access_key_id = {NEWEST.id}\naws_secret_access_key = {NEWEST.secret}\n"
    )
    assert machine.out.startswith(f"{USER}, key {OLD.id}: [app] now follows the rotation, by ")
    assert not [secret for secret in SECRETS if secret in machine.out]
    assert machine.store.path.parent.stat().st_mode & 0o777 == 0o700


def test_adopt_leaves_no_two_consumers_behind_and_does_nothing_unless_it_may_take_over(
    machine: Machine,
) -> None:
    before = machine.files()
    assert machine.adopt() == 1
    assert machine.files() == before
    assert "with two copies of the key one would go on with it after the change" in machine.err
    assert f"credential_process = '{PROGRAM}' serve {machine.store.path}" in machine.err
    assert machine.out == ""


def test_every_profile_with_the_same_key_is_taken_over_with_it(machine: Machine) -> None:
    with machine.credentials.open("a") as file:
        file.write(f"[copy]\naws_access_key_id = {OLD.id}\naws_secret_access_key = {OLD.secret}\n")
    assert machine.adopt("--take-over") == 0
    assert OLD.id not in machine.credentials.read_text()
    profiles = ProfilesFile(machine.config, prefixed=True).profiles()
    assert profiles["app"]["credential_process"] == profiles["copy"]["credential_process"]


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_adopt_that_was_cut_off_is_finished_by_adopting_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Store, config, credentials: at no step is the key nowhere, and no program is without one."""
    left = iter(range(steps - 1))
    replace = Path.replace

    def cut_off(self: Path, target: Path) -> Path:
        if next(left, None) is None:
            raise OSError(28, "No space left on device")
        return replace(self, target)

    with monkeypatch.context() as cut:
        cut.setattr(Path, "replace", cut_off)
        assert machine.adopt("--take-over") == 1
    assert OLD.secret in machine.credentials.read_text()
    assert machine.adopt("--take-over") == 0
    assert machine.store.read() == state(OLD)
    assert OLD.id not in machine.credentials.read_text()
    assert machine.config.read_text().count("credential_process") == 1


def test_adopt_again_is_no_error(adopted: Machine) -> None:
    before = adopted.files()
    assert adopted.adopt() == 0
    assert adopted.files() == before
    assert adopted.out.startswith("[app] follows the rotation already")


def test_an_old_copy_of_the_profile_does_not_bring_the_old_key_back(adopted: Machine) -> None:
    after = state(NEW, previous=OLD, changed=NOW)
    adopted.store.write(after)
    adopted.credentials.write_text(
        f"[app]\naws_access_key_id = {OLD.id}\naws_secret_access_key = {OLD.secret}\n"
    )
    assert adopted.adopt("--take-over") == 0
    assert adopted.store.read() == after


def test_a_key_that_was_handed_over_by_other_means_takes_the_place_of_a_dead_one(adopted: Machine) -> None:
    adopted.store.write(state(OLD, handed=OLD.id, every=60, offered=NEWEST))
    adopted.credentials.write_text(
        f"[app]\naws_access_key_id = {NEW.id}\naws_secret_access_key = {NEW.secret}\n"
    )
    assert adopted.adopt("--take-over") == 0
    assert adopted.store.read() == state(NEW, handed=OLD.id, every=60)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.credentials.write_text("[app]\n"), "has no access key in [app]"),
        (lambda m: m.credentials.unlink(), "has no access key in [app]"),
        (
            lambda m: m.credentials.write_text(m.credentials.read_text().replace("[other]", "aws_session_token = t\n[other]")),
            "has a session token",
        ),
        (
            lambda m: m.config.write_text(f"[profile app]\naws_access_key_id = {OLD.id}\n"),
            "has an access key in [app]",
        ),
        (
            lambda m: m.config.write_text(f"[profile elsewhere]\naws_access_key_id = {OLD.id}\n"),
            "has an access key in [elsewhere]",
        ),
        (
            lambda m: m.config.write_text("[profile app]\ncredential_process = vault\n"),
            "has another credential_process in [app]",
        ),
        (lambda m: m.environment.update(AWS_ACCESS_KEY_ID=OLD.id), "unset AWS_ACCESS_KEY_ID"),
        (lambda m: m.world.owners.update({OLD.id: "arn:aws:iam::111122223333:root"}), "which is no IAM user"),
        (lambda m: m.world.failing.update(owner=Refused("InvalidClientTokenId")), "could not be tried (InvalidClientTokenId)"),
        (
            lambda m: (m.store.path.parent.mkdir(), m.store.write(state(NEW, arn=USER.replace("etl", "web")))),
            "is the store of arn:aws:iam::111122223333:user/team/web",
        ),
    ],
)  # fmt: skip
def test_adopt_refuses_what_it_could_not_follow_and_changes_nothing(
    machine: Machine, change: object, says: str
) -> None:
    assert callable(change)
    change(machine)
    before = machine.files()
    assert machine.adopt("--take-over") == 1
    assert machine.files() == before
    assert says in machine.err
    assert machine.out == ""


def test_a_secret_that_is_not_named_after_the_user_can_be_said(machine: Machine) -> None:
    assert machine.adopt("--take-over", "--secret", "access-keys/before/credentials") == 0
    assert machine.store.read().secret == "access-keys/before/credentials"


def test_the_line_of_the_config_is_taken_apart_as_it_was_put_together() -> None:
    assert command_line(["/opt/a b/run", "serve", "it's"]) == """'/opt/a b/run' serve 'it'"'"'s'"""


# --- serve, refresh, status, smtp ---


def test_serve_writes_one_json_object_and_nothing_else(adopted: Machine) -> None:
    assert adopted.run("serve") == 0
    assert json.loads(adopted.out)["AccessKeyId"] == OLD.id


@pytest.mark.parametrize("text", [None, "", "{", f'{{"key": "{OLD.secret}"}}'])
def test_without_a_store_that_can_be_read_stdout_is_empty(machine: Machine, text: str | None) -> None:
    """The Go SDK prints what is no JSON in its error."""
    machine.store.path.parent.mkdir()
    if text is not None:
        machine.store.path.write_text(text)
    for command in ("serve", "status", "refresh"):
        assert machine.run(command) == 1
        assert machine.out == ""
        assert machine.err.startswith("access-key-follow: ")


def test_a_store_that_others_may_read_is_served_and_told(adopted: Machine) -> None:
    adopted.store.path.chmod(0o644)
    assert adopted.run("status") == 0
    assert (
        adopted.err
        == f"access-key-follow: {adopted.store.path} can be read by others; it should be: chmod 600\n"
    )


def test_refresh_looks_at_once_and_says_how_it_ended(adopted: Machine) -> None:
    adopted.store.write(state(OLD, next_look=NOW + 3600))
    adopted.world.current_key = NEW
    assert adopted.run("refresh") == 0
    assert (adopted.out, adopted.err) == ("", f"access-key-follow: changed from {OLD.id} to {NEW.id}\n")


def test_refresh_that_could_not_look_fails_and_still_prints_the_key_that_is_there(adopted: Machine) -> None:
    adopted.world.failing["secret"] = Failed("EndpointConnectionError")
    assert adopted.run("refresh", "--print", "json") == 1
    assert json.loads(adopted.out)["AccessKeyId"] == OLD.id
    assert adopted.err == "access-key-follow: the secret could not be read (EndpointConnectionError)\n"


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ("env", f"AWS_ACCESS_KEY_ID={OLD.id}\nAWS_SECRET_ACCESS_KEY={OLD.secret}\n"),
        ("json", f'{{"Version": 1, "AccessKeyId": "{OLD.id}", "SecretAccessKey": "{OLD.secret}"}}\n'),
        (
            "credentials-file",
            f"[default]\naws_access_key_id = {OLD.id}\naws_secret_access_key = {OLD.secret}\n",
        ),
    ],
)
def test_refresh_prints_the_key_in_the_form_that_is_asked_for(adopted: Machine, form: str, text: str) -> None:
    assert adopted.run("refresh", "--print", form) == 0
    assert adopted.out == text


def taken(machine: Machine) -> list[list[object]]:
    return [json.loads(line) for line in (machine.home / "taken").read_text().splitlines()]


def test_the_command_gets_the_key_by_environment_and_stdin_and_its_success_makes_the_change(
    adopted: Machine,
) -> None:
    adopted.run("refresh", "--then", TAKES)
    adopted.world.current_key = NEW
    assert adopted.run("refresh", "--then", TAKES) == 0
    assert taken(adopted) == [[key.id, {"Version": 1, **key.named()}] for key in (OLD, NEW)]
    assert adopted.store.read().key == NEW


def test_the_commands_own_aws_calls_are_signed_with_the_key_that_it_got(adopted: Machine) -> None:
    adopted.environment = {"AWS_PROFILE": "app", "AWS_SESSION_TOKEN": "t", "AWS_REGION": "eu-west-1"}
    sees = "env | grep -c -e ^AWS_PROFILE= -e ^AWS_SESSION_TOKEN= > seen; env | grep -c ^AWS_REGION= >> seen"
    assert adopted.run("refresh", "--then", sees) == 0
    assert (adopted.home / "seen").read_text() == "0\n1\n"


def test_a_command_that_fails_leaves_the_old_key_and_fails_the_refresh(adopted: Machine) -> None:
    adopted.world.current_key = NEW
    assert adopted.run("refresh", "--then", "exit 3") == 1
    assert adopted.err == (
        f"access-key-follow: the command did not take {NEW.id} (it ended with 3): {OLD.id} stays\n"
    )
    assert adopted.run("serve") == 0
    assert json.loads(adopted.out)["AccessKeyId"] == OLD.id


def test_what_the_command_prints_does_not_mix_with_the_key(
    adopted: Machine, capfd: pytest.CaptureFixture[str]
) -> None:
    assert adopted.run("refresh", "--then", "echo to stdout", "--print", "json") == 0
    assert json.loads(adopted.out)["AccessKeyId"] == OLD.id
    assert capfd.readouterr() == ("", "to stdout\n")


def test_a_store_with_a_command_is_not_refreshed_without_it(adopted: Machine) -> None:
    adopted.run("refresh", "--then", "true")
    adopted.world.current_key = NEW
    adopted.world.asked.clear()
    assert adopted.run("refresh") == 1
    assert adopted.world.asked == []
    assert "say --then again" in adopted.err


def test_status_tells_ids_and_times_and_no_secret(adopted: Machine) -> None:
    adopted.store.write(
        state(NEW, previous=OLD, changed=NOW, offered=NEWEST, handed=NEW.id, looked=NOW, told="why")
    )
    assert adopted.run("status") == 0
    assert not [secret for secret in SECRETS if secret in adopted.out]
    assert json.loads(adopted.out) == {
        "region": "eu-west-1",
        "arn": USER,
        "secret": "access-keys/etl/credentials",
        "key": NEW.id,
        "previous": OLD.id,
        "changed": "2027-01-15T08:00:00Z",
        "offered": NEWEST.id,
        "handed": NEW.id,
        "looked": "2027-01-15T08:00:00Z",
        "next_look": 0,
        "told": "why",
        "every": 21600,
        "lifetime": 3600,
    }


def test_smtp_derives_the_password_of_the_stores_key_or_of_the_one_on_stdin(adopted: Machine) -> None:
    assert adopted.run("smtp", "--region", "eu-west-1") == 0
    of_store = adopted.out
    assert (
        adopted.run("smtp", "-", "--region", "eu-west-1", stdin=json.dumps({"Version": 1, **OLD.named()}))
        == 0
    )
    assert adopted.out == of_store
    assert len(of_store) == 45


@pytest.mark.parametrize("stdin", ["", "[]", "{}", f'"{OLD.secret}'])
def test_smtp_without_a_key_on_stdin_says_so(machine: Machine, stdin: str) -> None:
    assert machine.run("smtp", "-", "--region", "eu-west-1", stdin=stdin) == 1
    assert (machine.out, machine.err) == ("", "access-key-follow: no key came by standard input\n")


def test_an_error_that_nobody_thought_of_is_told_by_its_kind_alone(
    adopted: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError(OLD.secret)

    monkeypatch.setattr(Store, "read", broken)
    assert adopted.run("serve") == 1
    assert (adopted.out, adopted.err) == ("", "access-key-follow: RuntimeError\n")
