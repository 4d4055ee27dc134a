"""One block per user: what is asked, what was done and what comes stand together, whatever renders them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from keyrotation.decide.hints import Hint
from keyrotation.run.record import Announcement
from keyrotation.tell.commands import Command
from keyrotation.tell.entries import Entry


class Part(StrEnum):
    """The sections of a report, those that need someone first."""

    FORCED = "forced-off"
    CRITICAL = "critical"
    FAILED = "failed"
    ACCOUNT = "account"
    ASKED = "attention"
    WOULD = "would-do"
    DONE = "done"
    DONE_BEFORE = "done-before"
    SINCE = "done-since"
    UPCOMING = "upcoming"
    EXEMPT = "exempt"
    WAITING = "waiting"
    DEFERRED = "deferred"


# Of these users only the names are told.
NAMED_ONLY = (Part.WAITING, Part.DEFERRED)


@dataclass(frozen=True, kw_only=True)
class Said:
    """One thing that is said of a user, and the part of the report that it belongs to."""

    part: Part
    entry: Entry


@dataclass(frozen=True, kw_only=True)
class UserBlock:
    """All that a message says of one user, the most urgent first.

    `notices`: those of this user that the message gives or tells again. A user of whom nothing else is said has only them.
    """

    user: str
    owner: str
    said: tuple[Said, ...]
    notices: tuple[Announcement, ...]

    @property
    def part(self) -> Part:
        """The most urgent one: the section in which the block stands."""
        return self.said[0].part if self.said else Part.UPCOMING

    @property
    def first_day(self) -> date | None:
        """The first day on which something happens, or by which somebody should act."""
        days = [each.entry.by for each in self.said] + [each.notice.day for each in self.notices]
        return min((day for day in days if day is not None), default=None)

    @property
    def commands(self) -> tuple[Command, ...]:
        """Each once, in the order in which they are to be run."""
        found: dict[str, Command] = {}
        for each in self.said:
            for command in each.entry.commands:
                found.setdefault(command.line, command)
        return tuple(found.values())

    @property
    def hints(self) -> tuple[Hint, ...]:
        """What else is known of the user, each once."""
        return tuple(dict.fromkeys(hint for each in self.said for hint in each.entry.hints))

    @property
    def console(self) -> str | None:
        """Where a person sees the user."""
        return next((each.entry.console for each in self.said if each.entry.console), None)


def blocks_of(
    parts: Mapping[Part, Sequence[Entry]], notices: Iterable[Announcement]
) -> tuple[UserBlock, ...]:
    """Every user of whom anything is said, the most urgent first, and in the order of the parts' entries."""
    said: dict[str, list[Said]] = {}
    for each in _in_order(parts):
        said.setdefault(each.entry.user or "", []).append(each)
    named: dict[str, list[Announcement]] = {}
    for notice in notices:
        named.setdefault(notice.user.name, []).append(notice)
    users = [*said, *(user for user in named if user not in said)]
    return tuple(
        UserBlock(
            user=user,
            owner=_owner(said.get(user, ()), named.get(user, ())),
            said=tuple(said.get(user, ())),
            notices=tuple(named.get(user, ())),
        )
        for user in users
    )


def _in_order(parts: Mapping[Part, Sequence[Entry]]) -> Iterator[Said]:
    for part in Part:
        if part not in NAMED_ONLY:
            yield from (Said(part=part, entry=entry) for entry in parts[part] if entry.user is not None)


def _owner(said: Sequence[Said], named: Sequence[Announcement]) -> str:
    owners = [each.entry.owner for each in said] + [each.owner for each in named]
    return next((owner for owner in owners if owner), "")
