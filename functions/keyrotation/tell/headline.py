"""What a mail comes to, in a subject and a sentence: the most important first, with its deadline."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from keyrotation.act.replacement import NOT_MADE, ROLLED_BACK
from keyrotation.decide.actions import Kind
from keyrotation.run.settings import Mode
from keyrotation.tell import links
from keyrotation.tell.blocks import Part
from keyrotation.tell.done import INSTALLED, NO_OLD_KEY, NOTICED
from keyrotation.tell.entries import Entry
from keyrotation.tell.report import Report

# The place stands first, so that a telephone shows it and what is to be done: both in about 60 characters.
_LONGEST_PLACE = 18
_LONGEST_SUBJECT = 99  # SNS: fewer than 100 printable ASCII characters
# So many days after its last use a key counts as in use in a headline.
_LATELY = 7
# Those whose day is the end of what the owner can do.
_GO_OFF = (Kind.IN_USE, Kind.BY_HAND_QUIET)
_OFF, _DELETED, _UNDONE = "switched-off", "deleted", "undone"
# Of a day that is nearer than this, the year is clear.
_CLEAR_DAYS = 300


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
    """`prod: ACT by 12-06: 2 keys in use go off (123456789012)`: fewer than 100 printable ASCII characters."""
    found = headline_of(report)
    place, account = report.account, ""
    if report.alias:
        place, account = _shortened(report.alias), f" ({report.account})"
    # The last one fits: numbers of users have four digits.
    ways = (f"{place}: {found.subject}{found.more}{account}", f"{place}: {found.subject}{account}")
    return next((way for way in ways if len(way) <= _LONGEST_SUBJECT), f"{place}: {found.subject}")


def _shortened(alias: str) -> str:
    """Its ends: accounts of one company often differ in the last word."""
    if len(alias) <= _LONGEST_PLACE:
        return alias
    side = (_LONGEST_PLACE - 2) // 2
    return f"{alias[:side]}..{alias[-side:]}"


def runbook_of(report: Report) -> str:
    """The section of the runbook that the mail is about: a link where RunbookUrl is one."""
    word = re.split(r"[ :]", headline_of(report).subject)[0]
    return links.section(report.runbook_url, SECTIONS[word])


# The runbook's sections, by the first word of a subject, as a browser finds them.
SECTIONS = {
    "CRITICAL": "a-key-needs-you-now-critical",
    "FAILED": "something-did-not-finish-failed",
    "RESUMED": "an-earlier-attempt-could-not-tell-resumed",
    "ACT": "keys-still-in-use-will-be-switched-off-act",
    "ATTENTION": "somebody-or-the-account-needs-someone-attention",
    "INSTALL": "new-keys-have-to-be-installed-install",
    "Done": "keys-were-changed-done",
    "Coming": "something-happens-soon-by-itself-coming-up",
    "AUDIT": "what-would-be-done-audit",
    "Nothing": "nothing-to-do-nothing",
}


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
            subject=f"CRITICAL: {count(forced, 'key')} in use {_was(forced)} switched off",
            sentence=f"{count(forced, 'access key')} {_was(forced)} switched off while still in use, because the extension "
            "was over. Whatever still uses such a key fails now: switch the key on again, and have its owner fetch and "
            "install the new key.",
        )
    if any(entry.kind == Kind.ROOT_KEYS for entry in parts[Part.ACCOUNT]):
        return Headline(
            subject="CRITICAL: the root user has access keys",
            sentence="The root user of this account has access keys. No policy limits them: whoever holds one can do "
            "everything. Sign in as the root user today and delete them.",
        )
    if critical := parts[Part.CRITICAL]:
        return _critical(critical)
    if failed := parts[Part.FAILED]:
        return _failed(failed)
    if before := len(parts[Part.DONE_BEFORE]):
        return Headline(
            subject=f"RESUMED: {count(before, 'change')} that may not have been told",
            sentence=f"An earlier attempt of this run made {count(before, 'change')} and ended before it was known to have "
            "sent its mail. Owners of new keys may not know yet that they have to install them.",
        )
    if report.mode is Mode.AUDIT:
        return _audit(report)
    if any(entry.kind == Kind.NOBODY_LISTENS for entry in parts[Part.ACCOUNT]):
        return _unheard(report)
    if parts[Part.ASKED]:
        return _asked(parts[Part.ASKED], report.today)
    if parts[Part.DONE] or parts[Part.SINCE]:
        return _done(report)
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
            subject="ATTENTION: subscriptions not read, no key goes off",
            sentence="This run could not read whether a subscription to the topic is confirmed, so it switched off and "
            "deleted nothing. If that goes on, old keys grow older than the policy allows.",
        )
    return Headline(
        subject="ATTENTION: confirm a subscription, no key goes off",
        sentence="No subscription to the topic is confirmed and without a filter policy: confirm one. Until then keys are "
        "replaced, but none is switched off or deleted, and old keys grow older than the policy allows.",
    )


def _critical(critical: Sequence[Entry]) -> Headline:
    exposed = len({entry.user for entry in critical if entry.kind == Kind.EXPOSED})
    if exposed:
        return Headline(
            subject=f"CRITICAL: switch off exposed keys of {count(exposed, 'user')}",
            sentence=f"AWS found {'an access key' if exposed == 1 else 'access keys'} of {count(exposed, 'user')} exposed. "
            f"Switch {'it' if exposed == 1 else 'them'} off now: until then, whoever has such a key can use it. The commands "
            "are below, in their order.",
        )
    users = len({entry.user for entry in critical})
    return Headline(
        subject=f"CRITICAL: new keys of {count(users, 'user')} cannot be fetched",
        sentence=f"The secrets with the new keys of {count(users, 'user')} are gone or were made anew, so nobody can fetch "
        "these keys any more. The old keys stay on until somebody has looked into it.",
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
        sentence=f"{what[:1].upper()}{what[1:]}. The old {'key works' if number == 1 else 'keys work'} as before, and the next "
        f"run tries again. If it keeps failing, {'this key grows' if number == 1 else 'these keys grow'} older than the policy "
        "allows.",
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
    changes = _would(would) or announces
    changes = changes or f"update what is known of {count(len({entry.user for entry in would}), 'user')}"
    also = f", and {announces}" if announces and announces != changes else ""
    return Headline(
        subject=f"AUDIT: would {changes}",
        sentence=f"Mode is Audit: no key was changed. In Enforce this run would {changes}{also}. As long as Mode is Audit, "
        "these keys only grow older.",
    )


def _asked(asked: Sequence[Entry], today: date) -> Headline:
    """Keys that go off first, by the earliest of their days; then whatever else needs someone."""
    off = [entry for entry in asked if entry.kind in _GO_OFF and entry.by is not None]
    others = len({entry.user for entry in asked} - {entry.user for entry in off})
    if off:
        number, by = len(off), min(entry.by for entry in off if entry.by is not None)
        lately = all(_used_lately(entry, today) for entry in off)
        keys = f"{count(number, 'access key')}{' still in use' if lately else ''} will be switched off"
        when = ", the first on" if number > 1 else " on"
        left = count((by - today).days, "day")
        otherwise = (
            "Whatever uses such a key then fails: its owner has to switch to the new key by then, or an administrator "
            "exempts the user."
        )
        if all(entry.kind == Kind.BY_HAND_QUIET for entry in off):
            otherwise = (
                f"A newer key is used instead{' of each' if number > 1 else ''}. If somebody still needs "
                f"{'an' if number > 1 else 'the'} older one, an administrator has to exempt the user by then."
            )
        return Headline(
            subject=f"ACT by {_short(by, today)}: {count(number, 'key')}{' in use' if lately else ''} "
            f"{'goes' if number == 1 else 'go'} off",
            more=f", +{count(others, 'user')}" if others else "",
            sentence=f"{keys}{when} {by}, in {left}. {otherwise}"
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
            subject=f"ACT by {_short(first, today)}: {users} {_need(others)} someone",
            sentence=f"{users} {_need(others)} someone{', the first' if others > 1 else ''} by {first}, in "
            f"{count((first - today).days, 'day')}: see NEEDS SOMEONE below.",
        )
    return Headline(
        subject=f"ATTENTION: {users} {_need(others)} someone",
        sentence=f"{users} {_need(others)} someone: see NEEDS SOMEONE below.",
    )


def _used_lately(entry: Entry, today: date) -> bool:
    """An extension goes on when its key is quiet for a while; "still in use" would then be wrong."""
    used = entry.key.used if entry.key is not None else None
    return entry.kind == Kind.IN_USE and used is not None and (today - used).days <= _LATELY


def _done(report: Report) -> Headline:
    done, since = report.parts[Part.DONE], report.parts[Part.SINCE]
    waiting = len(report.parts[Part.WAITING])
    rest = f", {waiting} {'waits' if waiting == 1 else 'wait'}" if waiting else ""
    late = (
        f" {count(waiting, 'more user')} {'waits' if waiting == 1 else 'wait'} for a later run."
        if waiting
        else ""
    )
    earlier = f" Since the last mail: {_what(since)}." if since else ""
    if number := _replaced(done):
        by = _install_by(done)
        others = _changes([entry for entry in done if entry.kind not in INSTALLED])
        return Headline(
            subject=f"INSTALL{f' by {_short(by, report.today)}' if by else ''}: {count(number, 'new key')}",
            more=(f", {others}" if others else "") + rest,
            of_done=True,
            sentence=f"{_done_in_words(done)}.{earlier}{late}",
        )
    words = _done_in_words(done) if done else f"Since the last mail: {_what(since)}"
    return Headline(
        subject=f"Done: {_what([*done, *since])}",
        more=rest,
        of_done=True,
        sentence=f"{words}.{earlier if done else ''} Nobody has to do anything.{late}",
    )


def _done_in_words(done: Sequence[Entry]) -> str:
    """A sentence without its full stop, with what owners of new keys have to do."""
    what, install_by = _what(done), _install_by(done)
    what = f"{what[:1].upper()}{what[1:]}"
    if not _replaced(done):
        return what
    if unfetched := sum(entry.kind == NO_OLD_KEY for entry in done):
        what += (
            f". {count(unfetched, 'user')} {'has' if unfetched == 1 else 'have'} no other key that works, so no program can fetch "
            "the new one"
        )
    one = _replaced(done) == 1
    owners = "The owner of the new key has" if one else "The owners of the new keys have"
    if install_by is None:
        return f"{what}. {owners} to install {'it' if one else 'them'}, as said below"
    still = (
        "The old key is switched off then; if it is" if one else "The old keys are switched off then; those"
    )
    return (
        f"{what}. {owners} to switch to {'it' if one else 'them'} by {install_by}. {still} still in use, after one last "
        "extension"
    )


def _what(done: Sequence[Entry]) -> str:
    """`3 keys replaced, 1 deleted`; when no key was changed, what else there is."""
    replaced = _replaced(done)
    changes = [f"{count(replaced, 'key')} replaced"] if replaced else []
    if others := _changes([entry for entry in done if entry.kind not in INSTALLED]):
        changes.append(others)
    if changes:
        return ", ".join(changes)
    mended = sum(entry.kind == "policy-mended" for entry in done)
    fell = sum(entry.kind == "notice-fell" for entry in done)
    seen = len(done) - mended - fell
    others_of = {
        count(mended, "secret policy", "secret policies") + " updated": mended,
        count(fell, "announced change") + " withdrawn": fell,
        count(seen, "inactive key") + " first seen": seen,
    }
    return ", ".join(words for words, number in others_of.items() if number)


def _changes(entries: Sequence[Entry]) -> str:
    """`2 keys switched off, 1 key deleted`; empty when none was."""
    off = sum(entry.kind in (_OFF, "off-since") for entry in entries)
    deleted = sum(entry.kind in (_DELETED, _UNDONE, Kind.DELETED) for entry in entries)
    words = {f"{count(off, 'key')} switched off": off, f"{count(deleted, 'key')} deleted": deleted}
    return ", ".join(each for each, number in words.items() if number)


def _replaced(done: Sequence[Entry]) -> int:
    return sum(entry.kind in INSTALLED for entry in done)


def _install_by(done: Sequence[Entry]) -> date | None:
    return min((entry.by for entry in done if entry.kind in INSTALLED and entry.by is not None), default=None)


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
    subject = f"Coming up: {count(number, 'change')}, the first on {_short(first, report.today)}"
    if in_use:
        by = min(entry.by for entry in entries if entry.kind == Kind.OFF_DATE and entry.by is not None)
        subject = (
            f"INSTALL by {_short(by, report.today)}: {count(in_use, 'old key')} {_is(in_use)} still in use"
        )
    return Headline(
        subject=subject,
        sentence=f"{count(number, 'change')} {when}.{to_do}",
    )


def _would(entries: Sequence[Entry]) -> str:
    """`replace 3, delete 1 access keys`; empty when no key would be changed. One kind alone reads `replace 3 access keys`."""
    counts = Counter(entry.kind for entry in entries)
    named = {
        "replace": sum(counts[kind] for kind in INSTALLED),
        "switch off": counts[_OFF] + counts["forced-off"],
        "delete": counts[_DELETED] + counts[_UNDONE],
    }
    parts = [f"{verb} {number}" for verb, number in named.items() if number]
    return f"{', '.join(parts)} access key{'s' * (sum(named.values()) != 1)}" if parts else ""


def _short(day: date, today: date) -> str:
    """`12-06`; with its year when it is not clear."""
    return f"{day:%m-%d}" if abs((day - today).days) < _CLEAR_DAYS else str(day)


def count(number: int, noun: str, nouns: str | None = None) -> str:
    """`1 user`, `2 users`."""
    return f"{number} {noun if number == 1 else nouns or f'{noun}s'}"


def _is(number: int) -> str:
    return "is" if number == 1 else "are"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"


def _need(number: int) -> str:
    return "needs" if number == 1 else "need"
