"""Users who are gone: their secrets are found, what nothing is left of is forgotten, and what is unknown waits."""

from datetime import date, timedelta

import pytest
from keyrotation.look.inventory import scan
from keyrotation.look.left_behind import LeftBehind, is_to_be_told, left_behind, told_of
from keyrotation.memory import Memory

from tests.component.account import TODAY, Account
from tests.component.calls import Calls
from tests.component.conftest import Clients


def add_carol_with_a_secret(account: Account) -> str:
    """Returns her id."""
    _, key_id = account.add_carol()
    account.store("carol", key_id)
    return account.user_id("carol")


def looked_for(clients: Clients, *user_ids: str) -> LeftBehind:
    return left_behind(user_ids, clients.table.read_all(), clients.sources())


def test_the_scan_names_by_id_whom_memory_knows_and_the_account_does_not_have(
    account: Account, clients: Clients
) -> None:
    """Not those who moved above the path: they are there."""
    account.add_user("dan", path="/team/")
    account.remember("dan", changed=TODAY)
    gone = add_carol_with_a_secret(account)
    account.delete_user("carol")
    account.add_user("carol", path="/apps/")

    found = scan(
        clients.iam,
        path_prefix="/apps/",
        readings=clients.table.read_all(),
        may_concern=lambda _user: False,
        workers=1,
    )

    assert found.gone == (gone,)


def test_the_secret_of_a_user_who_is_gone_is_found(account: Account, clients: Clients) -> None:
    user_id = add_carol_with_a_secret(account)
    memory = account.memory("carol")
    account.delete_user("carol")

    assert looked_for(clients, user_id) == LeftBehind(secrets=(memory,))


def test_a_user_of_the_same_name_is_somebody_else(account: Account, clients: Clients) -> None:
    user_id = add_carol_with_a_secret(account)
    account.delete_user("carol")
    account.add_user("carol")

    (memory,) = looked_for(clients, user_id).secrets

    assert memory.user_id == user_id


def test_a_user_who_is_there_after_all_has_left_nothing_behind(account: Account, clients: Clients) -> None:
    """A listing that changed between two of its pages."""
    user_id = add_carol_with_a_secret(account)

    assert looked_for(clients, user_id) == LeftBehind()


def test_of_whom_neither_user_nor_secret_is_there_nothing_is_left(account: Account, clients: Clients) -> None:
    user_id = add_carol_with_a_secret(account)
    memory = account.memory("carol")
    account.delete_user("carol")
    account.secrets.delete_secret(SecretId=account.secret_names()[0], ForceDeleteWithoutRecovery=True)

    assert looked_for(clients, user_id) == LeftBehind(nothing=(memory,))


def test_of_whom_no_secret_was_ever_known_nothing_is_left(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.add_user("carol")
    account.remember("carol", changed=TODAY)
    memory = account.memory("carol")
    account.delete_user("carol")

    assert looked_for(clients, memory.user_id) == LeftBehind(nothing=(memory,))
    assert calls.of("DescribeSecret") == []


def test_a_secret_that_is_scheduled_for_deletion_is_not_told_and_not_forgotten(
    account: Account, clients: Clients
) -> None:
    user_id = add_carol_with_a_secret(account)
    account.delete_secret("carol")
    account.delete_user("carol")

    assert looked_for(clients, user_id) == LeftBehind()


@pytest.mark.parametrize("operation", ["GetUser", "DescribeSecret"])
def test_what_cannot_be_read_waits_and_stops_nobody_else(
    account: Account, calls: Calls, clients: Clients, operation: str
) -> None:
    user_id = add_carol_with_a_secret(account)
    account.delete_user("carol")
    account.add_user("dan")
    account.remember("dan", changed=TODAY)
    dan = account.memory("dan")
    account.delete_user("dan")
    if operation == "GetUser":
        calls.refuse(operation, "AccessDenied", UserName="carol")
    else:
        calls.refuse(operation, "AccessDenied")

    assert looked_for(clients, user_id, dan.user_id) == LeftBehind(nothing=(dan,))


def test_whom_memory_does_not_know_an_order_may_name_in_vain(calls: Calls, clients: Clients) -> None:
    assert looked_for(clients, "AIDAFORGEDFORGEDFORG") == LeftBehind()
    assert calls.of("GetUser") == []


@pytest.mark.parametrize(("days", "told"), [(None, True), (0, False), (29, False), (30, True)])
def test_a_secret_is_told_of_once_and_then_once_a_month(*, days: int | None, told: bool) -> None:
    memory = Memory(user_id="AIDACAROL", told={"old-tags": date(2026, 1, 1)})
    if days is not None:
        memory = told_of(memory, TODAY - timedelta(days=days))

    assert is_to_be_told(memory, TODAY) == told
    assert not is_to_be_told(told_of(memory, TODAY), TODAY)
    assert memory.told["old-tags"] == date(2026, 1, 1)
