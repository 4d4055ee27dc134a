"""Reports as accounts leave them: a healthy one, made of a run's own JSON, and what a hostile one makes of it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from keyrotation.centre.digest import Day, Expected, Found
from keyrotation.centre.understood import Report, understood

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
TODAY = NOW.date()
BUCKET = "access-key-rotation-reports-999988887777-eu-west-1"
ONE, TWO, THREE = "111122223333", "222233334444", "333344445555"
KEY = "AKIAIOSFODNN7EXAMPLE"
SECTIONS = (
    "forced-off",
    "critical",
    "failed",
    "account",
    "attention",
    "would-do",
    "done",
    "done-before",
    "upcoming",
    "exempt",
    "waiting",
    "deferred",
)


def entry(kind: str, user: str | None = "alice", **facts: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "user": user,
        "owner": "",
        "key": {"id": KEY, "description": "", "created": "2026-09-01"} if user else None,
        "text": "what the account says of it",
        "since": None,
        "by": None,
        "then": "",
        "commands": [{"runner": "administrator", "purpose": "to see", "command": "aws iam list-users"}],
        "new_key": None,
        "secret_arn": None,
        "console": "https://console.example.com",
        "uses": [],
        **facts,
    }


def notice(user: str = "alice", **facts: Any) -> dict[str, Any]:
    return {
        "user": user,
        "owner": "",
        "key": KEY,
        "what": "switch-off",
        "why": "overlap",
        "day": "2026-12-04",
        "new": True,
        **facts,
    }


def data(account: str = ONE, *, sections: dict[str, list[Any]] | None = None, **facts: Any) -> dict[str, Any]:
    """As docs/report.schema.json has it (test_understood.py)."""
    sections = sections or {}
    return {
        "version": 1,
        "product_version": "0.2.0",
        "run_id": "run-1",
        "date": str(TODAY),
        "account": account,
        "alias": "",
        "region": "eu-west-1",
        "mode": "Enforce",
        "severity": "info",
        "subject": "Nothing to do",
        "reasons": [],
        "complete": True,
        "counts": {each: len(sections.get(each, [])) for each in SECTIONS},
        "sections": {each: sections.get(each, []) for each in SECTIONS},
        "notices": [],
        "notices_left": 0,
        "coverage": {"total": 7, "examined": 7, "exempt": 0, "unreadable": 0, "deferred": 0},
        "settings": {"Mode": "Enforce"},
        "log": "https://example.com/log",
        "runbook": "docs/runbook.md",
        **facts,
    }


def report(account: str = ONE, **facts: Any) -> Report:
    return understood(json.dumps(data(account, **facts)).encode(), account=account)


def found(account: str = ONE, *, hours: float = 4, **facts: Any) -> Found:
    return Found(account=account, at=NOW - timedelta(hours=hours), report=report(account, **facts))


def day(
    *founds: Found, expected: dict[str, Expected] | None = None, listeners: int = 1, asked: bool = True
) -> Day:
    """`expected`: those who were found, unless it is said; `asked` False: the StackSet could not be."""
    known = {each.account: Expected() for each in founds} if expected is None else expected
    return Day(
        now=NOW,
        bucket=BUCKET,
        listeners=listeners,
        expected=known if asked else None,
        found={each.account: each for each in founds},
    )
