"""What programs read: the CSV and the JSON, and the table, as golden files of one team's users (tests/unit/preview/picture.py)."""

import io
from pathlib import Path

import pytest

from tests.unit.preview.picture import WRITERS, of_one_team


@pytest.mark.parametrize("word", ["csv", "json", "table"])
def test_it_is_as_it_was(word: str) -> None:
    out = io.StringIO()
    WRITERS[word](of_one_team(), out)
    assert out.getvalue() == Path(__file__).with_name(f"golden.{word}").read_text()
