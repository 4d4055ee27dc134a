"""A command of the mail for whatever IAM takes as a user's name."""

import shlex

import pytest
from keyrotation.tell import commands


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("--debug", ["--user-name=--debug"]),
        ("-a", ["--user-name=-a"]),
        ("alice", ["--user-name=alice"]),
        ("a=b+c,d.e@f", ["--user-name=a=b+c,d.e@f"]),
    ],
)
def test_a_name_is_never_taken_for_an_option(name: str, words: list[str]) -> None:
    assert shlex.split(commands.list_keys(name)) == ["aws", "iam", "list-access-keys", *words]
