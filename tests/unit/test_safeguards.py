"""The table of safeguards in docs/design.md, and that the code which `make mutate` breaks and the tests it names are there."""

import re
from pathlib import Path

import pytest

from tests.mutants import CORE, MUTANTS, Mutant
from tests.safeguards import SAFEGUARDS, Safeguard, table

ROOT = Path(__file__).parents[2]


def test_the_design_lists_what_fails_without_each_safeguard() -> None:
    assert table() in (ROOT / "docs/design.md").read_text()


@pytest.mark.parametrize("safeguard", SAFEGUARDS, ids=lambda each: each.name)
def test_a_safeguard_and_its_test_are_where_they_are_said_to_be(safeguard: Safeguard) -> None:
    assert (ROOT / safeguard.file).read_text().count(safeguard.old) == 1
    file, _, name = safeguard.node.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.name)
def test_a_mutant_breaks_code_that_is_there(mutant: Mutant) -> None:
    assert (ROOT / CORE / mutant.module).read_text().count(mutant.old) == 1


def what_must_hold() -> list[tuple[str, str]]:
    """The tests and the mutants that the design names, a pair a sentence."""
    section = (ROOT / "docs/design.md").read_text().partition("## 11. What must hold")[2]
    return re.findall(r"\| `(test_\w+)` \| (.+?) \|$", section, re.MULTILINE)


def test_every_sentence_of_what_must_hold_names_a_test_and_a_mutant_that_are_there() -> None:
    written = "".join(path.read_text() for path in (ROOT / "tests/unit/decide").glob("test_*.py"))
    mutants = {mutant.name for mutant in MUTANTS}
    named = what_must_hold()
    assert len(named) == 18
    for test, mutant in named:
        assert f"def {test}(" in written, test
        assert mutant in mutants, mutant
