"""A run for a chat: custom notifications of Amazon Q Developer in chat applications, which shows them in Slack or Teams.

One card for the run, and one for each user who needs someone, in a thread of the user's own. Q reads the JSON as it stands
(https://docs.aws.amazon.com/chatbot/latest/adminguide/custom-notifs.html). No card has a command: what is copied from a
chat passes through a program that changes quotation marks.
"""

import json
import re
from collections.abc import Iterator, Sequence

from keyrotation.tell.blocks import Part, UserBlock
from keyrotation.tell.bulletin import Bulletin, Channel
from keyrotation.tell.entries import Entry
from keyrotation.tell.headline import count, headline_of, subject_of
from keyrotation.tell.layout import printable
from keyrotation.tell.report import Report

# A channel that gets more cards at once is muted.
MOST_USERS = 10
_NEEDS_SOMEONE = (Part.FORCED, Part.CRITICAL, Part.FAILED, Part.ASKED)
_LONGEST_TITLE, _LONGEST_TEXT = 250, 1500
# Marks that Slack or Teams read as markup, as a mention or as a link; a backslash would not take that away from them.
# (An underscore makes letters slant, and stands in many names.)
_MARKUP = str.maketrans(dict.fromkeys("*~`<>[]|&@#!", " "))


def cards_of(report: Report) -> Iterator[Bulletin]:
    """The run first; nothing when on-call gets no mail."""
    if not report.worth_sending:
        return
    urgent = [block for block in report.users if block.part in _NEEDS_SOMEONE]
    yield _card(
        report, thread="run", title=subject_of(report), text=_of_run(report, urgent), steps=_steps(report)
    )
    for block in urgent[:MOST_USERS]:
        yield _of_user(report, block)


def _of_run(report: Report, urgent: Sequence[UserBlock]) -> str:
    text = headline_of(report).sentence
    if not urgent:
        return text
    rest = len(urgent) - MOST_USERS
    more = f" Those of {count(rest, 'more user')} stand in the mail." if rest > 0 else ""
    return f"{text} A card for each user follows.{more}"


def _steps(report: Report) -> list[str]:
    """Q shows them as a list. A link of our own is one; whatever else stands here cannot be any."""
    steps = ["The mail of this run has the commands."]
    if report.runbook_url.startswith("https://"):
        steps.append(f"<{report.runbook_url}|What to do: the runbook>")
    return [*steps, f"<{report.log_url}|The log of this run>"]


def _of_user(report: Report, block: UserBlock) -> Bulletin:
    # As code, in which nothing is markup; IAM's names have no backtick.
    user = f"`{block.user}`"
    day = f" by {block.first_day}" if block.first_day is not None else ""
    said = [f"{_key(each.entry)}{plain(each.entry.text)}." for each in block.said if each.entry.text]
    owner = [f"Owner: {plain(block.owner)}."] if block.owner else []
    console = [f"<{block.console}|The user in the console>"] if block.console else []
    return _card(
        report,
        thread=block.user,
        title=f"{user}: act{day}",
        text=" ".join([*owner, *said]),
        steps=[*(plain(f"{each.runner}, {each.purpose}") for each in block.commands), *console],
    )


def _key(entry: Entry) -> str:
    return f"{entry.key.id}: " if entry.key is not None else ""


def _card(report: Report, *, thread: str, title: str, text: str, steps: Sequence[str]) -> Bulletin:
    where = report.alias or report.account
    card = {
        "version": "1.0",
        "source": "custom",
        "content": {
            "textType": "client-markdown",
            "title": title[:_LONGEST_TITLE],
            "description": text[:_LONGEST_TEXT],
            "nextSteps": list(steps),
            "keywords": [str(report.severity), plain(where)],
        },
        "metadata": {
            "threadId": re.sub(r"[^A-Za-z0-9_.-]", "-", f"{report.account}-{thread}"),
            "summary": title[:_LONGEST_TITLE],
            "eventType": "access-key-rotation",
            "relatedResources": [],
            "additionalContext": {"account": report.account, "region": report.region, "run": report.run_id},
        },
    }
    return Bulletin(
        channel=Channel.CHAT,
        about=thread,
        subject="",
        message=json.dumps(card),
        by_protocol=False,
        attributes={"severity": str(report.severity), "account": report.account},
    )


def plain(text: str) -> str:
    """Other people's words without what a chat reads as markup, a mention or a link."""
    return re.sub(r" {2,}", " ", printable(text).replace("://", ": //").translate(_MARKUP)).strip()
