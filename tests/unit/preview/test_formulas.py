"""What a spreadsheet makes of the preview: user names are other people's words."""

import csv
import io
from dataclasses import fields
from datetime import date
from types import SimpleNamespace
from typing import Any

import pytest
from keyrotation.preview.outlook import Row
from keyrotation.preview.renderings import comma_separated


def shown(name: str) -> str:
    row = Row(user=name, user_id="AIDA", user_created_on=date(2026, 1, 1))
    found: Any = SimpleNamespace(rows=[row])
    out = io.StringIO()
    comma_separated(found, out)
    (line,) = csv.DictReader(io.StringIO(out.getvalue()))
    assert list(line) == [each.name for each in fields(Row)]
    return line["user"]


@pytest.mark.parametrize("name", ["=A3", "+1", "-2", "@x"])
def test_no_name_is_a_formula(name: str) -> None:
    assert shown(name) == f"'{name}"


@pytest.mark.parametrize("name", ["alice", "a=b", "data+etl,nightly@corp"])
def test_any_other_name_is_as_it_is(name: str) -> None:
    assert shown(name) == name
