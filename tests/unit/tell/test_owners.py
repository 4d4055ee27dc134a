"""What owners hear: their own users and nothing else, as often as on-call hears of them."""

import json
import re
from dataclasses import replace

import pytest
from keyrotation.model import User
from keyrotation.tell.bulletin import Bulletin, Channel
from keyrotation.tell.digest import digest_of
from keyrotation.tell.owners import letters_of, speaks_for

from tests.unit.people import key
from tests.unit.scenes import DUE, ENFORCE, EXEMPT, FORCED, PREFIX, QUIET, many, run_of, user

LARGEST_MESSAGE = 256 * 1024


def of(owner: str, made: User) -> User:
    return replace(made, tags={**made.tags, f"{PREFIX}owner": owner})


def letters(*users: User, root: bool = False, listeners: int = 1) -> dict[str, Bulletin]:
    run = run_of(*users, root=root, listeners=listeners)
    whole = digest_of(run, ENFORCE, redelivered=False).report
    return {each.about: each for each in letters_of(run, ENFORCE, redelivered=False, whole=whole)}


def body(letter: Bulletin) -> str:
    return str(json.loads(letter.message)["default"])


def test_each_owner_hears_of_their_own_users_and_of_nobody_elses() -> None:
    found = letters(of("payments", DUE), of("web", FORCED), QUIET)
    assert list(found) == ["payments", "web"]
    for owner, own, others in (("payments", "alice", ["dave", "bob"]), ("web", "dave", ["alice", "bob"])):
        told = found[owner].message
        assert own in told
        assert [other for other in others if other in told] == []


def test_a_message_bears_the_owner_as_an_attribute_to_subscribe_by() -> None:
    (letter,) = letters(of("payments", DUE)).values()
    assert letter.channel is Channel.OWNERS
    assert letter.attributes == {
        "owner": "payments",
        "severity": "info",
        "account": ENFORCE.account,
        "mode": "Enforce",
    }


def test_it_says_what_to_do_by_when_with_the_command() -> None:
    told = body(letters(of("payments", DUE))["payments"])
    assert 'To the owner "payments"' in told
    assert "aws secretsmanager get-secret-value" in told
    assert "2026-12-06" in told


def test_what_is_about_the_account_is_no_business_of_owners() -> None:
    told = letters(of("payments", DUE), root=True, listeners=0)["payments"].message
    assert "root user" not in told
    assert "NoSubscription" not in told


def test_of_users_of_whom_nothing_is_to_be_said_today_nobody_hears() -> None:
    assert letters(of("payments", EXEMPT), of("web", user("quiet", key(3, used=0)))) == {}


def test_a_notice_for_which_the_mail_had_no_room_is_not_told_to_the_owner_either() -> None:
    run = run_of(*many()[:4500])
    whole = digest_of(run, ENFORCE, redelivered=False).report
    assert whole.notices_left > 0
    (letter,) = letters_of(run, ENFORCE, redelivered=False, whole=whole)
    told = json.loads(json.loads(letter.message)["sqs"])
    assert len(told["notices"]) == len(whole.notices)


def test_300_owners_of_5000_users_get_a_message_each_that_sns_takes() -> None:
    users = [of(f"team-{number % 300:03}", each) for number, each in enumerate(many())]
    found = letters(*users)
    assert len(found) == 300
    for letter in found.values():
        assert len(letter.message.encode()) <= LARGEST_MESSAGE
        assert len(letter.subject) < 100


@pytest.mark.parametrize(
    ("policy", "gets"),
    [
        (None, True),
        ('{"owner": ["payments"]}', True),
        ('{"owner": ["web", {"prefix": "pay"}]}', True),
        ('{"owner": [{"suffix": "ments"}]}', True),
        ('{"owner": [{"equals-ignore-case": "PAYMENTS"}]}', True),
        ('{"owner": [{"anything-but": ["web"]}]}', True),
        ('{"owner": [{"anything-but": "payments"}]}', False),
        ('{"owner": ["web"]}', False),
        ('{"owner": [{"prefix": "web"}]}', False),
        # Nobody can tell: then nothing is said.
        ('{"owner": [{"cidr": "10.0.0.0/8"}]}', True),
        ('{"severity": ["critical"]}', True),
        ("no JSON", True),
    ],
)
def test_whom_a_subscription_speaks_for(policy: str | None, *, gets: bool) -> None:
    assert speaks_for(policy, "payments") is gets


def test_the_mail_says_when_nobody_knows_for_whom_somebody_is_subscribed() -> None:
    digest = digest_of(run_of(of("payments", DUE)), ENFORCE, redelivered=False, unsubscribed=None)
    assert "Who is subscribed to the Owners topic could not be read" in " ".join(digest.body.split())
    assert json.loads(digest.data)["owners_without_subscription"] is None


def test_the_mail_names_the_owners_for_whom_nobody_is_subscribed() -> None:
    run = run_of(of("payments", DUE))
    said = " ".join(digest_of(run, ENFORCE, redelivered=False, unsubscribed=["payments"]).body.split())
    assert 'No subscription to the Owners topic is for "payments"' in said
    assert "Owners topic" not in digest_of(run, ENFORCE, redelivered=False).body


def test_thousands_of_owners_without_a_subscription_leave_the_digest_its_room() -> None:
    run = run_of(of("payments", DUE))
    digest = digest_of(
        run,
        ENFORCE,
        redelivered=False,
        unsubscribed=[f"{number:04}@teams.example.com" for number in range(5000)],
    )
    data = json.loads(digest.data)
    assert len(digest.message.encode()) <= LARGEST_MESSAGE
    assert (len(data["owners_without_subscription"]), data["complete"]) == (25, False)
    assert [each["user"] for each in data["sections"]["done"]] == ["alice"]


def test_what_stands_in_an_owners_tag_is_no_link_where_the_mail_names_owners() -> None:
    owner = "https://evil.example.com www.evil.example.com"
    run = run_of(of(owner, DUE))
    digest = digest_of(run, ENFORCE, redelivered=False, unsubscribed=[owner])
    (letter,) = letters_of(run, ENFORCE, redelivered=False, whole=digest.report)
    assert "Owners topic" in digest.body
    for told in (digest.body, digest.data, letter.message):
        assert not re.search(r"https?://evil|www\.", told)
