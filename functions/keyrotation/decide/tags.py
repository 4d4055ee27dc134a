"""The tags on an IAM user that are this system's interface and memory (docs/design.md section 3)."""

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import TypeVar

PREFIX = "access-key-rotation:"
EXEMPT = f"{PREFIX}exempt"
MAX_AGE_DAYS = f"{PREFIX}max-age-days"
REPLACE = f"{PREFIX}replace"
OWNER = f"{PREFIX}owner"
PENDING = f"{PREFIX}pending"
INACTIVE_SINCE = f"{PREFIX}inactive-since:"
HELD_UNTIL = f"{PREFIX}held-until:"

_T = TypeVar("_T")
_INSTANT = "%Y-%m-%dT%H:%M:%SZ"
_SET_BY_PEOPLE = (EXEMPT, MAX_AGE_DAYS, REPLACE, OWNER)
# Also the words alone: someone who tags `Exempt` believes that it exempts.
_MEANT = (*_SET_BY_PEOPLE, "exempt", "max-age-days")


class HoldReason(StrEnum):
    """Why a key is kept on past the day it would go off; the words stand in the tag."""

    IN_USE = "in-use"
    BY_HAND = "by-hand"
    REACTIVATED = "reactivated"


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """Through `until`, that day included."""

    until: date
    reason: str


@dataclass(frozen=True, kw_only=True)
class Held:
    """The key is kept on until this day, for this reason."""

    until: date
    reason: HoldReason

    def __str__(self) -> str:
        return f"{self.until} {self.reason}"


@dataclass(frozen=True, kw_only=True)
class Pending:
    """An interrupted replacement: when and where it began, and the key ids that existed then."""

    since: datetime
    region: str
    run_id: str
    key_ids: tuple[str, ...]

    def __str__(self) -> str:
        """At most 20 + 1 + 25 + 1 + 64 + 2 x 41 characters: a tag value holds 256."""
        return " ".join([f"{self.since.astimezone(UTC):{_INSTANT}}", self.region, self.run_id, *self.key_ids])


@dataclass(frozen=True, kw_only=True)
class Tags:
    """A user's tags, understood. `malformed` says, fit to print, which are not and how to mend them."""

    exempt: Exemption | None
    max_age_days: int | None
    replace_asked: bool
    owner: str
    pending: Pending | None
    inactive_since: Mapping[str, date]
    held_until: Mapping[str, Held]
    malformed: tuple[str, ...]
    lookalikes: tuple[str, ...]


@lru_cache(maxsize=1024)
def lookalike(tag_key: str) -> str | None:
    """The tag of this system that somebody may have meant by this one, which is not one of ours; or None."""
    if tag_key in (*_SET_BY_PEOPLE, PENDING) or tag_key.startswith((INACTIVE_SINCE, HELD_UNTIL)):
        return None
    meant = difflib.get_close_matches(tag_key.lower(), _MEANT, n=1, cutoff=0.85)
    if meant:
        return PREFIX + meant[0].removeprefix(PREFIX)
    return PREFIX if tag_key.lower().startswith(PREFIX) else None


def parse(tags: Mapping[str, str], *, today: date) -> Tags:
    """Understand a user's tags; never raises: what is not understood is said in `malformed`."""
    malformed: list[str] = []

    def read(tag: str, parser: Callable[[str], _T], wanted: str) -> _T | None:
        if (value := tags.get(tag)) is None:
            return None
        try:
            return parser(value)
        except ValueError:
            malformed.append(f"the tag {tag} is `{value}`; it must be {wanted}")
            return None

    def read_each(prefix: str, parser: Callable[[str], _T], wanted: str) -> dict[str, _T]:
        found = {
            tag.removeprefix(prefix): read(tag, parser, wanted) for tag in tags if tag.startswith(prefix)
        }
        return {key_id: value for key_id, value in found.items() if value is not None}

    def past_day(value: str) -> date:
        day = _day(value)
        if day > today:
            raise ValueError
        return day

    return Tags(
        exempt=read(EXEMPT, _exemption, "a last day and a reason, like `2026-12-31 migration`"),
        max_age_days=read(MAX_AGE_DAYS, _days, "a whole number of days from 1 on, like `60`"),
        replace_asked=REPLACE in tags,
        owner=tags.get(OWNER, ""),
        pending=read(PENDING, _pending, "as this system wrote it; look at the keys, then remove the tag"),
        inactive_since=read_each(INACTIVE_SINCE, past_day, "a day that is not later than today"),
        held_until=read_each(HELD_UNTIL, _held, f"a day and one of {', '.join(HoldReason)}"),
        malformed=tuple(malformed),
        lookalikes=tuple(
            f"the tag {tag} has no effect; {meant} may be meant"
            for tag in sorted(tags)
            if (meant := lookalike(tag)) is not None
        ),
    )


def _exemption(value: str) -> Exemption:
    until, _, reason = value.partition(" ")
    return Exemption(until=_day(until), reason=reason.strip())


def _days(value: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,4}", value):
        raise ValueError
    return int(value)


def _held(value: str) -> Held:
    until, _, reason = value.partition(" ")
    return Held(until=_day(until), reason=HoldReason(reason))


def _pending(value: str) -> Pending:
    since, region, run_id, *key_ids = value.split(" ")
    return Pending(
        since=datetime.strptime(since, _INSTANT).replace(tzinfo=UTC),
        region=region,
        run_id=run_id,
        key_ids=tuple(key_ids),
    )


def _day(value: str) -> date:
    # Only the long form: Python 3.11 also takes 20261231 and week dates, which a person may have meant otherwise.
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError
    return date.fromisoformat(value)
