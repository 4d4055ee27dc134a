"""A template is resolved as CloudFormation does it; what is not known is refused by name, and never guessed."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.doctor.template import ABSENT, Deployed, Unresolved

PSEUDO = {
    "AWS::AccountId": "111122223333",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::StackName": "Stack",
    "AWS::URLSuffix": "amazonaws.com",
}
PARAMETERS = {"Mode": "String", "Days": "Number", "Arns": "CommaDelimitedList", "Ids": "List<Number>"}
RESOURCES = {
    "Role": ("AWS::IAM::Role", "role-1"),
    "Function": ("AWS::Lambda::Function", "function-1"),
    "Queue": ("AWS::SQS::Queue", "https://sqs.eu-west-1.amazonaws.com/111122223333/queue-1.fifo"),
    "Key": ("AWS::KMS::Key", "1234-5678"),
    "Table": ("AWS::DynamoDB::Table", "table-1"),
    "Alarm": ("AWS::CloudWatch::Alarm", "Stack-NoCompletedRun"),
    "Logs": ("AWS::Logs::LogGroup", "logs-1"),
    "Topic": ("AWS::SNS::Topic", "arn:aws:sns:eu-west-1:111122223333:topic-1"),
    "Schedule": ("AWS::Scheduler::Schedule", "schedule-1"),
}
HERE = "eu-west-1:111122223333"
ARNS = {
    "Role": "arn:aws:iam::111122223333:role/role-1",
    "Function": f"arn:aws:lambda:{HERE}:function:function-1",
    "Queue": f"arn:aws:sqs:{HERE}:queue-1.fifo",
    "Key": f"arn:aws:kms:{HERE}:key/1234-5678",
    "Table": f"arn:aws:dynamodb:{HERE}:table/table-1",
    "Alarm": f"arn:aws:cloudwatch:{HERE}:alarm:Stack-NoCompletedRun",
    "Logs": f"arn:aws:logs:{HERE}:log-group:logs-1:*",
    "Topic": f"arn:aws:sns:{HERE}:topic-1",
}


def deployed(conditions: dict[str, Any] | None = None, **parameters: str) -> Deployed:
    return Deployed(
        template={
            "Parameters": {name: {"Type": kind, "Default": "1,2"} for name, kind in PARAMETERS.items()},
            "Conditions": conditions or {},
            "Resources": {name: {"Type": kind} for name, (kind, _) in RESOURCES.items()},
        },
        parameters=parameters,
        physical_ids={name: physical_id for name, (_, physical_id) in RESOURCES.items()},
        pseudo=PSEUDO,
    )


# No braces and no dollar: those mean something to Fn::Sub.
WORDS = st.text(alphabet="ab:/*-. ", max_size=5)
PLAIN = st.recursive(
    WORDS | st.integers() | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
# Conditions, each beside whether it is true.
CONDITIONS = st.recursive(
    st.booleans().map(lambda true: ({"Fn::Equals": ["a", "a" if true else "b"]}, true)),
    lambda inner: st.one_of(
        inner.map(lambda one: ({"Fn::Not": [one[0]]}, not one[1])),
        st.lists(inner, min_size=2, max_size=4).map(
            lambda several: ({"Fn::And": [one[0] for one in several]}, all(one[1] for one in several))
        ),
        st.lists(inner, min_size=2, max_size=4).map(
            lambda several: ({"Fn::Or": [one[0] for one in several]}, any(one[1] for one in several))
        ),
    ),
    max_leaves=6,
)


@given(PLAIN)
def test_what_has_no_function_in_it_is_what_it_is(value: Any) -> None:
    assert deployed().resolve(value) == value


@given(WORDS, st.lists(WORDS, max_size=4))
def test_a_join_is_what_python_joins(separator: str, parts: list[str]) -> None:
    assert deployed().resolve({"Fn::Join": [separator, parts]}) == separator.join(parts)


@given(st.lists(st.text(alphabet="ab:/*", max_size=4), min_size=1, max_size=4))
def test_a_list_that_is_a_parameter_is_joined_to_what_was_typed(members: list[str]) -> None:
    stack = deployed(Arns=",".join(members))
    assert stack.resolve({"Ref": "Arns"}) == members
    assert stack.resolve({"Fn::Join": [",", {"Ref": "Arns"}]}) == ",".join(members)


def test_the_members_of_a_list_come_without_the_space_that_was_typed_around_them() -> None:
    assert deployed(Arns="a, b ,c").resolve({"Ref": "Arns"}) == ["a", "b", "c"]


def test_an_empty_list_is_joined_to_nothing() -> None:
    assert deployed(Arns="").resolve({"Fn::Join": [",", {"Ref": "Arns"}]}) == ""


@given(st.lists(st.text(alphabet="ab", max_size=3), min_size=1, max_size=4), st.integers(0, 3))
def test_what_is_split_is_joined_again_and_selected_by_its_place(parts: list[str], place: int) -> None:
    whole = {"Fn::Split": [":", ":".join(parts)]}
    stack = deployed()
    assert stack.resolve({"Fn::Join": [":", whole]}) == ":".join(parts)
    place %= len(parts)
    for index in (place, str(place)):
        assert stack.resolve({"Fn::Select": [index, whole]}) == parts[place]


@given(
    st.lists(st.sampled_from(["AWS::Region", "Mode", "Queue", "Role.Arn", "Queue.QueueName"]), max_size=4),
    WORDS,
)
def test_a_substitution_is_the_join_of_its_parts(names: list[str], between: str) -> None:
    stack = deployed(Mode="Enforce")
    text = between.join(f"${{{name}}}" for name in names)
    parts = [{"Fn::GetAtt": name.split(".")} if "." in name else {"Ref": name} for name in names]
    assert stack.resolve({"Fn::Sub": text}) == stack.resolve({"Fn::Join": [between, parts]})


def test_a_substitution_has_names_of_its_own_and_literals() -> None:
    sub = {"Fn::Sub": ["${Mine}-${!Kept}-${AWS::Region}", {"Mine": {"Ref": "Days"}}]}
    assert deployed(Days="7").resolve(sub) == "7-${Kept}-eu-west-1"


@given(CONDITIONS)
def test_a_condition_is_what_python_says(drawn: tuple[Any, bool]) -> None:
    condition, true = drawn
    stack = deployed({"Named": condition, "ByName": {"Condition": "Named"}})
    for written in (condition, "Named", "ByName", {"Condition": "Named"}):
        assert stack.holds(written) is true


@given(CONDITIONS, PLAIN, PLAIN)
def test_an_if_is_the_one_or_the_other(drawn: tuple[Any, bool], then: Any, otherwise: Any) -> None:
    condition, true = drawn
    chosen = deployed({"Named": condition}).resolve({"Fn::If": ["Named", then, otherwise]})
    assert chosen == (then if true else otherwise)


@given(st.lists(st.tuples(PLAIN, st.booleans()), max_size=5))
def test_no_value_is_left_out_of_lists_and_maps_and_nothing_else_is(members: list[tuple[Any, bool]]) -> None:
    """Also where an Fn::If comes to it."""
    no_value = {"Fn::If": ["Never", "something", {"Ref": "AWS::NoValue"}]}
    stack = deployed({"Never": {"Fn::Equals": ["a", "b"]}})
    kept = [value for value, stays in members if stays]
    assert stack.resolve([value if stays else no_value for value, stays in members]) == kept
    named = {str(number): value if stays else no_value for number, (value, stays) in enumerate(members)}
    assert list(stack.resolve(named).values()) == kept
    assert stack.resolve({"Ref": "AWS::NoValue"}) is ABSENT


def test_a_parameter_that_was_not_given_has_its_default() -> None:
    assert deployed().resolve([{"Ref": "Days"}, {"Ref": "Ids"}]) == ["1,2", ["1", "2"]]


@pytest.mark.parametrize("name", RESOURCES)
def test_a_reference_is_the_physical_id(name: str) -> None:
    assert deployed().resolve({"Ref": name}) == RESOURCES[name][1]


@pytest.mark.parametrize("name", ARNS)
def test_an_arn_is_made_as_aws_makes_it(name: str) -> None:
    assert deployed().resolve({"Fn::GetAtt": [name, "Arn"]}) == ARNS[name]


def test_the_name_of_a_queue_is_the_end_of_its_url() -> None:
    assert deployed().resolve({"Fn::GetAtt": ["Queue", "QueueName"]}) == "queue-1.fifo"


def test_a_role_with_a_path_has_it_in_its_arn() -> None:
    stack = Deployed(
        template={"Resources": {"Role": {"Type": "AWS::IAM::Role", "Properties": {"Path": "/team/"}}}},
        parameters={},
        physical_ids={"Role": "role-1"},
        pseudo={**PSEUDO, "AWS::Partition": "aws-cn"},
    )
    assert stack.arn("Role") == "arn:aws-cn:iam::111122223333:role/team/role-1"


@pytest.mark.parametrize(
    "unknown",
    [
        {"Ref": "Nobody"},
        {"Fn::GetAtt": ["Nobody", "Arn"]},
        {"Fn::GetAtt": ["Role", "RoleId"]},
        {"Fn::GetAtt": ["Schedule", "Arn"]},
        {"Fn::ImportValue": "Other"},
        {"Fn::FindInMap": ["Map", "a", "b"]},
        {"Fn::Join": [",", {"Ref": "Mode"}]},
        {"Fn::Join": [",", [["a"]]]},
        {"Fn::If": ["Nobody", 1, 2]},
        {"Fn::Sub": "${Nobody}"},
        {"Fn::Sub": "${Queue.Color}"},
    ],
    ids=str,
)
def test_what_is_not_known_is_refused(unknown: dict[str, Any]) -> None:
    with pytest.raises(Unresolved, match=r"Nobody|RoleId|Arn|ARN|Import|FindIn|Join|none in it|Color"):
        deployed(Mode="Audit").resolve({"deep": [unknown]})


def test_a_condition_that_nobody_knows_is_not_false() -> None:
    with pytest.raises(Unresolved):
        deployed().holds({"Fn::Contains": ["a", ["a"]]})


def test_a_resource_whose_condition_does_not_hold_is_not_there() -> None:
    stack = Deployed(
        template={
            "Conditions": {"Never": {"Fn::Equals": ["a", "b"]}},
            "Resources": {
                "There": {"Type": "T", "Metadata": {"aws:cdk:path": "Stack/A/Thing/Resource"}},
                "NotThere": {"Type": "T", "Condition": "Never"},
                "Other": {"Type": "U"},
            },
        },
        parameters={},
        physical_ids={},
        pseudo=PSEUDO,
    )
    assert list(stack.resources("T")) == ["There"]
    assert stack.path("There") == "A/Thing"
    assert stack.path("Other") == "Other"
    assert stack.properties("There") == {}
    with pytest.raises(Unresolved, match="There"):
        stack.physical_id("There")
