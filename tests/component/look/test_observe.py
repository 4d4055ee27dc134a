"""The rotator's look at one user: every fact, or word of what could not be read, and never a guess."""

from typing import Any

import pytest
from keyrotation.look.observe import Observer, listed_profiles, observe
from keyrotation.memory import Why
from keyrotation.model import ATTACHED, STORE, Key, LastUse, NotLookedUp, Secret, User, version_id
from keyrotation.remember.table import TABLE_NAME

from tests.component.account import REGION, TODAY, Account, days_ago
from tests.component.calls import Call, Calls
from tests.component.conftest import Clients

# The memory right after the user: nobody may be acted on by a memory that is older than the keys.
READS = (
    "GetUser",
    "GetItem",
    "ListAccessKeys",
    "GetAccessKeyLastUsed",
    "DescribeSecret",
    "ListAttachedUserPolicies",
)


def look(clients: Clients, user_name: str = "carol") -> User:
    return observe(user_name, clients.sources())


def known(account: Account, user_name: str = "carol", **facts: Any) -> User:
    """Of whom there is nothing more to know than this."""
    memory = account.memory(user_name)
    return User(name=user_name, id=memory.user_id, memory=memory, **facts)


def test_all_facts_of_a_user_are_read(account: Account, clients: Clients) -> None:
    arn = account.add_user(
        "carol", path="/team/data/", tags={"access-key-rotation:owner": "Ann", "cost": "7"}
    )
    old = account.add_key("carol", age=80, used=2, service="dynamodb", status="Inactive")
    new = account.add_key("carol", age=4)
    account.store("carol", new)

    assert look(clients) == known(
        account,
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

    assert look(clients) == known(account, arn=arn)


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
    _, key_id = account.add_carol()
    account.store("carol", key_id)
    calls.refuse(operation, code, status=status)

    seen = look(clients)

    assert seen == User(
        name="carol", unread=(f"it could not be read ({operation}: {code}, {operation} said no)",)
    )


@pytest.mark.parametrize("operation", READS)
def test_a_read_without_an_answer_is_said(
    account: Account, calls: Calls, clients: Clients, operation: str
) -> None:
    _, key_id = account.add_carol()
    account.store("carol", key_id)
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


def test_a_user_who_is_gone_is_said_to_be_gone_and_not_to_be_unread(clients: Clients) -> None:
    assert look(clients, "ghost") == User(name="ghost", gone=True)


@pytest.mark.parametrize("operation", ["ListAccessKeys", "GetAccessKeyLastUsed", "ListAttachedUserPolicies"])
def test_a_user_or_key_deleted_while_it_is_looked_at_is_gone(
    account: Account, calls: Calls, clients: Clients, operation: str
) -> None:
    account.add_carol()
    calls.refuse(operation, "NoSuchEntity", status=404)

    assert look(clients) == User(name="carol", gone=True)


# Memory.


def test_what_is_remembered_is_read_consistently_by_the_unique_id(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    notice = account.notice("carol", key_id, Why.OVERLAP, days=3)

    seen = look(clients)

    assert seen.memory.key(key_id).notice == notice
    (read,) = calls.of("GetItem")
    assert read.params["Key"] == {"user_id": {"S": account.user_id("carol")}}
    assert read.params["ConsistentRead"] is True


def test_a_user_made_anew_under_an_old_name_is_remembered_by_nobody(
    account: Account, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    account.notice("carol", key_id, Why.OVERLAP, days=3)
    account.delete_user("carol")
    account.add_user("carol")

    seen = look(clients)

    assert (seen.memory.revision, seen.memory.keys) == (0, {})


@pytest.mark.parametrize(
    ("attribute", "value", "told"),
    [
        ("changed", {"S": "some day"}, "its memory cannot be read: changed"),
        ("schema", {"N": "2"}, "its memory was written by a newer version (schema 2"),
    ],
)
def test_a_memory_that_cannot_be_understood_is_said_and_nothing_is_taken_from_the_rest(
    *, account: Account, clients: Clients, attribute: str, value: Any, told: str
) -> None:
    account.add_carol()
    account.remember("carol", changed=TODAY)
    account.dynamodb.update_item(
        TableName=TABLE_NAME,
        Key={"user_id": {"S": account.user_id("carol")}},
        UpdateExpression="SET #attribute = :value",
        ExpressionAttributeNames={"#attribute": attribute},
        ExpressionAttributeValues={":value": value},
    )

    seen = look(clients)

    assert seen.keys == ()
    assert [each.startswith(told) for each in seen.unread] == [True]


# The secret.


def test_the_secret_is_looked_at_by_the_arn_that_memory_knows_and_never_by_its_name(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    account.store("carol", key_id)
    account.iam.update_user(UserName="carol", NewUserName="dana")

    secret = look(clients, "dana").the_secret

    assert secret is not None
    assert secret.holds(key_id)
    (asked,) = calls.of("DescribeSecret")
    assert asked.params == {"SecretId": account.memory("dana").secret_arn}


def test_a_secret_that_memory_does_not_know_is_none_and_costs_no_call(
    account: Account, calls: Calls, clients: Clients
) -> None:
    """Whoever may make secrets could make one of the user's name: it proves nothing."""
    _, key_id = account.add_carol()
    account.store("carol", key_id)
    account.lose_memory()

    assert look(clients).the_secret is None
    assert calls.of("DescribeSecret") == []


def test_a_secret_made_anew_under_its_name_is_not_the_one_that_is_remembered(
    account: Account, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    account.store("carol", key_id)
    name = account.secret_names()[0]
    account.secrets.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    account.secrets.create_secret(
        Name=name, ClientRequestToken=version_id(key_id), SecretString=account.value("carol", key_id)
    )

    assert look(clients).the_secret is None


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
    account.store("carol", key_id)
    newer = account.add_key("carol", age=0)
    account.secrets.put_secret_value(
        SecretId="access-keys/carol/credentials",
        ClientRequestToken=version_id(newer),
        SecretString="{}",
        VersionStages=["AWSPENDING"],
    )

    secret = look(clients).the_secret

    assert secret is not None
    assert secret.stages == {
        version_id(key_id): frozenset({"AWSCURRENT"}),
        version_id(newer): frozenset({"AWSPENDING"}),
    }
    assert (secret.holds(key_id), secret.holds(newer)) == (True, False)


@pytest.mark.parametrize(
    ("path", "outside"), [("/", "/apps/"), ("/apps/", "/apps/batch/"), ("/Apps/", "/apps/")]
)
def test_a_user_outside_the_path_is_told_and_not_looked_at(
    account: Account, calls: Calls, clients: Clients, path: str, outside: str
) -> None:
    account.add_user("carol", path=path)

    seen = observe("carol", clients.sources(path_prefix=outside))

    assert seen == User(name="carol", unread=(f"its path is {path}, and UserPathPrefix is {outside}",))
    assert calls.operations == ["GetUser", "GetItem"]


@pytest.mark.parametrize("prefix", ["/", "/apps/", "/apps/batch/"])
def test_a_user_below_the_path_is_looked_at(account: Account, clients: Clients, prefix: str) -> None:
    arn = account.add_user("carol", path="/apps/batch/")

    seen = observe("carol", clients.sources(path_prefix=prefix))

    assert seen == known(account, arn=arn)


# Only what is asked for.


def observer(clients: Clients, *names: str, path_prefix: str = "/") -> Observer:
    listed = listed_profiles(clients.iam, path_prefix=path_prefix, names=names)
    sources = clients.sources(path_prefix=path_prefix)
    return Observer(sources=sources, listed=listed, readings=sources.table.read_all())


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
    # The listing has told already.
    assert seen.exposed is None


def test_facts_that_are_looked_up_one_by_one_come_to_all_that_there_is(
    account: Account, calls: Calls, clients: Clients
) -> None:
    _, key_id = account.add_carol()
    account.add_key("carol", age=3)
    account.store("carol", key_id)
    eyes = observer(clients, "carol")
    seen = eyes.look("carol")
    calls.clear()

    for what in (STORE, *(key.id for key in seen.keys), ATTACHED):
        seen = eyes.look_up(seen, what)

    assert calls.operations == [
        "DescribeSecret",
        "GetAccessKeyLastUsed",
        "GetAccessKeyLastUsed",
        "ListAttachedUserPolicies",
    ]
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
    # What is remembered was read when the run began.
    assert calls.operations == ["GetUser", "ListAccessKeys"]


def test_the_listing_keeps_those_who_are_asked_for_and_are_below_the_path(
    account: Account, clients: Clients
) -> None:
    for name, path in (("in", "/apps/"), ("out", "/"), ("other", "/apps/")):
        account.add_user(name, path=path)

    assert set(listed_profiles(clients.iam, path_prefix="/apps/", names=("in", "out"))) == {"in"}


def test_a_look_before_acting_reads_memory_anew(account: Account, clients: Clients) -> None:
    _, key_id = account.add_carol()
    eyes = observer(clients, "carol")
    notice = account.notice("carol", key_id, Why.OVERLAP, days=3)

    assert eyes.glance("carol").memory.keys == {}
    assert eyes.look("carol").memory.key(key_id).notice == notice


def test_whoever_is_looked_at_alone_may_be_exposed_until_that_is_asked_for(
    account: Account, clients: Clients
) -> None:
    account.add_carol()
    seen = observer(clients).look("carol")

    with pytest.raises(NotLookedUp) as missing:
        _ = seen.exposed
    assert missing.value.what == ATTACHED


def test_a_quarantine_is_found_on_whatever_page_it_is(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.add_carol()
    eyes = observer(clients)
    seen = eyes.look("carol")

    def on_the_second(call: Call, answer: dict[str, Any]) -> None:
        last = "Marker" in call.params
        name = "AWSCompromisedKeyQuarantineV2" if last else "ReadOnlyAccess"
        policy = {"PolicyName": name, "PolicyArn": f"arn:aws:iam::aws:policy/{name}"}
        answer.update(AttachedPolicies=[policy], IsTruncated=not last, Marker="1")

    calls.change_answer("ListAttachedUserPolicies", on_the_second)

    assert eyes.look_up(seen, ATTACHED).exposed == "AWSCompromisedKeyQuarantineV2"


def test_of_whoever_cannot_be_read_memory_says_all_the_same_what_was_told(
    account: Account, calls: Calls, clients: Clients
) -> None:
    """In Audit notices are to be forgotten, of users who cannot be read too."""
    _, key_id = account.add_carol()
    notice = account.notice("carol", key_id, Why.OVERLAP, days=3)
    eyes = observer(clients)
    calls.refuse("GetUser", "AccessDenied")

    seen = eyes.look("carol")

    assert seen.keys == ()
    assert len(seen.unread) == 1
    assert seen.memory.key(key_id).notice == notice


FACTS = {"GetAccessKeyLastUsed": None, "DescribeSecret": STORE, "ListAttachedUserPolicies": ATTACHED}


@pytest.mark.parametrize("operation", FACTS)
def test_a_fact_that_cannot_be_looked_up_leaves_nothing_to_be_used(
    account: Account, calls: Calls, clients: Clients, operation: str
) -> None:
    _, key_id = account.add_carol()
    account.store("carol", key_id)
    eyes = observer(clients, "carol")
    seen = eyes.glance("carol")
    calls.refuse(operation, "AccessDenied")

    found = eyes.look_up(seen, FACTS[operation] or key_id)

    assert found.keys == ()
    assert [operation in told for told in found.unread] == [True]
