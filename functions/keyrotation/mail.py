"""A report as on-call reads it: a subject that says it all, and plain text that no user's tag could forge."""

import shlex
import textwrap
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from keyrotation.actions import Kind
from keyrotation.commands import Command
from keyrotation.entries import Entry, KeyFacts
from keyrotation.replacement import NOT_MADE, ROLLED_BACK
from keyrotation.report import Part, Report
from keyrotation.settings import Mode

_WIDTH = 72
MOST_PER_SECTION = 25
# Text that people wrote is wrapped at 4 and starts no line elsewhere: a command or a link, at 8, cannot be forged.
_TEXT_INDENT, _COMMAND_INDENT = 4, 8
_SHORTEST_ALIAS = 6
_LONGEST_SUBJECT = 99  # SNS: fewer than 100 printable ASCII characters
_TITLES = {
    Part.FORCED: "SWITCHED OFF WHILE IN USE",
    Part.FAILED: "FAILED",
    Part.ACCOUNT: "THE ACCOUNT",
    Part.ASKED: "NEEDS SOMEONE",
    Part.WOULD: "WOULD BE DONE (Mode is Audit: nothing was changed)",
    Part.DONE: "DONE TODAY",
    Part.DONE_BEFORE: "DONE TODAY BY AN EARLIER ATTEMPT, WHICH COULD NOT TELL",
    Part.UPCOMING: "COMING UP",
    Part.EXEMPT: "EXEMPT",
}
_LINKED = {Part.FORCED, Part.FAILED, Part.ACCOUNT, Part.ASKED, Part.DONE}
# Those whose day is the end of what the owner can do.
_GO_OFF = (Kind.IN_USE, Kind.UNTIL_QUIET, Kind.BY_HAND_QUIET)
_REPLACED, _OFF, _DELETED = "replaced", "switched-off", "deleted"


@dataclass(frozen=True, kw_only=True)
class _Headline:
    """The subject without the account; what follows it where there is room; one sentence with what happens otherwise."""

    subject: str
    sentence: str
    more: str = ""


def subject_of(report: Report) -> str:
    """Fewer than 100 printable ASCII characters; a long alias is shortened, never the deadline before it."""
    found = _headline(report)
    # Of any account, the last one fits: numbers of users have four digits.
    ways = [found.subject + found.more, found.subject, found.subject.replace("access key", "key")]
    fitting = (way for way in ways if len(f"{way} ({report.account})") <= _LONGEST_SUBJECT)
    headline = next(fitting, ways[-1])
    room = _LONGEST_SUBJECT - len(f"{headline} ({report.account}) ")
    alias = report.alias
    if len(alias) > room:
        alias = f"{alias[: room - 2]}.." if room >= _SHORTEST_ALIAS else ""
    return f"{headline} ({f'{alias} {report.account}'.strip()})"


def body_of(report: Report, *, most: int = MOST_PER_SECTION) -> str:
    """At most 72 columns, but for links, which a break would spoil. At most `most` entries in each section."""
    where = f"{report.alias} {report.account}".strip()
    paragraphs: list[Sequence[str]] = [
        _wrapped(_headline(report).sentence, indent=0, hanging=0),
        _wrapped(
            f"Account {where}, {report.region}, {report.today}, Mode {report.mode}.", indent=0, hanging=0
        ),
        *(_section(report, part, title, most=most) for part, title in _TITLES.items()),
        ["", "NOT REACHED TODAY", *late] if (late := list(_late(report, most=most))) else [],
        ["", "EXAMINED", *_wrapped(_coverage(report))],
        ["", "SETTINGS", *_wrapped(_settings(report))],
        ["", "THIS RUN", *_this_run(report, most=most)],
    ]
    return "\n".join(line for paragraph in paragraphs for line in paragraph) + "\n"


# The headline.


def _headline(report: Report) -> _Headline:
    """The most important first, with its deadline."""
    parts = report.parts
    if forced := len(parts[Part.FORCED]):
        return _Headline(
            subject=f"CRITICAL: {_count(forced, 'access key')} switched off while still in use",
            sentence=f"{_count(forced, 'access key')} {_was(forced)} switched off while still in use, because the "
            "extension was over: what uses them fails now, until it has the new key or a key is switched on again.",
        )
    if any(entry.kind == Kind.ROOT_KEYS for entry in parts[Part.ACCOUNT]):
        return _Headline(
            subject="CRITICAL: the root user has access keys",
            sentence="The root user of this account has access keys, which no policy limits: whoever holds one can "
            "do everything, until they are deleted.",
        )
    if failed := parts[Part.FAILED]:
        return _failed(failed)
    if before := len(parts[Part.DONE_BEFORE]):
        return _Headline(
            subject=f"RESUMED: {_count(before, 'change')} of an earlier attempt may not have been told",
            sentence=f"An earlier attempt of this run made {_count(before, 'change')} that no mail told of; owners of "
            "new keys do not know yet that they are to install them.",
        )
    if report.mode is Mode.AUDIT:
        return _audit(report)
    if any(entry.kind == Kind.NOBODY_LISTENS for entry in parts[Part.ACCOUNT]):
        return _Headline(
            subject="ATTENTION: nobody is known to get this mail, so no key is switched off",
            sentence="Nobody is known to get this mail: keys are replaced, but none is switched off or deleted, so "
            "that old keys grow older than the policy allows, until somebody confirms a subscription.",
        )
    if parts[Part.ASKED]:
        return _asked(parts[Part.ASKED], report.today)
    if parts[Part.DONE]:
        return _done(parts[Part.DONE], waiting=len(parts[Part.WAITING]))
    if account := parts[Part.ACCOUNT]:
        return _Headline(
            subject="ATTENTION: the account needs someone",
            sentence=f"The account itself needs someone ({_count(len(account), 'finding')} below); no key is touched "
            "for that.",
        )
    if late := [*parts[Part.WAITING], *parts[Part.DEFERRED]]:
        return _Headline(
            subject=f"ATTENTION: {_count(len(late), 'user')} not reached today",
            sentence=f"{_count(len(late), 'user')} {_was(len(late))} not reached today; their turn comes by itself.",
        )
    if upcoming := parts[Part.UPCOMING]:
        return _coming_up(upcoming)
    return _Headline(subject="Nothing to do", sentence="Nothing was done, and nobody is asked for anything.")


def _failed(failed: Sequence[Entry]) -> _Headline:
    number = len(failed)
    if all(entry.text.startswith(ROLLED_BACK) for entry in failed):
        what = f"{_count(number, 'replacement')} rolled back, nothing lost"
    elif all(entry.text.startswith((ROLLED_BACK, NOT_MADE)) for entry in failed):
        what = f"{_count(number, 'replacement')} not made, nothing lost"
    else:
        return _Headline(
            subject=f"FAILED: changes to {_count(number, 'user')} did not finish",
            sentence=f"Changes to {_count(number, 'user')} did not finish; no key was touched that should not be, and "
            "the next run finishes or undoes what is left.",
        )
    return _Headline(
        subject=f"FAILED: {what}",
        sentence=f"{what.capitalize()}: the old key works as before, and the next run tries again; if that fails "
        "until its threshold, the key grows older than the policy allows.",
    )


def _audit(report: Report) -> _Headline:
    would, asked = report.parts[Part.WOULD], report.parts[Part.ASKED]
    changes = _changes(would, replaced="replace", off="switch off", deleted="delete")
    if not would and not asked:
        return _Headline(
            subject="AUDIT: nothing would be done",
            sentence="Mode is Audit: nothing was changed, and in Enforce nothing would be.",
        )
    if not would:
        users = len({entry.user for entry in asked})
        return _Headline(
            subject=f"AUDIT: {_count(users, 'user')} {_need(users)} someone",
            sentence=f"Mode is Audit: nothing was changed; {_count(users, 'user')} would need someone in Enforce.",
        )
    return _Headline(
        subject=f"AUDIT: would {changes or 'set marks only'}",
        sentence=f"Mode is Audit: nothing was changed. In Enforce this run would {changes or 'set marks only'}; until "
        "then these keys only grow older.",
    )


def _asked(asked: Sequence[Entry], today: date) -> _Headline:
    """Keys that go off first, by the earliest of their days; then whatever else needs someone."""
    off = [entry for entry in asked if entry.kind in _GO_OFF and entry.by is not None]
    others = len({entry.user for entry in asked} - {entry.user for entry in off})
    if off:
        number, by = len(off), min(entry.by for entry in off if entry.by is not None)
        in_use = " still in use" if all(entry.kind == Kind.IN_USE for entry in off) else ""
        keys = f"{_count(number, 'access key')}{in_use} will be switched off"
        when = "the first on" if number > 1 else "on"
        left = _count((by - today).days, "day")
        return _Headline(
            subject=f"ACT by {by}: {keys}",
            more=f", +{_count(others, 'user')}" if others else "",
            sentence=f"{keys}, {when} {by}, in {left}, unless the owner installs the new key and leaves the old one, "
            f"or an administrator has it kept on; what still uses it then fails."
            + (f" {_count(others, 'more user')} {_need(others)} someone." if others else ""),
        )
    users = _count(others, "user")
    blocked = [entry for entry in asked if entry.kind == Kind.BLOCKED]
    if {entry.user for entry in blocked} == {entry.user for entry in asked}:
        return _Headline(
            subject=f"ATTENTION: {_count(len(blocked), 'replacement')} blocked by two keys",
            sentence=f"{_count(len(blocked), 'new key')} could not be made, because IAM allows two keys and neither "
            "may go yet; until a place is free, the old key grows older than the policy allows.",
        )
    first = min((entry.by for entry in asked if entry.by is not None), default=None)
    if first is not None:
        return _Headline(
            subject=f"ACT by {first}: {users} {_need(others)} someone",
            sentence=f"{users} {_need(others)} someone, the first by {first}, in {_count((first - today).days, 'day')}; "
            "what happens otherwise stands beside each.",
        )
    return _Headline(
        subject=f"ATTENTION: {users} {_need(others)} someone",
        sentence=f"{users} {_need(others)} someone; until then nothing is changed there, and the keys grow older.",
    )


def _done(done: Sequence[Entry], *, waiting: int) -> _Headline:
    changes = _changes(done, replaced="replaced", off="switched off", deleted="deleted")
    install_by = min(
        (entry.by for entry in done if entry.kind == _REPLACED and entry.by is not None), default=None
    )
    replaced = sum(entry.kind in (_REPLACED, "finished") for entry in done)
    only_replaced = replaced == sum(entry.kind in (_REPLACED, "finished", _OFF, _DELETED) for entry in done)
    what = f"{_count(replaced, 'access key')} replaced" if replaced and only_replaced else changes
    install = f", install by {install_by}" if install_by else ""
    rest = f", {waiting} {'waits' if waiting == 1 else 'wait'}" if waiting else ""
    otherwise = "; nobody has to do anything"
    if install_by:
        otherwise = (
            f": owners install the new ones by {install_by}, from when on the old ones are switched off once nobody "
            "uses them"
        )
    return _Headline(
        subject=f"Done: {what or 'marks only'}{install}",
        more=rest,
        sentence=f"{(what or 'marks only').capitalize()}{otherwise}."
        + (
            f" {_count(waiting, 'more user')} {'waits' if waiting == 1 else 'wait'} for a later run."
            if waiting
            else ""
        ),
    )


def _coming_up(upcoming: Sequence[Entry]) -> _Headline:
    number, first = len(upcoming), upcoming[0].by
    return _Headline(
        subject=f"Coming up: {_count(number, 'change')}, the first on {first}",
        sentence=f"{_count(number, 'change')} {'comes' if number == 1 else 'come'} up by itself, the first on {first}; "
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


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _need(number: int) -> str:
    return "needs" if number == 1 else "need"


# The sections.


def _section(report: Report, part: Part, title: str, *, most: int) -> list[str]:
    entries = report.parts[part]
    if not entries:
        return []
    shown = entries[:most]
    lines = ["", title if len(shown) == len(entries) else f"{title}: {len(entries)}, the first {len(shown)}"]
    for entry in shown:
        lines += _block(entry, report, linked=part in _LINKED)
    if (more := len(entries) - len(shown)) > 0:
        lines += _wrapped(f"and {more} more, all of them in the log of this run (see THIS RUN)")
    return lines


def _block(entry: Entry, report: Report, *, linked: bool) -> Iterator[str]:
    if entry.user is not None:
        owner = f" (owner: {_quoted(entry.owner)})" if entry.owner else ""
        yield from _wrapped(f"* {entry.user}{owner}", indent=0)
    if entry.key is not None:
        yield from _wrapped(_facts(entry.key, report.today))
    if entry.text:
        yield from _wrapped(_sentence(entry.text))
    yield from _wrapped(_then(entry, report))
    for use in entry.uses:
        events = f": {', '.join(use.events)}" if use.events else ""
        yield from _wrapped(f"Used by {_quoted(use.user_agent)} from {use.source}{events}.")
    for command in entry.commands:
        yield from _command(command)
    if linked and entry.console is not None:
        yield from _link("In the console", entry.console)


def _then(entry: Entry, report: Report) -> str:
    """What happens on which day, and in how many: `On 2026-12-06, in 14 days, it is switched off.`"""
    if entry.by is None or entry.by <= report.today:
        return ""
    left = _count((entry.by - report.today).days, "day")
    if not entry.then:
        return f"{entry.by}: in {left}."
    would = "would be" if report.mode is Mode.AUDIT else "is"
    return f"On {entry.by}, in {left}, it {would} {entry.then}."


def _facts(key: KeyFacts, today: date) -> str:
    used = ", never used" if key.use_known else ""
    if key.used is not None:
        used = f", last used {key.used} on {key.service} in {key.region}"
    description = f" {_quoted(key.description)}" if key.description else ""
    return f"{key.id}{description}, {_count((today - key.created).days, 'day')} old{used}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _late(report: Report, *, most: int) -> Iterator[str]:
    if waiting := report.parts[Part.WAITING]:
        days = -(-len(waiting) // report.max_users_per_run)
        yield from _wrapped(
            f"{_count(len(waiting), 'user')} {'waits' if len(waiting) == 1 else 'wait'} for a later run, about "
            f"{_count(days, 'day')} at MaxUsersPerRun={report.max_users_per_run}: {_names(waiting, most=most)}"
        )
    if deferred := report.parts[Part.DEFERRED]:
        yield from _wrapped(
            f"{_count(len(deferred), 'user')} deferred to the next run because the time was nearly up: "
            f"{_names(deferred, most=most)}"
        )


def _names(entries: Sequence[Entry], *, most: int) -> str:
    shown = ", ".join(entry.user or "" for entry in entries[:most])
    more = len(entries) - most
    return f"{shown} and {more} more, named in the log" if more > 0 else shown


def _coverage(report: Report) -> str:
    seen = report.coverage
    return (
        f"examined {seen.examined} of {_count(seen.total, 'user')}, {seen.exempt} exempt, {seen.unreadable} "
        f"unreadable, {seen.deferred} deferred"
    )


def _settings(report: Report) -> str:
    named = " ".join(f"{name}={value}" for name, value in report.settings.items())
    return f'{named} (parameters of the stack; make deploy with PARAMETERS="Name=value" changes them)'


def _this_run(report: Report, *, most: int) -> Iterator[str]:
    yield from _wrapped(f"run id {report.run_id}")
    if any(len(entries) > most for entries in report.parts.values()):
        yield from _command(report.log_command)
    yield from _link("Log", report.log_url)
    if report.runbook_url.startswith("https://"):
        yield from _link("What to do, by subject", report.runbook_url)
    else:
        yield from _wrapped(f"What to do, by subject: {report.runbook_url}")


# How it is laid out.


def _quoted(text: str) -> str:
    """What people wrote ends where its quotation mark ends."""
    return '"{}"'.format(_ascii(text).replace('"', "'"))


def _wrapped(text: str, *, indent: int = _TEXT_INDENT, hanging: int = _TEXT_INDENT) -> list[str]:
    """What a person can set (tags, names, what AWS answers) comes through here, and cannot start a line of its own."""
    return textwrap.wrap(
        _ascii(text),
        width=_WIDTH,
        initial_indent=" " * indent,
        subsequent_indent=" " * hanging,
        break_on_hyphens=False,
    )


def _ascii(text: str) -> str:
    """Letters without their accents, and ? for what has no such letter."""
    plain = "".join(
        character for character in unicodedata.normalize("NFKD", text) if not unicodedata.combining(character)
    )
    return "".join(character if " " <= character <= "~" else "?" for character in plain)


def _link(title: str, url: str) -> Iterator[str]:
    """On a line of its own, however long: a broken link is none."""
    yield from _wrapped(f"{title}:")
    yield " " * _COMMAND_INDENT + url


def _command(command: Command) -> Iterator[str]:
    """Fit to be copied as it stands: every line but the last ends with the shell's own sign that it goes on."""
    yield from _wrapped(f"{command.runner}, {command.purpose}:")
    first, hanging = " " * _COMMAND_INDENT, " " * (_COMMAND_INDENT + 2)
    lines: list[str] = []
    line = ""
    for piece in _pieces(command.line):
        room = _WIDTH - len(" \\") - len(hanging if lines or line else first)
        if line and len(line) + 1 + len(piece) > room:
            lines.append(line)
            line = piece
        else:
            line = f"{line} {piece}" if line else piece
    lines.append(line)
    for number, each in enumerate(lines):
        indent = hanging if number else first
        yield f"{indent}{each}" + (" \\" if number < len(lines) - 1 else "")


def _pieces(line: str) -> Iterator[str]:
    """The words of a command, an option and its value in one piece where they fit a line.

    A word that fits no line (IAM allows 64 characters in a user name, and a secret's name is longer still) is put
    together by printf.
    """
    words = [shlex.quote(word) for word in shlex.split(line)]
    room = _WIDTH - _COMMAND_INDENT - len("  ") - len(" \\")
    piece: list[str] = []
    for word in words:
        if word.startswith("--") and piece:
            yield " ".join(piece)
            piece = []
        if len(word) > room:
            if piece:
                yield " ".join(piece)
                piece = []
            yield from _put_together(shlex.split(word)[0])
            continue
        if piece and len(" ".join([*piece, word])) > room:
            yield " ".join(piece)
            piece = []
        piece.append(word)
    if piece:
        yield " ".join(piece)


def _put_together(word: str) -> Iterator[str]:
    step = 45
    parts = [shlex.quote(word[start : start + step]) for start in range(0, len(word), step)]
    yield f'"$(printf %s {parts[0]}'
    yield from parts[1:-1]
    yield f'{parts[-1]})"'
