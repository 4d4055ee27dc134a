"""A report for machines: docs/report.schema.json says what stands in it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from keyrotation import VERSION
from keyrotation.run.record import Announcement
from keyrotation.tell.entries import Entry, KeyFacts
from keyrotation.tell.headline import subject_of
from keyrotation.tell.report import Report

SCHEMA_VERSION = 1


def data_of(report: Report, *, most: int) -> dict[str, Any]:
    """Fit for json.dumps; at most `most` entries of each section, and then `complete` is false."""
    return {
        "version": SCHEMA_VERSION,
        "product_version": VERSION,
        "run_id": report.run_id,
        "date": str(report.today),
        "account": report.account,
        "alias": report.alias,
        "region": report.region,
        "mode": str(report.mode),
        "severity": str(report.severity),
        "subject": subject_of(report),
        "reasons": sorted(map(str, report.reasons)),
        "complete": all(
            len(entries) <= most for entries in (*report.parts.values(), report.unsubscribed or ())
        ),
        "counts": {str(part): len(entries) for part, entries in report.parts.items()},
        "sections": {
            str(part): [_entry(entry) for entry in entries[:most]] for part, entries in report.parts.items()
        },
        "notices": [_notice(each) for each in report.notices],
        "notices_left": report.notices_left,
        "coverage": vars(report.coverage),
        "owners_without_subscription": None
        if report.unsubscribed is None
        else list(report.unsubscribed[:most]),
        "settings": dict(report.settings),
        "log": report.log_url,
        "runbook": report.runbook_url,
    }


def id_of(data: Mapping[str, Any]) -> str:
    """Which report it is, as far as notices go: the same for what one run says twice, with another error in it."""
    named = json.dumps([data["run_id"], data["notices"]], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(named.encode()).hexdigest()


def _entry(entry: Entry) -> dict[str, Any]:
    key = entry.key
    return {
        "kind": str(entry.kind),
        "user": entry.user,
        "owner": entry.owner,
        "key": None if key is None else _key(key),
        "text": entry.text,
        "since": _day(entry.since),
        "by": _day(entry.by),
        "then": entry.then,
        "commands": [
            {"runner": command.runner.name.lower(), "purpose": command.purpose, "command": command.line}
            for command in entry.commands
        ],
        "new_key": entry.new_key,
        "secret_arn": entry.secret_arn,
        "console": entry.console,
        "hints": [{"sign": str(hint.sign), "text": hint.text} for hint in entry.hints],
        "uses": [
            {"source": use.source, "user_agent": use.user_agent, "events": list(use.events)}
            for use in entry.uses
        ],
    }


def _notice(each: Announcement) -> dict[str, Any]:
    notice = each.notice
    return {
        "user": each.user.name,
        "owner": each.owner,
        "key": each.key_id,
        "what": notice.what,
        "why": notice.why,
        "day": str(notice.day),
        "new": each.new,
    }


def _key(key: KeyFacts) -> dict[str, Any]:
    """`last_used` null: never. Without it: nobody asked, since nothing hung on it."""
    told: dict[str, Any] = {"id": key.id, "description": key.description, "created": str(key.created)}
    if key.use_known:
        use = {"date": str(key.used), "service": key.service, "region": key.region}
        told["last_used"] = None if key.used is None else use
    return told


def _day(day: object) -> str | None:
    return None if day is None else str(day)
