"""A report as an account left it, read by somebody who does not trust that account: what is kept of it, or why it is refused."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from sys import intern
from typing import Any

from keyrotation.memory import What, Why
from keyrotation.tell.report_json import SCHEMA_VERSION, id_of

# Seven times what a run writes at the most (digest.py).
LARGEST = 512 * 1024
# More than a run has room for (report.py).
_MOST_NOTICES = 500
_MOST_ENTRIES = 25
_LARGEST_COUNT = 1_000_000
_LONGEST_OWNER = 60

_USER = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)
_KEY = re.compile(r"[A-Z0-9]{16,128}")
_KIND = re.compile(r"[a-z-]{1,40}")
_RUN_ID = re.compile(r"[ -~]{1,64}")
# No sign first: in the table a spreadsheet would take it for a formula.
_VERSION = re.compile(r"[0-9A-Za-z][0-9A-Za-z.+-]{0,19}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Refused(Exception):
    """The report is not understood; the message is made here and quotes nothing of it."""


class Rank(IntEnum):
    """The sections that need someone, the worst first."""

    FORCED = 0
    CRITICAL = 1
    FAILED = 2
    ACCOUNT = 3
    ATTENTION = 4


_SECTIONS = {
    "forced-off": Rank.FORCED,
    "critical": Rank.CRITICAL,
    "failed": Rank.FAILED,
    "account": Rank.ACCOUNT,
    "attention": Rank.ATTENTION,
}
# By the time that anybody reads the digest, somebody listens.
_MOOT = "nobody-listens"


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """Something that needs someone. `user` and `key` None: it is about the account, or about no single key."""

    rank: Rank
    kind: str
    user: str | None
    owner: str
    key: str | None
    by: date | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Announced:
    """A notice that the report gives, or tells again."""

    user: str
    owner: str
    key: str
    what: What
    why: Why
    day: date
    new: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """What is kept of a report. `id`: which one it is (`report_json.id_of`). `counts`: entries by section."""

    id: str
    account: str
    day: date
    mode: str
    version: str
    counts: Mapping[str, int]
    coverage: Mapping[str, int]
    asked: tuple[Asked, ...]
    notices: tuple[Announced, ...]
    notices_left: int


def understood(body: bytes, *, account: str) -> Report:
    """`account`: whose object it is, as S3 says. Raises Refused."""
    if len(body) > LARGEST:
        raise Refused(f"it is larger than {LARGEST // 1024} KiB")
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused("it is no JSON") from None
    try:
        return _report(data, account)
    except (KeyError, TypeError, ValueError, RecursionError):
        raise Refused("it is not what a run writes (docs/report.schema.json)") from None


def _report(data: Any, account: str) -> Report:
    if data["version"] != SCHEMA_VERSION:
        raise Refused("it is of a version that this digest does not know: deploy the centre anew")
    if data["account"] != account:
        raise Refused("it names another account than the one that left it")
    notices = _list(data["notices"])
    if len(notices) > _MOST_NOTICES:
        raise Refused(f"it names more than {_MOST_NOTICES} notices")
    _matching(_RUN_ID, data["run_id"])
    return Report(
        id=id_of(data),
        account=account,
        day=_day(data["date"]),
        mode=_one_of(("Audit", "Enforce"), data["mode"]),
        version=_matching(_VERSION, data["product_version"]),
        counts={section: _count(data["counts"][section]) for section in (*_SECTIONS, "done", "waiting")},
        coverage={name: _count(data["coverage"][name]) for name in ("total", "unreadable", "deferred")},
        asked=tuple(_asked(data["sections"])),
        notices=tuple(_notice(each) for each in notices),
        notices_left=_count(data["notices_left"]),
    )


def _asked(sections: Any) -> Iterator[Asked]:
    for section, rank in _SECTIONS.items():
        for entry in _list(sections[section])[:_MOST_ENTRIES]:
            kind = _matching(_KIND, entry["kind"])
            if kind == _MOOT:
                continue
            user, key, by = entry["user"], entry["key"], entry["by"]
            yield Asked(
                rank=rank,
                kind=kind,
                user=None if user is None else _matching(_USER, user),
                owner=_owner(entry["owner"]),
                key=None if key is None else _matching(_KEY, key["id"]),
                by=None if by is None else _day(by),
            )


def _notice(said: Any) -> Announced:
    return Announced(
        user=_matching(_USER, said["user"]),
        owner=_owner(said["owner"]),
        key=_matching(_KEY, said["key"]),
        what=What(said["what"]),
        why=Why(said["why"]),
        day=_day(said["day"]),
        new=said["new"] is True,
    )


def _owner(said: Any) -> str:
    """A tag's words: cut, printable, and no link, which a mail program would make of an address."""
    if not isinstance(said, str):
        raise TypeError
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in said[:_LONGEST_OWNER])
    return intern(re.sub(r"://|www\.|`|\"", "?", plain, flags=re.IGNORECASE))


def _matching(pattern: re.Pattern[str], said: Any) -> str:
    if not isinstance(said, str) or not pattern.fullmatch(said):
        raise ValueError
    # The same few words and names in thousands of reports are kept once.
    return intern(said)


def _one_of(words: tuple[str, ...], said: Any) -> str:
    if said not in words:
        raise ValueError
    return str(said)


def _day(said: Any) -> date:
    return date.fromisoformat(_matching(_DAY, said))


def _count(said: Any) -> int:
    if type(said) is not int or not 0 <= said <= _LARGEST_COUNT:
        raise ValueError
    return said


def _list(said: Any) -> list[Any]:
    if not isinstance(said, list):
        raise TypeError
    return said
