"""The scanner's look at the account: everyone once, and nobody forgotten because a call failed."""

from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from keyrotation.look.inventory import Scan, scan
from keyrotation.model import UNASKED, Key, User

from tests.component.account import Account, days_ago
from tests.component.calls import Call, Calls
from tests.component.conftest import Clients

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
    return scan(clients.iam, path_prefix="/", may_concern=lambda _user: True, workers=workers)


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
    assert found == Scan(total=250, with_keys=0, named=tuple(names), unread={}, active_since=())


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
    assert scan_all(clients) == Scan(total=0, with_keys=0, named=(), unread={}, active_since=())
    assert calls.operations == [LISTING]


def test_the_decision_who_is_named_sees_every_key_and_every_tag(account: Account, clients: Clients) -> None:
    account.add_user("alice", tags={"team": "data", "access-key-rotation:owner": "Ann"})
    old = account.add_key("alice", age=90, status="Inactive")
    new = account.add_key("alice", age=3, used=1)
    account.add_user("bob")
    seen: list[User] = []

    def concerns(user: User) -> bool:
        seen.append(user)
        return bool(user.keys)

    found = scan(clients.iam, path_prefix="/", may_concern=concerns, workers=1)

    alice, bob = seen
    assert alice == User(
        name="alice",
        keys=(
            Key(id=old, status="Inactive", created=days_ago(90), last_use=UNASKED),
            Key(id=new, status="Active", created=days_ago(3), last_use=UNASKED),
        ),
        tags={"team": "data", "access-key-rotation:owner": "Ann"},
        secret=UNASKED,
    )
    assert bob == User(name="bob", secret=UNASKED)
    assert found == Scan(total=2, with_keys=1, named=("alice",), unread={}, active_since=(days_ago(3),))


def test_keys_on_a_second_page_are_seen_too(account: Account, calls: Calls, clients: Clients) -> None:
    account.add_user("alice")
    ids = [account.add_key("alice", age=age) for age in (90, 3)]

    def one_each(call: Call, answer: dict[str, Any]) -> None:
        keys = answer["AccessKeyMetadata"]
        last = "Marker" in call.params
        answer.update(AccessKeyMetadata=keys[1:] if last else keys[:1], IsTruncated=not last, Marker="more")

    calls.change_answer(KEYS, one_each)
    seen: list[tuple[Key, ...]] = []

    def concerns(user: User) -> bool:
        seen.append(user.keys)
        return False

    scan(clients.iam, path_prefix="/", may_concern=concerns, workers=1)

    assert [key.id for key in seen[0]] == ids


def test_a_user_deleted_in_between_is_dropped(account: Account, calls: Calls, clients: Clients) -> None:
    for name in ("alice", "bob", "carol"):
        account.add_user(name)
    calls.refuse(KEYS, "NoSuchEntity", status=404, UserName="bob")

    assert scan_all(clients) == Scan(
        total=2, with_keys=0, named=("alice", "carol"), unread={}, active_since=()
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

    found = scan(clients.iam, path_prefix="/", may_concern=lambda _user: False, workers=4)

    assert (found.total, found.named) == (3, ("bob",))
    assert found.unread == {"bob": f"ListAccessKeys: {code}, ListAccessKeys said no"}


def test_a_user_whose_keys_get_no_answer_is_named_with_the_cause(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.add_user("alice")
    calls.break_connection(KEYS)

    found = scan(clients.iam, path_prefix="/", may_concern=lambda _user: False, workers=4)

    assert found == Scan(
        total=1, with_keys=1, named=("alice",), unread={"alice": "EndpointConnectionError"}, active_since=()
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

    found = scan(clients.iam, path_prefix="/apps/", may_concern=lambda _user: True, workers=1)

    assert (found.total, found.with_keys, found.named) == (2, 2, ("app", "job"))
    assert sorted(call.params["UserName"] for call in calls.of("ListAccessKeys")) == ["app", "job"]
