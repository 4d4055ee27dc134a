"""The findings for people, on one page, and for programs."""

import json
import textwrap
from collections.abc import Sequence
from datetime import datetime

from infra.doctor.findings import Exit, Finding, Level, comes_to

_WIDTH = 120
_HEADS = {
    Exit.HEALTHY: "HEALTHY",
    Exit.WRONG: "SOMETHING IS WRONG",
    Exit.NOT_ALL_SEEN: "NOTHING WRONG SEEN, BUT NOT ALL WAS SEEN",
}


def text(findings: Sequence[Finding], *, now: datetime) -> str:
    """What is wrong comes with a number, under which the command for it stands below: such commands are long."""
    lines = [f"{_HEADS[comes_to(findings)]} ({_counts(findings)})  {now:%Y-%m-%d %H:%M} UTC", ""]
    width = max(len(each.what) for each in findings)
    mends: list[str] = []
    for each in findings:
        number = ""
        if each.mend:
            mends.append(each.mend)
            number = f"  [{len(mends)}]"
        lines += textwrap.wrap(
            f"{each.detail}{number}",
            width=_WIDTH,
            initial_indent=f"{each.level:9} {each.what:{width}} ",
            subsequent_indent=" " * (width + 11),
            break_long_words=False,
            break_on_hyphens=False,
        )
    if mends:
        lines += ["", "What to do, by the numbers:"]
        lines += [f"[{number}] {mend}" for number, mend in enumerate(mends, start=1)]
    return "\n".join(lines) + "\n"


def as_json(findings: Sequence[Finding], *, now: datetime) -> str:
    document = {
        "looked_at": now.isoformat(timespec="seconds"),
        "exit": int(comes_to(findings)),
        "findings": [
            {"level": each.level, "what": each.what, "detail": each.detail, "mend": each.mend}
            for each in findings
        ],
    }
    return json.dumps(document, indent=2) + "\n"


def _counts(findings: Sequence[Finding]) -> str:
    counted = {level: sum(each.level is level for each in findings) for level in Level}
    return ", ".join(f"{count} {level}" for level, count in counted.items() if count)
