"""The preview: what it shows of an account, in each format, and that it only reads."""

import csv
import io
import json
from typing import Any

import botocore.session
import pytest
from botocore import exceptions as failure
from keyrotation import VERSION
from keyrotation.memory import Why
from keyrotation.preview.__main__ import main
from keyrotation.preview.refusals import why_failed
from keyrotation.remember.table import TABLE_NAME

from tests.component.account import ACCOUNT, NOW, REGION, TODAY, Account, days_ago
from tests.component.calls import Call, Calls

READS = {
    "GetCallerIdentity",
    "ListAccountAliases",
    "GetAccountAuthorizationDetails",
    "Scan",
    "ListAccessKeys",
    "GetAccessKeyLastUsed",
    "DescribeSecret",
    "GetAccountSummary",
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def previewed(*arguments: str) -> str:
    out, err = io.StringIO(), io.StringIO()
    assert (main(arguments, now=NOW, stdout=out, stderr=err), err.getvalue()) == (0, "")
    return out.getvalue()


def as_json(*arguments: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(previewed("--format", "json", *arguments))
    return told


def refused(*arguments: str) -> tuple[int, str]:
    out, err = io.StringIO(), io.StringIO()
    code = main(arguments, now=NOW, stdout=out, stderr=err)
    assert out.getvalue() == ""
    return code, err.getvalue()


def only_key(told: dict[str, Any], user: str) -> dict[str, Any]:
    (row,) = [row for row in told["keys"] if row["user"] == user]
    found: dict[str, Any] = row
    return found


def on(row: dict[str, Any]) -> str:
    """The day of the first thing that would be done."""
    first: dict[str, str] = row["steps"][0]
    return first["on"]


def test_who_has_which_key_and_what_would_be_done_when(account: Account) -> None:
    _, due = account.add_carol()
    account.add_user("dan")
    young = account.add_key("dan", age=10, used=0)
    account.add_user("eve")
    unused = account.add_key("eve", age=60, used=50)
    account.add_user("kim")

    told = as_json()

    carol, dan, eve, kim = (only_key(told, name) for name in ("carol", "dan", "eve", "kim"))
    assert carol["user_id"] == account.iam.get_user(UserName="carol")["User"]["UserId"]
    assert (carol["key"], carol["status"], carol["age_days"]) == (due, "Active", 80)
    assert (carol["last_used_on"], carol["last_used_service"]) == ("2026-11-21", "s3")
    assert (carol["steps"], carol["what"]) == (
        [{"on": "2026-11-22", "action": "replace"}, {"on": "2026-12-06", "action": "switch-off"}],
        "replace, old key off 2026-12-06",
    )
    # Replaced at the age of 74 days: used keys are supposed to stay in use.
    assert (dan["key"], on(dan), dan["what"]) == (
        young,
        "2027-01-25",
        "replace, old key off 2027-02-08",
    )
    # Unused for 90 days, 40 days from now; but due at 74 days comes first.
    assert (eve["key"], eve["what"]) == (unused, "replace, old key off 2026-12-20")
    assert (kim["key"], kim["age_days"], kim["what"]) == ("", None, "")


# Notices: nobody was told anything before the stack is there, and then the table says what people were told.


def in_an_overlap(account: Account) -> tuple[str, str]:
    """Carol with a quiet old key and a new one in her secret, whose overlap ends tomorrow. Returns their ids."""
    account.add_user("carol")
    elder = account.add_key("carol", age=89, used=20)
    newer = account.add_key("carol", age=13, used=0)
    account.store("carol", newer)
    return elder, newer


def test_an_old_key_goes_off_on_the_day_that_people_were_told_and_is_deleted_later(account: Account) -> None:
    elder, newer = in_an_overlap(account)
    account.notice("carol", elder, Why.OVERLAP, days=1)

    rows = {row["key"]: row for row in as_json()["keys"]}

    assert (on(rows[elder]), rows[elder]["what"]) == ("2026-11-23", "switch off, deleted 2026-12-23")
    assert rows[newer]["what"].startswith("replace")


def test_an_old_key_of_which_nobody_was_told_goes_off_after_a_notice_that_would_be_given_today(
    account: Account,
) -> None:
    elder, _ = in_an_overlap(account)

    rows = {row["key"]: row for row in as_json()["keys"]}

    assert (on(rows[elder]), rows[elder]["what"]) == ("2026-11-29", "switch off, deleted 2026-12-29")


def test_a_notice_is_forecast_as_given_told_again_and_kept_on_its_day(account: Account) -> None:
    account.add_user("carol")
    unused = account.add_key("carol", age=60)

    row = only_key(as_json(), "carol")

    # Two days before it would reach the threshold; its notice is given seven days before that.
    assert (row["key"], on(row), row["what"]) == (unused, "2026-12-20", "switch off, deleted 2027-01-19")
    assert row["reason"] == "never used, and 88 days old"


def test_a_key_goes_off_no_sooner_than_people_were_told_whatever_policy_is_tried(account: Account) -> None:
    elder, _ = in_an_overlap(account)
    account.notice("carol", elder, Why.OVERLAP, days=10)

    rows = {row["key"]: row for row in as_json("--overlap-days", "8", "--max-key-age-days", "80")["keys"]}

    assert on(rows[elder]) == "2026-12-02"


def test_what_is_remembered_of_a_key_that_is_off_decides_when_it_is_deleted(account: Account) -> None:
    account.add_user("carol")
    off = account.add_key("carol", age=60, status="Inactive")
    account.remember_key("carol", off, off_since=days_ago(25).date())

    row = only_key(as_json(), "carol")

    # Thirty days after it went off, but not without a notice of seven.
    assert (row["key"], on(row), row["what"]) == (off, "2026-11-29", "delete")


def test_before_the_stack_is_there_an_inactive_key_counts_from_today(account: Account) -> None:
    account.dynamodb.delete_table(TableName=TABLE_NAME)
    account.add_user("carol")
    off = account.add_key("carol", age=60, status="Inactive")

    row = only_key(as_json("--delete-after-days", "20"), "carol")

    assert (row["key"], on(row), row["what"]) == (off, "2026-12-12", "delete")


def test_a_user_whose_memory_cannot_be_read_is_shown_and_nothing_is_foreseen(account: Account) -> None:
    _, due = account.add_carol()
    account.remember("carol", changed=TODAY)
    account.dynamodb.update_item(
        TableName=TABLE_NAME,
        Key={"user_id": {"S": account.user_id("carol")}},
        UpdateExpression="SET changed = :nonsense",
        ExpressionAttributeValues={":nonsense": {"S": "some day"}},
    )

    row = only_key(as_json(), "carol")

    assert (row["key"], row["what"]) == (due, "")
    assert "its memory cannot be read" in row["asks"]


def test_a_user_whom_aws_has_quarantined_is_asked_about_and_gets_no_key(
    account: Account, calls: Calls
) -> None:
    account.add_carol()

    def quarantine(_: Call, answer: dict[str, Any]) -> None:
        name = "AWSCompromisedKeyQuarantineV3"
        policy = {"PolicyName": name, "PolicyArn": f"arn:aws:iam::aws:policy/{name}"}
        answer["UserDetailList"][0]["AttachedManagedPolicies"] = [policy]

    calls.change_answer("GetAccountAuthorizationDetails", quarantine)

    row = only_key(as_json(), "carol")

    assert row["what"] == ""
    assert "AWS found an access key of this user exposed" in row["asks"]


def test_a_policy_is_tried_before_it_is_set(account: Account) -> None:
    account.add_user("dan")
    account.add_key("dan", age=50, used=0)

    assert on(only_key(as_json(), "dan")) == "2026-12-16"
    tried = as_json("--max-key-age-days", "65")
    assert on(only_key(tried, "dan")) == "2026-11-22"
    assert tried["accounts"][0]["policy"]["MaxKeyAgeDays"] == 65


def test_the_cap_spreads_the_replacements_over_the_next_days_oldest_first(account: Account) -> None:
    for number in range(5):
        account.add_user(f"user-{number}")
        account.add_key(f"user-{number}", age=80 + number, used=0)

    told = as_json("--max-users-per-run", "2")

    replaced, off = told["days"][:3], told["days"][3:]
    assert [(day["on"], day["replace"], day["waiting"]) for day in replaced] == [
        ("2026-11-22", 2, 3),
        ("2026-11-23", 2, 1),
        ("2026-11-24", 1, 0),
    ]
    assert [(day["on"], day["switch-off"]) for day in off] == [
        ("2026-12-06", 2),
        ("2026-12-07", 2),
        ("2026-12-08", 1),
    ]
    assert [on(only_key(told, f"user-{number}")) for number in range(5)] == [
        "2026-11-24",
        "2026-11-23",
        "2026-11-23",
        "2026-11-22",
        "2026-11-22",
    ]
    text = previewed("--max-users-per-run", "2")
    assert "DAY         REPLACED  SWITCHED OFF" in text
    assert (
        "2026-11-22  2         0             3 wait for the next day\n2026-11-23  2         0             1 wait"
        in text
    )


WHERE = f"account {ACCOUNT} (no alias), Region {REGION}, users below /, read by arn:aws:sts::{ACCOUNT}:"


def test_the_table_says_where_it_looked_what_would_be_done_and_who_should_act(account: Account) -> None:
    _, due = account.add_carol()
    account.tag("carol", owner="team-payments")
    account.add_user("dan", path="/apps/")
    asks = account.add_key("dan", age=80, used=1)
    account.tag("dan", exempt="some day")
    account.add_user("eve")
    account.add_key("eve", age=12, used=0)
    account.tag("eve", exempt="2027-01-31 migration")
    account.add_user("kim")

    lines = previewed().splitlines()

    assert lines[0].startswith(f"access-key-rotation {VERSION}, 2026-11-22 06:00 UTC: {WHERE}")
    first = lines.index("Would be done, by day:")
    assert lines[first + 1].split() == [
        "ON",
        "WOULD",
        "USER",
        "OWNER",
        "PATH",
        "KEY",
        "STATUS",
        "AGE",
        "LAST",
        "USED",
        "WHY",
    ]
    assert lines[first + 2].startswith("2026-11-22  replace, old key off 2026-12-06  carol  team-payments  /")
    assert f"{due}  Active  80   2026-11-21 s3  80 days old; a replacement is due" in lines[first + 2]
    person = lines[lines.index("Needs a person:") + 1]
    assert person.startswith(
        f"  dan {asks}: nothing was done: the tag access-key-rotation:exempt is `some day`"
    )
    assert "  eve " in lines[lines.index("Exempt:") + 1]
    assert lines[lines.index("Exempt:") + 1].endswith(": exempt through 2027-01-31: migration")
    nothing = lines.index("Nothing to do:")
    assert lines[nothing + 2].split() == ["kim", "-", "/", "-", "-", "-", "-"]
    assert lines[-1].startswith("4 users, 3 active keys, 0 of them 90 days old or older.")
    # After her exemption she is foreseen as everybody is.
    assert any("eve" in line and line.startswith("2027-02-") for line in lines[first:])


def test_the_csv_has_a_line_per_key_that_a_program_can_read(account: Account) -> None:
    _, key = account.add_carol()
    account.tag("carol", owner="team-payments")

    (row,) = csv.DictReader(io.StringIO(previewed("--format", "csv")))

    assert (row["account"], row["region"], row["version"]) == (ACCOUNT, REGION, VERSION)
    assert (row["user"], row["owner"], row["key"], row["age_days"]) == ("carol", "team-payments", key, "80")
    assert (row["on"], row["action"], row["then_on"], row["then"]) == (
        "2026-11-22",
        "replace",
        "2026-12-06",
        "switch-off",
    )
    assert row["group"] == "changes"
    assert row["at"] == "2026-11-22T06:00:00Z"


def test_nobody_above_the_path_is_shown(account: Account) -> None:
    account.add_carol()
    account.add_user("dan", path="/team/")

    told = as_json("--user-path-prefix", "/team/")

    assert [row["user"] for row in told["keys"]] == ["dan"]


def test_a_preview_only_reads_and_says_nothing_of_a_secret(account: Account, calls: Calls) -> None:
    _, key = account.add_carol()
    account.store("carol", key)
    secret = account.current("carol")["SecretAccessKey"]
    calls.clear()

    text = previewed()

    assert set(calls.operations) == READS
    assert calls.writes == []
    assert secret not in text


def test_what_tags_say_cannot_drive_the_terminal(account: Account, calls: Calls) -> None:
    account.add_carol()

    def clear_the_screen(_: Call, answer: dict[str, Any]) -> None:
        answer["UserDetailList"][0]["Tags"] = [
            {"Key": "access-key-rotation:max-age-days", "Value": "9\x1b[2J"}
        ]

    calls.change_answer("GetAccountAuthorizationDetails", clear_the_screen)

    text = previewed()

    assert "max-age-days" in text
    assert "\x1b" not in text


def test_a_person_who_waits_sees_the_progress_and_a_pipe_does_not(account: Account) -> None:
    account.add_carol()
    terminal = Terminal()

    assert main([], now=NOW, stdout=io.StringIO(), stderr=terminal) == 0

    assert "1 of 1 users" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r\x1b[K")


def test_a_policy_that_breaks_somebody_is_refused_by_name_before_anything_is_asked(
    account: Account, calls: Calls
) -> None:
    account.add_carol()
    calls.clear()

    code, told = refused("--overlap-days", "7")

    assert code == 2
    assert (
        told
        == "preview: this policy is refused: --overlap-days must be more than --quiet-days (--overlap-days=7, --quiet-days=7)\n"
    )
    assert calls.operations == []


REFUSALS = {
    "GetAccountAuthorizationDetails": "iam:GetAccountAuthorizationDetails",
    "ListAccountAliases": "iam:ListAccountAliases",
    "ListAccessKeys": "iam:ListAccessKeys",
    "Scan": "dynamodb:Scan",
    "DescribeSecret": "secretsmanager:DescribeSecret",
}


@pytest.mark.parametrize("operation", REFUSALS)
def test_the_action_that_is_missing_is_named(account: Account, calls: Calls, operation: str) -> None:
    _, key = account.add_carol()
    account.store("carol", key)
    calls.refuse(operation, "AccessDeniedException")

    assert refused() == (1, f"preview: access denied: these credentials lack {REFUSALS[operation]}\n")


CODES = {
    "ExpiredToken": "the AWS credentials have expired: sign in again",
    "InvalidClientTokenId": "AWS does not know these credentials: the key is deleted, inactive or mistyped",
    "ServiceFailure": "AWS could not be asked (ListAccessKeys: ServiceFailure, ListAccessKeys said no)",
}


@pytest.mark.parametrize("code", CODES)
def test_what_aws_refuses_is_one_line(account: Account, calls: Calls, code: str) -> None:
    account.add_carol()
    calls.refuse("ListAccessKeys", code)

    assert refused() == (1, f"preview: {CODES[code]}\n")


def test_a_user_who_is_deleted_meanwhile_is_left_out(account: Account, calls: Calls) -> None:
    account.add_carol()
    account.add_user("dan")
    calls.refuse("ListAccessKeys", "NoSuchEntity", UserName="dan")

    assert [row["user"] for row in as_json()["keys"]] == ["carol"]


def test_without_a_region_it_says_how_to_name_one(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    account.add_carol()
    monkeypatch.delenv("AWS_DEFAULT_REGION")

    assert refused() == (
        1,
        "preview: no AWS Region is set: name the stack's with --region or AWS_REGION\n",
    )


def test_a_profile_that_is_not_there_is_one_line() -> None:
    assert refused("--profile", "nobody") == (
        1,
        "preview: there is no such AWS profile: see `aws configure list-profiles`\n",
    )


LOCAL = {
    "no credentials": (failure.NoCredentialsError(), "there are no AWS credentials"),
    "an ended login": (failure.UnauthorizedSSOTokenError(), "the AWS credentials have expired"),
    "a silent endpoint": (failure.ConnectTimeoutError(endpoint_url="x"), "AWS cannot be reached"),
    "no credential process": (FileNotFoundError("x"), "the AWS credentials could not be had"),
    "a failed credential process": (
        failure.CredentialRetrievalError(provider="x", error_msg="x"),
        "the AWS credentials could not be had",
    ),
    "an endpoint that is no URL": (ValueError("Invalid endpoint: x"), "AWS_ENDPOINT_URL is no URL"),
}


@pytest.mark.parametrize("case", LOCAL)
def test_what_fails_on_this_machine_is_said_in_one_line(case: str) -> None:
    error, words = LOCAL[case]

    assert why_failed(error).startswith(words)
    assert "\n" not in why_failed(error)


def test_it_makes_clients_with_the_callers_own_session_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert botocore.session.Session().get_config_variable("region")

    assert refused() == (
        1,
        "preview: the AWS credentials are incomplete: an access key id and a secret access key belong together\n",
    )
