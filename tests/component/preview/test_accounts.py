"""Many accounts in one preview, and places where nothing is to be rotated."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import boto3
import pytest
from keyrotation.preview.__main__ import main
from keyrotation.remember.table import TABLE_NAME

from tests.component.account import ACCOUNT, NOW, REGION, Account
from tests.component.calls import Calls

ROLE = "arn:aws:iam::111122223333:role/access-key-preview"


def asked(*arguments: str) -> tuple[int, str, str]:
    out, err = io.StringIO(), io.StringIO()
    code = main(arguments, now=NOW, stdout=out, stderr=err)
    return code, out.getvalue(), err.getvalue()


def as_json(*arguments: str) -> dict[str, Any]:
    code, out, err = asked("--format", "json", *arguments)
    assert (code, err) == (0, "")
    told: dict[str, Any] = json.loads(out)
    return told


@pytest.fixture
def other(account: Account) -> None:
    """An account of somebody else's, with one user, whose role may be assumed."""
    sts = account.session.client("sts")
    assumed = sts.assume_role(RoleArn=ROLE, RoleSessionName="seeds")["Credentials"]
    sts.close()
    session = boto3.session.Session(
        aws_access_key_id=assumed["AccessKeyId"],
        aws_secret_access_key=assumed["SecretAccessKey"],
        aws_session_token=assumed["SessionToken"],
    )
    iam = session.client("iam")
    iam.create_user(UserName="olga")
    iam.create_access_key(UserName="olga")
    iam.create_account_alias(AccountAlias="other")
    iam.close()


@pytest.fixture
def profiles(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Account:
    """`here` and `same` have credentials of the account, `broken` has half of one. Returns the account."""
    whole = "aws_access_key_id = AKIATESTINGTESTING01\naws_secret_access_key = testing\n"
    written = tmp_path / "config"
    written.write_text(
        f"[profile here]\n{whole}[profile same]\n{whole}[profile broken]\naws_access_key_id = AKIATESTINGTESTING02\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(written))
    return account


@pytest.mark.usefixtures("other")
def test_profiles_and_roles_come_into_one_table(profiles: Account) -> None:
    profiles.add_carol()

    code, text, err = asked("--accounts", "here", ROLE)

    assert (code, err) == (0, "")
    here, there = text.splitlines()[:2]
    assert f"account {ACCOUNT} (no alias), Region {REGION}" in here
    assert "account 111122223333 (other), Region" in there
    assert "read by arn:aws:sts::111122223333:assumed-role/access-key-preview/access-key-preview" in there
    carol, olga = (line.split() for line in text.splitlines() if " carol " in line or " olga " in line)
    assert ACCOUNT in carol
    assert "111122223333" in olga
    assert "Keys by day, at most 100 users changed a day in each account:" in text


@pytest.mark.usefixtures("other")
def test_an_account_that_cannot_be_read_does_not_stop_the_others_and_the_exit_code_says_so(
    profiles: Account,
) -> None:
    profiles.add_carol()
    why = "the AWS credentials are incomplete: an access key id and a secret access key belong together"

    for format_ in ("table", "csv", "json", "html"):
        code, text, err = asked("--format", format_, "--accounts", "broken", "here", ROLE)

        assert (code, err) == (3, f"preview: broken: {why}\n")
        assert "carol" in text
        assert "olga" in text
        assert why in text, format_


def test_when_no_account_can_be_read_nothing_is_shown(account: Account) -> None:
    assert account
    code, text, err = asked("--accounts", "nobody", "no-one")

    assert (code, text) == (1, "")
    assert err.splitlines() == [
        f"preview: {name}: there is no such AWS profile: see `aws configure list-profiles`"
        for name in ("nobody", "no-one")
    ]


def test_an_account_that_is_named_twice_is_counted_once(profiles: Account) -> None:
    profiles.add_carol()

    code, text, err = asked("--format", "csv", "--accounts", "here", "same")

    assert (code, err) == (3, f"preview: same: this is the account {ACCOUNT} again, read as here\n")
    assert [row["user"] for row in csv.DictReader(io.StringIO(text)) if row["user"]] == ["carol"]


def test_a_role_that_may_not_be_assumed_is_told_with_the_action_that_is_missing(
    account: Account, calls: Calls
) -> None:
    assert account
    calls.refuse("AssumeRole", "AccessDenied")

    assert asked("--accounts", ROLE) == (
        1,
        "",
        f"preview: {ROLE}: access denied: these credentials lack sts:AssumeRole\n",
    )


def told(*arguments: str) -> list[str]:
    """Of the only account."""
    [account] = as_json(*arguments)["accounts"]
    texts: list[str] = account["told"]
    return texts


def test_a_path_below_which_nobody_is_comes_with_the_paths_that_there_are(account: Account) -> None:
    account.add_user("ann", path="/apps/")
    account.add_user("ben", path="/apps/")
    account.add_user("cid")

    (here, product) = told("--user-path-prefix", "/Apps/")

    assert here == (
        "nobody is below the path /Apps/. The users of this account are below /apps/ (2), / (1); a path is case-sensitive"
    )
    assert product.startswith("there is no IAM user below UserPathPrefix=/Apps/")
    _, text, _ = asked("--format", "csv", "--user-path-prefix", "/Apps/")
    assert here in [row["asks"] for row in csv.DictReader(io.StringIO(text))]
    assert f"  the account: {here}" in asked("--user-path-prefix", "/Apps/")[1].splitlines()


def test_an_account_without_users_is_told_as_that(account: Account) -> None:
    assert account
    assert told()[0] == "this account has no IAM user at all"


def test_a_region_in_which_nothing_of_ours_is_is_told(account: Account) -> None:
    account.add_carol()
    assert told() == []

    account.dynamodb.delete_table(TableName=TABLE_NAME)

    (text,) = told()
    assert text == (
        f"nothing of this system is in {REGION}: there is no table of it. If the stack is deployed in another Region, name that "
        "with --region; if it is deployed nowhere, this is what its first runs would do"
    )


def test_what_manages_or_uses_a_user_is_told_with_what_to_do(account: Account) -> None:
    account.add_user("mailer")
    account.add_key("mailer", age=10, used=0, service="ses")
    account.add_user("deployer", tags={"managed-by": "terraform"})

    found = {row["user"]: row["hints"] for row in as_json()["keys"]}

    assert ["derived from the key" in hint for hint in found["mailer"]] == [True]
    assert ["ignore_tags" in hint for hint in found["deployer"]] == [True]
    assert any(line.startswith("  mailer: It sends mail with SES.") for line in asked()[1].splitlines())


def test_a_user_of_whom_somebody_is_asked_is_not_among_those_with_nothing_to_do(account: Account) -> None:
    """Two keys made by hand: what is asked stands beside the older, and is about both."""
    account.add_user("ivo")
    older, newer = account.add_key("ivo", age=120, used=0), account.add_key("ivo", age=100, used=1)

    rows = {row["key"]: row for row in as_json()["keys"]}

    assert {rows[older]["group"], rows[newer]["group"]} == {"needs-a-person"}
    assert (bool(rows[older]["asks"]), bool(rows[newer]["asks"])) == (True, False)


def test_only_what_is_asked_for_is_shown_and_counted(account: Account) -> None:
    for name, owner, age in (("ann", "data", 80), ("ben", "data", 10), ("cid", "web", 81)):
        account.add_user(name)
        account.add_key(name, age=age, used=0)
        account.tag(name, owner=owner)
    account.add_user("kim")

    def shown(*arguments: str) -> set[str]:
        return {row["user"] for row in as_json(*arguments)["keys"]}

    assert shown() == {"ann", "ben", "cid", "kim"}
    assert shown("--owner", "data") == {"ann", "ben"}
    assert shown("--owner", "") == {"kim"}
    assert shown("--on", "2026-11-22") == {"ann", "cid"}
    assert shown("--on", "2026-12-06", "--only", "switch-off") == {"ann", "cid"}
    assert shown("--on", "2026-12-06", "--only", "replace") == set()
    assert shown("--only", "nothing-to-do") == {"kim"}
    days = as_json("--owner", "web")["days"]
    assert [(day["on"], day["replace"], day["switch-off"]) for day in days] == [
        ("2026-11-22", 1, 0),
        ("2026-12-06", 0, 1),
    ]
    assert "Shown: owner web\n" in asked("--owner", "web")[1]
