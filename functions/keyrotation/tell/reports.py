"""Telling the organization's centre: each run leaves its report in the centre's bucket, also when there is nothing to tell.

The centre puts the reports of all accounts into one mail and says, for each account, which report went out with it. Until
then nothing of the report counts as told. An account can write its own report and read its own word, and nothing else.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from keyrotation.act.apply import Applier, Heard
from keyrotation.memory import Memory
from keyrotation.model import Hearing, User
from keyrotation.tell.bulletin import Bulletin
from keyrotation.tell.digest import Digest
from keyrotation.tell.report_json import id_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# Two days and two hours: one digest may be missed.
FRESH = timedelta(hours=50)
# The word has a hundred bytes.
_LONGEST_WORD = 1024


class NotUnderstood(Exception):
    """What the centre left is not what it writes."""


def bucket_of(centre: str, region: str) -> str:
    """The name of the centre's bucket: its account and Region are all that a member has to know."""
    return f"access-key-rotation-reports-{centre}-{region}"


def report_key(account: str) -> str:
    return f"reports/{account}/latest.json"


def heard_key(account: str) -> str:
    return f"heard/{account}.json"


def word_of(report: str, *, listeners: int) -> bytes:
    """What the centre leaves for an account once the mail went out."""
    return json.dumps({"version": 1, "report": report, "listeners": listeners}).encode()


@dataclass(frozen=True, kw_only=True)
class Reports:
    """A member of an organization (`outlet.Outlet`). `centre`: the account that owns the bucket."""

    s3: "S3Client" = field(repr=False)
    centre: str
    region: str
    account: str
    now: Callable[[], datetime]

    def hear(self) -> Hearing:
        """Nobody, when the centre has said nothing for too long by the clock of S3. Raises what botocore raises, and NotUnderstood."""
        key = heard_key(self.account)
        found = self.s3.get_object(Bucket=self._bucket, Key=key, ExpectedBucketOwner=self.centre)
        at = found["LastModified"].astimezone(UTC)
        if self.now() - at > FRESH:
            return Hearing(listeners=0)
        try:
            word = json.loads(found["Body"].read(_LONGEST_WORD))
        except ValueError:
            raise NotUnderstood(f"{key} is no JSON") from None
        match word:
            case {"version": 1, "report": str(), "listeners": 0}:
                return Hearing(listeners=0)
            case {"version": 1, "report": str(report), "listeners": int(listeners)} if listeners > 0:
                return Hearing(listeners=listeners, report=report, on=at.date())
            case _:
                raise NotUnderstood(f"{key} is not what the centre writes")

    def deliver(self, digest: Digest) -> str:
        """The id of the report, whether or not anybody is asked anything by it. Raises what botocore raises."""
        self.s3.put_object(
            Bucket=self._bucket,
            Key=report_key(self.account),
            Body=digest.data.encode(),
            ContentType="application/json",
            ChecksumAlgorithm="SHA256",
            ExpectedBucketOwner=self.centre,
        )
        return id_of(json.loads(digest.data))

    def unsubscribed(self, owners: Iterable[str]) -> tuple[str, ...]:  # noqa: ARG002  # the centre knows
        """The centre writes to owners."""
        return ()

    def spread(self, bulletin: Bulletin) -> None:
        """The centre writes to owners, and has no chat."""

    def remember(
        self,
        applier: Applier,
        user: User,
        memory: Memory,
        heard: Heard,
        *,
        told_in: str | None,
        forget: Iterable[str],
    ) -> str | None:
        """It is offered: whether it was heard, the next run knows."""
        return applier.offer(user, memory, heard, report=told_in or "", forget=forget)

    @property
    def _bucket(self) -> str:
        return bucket_of(self.centre, self.region)
