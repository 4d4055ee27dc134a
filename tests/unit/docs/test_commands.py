"""Every command in the documents can be typed: programs, operations, options, targets and parameters of that name exist.

Whether they do what the text says is tried elsewhere: those of the runbook, the mails and the notifications by tests/e2e.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache

import botocore.session
import pytest
from botocore.model import OperationModel

from tests.e2e.aws import OF_THE_CLI_ITSELF, options_of
from tests.unit.docs.pages import CHECKOUT, NAMES, page
from tests.unit.docs.shell import Command, commands

# Of AWS CLI 2 alone: no operation of a service.
OF_THE_CLI_ALONE = {"configure": {"sso", "--profile"}}
MAKEFILE = (CHECKOUT / "Makefile").read_text()
# Words of make itself.
OF_MAKE_ITSELF = {"silent", "no-print-directory", "dry-run"}
PARAMETERS = set(
    re.findall(r"^\| [^|]+ \| `(\w+)` \|", (CHECKOUT / "docs/parameters.md").read_text(), re.MULTILINE)
)
# Of `make organization`, beside those that every account has.
OF_AN_ORGANIZATION = set(
    re.findall(r"^\| `(\w+)` \|", (CHECKOUT / "docs/organization.md").read_text(), re.MULTILINE)
)
# Where the CLI calls a service otherwise than its model.
CALLED = {"s3api": "s3"}
_SESSION = botocore.session.Session()


def in_documents(named: str) -> list[tuple[str, Command]]:
    return [
        (name, command)
        for name in NAMES
        for code in page(name).code
        for command in commands(code, named=named)
        if len(command.words) > 1
    ]


@cache
def operations_of(service: str) -> dict[str, OperationModel]:
    model = _SESSION.get_service_model(service)
    return {botocore.xform_name(name, "-"): model.operation_model(name) for name in model.operation_names}


def wrong_with_aws(command: Command) -> Iterator[str]:
    _, service, operation, *_ = (*command.words, "")
    if service in OF_THE_CLI_ALONE:
        if operation not in OF_THE_CLI_ALONE[service]:
            yield operation
        return
    service = CALLED.get(service, service)
    if operation not in (known := operations_of(service)):
        yield f"{service} has no {operation}"
        return
    members = options_of(service, operation, known[operation])
    yield from (
        f"--{each}" for each in command.options if each not in OF_THE_CLI_ITSELF and each not in members
    )
    shape = known[operation].input_shape
    needed = shape.required_members if shape is not None else []
    given = {members[each] for each in command.options if each in members}
    # What lambda invoke answers goes to a file, which is a word of its own.
    if command.is_whole and "cli-input-json" not in command.options:
        yield from (f"{each} is missing" for each in needed if each not in given)


def test_aws_has_every_operation_and_option() -> None:
    found = in_documents("aws")
    assert len(found) > 80
    assert [
        (name, command, wrong) for name, command in found if (wrong := list(wrong_with_aws(command)))
    ] == []


@cache
def help_of(*words: str) -> set[str]:
    said = subprocess.run(
        [sys.executable, "-m", *words, "--help"],
        cwd=CHECKOUT / "functions",
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return set(re.findall(r"--([a-z-]+)", said))


def wrong_with_make(command: Command) -> Iterator[str]:
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    for word in command.words[1:]:
        name, is_set, value = word.partition("=")
        if word.startswith("-"):
            if word.removeprefix("--") not in OF_MAKE_ITSELF:
                yield word
        elif not is_set:
            if word not in targets:
                yield word
        elif not re.search(rf"\$\([^)]*\b{name}\b|^{name} \?=", MAKEFILE, re.MULTILINE):
            yield word
        elif name == "PARAMETERS":
            known = {*PARAMETERS, *(OF_AN_ORGANIZATION if "organization" in command.words else ()), "..."}
            yield from (each for each in value.split() if each.partition("=")[0] not in known)
        elif name == "ARGS" and "preview" in command.words:
            yield from set(re.findall(r"--([a-z-]+)", value)) - help_of("keyrotation.preview")


def test_make_has_every_target_variable_parameter_and_option() -> None:
    found = in_documents("make")
    assert len(found) > 40
    assert [
        (name, command, wrong) for name, command in found if (wrong := list(wrong_with_make(command)))
    ] == []


def test_access_key_follow_has_every_command_and_option() -> None:
    found = in_documents("access-key-follow")
    assert len(found) > 5
    for name, command in found:
        _, verb, *_ = command.words
        # A table shows what may be left out in brackets.
        given = {each.strip("[]") for each in command.options}
        assert given - help_of("keyrotation.follow", verb) == set(), (name, command)


def test_every_module_that_python_is_to_run_is_there() -> None:
    found = {
        module
        for name in NAMES
        for code in page(name).code
        for module in re.findall(r"python -m ([\w.]+)", code)
    }
    assert len(found) > 2
    for module in found - {"pytest"}:
        path = CHECKOUT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


@pytest.mark.parametrize(
    ("typed", "wrong"),
    [
        ("aws iam tag-user --user-name A --tags Key=a,Value=b", []),
        ("aws iam tag-user --user-name A --tag-keys a", ["--tag-keys", "Tags is missing"]),
        ("aws iam tag-usr --user-name A", ["iam has no tag-usr"]),
        ('x=$(aws iam get-user --user-name "$(name --of a)" --query User)', []),
        ("aws dynamodb scan --tabel-name a", ["--tabel-name", "TableName is missing"]),
        ("aws sns subscribe ... --protocol email", []),
    ],
)
def test_what_nobody_could_type_is_found(typed: str, wrong: list[str]) -> None:
    (command,) = commands(typed, named="aws")
    assert list(wrong_with_aws(command)) == wrong


def test_a_command_of_make_that_nobody_could_type_is_found() -> None:
    (command,) = commands('make deploi PARAMETERS="Mod=Enforce" ARG=1', named="make")
    assert list(wrong_with_make(command)) == ["deploi", "Mod=Enforce", "ARG=1"]
