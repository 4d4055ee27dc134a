"""All that the template says must be so; what AWS says beside it does not count."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.doctor.compared import is_so

SAID = st.recursive(
    st.text(alphabet="abc", max_size=3) | st.integers(-9, 9) | st.booleans(),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("ABC"), inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)


def answered(value: Any, draw: st.DataObject) -> Any:
    """As AWS may say it: in another order, with more beside it, numbers and booleans as texts."""
    if isinstance(value, dict):
        return {name: answered(each, draw) for name, each in value.items()} | {"Added": "by AWS"}
    if isinstance(value, list):
        return draw.draw(st.permutations([answered(each, draw) for each in value]))
    if isinstance(value, bool | int) and draw.draw(st.booleans()):
        return str(value).lower()
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


@given(SAID, st.data())
def test_what_is_so_is_so_however_aws_says_it(wanted: Any, data: st.DataObject) -> None:
    assert is_so(wanted, answered(wanted, data))


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("a", "b"),
        ("a", None),
        (1, 2.0),
        (1, "no number"),
        (1, None),
        (True, "false"),
        (True, None),
        ([1], []),
        ([1], [1, 1]),
        ([1, 2], [1, 3]),
        ([1], None),
        ({"A": 1}, {"B": 1}),
        ({"A": {"B": "x"}}, {"A": {"B": "y"}}),
        ({"A": 1}, None),
        ({}, "a"),
    ],
    ids=str,
)
def test_what_is_not_so_is_noticed(wanted: Any, found: Any) -> None:
    assert not is_so(wanted, found)
