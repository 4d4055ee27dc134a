"""docs/field-cases.md: every row names a test that is there."""

import re
from pathlib import Path

import pytest
from keyrotation.decide.tags import PREFIX

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/field-cases.md").read_text()
ROWS = [
    line
    for line in PAGE.splitlines()
    if line.startswith("| ") and not re.match(r"\|[ -]*\|? ?(n|case|what was wrong) \|", line)
]
NAMED = sorted(set(re.findall(r"`([a-z0-9_/]+\.py)::(test_\w+)`", PAGE)))


@pytest.mark.parametrize(("file", "name"), NAMED, ids=lambda each: each)
def test_a_named_test_is_there(file: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / "tests" / file).read_text()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[2:40])
def test_every_row_ends_in_the_name_of_a_test(row: str) -> None:
    assert re.search(r"`[a-z0-9_/]+\.py::test_\w+` \|$", row)


def test_there_are_rows() -> None:
    assert len(ROWS) > 45
    assert len(NAMED) > 40


DOCUMENTS = (
    "\n".join(path.read_text() for path in sorted((ROOT / "docs").glob("*.md")))
    + (ROOT / "README.md").read_text()
)


@pytest.mark.parametrize(
    "words",
    [
        ["ignore_tags", "key_prefixes", "ignore_changes"],
        ["force_destroy", "DeleteConflict"],
        ["@aws-cdk/core:permissionsBoundary", "cdk.json"],
        ["get-session-token", "MFA"],
        ["another account", "SecretsKmsKeyArn", "kms:Decrypt"],
        ["The secret of a deleted user", "US$ 0.40"],
        ["AWSCompromisedKeyQuarantine"],
        ["service control policy", "iam:CreateAccessKey", "ArnNotLike"],
        ["sns subscribe", "--authenticate-on-unsubscribe"],
        ["What an update does to what is there"],
        ["access-key-follow smtp"],
        ["presigned URLs"],
        ["rotate-root", "disable_credential_rotation"],
    ],
    ids=lambda words: words[0],
)
def test_the_documents_say_what_an_operator_looks_for(words: list[str]) -> None:
    assert [word for word in words if word not in DOCUMENTS] == []


def test_the_prefix_in_the_documents_is_the_one_that_the_code_reads() -> None:
    assert f'key_prefixes = ["{PREFIX}"]' in DOCUMENTS
