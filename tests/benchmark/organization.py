"""What the centre's digest costs for an organization: time, memory, and the size of what goes out; into docs/benchmark.md.

    python -m tests.benchmark.organization

Each number of accounts is measured in a process of its own. S3 answers each request after 20 ms, and every report is as
full as a run makes it: 25 entries that need someone in each section, and the notices of 5 users.
"""

import io
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

# As pytest's `pythonpath` does it for the tests.
sys.path.insert(0, str(Path(__file__).parents[2] / "functions"))

from keyrotation.centre.digest import Day, Expected, digest_of
from keyrotation.centre.gathering import Gathering
from keyrotation.centre.settings import CentreSettings
from keyrotation.centre.spreadsheet import table_of

from tests.benchmark.limits import Limit
from tests.benchmark.report import of_limits, where
from tests.unit.centre.reports import data, entry, notice

DOCUMENT = Path(__file__).parents[2] / "docs" / "benchmark.md"
BEGIN, END = "<!-- the organization's numbers from here -->", "<!-- the organization's numbers to here -->"
ACCOUNTS = (1, 40, 4000)
_ANSWERS_AFTER = 0.02
_WORKERS = 32
# What Lambda has, and what SNS takes.
_MEMORY_MB, _MESSAGE_KB = 512, 256


class FullBucket:
    """S3, as far as the centre reads it."""

    def __init__(self, accounts: int, now: datetime) -> None:
        self._accounts, self._now = accounts, now
        full = {name: [entry("held-in-use", "u" * 40, owner="Ann")] * 25 for name in ("failed", "attention")}
        told = [notice(f"user-{each}", new=each == 0) for each in range(5)]
        # As large as a run may write it: padded by what nobody reads.
        self._report = data("0" * 12, sections=full, notices=told, log="x" * 40_000)

    def get_paginator(self, _operation: str) -> "FullBucket":
        return self

    def paginate(self, **_request: Any) -> Iterator[dict[str, Any]]:
        for start in range(0, self._accounts, 1000):
            time.sleep(_ANSWERS_AFTER)
            yield {
                "Contents": [
                    {"Key": f"reports/{number:012}/latest.json", "LastModified": self._now, "Size": 60_000}
                    for number in range(start, min(start + 1000, self._accounts))
                ]
            }

    def get_object(self, *, Key: str, **_request: Any) -> dict[str, Any]:  # noqa: N803  # as S3 spells it
        time.sleep(_ANSWERS_AFTER)
        account = Key.split("/")[1]
        body = json.dumps({**self._report, "account": account}).encode()
        return {"Body": io.BytesIO(body), "LastModified": self._now}


def measure(accounts: int) -> dict[str, float]:
    """In this process."""
    now = datetime.now(UTC)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    settings = CentreSettings(
        reports_bucket="reports",
        topic_arn="arn:aws:sns:eu-west-1:999988887777:digests",
        accounts_topic_arn="arn:aws:sns:eu-west-1:999988887777:accounts",
        stack_set_name="AccessKeyRotation",
        call_as="SELF",
    )
    s3: Any = FullBucket(accounts, now - timedelta(hours=4))
    nothing: Any = None
    gathering = Gathering(
        settings=settings,
        s3=s3,
        sns=nothing,
        cloudformation=nothing,
        organizations=nothing,
        workers=_WORKERS,
        miss=lambda _what, _cause: None,
    )
    started = time.monotonic()
    found = gathering.found()
    expected = {account: Expected(name="team") for account in found}
    day = Day(now=now, bucket="reports", listeners=1, expected=expected, found=found)
    digest = digest_of(day)
    # One after the other, as they are sent.
    sizes = [len(each.body) for each in chain(digest.pages, digest.others)]
    table = table_of(day)
    return {
        "accounts": accounts,
        "seconds": time.monotonic() - started,
        "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "more MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before,
        "mail KB": len(digest.pages[0].body) / 1024,
        "pages": len(digest.pages),
        "largest message KB": max(sizes) / 1024,
        "table KB": len(table) / 1024,
        "heard": len(digest.heard),
        "others": len(sizes) - len(digest.pages),
    }


def limits(most: dict[str, float]) -> Iterator[Limit]:
    accounts = f"{most['accounts']:.0f} accounts"
    yield Limit(what=f"{accounts}: not heard", found=most["accounts"] - most["heard"], most=0)
    yield Limit(what=f"{accounts}: peak memory", found=most["peak MB"], most=_MEMORY_MB / 2, unit="MB")
    yield Limit(
        what=f"{accounts}: largest message", found=most["largest message KB"], most=_MESSAGE_KB, unit="KB"
    )
    yield Limit(what=f"{accounts}: table", found=most["table KB"], most=1024, unit="KB")


def main() -> int:
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(measure(int(sys.argv[1]))))
        return 0
    rows = []
    for accounts in ACCOUNTS:
        said = subprocess.run(
            [sys.executable, "-m", "tests.benchmark.organization", str(accounts)],
            capture_output=True,
            text=True,
            check=True,
        )
        rows.append(json.loads(said.stdout))
    judged = list(limits(rows[-1]))
    columns = (
        "accounts",
        "seconds",
        "peak MB",
        "pages",
        "mail KB",
        "largest message KB",
        "table KB",
        "heard",
    )
    lines = [where(), "", *of_limits(judged), "", f"| {' | '.join(columns)} |", "|--:" * len(columns) + "|"]
    lines += [
        "| " + " | ".join(f"{row[name]:,.1f}".removesuffix(".0") for name in columns) + " |" for row in rows
    ]
    text = "\n".join(lines)
    sys.stdout.write(f"{text}\n")
    before, _, rest = DOCUMENT.read_text().partition(BEGIN)
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{rest.partition(END)[2]}")
    return 0 if all(each.kept for each in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
