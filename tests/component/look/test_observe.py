"""The rotator's look at one user: every fact, or word of what could not be read, and never a guess."""

from typing import Any

import pytest
from keyrotation.look.observe import Observer, listed_profiles, observe
from keyrotation.model import STORE, Key, LastUse, NotLookedUp, Secret, User, version_id

from tests.component.account import REGION, Account, days_ago
from tests.component.calls import Call, Calls
from tests.component.conftest import Clients

READS = ("GetUser", "ListAccessKeys", "GetAccessKeyLastUsed", "DescribeSecret")


def look(clients: Clients, user_name: str = "carol") -> User:
    return observe(user_name, iam=clients.iam, secrets=clients.secretsmanager, path_prefix="/")


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

    secret = look(clients, name).the_secret

    assert account.secret_names() == ["access-keys/data+etl/comma/nightly@corp/credentials"]
    assert secret is not None
    assert secret.holds(key_id)


def test_our_own_proof_of_a_new_key_is_no_use(account: Account, clients: Clients) -> None:
    account.add_user("carol")
    key_id = account.add_key("carol", age=5)
    account.use(key_id, days=5 - 0.01, service="sts")

    (key,) = look(clients).keys

    assert key.use is not None
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

    assert seen.the_secret is None
    assert seen.unread == ()


def test_a_secret_scheduled_for_deletion_is_deleted_and_holds_nothing(
    account: Account, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    account.store("carol", key_id)
    account.delete_secret("carol")

    secret = look(clients).the_secret

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

    secret = look(clients).the_secret

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

    seen = observe("carol", iam=clients.iam, secrets=clients.secretsmanager, path_prefix=outside)

    assert seen == User(name="carol", unread=(f"its path is {path}, and UserPathPrefix is {outside}",))
    assert calls.operations == ["GetUser"]


@pytest.mark.parametrize("prefix", ["/", "/apps/", "/apps/batch/"])
def test_a_user_below_the_path_is_looked_at(account: Account, clients: Clients, prefix: str) -> None:
    arn = account.add_user("carol", path="/apps/batch/")

    seen = observe("carol", iam=clients.iam, secrets=clients.secretsmanager, path_prefix=prefix)

    assert seen == User(name="carol", arn=arn)


# Only what is asked for.


def observer(clients: Clients, *names: str, path_prefix: str = "/") -> Observer:
    listed = listed_profiles(clients.iam, path_prefix=path_prefix, names=names)
    return Observer(iam=clients.iam, secrets=clients.secretsmanager, path_prefix=path_prefix, listed=listed)


def test_a_glance_at_somebody_listed_lists_the_keys_and_asks_for_nothing_else(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.add_user("carol", tags={"team": "data"})
    account.add_key("carol", age=80, used=1)
    eyes = observer(clients, "carol")
    calls.clear()

    seen = eyes.glance("carol")

    assert calls.operations == ["ListAccessKeys"]
    assert seen.tags == {"team": "data"}
    with pytest.raises(NotLookedUp) as missing:
        _ = seen.keys[0].used_on
    assert missing.value.what == seen.keys[0].id
    with pytest.raises(NotLookedUp) as missing:
        _ = seen.the_secret
    assert missing.value.what == STORE


def test_facts_that_are_looked_up_one_by_one_come_to_all_that_there_is(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    account.add_key("carol", age=3)
    account.store("carol", key_id)
    eyes = observer(clients, "carol")
    seen = eyes.look("carol")
    calls.clear()

    for what in (STORE, *(key.id for key in seen.keys)):
        seen = eyes.look_up(seen, what)

    assert calls.operations == ["DescribeSecret", "GetAccessKeyLastUsed", "GetAccessKeyLastUsed"]
    assert seen == look(clients)


def test_a_look_before_acting_reads_the_tags_anew(account: Account, clients: Clients) -> None:
    account.add_user("carol")
    eyes = observer(clients, "carol")
    account.tag("carol", exempt="2027-01-31 migration")

    assert eyes.glance("carol").tags == {}
    assert eyes.look("carol").tags == {"access-key-rotation:exempt": "2027-01-31 migration"}


def test_whoever_is_not_in_the_listing_is_looked_at(account: Account, calls: Calls, clients: Clients) -> None:
    account.add_user("carol", path="/apps/")
    eyes = observer(clients, "dan", path_prefix="/apps/")
    calls.clear()

    assert eyes.glance("carol").unread == ()
    assert calls.operations == ["GetUser", "ListAccessKeys"]


def test_the_listing_keeps_those_who_are_asked_for_and_are_below_the_path(
    account: Account, clients: Clients
) -> None:
    for name, path in (("in", "/apps/"), ("out", "/"), ("other", "/apps/")):
        account.add_user(name, path=path)

    assert set(listed_profiles(clients.iam, path_prefix="/apps/", names=("in", "out"))) == {"in"}


@pytest.mark.parametrize("operation", ["GetAccessKeyLastUsed", "DescribeSecret"])
def test_a_fact_that_cannot_be_looked_up_leaves_nothing_to_be_used(
    account: Account, calls: Calls, clients: Clients, operation: str
) -> None:
    _, key_id = account.add_carol()
    eyes = observer(clients, "carol")
    seen = eyes.glance("carol")
    calls.refuse(operation, "AccessDenied")

    found = eyes.look_up(seen, STORE if operation == "DescribeSecret" else key_id)

    assert found.keys == ()
    assert [operation in told for told in found.unread] == [True]
