"""The rotator's look at one user: every fact, or word of what could not be read, and never a guess."""

from typing import Any

import pytest
from keyrotation.model import Key, LastUse, Secret, User, version_id
from keyrotation.observe import observe

from tests.component.account import REGION, Account, days_ago
from tests.component.calls import Call, Calls
from tests.component.conftest import Clients

READS = ("GetUser", "ListAccessKeys", "GetAccessKeyLastUsed", "DescribeSecret")


def look(clients: Clients, user_name: str = "carol") -> User:
    return observe(user_name, iam=clients.iam, secrets=clients.secrets)


def test_all_facts_of_a_user_are_read(account: Account, clients: Clients) -> None:
    arn = account.add_user(
        "carol", path="/team/data/", tags={"access-key-rotation:owner": "Ann", "cost": "7"}
    )
    old = account.add_key("carol", age=80, used=2, service="dynamodb", status="Inactive")
    new = account.add_key("carol", age=4)
    account.store("carol", new)

    assert look(clients) == User(
        name="carol",
        arn=arn,
        keys=(
            Key(
                id=old,
                status="Inactive",
                created=days_ago(80),
                last_use=LastUse(at=days_ago(2), service="dynamodb", region=REGION),
            ),
            Key(id=new, status="Active", created=days_ago(4)),
        ),
        tags={"access-key-rotation:owner": "Ann", "cost": "7"},
        secret=Secret(stages={version_id(new): frozenset({"AWSCURRENT"})}, deleted=False),
    )


def test_a_user_without_keys_tags_and_secret_is_read_as_that(account: Account, clients: Clients) -> None:
    arn = account.add_user("carol")

    assert look(clients) == User(name="carol", arn=arn)


def test_looking_makes_only_reads(account: Account, calls: Calls, clients: Clients) -> None:
    _, key_id = account.add_carol()
    account.store("carol", key_id)

    look(clients)

    assert calls.operations == list(READS)
    assert calls.writes == []


def test_the_secret_of_an_odd_name_is_found_under_its_own_name(account: Account, clients: Clients) -> None:
    name = "data+etl,nightly@corp"
    account.add_user(name)
    key_id = account.add_key(name, age=80)
    account.store(name, key_id)

    secret = look(clients, name).secret

    assert account.secret_names() == ["access-keys/data+etl/comma/nightly@corp/credentials"]
    assert secret is not None
    assert secret.holds(key_id)


def test_our_own_proof_of_a_new_key_is_no_use(account: Account, clients: Clients) -> None:
    account.add_user("carol")
    key_id = account.add_key("carol", age=5)
    account.use(key_id, days=5 - 0.01, service="sts")

    (key,) = look(clients).keys

    assert key.last_use is not None
    assert key.used_on is None


@pytest.mark.parametrize("operation", READS)
@pytest.mark.parametrize(
    ("code", "status"), [("AccessDenied", 403), ("Throttling", 400), ("ServiceFailure", 500)]
)
def test_a_refused_read_is_said_and_nothing_is_taken_from_the_rest(
    *, account: Account, calls: Calls, clients: Clients, operation: str, code: str, status: int
) -> None:
    account.add_carol()
    calls.refuse(operation, code, status=status)

    seen = look(clients)

    assert seen == User(
        name="carol", unread=(f"it could not be read ({operation}: {code}, {operation} said no)",)
    )


@pytest.mark.parametrize("operation", READS)
def test_a_read_without_an_answer_is_said(
    account: Account, calls: Calls, clients: Clients, operation: str
) -> None:
    account.add_carol()
    calls.break_connection(operation)

    assert look(clients) == User(name="carol", unread=("it could not be read (EndpointConnectionError)",))


def test_a_key_whose_last_use_cannot_be_read_is_never_a_key_that_was_never_used(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.add_user("carol")
    account.add_key("carol", age=80, used=1)
    second = account.add_key("carol", age=3, used=1)
    calls.refuse("GetAccessKeyLastUsed", "AccessDenied", AccessKeyId=second)

    seen = look(clients)

    assert seen.keys == ()
    assert "GetAccessKeyLastUsed: AccessDenied" in seen.unread[0]


def test_a_user_deleted_in_between_is_said_to_be_gone(clients: Clients) -> None:
    (told,) = look(clients, "ghost").unread

    assert "GetUser: NoSuchEntity" in told


def test_a_key_deleted_while_it_is_looked_at_is_said(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()

    def delete(call: Call, _answer: dict[str, Any]) -> None:
        account.iam.delete_access_key(UserName=call.params["UserName"], AccessKeyId=key_id)

    calls.change_answer("ListAccessKeys", delete)

    (told,) = look(clients).unread
    assert "GetAccessKeyLastUsed: NoSuchEntity" in told


def test_a_missing_secret_is_none(account: Account, clients: Clients) -> None:
    account.add_carol()

    seen = look(clients)

    assert seen.secret is None
    assert seen.unread == ()


def test_a_secret_scheduled_for_deletion_is_deleted_and_holds_nothing(
    account: Account, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    account.store("carol", key_id)
    account.delete_secret("carol")

    secret = look(clients).secret

    assert secret is not None
    assert secret.deleted
    assert not secret.holds(key_id)


def test_stages_are_read_as_they_stand(account: Account, clients: Clients) -> None:
    _, key_id = account.add_carol()
    account.store("carol", "A" * 20)
    account.secrets.put_secret_value(
        SecretId="access-keys/carol/credentials",
        ClientRequestToken=version_id(key_id),
        SecretString="{}",
        VersionStages=["AWSPENDING"],
    )

    secret = look(clients).secret

    assert secret is not None
    assert secret.stages == {
        version_id("A" * 20): frozenset({"AWSCURRENT"}),
        version_id(key_id): frozenset({"AWSPENDING"}),
    }
    assert not secret.holds(key_id)


@pytest.mark.parametrize(
    ("path", "outside"), [("/", "/apps/"), ("/apps/", "/apps/batch/"), ("/Apps/", "/apps/")]
)
def test_a_user_outside_the_path_is_told_and_not_looked_at(
    account: Account, calls: Calls, clients: Clients, path: str, outside: str
) -> None:
    account.add_user("carol", path=path)

    seen = observe("carol", iam=clients.iam, secrets=clients.secrets, path_prefix=outside)

    assert seen == User(name="carol", unread=(f"its path is {path}, and UserPathPrefix is {outside}",))
    assert calls.operations == ["GetUser"]


@pytest.mark.parametrize("prefix", ["/", "/apps/", "/apps/batch/"])
def test_a_user_below_the_path_is_looked_at(account: Account, clients: Clients, prefix: str) -> None:
    arn = account.add_user("carol", path="/apps/batch/")

    seen = observe("carol", iam=clients.iam, secrets=clients.secrets, path_prefix=prefix)

    assert seen == User(name="carol", arn=arn)
