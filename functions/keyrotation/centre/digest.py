"""All accounts' reports in one digest a day, and what the centre may then say was heard. Pure: the handler reads and sends."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import chain

from keyrotation.centre import words
from keyrotation.centre.understood import Announced, Asked, Rank, Report

# A report is a day old at the most; two hours more for a run that was late.
SILENT_AFTER = timedelta(hours=26)
# SNS takes 256 KiB for a message with its attributes.
_LARGEST_BODY = 200 * 1024
# So many of each are named in the mail, the worst first; the others are counted, and stand in the table.
_MOST_ASKED, _MOST_ACCOUNTS = 100, 50
# Notices that are more than this have messages of their own: the first one stays one that people read.
_MOST_NOTICES_BESIDE = 200
# 40,000 notices: more than 4,000 accounts have on any day. What has no room is not heard, and is told anew.
_MOST_PAGES = 20
_LONGEST_NAME = 50
_ROOM_FOR_TITLES = 1024


@dataclass(frozen=True, kw_only=True)
class Expected:
    """An account that the StackSet deploys to. `trouble`: the words of CloudFormation when it could not."""

    name: str = ""
    trouble: str = ""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What lies in the bucket of an account: `at` by the clock of S3. `report` None: refused, for this reason."""

    account: str
    at: datetime
    report: Report | None
    refused: str = ""


@dataclass(frozen=True, kw_only=True)
class Message:
    """One message. `attributes` are what a filter policy can choose by: about, account, owner, severity."""

    subject: str
    body: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Day:
    """What the centre knows on one day. `expected` None: the StackSet could not be asked."""

    now: datetime
    bucket: str
    listeners: int
    expected: Mapping[str, Expected] | None
    found: Mapping[str, Found]

    def is_silent(self, account: str) -> bool:
        """It reported once, and not lately; or never."""
        found = self.found.get(account)
        return found is None or self.now - found.at > SILENT_AFTER

    @property
    def accounts(self) -> list[str]:
        return sorted({*(self.expected or ()), *self.found})

    @property
    def reports(self) -> list[Report]:
        """Those of today that were understood."""
        return [
            found.report
            for account, found in sorted(self.found.items())
            if found.report is not None and not self.is_silent(account)
        ]

    def name(self, account: str) -> str:
        """With what the organization calls it."""
        known = (self.expected or {}).get(account, Expected())
        return f'{account} "{printable(known.name)}"' if known.name else account


@dataclass(frozen=True, kw_only=True)
class Digest:
    """`pages`: the digest itself, which every listener gets. `others`: for whoever subscribed to an account or an owner, made
    one by one, for there may be thousands.

    `heard`: by account, the report whose notices all stand in `pages`.
    """

    pages: tuple[Message, ...]
    others: Iterator[Message]
    heard: Mapping[str, str]


def digest_of(day: Day) -> Digest:
    reports = day.reports
    pages, named = _pages_of_notices(day, reports)
    asked = sorted(
        ((report.account, each) for report in reports for each in report.asked),
        key=lambda pair: (pair[1].rank, pair[1].by is None, str(pair[1].by), pair[0], pair[1].user or ""),
    )
    first = _first(day, asked, pages, left=len(reports) - len(named))
    return Digest(
        pages=(first, *(pages if _is_many(reports) else ())),
        others=chain(_by_account(day, reports), _by_owner(day, reports)),
        heard={report.account: report.id for report in reports if report.account in named},
    )


def printable(text: str) -> str:
    """What somebody else wrote: one line, cut, ASCII, and nothing that a mail program makes a link of."""
    plain = "".join(letter if " " <= letter <= "~" else "?" for letter in text[:_LONGEST_NAME])
    return plain.replace("://", "?").replace('"', "'").replace("www.", "?")


# The digest.


def _first(day: Day, asked: Sequence[tuple[str, Asked]], pages: Sequence[Message], *, left: int) -> Message:
    silent = [account for account in day.accounts if day.is_silent(account)]
    refused = [
        found for account, found in day.found.items() if found.report is None and not day.is_silent(account)
    ]
    worst = min((each.rank for _, each in asked), default=None)
    severity = _severity(worst, troubled=bool(silent or refused or day.expected is None or not day.listeners))
    lines = [
        f"ACCESS KEYS OF THE ORGANIZATION, {day.now:%Y-%m-%d} (UTC)",
        "",
        f"{len(day.accounts)} accounts; {len(day.reports)} reported, {len(silent)} silent, {len(refused)} not understood.",
        f"Subscriptions that get this: {day.listeners}."
        + ("" if day.listeners else " NOBODY: no key is switched off or deleted in any account."),
        f"One row for each account: aws s3 cp s3://{day.bucket}/table.csv -",
        *_silent_lines(day, silent),
        *_refused_lines(day, refused),
        *_trouble_lines(day),
        *_asked_lines(day, asked),
    ]
    notices = sum(len(report.notices) for report in day.reports)
    if not _is_many(day.reports):
        lines += [line for page in pages for line in page.body.splitlines()]
    else:
        lines += ["", f"NOTICES: {notices}, in {len(pages)} messages after this one."]
    if left:
        lines += [
            f"{left} accounts had no room for their notices: they are not heard today, and are told anew."
        ]
    lines += [*_mode_lines(day), *_version_lines(day)]
    return Message(
        subject=_subject(severity, asked, silent, refused),
        body=_bounded(lines),
        attributes={"about": "organization", "severity": severity},
    )


def _subject(
    severity: str, asked: Sequence[tuple[str, Asked]], silent: Sequence[str], refused: Sequence[Found]
) -> str:
    accounts = len({account for account, _ in asked})
    said = [f"{len(asked)} in {accounts} accounts need someone"] if asked else []
    said += [f"{len(silent)} accounts silent"] if silent else []
    said += [f"{len(refused)} reports not understood"] if refused else []
    return f"{severity.upper()}: access keys: {'; '.join(said) or 'nothing to do'}"[:99]


def _severity(worst: Rank | None, *, troubled: bool) -> str:
    if worst is not None and worst <= Rank.FAILED:
        return "critical"
    return "attention" if worst is not None or troubled else "info"


def _silent_lines(day: Day, silent: Sequence[str]) -> Iterator[str]:
    if day.expected is None:
        yield from (
            "",
            "WHICH ACCOUNTS SHOULD REPORT COULD NOT BE READ: one that has never reported is not named here.",
        )
    yield from _titled("SILENT: no run is known of for more than 26 hours", silent)
    for account in silent[:_MOST_ACCOUNTS]:
        found = day.found.get(account)
        yield f"  {day.name(account)}: " + (
            "has never reported" if found is None else f"last report {found.at:%Y-%m-%d %H:%M} UTC"
        )


def _refused_lines(day: Day, refused: Sequence[Found]) -> Iterator[str]:
    yield from _titled("NOT UNDERSTOOD: nothing of these reports was read", refused)
    for found in refused[:_MOST_ACCOUNTS]:
        yield f"  {day.name(found.account)}: {found.refused}"


def _trouble_lines(day: Day) -> Iterator[str]:
    troubled = [account for account, each in (day.expected or {}).items() if each.trouble]
    yield from _titled("NOT DEPLOYED, or not the version of now", troubled)
    for account in troubled[:_MOST_ACCOUNTS]:
        yield f"  {day.name(account)}: {printable((day.expected or {})[account].trouble)}"


def _asked_lines(day: Day, asked: Sequence[tuple[str, Asked]]) -> Iterator[str]:
    yield from _titled("NEEDS SOMEONE, the worst first", asked)
    for account, each in asked[:_MOST_ASKED]:
        yield from _asked_line(day, account, each)
    if len(asked) > _MOST_ASKED:
        yield f"  and {len(asked) - _MOST_ASKED} more: the table has their accounts"


def _asked_line(day: Day, account: str, each: Asked) -> Iterator[str]:
    by = f" By {each.by}." if each.by is not None else ""
    about = words.of(each.user, each.key, each.owner)
    yield f"  {each.rank.name}  {day.name(account)}, {about}: {words.sentence(each)}.{by}"
    yield f"        {words.command(each, account, bucket=day.bucket)}"


def _mode_lines(day: Day) -> Iterator[str]:
    audit = [report.account for report in day.reports if report.mode == "Audit"]
    yield from _titled("IN AUDIT: looked at and reported, nothing is changed", audit)
    yield from (f"  {day.name(account)}" for account in audit[:_MOST_ACCOUNTS])
    if len(audit) > _MOST_ACCOUNTS:
        yield f"  and {len(audit) - _MOST_ACCOUNTS} more"


def _version_lines(day: Day) -> Iterator[str]:
    versions = Counter(report.version for report in day.reports)
    yield from _titled("VERSIONS", versions)
    yield from (f"  {version}: {count} accounts" for version, count in versions.most_common(10))


def _titled(title: str, of: Sequence[object] | Mapping[str, int]) -> Iterator[str]:
    if of:
        yield from ("", f"{title} ({len(of)})")


# Notices: what is not named is not heard.


def _is_many(reports: Iterable[Report]) -> bool:
    return sum(len(report.notices) for report in reports) > _MOST_NOTICES_BESIDE


def _pages_of_notices(day: Day, reports: Sequence[Report]) -> tuple[list[Message], frozenset[str]]:
    """An account's notices stand on one page or on none. Those that are due first come first."""
    pages: list[list[str]] = []
    named: set[str] = set()
    room = 0
    for report in sorted(reports, key=_soonest):
        lines = _notice_lines(day, report)
        size = sum(len(line) + 1 for line in lines)
        if size > room:
            if size and len(pages) == _MOST_PAGES:
                continue
            pages.append(["", "NOTICES: these happen unless somebody acts"])
            room = _LARGEST_BODY - _ROOM_FOR_TITLES
        if size:
            pages[-1] += lines
            room -= size
        named.add(report.account)
    return [
        Message(
            subject=f"Access keys: notices of {day.now:%Y-%m-%d}, {number} of {len(pages)}",
            body="\n".join(lines) + "\n",
            attributes={"about": "organization", "severity": "info"},
        )
        for number, lines in enumerate(pages, start=1)
    ], frozenset(named)


def _soonest(report: Report) -> tuple[str, str]:
    return min((str(each.day) for each in report.notices), default=""), report.account


def _notice_lines(day: Day, report: Report) -> list[str]:
    if not report.notices:
        return []
    return [day.name(report.account), *(f"  {words.announcement(each)}" for each in report.notices)]


# For whoever subscribed to an account, or to an owner.


def _by_account(day: Day, reports: Sequence[Report]) -> Iterator[Message]:
    for report in reports:
        if not report.asked and not report.notices:
            continue
        account = report.account
        severity = _severity(min((each.rank for each in report.asked), default=None), troubled=False)
        lines = [
            f"ACCESS KEYS OF ACCOUNT {day.name(account)}, {report.day} (UTC)",
            *_asked_lines(day, [(account, each) for each in report.asked]),
            *_titled("NOTICES", report.notices),
            *(f"  {words.announcement(each)}" for each in report.notices),
        ]
        yield Message(
            subject=f"{severity.upper()}: access keys of account {account}",
            body=_bounded(lines),
            attributes={"about": "account", "account": account, "severity": severity},
        )


def _by_owner(day: Day, reports: Sequence[Report]) -> Iterator[Message]:
    """What several accounts say of one owner stands in one message; which account says it, stands at each line."""
    asked: dict[str, list[tuple[str, Asked]]] = defaultdict(list)
    notices: dict[str, list[tuple[str, Announced]]] = defaultdict(list)
    for report in reports:
        for each in report.asked:
            asked[each.owner].append((report.account, each))
        for notice in report.notices:
            notices[notice.owner].append((report.account, notice))
    for owner in sorted({*asked, *notices} - {""}):
        lines = [f'ACCESS KEYS WHOSE OWNER IS "{owner}", {day.now:%Y-%m-%d} (UTC)', ""]
        for account, each in asked[owner]:
            lines += _asked_line(day, account, each)
        lines += [f"  {day.name(account)}: {words.announcement(each)}" for account, each in notices[owner]]
        worst = min((each.rank for _, each in asked[owner]), default=None)
        yield Message(
            subject=f"Access keys of {owner}"[:99],
            body=_bounded(lines),
            attributes={"about": "owner", "owner": owner, "severity": _severity(worst, troubled=False)},
        )


def _bounded(lines: Iterable[str]) -> str:
    kept: list[str] = []
    room = _LARGEST_BODY
    for line in lines:
        room -= len(line) + 1
        if room < 0:
            kept.append("(cut here: the table has all accounts)")
            break
        kept.append(line)
    return "\n".join(kept) + "\n"
