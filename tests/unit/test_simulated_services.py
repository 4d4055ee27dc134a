"""The simulation's services answer as AWS does, where the product's promises hang on it."""

from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from botocore.exceptions import ClientError
from keyrotation.act.secret_policy import secret_policy
from keyrotation.memory import KeyMemory, Memory
from keyrotation.remember.table import Stale, Table

from tests.simulation.access import READ, may
from tests.simulation.account import Account
from tests.simulation.clients import DynamoDb, Iam
from tests.simulation.faults import Fault, Line
from tests.simulation.iam import Refused
from tests.simulation.secrets_manager import RECOVERY, SecretsManager

ANN = "arn:aws:iam::123456789012:user/ann"
ROTATOR = "arn:aws:iam::123456789012:role/rotator"
POLICY = secret_policy(user_arn=ANN, user_id="AIDAANN", reader_arns=(), rotator_role_arn=ROTATOR)


def table(account: Account, line: Line | None = None) -> Table:
    numbers = iter(range(1000))
    return Table(
        client=DynamoDb(account, line or Line(random=Random(0))),  # type: ignore[arg-type]
        name="access-key-rotation",
        fresh=lambda: f"write-{next(numbers)}",
    )


ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:access-keys/ann/credentials-AbCdEf"


def test_what_is_saved_is_read_again_and_what_is_left_out_is_removed() -> None:
    remembering = table(Account())
    saved = remembering.save(
        Memory(user_id="AIDAANN", name="ann", secret_arn=ARN, keys={"AKIA": KeyMemory(secret_arn=ARN)}),
        run_id="run",
    )
    assert remembering.read("AIDAANN") == saved
    assert dict(remembering.read_all().memories) == {"AIDAANN": saved}

    again = remembering.save(Memory(user_id="AIDAANN", revision=saved.revision, name="ann"), run_id="run")

    assert remembering.read("AIDAANN") == again
    assert again.secret_arn is None


def test_of_two_who_write_over_the_same_revision_one_is_refused() -> None:
    remembering = table(Account())
    saved = remembering.save(Memory(user_id="AIDAANN", name="ann"), run_id="one")
    remembering.save(saved, run_id="one")
    with pytest.raises(Stale):
        remembering.save(saved, run_id="two")
    with pytest.raises(Stale):
        remembering.forget(saved)


def test_a_write_that_is_asked_again_after_a_lost_answer_is_its_own() -> None:
    account, line = Account(), Line(random=Random(0), rate=1.0)
    line._left["UpdateItem"] = [Fault.REPEATED]
    saved = table(account, line).save(Memory(user_id="AIDAANN", name="ann"), run_id="run")
    assert table(account).read("AIDAANN") == saved


def test_an_item_that_is_forgotten_is_gone_and_forgotten_again_without_an_error() -> None:
    remembering = table(Account())
    saved = remembering.save(Memory(user_id="AIDAANN", name="ann"), run_id="run")
    remembering.forget(saved)
    remembering.forget(saved)
    assert dict(remembering.read_all().memories) == {}


@pytest.mark.parametrize(
    ("arn", "user_id", "allowed"),
    [
        (ANN, "AIDAANN", True),
        (ANN, "AIDASOMEBODYELSE", False),
        ("arn:aws:iam::123456789012:user/bob", "AIDABOB", False),
        (ROTATOR, "AROA:rotator", False),
    ],
)
def test_the_products_policy_lets_the_owner_read_and_nobody_else(
    arn: str, user_id: str, *, allowed: bool
) -> None:
    assert may(POLICY, READ, arn=arn, user_id=user_id) is allowed


@pytest.mark.parametrize("at_once", [True, False])
def test_the_products_policy_denies_deletion_at_once_and_not_with_a_waiting_time(*, at_once: bool) -> None:
    allowed = may(POLICY, "secretsmanager:DeleteSecret", arn=ROTATOR, user_id="AROA:x", at_once=at_once)
    assert allowed is not at_once


def test_without_a_policy_nothing_is_denied() -> None:
    assert may(None, READ, arn="arn:aws:iam::123456789012:user/bob", user_id="AIDABOB")


def test_a_secret_that_is_made_anew_has_another_arn_and_is_not_found_by_the_old_one() -> None:
    secrets = SecretsManager()
    now = datetime(2026, 1, 1, tzinfo=UTC)
    first = secrets.create("name", token="1" * 32, value="{}")
    secrets.schedule_deletion(first.arn, now)
    with pytest.raises(Refused, match="InvalidRequestException"):
        secrets.create("name", token="2" * 32, value="{}")
    secrets.purge((now + RECOVERY).date())
    assert secrets.find(first.arn) is first
    secrets.purge((now + RECOVERY + timedelta(days=1)).date())

    second = secrets.create("name", token="2" * 32, value="{}")

    assert second.arn != first.arn
    assert secrets.find(first.arn) is None
    assert secrets.find("name") is second


def test_a_renamed_user_keeps_the_id_and_the_keys_and_a_new_one_of_that_name_has_another() -> None:
    account = Account()
    ann = account.iam.create_user("ann")
    key = account.iam.create_access_key("ann", created=account.now)
    account.iam.update_user("ann", new_name="anna", new_path="/team/")
    other = account.iam.create_user("ann")

    assert (account.iam.with_id(ann.id), ann.arn) == (ann, "arn:aws:iam::123456789012:user/team/anna")
    assert account.iam.owner(key.id) is ann
    assert other.id != ann.id


def test_a_third_key_is_refused() -> None:
    account = Account()
    account.iam.create_user("ann")
    iam = Iam(account, Line(random=Random(0)))
    iam.create_access_key(UserName="ann")
    iam.create_access_key(UserName="ann")
    with pytest.raises(ClientError, match="LimitExceeded"):
        iam.create_access_key(UserName="ann")
