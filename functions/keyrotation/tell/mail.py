"""A report as on-call reads it: a subject that says it all (headline.py), and below it a block for each user."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from keyrotation import VERSION
from keyrotation.memory import What, Why
from keyrotation.run.record import Announcement
from keyrotation.run.settings import Mode
from keyrotation.tell import commands
from keyrotation.tell.blocks import Part, Said, UserBlock
from keyrotation.tell.done import INSTALLED
from keyrotation.tell.entries import Entry, KeyFacts
from keyrotation.tell.headline import count, headline_of, runbook_of
from keyrotation.tell.layout import copyable, link, quoted, wrapped
from keyrotation.tell.report import Report

MOST_PER_SECTION = 25
# More users than these of whom the same is said are a table: a line each, and the commands once.
_FEW = 5
# Of users without a notice a table has so many lines for each block that a section may have; a notice always has its line.
_LINES_A_BLOCK = 2


def _installs(block: UserBlock) -> bool:
    """Somebody has a new key to install."""
    return any(each.entry.kind in INSTALLED for each in block.said)


def _of(part: Part) -> Callable[[UserBlock], bool]:
    return lambda block: block.part is part


# A user stands in the first of these that fits, with all that is said of them.
_SECTIONS: tuple[tuple[str, Callable[[UserBlock], bool]], ...] = (
    ("SWITCHED OFF WHILE IN USE", _of(Part.FORCED)),
    ("CRITICAL", _of(Part.CRITICAL)),
    ("FAILED", _of(Part.FAILED)),
    ("NEEDS SOMEONE", _of(Part.ASKED)),
    ("WOULD BE DONE (Mode is Audit: nothing was changed)", _of(Part.WOULD)),
    ("NEW KEYS TO INSTALL", _installs),
    ("DONE TODAY", _of(Part.DONE)),
    ("DONE TODAY BY AN EARLIER ATTEMPT, WHICH COULD NOT TELL", _of(Part.DONE_BEFORE)),
    ("DONE SINCE THE LAST MAIL", _of(Part.SINCE)),
    ("COMING UP", _of(Part.UPCOMING)),
    ("EXEMPT", _of(Part.EXEMPT)),
)
_BEFORE_THE_ACCOUNT = 3
_LINKED = {Part.FORCED, Part.CRITICAL, Part.FAILED, Part.ASKED, Part.DONE}
# What is said beside something more urgent says what it is.
_LABELS = {
    Part.WOULD: "Would be done",
    Part.DONE: "Done today",
    Part.DONE_BEFORE: "Done today by an earlier attempt",
    Part.SINCE: "Done since the last mail",
    Part.UPCOMING: "Coming up",
}


@dataclass(frozen=True, kw_only=True)
class Section:
    """Its groups in their order: one user, or many of whom the same is said; `left` users stand in the log."""

    title: str
    groups: tuple[tuple[UserBlock, ...], ...]
    left: int

    @property
    def users(self) -> Iterator[UserBlock]:
        for group in self.groups:
            yield from group


def sections_of(report: Report, *, most: int) -> tuple[Section, ...]:
    """What the mail shows of each user: at most `most` blocks a section, and whoever has a line of a table."""
    found: dict[str, list[UserBlock]] = {title: [] for title, _ in _SECTIONS}
    for block in report.users:
        if block.said:
            title = next(title for title, fits in _SECTIONS if fits(block))
            found[title].append(block)
    return tuple(_section_of(title, blocks, most) for title, blocks in found.items() if blocks)


def told_in_full(report: Report, *, most: int) -> Iterator[Entry]:
    """The entries that the mail shows, each for itself or as a line of a table."""
    yield from report.parts[Part.ACCOUNT][:most]
    for section in sections_of(report, most=most):
        for block in section.users:
            yield from (said.entry for said in block.said)


def _section_of(title: str, blocks: Sequence[UserBlock], most: int) -> Section:
    alike: dict[object, list[UserBlock]] = {}
    for block in blocks:
        alike.setdefault(_shape(block), []).append(block)
    groups: list[tuple[UserBlock, ...]] = []
    shown = alone = 0
    for shape, group in alike.items():
        if shape is not None and len(group) > _FEW:
            lines = len(group) if group[0].notices else most * _LINES_A_BLOCK
            groups.append(tuple(group[:lines]))
            shown += len(group[:lines])
    tabled = {id(block) for group in groups for block in group}
    for block in blocks:
        shape = _shape(block)
        if id(block) in tabled or (shape is not None and len(alike[shape]) > _FEW):
            continue
        if alone < most:
            groups.append((block,))
            alone += 1
    place = {id(block): number for number, block in enumerate(blocks)}
    groups.sort(key=lambda group: place[id(group[0])])
    return Section(title=title, groups=tuple(groups), left=len(blocks) - shown - alone)


def _shape(block: UserBlock) -> object:
    """Equal for users of whom the same is said, but for names, keys and numbers; None: that can only be said of one."""
    if len(block.said) != 1 or len(block.notices) > 1:
        return None
    (said,) = block.said
    entry = said.entry
    if not entry.many or entry.uses:
        return None
    notices = tuple((each.notice.what, each.notice.why, each.notice.day, each.new) for each in block.notices)
    if notices and (entry.key is None or block.notices[0].key_id != entry.key.id):
        return None
    return said.part, entry.many, entry.by, entry.then, notices, entry.hints, _for_anybody(entry)


def _for_anybody(entry: Entry) -> tuple[commands.Command, ...]:
    key_id = entry.key.id if entry.key is not None else None
    return tuple(
        commands.for_anybody(each, user_name=entry.user or "", key_id=key_id) for each in entry.commands
    )


def body_of(report: Report, *, most: int = MOST_PER_SECTION) -> str:
    """At most 72 columns, but for links, which a break would spoil."""
    where = f"{report.alias} {report.account}".strip()
    sections = sections_of(report, most=most)
    paragraphs: list[Sequence[str]] = [
        wrapped(headline_of(report).sentence, indent=0, hanging=0),
        _what_to_do(report),
        wrapped(
            f"Account {where}, {report.region}, {report.today}, Mode {report.mode}.", indent=0, hanging=0
        ),
        said_of(report, sections, most=most),
        ["", "NOT REACHED TODAY", *late] if (late := list(_late(report, most=most))) else [],
        [
            "",
            "THIS RUN",
            *wrapped(_unsubscribed(report, most=most)),
            *_this_run(report, cut=any(section.left for section in sections)),
        ],
    ]
    return "\n".join(line for paragraph in paragraphs for line in paragraph) + "\n"


def said_of(report: Report, sections: Sequence[Section], *, most: int) -> list[str]:
    """All that is said of users and of the account, and every notice."""
    told = [_section(report, section) for section in sections]
    urgent = sum(
        section.title in {title for title, _ in _SECTIONS[:_BEFORE_THE_ACCOUNT]} for section in sections
    )
    paragraphs: list[Sequence[str]] = [
        *told[:urgent],
        _account(report, most=most),
        *told[urgent:],
        ["", "NOTICES", *notices] if (notices := list(_notices(report, sections))) else [],
    ]
    return [line for paragraph in paragraphs for line in paragraph]


def _section(report: Report, section: Section) -> list[str]:
    users = sum(map(len, section.groups)) + section.left
    many = section.left or any(len(group) > 1 for group in section.groups)
    lines = ["", f"{section.title}: {count(users, 'user')}" if many else section.title]
    for group in section.groups:
        lines += _block(group[0], report) if len(group) == 1 else _table(group, report)
    if section.left:
        lines += wrapped(f"and {section.left} more, all of them in the log of this run (see THIS RUN)")
    return lines


def _account(report: Report, *, most: int) -> list[str]:
    entries = report.parts[Part.ACCOUNT]
    if not entries:
        return []
    lines = ["", "THE ACCOUNT"]
    for entry in entries[:most]:
        lines += wrapped(_sentence(entry.text))
        for command in entry.commands:
            lines += copyable(command)
        if entry.console is not None:
            lines += link("In the console", entry.console)
    if (more := len(entries) - most) > 0:
        lines += wrapped(f"and {more} more, which the next mails tell")
    return lines


def _block(block: UserBlock, report: Report) -> Iterator[str]:
    owner = f" (owner: {quoted(block.owner)})" if block.owner else ""
    yield from wrapped(f"* {block.user}{owner}", indent=0)
    beside = _notices_beside(block)
    key_id = None
    for said in block.said:
        key = said.entry.key
        if key is not None and key.id != key_id:
            yield from wrapped(_facts(key, report.today))
        key_id = key.id if key is not None else None
        yield from _what_is_said(said, block, report, beside.get(id(said)))
    for each in block.notices:
        if each not in beside.values():
            yield from wrapped(_notice(each, report))
    for hint in block.hints:
        yield from wrapped(hint.text)
    for command in block.commands:
        yield from copyable(command)
    if block.console is not None and any(said.part in _LINKED for said in block.said):
        yield from link("In the console", block.console)


def _notices_beside(block: UserBlock) -> dict[int, Announcement]:
    """Each beside what explains it: of what is said of its key, that which has its day, or the first."""
    found = {}
    for notice in block.notices:
        of_key = [said for said in block.said if said.entry.key and said.entry.key.id == notice.key_id]
        same_day = [said for said in of_key if said.entry.by == notice.notice.day]
        for said in [*same_day, *of_key][:1]:
            found[id(said)] = notice
    return found


def _what_is_said(said: Said, block: UserBlock, report: Report, notice: Announcement | None) -> Iterator[str]:
    entry = said.entry
    label = _LABELS.get(said.part, "") if said.part is not block.part else ""
    if entry.text:
        yield from wrapped(f"{label}: {entry.text}." if label else _sentence(entry.text))
    if notice is not None:
        yield from wrapped(_notice(notice, report))
    if notice is None or notice.notice.day != entry.by:
        yield from wrapped(_then(entry, report))
    for use in entry.uses:
        events = f": {', '.join(use.events)}" if use.events else ""
        yield from wrapped(f"Used by {quoted(use.user_agent)} from {use.source}{events}.")


def _table(group: Sequence[UserBlock], report: Report) -> Iterator[str]:
    entry = group[0].said[0].entry
    yield from wrapped(f"{count(len(group), 'user')}: {entry.many}")
    if group[0].notices:
        yield from _listed([each for block in group for each in block.notices], report)
    else:
        yield from wrapped(_then(entry, report))
        for block in group:
            key = block.said[0].entry.key
            yield from wrapped(f"{key.id} {block.user}" if key else block.user, indent=6, hanging=8)
    for hint in group[0].hints:
        yield from wrapped(hint.text)
    for command in _for_anybody(entry):
        yield from copyable(command)


_WHAT = {What.SWITCH_OFF: "switched off", What.DELETE: "deleted"}
_WHY = {
    Why.OVERLAP: "overlap: if nobody uses it by then",
    Why.IN_USE: "in-use: even if it is still in use",
    Why.BY_HAND: "by-hand: if nobody uses it by then",
    Why.UNUSED: "unused: if nobody uses it by then",
    Why.INACTIVE: "inactive",
}


def _notices(report: Report, sections: Iterable[Section]) -> Iterator[str]:
    """Those that stand beside no user above, by day: what no mail names is not done."""
    shown = {block.user for section in sections for block in section.users}
    rest = [each for each in report.notices if each.user.name not in shown]
    for _, of_day in groupby(rest, key=lambda each: (each.notice.day, each.notice.what, each.notice.why)):
        yield from _listed(list(of_day), report)
    if report.notices_left:
        yield from wrapped(
            f"{count(report.notices_left, 'notice')} did not fit into this mail and will be in the next ones. No key is "
            "switched off or deleted before a mail has named it."
        )


def _listed(notices: Sequence[Announcement], report: Report) -> Iterator[str]:
    """Of one day, one reason: a line each."""
    notice = notices[0].notice
    left = (notice.day - report.today).days
    when = f"On {notice.day}, in {count(left, 'day')}," if left > 0 else f"Due on {notice.day}, and not yet"
    yield from wrapped(f"{when} {_WHAT[notice.what]} ({_WHY[notice.why]}):")
    for each in notices:
        yield from wrapped(f"{each.key_id} {each.user.name}", indent=6, hanging=8)


def _notice(each: Announcement, report: Report) -> str:
    """`On 2026-12-06, in 14 days, AKIA... is switched off (overlap: if nobody uses it by then).`"""
    notice = each.notice
    left = (notice.day - report.today).days
    what, why = _WHAT[notice.what], _WHY[notice.why]
    if left <= 0:
        return f"{each.key_id} was to be {what} on {notice.day}, and is not yet ({why})."
    # While nobody listens, nothing of it happens.
    would = "is" if report.listeners else "would be"
    return f"On {notice.day}, in {count(left, 'day')}, {each.key_id} {would} {what} ({why})."


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


def _unsubscribed(report: Report, *, most: int) -> str:
    """What people wrote in tags, in quotation marks."""
    if report.unsubscribed is None:
        return "Who is subscribed to the Owners topic could not be read: the log has the cause."
    if not report.unsubscribed:
        return ""
    shown = ", ".join(quoted(owner) for owner in report.unsubscribed[:most])
    more = len(report.unsubscribed) - most
    rest = f" and {more} more" if more > 0 else ""
    return f"No subscription to the Owners topic is for {shown}{rest}: only this mail tells of their users."


def _settings(report: Report) -> str:
    """The mode, and what is set otherwise than the stack would."""
    named = " ".join(f"{name}={value}" for name, value in report.settings_set.items())
    return f"Settings: {named}. All other parameters of the stack have their defaults."


def _what_to_do(report: Report) -> list[str]:
    """On the first screen: the section of the runbook that the mail is about."""
    where = runbook_of(report)
    if where.startswith("https://"):
        return ["What to do:", f"        {where}"]
    return wrapped(f"What to do: {where}", indent=0)


def _this_run(report: Report, *, cut: bool) -> Iterator[str]:
    yield from wrapped(f"Run {report.run_id}, access-key-rotation {VERSION}: {_coverage(report)}.")
    yield from wrapped(_settings(report))
    if cut:
        yield from copyable(report.log_command)
    yield from link("Log", report.log_url)
