"""A replacement (docs/design.md section 6): the order of its effects, and what each failure leaves behind."""

import json
import traceback
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ParamValidationError
from keyrotation.act.apply import Outcome
from keyrotation.act.ledger import Ledger
from keyrotation.act.replacement import CREATE_DELAYS, Issuer, ReplacementFailed
from keyrotation.decide import tags as tag
from keyrotation.look.observe import observe
from keyrotation.memory import KeyMemory, Memory, Pending, Vanished
from keyrotation.model import User, version_id

from tests.component.account import NOW, REGION, RUN_ID, TODAY, Account
from tests.component.calls import Call, Calls, error_answer, unanswered
from tests.component.conftest import ONCE, Clients
from tests.component.replacing import HAPPY_PATH, NOTICE, PATIENCE, Replacement

SECRET = "access-keys/carol/credentials"
# By their places in HAPPY_PATH: `UpdateItem` says `pending` first, and `issued` last.
PENDING, CREATED = HAPPY_PATH.index("UpdateItem"), HAPPY_PATH.index("CreateAccessKey")


def pending_with(*key_ids: str) -> Pending:
    return Pending(since=NOW, region=REGION, run_id=RUN_ID, key_ids=key_ids)


def ledger_for(user: User, clients: Clients) -> Ledger:
    return Ledger(table=clients.table, run_id=RUN_ID, user_name=user.name, memory=user.memory)


def at_write(number: int, calls: Calls, fault: Any) -> Any:
    """This fault at the so manieth write to the table alone: 1 is `pending`, 2 the end of it."""

    def strike(call: Call) -> Any:
        meant = call.operation == "UpdateItem" and len(calls.of("UpdateItem")) == number
        return fault(call) if meant else None

    return strike


def refused(call: Call) -> Any:
    return error_answer(call, "AccessDeniedException", 400, "said no")


def test_the_effects_come_in_the_order_that_survives_a_crash(replacement: Replacement, calls: Calls) -> None:
    outcome = replacement.run()

    assert outcome.failure is None
    assert calls.operations == HAPPY_PATH
    assert calls.sent == HAPPY_PATH
    stages = [call.params["VersionStage"] for call in calls.of("UpdateSecretVersionStage")]
    assert stages == ["AWSCURRENT"]


def test_the_new_key_works_and_its_owner_finds_it_in_the_secret(
    account: Account, replacement: Replacement
) -> None:
    outcome = replacement.run()

    new = replacement.new
    value = account.current("carol")
    assert set(value) == {"Version", "UserName", "AccessKeyId", "SecretAccessKey", "CreateDate"}
    # So it is a valid answer of a `credential_process` as it stands.
    assert value["Version"] == 1
    assert (value["UserName"], value["AccessKeyId"], value["CreateDate"]) == ("carol", new, NOW.isoformat())
    assert account.current_works("carol")
    assert outcome.done[0].issued is not None
    assert (outcome.done[0].issued.key_id, outcome.done[0].issued.secret_name) == (new, SECRET)


def test_the_old_key_stays_on_and_nothing_is_left_over(account: Account, replacement: Replacement) -> None:
    replacement.run()

    assert account.keys("carol") == {replacement.old: "Active", replacement.new: "Active"}
    assert account.tags("carol") == {}
    # As Secrets Manager's own rotation leaves it: whoever waits for AWSPENDING finds the key that is current.
    pending = [key for key, stages in account.stages("carol").items() if "AWSPENDING" in stages]
    assert pending == [version_id(replacement.new)]
    assert "AWSCURRENT" in account.stages("carol")[version_id(replacement.new)]


def memories_at(replacement: Replacement, account: Account, calls: Calls) -> list[tuple[str, Memory]]:
    """What is remembered when each call of a replacement is made."""
    memories: list[tuple[str, Memory]] = []

    def look(call: Call) -> None:
        memories.append((call.operation, account.memory("carol")))

    user = replacement.seen()
    calls.meet(look)
    assert replacement.run(user).failure is None
    return memories


def test_pending_says_when_where_which_run_and_which_keys_there_were_before_a_key_is_made(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    at = dict(memories_at(replacement, account, calls))

    assert at["CreateAccessKey"].pending == pending_with(replacement.old)
    assert at["CreateAccessKey"].secret_arn == account.secrets.describe_secret(SecretId=SECRET)["ARN"]
    assert at["CreateAccessKey"].policy_arn == replacement.arn


def test_pending_stays_until_the_key_is_current_and_ends_in_the_write_that_says_issued(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    account.remember("carol", vanished=Vanished(key_id="AKIAGONEGONEGONEGONE", on=TODAY))
    memories = memories_at(replacement, account, calls)

    until = [memory.pending is not None for _, memory in memories]
    assert until == [False] * (PENDING + 1) + [True] * (len(HAPPY_PATH) - PENDING - 1)
    assert [len(memory.keys) for _, memory in memories] == [0] * len(HAPPY_PATH)
    memory = account.memory("carol")
    issued = KeyMemory(issued_on=TODAY, secret_arn=memory.secret_arn)
    assert (memory.pending, memory.keys, memory.changed) == (None, {replacement.new: issued}, TODAY)
    assert (memory.name, memory.vanished) == ("carol", None)


def test_the_notice_of_the_old_key_waits_until_it_is_told(account: Account, replacement: Replacement) -> None:
    outcome = replacement.run()

    assert outcome.to_give == ((replacement.old, NOTICE),)
    assert account.memory("carol").key(replacement.old).notice is None


def test_no_tag_is_ever_written_to_the_user(account: Account, replacement: Replacement, calls: Calls) -> None:
    account.tag("carol", replace="laptop lost")

    replacement.run()

    assert [each for each in calls.operations if each.startswith(("Tag", "Untag"))] == ["UntagUser"]


def test_the_key_is_promoted_only_after_it_has_proved_itself(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    tries = 0

    def refuse_three_times(call: Call) -> Any:
        nonlocal tries
        if call.operation != "GetCallerIdentity":
            return None
        tries += 1
        assert account.stages("carol")[version_id(replacement.new)] == {"AWSPENDING"}
        return error_answer(call, "InvalidClientTokenId", 403, "not yet") if tries <= 3 else None

    calls.meet(refuse_three_times)

    assert replacement.run().failure is None
    assert calls.operations.count("GetCallerIdentity") == 4
    assert len(clients.slept) >= 3
    assert account.current("carol")["AccessKeyId"] == replacement.new


def test_the_tag_that_asked_for_it_goes_once_the_key_can_be_fetched_and_before_pending(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    account.iam.tag_user(
        UserName="carol", Tags=[{"Key": tag.REPLACE, "Value": "laptop lost"}, {"Key": "cost", "Value": "7"}]
    )
    replacement.run()

    assert account.tags("carol") == {"cost": "7"}
    (untag,) = calls.of("UntagUser")
    assert untag.params == {"UserName": "carol", "TagKeys": [tag.REPLACE]}
    assert calls.operations == [*HAPPY_PATH[:-1], "UntagUser", "UpdateItem"]


def test_a_tag_that_cannot_be_removed_is_told_beside_the_new_key_and_stays_pending_so_that_it_is_not_heard_twice(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    account.tag("carol", replace="laptop lost")
    calls.refuse("UntagUser", "AccessDenied")

    outcome = replacement.run()

    assert outcome.done[0].issued is not None
    assert "the key was replaced, but the tag that asked for it could not be removed (UntagUser: A" in str(
        outcome.failure
    )
    assert replacement.pending is not None
    assert account.memory("carol").key(replacement.new).issued_on == TODAY
    assert account.current("carol")["AccessKeyId"] == replacement.new


def test_an_existing_secret_is_used_again(account: Account, replacement: Replacement, calls: Calls) -> None:
    account.store("carol", replacement.old)

    assert replacement.run().failure is None
    assert "CreateSecret" not in calls.operations
    stages = account.stages("carol")
    assert stages == {
        version_id(replacement.old): {"AWSPREVIOUS"},
        version_id(replacement.new): {"AWSCURRENT", "AWSPENDING"},
    }


def test_a_secret_scheduled_for_deletion_is_restored(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    account.store("carol", replacement.old)
    account.delete_secret("carol")

    assert replacement.run().failure is None
    assert calls.writes[0] == "RestoreSecret"
    assert account.current("carol")["AccessKeyId"] == replacement.new


def test_a_user_without_any_key_gets_one(account: Account, clients: Clients) -> None:
    account.add_user("bob")
    user = observe("bob", clients.sources())
    ledger = ledger_for(user, clients)

    issued = clients.issuer().issue(user, pending_with(), ledger)

    assert list(account.keys("bob")) == [issued.key_id]
    assert account.memory("bob").pending == pending_with()
    assert ledger.memory == account.memory("bob")


def test_an_odd_name_gets_its_key(account: Account, clients: Clients) -> None:
    name = "data+etl,nightly@corp"
    account.add_user(name, path="/team/etl/")
    user = observe(name, clients.sources())

    issued = clients.issuer().issue(user, pending_with(), ledger_for(user, clients))

    assert issued.secret_name == "access-keys/data+etl/comma/nightly@corp/credentials"
    assert account.current(name)["AccessKeyId"] == issued.key_id
    assert account.current(name)["UserName"] == name


def test_a_renamed_user_gets_the_key_in_the_secret_that_memory_knows(
    account: Account, replacement: Replacement, clients: Clients, calls: Calls
) -> None:
    account.store("carol", replacement.old)
    account.iam.update_user(UserName="carol", NewUserName="dana")
    user = observe("dana", clients.sources())
    calls.clear()

    issued = clients.issuer().issue(user, pending_with(replacement.old), ledger_for(user, clients))

    assert account.secret_names() == [SECRET]
    assert issued.secret_name == SECRET
    assert account.current("carol") == {
        **account.current("carol"),
        "UserName": "dana",
        "AccessKeyId": issued.key_id,
    }
    (put,) = calls.of("PutResourcePolicy")
    assert user.arn in put.params["ResourcePolicy"]
    assert replacement.arn not in put.params["ResourcePolicy"]
    assert account.memory("dana").policy_arn == user.arn


# What goes wrong before there is a key: nothing was made, and nothing is left to settle.


def assert_no_key_was_made(
    account: Account, replacement: Replacement, outcome: Outcome, calls: Calls
) -> None:
    assert outcome.done == ()
    assert outcome.failure is not None
    assert "no key was made" in outcome.failure
    assert account.keys("carol") == {replacement.old: "Active"}
    assert replacement.pending is None
    assert "CreateAccessKey" not in calls.sent


@pytest.mark.parametrize("status", [403, 500])
@pytest.mark.parametrize("operation", HAPPY_PATH[:5])
def test_no_key_is_made_when_what_must_come_before_it_is_refused(
    *, account: Account, replacement: Replacement, calls: Calls, operation: str, status: int
) -> None:
    seen = replacement.seen()
    calls.refuse(operation, "AccessDenied", status=status)

    outcome = replacement.run(seen)

    assert_no_key_was_made(account, replacement, outcome, calls)
    assert f"{operation}: AccessDenied, {operation} said no" in str(outcome.failure)


@pytest.mark.parametrize("operation", HAPPY_PATH[:5])
def test_no_key_is_made_when_what_must_come_before_it_gets_no_answer(
    account: Account, replacement: Replacement, calls: Calls, operation: str
) -> None:
    seen = replacement.seen()
    calls.break_connection(operation)

    outcome = replacement.run(seen)

    assert_no_key_was_made(account, replacement, outcome, calls)
    assert "EndpointConnectionError" in str(outcome.failure)


def test_no_key_is_made_when_the_secret_cannot_be_restored(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    account.store("carol", replacement.old)
    account.delete_secret("carol")
    calls.refuse("RestoreSecret", "AccessDeniedException")

    assert_no_key_was_made(account, replacement, replacement.run(), calls)


def test_no_key_is_made_when_the_policy_on_read_back_is_somebody_elses(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    def foreign(_call: Call, answer: dict[str, Any]) -> None:
        answer["ResourcePolicy"] = json.dumps({"Version": "2012-10-17", "Statement": []})

    calls.change_answer("GetResourcePolicy", foreign)

    outcome = replacement.run()

    assert_no_key_was_made(account, replacement, outcome, calls)
    assert "UpdateItem" not in calls.operations
    arn = account.secrets.describe_secret(SecretId=SECRET)["ARN"]
    assert f"the resource policy of {arn} is not the one that was put" in str(outcome.failure)


def test_no_key_is_made_when_a_listed_reader_does_not_exist(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    """AWS refuses a policy that names a principal which is not there: a mistyped reader stops, and lets nobody in."""
    calls.refuse("PutResourcePolicy", "MalformedPolicyDocumentException", status=400)

    outcome = replacement.run()

    assert_no_key_was_made(account, replacement, outcome, calls)
    assert "PutResourcePolicy: MalformedPolicyDocumentException" in str(outcome.failure)


def test_no_key_is_made_when_somebody_has_the_secret_copied(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    def copied(_call: Call, answer: dict[str, Any]) -> None:
        answer["ReplicationStatus"] = [{"Region": "eu-north-1", "Status": "InSync"}]

    calls.change_answer("DescribeSecret", copied)

    outcome = replacement.run()

    assert_no_key_was_made(account, replacement, outcome, calls)
    assert f"the secret {SECRET} is not as this system makes them: it is copied to eu-north-1" in str(
        outcome.failure
    )
    assert "Find out who did that, and undo it" in str(outcome.failure)


def test_a_secret_that_somebody_made_anew_under_the_same_name_gets_nothing(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    """Between the read-back and the store: who may delete and create secrets would get one without our policy."""
    account.store("carol", replacement.old)

    def squat(call: Call) -> None:
        if call.operation == "PutSecretValue":
            account.secrets.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)
            # Even with a version that looks like the new key's, from whoever reads CloudTrail fast enough.
            token = call.params["ClientRequestToken"]
            account.secrets.create_secret(Name=SECRET, SecretString="mine", ClientRequestToken=token)

    calls.meet(squat)

    outcome = replacement.run()

    assert "rolled back" in str(outcome.failure)
    assert "PutSecretValue: ResourceNotFoundException" in str(outcome.failure)
    found = account.secrets.describe_secret(SecretId=SECRET)
    assert [stages for stages in found["VersionIdsToStages"].values() if stages] == [["AWSCURRENT"]]
    assert account.secrets.get_secret_value(SecretId=SECRET)["SecretString"] == "mine"
    assert account.keys("carol") == {replacement.old: "Active"}
    assert replacement.pending is None


def test_what_a_failure_leaves_is_used_by_the_next_attempt(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    calls.refuse("UpdateItem", "AccessDeniedException", status=400)
    assert replacement.run().failure is not None
    calls.clear()

    assert replacement.run().failure is None
    assert account.current("carol")["AccessKeyId"] == replacement.new


@pytest.mark.parametrize("known", [False, True], ids=["never remembered before", "remembered before"])
def test_no_key_is_made_when_memory_was_changed_after_it_was_read(
    *, account: Account, replacement: Replacement, calls: Calls, known: bool
) -> None:
    """Two rotators on one user: whose write comes second has read what is true no more."""
    if known:
        account.remember("carol", told={"old-tags": TODAY})
    user = replacement.seen()
    calls.meet(at_write(1, calls, lambda _: account.remember("carol", pending=pending_with("THEIRS"))))

    outcome = replacement.run(user)

    assert "no key was made (its memory was changed by somebody else" in str(outcome.failure)
    assert outcome.done == ()
    assert "CreateAccessKey" not in calls.sent
    assert account.keys("carol") == {replacement.old: "Active"}
    assert replacement.pending == pending_with("THEIRS")
    assert len(calls.of("UpdateItem")) == 1


def test_of_two_rotators_who_saw_the_same_one_makes_a_key(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    user = replacement.seen()

    first, second = replacement.run(user), replacement.run(user)

    assert first.failure is None
    assert "no key was made (its memory was changed by somebody else" in str(second.failure)
    assert account.keys("carol") == {replacement.old: "Active", replacement.new: "Active"}
    assert account.current("carol")["AccessKeyId"] == replacement.new
    assert "CreateAccessKey" not in calls.operations


def test_a_lost_answer_to_pending_makes_no_key_and_leaves_what_the_next_run_settles(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    calls.lose_answer("UpdateItem")

    outcome = replacement.run()

    assert outcome.failure == "no key was made (ReadTimeoutError)"
    assert account.keys("carol") == {replacement.old: "Active"}
    assert replacement.pending == pending_with(replacement.old)
    assert "CreateAccessKey" not in calls.sent


def test_a_pending_that_could_not_be_written_is_not_written_a_moment_later(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    calls.meet(at_write(1, calls, refused))

    assert_no_key_was_made(account, replacement, replacement.run(), calls)
    assert len(calls.of("UpdateItem")) == 1


# What goes wrong when the key is made.


@pytest.mark.parametrize(
    ("code", "status"),
    [("AccessDenied", 403), ("LimitExceeded", 409), ("NoSuchEntity", 404), ("Throttling", 400)],
)
def test_a_refused_creation_is_known_to_have_made_nothing(
    *, account: Account, replacement: Replacement, calls: Calls, code: str, status: int
) -> None:
    calls.refuse("CreateAccessKey", code, status=status)

    outcome = replacement.run()

    assert outcome.done == ()
    assert f"no key was made (CreateAccessKey: {code}" in str(outcome.failure)
    assert account.keys("carol") == {replacement.old: "Active"}
    assert replacement.pending is None


@pytest.mark.parametrize("times", [1, 4])
def test_a_slot_that_iam_still_counts_as_taken_is_waited_for(
    account: Account, replacement: Replacement, calls: Calls, times: int
) -> None:
    """The key in it was deleted a moment ago, by the same run."""

    def still_counted(call: Call) -> Any:
        tried = call.operation == "CreateAccessKey" and len(calls.of("CreateAccessKey"))
        return error_answer(call, "LimitExceeded", 409, "said no") if tried and tried <= times else None

    calls.meet(still_counted)

    outcome = replacement.run()

    assert outcome.failure is None
    assert len(account.keys("carol")) == 2
    assert len(calls.of("CreateAccessKey")) == times + 1


def test_the_real_limit_of_two_keys_is_known_to_have_made_nothing(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    seen = replacement.seen()
    by_hand = account.add_key("carol", age=0)

    outcome = replacement.run(seen)

    assert len(calls.of("CreateAccessKey")) == len(CREATE_DELAYS) + 1
    assert "no key was made (CreateAccessKey: LimitExceeded" in str(outcome.failure)
    assert account.keys("carol") == {replacement.old: "Active", by_hand: "Active"}
    assert replacement.pending is None


def test_a_refused_creation_tells_of_a_pending_that_could_not_be_removed(
    replacement: Replacement, calls: Calls
) -> None:
    calls.refuse("CreateAccessKey", "AccessDenied")
    calls.meet(at_write(2, calls, refused))

    told = str(replacement.run().failure)

    assert "CreateAccessKey: AccessDenied" in told
    assert "that a replacement had begun could not be forgotten (UpdateItem: AccessDeniedException" in told
    assert replacement.pending is not None


@pytest.mark.parametrize("status", [500, 503])
def test_a_creation_that_aws_stumbled_over_is_left_for_the_next_run(
    account: Account, replacement: Replacement, calls: Calls, status: int
) -> None:
    calls.refuse("CreateAccessKey", "ServiceFailure", status=status)

    outcome = replacement.run()

    assert outcome.done == ()
    assert "nobody knows whether a key was made (CreateAccessKey: ServiceFailure" in str(outcome.failure)
    assert account.keys("carol")[replacement.old] == "Active"
    assert replacement.pending == pending_with(replacement.old)


def test_a_creation_whose_answer_is_lost_is_sent_exactly_once_and_left_for_the_next_run(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    calls.lose_answer("CreateAccessKey")

    outcome = replacement.run()

    assert calls.sent.count("CreateAccessKey") == 1
    assert "nobody knows whether a key was made (ReadTimeoutError)" in str(outcome.failure)
    assert account.keys("carol") == {replacement.old: "Active", replacement.new: "Active"}
    assert replacement.pending == pending_with(replacement.old)
    assert calls.operations[-2:] == ["CreateAccessKey", "GetUser"]


def test_creation_goes_through_the_client_that_never_retries(
    *,
    account: Account,
    calls: Calls,
    clients: Clients,
    replacement: Replacement,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("time.sleep", lambda _seconds: None)
    retrying = boto3.client("iam", config=Config(retries={"mode": "standard", "total_max_attempts": 3}))
    once = boto3.client("iam", config=ONCE)
    issuer = Issuer(
        iam=retrying,
        iam_once=once,
        secrets=clients.secrets,
        sts_for=clients.sts_for,
        sleep=clients.slept.append,
    )
    user = replacement.seen()
    calls.lose_answer("CreateAccessKey")

    with pytest.raises(ReplacementFailed, match="nobody knows"):
        issuer.issue(user, pending_with(replacement.old), ledger_for(user, clients))

    assert calls.sent.count("CreateAccessKey") == 1
    assert len(account.keys("carol")) == 2
    retrying.close()
    once.close()


# What goes wrong while the key is handed over: looked at before anything is undone.


def assert_rolled_back(account: Account, replacement: Replacement, outcome: Outcome, calls: Calls) -> None:
    assert outcome.done == ()
    (deleted,) = calls.of("DeleteAccessKey")
    assert f"rolled back: the new key {deleted.params['AccessKeyId']} was deleted" in str(outcome.failure)
    assert deleted.params["AccessKeyId"] != replacement.old
    assert account.keys("carol") == {replacement.old: "Active"}
    assert replacement.pending is None
    assert "AccessKeyId" not in account.current("carol")


HANDING_OVER: list[tuple[str, dict[str, str]]] = [
    ("PutSecretValue", {}),
    ("UpdateSecretVersionStage", {"VersionStage": "AWSCURRENT"}),
]


@pytest.mark.parametrize("status", [403, 500])
@pytest.mark.parametrize(("operation", "where"), HANDING_OVER)
def test_a_key_that_cannot_be_handed_over_is_deleted_again(
    *,
    account: Account,
    replacement: Replacement,
    calls: Calls,
    operation: str,
    where: dict[str, str],
    status: int,
) -> None:
    calls.refuse(operation, "AccessDenied", status=status, **where)

    outcome = replacement.run()

    assert_rolled_back(account, replacement, outcome, calls)
    assert f"({operation}: AccessDenied" in str(outcome.failure)


@pytest.mark.parametrize(("operation", "where"), HANDING_OVER)
def test_a_key_whose_hand_over_does_not_reach_aws_is_deleted_again(
    *, account: Account, replacement: Replacement, calls: Calls, operation: str, where: dict[str, str]
) -> None:
    calls.break_connection(operation, **where)

    outcome = replacement.run()

    assert_rolled_back(account, replacement, outcome, calls)
    assert "EndpointConnectionError" in str(outcome.failure)


def test_a_key_stored_though_nobody_heard_of_it_is_known_not_to_be_current_and_deleted(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    calls.lose_answer("PutSecretValue")

    assert_rolled_back(account, replacement, replacement.run(), calls)


def test_the_secret_is_looked_at_before_the_key_is_deleted_and_pending_goes_last(
    replacement: Replacement, calls: Calls
) -> None:
    calls.refuse("PutSecretValue", "AccessDeniedException")

    replacement.run()

    assert calls.operations[CREATED + 1 :] == [
        "PutSecretValue",
        "DescribeSecret",
        "DeleteAccessKey",
        "UpdateItem",
        "GetUser",
    ]


def test_a_key_that_never_authenticates_is_rolled_back_after_bounded_patience(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    calls.refuse("GetCallerIdentity", "InvalidClientTokenId")

    outcome = replacement.run()

    assert_rolled_back(account, replacement, outcome, calls)
    assert "did not work within" in str(outcome.failure)
    assert "InvalidClientTokenId" in str(outcome.failure)
    assert 30 <= sum(clients.slept) <= PATIENCE
    assert len(clients.slept) == calls.operations.count("GetCallerIdentity")
    assert "UpdateSecretVersionStage" not in calls.operations


def test_a_proof_that_gets_no_answer_is_rolled_back_as_well(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    calls.break_connection("GetCallerIdentity")

    assert_rolled_back(account, replacement, replacement.run(), calls)
    assert sum(clients.slept) <= PATIENCE


def test_a_key_that_turns_out_to_be_somebody_elses_is_rolled_back(
    account: Account, replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    stranger = "arn:aws:iam::123456789012:user/stranger"
    calls.change_answer("GetCallerIdentity", lambda _call, answer: answer.update(Arn=stranger))

    outcome = replacement.run()

    assert_rolled_back(account, replacement, outcome, calls)
    assert f"belongs to {stranger}" in str(outcome.failure)
    assert len(clients.slept) == 1


def test_a_lost_answer_to_the_promotion_is_a_success(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    calls.lose_answer("UpdateSecretVersionStage", VersionStage="AWSCURRENT")

    outcome = replacement.run()

    assert outcome.failure is None
    assert outcome.done[0].issued is not None
    assert outcome.done[0].issued.key_id == replacement.new
    assert account.current("carol")["AccessKeyId"] == replacement.new
    assert account.keys("carol") == {replacement.old: "Active", replacement.new: "Active"}
    assert replacement.pending is None
    assert "DeleteAccessKey" not in calls.operations


@pytest.mark.parametrize("operation", ["PutSecretValue", "GetCallerIdentity", "UpdateSecretVersionStage"])
def test_a_key_of_which_nobody_can_say_whether_it_is_current_is_left_with_pending(
    account: Account, replacement: Replacement, calls: Calls, operation: str
) -> None:
    calls.lose_answer(operation)
    failed = False

    def blind_from_then_on(call: Call) -> Any:
        nonlocal failed
        if call.operation == "DescribeSecret" and failed:
            return error_answer(call, "InternalServiceError", 500, "is out")
        failed = failed or call.operation == operation
        return None

    calls.meet(blind_from_then_on)

    outcome = replacement.run()

    assert outcome.done == ()
    assert f"the new key {replacement.new} may be stored or not" in str(outcome.failure)
    assert "DescribeSecret: InternalServiceError" in str(outcome.failure)
    assert account.keys("carol") == {replacement.old: "Active", replacement.new: "Active"}
    assert replacement.pending == pending_with(replacement.old)
    assert "DeleteAccessKey" not in calls.operations


def test_a_secret_that_a_person_deletes_underneath_never_names_a_dead_key_as_current(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    def delete_it(call: Call) -> Any:
        if call.operation != "UpdateSecretVersionStage":
            return None
        account.delete_secret("carol")
        return error_answer(call, "InvalidRequestException", 400, "the secret was marked for deletion")

    calls.meet(delete_it)

    outcome = replacement.run()

    assert "rolled back" in str(outcome.failure)
    assert account.keys("carol") == {replacement.old: "Active"}
    assert replacement.pending is None
    assert version_id(replacement.old) not in account.stages("carol")


def test_a_secret_that_is_scheduled_for_deletion_with_the_new_key_current_does_not_cost_that_key(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    """It can be restored; a deleted key cannot."""

    def delete_it(call: Call) -> None:
        if call.operation == "DescribeSecret" and calls.made_keys:
            account.delete_secret("carol")

    calls.lose_answer("UpdateSecretVersionStage")
    user = replacement.seen()
    calls.meet(delete_it)

    outcome = replacement.run(user)

    assert outcome.failure is None
    assert account.keys("carol") == {replacement.old: "Active", replacement.new: "Active"}


@pytest.mark.parametrize("status", [403, 500])
def test_a_new_key_that_can_neither_be_handed_over_nor_deleted_is_told_with_its_id(
    account: Account, replacement: Replacement, calls: Calls, status: int
) -> None:
    calls.refuse("PutSecretValue", "AccessDeniedException")
    calls.refuse("DeleteAccessKey", "AccessDenied", status=status)

    told = str(replacement.run().failure)

    assert f"the new key {replacement.new} could not be handed over (PutSecretValue: AccessDenied" in told
    assert "nor deleted (DeleteAccessKey: AccessDenied" in told
    assert account.keys("carol") == {replacement.old: "Active", replacement.new: "Active"}
    assert replacement.pending == pending_with(replacement.old)


def test_a_new_key_that_somebody_deleted_before_it_is_rolled_back_is_gone_and_nothing_is_left(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    def delete_it(call: Call) -> None:
        if call.operation == "DescribeSecret" and replacement.new_or_none is not None:
            account.iam.delete_access_key(UserName="carol", AccessKeyId=replacement.new)

    user = replacement.seen()
    calls.refuse("PutSecretValue", "AccessDeniedException")
    calls.meet(delete_it)

    told = str(replacement.run(user).failure)

    assert "rolled back" in told
    assert replacement.pending is None
    assert account.keys("carol") == {replacement.old: "Active"}


def test_a_user_who_is_deleted_in_the_middle_is_no_failure(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    def delete_them(call: Call) -> None:
        if call.operation == "DescribeSecret" and calls.made_keys:
            account.delete_user("carol")

    user = replacement.seen()
    calls.refuse("PutSecretValue", "AccessDeniedException")
    calls.meet(delete_them)

    outcome = replacement.run(user)

    assert (outcome.done, outcome.failure, outcome.to_give) == ((), None, ())


def test_a_secret_deleted_for_good_once_the_key_was_current_does_not_cost_that_key(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    def delete_it(_call: Call) -> None:
        account.secrets.delete_secret(SecretId=SECRET, ForceDeleteWithoutRecovery=True)

    calls.meet(at_write(2, calls, delete_it))

    outcome = replacement.run()

    assert account.secret_names() == []
    assert outcome.failure is None
    assert account.keys("carol") == {replacement.old: "Active", replacement.new: "Active"}


@pytest.mark.parametrize("how", ["refused", "stale"])
def test_a_roll_back_tells_of_a_pending_that_could_not_be_forgotten(
    account: Account, replacement: Replacement, calls: Calls, how: str
) -> None:
    calls.refuse("PutSecretValue", "AccessDeniedException")

    def overtaken(_call: Call) -> None:
        account.remember("carol", told={"another-run": TODAY})

    calls.meet(at_write(2, calls, refused if how == "refused" else overtaken))

    told = str(replacement.run().failure)

    assert "rolled back" in told
    assert "that a replacement had begun could not be forgotten (" in told
    assert ("UpdateItem: AccessDenied" if how == "refused" else "changed by somebody else") in told
    assert account.keys("carol") == {replacement.old: "Active"}
    assert replacement.pending == pending_with(replacement.old)


def test_a_success_that_could_not_be_remembered_is_told_as_both_and_gives_no_notice(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    calls.meet(at_write(2, calls, refused))

    outcome = replacement.run()

    assert outcome.done[0].issued is not None
    assert "replace failed (UpdateItem: AccessDeniedException" in str(outcome.failure)
    assert outcome.to_give == ()
    assert account.current("carol")["AccessKeyId"] == replacement.new
    assert "DeleteAccessKey" not in calls.operations
    # As a run that died here leaves it: the next one finds the key AWSCURRENT.
    assert replacement.pending == pending_with(replacement.old)


def test_a_lost_answer_to_the_last_write_leaves_the_key_issued_and_nothing_pending(
    account: Account, replacement: Replacement, calls: Calls
) -> None:
    def lost(call: Call) -> None:
        if call.operation == "UpdateItem" and calls.made_keys:
            unanswered(call)

    calls.meet(lost, lost=True)

    outcome = replacement.run()

    assert outcome.failure == "replace failed (ReadTimeoutError)"
    assert outcome.to_give == ()
    memory = account.memory("carol")
    assert (memory.pending, memory.key(replacement.new).issued_on) == (None, TODAY)


# A secret half appears in Secrets Manager and nowhere else.


def fail_and_tell(replacement: Replacement, clients: Clients) -> str:
    """All that a replacement that failed can be printed as."""
    user = replacement.seen()
    with pytest.raises(ReplacementFailed) as failed:
        clients.issuer().issue(user, pending_with(replacement.old), ledger_for(user, clients))
    error = failed.value
    return "\n".join([repr(error), str(error), *traceback.format_exception(error)])


def test_a_failure_does_not_show_the_secret_half_that_botocore_quotes(
    replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    def quote(call: Call) -> None:
        if call.operation == "PutSecretValue":
            raise ParamValidationError(report=f"invalid: {call.params['SecretString']}")

    calls.meet(quote)

    told = fail_and_tell(replacement, clients)

    assert "ParamValidationError" in told
    leaks = calls.leaks(told)
    assert leaks == 0


def test_a_failure_does_not_show_the_secret_half_that_aws_quotes(
    replacement: Replacement, calls: Calls, clients: Clients
) -> None:
    def quote(call: Call) -> Any:
        if call.operation != "PutSecretValue":
            return None
        message = f"1 validation error: value '{call.params['SecretString']}' at 'secretString'"
        return error_answer(call, "ValidationException", 400, message)

    calls.meet(quote)

    told = fail_and_tell(replacement, clients)

    assert "ValidationException" in told
    leaks = calls.leaks(told)
    assert leaks == 0


def test_only_the_call_that_stores_the_key_carries_its_secret_half(
    replacement: Replacement, calls: Calls
) -> None:
    outcome = replacement.run()

    assert [call.operation for call in calls.made if calls.leaks(repr(call.params))] == ["PutSecretValue"]
    leaks = calls.leaks(repr(outcome))
    assert leaks == 0
