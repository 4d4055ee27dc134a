"""`python -m keyrotation.preview` against an emulated account: each format, and each way in which it can fail."""

import csv
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from keyrotation.remember.table import TABLE_NAME

from sandbox.account import EmulatedAccount
from sandbox.cast import cast, seed
from sandbox.clients import Key
from sandbox.launch import CHECKOUT
from tests.e2e.people import secret_of

READER = "reader"
MAY_READ = (
    "iam:GetAccountAuthorizationDetails",
    "iam:GetAccountSummary",
    "iam:ListAccountAliases",
    "iam:ListAccessKeys",
    "iam:GetAccessKeyLastUsed",
    "secretsmanager:DescribeSecret",
    "dynamodb:Scan",
)


def make_table(account: EmulatedAccount) -> None:
    """As the stack makes it (tests/infra/test_memory.py)."""
    account.client("dynamodb").create_table(
        TableName=TABLE_NAME,
        AttributeDefinitions=[{"AttributeName": "user_id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "user_id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )


@contextmanager
def not_deployed(account: EmulatedAccount) -> Iterator[None]:
    """There is no table for the length of a block."""
    dynamodb = account.client("dynamodb")
    items = dynamodb.scan(TableName=TABLE_NAME)["Items"]
    dynamodb.delete_table(TableName=TABLE_NAME)
    try:
        yield
    finally:
        make_table(account)
        for item in items:
            dynamodb.put_item(TableName=TABLE_NAME, Item=item)


@pytest.fixture(scope="module")
def cast_keys(empty_account: EmulatedAccount) -> dict[str, list[Key]]:
    now = datetime.now(UTC)
    make_table(empty_account)
    return seed(empty_account, cast(now.date()), now)


@pytest.fixture
def reader(empty_account: EmulatedAccount, cast_keys: dict[str, list[Key]]) -> Iterator[Key]:
    """Somebody who may make exactly the calls that a preview makes."""
    iam = empty_account.client("iam")
    iam.create_user(UserName=READER)
    may(empty_account, *MAY_READ)
    made = iam.create_access_key(UserName=READER)["AccessKey"]
    yield Key(key_id=made["AccessKeyId"], secret=made["SecretAccessKey"])
    iam.delete_user_policy(UserName=READER, PolicyName="reads")
    iam.delete_access_key(UserName=READER, AccessKeyId=made["AccessKeyId"])
    iam.delete_user(UserName=READER)
    assert cast_keys


def may(account: EmulatedAccount, *actions: str) -> None:
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    account.client("iam").put_user_policy(
        UserName=READER,
        PolicyName="reads",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )


def environment(account: EmulatedAccount, key: Key | None, **changes: str | None) -> dict[str, str]:
    """Of a person with nothing but these credentials; a change of None leaves the variable out."""
    variables: dict[str, str | None] = {
        "PATH": os.environ["PATH"],
        "HOME": str(account.emulator.directory / "home"),
        "PYTHONPATH": str(CHECKOUT / "functions"),
        "AWS_ENDPOINT_URL": account.emulator.endpoint,
        "AWS_CA_BUNDLE": str(account.emulator.ca),
        "AWS_REGION": account.region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ACCESS_KEY_ID": key.key_id if key else None,
        "AWS_SECRET_ACCESS_KEY": key.secret if key else None,
        **changes,
    }
    return {name: value for name, value in variables.items() if value is not None}


# As `python -m keyrotation.preview`, but that nobody waits between two tries: for answers that no try makes good.
IMPATIENT = (
    "import runpy, time; time.sleep = lambda _: None; "
    "from botocore.retries.bucket import TokenBucket; TokenBucket.acquire = lambda *_, **__: True; "
    "runpy.run_module('keyrotation.preview', run_name='__main__', alter_sys=True)"
)


def preview(
    variables: Mapping[str, str], *arguments: str, patient: bool = True
) -> subprocess.CompletedProcess[str]:
    start = ["-m", "keyrotation.preview"] if patient else ["-c", IMPATIENT]
    command = [sys.executable, *start, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=dict(variables))


def shown(account: EmulatedAccount, key: Key, *arguments: str) -> str:
    done = preview(environment(account, key), *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def failed(variables: Mapping[str, str], *arguments: str, patient: bool = True) -> str:
    done = preview(variables, *arguments, patient=patient)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def test_the_table_shows_what_would_be_done_to_whom(empty_account: EmulatedAccount, reader: Key) -> None:
    today = datetime.now(UTC).date()

    text = shown(empty_account, reader)

    rows = text.partition("Would be done, by day:\n")[2].partition("\n\n")[0].splitlines()
    ben, finn = (next(line for line in rows if f"  {name}  " in line) for name in ("ben", "finn"))
    assert ben.startswith(f"{today}  replace, old key off {today + timedelta(days=14)}  ben ")
    assert finn.startswith(f"{today + timedelta(days=14)}  switch off, ")
    assert f"\n{today}  3  " in text


def row_of(told: dict[str, Any], user: str) -> dict[str, Any]:
    """Of the user's oldest key."""
    return next(row for row in told["keys"] if row["user"] == user)


def test_who_was_given_notice_is_switched_off_on_the_day_of_it_and_who_was_not_gets_it_first(
    empty_account: EmulatedAccount, reader: Key
) -> None:
    today = datetime.now(UTC).date()

    told = json.loads(shown(empty_account, reader, "--format", "json"))

    foreseen = {name: row_of(told, name) for name in ("dan", "eva", "finn", "gus", "noor", "hana")}

    def switched_off(*, days: int) -> tuple[str, str]:
        off = today + timedelta(days=days)
        return f"switch off, deleted {off + timedelta(days=30)}", str(off)

    assert {name: (row["what"], row["steps"][0]["on"]) for name, row in foreseen.items()} == {
        # His day comes in eight days; in use then, it gets InUseExtensionDays more.
        "dan": switched_off(days=8 + 14),
        "eva": switched_off(days=0),
        # In use on its day: notice for InUseExtensionDays ahead.
        "finn": switched_off(days=14),
        "gus": switched_off(days=0),
        # Nobody was told yet: WarnDays ahead.
        "noor": switched_off(days=7),
        "hana": ("delete", str(today)),
    }


def test_before_the_stack_is_deployed_nobody_was_told_and_nothing_goes_off_within_the_notice(
    empty_account: EmulatedAccount, reader: Key
) -> None:
    today = datetime.now(UTC).date()

    with not_deployed(empty_account):
        told = json.loads(shown(empty_account, reader, "--format", "json"))

    days = {row["key"]: row["steps"][0]["on"] for row in told["keys"] if row["steps"]}
    ends = [days[row["key"]] for row in told["keys"] if row["what"].startswith(("switch off", "delete"))]
    assert len(ends) >= 3
    assert min(ends) == str(today + timedelta(days=7))
    assert {row["user"] for row in told["keys"] if days.get(row["key"]) == str(today)} == {
        "ben",
        "cleo",
        "data+etl,nightly@corp",
    }


def sample_of_the_document() -> list[str]:
    document = Path(CHECKOUT, "docs/preview.md").read_text()
    sample = document.partition("Of the demo's users it says, among other things:\n\n")[2].partition("\n## ")[
        0
    ]
    return [line.removeprefix("    ") for line in sample.splitlines() if line]


def test_the_page_has_every_user_and_key(
    empty_account: EmulatedAccount, reader: Key, cast_keys: dict[str, list[Key]]
) -> None:
    page = shown(empty_account, reader, "--format", "html")

    assert page.startswith("<!doctype html>")
    for name, keys in cast_keys.items():
        assert f">{name}" in page
        assert all(key.key_id in page for key in keys), name


def but_for_chance(line: str) -> str:
    """Without what differs from one day and one account to the next: days, ids, sums, and the room they take."""
    line = re.sub(r"\d{4}-\d\d-\d\d", "DAY", line)
    line = re.sub(r"\b(AKIA|AIDA)\w+", r"\1", line)
    line = re.sub(r"^\d+ users, \d+ active keys, \d+ of them", "SUMS", line)
    line = re.sub(r"^access-key-rotation .*", "WHERE", line)
    return " ".join(line.split())


def test_the_sample_of_the_document_is_what_it_prints_of_the_demos_users(
    empty_account: EmulatedAccount, reader: Key
) -> None:
    sample = [but_for_chance(line) for line in sample_of_the_document() if line != "..."]
    printed = [but_for_chance(line) for line in shown(empty_account, reader).splitlines()]
    assert len(sample) > 10
    assert [line for line in sample if line not in printed] == []


def test_the_json_and_the_csv_tell_the_same(
    empty_account: EmulatedAccount, reader: Key, cast_keys: dict[str, list[Key]]
) -> None:
    told = json.loads(shown(empty_account, reader, "--format", "json"))["keys"]
    lines = csv.DictReader(shown(empty_account, reader, "--format", "csv").splitlines())
    # A line without a user is about the account.
    rows = [line for line in lines if line["user"]]

    assert [row["key"] for row in told] == [row["key"] for row in rows]
    assert {row["key"] for row in rows} == {
        *(key.key_id for keys in cast_keys.values() for key in keys),
        reader.key_id,
        "",
    }
    ids = {row["user"]: row["user_id"] for row in rows}
    users = empty_account.client("iam").list_users()["Users"]
    assert ids == {user["UserName"]: user["UserId"] for user in users}


def test_a_stricter_policy_is_tried_by_an_option(empty_account: EmulatedAccount, reader: Key) -> None:
    today = datetime.now(UTC).date()

    def due_today(*arguments: str) -> set[str]:
        told = json.loads(
            shown(
                empty_account, reader, "--format", "json", "--only", "replace", "--on", str(today), *arguments
            )
        )
        return {row["user"] for row in told["keys"]}

    assert due_today() == {"ben", "cleo", "data+etl,nightly@corp"}
    assert due_today("--max-key-age-days", "65") == {"ben", "cleo", "data+etl,nightly@corp", "hana"}


def test_nothing_is_written_and_no_secret_is_read(empty_account: EmulatedAccount, reader: Key) -> None:
    empty_account.forget()

    shown(empty_account, reader)

    principal = f"arn:aws:iam::{empty_account.account_id}:user/{READER}"
    calls = empty_account.calls(principal=principal)
    # Who one is may be asked by everybody.
    assert {call.action for call in calls if call.allowed} == {*MAY_READ, "sts:GetCallerIdentity"}
    assert all(call.allowed for call in calls)
    assert secret_of("eva") in {call.resource.partition("secret:")[2][:-7] for call in calls}


def test_on_a_terminal_the_progress_is_shown(empty_account: EmulatedAccount, reader: Key) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "keyrotation.preview", "--format", "json"]
    subprocess.run(
        command, stdout=subprocess.PIPE, stderr=theirs, check=True, env=environment(empty_account, reader)
    )
    os.close(theirs)
    seen = os.read(ours, 100_000).decode()
    os.close(ours)

    assert "15 of 15 users" in seen


@pytest.mark.parametrize("action", MAY_READ)
def test_the_action_that_is_missing_is_named(
    empty_account: EmulatedAccount, reader: Key, action: str
) -> None:
    may(empty_account, *(each for each in MAY_READ if each != action))

    told = failed(environment(empty_account, reader))

    assert told == f"preview: access denied: these credentials lack {action}\n"


def test_without_credentials_it_says_how_to_have_some(empty_account: EmulatedAccount) -> None:
    assert "there are no AWS credentials" in failed(environment(empty_account, None))


def test_half_of_the_credentials_is_told_as_that(empty_account: EmulatedAccount, reader: Key) -> None:
    variables = environment(empty_account, reader, AWS_SECRET_ACCESS_KEY=None)

    assert "the AWS credentials are incomplete" in failed(variables)


def test_credentials_that_expired_are_told_as_that(empty_account: EmulatedAccount, reader: Key) -> None:
    with empty_account.fail("iam:ListAccessKeys", code="ExpiredToken", status=403, times=100):
        assert "the AWS credentials have expired" in failed(environment(empty_account, reader))


def test_a_key_that_is_switched_off_is_told_as_that(empty_account: EmulatedAccount, reader: Key) -> None:
    empty_account.client("iam").update_access_key(
        UserName=READER, AccessKeyId=reader.key_id, Status="Inactive"
    )

    told = failed(environment(empty_account, reader))

    assert "AWS does not know these credentials" in told
    assert reader.secret not in told


def test_a_certificate_that_is_not_trusted_is_told_as_that(
    empty_account: EmulatedAccount, reader: Key
) -> None:
    assert "TLS failed" in failed(environment(empty_account, reader, AWS_CA_BUNDLE=None), patient=False)


def test_an_endpoint_where_nobody_answers_is_told_as_that(
    empty_account: EmulatedAccount, reader: Key
) -> None:
    nowhere = environment(empty_account, reader, AWS_ENDPOINT_URL="https://127.0.0.1:9")

    assert "AWS cannot be reached" in failed(nowhere, patient=False)


def test_throttling_that_does_not_end_is_told_as_that(empty_account: EmulatedAccount, reader: Key) -> None:
    with empty_account.fail("iam:GetAccountAuthorizationDetails", code="Throttling", times=100):
        assert "AWS throttles" in failed(environment(empty_account, reader), patient=False)


def test_a_policy_that_contradicts_itself_is_refused_before_anything_is_asked(
    empty_account: EmulatedAccount,
) -> None:
    done = preview(environment(empty_account, None), "--quiet-days", "20")

    assert done.returncode == 2
    assert "--overlap-days must be more than --quiet-days (--overlap-days=14, --quiet-days=20)" in done.stderr


def test_make_runs_it_with_the_callers_arguments() -> None:
    said = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "preview", "ARGS=--format csv --max-key-age-days 70"],
        cwd=Path(CHECKOUT),
        capture_output=True,
        text=True,
        check=True,
    ).stdout

    assert "-m keyrotation.preview --format csv --max-key-age-days 70" in said
