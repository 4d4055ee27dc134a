"""docs/field-cases.md: every row names a test that is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/field-cases.md").read_text()
ROWS = [
    line
    for line in PAGE.splitlines()
    if line.startswith("| ") and not re.match(r"\|[ -]*\|? ?(n|case|what was wrong) \|", line)
]
NAMED = sorted(set(re.findall(r"`([a-z0-9_/]+\.py)::(test_\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda each: each)
def test_a_named_test_is_there(file: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / "tests" / file).read_text()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:40])
def test_every_row_ends_in_the_name_of_a_test(row: str) -> None:
    assert re.search(r"`[a-z0-9_/]+\.py::test_\w+` \|$", row)


def test_there_are_rows() -> None:
    assert len(ROWS) > 45
    assert len(NAMED) > 40
