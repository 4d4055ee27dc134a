"""The scanner's look at the account: everyone once, and nobody forgotten because a call failed."""

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from keyrotation.look.inventory import Scan, quarantine_among, scan
from keyrotation.memory import Why
from keyrotation.model import UNASKED, Key, User
from keyrotation.remember.table import TABLE_NAME, Readings

from tests.component.account import TODAY, Account, days_ago
from tests.component.calls import Call, Calls
from tests.component.conftest import Clients

NOTHING_REMEMBERED = Readings(memories={}, unread={})
LISTING, KEYS = "GetAccountAuthorizationDetails", "ListAccessKeys"


def pages_of(size: int, *, fetched: list[str | None]) -> Any:
    """Cut the listing, which moto gives out whole, into pages; notes the marker of each that is fetched."""

    def cut(call: Call, answer: dict[str, Any]) -> None:
        marker = call.params.get("Marker")
        fetched.append(marker)
        start = int(marker or 0)
        users = answer["UserDetailList"]
        answer["UserDetailList"] = users[start : start + size]
        answer["IsTruncated"] = start + size < len(users)
        if answer["IsTruncated"]:
            answer["Marker"] = str(start + size)

    return cut


def scan_all(clients: Clients, *, workers: int = 4) -> Scan:
    return scan(
        clients.iam,
        path_prefix="/",
        readings=NOTHING_REMEMBERED,
        may_concern=lambda _user: True,
        workers=workers,
    )


def test_250_users_in_pages_of_100_are_each_examined_once_and_each_page_is_fetched_once(
    account: Account, calls: Calls, clients: Clients
) -> None:
    names = sorted(f"user-{number:03}" for number in range(250))
    for name in names:
        account.add_user(name)
    fetched: list[str | None] = []
    calls.change_answer(LISTING, pages_of(100, fetched=fetched))

    found = scan_all(clients)

    assert fetched == [None, "100", "200"]
    assert Counter(call.params["UserName"] for call in calls.of(KEYS)) == Counter(names)
    assert found == Scan(total=250, with_keys=0, named=tuple(names), unread={}, active_since=(), gone=())


def test_an_empty_page_in_the_middle_is_not_the_end(account: Account, calls: Calls, clients: Clients) -> None:
    for name in ("alice", "bob"):
        account.add_user(name)

    def empty_first(call: Call, answer: dict[str, Any]) -> None:
        if "Marker" not in call.params:
            answer.update(UserDetailList=[], IsTruncated=True, Marker="more")

    calls.change_answer(LISTING, empty_first)

    assert scan_all(clients).named == ("alice", "bob")


def test_the_listing_asks_for_users_alone_in_the_largest_pages(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.add_user("alice")

    scan_all(clients)

    assert calls.of(LISTING)[0].params == {"Filter": ["User"], "MaxItems": 1000}
    assert set(calls.operations) == {LISTING, KEYS}


def test_an_account_without_users_is_found_empty(calls: Calls, clients: Clients) -> None:
    assert scan_all(clients) == Scan(total=0, with_keys=0, named=(), unread={}, active_since=(), gone=())
    assert calls.operations == [LISTING]


def seen_by_the_decision(clients: Clients, readings: Readings = NOTHING_REMEMBERED) -> list[User]:
    seen: list[User] = []

    def concerns(user: User) -> bool:
        seen.append(user)
        return False

    scan(clients.iam, path_prefix="/", readings=readings, may_concern=concerns, workers=1)
    return seen


def test_the_decision_who_is_named_sees_every_key_and_every_tag(account: Account, clients: Clients) -> None:
    arn = account.add_user("alice", tags={"team": "data", "access-key-rotation:owner": "Ann"})
    old = account.add_key("alice", age=90, status="Inactive")
    new = account.add_key("alice", age=3, used=1)
    account.add_user("bob")

    alice, bob = seen_by_the_decision(clients)

    assert alice == User(
        name="alice",
        id=account.user_id("alice"),
        arn=arn,
        keys=(
            Key(id=old, status="Inactive", created=days_ago(90), last_use=UNASKED),
            Key(id=new, status="Active", created=days_ago(3), last_use=UNASKED),
        ),
        tags={"team": "data", "access-key-rotation:owner": "Ann"},
        secret=UNASKED,
        memory=replace(alice.memory, user_id=account.user_id("alice")),
    )
    assert (bob.name, bob.keys, bob.tags) == ("bob", (), {})


def test_only_those_are_named_whom_the_decision_concerns(account: Account, clients: Clients) -> None:
    account.add_user("alice")
    account.add_key("alice", age=90, status="Inactive")
    account.add_key("alice", age=3, used=1)
    account.add_user("bob")

    found = scan(
        clients.iam,
        path_prefix="/",
        readings=NOTHING_REMEMBERED,
        may_concern=lambda user: bool(user.keys),
        workers=1,
    )

    assert found == Scan(
        total=2, with_keys=1, named=("alice",), unread={}, active_since=(days_ago(3),), gone=()
    )


def test_the_decision_sees_what_is_remembered_of_the_user_by_id_also_after_a_rename(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.add_user("alice")
    key_id = account.add_key("alice", age=200)
    notice = account.notice("alice", key_id, Why.UNUSED, days=0)
    account.iam.update_user(UserName="alice", NewUserName="bob")
    account.add_user("alice")
    readings = clients.table.read_all()
    calls.clear()

    alice, bob = sorted(seen_by_the_decision(clients, readings), key=lambda user: user.name)

    assert bob.memory.key(key_id).notice == notice
    assert (alice.memory.revision, alice.memory.keys) == (0, {})
    assert set(calls.operations) == {LISTING, KEYS}


def test_a_user_whose_memory_cannot_be_read_is_unread_and_the_others_are_not(
    account: Account, clients: Clients
) -> None:
    for name in ("alice", "bob"):
        account.add_user(name)
        account.remember(name, changed=TODAY)
    account.dynamodb.update_item(
        TableName=TABLE_NAME,
        Key={"user_id": {"S": account.user_id("alice")}},
        UpdateExpression="SET changed = :nonsense",
        ExpressionAttributeValues={":nonsense": {"S": "some day"}},
    )

    alice, bob = seen_by_the_decision(clients, clients.table.read_all())

    assert [told.startswith("its memory cannot be read: changed") for told in alice.unread] == [True]
    assert (bob.unread, bob.memory.changed) == ((), TODAY)


QUARANTINE = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"


def test_the_quarantine_that_aws_attached_comes_with_the_listing(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.add_user("alice")
    account.add_user("bob")

    def attach(_call: Call, answer: dict[str, Any]) -> None:
        for user in answer["UserDetailList"]:
            if user["UserName"] == "alice":
                user["AttachedManagedPolicies"] = [
                    {"PolicyName": "ReadOnly", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
                    {"PolicyName": "AWSCompromisedKeyQuarantineV3", "PolicyArn": QUARANTINE},
                ]

    calls.change_answer(LISTING, attach)

    alice, bob = seen_by_the_decision(clients)

    assert (alice.exposed, bob.exposed) == ("AWSCompromisedKeyQuarantineV3", None)


@pytest.mark.parametrize(
    ("arn", "found"),
    [
        (QUARANTINE, "AWSCompromisedKeyQuarantineV3"),
        (QUARANTINE.removesuffix("V3"), "AWSCompromisedKeyQuarantine"),
        (QUARANTINE.replace("arn:aws:", "arn:aws-cn:"), "AWSCompromisedKeyQuarantineV3"),
        (QUARANTINE.replace("::aws:", "::123456789012:"), None),
        (QUARANTINE.replace("policy/", "policy/mine/"), None),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", None),
    ],
)
def test_a_quarantine_is_a_policy_of_aws_itself_whatever_others_call_theirs(
    arn: str, found: str | None
) -> None:
    assert quarantine_among([arn]) == found


def test_keys_on_a_second_page_are_seen_too(account: Account, calls: Calls, clients: Clients) -> None:
    account.add_user("alice")
    ids = [account.add_key("alice", age=age) for age in (90, 3)]

    def one_each(call: Call, answer: dict[str, Any]) -> None:
        keys = answer["AccessKeyMetadata"]
        last = "Marker" in call.params
        answer.update(AccessKeyMetadata=keys[1:] if last else keys[:1], IsTruncated=not last, Marker="more")

    calls.change_answer(KEYS, one_each)

    (alice,) = seen_by_the_decision(clients)

    assert [key.id for key in alice.keys] == ids


def test_a_user_deleted_in_between_is_dropped(account: Account, calls: Calls, clients: Clients) -> None:
    for name in ("alice", "bob", "carol"):
        account.add_user(name)
    calls.refuse(KEYS, "NoSuchEntity", status=404, UserName="bob")

    assert scan_all(clients) == Scan(
        total=2, with_keys=0, named=("alice", "carol"), unread={}, active_since=(), gone=()
    )


@pytest.mark.parametrize(
    ("code", "status"), [("AccessDenied", 403), ("Throttling", 400), ("InternalError", 500)]
)
def test_a_user_whose_keys_cannot_be_listed_is_named_with_the_cause(
    account: Account, calls: Calls, clients: Clients, code: str, status: int
) -> None:
    for name in ("alice", "bob", "carol"):
        account.add_user(name)
    calls.refuse(KEYS, code, status=status, UserName="bob")

    found = scan(
        clients.iam, path_prefix="/", readings=NOTHING_REMEMBERED, may_concern=lambda _user: False, workers=4
    )

    assert (found.total, found.named) == (3, ("bob",))
    assert found.unread == {"bob": f"ListAccessKeys: {code}, ListAccessKeys said no"}


def test_a_user_whose_keys_get_no_answer_is_named_with_the_cause(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.add_user("alice")
    calls.break_connection(KEYS)

    found = scan(
        clients.iam, path_prefix="/", readings=NOTHING_REMEMBERED, may_concern=lambda _user: False, workers=4
    )

    assert found == Scan(
        total=1,
        with_keys=1,
        named=("alice",),
        unread={"alice": "EndpointConnectionError"},
        active_since=(),
        gone=(),
    )


def test_an_error_of_the_listing_itself_is_raised(account: Account, calls: Calls, clients: Clients) -> None:
    account.add_user("alice")
    calls.refuse(LISTING, "AccessDenied")

    with pytest.raises(ClientError, match=r"AccessDenied.*GetAccountAuthorizationDetails"):
        scan_all(clients)


def test_an_error_of_a_later_page_is_raised_rather_than_a_part_taken_for_the_whole(
    account: Account, calls: Calls, clients: Clients
) -> None:
    for name in ("alice", "bob", "carol"):
        account.add_user(name)
    calls.change_answer(LISTING, pages_of(2, fetched=[]))
    calls.break_connection(LISTING, Marker="2")

    with pytest.raises(BotoCoreError):
        scan_all(clients)


def test_users_are_looked_at_in_parallel_and_never_more_than_the_workers_at_once(
    account: Account, calls: Calls, clients: Clients
) -> None:
    for number in range(12):
        account.add_user(f"user-{number}")
    crowd = calls.crowd_at(KEYS, together=3)

    assert scan_all(clients, workers=3).total == 12
    assert crowd.most == 3


def test_only_users_below_the_path_are_counted_looked_at_and_named(
    account: Account, calls: Calls, clients: Clients
) -> None:
    for name, path in (("root", "/"), ("app", "/apps/"), ("job", "/apps/batch/"), ("other", "/apps2/")):
        account.add_user(name, path=path)
        account.add_key(name, age=80)

    found = scan(
        clients.iam,
        path_prefix="/apps/",
        readings=NOTHING_REMEMBERED,
        may_concern=lambda _user: True,
        workers=1,
    )

    assert (found.total, found.with_keys, found.named) == (2, 2, ("app", "job"))
    assert sorted(call.params["UserName"] for call in calls.of("ListAccessKeys")) == ["app", "job"]
