"""One version, wherever it is said."""

import re
import tomllib

from keyrotation import VERSION

from tests.infra.synthesized import ROOT, Template


def test_the_functions_have_the_version_of_the_project() -> None:
    """pyproject.toml is not in the Lambda bundle."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == VERSION


def test_the_stack_says_its_version_where_people_look(template: Template) -> None:
    assert template["Description"].endswith(f"(access-key-rotation {VERSION})")
    assert template["Outputs"]["Version"]["Value"] == VERSION


def test_the_changelog_begins_with_it() -> None:
    versions = re.findall(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert versions[0] == VERSION
