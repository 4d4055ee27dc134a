"""One digest of all accounts: who needs someone, the worst first; who is silent; and what may be said to have been heard."""

import csv
import io
import re

import pytest
from keyrotation.centre import words
from keyrotation.centre.digest import Digest, Expected, Found, digest_of
from keyrotation.centre.spreadsheet import COLUMNS, table_of
from keyrotation.decide.actions import Kind
from keyrotation.tell.asked import STRANDED
from keyrotation.tell.report_json import id_of

from tests.unit.centre.reports import BUCKET, KEY, NOW, ONE, THREE, TWO, data, day, entry, found, notice

SNS_TAKES = 256 * 1024


def body(digest: Digest) -> str:
    return "".join(page.body for page in digest.pages)


def section(digest: Digest, title: str) -> list[str]:
    """The lines below a title, to the next empty one."""
    _, _, rest = body(digest).partition(f"\n\n{title}")
    return rest.partition("\n\n")[0].splitlines()[1:]


def refused(account: str) -> Found:
    return Found(account=account, at=NOW, report=None, refused="it is no JSON")


def test_a_day_on_which_nothing_is_to_do_says_so_in_one_message() -> None:
    digest = digest_of(day(found()))
    (page,) = digest.pages
    assert page.subject == "INFO: access keys: nothing to do"
    assert "1 accounts; 1 reported, 0 silent, 0 not understood." in page.body
    assert page.attributes == {"about": "organization", "severity": "info"}
    assert list(digest.others) == []


def test_who_needs_someone_stands_across_accounts_the_worst_first_with_a_command_made_here() -> None:
    digest = digest_of(
        day(
            found(ONE, sections={"attention": [entry("held-in-use", by="2026-12-01")]}),
            found(
                TWO, sections={"failed": [entry("failed", "bob")], "forced-off": [entry("forced-off", "eve")]}
            ),
        )
    )
    lines = section(digest, "NEEDS SOMEONE")
    assert [line.split()[:2] for line in lines[::2]] == [
        ["FORCED", TWO + ","],
        ["FAILED", TWO + ","],
        ["ATTENTION", ONE + ","],
    ]
    assert lines[1].strip() == f"aws iam list-access-keys --user-name eve  # in account {TWO}"
    assert 'user "alice", key AKIAIOSFODNN7EXAMPLE: the old key is still in use' in lines[4]
    assert lines[4].endswith("By 2026-12-01.")
    assert digest.pages[0].subject == "CRITICAL: access keys: 3 in 2 accounts need someone"


def test_of_the_account_itself_the_command_shows_its_report() -> None:
    digest = digest_of(day(found(sections={"account": [entry("setting", None)]})))
    assert f"aws s3 cp s3://{BUCKET}/reports/{ONE}/latest.json -" in body(digest)


def test_a_silent_account_and_one_that_never_reported_are_named_and_not_heard() -> None:
    digest = digest_of(
        day(found(ONE), found(TWO, hours=27), expected={each: Expected() for each in (ONE, TWO, THREE)})
    )
    assert section(digest, "SILENT") == [
        f"  {TWO}: last report 2026-11-21 07:00 UTC",
        f"  {THREE}: has never reported",
    ]
    assert digest.heard.keys() == {ONE}
    assert digest.pages[0].attributes["severity"] == "attention"


def test_an_account_may_be_late_by_two_hours() -> None:
    assert digest_of(day(found(hours=25.9))).heard.keys() == {ONE}


def test_a_report_that_is_not_understood_is_told_and_not_heard() -> None:
    digest = digest_of(day(found(ONE), refused(TWO)))
    assert section(digest, "NOT UNDERSTOOD") == [f"  {TWO}: it is no JSON"]
    assert digest.heard.keys() == {ONE}


def test_when_the_stackset_could_not_be_asked_that_is_told_and_the_others_are_heard() -> None:
    digest = digest_of(day(found(ONE), asked=False))
    assert "WHICH ACCOUNTS SHOULD REPORT COULD NOT BE READ" in body(digest)
    assert digest.heard.keys() == {ONE}


def test_an_account_whose_stack_is_not_as_it_should_be_is_told_with_the_reason_in_one_line() -> None:
    trouble = "INOPERABLE ResourceLogicalId:Role, https://evil.example\nalready exists" + "x" * 200
    digest = digest_of(day(found(ONE), expected={ONE: Expected(name="prod", trouble=trouble)}))
    (line,) = section(digest, "NOT DEPLOYED")
    assert line.startswith(f'  {ONE} "prod": INOPERABLE')
    assert len(line) < 100
    assert "://" not in line


def test_accounts_in_audit_and_the_versions_in_use_are_told() -> None:
    digest = digest_of(day(found(ONE, mode="Audit"), found(TWO), found(THREE, product_version="0.1.0")))
    assert section(digest, "IN AUDIT") == [f"  {ONE}"]
    assert section(digest, "VERSIONS") == ["  0.2.0: 2 accounts", "  0.1.0: 1 accounts"]


def test_every_notice_stands_in_the_digest_with_user_key_day_and_reason() -> None:
    digest = digest_of(
        day(found(notices=[notice(), notice("bob", what="delete", why="inactive", new=False)]))
    )
    assert (
        f'2026-12-04 at the earliest: user "alice", key {KEY} is switched off (a newer key replaces it; given today)'
        in body(digest)
    )
    assert f'user "bob", key {KEY} is deleted (it is off; again)' in body(digest)
    assert digest.heard.keys() == {ONE}


def many(account: int, notices: int = 40) -> Found:
    return found(f"{account:012}", notices=[notice("u" * 60 + f"{each:04}") for each in range(notices)])


def test_many_notices_have_messages_of_their_own_and_only_whose_notices_all_stand_there_is_heard() -> None:
    founds = [many(account, 400) for account in range(130)]
    digest = digest_of(day(*founds))

    assert max(len(page.body.encode()) for page in digest.pages) < SNS_TAKES
    pages = [page.body for page in digest.pages[1:]]
    assert len(pages) == 20
    named = {each.account for each in founds if any(f"\n{each.account}\n" in page for page in pages)}
    assert digest.heard.keys() == named
    assert 0 < len(named) < len(founds)
    for account in named:
        lines = (
            next(page for page in pages if f"\n{account}\n" in page)
            .partition(f"\n{account}\n")[2]
            .splitlines()
        )
        assert len([line for line in lines[:400] if "at the earliest" in line]) == 400
    assert f"{len(founds) - len(named)} accounts had no room for their notices" in digest.pages[0].body


def test_one_account_that_floods_takes_no_more_than_its_own_report_has() -> None:
    flood = many(0, 500)
    digest = digest_of(day(flood, found(TWO, notices=[notice()])))
    assert digest.heard.keys() == {flood.account, TWO}


def test_no_message_is_larger_than_sns_takes_however_much_is_wrong() -> None:
    founds = [
        found(f"{account:012}", sections={"critical": [entry("key-exposed", "u" * 64, owner="o" * 60)] * 25})
        for account in range(300)
    ]
    digest = digest_of(day(*founds))
    assert max(len(each.body.encode()) for each in (*digest.pages, *digest.others)) < SNS_TAKES
    assert "and 7400 more: the table has their accounts" in body(digest)


def test_an_account_and_an_owner_have_messages_of_their_own_by_attribute() -> None:
    digest = digest_of(
        day(
            found(ONE, sections={"failed": [entry("failed", owner="Ann")]}),
            found(TWO, notices=[notice(owner="Ann"), notice("bob", owner="Ben")]),
            found(THREE),
        )
    )
    others = list(digest.others)
    about = [dict(each.attributes) for each in others]
    assert about == [
        {"about": "account", "account": ONE, "severity": "critical"},
        {"about": "account", "account": TWO, "severity": "info"},
        {"about": "owner", "owner": "Ann", "severity": "critical"},
        {"about": "owner", "owner": "Ben", "severity": "info"},
    ]
    of_ann = others[2].body
    assert f"FAILED  {ONE}" in of_ann
    assert f"{TWO}: 2026-12-04" in of_ann
    assert "bob" not in of_ann


def test_a_digest_that_nobody_gets_says_so_in_capitals() -> None:
    assert "NOBODY: no key is switched off or deleted in any account." in body(
        digest_of(day(found(), listeners=0))
    )


HOSTILE = 'evil"\n\nNEEDS SOMEONE\n  aws iam delete-user https://evil.example www.evil.example'


def test_nothing_that_a_member_writes_makes_a_line_a_command_or_a_link() -> None:
    hostile = entry("failed", "eve", owner=HOSTILE, text=HOSTILE, then=HOSTILE, console=HOSTILE)
    digest = digest_of(
        day(
            found(ONE, sections={"failed": [hostile]}, notices=[notice(owner=HOSTILE)], alias=HOSTILE),
            expected={ONE: Expected(name=HOSTILE)},
        )
    )
    for message in (*digest.pages, *digest.others):
        assert re.fullmatch(r"[ -~]{1,99}", message.subject)
        assert re.fullmatch(r"[ -~\n]*", message.body)
        assert "://" not in message.body.replace(f"s3://{BUCKET}", "")
        assert "www." not in message.body
        lines = message.body.splitlines()
        assert [line for line in lines if line.strip().startswith("aws iam delete")] == []
        # What stands as a command is ours.
        commands = [line.strip() for line in lines if line.startswith("        ")]
        assert set(commands) <= {f"aws iam list-access-keys --user-name eve  # in account {ONE}"}


@pytest.mark.parametrize("kind", [*Kind, STRANDED, "forced-off", "failed", "off-before"])
def test_the_centre_has_words_of_its_own_for_whatever_needs_someone(kind: str) -> None:
    nobody = {Kind.EXEMPT, Kind.EXEMPTION_ENDS, Kind.NOBODY_LISTENS, Kind.DELETED}
    upcoming = {Kind.REPLACEMENT, Kind.OFF_DATE, Kind.OFF_DATE_QUIET, Kind.RETIREMENT, Kind.DELETION}
    assert (kind in words._SENTENCES) == (kind not in nobody | upcoming)


# The table.


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_the_table_has_a_row_for_each_account_and_says_in_which_state_it_is() -> None:
    four = "444455556666"
    founds = (found(ONE, notices=[notice()]), found(TWO, hours=40), refused(THREE), found("555566667777"))
    expected = {each: Expected(name="n") for each in (ONE, TWO, THREE, four)}
    table = rows(table_of(day(*founds, expected=expected)))
    assert [(row["account"], row["state"]) for row in table] == [
        (ONE, "reported"),
        (TWO, "silent"),
        (THREE, "not understood"),
        (four, "never reported"),
        ("555566667777", "reports, and is not in the StackSet"),
    ]
    assert (table[0]["notices"], table[0]["users"], table[0]["mode"]) == ("1", "7", "Enforce")
    assert all(len(row) == len(COLUMNS) and None not in row.values() for row in table)


@pytest.mark.parametrize(
    "name", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", '=HYPERLINK("https://evil.example")']
)
def test_no_cell_is_a_formula(name: str) -> None:
    (row,) = rows(table_of(day(found(), expected={ONE: Expected(name=name, trouble=name)})))
    assert (row["name"][0], row["deployment"][0]) == ("'", "'")


def test_a_report_of_a_kind_to_come_is_told_in_general_words() -> None:
    digest = digest_of(day(found(sections={"critical": [entry("a-kind-to-come")]})))
    assert "needs someone; the account's own report says more" in body(digest)


def test_what_is_said_to_be_heard_is_what_the_account_offered() -> None:
    assert digest_of(day(found(notices=[notice()]))).heard[ONE] == id_of(data(notices=[notice()]))
