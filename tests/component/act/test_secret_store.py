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
    return observe("carol", clients.sources())


@pytest.fixture
def stored(account: Account, carol: User) -> str:
    """The id of a key of hers, which an earlier replacement put into her secret. Memory knows both."""
    key_id = account.add_key(carol.name, age=80, used=1)
    account.store(carol.name, key_id)
    return key_id


def seen(clients: Clients, calls: Calls) -> User:
    """Carol, as the rotator sees her now."""
    user = observe("carol", clients.sources())
    calls.clear()
    return user


def arn_of(account: Account, name: str = NAME) -> str:
    return account.secrets.describe_secret(SecretId=name)["ARN"]


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
        secret_policy(user_arn=carol.arn, user_id=carol.id, reader_arns=(), rotator_role_arn=ROTATOR_ROLE_ARN)
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
        if each["Effect"] == "Deny" and "aws:PrincipalArn" in each["Condition"].get("StringNotEquals", {})
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


@pytest.mark.usefixtures("stored")
def test_an_existing_secret_is_used_again_and_its_value_left_alone(
    account: Account, calls: Calls, clients: Clients
) -> None:
    before = account.stages("carol")

    clients.secrets.make_ready(seen(clients, calls))

    assert calls.writes == ["PutResourcePolicy"]
    assert account.stages("carol") == before


@pytest.mark.usefixtures("stored")
def test_a_secret_that_memory_knows_is_found_by_its_arn_and_nothing_is_looked_for_by_name(
    account: Account, calls: Calls, clients: Clients
) -> None:
    clients.secrets.make_ready(seen(clients, calls))

    assert {call.params["SecretId"] for call in calls.made} == {arn_of(account)}


@pytest.mark.usefixtures("stored")
def test_the_secret_of_a_user_who_was_renamed_keeps_its_name(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.iam.update_user(UserName="carol", NewUserName="dana")
    dana = observe("dana", clients.sources())
    calls.clear()

    ready = clients.secrets.make_ready(dana)

    assert ready.arn == arn_of(account)
    assert account.secret_names() == [NAME]


@pytest.mark.usefixtures("stored")
def test_who_takes_the_name_of_a_renamed_user_does_not_get_that_users_secret(
    account: Account, calls: Calls, clients: Clients
) -> None:
    """It would be let in to a key that works. Of a user who is gone it gets the secret, whose keys are gone as well."""
    account.iam.update_user(UserName="carol", NewUserName="dana")
    account.add_user("carol")
    owner, newcomer = account.user_id("dana"), observe("carol", clients.sources())
    owners = account.table.read_all().owners(gone=())
    assert owners == {arn_of(account): owner}
    calls.clear()

    with pytest.raises(ForeignSecret, match=f"is another user's, whose id is {owner}"):
        replace(clients.secrets, owners=owners).make_ready(newcomer)
    assert calls.operations == ["DescribeSecret"]

    if_gone = account.table.read_all().owners(gone=(owner,))
    replace(clients.secrets, owners=if_gone).make_ready(newcomer)
    assert calls.writes == ["PutResourcePolicy"]


@pytest.mark.usefixtures("stored")
def test_a_secret_is_found_by_its_name_when_memory_is_lost(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.lose_memory()

    ready = clients.secrets.make_ready(seen(clients, calls))

    assert [call.params["SecretId"] for call in calls.of("DescribeSecret")] == [NAME, arn_of(account)]
    assert ready.arn == arn_of(account)
    assert calls.writes == ["PutResourcePolicy"]


@pytest.mark.usefixtures("stored")
def test_in_the_place_of_a_secret_that_is_gone_for_good_a_new_one_is_made(
    account: Account, calls: Calls, clients: Clients
) -> None:
    gone = arn_of(account)
    account.secrets.delete_secret(SecretId=NAME, ForceDeleteWithoutRecovery=True)

    ready = clients.secrets.make_ready(seen(clients, calls))

    assert [call.params["SecretId"] for call in calls.of("DescribeSecret")] == [gone, NAME, ready.arn]
    assert ready.arn == arn_of(account) != gone
    assert "AccessKeyId" not in account.current("carol")


@pytest.mark.usefixtures("stored")
def test_a_secret_that_somebody_else_made_anew_under_the_name_is_refused(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.secrets.delete_secret(SecretId=NAME, ForceDeleteWithoutRecovery=True)
    account.secrets.create_secret(Name=NAME, Description="mine", SecretString="mine")

    with pytest.raises(ForeignSecret, match="its description does not say that this system made it"):
        clients.secrets.make_ready(seen(clients, calls))

    assert calls.writes == []


def test_a_secret_made_by_another_rotator_in_between_is_used_and_gets_our_policy(
    account: Account, calls: Calls, clients: Clients, carol: User
) -> None:
    def make_it(call: Call) -> None:
        if call.operation == "CreateSecret" and not account.secret_names():
            account.add_placeholder("carol")
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
    assert json.loads(stands) == json.loads(
        secret_policy(user_arn=carol.arn, user_id=carol.id, reader_arns=(), rotator_role_arn=ROTATOR_ROLE_ARN)
    )


def test_a_secret_made_by_somebody_else_in_between_is_refused_and_not_touched(
    account: Account, calls: Calls, clients: Clients, carol: User
) -> None:
    def make_it(call: Call) -> None:
        if call.operation == "CreateSecret" and not account.secret_names():
            account.secrets.create_secret(Name=NAME, SecretString="mine")

    calls.clear()
    calls.meet(make_it)

    with pytest.raises(ForeignSecret, match="its description"):
        clients.secrets.make_ready(carol)

    assert calls.operations == ["DescribeSecret", "CreateSecret", "DescribeSecret"]


@pytest.mark.usefixtures("stored")
def test_a_secret_scheduled_for_deletion_is_restored(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.delete_secret("carol")

    clients.secrets.make_ready(seen(clients, calls))

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


@pytest.mark.usefixtures("stored")
def test_a_foreign_secret_that_is_scheduled_for_deletion_stays_so(
    account: Account, calls: Calls, clients: Clients
) -> None:
    account.secrets.update_secret(SecretId=NAME, Description="mine")
    account.delete_secret("carol")

    with pytest.raises(ForeignSecret):
        clients.secrets.make_ready(seen(clients, calls))

    assert calls.writes == []


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


def described_otherwise(answer: dict[str, Any]) -> None:
    answer["Description"] = "written by access-key-rotation, and by me"


def without_a_description(answer: dict[str, Any]) -> None:
    answer.pop("Description", None)


def with_a_stage_of_others(answer: dict[str, Any]) -> None:
    answer["VersionIdsToStages"] = {"v1": ["AWSCURRENT", "mine"], "v2": ["AWSPREVIOUS", "AWSPENDING"]}


def encrypted_by_somebody(answer: dict[str, Any]) -> None:
    answer["KmsKeyId"] = KMS_KEY.replace("123456789012", "210987654321")


SURPRISES = [
    (replicated, "it is copied to eu-north-1, eu-west-3"),
    (copied_from_elsewhere, "it is a copy of one in us-east-1"),
    (rotated, "it is rotated by arn:aws:lambda:::function:mine"),
    (owned, "it belongs to rds"),
    (typed, "it is of the type PartnerApiKey"),
    (described_otherwise, "its description does not say that this system made it"),
    (without_a_description, "its description does not say that this system made it"),
    (with_a_stage_of_others, "a version of it bears mine, which this system never sets"),
    (encrypted_by_somebody, "is encrypted with arn:aws:kms:eu-central-1:210987654321:key/mine"),
]


@pytest.mark.parametrize(("surprise", "told"), SURPRISES)
@pytest.mark.usefixtures("stored")
def test_a_secret_that_is_not_as_ours_are_is_refused_by_what_is_wrong_with_it_and_not_touched(
    calls: Calls, clients: Clients, surprise: Callable[[dict[str, Any]], None], told: str
) -> None:
    user = seen(clients, calls)
    calls.change_answer("DescribeSecret", lambda _call, answer: surprise(answer))

    with pytest.raises(ForeignSecret, match=f"{NAME}.*{told}.*(undo it|update-secret)"):
        clients.secrets.make_ready(user)

    assert calls.writes == []


@pytest.mark.usefixtures("stored")
def test_a_secret_with_the_stages_of_a_replacement_is_ours(calls: Calls, clients: Clients) -> None:
    def staged(_call: Call, answer: dict[str, Any]) -> None:
        answer["VersionIdsToStages"] = {"v1": ["AWSCURRENT", "AWSPENDING"], "v2": ["AWSPREVIOUS"]}

    user = seen(clients, calls)
    calls.change_answer("DescribeSecret", staged)

    assert clients.secrets.make_ready(user).current == "v1"


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


@pytest.mark.usefixtures("stored")
def test_an_existing_secret_is_moved_to_that_key_by_its_key_alone_and_once(
    account: Account, calls: Calls, clients: Clients, under_our_key: SecretStore
) -> None:
    before = account.current("carol")
    for _ in range(2):
        under_our_key.make_ready(observe("carol", clients.sources()))

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


@pytest.mark.usefixtures("stored")
def test_a_secret_that_cannot_be_moved_to_that_key_is_not_ready(
    calls: Calls, clients: Clients, under_our_key: SecretStore
) -> None:
    user = seen(clients, calls)
    calls.refuse("UpdateSecret", "AccessDeniedException")

    with pytest.raises(ClientError, match="UpdateSecret"):
        under_our_key.make_ready(user)


def test_the_listed_readers_are_in_the_policy_that_is_put(
    account: Account, clients: Clients, carol: User
) -> None:
    reader = "arn:aws:iam::123456789012:role/reader"
    replace(clients.secrets, reader_arns=(reader,)).make_ready(carol)

    stands = account.secrets.get_resource_policy(SecretId=NAME)["ResourcePolicy"]
    assert json.loads(stands) == json.loads(
        secret_policy(
            user_arn=carol.arn, user_id=carol.id, reader_arns=(reader,), rotator_role_arn=ROTATOR_ROLE_ARN
        )
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
    account.secrets.create_secret(Name=NAME, Description="x, written by access-key-rotation")
    ready = clients.secrets.make_ready(observe("carol", clients.sources()))
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
