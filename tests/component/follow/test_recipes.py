"""The shell lines of docs/consumers.md as they stand there, with stand-ins for the programs of others; and the page's claims."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from keyrotation.follow.smtp import smtp_password

from tests.component.follow.endpoint import NEW, OLD, Account
from tests.component.follow.machine import CHECKOUT, Machine

PAGE = (CHECKOUT / "docs" / "consumers.md").read_text()
# Notes how it was called and what it got.
STAND_IN = """#!/bin/sh
{ printf "%s " "$(basename "$0")" "$@"; echo; cat; } >> "$NOTES"
"""
FOLLOW = """#!/bin/sh
exec {python} -m keyrotation.follow "$@"
"""


def section(title: str) -> str:
    """What stands below this heading."""
    [found] = re.findall(rf"^### {re.escape(title)}\n(.*?)(?=^##)", PAGE, flags=re.MULTILINE | re.DOTALL)
    return str(found)


def blocks(text: str) -> Iterator[str]:
    """The indented ones, without their indentation."""
    for found in re.findall(r"(?:^(?:    .*)?\n)+", text, flags=re.MULTILINE):
        if block := re.sub(r"^    ", "", found, flags=re.MULTILINE).strip():
            yield f"{block}\n"


class Etc:
    """A machine with a folder for what the page puts into /etc, and other people's programs."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.notes = machine.home / "notes"
        self.bin = machine.home / "bin"
        self.bin.mkdir()
        for folder in ("app", "postfix"):
            (machine.home / "etc" / folder).mkdir(parents=True)
        for name in ("systemctl", "postmap", "gh"):
            self.has(name, STAND_IN)
        self.has("access-key-follow", FOLLOW.format(python=shlex.quote(sys.executable)))
        machine.more = {"PATH": f"{self.bin}:{machine.environment['PATH']}", "NOTES": str(self.notes)}

    def has(self, name: str, script: str) -> Path:
        program = self.bin / name
        program.write_text(script)
        program.chmod(0o755)
        return program

    def new_key(self, title: str) -> Path:
        """The script of that name in a recipe."""
        [script] = [block for block in blocks(section(title)) if block.startswith("#!/bin/sh")]
        return self.has("new-key", script.replace("/etc/", f"{self.machine.home}/etc/"))

    def file(self, name: str) -> str:
        path = self.machine.home / "etc" / name
        assert path.stat().st_mode & 0o777 == 0o600
        assert not path.with_name(f"{path.name}.new").exists()
        return path.read_text()


@pytest.fixture
def etc(machine: Machine) -> Etc:
    return Etc(machine)


def test_a_program_that_reads_a_file_when_it_starts_gets_it_whole_and_is_restarted(etc: Etc) -> None:
    script = etc.new_key("A program that reads the environment or a file when it starts (systemd)")
    assert etc.machine.run("refresh", "--then", str(script))[0] == 0
    assert etc.file("app/aws.env") == f"AWS_ACCESS_KEY_ID={NEW.id}\nAWS_SECRET_ACCESS_KEY={NEW.secret}\n"
    assert etc.notes.read_text().startswith("systemctl try-restart app ")
    assert etc.machine.store.read().key == NEW


def test_where_the_program_cannot_be_restarted_the_old_key_stays_and_it_is_tried_again(etc: Etc) -> None:
    script = etc.new_key("A program that reads the environment or a file when it starts (systemd)")
    etc.has("systemctl", "#!/bin/sh\nexit 1\n")
    assert etc.machine.run("refresh", "--then", str(script))[0] == 1
    assert etc.machine.store.read().key == OLD
    etc.has("systemctl", STAND_IN)
    assert etc.machine.run("refresh", "--then", str(script))[0] == 0
    assert etc.machine.store.read().key == NEW


def test_an_smtp_client_gets_the_user_name_and_the_password_of_its_region(etc: Etc) -> None:
    script = etc.new_key("An SMTP client (SES)")
    assert etc.machine.run("refresh", "--then", str(script))[0] == 0
    password = smtp_password(NEW.secret, "eu-west-1")
    assert etc.file("postfix/sasl_passwd") == (
        f"[email-smtp.eu-west-1.amazonaws.com]:587 {NEW.id}:{password}\n"
    )
    assert etc.notes.read_text().startswith(f"postmap {etc.machine.home}/etc/postfix/sasl_passwd ")


def test_github_gets_the_pair_as_one_secret_by_standard_input(etc: Etc, aws: Account) -> None:
    [line] = [
        block for block in blocks(section("GitHub Actions, where OIDC is not possible")) if "--then" in block
    ]
    words = shlex.split(line)
    assert words[:3] == ["access-key-follow", "refresh", "~/.aws/follow/etl.json"]
    assert etc.machine.run("refresh", *words[3:])[0] == 0
    called, got = etc.notes.read_text().splitlines()
    assert called == "gh secret set AWS_KEY --repo acme/app "
    assert got == f'{{"Version": 1, "AccessKeyId": "{NEW.id}", "SecretAccessKey": "{NEW.secret}"}}'
    assert aws.asked == [(OLD.id, "secret"), (NEW.id, "owner")]


def test_every_script_of_the_page_is_shell() -> None:
    scripts = [block for block in blocks(PAGE) if block.startswith("#!/bin/sh")]
    assert len(scripts) == 2
    for script in scripts:
        subprocess.run(["sh", "-n"], input=script, text=True, check=True)


def test_every_test_that_the_page_names_is_there() -> None:
    tests = {
        path.relative_to(CHECKOUT).as_posix(): path.read_text() for path in (CHECKOUT / "tests").rglob("*.py")
    }
    code = "\n".join(tests.values())
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 8
    assert {name for name in named if f"def {name}(" not in code} == set()
    files = set(re.findall(r"tests/[\w/]+\.py", PAGE))
    assert len(files) > 4
    assert files <= set(tests)


def test_every_recipe_says_whether_it_was_tried() -> None:
    recipes = PAGE.partition("\n## Recipes\n")[2].partition("\n## ")[0].split("\n### ")[1:]
    assert len(recipes) == 13
    for recipe in recipes:
        assert re.search(r"\*\*(Tried\*\*|Not tried here)", recipe), recipe.partition("\n")[0]
