"""Whoever acts on a user in the middle of a replacement, at whatever step: no key is lost, and none is left over."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from botocore.awsrequest import AWSResponse
from keyrotation.model import secret_name
from keyrotation.remember.table import TABLE_NAME

from tests.component.account import NOW, Account
from tests.component.calls import Call, refusal
from tests.component.faults.case import Lived, Stage, Strike
from tests.component.faults.kinds import KINDS
from tests.component.faults.oracle import see
from tests.component.faults.worlds import WORLDS

DUE = next(world for world in WORLDS if world.name == "a replacement that was asked for by tag")
BY_NAME = {kind.name: kind for kind in KINDS}
# Every day struck anew: long enough to see that it does not add up.
DAYS = 5


@pytest.fixture(scope="module")
def stage() -> Iterator[Stage]:
    with pytest.MonkeyPatch.context() as patch, Stage(patch).ready() as ready:
        yield ready


def steps(stage: Stage) -> range:
    """The positions of the rotator's calls, from the first look at the user to the mail."""
    lived = stage.live(DUE)
    operations = [call.operation for call in lived.calls[: lived.ends[0]]]
    return range(operations.index("GetUser"), len(operations))


# What people do. `carol` is the user; her newest key is the one that the replacement made, once it is there.


def deletes_the_secret_for_good(account: Account) -> None:
    account.secrets.delete_secret(SecretId=secret_name("carol"), ForceDeleteWithoutRecovery=True)


def schedules_the_secret_for_deletion(account: Account) -> None:
    if secret_name("carol") in account.secret_names():
        account.delete_secret("carol")


def puts_a_policy_of_their_own(account: Account) -> None:
    if secret_name("carol") in account.secret_names():
        account.secrets.put_resource_policy(
            SecretId=secret_name("carol"),
            ResourcePolicy=json.dumps({"Version": "2012-10-17", "Statement": []}),
        )


def makes_the_secret_first(account: Account) -> None:
    if secret_name("carol") not in account.secret_names():
        account.secrets.create_secret(Name=secret_name("carol"))
        puts_a_policy_of_their_own(account)


def stores_the_old_key_by_hand(account: Account) -> None:
    """AWSCURRENT moves to a version that is not ours."""
    if secret_name("carol") in account.secret_names() and account.keys("carol"):
        oldest = next(iter(account.keys("carol")))
        account.secrets.put_secret_value(
            SecretId=secret_name("carol"), SecretString=account.value("carol", oldest)
        )


def creates_a_key(account: Account) -> None:
    if len(account.keys("carol")) < 2:
        account.iam.create_access_key(UserName="carol")


def deletes_the_newest_key(account: Account) -> None:
    account.iam.delete_access_key(UserName="carol", AccessKeyId=list(account.keys("carol"))[-1])


def deletes_the_oldest_key(account: Account) -> None:
    account.iam.delete_access_key(UserName="carol", AccessKeyId=next(iter(account.keys("carol"))))


def switches_the_newest_key_off(account: Account) -> None:
    newest = list(account.keys("carol"))[-1]
    account.iam.update_access_key(UserName="carol", AccessKeyId=newest, Status="Inactive")


def deletes_the_user(account: Account) -> None:
    account.delete_user("carol")


def makes_the_user_anew(account: Account) -> None:
    account.delete_user("carol")
    account.add_user("carol")
    account.iam.create_access_key(UserName="carol")


def fills_the_users_tags(account: Account) -> None:
    for number in range(50 - len(account.tags("carol"))):
        account.iam.tag_user(UserName="carol", Tags=[{"Key": f"theirs-{number}", "Value": "x"}])


def moves_the_user(account: Account) -> None:
    account.iam.update_user(UserName="carol", NewPath="/moved/")


def deletes_what_is_remembered(account: Account) -> None:
    account.lose_memory()


def writes_to_memory(account: Account) -> None:
    """Another rotator, in the middle of something else."""
    account.remember("carol", told={"something": NOW.date()})


def makes_memory_unreadable(account: Account) -> None:
    account.remember("carol")
    account.dynamodb.update_item(
        TableName=TABLE_NAME,
        Key={"user_id": {"S": account.user_id("carol")}},
        UpdateExpression="SET #keys = :nonsense",
        ExpressionAttributeNames={"#keys": "keys"},
        ExpressionAttributeValues={":nonsense": {"S": "nonsense"}},
    )


ACTS = (
    deletes_the_secret_for_good,
    schedules_the_secret_for_deletion,
    puts_a_policy_of_their_own,
    makes_the_secret_first,
    stores_the_old_key_by_hand,
    creates_a_key,
    deletes_the_newest_key,
    deletes_the_oldest_key,
    switches_the_newest_key_off,
    deletes_the_user,
    makes_the_user_anew,
    fills_the_users_tags,
    moves_the_user,
    writes_to_memory,
)


# What they do to what this system remembers may leave a key of which nobody knows any more whose it is; both are on.
ACTS_ON_MEMORY = (deletes_what_is_remembered, makes_memory_unreadable)


def acting(act: Callable[[Account], None], at: int) -> Callable[[Stage], None]:
    """Once the call at this position has ended. What they switch off or delete is theirs to, and what they make theirs."""

    def around(stage: Stage) -> None:
        def after(_call: Call, _error: str | None) -> None:
            if stage.position != at:
                return
            before = _statuses()
            act(stage.account)
            now = _statuses()
            stage.oracle.people_did |= {key_id for key_id in before if now.get(key_id) != "Active"}
            stage.oracle.held |= dict.fromkeys(set(now) - set(before), "carol")

        stage.calls.tell(after)

    return around


def _statuses() -> dict[str, str]:
    seen = see("carol")
    return dict(seen.keys) if seen else {}


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_whatever_a_person_does_at_any_step_no_key_is_lost_and_none_is_left_over(
    stage: Stage, act: Callable[[Account], None]
) -> None:
    wrong = {at: stage.live(DUE, around=acting(act, at)).violations for at in steps(stage)}

    assert {at: each for at, each in wrong.items() if each} == {}


@pytest.mark.parametrize("act", ACTS_ON_MEMORY, ids=lambda act: act.__name__)
def test_whatever_becomes_of_memory_at_any_step_no_key_is_lost_and_nothing_goes_off(
    stage: Stage, act: Callable[[Account], None]
) -> None:
    wrong = {at: stage.live(DUE, around=acting(act, at)).violations for at in steps(stage)}

    assert {
        at: left for at, each in wrong.items() if (left := [one for one in each if not _is_left_over(one)])
    } == {}


def _is_left_over(violation: str) -> bool:
    return violation.startswith("the end: ")


def denying(operation: str) -> Callable[[Stage], None]:
    """As an SCP or a boundary does: on every day, whoever asks."""

    def fault(call: Call) -> AWSResponse | None:
        code = "AccessDeniedException" if call.protocol == "json" else "AccessDenied"
        return refusal(call, code, 403) if call.operation == operation else None

    return lambda stage: stage.calls.meet_on_the_wire(fault, lost=False)


def told_every_day(lived: Lived, operation: str) -> bool:
    return all(any(f"{operation}: AccessDenied" in mail.text for mail in mails) for mails in lived.mails)


WRITES = (
    "CreateAccessKey",
    "CreateSecret",
    "PutResourcePolicy",
    "PutSecretValue",
    "UpdateItem",
    "UpdateSecretVersionStage",
)
READ = ("DescribeSecret", "GetCallerIdentity", "GetItem", "GetResourcePolicy", "GetUser", "ListAccessKeys")


@pytest.mark.parametrize("operation", [*WRITES, *READ])
def test_a_call_that_is_denied_for_good_costs_nothing_leaves_no_key_and_is_told_every_day(
    stage: Stage, operation: str
) -> None:
    lived = stage.live(DUE, days=DAYS, around=denying(operation))

    assert lived.violations == []
    assert told_every_day(lived, operation)
    assert len(_statuses()) == 1


def test_a_last_use_that_may_never_be_read_is_told_every_day_where_something_hangs_on_it(
    stage: Stage,
) -> None:
    operation = "GetAccessKeyLastUsed"
    aged = next(world for world in WORLDS if world.name == "a due user whose slot an inactive key takes")

    lived = stage.live(aged, days=DAYS, around=denying(operation))

    assert lived.violations == []
    assert told_every_day(lived, operation)
    assert sorted(_statuses().values()) == ["Active", "Inactive"]


def test_a_last_use_that_may_never_be_read_keeps_nobody_from_a_replacement_that_was_asked_for(
    stage: Stage,
) -> None:
    lived = stage.live(DUE, days=DAYS, around=denying("GetAccessKeyLastUsed"))

    assert lived.violations == []
    assert list(_statuses().values()) == ["Active", "Active"]


def test_a_tag_that_may_never_be_removed_is_told_every_day_and_makes_no_second_key(stage: Stage) -> None:
    lived = stage.live(DUE, days=DAYS, around=denying("UntagUser"))

    assert lived.violations == ["the end: carol: `pending` is left"]
    assert told_every_day(lived, "UntagUser")
    assert list(_statuses().values()) == ["Active", "Active"]
    assert [call.operation for call in lived.calls].count("CreateAccessKey") == 1


@pytest.mark.parametrize("minutes", [-12, 12])
@pytest.mark.parametrize("kind", ["answer lost", "dies after"])
def test_clocks_that_differ_lose_no_key_wherever_a_replacement_is_interrupted(
    stage: Stage, kind: str, minutes: int
) -> None:
    def differ(stage: Stage) -> None:
        stage.clock.iam_ahead = timedelta(minutes=minutes)

    wrong = {}
    for at in steps(stage):
        lived = stage.live(DUE, [Strike(position=at, kind=BY_NAME[kind])], around=differ)
        wrong[at] = [*lived.violations, *lived.astray]

    assert {at: each for at, each in wrong.items() if each} == {}
