"""That the code which `make mutate` breaks in access-key-follow, and the tests that it names, are there."""

import pytest

from tests.safeguards import ROOT
from tests.unit.follow.rules import RULES, Rule


@pytest.mark.parametrize("each", RULES, ids=lambda each: each.name)
def test_a_rule_and_its_test_are_where_they_are_said_to_be(each: Rule) -> None:
    assert (ROOT / each.file).read_text().count(each.old) == 1
    file, _, name = each.node.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text()
