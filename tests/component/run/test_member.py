"""A member of an organization: its report lies in the centre's bucket after every run, and what it told counts once the centre says so.

`Centre` here does what the centre's digest does: it reads the report and leaves its word. The bucket is moto's.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from keyrotation.memory import Notice, Why
from keyrotation.policy import Policy
from keyrotation.tell.report_json import id_of
from keyrotation.tell.reports import bucket_of, heard_key, report_key, word_of
from moto.s3.models import s3_backends

from tests.component.account import ACCOUNT, NOW, REGION, TODAY, Account
from tests.component.calls import Calls
from tests.component.deployment import Deployment

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

# moto has one account in a test: it keeps the bucket too.
BUCKET = bucket_of(ACCOUNT, REGION)
FOUR_HOURS = timedelta(hours=4)


@dataclass
class Member:
    """Of one user with the two keys of an overlap: the rotator runs once a day, at six."""

    account: Account
    deployment: Deployment
    s3: "S3Client"
    runs: int = 0

    def run(self, *names: str, run_id: str | None = None) -> None:
        self.runs += 1
        event = self.deployment.order(*names, run_id=run_id or f"run-{self.runs}")
        self.deployment.rotate(event, TOPIC_ARN=None, CENTRE=ACCOUNT)
        self.deployment.done_with(event)

    def report(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(
            self.s3.get_object(Bucket=BUCKET, Key=report_key(ACCOUNT))["Body"].read()
        )
        return found

    def centre(self, *, at: datetime, report: str | None = None, listeners: int = 1) -> None:
        """The mail with the report of now went out, and the centre says so."""
        word = word_of(report or id_of(self.report()), listeners=listeners)
        self.leave(word, at=at)

    def leave(self, word: bytes, *, at: datetime) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=heard_key(ACCOUNT), Body=word)
        s3_backends[ACCOUNT]["aws"].buckets[BUCKET].keys[heard_key(ACCOUNT)].last_modified = at.replace(
            tzinfo=None
        )

    def tomorrow(self) -> None:
        self.deployment.now += timedelta(days=1)

    def notice(self, name: str, key_id: str) -> Notice | None:
        return self.account.memory(name).key(key_id).notice


@pytest.fixture
def member(account: Account, deployment: Deployment) -> Iterator[Member]:
    s3 = account.session.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    yield Member(account, deployment, s3)
    s3.close()


@pytest.fixture
def elder(account: Account) -> str:
    """The old key of an overlap that is over today, quiet, and of which nobody was told anything. Returns its id."""
    account.add_user("quiet")
    key_id = account.add_key("quiet", age=92, used=20)
    account.store("quiet", account.add_key("quiet", age=16, used=1))
    return key_id


def test_a_run_leaves_its_report_also_when_there_is_nothing_to_tell_and_publishes_nothing(
    account: Account, member: Member, calls: Calls
) -> None:
    account.add_user("console")

    member.run("console")

    assert calls.of("Publish") == []
    (put,) = calls.of("PutObject")
    assert (put.params["Bucket"], put.params["Key"]) == (BUCKET, f"reports/{ACCOUNT}/latest.json")
    # Whoever takes the bucket's name elsewhere gets nothing.
    assert put.params["ExpectedBucketOwner"] == ACCOUNT
    report = member.report()
    assert (report["account"], report["run_id"], report["notices"]) == (ACCOUNT, "run-1", [])


def test_a_report_that_cannot_be_left_fails_the_run_and_nothing_is_offered(
    account: Account, member: Member, elder: str, calls: Calls
) -> None:
    member.centre(at=NOW - timedelta(hours=20), report="an earlier one")
    calls.refuse("PutObject", "AccessDenied")

    with pytest.raises(ClientError, match="AccessDenied"):
        member.run("quiet")

    assert account.memory("quiet").offer is None
    assert member.notice("quiet", elder) is None


def test_until_the_centre_has_spoken_nobody_is_known_to_listen_and_no_notice_is_offered(
    account: Account, member: Member, elder: str
) -> None:
    member.run("quiet")

    assert member.report()["notices"] == []
    assert account.memory("quiet").offer is None
    assert account.keys("quiet")[elder] == "Active"


def test_a_notice_counts_from_the_day_of_the_mail_that_held_it_and_is_kept_on_its_day(
    account: Account, member: Member, elder: str
) -> None:
    member.centre(at=NOW - timedelta(hours=20), report="an earlier one")

    member.run("quiet")
    (told,) = member.report()["notices"]
    assert (told["key"], told["day"], told["new"]) == (elder, str(TODAY + timedelta(days=7)), True)
    # It lies there, and nobody is known to have read it.
    assert member.notice("quiet", elder) is None

    member.centre(at=NOW + FOUR_HOURS)
    member.tomorrow()
    member.run("quiet")
    given = member.notice("quiet", elder)
    assert given is not None
    assert (given.why, given.day, given.told) == (Why.OVERLAP, TODAY + timedelta(days=7), TODAY)

    off_on = None
    for day in range(2, 9):
        member.centre(at=member.deployment.now + FOUR_HOURS)
        member.tomorrow()
        member.run("quiet")
        if account.keys("quiet")[elder] == "Inactive":
            off_on = day
            break
    assert off_on == 7


def test_a_notice_that_the_mail_did_not_hold_is_given_anew_for_another_day(
    account: Account, member: Member, elder: str
) -> None:
    member.centre(at=NOW - timedelta(hours=20), report="an earlier one")
    member.run("quiet")
    member.tomorrow()

    # The centre did nothing since: its word of the day before is still fresh, and of another report.
    member.run("quiet")

    assert member.notice("quiet", elder) is None
    (told,) = member.report()["notices"]
    assert (told["day"], told["new"]) == (str(TODAY + timedelta(days=8)), True)
    assert account.keys("quiet")[elder] == "Active"


def test_while_the_centre_is_dead_for_three_days_nothing_goes_off_and_then_it_goes_on(
    account: Account, member: Member, elder: str
) -> None:
    """On the day of the notice the word is 68 hours old; the run itself works, and replaces whom it has to."""
    account.notice("quiet", elder, Why.OVERLAP, days=3, told=0)
    account.add_user("due")
    old = account.add_key("due", age=80, used=1)
    member.centre(at=NOW - timedelta(hours=20), report="an earlier one")
    for _ in range(4):
        member.run("quiet", "due")
        assert account.keys("quiet")[elder] == "Active"
        member.tomorrow()
    assert account.keys("due")[old] == "Active"
    assert account.current_works("due")
    assert account.memory("quiet").key(elder).notice is not None

    member.centre(at=member.deployment.now - timedelta(hours=20))
    member.run("quiet", "due")
    assert account.keys("quiet")[elder] == "Inactive"


@pytest.mark.parametrize("hours", [51, 49])
def test_the_centres_word_counts_for_fifty_hours(
    account: Account, member: Member, elder: str, hours: int
) -> None:
    account.notice("quiet", elder, Why.OVERLAP, days=0, told=2)
    member.centre(at=NOW - timedelta(hours=hours), report="an earlier one")

    member.run("quiet")

    assert account.keys("quiet")[elder] == ("Inactive" if hours < 50 else "Active")


@pytest.mark.parametrize(
    "word",
    [
        b"",
        b"[]",
        b'{"version": 1, "report": "r"}',
        b'{"version": 2, "report": "r", "listeners": 1}',
        b'{"version": 1, "report": "r", "listeners": -1}',
        b'{"version": 1, "report": "r", "listeners": 1, "pad": "' + b"x" * 2000 + b'"}',
    ],
)
def test_a_word_that_is_not_the_centres_is_nobody(
    account: Account, member: Member, elder: str, word: bytes
) -> None:
    account.notice("quiet", elder, Why.OVERLAP, days=0, told=1)
    member.leave(word, at=NOW - timedelta(hours=1))

    member.run("quiet")

    assert account.keys("quiet")[elder] == "Active"


def test_where_the_centre_has_no_listener_itself_nothing_goes_off(
    account: Account, member: Member, elder: str
) -> None:
    account.notice("quiet", elder, Why.OVERLAP, days=0, told=1)
    member.centre(at=NOW - timedelta(hours=1), report="an earlier one", listeners=0)

    member.run("quiet")

    assert account.keys("quiet")[elder] == "Active"


def test_a_report_that_went_out_to_nobody_gave_no_notice(
    account: Account, member: Member, elder: str
) -> None:
    member.centre(at=NOW - timedelta(hours=20), report="an earlier one")
    member.run("quiet")
    member.centre(at=NOW + FOUR_HOURS, listeners=0)
    member.tomorrow()

    member.run("quiet")

    assert member.notice("quiet", elder) is None
    assert account.keys("quiet")[elder] == "Active"


def test_a_run_that_died_after_its_report_offers_the_same_again(
    account: Account, member: Member, elder: str, calls: Calls
) -> None:
    """The report lay there, the memory could not be written: the order comes again, with the run id that it had."""
    member.centre(at=NOW - timedelta(hours=20), report="an earlier one")
    calls.refuse("UpdateItem", "AccessDeniedException", status=400)
    member.run("quiet", run_id="run-1")
    first = member.report()
    assert account.memory("quiet").offer is None

    calls.clear()
    member.run("quiet", run_id="run-1")

    assert id_of(member.report()) == id_of(first)
    member.centre(at=NOW + FOUR_HOURS)
    member.tomorrow()
    member.run("quiet")
    assert member.notice("quiet", elder) is not None


def test_an_offer_that_could_not_be_settled_is_told_anew(
    account: Account, member: Member, elder: str, calls: Calls
) -> None:
    member.centre(at=NOW - timedelta(hours=20), report="an earlier one")
    member.run("quiet")
    member.centre(at=NOW + FOUR_HOURS)
    member.tomorrow()
    calls.refuse("UpdateItem", "AccessDeniedException", status=400)

    member.run("quiet")

    assert member.notice("quiet", elder) is None
    (told,) = member.report()["notices"]
    assert told["new"]
    assert account.keys("quiet")[elder] == "Active"


def test_in_an_account_that_tells_by_itself_again_an_old_offer_counts_for_nothing(
    account: Account, member: Member, elder: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    member.centre(at=NOW - timedelta(hours=20), report="an earlier one")
    member.run("quiet")
    assert account.memory("quiet").offer is not None
    member.tomorrow()
    monkeypatch.delenv("CENTRE")

    member.deployment.rotate(member.deployment.order("quiet"))

    assert account.memory("quiet").offer is None
    given = member.notice("quiet", elder)
    assert given is not None
    assert given.told == TODAY + timedelta(days=1)


@pytest.mark.parametrize("seed", [1, 2, 4])
def test_whatever_days_are_missed_no_key_goes_off_but_after_a_mail_that_named_the_day_long_enough_before(
    account: Account, member: Member, elder: str, seed: int
) -> None:
    """Runs and digests fail at random, for up to four days in a row; then all is well, and it comes to its end."""
    random, warn = Random(seed), Policy().warn_days
    mails: list[tuple[date, date]] = []  # the day of a mail, and the day that it named
    word, dead = NOW - timedelta(hours=20), 0
    member.centre(at=word, report="an earlier one")
    for day in range(60):
        now = member.deployment.now
        troubled = day < 30
        reported = not troubled or random.random() > 0.15
        for _ in range(reported + (troubled and random.random() < 0.15)):
            member.run("quiet")
        if account.keys("quiet")[elder] == "Inactive":
            told = [on for on, named in mails if named <= now.date()]
            assert told, "nobody was told of it"
            assert min(told) <= now.date() - timedelta(days=warn)
            assert max(told) >= now.date() - timedelta(days=warn + 1)
            assert now - word <= timedelta(hours=50)
            return
        dead = dead - 1 if dead else random.choice((0, 0, 0, 1, 2, 4)) if troubled else 0
        if not dead and reported:
            word = now + FOUR_HOURS
            mails += [(word.date(), date.fromisoformat(each["day"])) for each in member.report()["notices"]]
            member.centre(at=word)
        member.tomorrow()
    raise AssertionError("it never came to its end")
