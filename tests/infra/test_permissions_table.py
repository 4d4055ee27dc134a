"""docs/permissions.md says what is deployed: every action of every role, and the code that needs it is there."""

import re

import pytest

from infra.permissions_table import table
from tests.infra.roles import ROTATOR, SCANNER, SCHEDULE, allowed, statements
from tests.infra.synthesized import ROOT, Template

PERMISSIONS = (ROOT / "docs" / "permissions.md").read_text()
NAMES = {SCANNER: "scanner", ROTATOR: "rotator", SCHEDULE: "schedule"}
CASES = {
    "always": {"mode": "Audit"},
    "Mode=Enforce": {"mode": "Enforce"},
    "Mode=Enforce, with SecretsKmsKeyArn": {"mode": "Enforce", "kms_key": "given"},
}
Row = tuple[str, str, str, str]


def cells() -> list[list[str]]:
    roles = PERMISSIONS.partition("## What the queues")[0]
    lines = [line.strip("| ").split(" | ") for line in roles.splitlines()]
    return [row for row in lines if len(row) == 6 and row[1] in CASES]


def rows() -> set[Row]:
    """Role, case, action, resource."""
    return {
        (role, when, action, resource.strip("`"))
        for role, when, actions, resource, *_ in cells()
        for action in re.findall(r"`([^`]+)`", actions)
    }


def code() -> list[tuple[str, str]]:
    """Module and name of what needs a permission."""
    needed_by = " ".join(row[-1] for row in cells())
    return sorted(set(re.findall(r"`([a-z_]+)\.([A-Za-z_.]+)`", needed_by)))


def deployed(template: Template) -> set[Row]:
    """The same, read back from the template; each where it is allowed first."""
    found: dict[tuple[str, str, str], str] = {}
    for when, case in CASES.items():
        for path, role in NAMES.items():
            for action, resources in allowed(template, path, **case).items():
                for resource in resources:
                    found.setdefault((role, action, resource), when)
    return {(role, when, action, resource) for (role, action, resource), when in found.items()}


def test_it_lists_exactly_what_the_template_denies_a_role(template: Template) -> None:
    listed = PERMISSIONS.partition("## What a role may never do")[2].partition("\n## ")[0]
    said = {
        (role, action)
        for role in NAMES.values()
        for line in listed.splitlines()
        if line.startswith(f"| {role} | ")
        for action in re.findall(r"`([^`]+)`", line.split(" | ")[1])
    }
    denied = {
        (role, action)
        for path, role in NAMES.items()
        for statement in statements(template, path, mode="Audit")
        if statement.effect == "Deny"
        for action in statement.actions
    }
    assert said == denied
    assert denied


def test_it_is_what_the_command_makes() -> None:
    assert table() == PERMISSIONS, "make permissions"


def test_it_lists_exactly_what_the_template_allows(template: Template) -> None:
    assert rows() == deployed(template)


@pytest.mark.parametrize("named", code())
def test_the_code_that_it_names_is_there(named: tuple[str, str]) -> None:
    module, path = named
    folder = ROOT / "functions"
    [source] = [*folder.glob(f"{module}.py"), *folder.glob(f"keyrotation/**/{module}.py")]
    for name in path.split("."):
        assert re.search(rf"^\s*(def|class) {name}\b", source.read_text(), re.MULTILINE), f"{module}.{path}"


def test_every_wildcard_is_explained(template: Template) -> None:
    explained = PERMISSIONS.partition("## Why a resource has a wildcard")[2]
    anything = {resource for _, _, _, resource in deployed(template) if "*" in resource}
    # A log group's ARN ends in `:*` for its streams, and comes from CloudWatch Logs as one.
    assert {resource for resource in anything if f"`{resource}`" not in explained} == set()
