"""The documents are well written Markdown, and whatever they point to is there."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.unit.docs.pages import CHECKOUT, NAMES, page

# As they are named in the documents, where not by their path from here: without the folder that the sentence is about.
_ROOTS = ("", "tests", "functions", "functions/keyrotation", "functions/keyrotation/decide", "docs")
_FOLDERS = r"(?:docs|functions|infra|sandbox|tests|unit|component|e2e)"


def test_there_is_no_fault_in_their_markdown() -> None:
    linter = Path(sys.executable).with_name("pymarkdown")
    found = subprocess.run(
        [linter, "scan", *NAMES], cwd=CHECKOUT, capture_output=True, text=True, check=False
    )
    assert (found.stdout, found.stderr, found.returncode) == ("", "", 0)


def broken(name: str) -> Iterator[str]:
    for link in page(name).links:
        url = urlsplit(link)
        if url.scheme:
            if url.scheme != "https":
                yield link
            continue
        target = ((CHECKOUT / name).parent / url.path).resolve() if url.path else CHECKOUT / name
        there = target.exists() and CHECKOUT in target.parents
        if there and url.fragment:
            there = url.fragment in page(target.relative_to(CHECKOUT).as_posix()).anchors
        if not there:
            yield link


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_to_a_file_and_a_heading_that_are_there(name: str) -> None:
    assert list(broken(name)) == []


@pytest.mark.parametrize("name", NAMES)
def test_every_file_that_they_name_is_there(name: str) -> None:
    named = {
        found[0]
        for code in page(name).code
        for found in re.finditer(rf"(?<![\w/.-]){_FOLDERS}/[\w/.-]*\w(?![\w*{{])", code)
    }
    assert [
        each for each in sorted(named) if not any((CHECKOUT / root / each).exists() for root in _ROOTS)
    ] == []


def test_every_test_that_they_name_is_there() -> None:
    written = "\n".join(path.read_text() for path in CHECKOUT.glob("tests/**/*.py"))
    there_are = set(re.findall(r"def (test_\w+)", written)) | {
        path.stem for path in CHECKOUT.glob("tests/**/test_*.py")
    }
    named = {found for name in NAMES for code in page(name).code for found in re.findall(r"\btest_\w+", code)}
    assert len(named) > 50
    assert named - there_are == set()


def test_the_readme_fits_in_150_lines_and_leads_to_every_document_link_by_link() -> None:
    reached, ahead = set[str](), ["README.md"]
    while ahead:
        name = ahead.pop()
        reached.add(name)
        targets = [(CHECKOUT / name).parent / urlsplit(link).path for link in page(name).links]
        found = {each.resolve().relative_to(CHECKOUT).as_posix() for each in targets if each.exists()}
        ahead += (found & set(NAMES)) - reached
    assert set(NAMES) - reached == set()
    assert len((CHECKOUT / "README.md").read_text().splitlines()) <= 150
