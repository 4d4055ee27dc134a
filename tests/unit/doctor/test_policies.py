"""Two policies are the same when they mean the same, and every word that means something is noticed."""

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.doctor.policies import differences, statements

POLICY: dict[str, Any] = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "OnlyTheRotatorTakes",
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": ["sqs:ReceiveMessage", "sqs:DeleteMessage"],
            "Resource": "arn:aws:sqs:eu-west-1:111122223333:orders",
            "Condition": {"StringNotEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/rotator"}},
        },
        {
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": ["a", "b"],
            "Condition": {
                "ArnEquals": {"aws:SourceArn": ["x", "y"]},
                "Bool": {"aws:SecureTransport": True},
            },
        },
    ],
}


def rewritten(value: Any, draw: st.DataObject) -> Any:
    """The same, as AWS may answer it: in another order, alone instead of in a list, or twice."""
    if isinstance(value, list):
        members = draw.draw(st.permutations([rewritten(each, draw) for each in value]))
        if len(members) == 1 and draw.draw(st.booleans()):
            return members[0]
        return [*members, members[0]] if isinstance(members[0], str) and draw.draw(st.booleans()) else members
    if isinstance(value, dict):
        return {name: rewritten(value[name], draw) for name in draw.draw(st.permutations(sorted(value)))}
    if isinstance(value, bool):
        return draw.draw(st.sampled_from([value, str(value).lower()]))
    return [value] if value == "sns:Publish" and draw.draw(st.booleans()) else value


@given(st.data())
def test_order_and_lists_of_one_mean_nothing(data: st.DataObject) -> None:
    other = rewritten(POLICY, data)
    assert differences(POLICY, other) == []
    assert differences(POLICY, json.dumps(other)) == []


@pytest.mark.parametrize(
    "same",
    [
        ("Principal", "*"),
        ("Sid", "Another"),
        ("Action", ["SQS:receivemessage", "sqs:DeleteMessage"]),
        ("Condition", {"StringNotEquals": {"AWS:principalarn": ["arn:aws:iam::111122223333:role/rotator"]}}),
    ],
    ids=lambda same: same[0],
)
def test_what_means_the_same_is_the_same(same: tuple[str, Any]) -> None:
    other = copy.deepcopy(POLICY)
    other["Statement"][0][same[0]] = same[1]
    assert differences(POLICY, other) == []


def test_an_account_is_its_root_user() -> None:
    trust = {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "sts:AssumeRole"}
    said = {**trust, "Principal": {"AWS": ["arn:aws-cn:iam::111122223333:root"]}}
    assert differences({"Statement": trust}, {"Statement": [said]}) == []


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [leaf for name, each in value.items() for leaf in leaves(each, (*path, name))]
    if isinstance(value, list):
        return [leaf for number, each in enumerate(value) for leaf in leaves(each, (*path, number))]
    return [path]


@pytest.mark.parametrize("path", [path for path in leaves(POLICY["Statement"]) if "Sid" not in path], ids=str)
def test_every_word_that_is_changed_is_noticed(path: tuple[Any, ...]) -> None:
    other = copy.deepcopy(POLICY)
    place = other["Statement"]
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = "another"
    missing, strange = differences(POLICY, other)
    assert missing.startswith("missing: ")
    assert strange.startswith("not the template's: ")


@pytest.mark.parametrize("path", [(0,), (1,), (0, "Condition"), (1, "Condition", "Bool")], ids=str)
def test_whatever_is_taken_out_is_noticed(path: tuple[Any, ...]) -> None:
    other = copy.deepcopy(POLICY)
    place = other["Statement"]
    for step in path[:-1]:
        place = place[step]
    del place[path[-1]]
    assert differences(POLICY, other) != []


def test_one_statement_more_is_told_in_words() -> None:
    more = {"Effect": "Allow", "Action": ["iam:*"], "Resource": "*"}
    other = {"Statement": [*POLICY["Statement"], more]}
    assert differences(POLICY, other) == ["not the template's: Allow iam:* on *"]


@pytest.mark.parametrize("none", [None, "", {"Statement": []}])
def test_no_policy_at_all_lacks_every_statement(none: Any) -> None:
    assert len(differences(POLICY, none)) == 2
    assert len(differences(none, POLICY)) == 2
    assert differences(none, None) == []


def test_a_condition_on_a_number_is_the_same_as_one_on_its_text() -> None:
    one = {"Statement": {"Effect": "Deny", "Condition": {"NumericEquals": {"k": 5}}}}
    other = {"Statement": {"Effect": "Deny", "Condition": {"NumericEquals": {"k": "5"}}}}
    assert differences(one, other) == []


def test_statements_are_counted_by_what_they_mean() -> None:
    assert len(statements(POLICY)) == 2
