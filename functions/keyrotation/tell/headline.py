"""What a mail comes to, in a subject and a sentence: the most important first, with its deadline."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from keyrotation.act.replacement import NOT_MADE, ROLLED_BACK
from keyrotation.decide.actions import Kind
from keyrotation.run.settings import Mode
from keyrotation.tell.entries import Entry
from keyrotation.tell.report import Part, Report

_SHORTEST_ALIAS = 6
_LONGEST_SUBJECT = 99  # SNS: fewer than 100 printable ASCII characters
# Those whose day is the end of what the owner can do.
_GO_OFF = (Kind.IN_USE, Kind.UNTIL_QUIET, Kind.BY_HAND_QUIET)
_REPLACED, _OFF, _DELETED = "replaced", "switched-off", "deleted"


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The subject without the account; what follows it where there is room; one sentence with what happens otherwise."""

    subject: str
    sentence: str
    more: str = ""


def subject_of(report: Report) -> str:
    """Fewer than 100 printable ASCII characters; a long alias is shortened, never the deadline before it."""
    found = headline_of(report)
    # Of any account, the last one fits: numbers of users have four digits.
    ways = [found.subject + found.more, found.subject, found.subject.replace("access key", "key")]
    fitting = (way for way in ways if len(f"{way} ({report.account})") <= _LONGEST_SUBJECT)
    headline = next(fitting, ways[-1])
    room = _LONGEST_SUBJECT - len(f"{headline} ({report.account}) ")
    alias = report.alias
    if len(alias) > room:
        alias = f"{alias[: room - 2]}.." if room >= _SHORTEST_ALIAS else ""
    return f"{headline} ({f'{alias} {report.account}'.strip()})"


def headline_of(report: Report) -> Headline:
    """The most important first, with its deadline."""
    parts = report.parts
    if forced := len(parts[Part.FORCED]):
        return Headline(
            subject=f"CRITICAL: {count(forced, 'access key')} switched off while still in use",
            sentence=f"{count(forced, 'access key')} {_was(forced)} switched off while still in use, because the "
            "extension was over: what uses them fails now, until it has the new key or a key is switched on again.",
        )
    if any(entry.kind == Kind.ROOT_KEYS for entry in parts[Part.ACCOUNT]):
        return Headline(
            subject="CRITICAL: the root user has access keys",
            sentence="The root user of this account has access keys, which no policy limits: whoever holds one can "
            "do everything, until they are deleted.",
        )
    if failed := parts[Part.FAILED]:
        return _failed(failed)
    if before := len(parts[Part.DONE_BEFORE]):
        return Headline(
            subject=f"RESUMED: {count(before, 'change')} of an earlier attempt may not have been told",
            sentence=f"An earlier attempt of this run made {count(before, 'change')} that no mail told of; owners of "
            "new keys do not know yet that they are to install them.",
        )
    if report.mode is Mode.AUDIT:
        return _audit(report)
    if any(entry.kind == Kind.NOBODY_LISTENS for entry in parts[Part.ACCOUNT]):
        return Headline(
            subject="ATTENTION: nobody is known to get this mail, so no key is switched off",
            sentence="Nobody is known to get this mail: keys are replaced, but none is switched off or deleted, so "
            "that old keys grow older than the policy allows, until somebody confirms a subscription.",
        )
    if parts[Part.ASKED]:
        return _asked(parts[Part.ASKED], report.today)
    if parts[Part.DONE]:
        return _done(parts[Part.DONE], waiting=len(parts[Part.WAITING]))
    if account := parts[Part.ACCOUNT]:
        return Headline(
            subject="ATTENTION: the account needs someone",
            sentence=f"The account itself needs someone ({count(len(account), 'finding')} below); no key is touched "
            "for that.",
        )
    if late := [*parts[Part.WAITING], *parts[Part.DEFERRED]]:
        return Headline(
            subject=f"ATTENTION: {count(len(late), 'user')} not reached today",
            sentence=f"{count(len(late), 'user')} {_was(len(late))} not reached today; their turn comes by itself.",
        )
    if upcoming := parts[Part.UPCOMING]:
        return _coming_up(upcoming)
    return Headline(subject="Nothing to do", sentence="Nothing was done, and nobody is asked for anything.")


def _failed(failed: Sequence[Entry]) -> Headline:
    number = len(failed)
    if all(entry.text.startswith(ROLLED_BACK) for entry in failed):
        what = f"{count(number, 'replacement')} rolled back, nothing lost"
    elif all(entry.text.startswith((ROLLED_BACK, NOT_MADE)) for entry in failed):
        what = f"{count(number, 'replacement')} not made, nothing lost"
    else:
        return Headline(
            subject=f"FAILED: changes to {count(number, 'user')} did not finish",
            sentence=f"Changes to {count(number, 'user')} did not finish; no key was touched that should not be, and "
            "the next run finishes or undoes what is left.",
        )
    return Headline(
        subject=f"FAILED: {what}",
        sentence=f"{what.capitalize()}: the old key works as before, and the next run tries again; if that fails "
        "until its threshold, the key grows older than the policy allows.",
    )


def _audit(report: Report) -> Headline:
    would, asked = report.parts[Part.WOULD], report.parts[Part.ASKED]
    changes = _changes(would, replaced="replace", off="switch off", deleted="delete")
    if not would and not asked:
        return Headline(
            subject="AUDIT: nothing would be done",
            sentence="Mode is Audit: nothing was changed, and in Enforce nothing would be.",
        )
    if not would:
        users = len({entry.user for entry in asked})
        return Headline(
            subject=f"AUDIT: {count(users, 'user')} {_need(users)} someone",
            sentence=f"Mode is Audit: nothing was changed; {count(users, 'user')} would need someone in Enforce.",
        )
    return Headline(
        subject=f"AUDIT: would {changes or 'set marks only'}",
        sentence=f"Mode is Audit: nothing was changed. In Enforce this run would {changes or 'set marks only'}; until "
        "then these keys only grow older.",
    )


def _asked(asked: Sequence[Entry], today: date) -> Headline:
    """Keys that go off first, by the earliest of their days; then whatever else needs someone."""
    off = [entry for entry in asked if entry.kind in _GO_OFF and entry.by is not None]
    others = len({entry.user for entry in asked} - {entry.user for entry in off})
    if off:
        number, by = len(off), min(entry.by for entry in off if entry.by is not None)
        in_use = " still in use" if all(entry.kind == Kind.IN_USE for entry in off) else ""
        keys = f"{count(number, 'access key')}{in_use} will be switched off"
        when = "the first on" if number > 1 else "on"
        left = count((by - today).days, "day")
        return Headline(
            subject=f"ACT by {by}: {keys}",
            more=f", +{count(others, 'user')}" if others else "",
            sentence=f"{keys}, {when} {by}, in {left}, unless the owner installs the new key and leaves the old one, "
            f"or an administrator has it kept on; what still uses it then fails."
            + (f" {count(others, 'more user')} {_need(others)} someone." if others else ""),
        )
    users = count(others, "user")
    blocked = [entry for entry in asked if entry.kind in (Kind.BLOCKED, Kind.BLOCKED_BY_PAIR)]
    if {entry.user for entry in blocked} == {entry.user for entry in asked}:
        return Headline(
            subject=f"ATTENTION: {count(len(blocked), 'replacement')} blocked by two keys",
            sentence=f"{count(len(blocked), 'new key')} could not be made, because IAM allows two keys and neither "
            "may go yet; until a place is free, the old key grows older than the policy allows.",
        )
    first = min((entry.by for entry in asked if entry.by is not None), default=None)
    if first is not None:
        return Headline(
            subject=f"ACT by {first}: {users} {_need(others)} someone",
            sentence=f"{users} {_need(others)} someone, the first by {first}, in {count((first - today).days, 'day')}; "
            "what happens otherwise stands beside each.",
        )
    return Headline(
        subject=f"ATTENTION: {users} {_need(others)} someone",
        sentence=f"{users} {_need(others)} someone; until then nothing is changed there, and the keys grow older.",
    )


def _done(done: Sequence[Entry], *, waiting: int) -> Headline:
    changes = _changes(done, replaced="replaced", off="switched off", deleted="deleted")
    install_by = min(
        (entry.by for entry in done if entry.kind == _REPLACED and entry.by is not None), default=None
    )
    replaced = sum(entry.kind in (_REPLACED, "finished") for entry in done)
    only_replaced = replaced == sum(entry.kind in (_REPLACED, "finished", _OFF, _DELETED) for entry in done)
    what = f"{count(replaced, 'access key')} replaced" if replaced and only_replaced else changes
    install = f", install by {install_by}" if install_by else ""
    rest = f", {waiting} {'waits' if waiting == 1 else 'wait'}" if waiting else ""
    otherwise = "; nobody has to do anything"
    if install_by:
        otherwise = (
            f": owners install the new ones by {install_by}, from when on the old ones are switched off once nobody "
            "uses them"
        )
    return Headline(
        subject=f"Done: {what or 'marks only'}{install}",
        more=rest,
        sentence=f"{(what or 'marks only').capitalize()}{otherwise}."
        + (
            f" {count(waiting, 'more user')} {'waits' if waiting == 1 else 'wait'} for a later run."
            if waiting
            else ""
        ),
    )


def _coming_up(upcoming: Sequence[Entry]) -> Headline:
    number, first = len(upcoming), upcoming[0].by
    return Headline(
        subject=f"Coming up: {count(number, 'change')}, the first on {first}",
        sentence=f"{count(number, 'change')} {'comes' if number == 1 else 'come'} up by itself, the first on {first}; "
        "nobody has to do anything.",
    )


def _changes(entries: Sequence[Entry], *, replaced: str, off: str, deleted: str) -> str:
    """`replaced 3, deleted 1 access keys`; empty when no key was changed. One kind alone reads `replace 3 access keys`."""
    counts = Counter(entry.kind for entry in entries)
    named = {
        replaced: counts[_REPLACED] + counts["finished"],
        off: counts[_OFF] + counts["forced-off"],
        deleted: counts[_DELETED] + counts["undone"],
    }
    parts = [f"{verb} {number}" for verb, number in named.items() if number]
    return f"{', '.join(parts)} access key{'s' * (sum(named.values()) != 1)}" if parts else ""


def count(number: int, noun: str) -> str:
    """`1 user`, `2 users`."""
    return f"{number} {noun}{'s' * (number != 1)}"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _need(number: int) -> str:
    return "needs" if number == 1 else "need"
