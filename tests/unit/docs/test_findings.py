"""docs/findings.md: every finding of both reviews has its row, and each row its test or the reason why there is none."""

import re

from sandbox.launch import CHECKOUT

ROW = re.compile(r"\| ([FWD]\d+) \| .* \| (.+) \| (.+) \|")
# What is told in words, or what nothing could be done about; the row says why.
WITHOUT_A_TEST = {"W2", "W3", "D8", "D11", "D12", "D13", "D14", "D16"}


def rows() -> dict[str, tuple[str, str]]:
    """By number: what was done, and what fails without it."""
    page = (CHECKOUT / "docs/findings.md").read_text()
    return {found[1]: (found[2], found[3]) for found in ROW.finditer(page)}


def test_every_finding_has_a_row() -> None:
    expected = [("F", 18), ("W", 5), ("D", 16)]
    assert list(rows()) == [f"{kind}{number}" for kind, last in expected for number in range(1, last + 1)]


def test_a_row_names_a_test_or_is_one_of_those_that_have_none() -> None:
    """That the tests are there, test_pages.py looks after."""
    assert {
        number for number, (_, proof) in rows().items() if not proof.startswith("`test_")
    } == WITHOUT_A_TEST
    for number in WITHOUT_A_TEST:
        assert len(rows()[number][0]) > 15, number
