"""What was found, as plain data, and what it comes to."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Level(StrEnum):
    """The words stand on the page and in the JSON."""

    OK = "OK"
    NOTE = "NOTE"
    FAIL = "FAIL"
    NOT_SEEN = "NOT SEEN"


class Exit(IntEnum):
    """How the command ends."""

    HEALTHY = 0
    WRONG = 1
    COULD_NOT_LOOK = 2
    NOT_ALL_SEEN = 3


@dataclass(frozen=True)
class Finding:
    """`what` was looked at. `mend`: the command for it, or a comment of the shell that says where the steps are."""

    level: Level
    what: str
    detail: str
    mend: str = ""


def ok(what: str, detail: str) -> Finding:
    return Finding(Level.OK, what, detail)


def note(what: str, detail: str, mend: str = "") -> Finding:
    return Finding(Level.NOTE, what, detail, mend)


def fail(what: str, detail: str, mend: str) -> Finding:
    return Finding(Level.FAIL, what, detail, mend)


def not_seen(what: str, detail: str, mend: str = "") -> Finding:
    return Finding(Level.NOT_SEEN, what, detail, mend)


def comes_to(findings: Iterable[Finding]) -> Exit:
    levels = {each.level for each in findings}
    if Level.FAIL in levels:
        return Exit.WRONG
    return Exit.NOT_ALL_SEEN if Level.NOT_SEEN in levels else Exit.HEALTHY
