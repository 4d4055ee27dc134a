"""The tags on an IAM user that are people's words to this system (docs/design.md section 3): desired state, never memory."""

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import TypeVar

PREFIX = "access-key-rotation:"
EXEMPT = f"{PREFIX}exempt"
MAX_AGE_DAYS = f"{PREFIX}max-age-days"
REPLACE = f"{PREFIX}replace"
OWNER = f"{PREFIX}owner"

_T = TypeVar("_T")
_SET_BY_PEOPLE = (EXEMPT, MAX_AGE_DAYS, REPLACE, OWNER)
# Also the words alone: someone who tags `Exempt` believes that it exempts.
_MEANT = (*_SET_BY_PEOPLE, "exempt", "max-age-days")
# What version 0.1 wrote: its memory. Nothing is read from it any more.
_OF_VERSION_0_1 = (f"{PREFIX}pending", f"{PREFIX}inactive-since:", f"{PREFIX}held-until:")


@dataclass(frozen=True, kw_only=True)
class Exemption:
    """Through `until`, that day included."""

    until: date
    reason: str


@dataclass(frozen=True, kw_only=True)
class Tags:
    """A user's tags, understood. `malformed` says, fit to print, which are not and how to mend them.

    `lookalikes` have no effect, though somebody may have meant them to; `old` are those that version 0.1 wrote.
    """

    exempt: Exemption | None
    max_age_days: int | None
    replace_asked: bool
    malformed: tuple[str, ...]
    lookalikes: tuple[str, ...]
    old: tuple[str, ...]


@lru_cache(maxsize=1024)
def lookalike(tag_key: str) -> str | None:
    """The tag of this system that somebody may have meant by this one, which is not one of ours; or None."""
    if tag_key in _SET_BY_PEOPLE or tag_key.startswith(_OF_VERSION_0_1):
        return None
    meant = difflib.get_close_matches(tag_key.lower(), _MEANT, n=1, cutoff=0.85)
    if meant:
        return PREFIX + meant[0].removeprefix(PREFIX)
    return PREFIX if tag_key.lower().startswith(PREFIX) else None


def _only_ours(tag_key: str) -> bool:
    """It can only have been meant for this system: our prefix, or the word `exempt`, however it is written."""
    written = tag_key.strip().lower()
    return written.startswith(PREFIX) or written == "exempt"


def parse(tags: Mapping[str, str]) -> Tags:
    """Understand a user's tags; never raises: what is not understood is said in `malformed`."""
    malformed: list[str] = []

    def read(tag: str, parser: Callable[[str], _T], wanted: str) -> _T | None:
        if (value := tags.get(tag)) is None:
            return None
        try:
            return parser(value)
        except ValueError:
            odd = "" if value.isascii() else ", which holds other characters than it seems to"
            malformed.append(f"the tag {tag} is `{value}`{odd}; it must be {wanted}")
            return None

    exempt = read(EXEMPT, _exemption, "a last day and a reason, like `2026-12-31 migration`")
    max_age_days = read(MAX_AGE_DAYS, _days, "a whole number of days from 1 on, like `60`")
    lookalikes = []
    for tag in sorted(tags):
        if (meant := lookalike(tag)) is None:
            continue
        if _only_ours(tag):
            malformed.append(f'the tag "{tag}" is not one that this system knows; "{meant}" may be meant')
        else:
            lookalikes.append(f'the tag "{tag}" has no effect; "{meant}" may be meant')
    return Tags(
        exempt=exempt,
        max_age_days=max_age_days,
        replace_asked=REPLACE in tags,
        malformed=tuple(malformed),
        lookalikes=tuple(lookalikes),
        old=tuple(tag for tag in sorted(tags) if tag.startswith(_OF_VERSION_0_1)),
    )


def owner_of(tags: Mapping[str, str], keys: Sequence[str]) -> str:
    """Who answers for a user: the value of the first of these tags that has one; empty: nobody is named."""
    return next((owner for key in keys if (owner := tags.get(key, "").strip())), "")


def _exemption(value: str) -> Exemption:
    until, _, reason = value.partition(" ")
    return Exemption(until=_day(until), reason=reason.strip())


def _days(value: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,4}", value):
        raise ValueError
    return int(value)


def _day(value: str) -> date:
    # Only the long form: Python 3.11 also takes 20261231 and week dates, which a person may have meant otherwise.
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError
    return date.fromisoformat(value)
