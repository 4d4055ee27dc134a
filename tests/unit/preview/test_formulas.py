"""What a spreadsheet makes of the preview: user names are other people's words."""

import csv
import io

import pytest
from keyrotation.preview.renderings import comma_separated

from tests.unit.preview.previews import a_row, only


def shown(name: str) -> str:
    out = io.StringIO()
    comma_separated(only(a_row(user=name)), out)
    (line,) = csv.DictReader(io.StringIO(out.getvalue()))
    return line["user"]


@pytest.mark.parametrize("name", ["=A3", "+1", "-2", "@x"])
def test_no_name_is_a_formula(name: str) -> None:
    assert shown(name) == f"'{name}"


@pytest.mark.parametrize("name", ["alice", "a=b", "data+etl,nightly@corp"])
def test_any_other_name_is_as_it_is(name: str) -> None:
    assert shown(name) == name
