"""The page, the JSON, and how the command ends."""

import json
import shlex
from datetime import UTC, datetime

import pytest

from infra.doctor.findings import Exit, Finding, comes_to, fail, not_seen, note, ok
from infra.doctor.mend import aws
from infra.doctor.page import as_json, text

NOW = datetime(2026, 11, 27, 6, 30, tzinfo=UTC)
OK, NOTE = ok("stack", "fine"), note("listeners", "only one", "subscribe another")
FAIL, UNSEEN = fail("schedule", "is off", "switch it on"), not_seen("alarms", "denied", "# needs it")


@pytest.mark.parametrize(
    ("findings", "ends"),
    [
        ([], Exit.HEALTHY),
        ([OK, NOTE], Exit.HEALTHY),
        ([OK, UNSEEN], Exit.NOT_ALL_SEEN),
        ([OK, NOTE, UNSEEN, FAIL], Exit.WRONG),
        ([FAIL], Exit.WRONG),
    ],
)
def test_the_worst_decides_how_it_ends(findings: list[Finding], ends: Exit) -> None:
    assert comes_to(findings) is ends


def test_the_numbers_are_those_that_are_documented() -> None:
    assert [int(each) for each in Exit] == [0, 1, 2, 3]


def test_the_page_has_a_line_for_each_and_what_to_do_by_number() -> None:
    assert text([OK, NOTE, FAIL, UNSEEN], now=NOW) == (
        "SOMETHING IS WRONG (1 OK, 1 NOTE, 1 FAIL, 1 NOT SEEN)  2026-11-27 06:30 UTC\n"
        "\n"
        "OK        stack     fine\n"
        "NOTE      listeners only one  [1]\n"
        "FAIL      schedule  is off  [2]\n"
        "NOT SEEN  alarms    denied  [3]\n"
        "\n"
        "What to do, by the numbers:\n"
        "[1] subscribe another\n"
        "[2] switch it on\n"
        "[3] # needs it\n"
    )


def test_a_page_with_nothing_to_do_says_nothing_of_it() -> None:
    assert text([OK], now=NOW) == "HEALTHY (1 OK)  2026-11-27 06:30 UTC\n\nOK        stack fine\n"


def test_a_long_line_is_broken_and_no_word_of_it() -> None:
    arn = "arn:aws:iam::111122223333:role/" + "x" * 120
    lines = text([ok("stack", f"{'word ' * 30}{arn}")], now=NOW).splitlines()
    assert any(arn in line for line in lines)
    assert all(len(line) <= 120 or arn in line for line in lines)


def test_the_json_has_all_of_it() -> None:
    document = json.loads(as_json([OK, FAIL], now=NOW))
    assert document == {
        "looked_at": "2026-11-27T06:30:00+00:00",
        "exit": 1,
        "findings": [
            {"level": "OK", "what": "stack", "detail": "fine", "mend": ""},
            {"level": "FAIL", "what": "schedule", "detail": "is off", "mend": "switch it on"},
        ],
    }


def test_a_command_is_one_for_bash_whatever_is_in_it() -> None:
    document = {"Sid": 'it\'s $HOME `and` "more"'}
    command = aws("iam put-role-policy", region="eu-west-1", policy_document=document, dry=True, name="a b")
    assert shlex.split(command) == [
        *("aws", "iam", "put-role-policy", "--region", "eu-west-1"),
        *("--policy-document", '{"Sid":"it\'s $HOME `and` \\"more\\""}', "--dry", "--name", "a b"),
    ]
