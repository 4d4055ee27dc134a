"""The table of safeguards in docs/design.md, and that the code which `make mutate` breaks and the tests it names are there."""

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
