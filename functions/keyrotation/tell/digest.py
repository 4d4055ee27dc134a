"""The one message of a run: the report in every rendering, small enough for SNS."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from keyrotation.run.record import Announcement, Run
from keyrotation.run.settings import RotatorSettings
from keyrotation.tell.entries import Entry
from keyrotation.tell.headline import subject_of
from keyrotation.tell.mail import MOST_PER_SECTION, body_of, told_in_full
from keyrotation.tell.report import Report, Severity, report_of
from keyrotation.tell.report_json import data_of

# SNS takes 256 KiB for all renderings of a message together, as they stand in the JSON that carries them. `sqs` and
# `lambda` need a copy each of the JSON, so 60 + 2 x 69 KiB is the most; the lists are cut until it fits.
_LARGEST_BODY, _LARGEST_DATA = 60 * 1024, 69 * 1024
# A mail that is longer is read by nobody.
_MOST_LINES = 400
_STEPS = (MOST_PER_SECTION, 15, 10, 7, 5, 3, 2, 1)


@dataclass(frozen=True, kw_only=True)
class Digest:
    """`body` is for people, `data` (JSON) for machines. `worth_sending` False: nobody is to hear of this run.

    `named`: the notices that every rendering names. `once`: by user and word, what every rendering tells once and for all.
    """

    report: Report = field(repr=False)
    subject: str
    body: str
    data: str
    severity: Severity
    worth_sending: bool
    named: tuple[Announcement, ...]
    once: frozenset[tuple[str, str]]

    @property
    def message(self) -> str:
        """What MessageStructure=json asks for: the text for email, http and https, which fall back to `default`."""
        return json.dumps({"default": self.body, "sqs": self.data, "lambda": self.data}, ensure_ascii=False)


def digest_of(
    run: Run, settings: RotatorSettings, *, redelivered: bool, unsubscribed: Sequence[str] | None = ()
) -> Digest:
    """Of the whole run, for on-call (report.report_of)."""
    report = report_of(run, settings, redelivered=redelivered, unsubscribed=unsubscribed)
    return rendered(report, lambda most: body_of(report, most=most))


def rendered(report: Report, body: Callable[[int], str]) -> Digest:
    """`body` lays the mail out, with so many users in each section at most."""
    text, most_in_text = _fitting(body, _LARGEST_BODY)
    data, most_in_data = _fitting(lambda most: _data(report, most), _LARGEST_DATA)
    in_data = [entry for entries in report.parts.values() for entry in entries[:most_in_data]]
    return Digest(
        report=report,
        subject=subject_of(report),
        body=text,
        data=data,
        severity=report.severity,
        worth_sending=report.worth_sending,
        named=report.notices,
        once=_once(told_in_full(report, most=most_in_text)) & _once(in_data),
    )


def _once(entries: Iterable[Entry]) -> frozenset[tuple[str, str]]:
    return frozenset((entry.user or "", entry.once) for entry in entries if entry.once is not None)


def _data(report: Report, most: int) -> str:
    return json.dumps(data_of(report, most=most), ensure_ascii=False, separators=(",", ":"))


def _fitting(render: Callable[[int], str], largest: int) -> tuple[str, int]:
    """With as many entries in each section as fit, 25 at most and the worst one at least; and how many these were."""
    rendered, most = "", 0
    for most in _STEPS:
        rendered = render(most)
        lines = rendered.count("\n")
        if len(json.dumps(rendered, ensure_ascii=False).encode()) <= largest and lines <= _MOST_LINES:
            break
    return rendered, most
