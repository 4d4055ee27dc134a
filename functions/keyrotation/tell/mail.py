"""A report as on-call reads it: a subject that says it all (headline.py), and a block for each thing below it."""

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import groupby

from keyrotation import VERSION
from keyrotation.memory import What, Why
from keyrotation.run.settings import Mode
from keyrotation.tell.entries import Entry, KeyFacts
from keyrotation.tell.headline import count, headline_of
from keyrotation.tell.layout import copyable, link, quoted, wrapped
from keyrotation.tell.report import Part, Report

MOST_PER_SECTION = 25
_TITLES = {
    Part.FORCED: "SWITCHED OFF WHILE IN USE",
    Part.CRITICAL: "CRITICAL",
    Part.FAILED: "FAILED",
    Part.ACCOUNT: "THE ACCOUNT",
    Part.ASKED: "NEEDS SOMEONE",
    Part.WOULD: "WOULD BE DONE (Mode is Audit: nothing was changed)",
    Part.DONE: "DONE TODAY",
    Part.DONE_BEFORE: "DONE TODAY BY AN EARLIER ATTEMPT, WHICH COULD NOT TELL",
    Part.UPCOMING: "COMING UP",
    Part.EXEMPT: "EXEMPT",
}
_LINKED = {Part.FORCED, Part.CRITICAL, Part.FAILED, Part.ACCOUNT, Part.ASKED, Part.DONE}


def body_of(report: Report, *, most: int = MOST_PER_SECTION) -> str:
    """At most 72 columns, but for links, which a break would spoil. At most `most` entries in each section."""
    where = f"{report.alias} {report.account}".strip()
    paragraphs: list[Sequence[str]] = [
        wrapped(headline_of(report).sentence, indent=0, hanging=0),
        wrapped(
            f"Account {where}, {report.region}, {report.today}, Mode {report.mode}.", indent=0, hanging=0
        ),
        *(_section(report, part, title, most=most) for part, title in _TITLES.items()),
        ["", "NOTICES", *notices] if (notices := list(_notices(report))) else [],
        ["", "NOT REACHED TODAY", *late] if (late := list(_late(report, most=most))) else [],
        ["", "EXAMINED", *wrapped(_coverage(report))],
        ["", "SETTINGS", *wrapped(_settings(report))],
        ["", "THIS RUN", *_this_run(report, most=most)],
    ]
    return "\n".join(line for paragraph in paragraphs for line in paragraph) + "\n"


def _section(report: Report, part: Part, title: str, *, most: int) -> list[str]:
    entries = report.parts[part]
    if not entries:
        return []
    shown = entries[:most]
    lines = ["", title if len(shown) == len(entries) else f"{title}: {len(entries)}, the first {len(shown)}"]
    for entry in shown:
        lines += _block(entry, report, linked=part in _LINKED)
    if (more := len(entries) - len(shown)) > 0:
        lines += wrapped(f"and {more} more, all of them in the log of this run (see THIS RUN)")
    return lines


_WHAT = {What.SWITCH_OFF: "switched off", What.DELETE: "deleted"}
_WHY = {
    Why.OVERLAP: "overlap: if nobody uses it by then",
    Why.IN_USE: "in-use: whether it is in use or not",
    Why.BY_HAND: "by-hand: a newer key is in use",
    Why.UNUSED: "unused: nobody uses it",
    Why.INACTIVE: "inactive",
}


def _notices(report: Report) -> Iterator[str]:
    """All that the message gives or tells again, by day: what is not named here is not done on that day."""
    by_day = groupby(report.notices, key=lambda each: (each.notice.day, each.notice.what, each.notice.why))
    for (day, what, why), of_day in by_day:
        left = (day - report.today).days
        when = f"On {day}, in {count(left, 'day')}," if left > 0 else f"Due on {day}, and not yet"
        yield from wrapped(f"{when} {_WHAT[what]} ({_WHY[why]}):")
        for each in of_day:
            new = " (new)" if each.new else ""
            yield from wrapped(f"{each.key_id} {each.user.name}{new}", indent=6, hanging=8)
    if report.notices_left:
        yield from wrapped(
            f"{count(report.notices_left, 'notice')} did not fit into this mail and will be in the next ones. No key is "
            "switched off or deleted before a mail has named it."
        )


def _block(entry: Entry, report: Report, *, linked: bool) -> Iterator[str]:
    if entry.user is not None:
        owner = f" (owner: {quoted(entry.owner)})" if entry.owner else ""
        yield from wrapped(f"* {entry.user}{owner}", indent=0)
    if entry.key is not None:
        yield from wrapped(_facts(entry.key, report.today))
    if entry.text:
        yield from wrapped(_sentence(entry.text))
    yield from wrapped(_then(entry, report))
    for use in entry.uses:
        events = f": {', '.join(use.events)}" if use.events else ""
        yield from wrapped(f"Used by {quoted(use.user_agent)} from {use.source}{events}.")
    for hint in entry.hints:
        yield from wrapped(hint.text)
    for command in entry.commands:
        yield from copyable(command)
    if linked and entry.console is not None:
        yield from link("In the console", entry.console)


def _then(entry: Entry, report: Report) -> str:
    """What happens on which day, and in how many: `On 2026-12-06, in 14 days, it is switched off.`"""
    if entry.by is None:
        return ""
    left = (entry.by - report.today).days
    if left <= 0:
        return f"Due on {entry.by}, and not yet {entry.then}." if entry.then else ""
    if not entry.then:
        return f"{entry.by}: in {count(left, 'day')}."
    # While nobody listens, nothing of it happens.
    would = "would be" if report.mode is Mode.AUDIT or not report.listeners else "is"
    return f"On {entry.by}, in {count(left, 'day')}, it {would} {entry.then}."


def _facts(key: KeyFacts, today: date) -> str:
    used = ", never used" if key.use_known else ""
    if key.used is not None:
        used = f", last used {key.used} on {key.service} in {key.region}"
    description = f" {quoted(key.description)}" if key.description else ""
    return f"{key.id}{description}, {count((today - key.created).days, 'day')} old{used}"


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _late(report: Report, *, most: int) -> Iterator[str]:
    if waiting := report.parts[Part.WAITING]:
        days = -(-len(waiting) // report.max_users_per_run)
        yield from wrapped(
            f"{count(len(waiting), 'user')} {'waits' if len(waiting) == 1 else 'wait'} for a later run, about "
            f"{count(days, 'day')} at MaxUsersPerRun={report.max_users_per_run}: {_names(waiting, most=most)}"
        )
    if deferred := report.parts[Part.DEFERRED]:
        yield from wrapped(
            f"{count(len(deferred), 'user')} deferred to the next run because the time was nearly up: "
            f"{_names(deferred, most=most)}"
        )


def _names(entries: Sequence[Entry], *, most: int) -> str:
    shown = ", ".join(entry.user or "" for entry in entries[:most])
    more = len(entries) - most
    return f"{shown} and {more} more, named in the log" if more > 0 else shown


def _coverage(report: Report) -> str:
    seen = report.coverage
    return (
        f"examined {seen.examined} of {count(seen.total, 'user')}, {seen.exempt} exempt, {seen.unreadable} "
        f"unreadable, {seen.deferred} deferred"
    )


def _settings(report: Report) -> str:
    named = " ".join(f"{name}={value}" for name, value in report.settings.items())
    return f'{named} (parameters of the stack; make deploy with PARAMETERS="Name=value" changes them)'


def _this_run(report: Report, *, most: int) -> Iterator[str]:
    yield from wrapped(f"run id {report.run_id}")
    if any(len(entries) > most for entries in report.parts.values()):
        yield from copyable(report.log_command)
    yield from link("Log", report.log_url)
    if report.runbook_url.startswith("https://"):
        yield from link("What to do, by subject", report.runbook_url)
    else:
        yield from wrapped(f"What to do, by subject: {report.runbook_url}")
    yield from wrapped(f"access-key-rotation {VERSION}")
