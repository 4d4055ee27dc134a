"""What a mail comes to, in a subject and a sentence: the most important first, with its deadline."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from keyrotation.act.replacement import NOT_MADE, ROLLED_BACK
from keyrotation.decide.actions import Kind
from keyrotation.run.settings import Mode
from keyrotation.tell.blocks import Part
from keyrotation.tell.done import NOTICED
from keyrotation.tell.entries import Entry
from keyrotation.tell.report import Report

_SHORTEST_ALIAS = 6
_LONGEST_SUBJECT = 99  # SNS: fewer than 100 printable ASCII characters
# So many days after its last use a key counts as in use in a headline.
_LATELY = 7
# Those whose day is the end of what the owner can do.
_GO_OFF = (Kind.IN_USE, Kind.BY_HAND_QUIET)
_REPLACED, _FINISHED, _OFF, _DELETED, _UNDONE = "replaced", "finished", "switched-off", "deleted", "undone"
_GONE = (_OFF, "forced-off", _DELETED, _UNDONE)


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The subject without the account; what follows it where there is room; in short sentences, what happens otherwise.

    `of_done`: it says what was done; otherwise that is added.
    """

    subject: str
    sentence: str
    more: str = ""
    of_done: bool = False


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
    """The most important first, with its deadline; what was done beside it is said too, for the owners of new keys."""
    found = _most_important(report)
    done = report.parts[Part.DONE]
    if not done or found.of_done or report.mode is Mode.AUDIT:
        return found
    also = _done_in_words(done)
    return replace(found, sentence=f"{found.sentence} Done today as well: {also[:1].lower()}{also[1:]}.")


def _most_important(report: Report) -> Headline:
    parts = report.parts
    if forced := len(parts[Part.FORCED]):
        return Headline(
            subject=f"CRITICAL: {count(forced, 'access key')} switched off while still in use",
            sentence=f"{count(forced, 'access key')} {_was(forced)} switched off while still in use, because the extension "
            "was over. Whatever still uses such a key fails now: give it the new key, or switch the old key on again.",
        )
    if any(entry.kind == Kind.ROOT_KEYS for entry in parts[Part.ACCOUNT]):
        return Headline(
            subject="CRITICAL: the root user has access keys",
            sentence="The root user of this account has access keys. No policy limits them: whoever holds one can do "
            "everything, until you delete them.",
        )
    if critical := parts[Part.CRITICAL]:
        return _critical(critical)
    if failed := parts[Part.FAILED]:
        return _failed(failed)
    if before := len(parts[Part.DONE_BEFORE]):
        return Headline(
            subject=f"RESUMED: {count(before, 'change')} of an earlier attempt may not have been told",
            sentence=f"An earlier attempt of this run made {count(before, 'change')} and ended before it was known to have "
            "sent its mail. Owners of new keys may not know yet that they have to install them.",
        )
    if report.mode is Mode.AUDIT:
        return _audit(report)
    if any(entry.kind == Kind.NOBODY_LISTENS for entry in parts[Part.ACCOUNT]):
        return _unheard(report)
    if parts[Part.ASKED]:
        return _asked(parts[Part.ASKED], report.today)
    if parts[Part.DONE]:
        return _done(parts[Part.DONE], waiting=len(parts[Part.WAITING]))
    if account := parts[Part.ACCOUNT]:
        return Headline(
            subject="ATTENTION: the account needs someone",
            sentence=f"{count(len(account), 'finding')} about the account itself {_need(len(account))} someone: see THE "
            "ACCOUNT below.",
        )
    if late := [*parts[Part.WAITING], *parts[Part.DEFERRED]]:
        return Headline(
            subject=f"ATTENTION: {count(len(late), 'user')} not reached today",
            sentence=f"{count(len(late), 'user')} {_was(len(late))} not reached today. Their turn comes in the next runs; "
            "nobody has to do anything.",
        )
    if parts[Part.UPCOMING] or report.notices:
        return _coming_up(report)
    return Headline(subject="Nothing to do", sentence="Nothing was changed, and nobody has to do anything.")


def _unheard(report: Report) -> Headline:
    if report.listeners is None:
        return Headline(
            subject="ATTENTION: subscriptions could not be read, so no key is switched off",
            sentence="This run could not read whether a subscription to the topic is confirmed, so it switched off and "
            "deleted nothing. If that goes on, old keys grow older than the policy allows.",
        )
    return Headline(
        subject="ATTENTION: no subscription is confirmed, so no key is switched off",
        sentence="No subscription to the topic is confirmed. Keys are replaced, but none is switched off or deleted until "
        "somebody confirms one; until then old keys grow older than the policy allows.",
    )


def _critical(critical: Sequence[Entry]) -> Headline:
    exposed = len({entry.user for entry in critical if entry.kind == Kind.EXPOSED})
    if exposed:
        return Headline(
            subject=f"CRITICAL: AWS found access keys of {count(exposed, 'user')} exposed",
            sentence=f"AWS found access keys of {count(exposed, 'user')} exposed: whoever has one can use it until somebody "
            "switches it off. Do that now; the commands are below, in their order.",
        )
    users = len({entry.user for entry in critical})
    return Headline(
        subject=f"CRITICAL: new keys of {count(users, 'user')} cannot be fetched",
        sentence=f"The secrets with the new keys of {count(users, 'user')} are gone or were made anew, so nobody can fetch "
        "these keys. The old keys stay on until somebody has looked into it.",
    )


def _failed(failed: Sequence[Entry]) -> Headline:
    number = len(failed)
    if all(entry.text.startswith(ROLLED_BACK) for entry in failed):
        what = f"{count(number, 'replacement')} rolled back, nothing lost"
    elif all(entry.text.startswith((ROLLED_BACK, NOT_MADE)) for entry in failed):
        what = f"{count(number, 'replacement')} not made, nothing lost"
    else:
        return Headline(
            subject=f"FAILED: changes to {count(number, 'user')} did not finish",
            sentence=f"Changes to {count(number, 'user')} did not finish. The next run finishes or undoes what is left; look "
            "at the causes below, since the same cause may stop it again.",
        )
    return Headline(
        subject=f"FAILED: {what}",
        sentence=f"{what[:1].upper()}{what[1:]}. The old keys work as before, and the next run tries again. If it keeps "
        "failing, these keys grow older than the policy allows.",
    )


def _audit(report: Report) -> Headline:
    would, asked = report.parts[Part.WOULD], report.parts[Part.ASKED]
    if not would and not asked:
        return Headline(
            subject="AUDIT: nothing would be done",
            sentence="Mode is Audit: no key was changed, and in Enforce none would be.",
        )
    if not would:
        users = len({entry.user for entry in asked})
        return Headline(
            subject=f"AUDIT: {count(users, 'user')} {_need(users)} someone",
            sentence=f"Mode is Audit: no key was changed. {count(users, 'user')} {_need(users)} someone before Enforce.",
        )
    announced = sum(entry.kind in NOTICED for entry in would)
    announces = f"announce what happens to {count(announced, 'other key')}" if announced else ""
    changes = _changes(would, replaced="replace", off="switch off", deleted="delete") or announces
    changes = changes or f"update what is known of {count(len({entry.user for entry in would}), 'user')}"
    also = f", and {announces}" if announces and announces != changes else ""
    return Headline(
        subject=f"AUDIT: would {changes}",
        sentence=f"Mode is Audit: no key was changed. In Enforce this run would {changes}{also}. Until then these keys only "
        "grow older.",
    )


def _asked(asked: Sequence[Entry], today: date) -> Headline:
    """Keys that go off first, by the earliest of their days; then whatever else needs someone."""
    off = [entry for entry in asked if entry.kind in _GO_OFF and entry.by is not None]
    others = len({entry.user for entry in asked} - {entry.user for entry in off})
    if off:
        number, by = len(off), min(entry.by for entry in off if entry.by is not None)
        in_use = " still in use" if all(_used_lately(entry, today) for entry in off) else ""
        keys = f"{count(number, 'access key')}{in_use} will be switched off"
        when = "the first on" if number > 1 else "on"
        left = count((by - today).days, "day")
        return Headline(
            subject=f"ACT by {by}: {keys}",
            more=f", +{count(others, 'user')}" if others else "",
            sentence=f"{keys}, {when} {by}, in {left}. Whatever uses such a key then fails: its owner has to switch to the "
            "new key by then, or an administrator exempts the user."
            + (f" {count(others, 'more user')} {_need(others)} someone." if others else ""),
        )
    users = count(others, "user")
    blocked = [entry for entry in asked if entry.kind in (Kind.BLOCKED, Kind.BLOCKED_BY_PAIR)]
    if {entry.user for entry in blocked} == {entry.user for entry in asked}:
        return Headline(
            subject=f"ATTENTION: {count(len(blocked), 'replacement')} blocked by two keys",
            sentence=f"{count(len(blocked), 'new key')} could not be made: IAM allows two keys for a user, and neither may "
            "go yet. Until one does, the key to be replaced grows older than the policy allows.",
        )
    first = min((entry.by for entry in asked if entry.by is not None), default=None)
    if first is not None:
        return Headline(
            subject=f"ACT by {first}: {users} {_need(others)} someone",
            sentence=f"{users} {_need(others)} someone, the first by {first}, in {count((first - today).days, 'day')}. What "
            "happens otherwise is said beside each.",
        )
    return Headline(
        subject=f"ATTENTION: {users} {_need(others)} someone",
        sentence=f"{users} {_need(others)} someone: see NEEDS SOMEONE below.",
    )


def _used_lately(entry: Entry, today: date) -> bool:
    """An extension goes on when its key is quiet for a while; "still in use" would then be wrong."""
    used = entry.key.used if entry.key is not None else None
    return entry.kind == Kind.IN_USE and used is not None and (today - used).days <= _LATELY


def _done(done: Sequence[Entry], *, waiting: int) -> Headline:
    install_by = _install_by(done)
    install = f", install by {install_by}" if install_by else ""
    rest = f", {waiting} {'waits' if waiting == 1 else 'wait'}" if waiting else ""
    otherwise = "" if _replaced(done) else " Nobody has to do anything."
    return Headline(
        subject=f"Done: {_what(done)}{install}",
        more=rest,
        of_done=True,
        sentence=f"{_done_in_words(done)}.{otherwise}"
        + (
            f" {count(waiting, 'more user')} {'waits' if waiting == 1 else 'wait'} for a later run."
            if waiting
            else ""
        ),
    )


def _done_in_words(done: Sequence[Entry]) -> str:
    """A sentence without its full stop, with what owners of new keys have to do."""
    what, install_by = _what(done), _install_by(done)
    what = f"{what[:1].upper()}{what[1:]}"
    if not _replaced(done):
        return what
    if install_by is None:
        return f"{what}. Owners have to install the new keys, as said below"
    return (
        f"{what}. Owners have to switch to the new keys by {install_by}: from that day on, an old key is switched off once "
        "nobody uses it"
    )


def _what(done: Sequence[Entry]) -> str:
    """`3 access keys replaced`; of several kinds, `replaced 3, deleted 1 access keys`; of none, what else there is."""
    replaced = _replaced(done)
    if replaced and all(entry.kind not in _GONE for entry in done):
        return f"{count(replaced, 'access key')} replaced"
    if changes := _changes(done, replaced="replaced", off="switched off", deleted="deleted"):
        return changes
    mended = sum(entry.kind == "policy-mended" for entry in done)
    fell = sum(entry.kind == "notice-fell" for entry in done)
    seen = len(done) - mended - fell
    others = {
        count(mended, "secret policy", "secret policies") + " updated": mended,
        count(fell, "announced change") + " withdrawn": fell,
        count(seen, "inactive key") + " first seen": seen,
    }
    return ", ".join(words for words, number in others.items() if number)


def _replaced(done: Sequence[Entry]) -> int:
    return sum(entry.kind in (_REPLACED, _FINISHED) for entry in done)


def _install_by(done: Sequence[Entry]) -> date | None:
    return min((entry.by for entry in done if entry.kind == _REPLACED and entry.by is not None), default=None)


def _coming_up(report: Report) -> Headline:
    """Notices that are only told again are lines under NOTICES and no entries."""
    entries = report.parts[Part.UPCOMING]
    days = {(entry.user, entry.key.id if entry.key else None): entry.by for entry in entries}
    days |= {(each.user.name, each.key_id): each.notice.day for each in report.notices}
    number, first = len(days), min(day for day in days.values() if day is not None)
    in_use = sum(entry.kind == Kind.OFF_DATE for entry in entries)
    to_do = " Nobody has to do anything, unless a day does not suit."
    if in_use:
        to_do = (
            f" {in_use} of these keys {'is' if in_use == 1 else 'are'} still in use though the new key is ready: "
            f"{'its owner has' if in_use == 1 else 'their owners have'} to switch to it."
        )
    when = f"is due on {first}" if number == 1 else f"are due, the first on {first}"
    return Headline(
        subject=f"Coming up: {count(number, 'change')}, the first on {first}",
        sentence=f"{count(number, 'change')} {when}.{to_do}",
    )


def _changes(entries: Sequence[Entry], *, replaced: str, off: str, deleted: str) -> str:
    """`replaced 3, deleted 1 access keys`; empty when no key was changed. One kind alone reads `replace 3 access keys`."""
    counts = Counter(entry.kind for entry in entries)
    named = {
        replaced: counts[_REPLACED] + counts[_FINISHED],
        off: counts[_OFF] + counts["forced-off"],
        deleted: counts[_DELETED] + counts[_UNDONE],
    }
    parts = [f"{verb} {number}" for verb, number in named.items() if number]
    return f"{', '.join(parts)} access key{'s' * (sum(named.values()) != 1)}" if parts else ""


def count(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 user`, `2 users`."""
    return f"{number} {noun if number == 1 else nouns or f'{noun}s'}"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _need(number: int) -> str:
    return "needs" if number == 1 else "need"
