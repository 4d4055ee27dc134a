"""What is saved is what is read; nobody writes over what they have not read; a lost answer is known for what it is."""

from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from keyrotation.memory import KeyMemory, Memory, Notice, Pending, Vanished, What, Why
from keyrotation.remember.table import MemoryRefused, NewerMemory, Readings, Stale, Table, Unreadable

from tests.component.calls import Call, Calls, unanswered
from tests.component.remember.conftest import NAME

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_dynamodb import DynamoDBClient

RUN = "run-2026-11-22"
CAROL = "AIDACAROL"
KEY = "AKIAIOSFODNN7EXAMPLE"
NEW = Memory(user_id=CAROL, name="carol")
FULL = replace(
    NEW,
    secret_arn="arn:aws:secretsmanager:eu-central-1:123456789012:secret:access-keys/carol/credentials-AbCdEf",
    policy_arn="arn:aws:iam::123456789012:user/carol",
    pending=Pending(
        since=datetime(2026, 11, 22, 6, 0, tzinfo=UTC), region="eu-central-1", run_id=RUN, key_ids=(KEY,)
    ),
    vanished=Vanished(key_id="AKIAI44QH8DHBEXAMPLE", on=date(2026, 11, 21)),
    changed=date(2026, 11, 20),
    keys={
        KEY: KeyMemory(
            issued_on=date(2026, 8, 1),
            notice=Notice(
                what=What.SWITCH_OFF, why=Why.OVERLAP, day=date(2026, 12, 1), told=date(2026, 11, 18)
            ),
        )
    },
    told={"old-marks": date(2026, 11, 2)},
)


def stored(client: "DynamoDBClient", user_id: str = CAROL) -> dict[str, Any]:
    found = client.get_item(TableName=NAME, Key={"user_id": {"S": user_id}}, ConsistentRead=True)
    return dict(found.get("Item", {}))


def put(client: "DynamoDBClient", **attributes: Any) -> None:
    """By hand, over whatever is there."""
    client.put_item(TableName=NAME, Item={**stored(client), "user_id": {"S": CAROL}, **attributes})


def lose(wire: Calls, operation: str, times: int) -> None:
    """AWS does it, and the next so many answers are lost."""
    left = [None] * times

    def lost(call: Call) -> None:
        if call.operation == operation and left:
            left.pop()
            unanswered(call)

    wire.meet_on_the_wire(lost, lost=True)


def test_of_a_user_without_an_item_nothing_is_remembered(table: Table) -> None:
    assert table.read(CAROL) == Memory(user_id=CAROL)
    assert table.read_all() == Readings(memories={}, unread={})
    assert table.read_all().of(CAROL) == Memory(user_id=CAROL)


def test_what_is_saved_is_read_with_the_next_revision(table: Table, client: "DynamoDBClient") -> None:
    first = table.save(NEW, run_id=RUN)
    second = table.save(replace(FULL, revision=first.revision), run_id=RUN)

    assert first == replace(NEW, revision=1)
    assert second == replace(FULL, revision=2)
    assert table.read(CAROL) == second
    assert table.read_all() == Readings(memories={CAROL: second}, unread={})
    assert table.read_all().of(CAROL) == second
    assert (stored(client)["write"], stored(client)["run_id"]) == ({"S": "write-2"}, {"S": RUN})


def test_what_is_no_longer_remembered_leaves_the_item(table: Table, client: "DynamoDBClient") -> None:
    full = table.save(FULL, run_id=RUN)
    table.save(replace(NEW, revision=full.revision), run_id=RUN)

    assert table.read(CAROL) == replace(NEW, revision=2)
    assert set(stored(client)) == {
        "user_id", "schema", "revision", "write", "run_id", "name", "keys", "told"
    }  # fmt: skip


def test_every_read_is_consistent(table: Table, wire: Calls) -> None:
    table.read(CAROL)
    table.read_all()

    assert [(call.operation, call.params["ConsistentRead"]) for call in wire.made] == [
        ("GetItem", True),
        ("Scan", True),
    ]


def test_a_table_of_more_than_a_megabyte_is_read_whole(table: Table, wire: Calls) -> None:
    # 26 items of about 48 KB each.
    told = {f"item-{n}-{'x' * 100}": date(2026, 11, 2) for n in range(400)}
    saved = [table.save(Memory(user_id=f"AIDA{n:02}", told=told), run_id=RUN) for n in range(26)]
    wire.clear()

    readings = table.read_all()

    assert wire.operations == ["Scan", "Scan"]
    assert dict(readings.memories) == {memory.user_id: memory for memory in saved}
    assert readings.unread == {}


def test_items_that_cannot_be_read_stop_nobody_else(table: Table, client: "DynamoDBClient") -> None:
    dave = table.save(Memory(user_id="AIDADAVE"), run_id=RUN)
    table.save(FULL, run_id=RUN)
    table.save(Memory(user_id="AIDAERIN"), run_id=RUN)
    put(client, changed={"N": "1795305600"})
    client.put_item(TableName=NAME, Item={"user_id": {"S": "AIDAERIN"}, "schema": {"N": "2"}})

    readings = table.read_all()

    assert readings.memories == {"AIDADAVE": dave}
    assert readings.unread == {
        CAROL: "its memory cannot be read: changed is not a text",
        "AIDAERIN": "its memory was written by a newer version (schema 2; this version reads up to 1)",
    }
    with pytest.raises(Unreadable, match="changed is not a text"):
        table.read(CAROL)
    with pytest.raises(NewerMemory, match="schema 2"):
        table.read("AIDAERIN")


def test_who_was_changed_on_a_day_is_told_by_id(table: Table) -> None:
    for user_id, day in (("AIDAANN", 21), ("AIDABOB", 22), ("AIDAEVE", 22)):
        table.save(Memory(user_id=user_id, changed=date(2026, 11, day)), run_id=RUN)
    table.save(Memory(user_id="AIDADAVE"), run_id=RUN)

    readings = table.read_all()

    assert readings.changed_on(date(2026, 11, 22)) == {"AIDABOB", "AIDAEVE"}
    assert readings.changed_on(date(2026, 11, 23)) == frozenset()


def test_of_a_user_of_whom_only_the_name_is_known_there_is_what_was_remembered_under_it(
    table: Table,
) -> None:
    saved = table.save(FULL, run_id=RUN)
    table.save(Memory(user_id="AIDADAVE", name="dave"), run_id=RUN)

    readings = table.read_all()

    assert readings.named("carol") == saved
    assert readings.named("nobody") == Memory(user_id="")


def test_of_two_writers_the_second_is_told_and_writes_nothing(table: Table) -> None:
    read = table.save(NEW, run_id=RUN)
    won = table.save(replace(read, changed=date(2026, 11, 22)), run_id="run-of-one")

    with pytest.raises(Stale, match="changed by somebody else after revision 1 was read"):
        table.save(replace(read, changed=date(2026, 11, 21)), run_id="run-of-the-other")
    assert table.read(CAROL) == won


def test_of_two_first_writers_the_second_is_told_and_writes_nothing(table: Table) -> None:
    won = table.save(NEW, run_id="run-of-one")

    with pytest.raises(Stale):
        table.save(FULL, run_id="run-of-the-other")
    assert table.read(CAROL) == won


def test_an_item_that_was_deleted_meanwhile_is_not_written_anew(
    table: Table, client: "DynamoDBClient"
) -> None:
    read = table.save(NEW, run_id=RUN)
    client.delete_item(TableName=NAME, Key={"user_id": {"S": CAROL}})

    with pytest.raises(Stale):
        table.save(read, run_id=RUN)
    assert stored(client) == {}


@pytest.mark.parametrize("lost", [1, 3])
@pytest.mark.parametrize("first", [True, False], ids=["the first write", "a later write"])
def test_a_write_whose_answers_are_lost_is_known_as_our_own(
    table: Table, client: "DynamoDBClient", wire: Calls, *, lost: int, first: bool
) -> None:
    read = NEW if first else table.save(NEW, run_id=RUN)
    wire.clear()
    lose(wire, "UpdateItem", lost)

    saved = table.save(replace(FULL, revision=read.revision), run_id=RUN)

    assert wire.sent == ["UpdateItem"] * (lost + 1)
    assert saved == replace(FULL, revision=read.revision + 1)
    assert table.read(CAROL) == saved
    assert stored(client)["revision"] == {"N": str(saved.revision)}


def test_a_write_that_nobody_ever_answers_is_told_as_such_and_read_again(table: Table, wire: Calls) -> None:
    lose(wire, "UpdateItem", 5)

    with pytest.raises(ReadTimeoutError):
        table.save(FULL, run_id=RUN)
    assert table.read(CAROL) == replace(FULL, revision=1)


def test_the_same_run_in_another_life_does_not_take_the_write_for_its_own(
    table: Table, client: "DynamoDBClient"
) -> None:
    """An order that is delivered again, while the rotator that had it first is still writing."""
    other_life = Table(client=client, name=NAME, fresh=lambda: "write of another life")
    read = table.save(NEW, run_id=RUN)
    won = table.save(replace(FULL, revision=read.revision), run_id=RUN)

    with pytest.raises(Stale):
        other_life.save(replace(FULL, revision=read.revision), run_id=RUN)
    assert table.read(CAROL) == won


def test_a_write_that_was_written_over_before_its_answer_came_is_stale(
    table: Table, client: "DynamoDBClient", wire: Calls
) -> None:
    """Ours was written, its answer lost, and somebody went on from it before the client's own retry."""
    other = Table(client=client, name=NAME, fresh=lambda: "write of another")
    strikes = [True]

    def overtaken(call: Call) -> None:
        if call.operation == "UpdateItem" and strikes:
            strikes.clear()
            other.save(replace(NEW, revision=1), run_id="run-of-the-other")
            unanswered(Call(operation="UpdateItem", params={}, protocol="json"))

    wire.meet_on_the_wire(overtaken, lost=True)

    with pytest.raises(Stale):
        table.save(FULL, run_id=RUN)
    assert table.read(CAROL) == replace(NEW, revision=2)


def test_attributes_of_a_newer_version_survive_our_writes(table: Table, client: "DynamoDBClient") -> None:
    read = table.save(FULL, run_id=RUN)
    put(client, colour={"S": "blue"}, shades={"M": {"dark": {"L": [{"N": "1"}]}}})

    table.save(replace(NEW, revision=read.revision), run_id=RUN)

    assert table.read(CAROL) == replace(NEW, revision=2)
    assert stored(client)["colour"] == {"S": "blue"}
    assert stored(client)["shades"] == {"M": {"dark": {"L": [{"N": "1"}]}}}


def test_an_item_of_a_newer_version_is_neither_written_over_nor_deleted(
    table: Table, client: "DynamoDBClient"
) -> None:
    """Not even by a run that read it before, and whose revision still holds."""
    read = table.save(FULL, run_id=RUN)
    put(client, schema={"N": "2"})
    newer = stored(client)

    with pytest.raises(Stale):
        table.save(read, run_id=RUN)
    with pytest.raises(Stale):
        table.forget(read)
    assert stored(client) == newer


def test_a_memory_is_forgotten_as_it_was_read(table: Table, client: "DynamoDBClient") -> None:
    table.save(Memory(user_id="AIDADAVE"), run_id=RUN)
    read = table.save(FULL, run_id=RUN)

    table.forget(read)

    assert stored(client) == {}
    assert list(table.read_all().memories) == ["AIDADAVE"]


def test_a_memory_that_was_changed_meanwhile_is_not_forgotten(table: Table) -> None:
    read = table.save(FULL, run_id=RUN)
    changed = table.save(read, run_id="run-of-the-other")

    with pytest.raises(Stale):
        table.forget(read)
    assert table.read(CAROL) == changed


def test_a_memory_that_was_never_written_is_forgotten_without_a_call(table: Table, wire: Calls) -> None:
    table.forget(NEW)

    assert wire.operations == []


@pytest.mark.parametrize("lost", [1, 3])
def test_a_forgetting_whose_answers_are_lost_is_done(
    table: Table, client: "DynamoDBClient", wire: Calls, lost: int
) -> None:
    read = table.save(FULL, run_id=RUN)
    wire.clear()
    lose(wire, "DeleteItem", lost)

    table.forget(read)

    assert wire.sent == ["DeleteItem"] * (lost + 1)
    assert stored(client) == {}


@pytest.mark.parametrize("operation", ["Scan", "GetItem", "UpdateItem", "DeleteItem"])
def test_what_aws_refuses_is_told_as_aws_says_it(table: Table, wire: Calls, operation: str) -> None:
    read = table.save(FULL, run_id=RUN)
    wire.refuse(operation, "AccessDeniedException", status=400)

    doing: dict[str, Callable[[], object]] = {
        "Scan": table.read_all,
        "GetItem": lambda: table.read(CAROL),
        "UpdateItem": lambda: table.save(read, run_id=RUN),
        "DeleteItem": lambda: table.forget(read),
    }

    with pytest.raises(ClientError, match="AccessDeniedException"):
        doing[operation]()


def test_whoever_catches_what_is_refused_catches_a_stale_memory() -> None:
    assert issubclass(Stale, MemoryRefused)
