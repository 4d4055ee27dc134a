"""The secret of a user: ready before there is a key, its stages moved and never its value read."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from botocore.exceptions import ClientError
from keyrotation.act.secret_policy import secret_policy
from keyrotation.act.secret_store import ForeignPolicy, ForeignSecret, NewKey, SecretStore
from keyrotation.look.observe import observe
from keyrotation.look.secrets import describe
from keyrotation.model import User, version_id

from tests.component.account import NOW, ROTATOR_ROLE_ARN, Account
from tests.component.calls import Call, Calls
from tests.component.conftest import Clients

NAME = "access-keys/carol/credentials"
KMS_KEY = "arn:aws:kms:eu-central-1:123456789012:key/mine"
FIRST, SECOND = "AKIAFIRSTFIRSTFIRST1", "AKIASECONDSECONDSEC1"


@pytest.fixture
def carol(account: Account, clients: Clients) -> User:
    """As she is before she has a secret."""
    account.add_user("carol")
    return observe("carol", iam=clients.iam, secrets=clients.secretsmanager, path_prefix="/")


def new_key(key_id: str) -> NewKey:
    return NewKey(id=key_id, secret=f"secret of {key_id}", created=NOW)


def foreign(principal: str) -> str:
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": principal},
        "Action": "secretsmanager:*",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def test_a_new_secret_holds_a_placeholder_and_no_key(
    account: Account, calls: Calls, clients: Clients, carol: User
) -> None:
    calls.clear()
    clients.secrets.make_ready(carol)

    assert calls.operations == [
        "DescribeSecret",
        "CreateSecret",
        "PutResourcePolicy",
        "GetResourcePolicy",
        "DescribeSecret",
    ]
    value = account.current("carol")
    assert value["UserName"] == "carol"
    assert "AccessKeyId" not in value
    assert "SecretAccessKey" not in value


def test_the_policy_that_is_put_is_the_one_that_stands(
    account: Account, clients: Clients, carol: User
) -> None:
    clients.secrets.make_ready(carol)

    stands = account.secrets.get_resource_policy(SecretId=NAME)["ResourcePolicy"]
    assert json.loads(stands) == json.loads(
        secret_policy(user_arn=carol.arn, reader_arns=(), rotator_role_arn=ROTATOR_ROLE_ARN)
    )


def test_the_owner_alone_reads_and_the_rotator_alone_writes(
    account: Account, clients: Clients, carol: User
) -> None:
    clients.secrets.make_ready(carol)

    stands = json.loads(account.secrets.get_resource_policy(SecretId=NAME)["ResourcePolicy"])["Statement"]
    allows = [each for each in stands if each["Effect"] == "Allow"]
    denials = {
        action: each["Condition"]["StringNotEquals"]["aws:PrincipalArn"]
        for each in stands
        if each["Effect"] == "Deny"
        for action in (each["Action"] if isinstance(each["Action"], list) else [each["Action"]])
    }
    assert [each["Principal"] for each in allows] == [{"AWS": [carol.arn]}]
    assert {each["Principal"] for each in stands if each["Effect"] == "Deny"} == {"*"}
    assert denials.pop("secretsmanager:GetSecretValue") == [carol.arn]
    assert all(excepted == [ROTATOR_ROLE_ARN] for excepted in denials.values())
    writes = {"PutSecretValue", "UpdateSecretVersionStage", "ReplicateSecretToRegions", "PutResourcePolicy"}
    assert {f"secretsmanager:{write}" for write in writes} <= set(denials)


def test_a_policy_open_to_the_public_is_refused_by_aws_itself(
    calls: Calls, clients: Clients, carol: User
) -> None:
    clients.secrets.make_ready(carol)

    (put,) = calls.of("PutResourcePolicy")
    assert put.params["BlockPublicPolicy"] is True


@pytest.mark.usefixtures("carol")
def test_an_existing_secret_is_used_again_and_its_value_left_alone(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.store("carol", FIRST)
    before = account.stages("carol")
    calls.clear()

    clients.secrets.make_ready(
        observe("carol", iam=clients.iam, secrets=clients.secretsmanager, path_prefix="/")
    )

    assert calls.writes == ["PutResourcePolicy"]
    assert account.stages("carol") == before


def test_a_secret_made_by_somebody_else_in_between_is_used_and_gets_our_policy(
    account: Account, calls: Calls, clients: Clients, carol: User
) -> None:
    def make_it(call: Call) -> None:
        if call.operation == "CreateSecret" and not account.secret_names():
            account.store("carol", FIRST)
            account.secrets.put_resource_policy(SecretId=NAME, ResourcePolicy=foreign("*"))

    calls.clear()
    calls.meet(make_it)

    clients.secrets.make_ready(carol)

    assert calls.operations == [
        "DescribeSecret",
        "CreateSecret",
        "DescribeSecret",
        "PutResourcePolicy",
        "GetResourcePolicy",
        "DescribeSecret",
    ]
    stands = account.secrets.get_resource_policy(SecretId=NAME)["ResourcePolicy"]
    assert [each["Sid"] for each in json.loads(stands)["Statement"]] == [
        "OwnerReads",
        "NobodyElseReads",
        "OnlyTheRotatorWrites",
    ]


def test_a_secret_scheduled_for_deletion_is_restored(
    account: Account, calls: Calls, clients: Clients, carol: User
) -> None:
    account.store("carol", FIRST)
    account.delete_secret("carol")
    seen = observe("carol", iam=clients.iam, secrets=clients.secretsmanager, path_prefix="/")
    calls.clear()

    clients.secrets.make_ready(seen)

    assert calls.operations == [
        "DescribeSecret",
        "RestoreSecret",
        "PutResourcePolicy",
        "GetResourcePolicy",
        "DescribeSecret",
    ]
    restored = describe(clients.secretsmanager, NAME)
    assert restored is not None
    assert not restored.deleted
    assert carol.secret is None


@pytest.mark.parametrize("read_back", [foreign("arn:aws:iam::123456789012:user/mallory"), None])
def test_a_policy_that_is_not_ours_on_read_back_is_refused(
    calls: Calls, clients: Clients, carol: User, read_back: str | None
) -> None:
    def instead(_call: Call, answer: dict[str, Any]) -> None:
        answer.pop("ResourcePolicy")
        if read_back is not None:
            answer["ResourcePolicy"] = read_back

    calls.change_answer("GetResourcePolicy", instead)

    with pytest.raises(ForeignPolicy, match="access-keys/carol/credentials"):
        clients.secrets.make_ready(carol)


def test_a_policy_with_one_more_statement_is_not_ours(calls: Calls, clients: Clients, carol: User) -> None:
    def add(_call: Call, answer: dict[str, Any]) -> None:
        policy = json.loads(answer["ResourcePolicy"])
        policy["Statement"] += json.loads(foreign("*"))["Statement"]
        answer["ResourcePolicy"] = json.dumps(policy)

    calls.change_answer("GetResourcePolicy", add)

    with pytest.raises(ForeignPolicy):
        clients.secrets.make_ready(carol)


def test_the_same_policy_with_other_spacing_is_ours(calls: Calls, clients: Clients, carol: User) -> None:
    def respace(_call: Call, answer: dict[str, Any]) -> None:
        answer["ResourcePolicy"] = json.dumps(json.loads(answer["ResourcePolicy"]), indent=4, sort_keys=True)

    calls.change_answer("GetResourcePolicy", respace)

    clients.secrets.make_ready(carol)


def replicated(answer: dict[str, Any]) -> None:
    answer["ReplicationStatus"] = [{"Region": "eu-west-3"}, {"Region": "eu-north-1"}]


def copied_from_elsewhere(answer: dict[str, Any]) -> None:
    answer["PrimaryRegion"] = "us-east-1"


def rotated(answer: dict[str, Any]) -> None:
    answer |= {"RotationEnabled": True, "RotationLambdaARN": "arn:aws:lambda:::function:mine"}


def owned(answer: dict[str, Any]) -> None:
    answer["OwningService"] = "rds"


def typed(answer: dict[str, Any]) -> None:
    answer["Type"] = "PartnerApiKey"


def encrypted_by_somebody(answer: dict[str, Any]) -> None:
    answer["KmsKeyId"] = KMS_KEY.replace("123456789012", "210987654321")


SURPRISES = [
    (replicated, "it is copied to eu-north-1, eu-west-3"),
    (copied_from_elsewhere, "it is a copy of one in us-east-1"),
    (rotated, "it is rotated by arn:aws:lambda:::function:mine"),
    (owned, "it belongs to rds"),
    (typed, "it is of the type PartnerApiKey"),
    (encrypted_by_somebody, "is encrypted with arn:aws:kms:eu-central-1:210987654321:key/mine"),
]


@pytest.mark.parametrize(("surprise", "told"), SURPRISES)
@pytest.mark.usefixtures("carol")
def test_a_secret_squatted_beforehand_is_refused_by_what_is_wrong_with_it_and_not_touched(
    account: Account,
    calls: Calls,
    clients: Clients,
    surprise: Callable[[dict[str, Any]], None],
    told: str,
) -> None:
    account.store("carol", FIRST)
    seen = observe("carol", iam=clients.iam, secrets=clients.secretsmanager, path_prefix="/")
    calls.clear()
    calls.change_answer("DescribeSecret", lambda _call, answer: surprise(answer))

    with pytest.raises(ForeignSecret, match=f"{NAME}.*{told}.*(delete|update)-secret"):
        clients.secrets.make_ready(seen)

    assert calls.writes == []


@pytest.mark.parametrize(("surprise", "told"), SURPRISES)
def test_what_somebody_did_to_a_secret_before_our_policy_stood_is_seen_after_it(
    calls: Calls, clients: Clients, carol: User, surprise: Callable[[dict[str, Any]], None], told: str
) -> None:
    calls.clear()
    calls.change_answer("DescribeSecret", lambda _call, answer: surprise(answer))

    with pytest.raises(ForeignSecret, match=told):
        clients.secrets.make_ready(carol)

    # The first look found none: the surprise is in the answer to the second.
    assert calls.operations[-2:] == ["GetResourcePolicy", "DescribeSecret"]


def test_a_secret_under_the_key_that_aws_manages_is_no_surprise(
    calls: Calls, clients: Clients, carol: User
) -> None:
    def named(_call: Call, answer: dict[str, Any]) -> None:
        answer["KmsKeyId"] = "arn:aws:kms:eu-central-1:123456789012:alias/aws/secretsmanager"

    calls.change_answer("DescribeSecret", named)

    clients.secrets.make_ready(carol)


@pytest.fixture
def under_our_key(clients: Clients) -> SecretStore:
    return replace(clients.secrets, kms_key_arn=KMS_KEY)


def test_a_new_secret_is_encrypted_with_the_key_that_was_asked_for(
    account: Account, calls: Calls, under_our_key: SecretStore, carol: User
) -> None:
    calls.clear()
    under_our_key.make_ready(carol)

    assert account.secrets.describe_secret(SecretId=NAME)["KmsKeyId"] == KMS_KEY
    assert "UpdateSecret" not in calls.operations


@pytest.mark.usefixtures("carol")
def test_an_existing_secret_is_moved_to_that_key_by_its_key_alone_and_once(
    account: Account, calls: Calls, clients: Clients, under_our_key: SecretStore
) -> None:
    account.store("carol", FIRST)
    before = account.current("carol")
    for _ in range(2):
        under_our_key.make_ready(
            observe("carol", iam=clients.iam, secrets=clients.secretsmanager, path_prefix="/")
        )

    (update,) = calls.of("UpdateSecret")
    arn = account.secrets.describe_secret(SecretId=NAME)["ARN"]
    # botocore adds a token of its own, which names a version only if there is a value.
    given = {name: value for name, value in update.params.items() if name != "ClientRequestToken"}
    assert given == {"SecretId": arn, "KmsKeyId": KMS_KEY}
    assert account.secrets.describe_secret(SecretId=NAME)["KmsKeyId"] == KMS_KEY
    assert account.current("carol") == before


def test_a_key_that_aws_tells_by_its_id_alone_is_the_same_key(
    calls: Calls, under_our_key: SecretStore, carol: User
) -> None:
    def by_id(_call: Call, answer: dict[str, Any]) -> None:
        answer["KmsKeyId"] = "mine"

    calls.change_answer("DescribeSecret", by_id)
    under_our_key.make_ready(carol)

    assert "UpdateSecret" not in calls.operations


@pytest.mark.usefixtures("carol")
def test_a_secret_that_cannot_be_moved_to_that_key_is_not_ready(
    account: Account, calls: Calls, clients: Clients, under_our_key: SecretStore
) -> None:
    account.store("carol", FIRST)
    calls.refuse("UpdateSecret", "AccessDeniedException")

    with pytest.raises(ClientError, match="UpdateSecret"):
        under_our_key.make_ready(
            observe("carol", iam=clients.iam, secrets=clients.secretsmanager, path_prefix="/")
        )


def test_the_listed_readers_are_in_the_policy_that_is_put(
    account: Account, clients: Clients, carol: User
) -> None:
    reader = "arn:aws:iam::123456789012:role/reader"
    replace(clients.secrets, reader_arns=(reader,)).make_ready(carol)

    stands = account.secrets.get_resource_policy(SecretId=NAME)["ResourcePolicy"]
    assert json.loads(stands) == json.loads(
        secret_policy(user_arn=carol.arn, reader_arns=(reader,), rotator_role_arn=ROTATOR_ROLE_ARN)
    )


def test_what_comes_after_goes_by_the_arn_and_never_by_the_name(
    account: Account, calls: Calls, clients: Clients, carol: User
) -> None:
    ready = clients.secrets.make_ready(carol)
    assert ready.arn == account.secrets.describe_secret(SecretId=NAME)["ARN"]
    clients.secrets.stage(ready.arn, "carol", new_key(FIRST))
    clients.secrets.promote(ready, FIRST)

    after_creation = calls.made[calls.operations.index("CreateSecret") + 1 :]
    assert {call.params["SecretId"] for call in after_creation} == {ready.arn}


def test_a_key_is_stored_pending_under_the_token_of_its_id(
    account: Account, clients: Clients, carol: User
) -> None:
    ready = clients.secrets.make_ready(carol)
    (placeholder,) = account.stages("carol")

    clients.secrets.stage(ready.arn, "carol", new_key(FIRST))

    assert account.stages("carol") == {placeholder: {"AWSCURRENT"}, version_id(FIRST): {"AWSPENDING"}}
    assert "AccessKeyId" not in account.current("carol")


def test_storing_the_same_key_again_does_nothing(account: Account, clients: Clients, carol: User) -> None:
    ready = clients.secrets.make_ready(carol)
    clients.secrets.stage(ready.arn, "carol", new_key(FIRST))
    before = account.stages("carol")

    clients.secrets.stage(ready.arn, "carol", new_key(FIRST))

    assert account.stages("carol") == before


def test_promoting_moves_current_and_leaves_pending_beside_it_as_rotation_does(
    account: Account, clients: Clients, carol: User
) -> None:
    ready = clients.secrets.make_ready(carol)
    (placeholder,) = account.stages("carol")
    clients.secrets.stage(ready.arn, "carol", new_key(FIRST))

    clients.secrets.promote(ready, FIRST)

    assert account.stages("carol") == {
        placeholder: {"AWSPREVIOUS"},
        version_id(FIRST): {"AWSCURRENT", "AWSPENDING"},
    }


def test_the_next_replacement_takes_over_from_the_last_current_and_pending(
    account: Account, clients: Clients, carol: User
) -> None:
    for key_id in (FIRST, SECOND):
        ready = clients.secrets.make_ready(carol)
        clients.secrets.stage(ready.arn, "carol", new_key(key_id))
        clients.secrets.promote(ready, key_id)

    assert account.stages("carol") == {
        version_id(FIRST): {"AWSPREVIOUS"},
        version_id(SECOND): {"AWSCURRENT", "AWSPENDING"},
    }
    assert account.current("carol")["AccessKeyId"] == SECOND


def test_promoting_twice_changes_nothing_more(
    account: Account, calls: Calls, clients: Clients, carol: User
) -> None:
    ready = clients.secrets.make_ready(carol)
    clients.secrets.stage(ready.arn, "carol", new_key(FIRST))
    clients.secrets.promote(ready, FIRST)
    before = account.stages("carol")
    again = clients.secrets.make_ready(carol)
    calls.clear()

    clients.secrets.promote(again, FIRST)

    assert calls.operations == []
    assert account.stages("carol") == before


@pytest.mark.usefixtures("carol")
def test_a_secret_without_a_value_gets_a_placeholder_and_the_key_is_not_current_before_it_is_promoted(
    account: Account, clients: Clients
) -> None:
    # Somebody made it empty, and the first version of a secret becomes AWSCURRENT by itself.
    account.secrets.create_secret(Name=NAME)
    ready = clients.secrets.make_ready(
        observe("carol", iam=clients.iam, secrets=clients.secretsmanager, path_prefix="/")
    )
    clients.secrets.stage(ready.arn, "carol", new_key(FIRST))
    assert account.stages("carol")[version_id(FIRST)] == {"AWSPENDING"}

    clients.secrets.promote(ready, FIRST)

    assert account.stages("carol")[version_id(FIRST)] == {"AWSCURRENT", "AWSPENDING"}
    assert account.current("carol")["AccessKeyId"] == FIRST


def test_a_policy_that_is_read_back_too_early_is_read_again_with_bounded_patience(
    calls: Calls, clients: Clients, carol: User
) -> None:
    reads = 0

    def late(_call: Call, answer: dict[str, Any]) -> None:
        nonlocal reads
        reads += 1
        if reads == 1:
            del answer["ResourcePolicy"]

    calls.change_answer("GetResourcePolicy", late)

    clients.secrets.make_ready(carol)

    assert reads == 2
    assert sum(clients.waited_for_policy) <= 10


@pytest.mark.parametrize("length", [16, 20, 40])
def test_the_token_of_a_key_is_one_that_secrets_manager_takes(length: int) -> None:
    assert 32 <= len(version_id("A" * length)) <= 64


def test_describing_raises_what_is_not_an_answer(calls: Calls, clients: Clients) -> None:
    calls.refuse("DescribeSecret", "AccessDeniedException")

    with pytest.raises(ClientError):
        describe(clients.secretsmanager, NAME)


def test_the_value_is_never_read(calls: Calls, clients: Clients, carol: User) -> None:
    ready = clients.secrets.make_ready(carol)
    clients.secrets.stage(ready.arn, "carol", new_key(FIRST))
    clients.secrets.promote(ready, FIRST)

    assert "GetSecretValue" not in calls.operations


def test_a_new_key_does_not_show_its_secret_half() -> None:
    key = new_key(FIRST)

    for shown in (repr(key), str(key), f"{key}"):
        assert FIRST in shown
        assert key.secret not in shown
