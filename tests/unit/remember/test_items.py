"""A memory comes back from its item as it was, and what is no memory is refused by name and not by value."""

import json
import re
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import fields
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from keyrotation.memory import KeyMemory, Memory, Notice, Offer, OffReason, Pending, Vanished, What, Why
from keyrotation.remember.items import SCHEMA, MemoryRefused, NewerMemory, Unreadable, from_item, to_item

PAGE = Path(__file__).parents[3] / "docs" / "memory.md"
KEY = "AKIAIOSFODNN7EXAMPLE"
FULL = Memory(
    user_id="AIDACKCEVSQ6C2EXAMPLE",
    revision=7,
    name="carol",
    secret_arn="arn:aws:secretsmanager:eu-central-1:123456789012:secret:access-keys/carol/credentials-AbCdEf",
    policy_arn="arn:aws:iam::123456789012:user/apps/carol",
    pending=Pending(
        since=datetime(2026, 11, 22, 6, 0, 1, tzinfo=UTC),
        region="eu-central-1",
        run_id="run-2026-11-22",
        key_ids=(KEY,),
    ),
    vanished=Vanished(key_id="AKIAI44QH8DHBEXAMPLE", on=date(2026, 11, 21)),
    changed=date(2026, 11, 20),
    keys={
        KEY: KeyMemory(
            issued_on=date(2026, 8, 1),
            secret_arn="arn:aws:secretsmanager:eu-central-1:123456789012:secret:access-keys/carol/credentials-AbCdEf",
            off_since=date(2026, 11, 19),
            off_because=OffReason.QUIET,
            back_on=date(2026, 11, 20),
            notice=Notice(
                what=What.SWITCH_OFF, why=Why.IN_USE, day=date(2026, 12, 1), told=date(2026, 11, 18)
            ),
        )
    },
    told={"old-marks": date(2026, 11, 2)},
    offer=Offer(
        report="5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
        notices={
            KEY: Notice(what=What.DELETE, why=Why.INACTIVE, day=date(2026, 12, 9), told=date(2026, 11, 22))
        },
        once=("old-marks",),
    ),
    deleted={"AKIAI44QH8DHBEXAMPL2": date(2026, 11, 21)},
)

days = st.dates()
secrets = st.from_regex(r"[A-Za-z0-9/_+=.@-]{1,40}-[A-Za-z0-9]{6}", fullmatch=True).map(
    lambda name: f"arn:aws:secretsmanager:eu-central-1:123456789012:secret:{name}"
)
notices = st.builds(Notice, what=st.sampled_from(What), why=st.sampled_from(Why), day=days, told=days)
keys = st.builds(
    KeyMemory,
    issued_on=st.none() | days,
    secret_arn=st.none() | secrets,
    off_since=st.none() | days,
    off_because=st.none() | st.sampled_from(OffReason),
    back_on=st.none() | days,
    notice=st.none() | notices,
)
pendings = st.builds(
    Pending,
    since=st.datetimes(timezones=st.just(UTC)),
    region=st.text(),
    run_id=st.text(),
    key_ids=st.lists(st.text()).map(tuple),
)
offers = st.builds(
    Offer,
    report=st.text(),
    notices=st.dictionaries(st.text(), notices, max_size=3),
    once=st.lists(st.text()).map(tuple),
)
memories = st.builds(
    Memory,
    user_id=st.text(),
    revision=st.integers(min_value=1),
    name=st.text(),
    secret_arn=st.none() | secrets,
    policy_arn=st.none() | st.text(),
    pending=st.none() | pendings,
    vanished=st.none() | st.builds(Vanished, key_id=st.text(), on=days),
    changed=st.none() | days,
    keys=st.dictionaries(st.text(), keys, max_size=4),
    told=st.dictionaries(st.text(), days, max_size=4),
    offer=st.none() | offers,
)
drawn = settings(max_examples=300, deadline=None, derandomize=True, database=None)


@drawn
@given(memories)
def test_every_memory_comes_back_exactly(memory: Memory) -> None:
    assert from_item(to_item(memory)) == memory


def test_the_full_example_says_something_of_everything() -> None:
    """Otherwise what is added to a memory, and not to its item, goes unseen in these tests."""
    held = [FULL, FULL.pending, FULL.vanished, FULL.keys[KEY], FULL.keys[KEY].notice, FULL.offer]
    for each in held:
        assert each is not None
        said = {field.name: getattr(each, field.name) for field in fields(each)}
        assert all(said.values()), said

    assert from_item(to_item(FULL)) == FULL
    # Through the form in which it travels.
    assert from_item(json.loads(json.dumps(to_item(FULL)))) == FULL


@drawn
@given(memories)
def test_an_item_holds_texts_maps_and_one_list_and_no_number_that_an_expiry_could_take(
    memory: Memory,
) -> None:
    item = to_item(memory)

    assert {name for name, value in item.items() if "N" in value} == {"schema", "revision"}
    assert item["schema"] == {"N": "1"}
    inner = [value for name, value in item.items() if name not in {"schema", "revision"}]
    kinds = {kind for value in inner for kind in _kinds(value)}
    assert kinds <= {"S", "M", "L"}


def test_what_there_is_nothing_to_say_of_is_left_out() -> None:
    item = to_item(Memory(user_id="AIDA1", revision=1, keys={KEY: KeyMemory()}))

    assert item == {
        "user_id": {"S": "AIDA1"},
        "schema": {"N": "1"},
        "revision": {"N": "1"},
        "name": {"S": ""},
        "keys": {"M": {KEY: {"M": {}}}},
        "told": {"M": {}},
    }


def test_attributes_of_the_item_that_this_version_does_not_know_are_ignored() -> None:
    item = {**to_item(FULL), "colour": {"S": "blue"}, "write": {"S": "w"}, "run_id": {"N": "7"}}

    assert from_item(item) == FULL


def test_a_newer_schema_is_refused_before_anything_else_is_looked_at() -> None:
    newer = {"schema": {"N": str(SCHEMA + 1)}, "keys": {"S": "means something else there"}}

    with pytest.raises(NewerMemory, match=r"^its memory was written by a newer version \(schema 2; this ver"):
        from_item(newer)


VALUE = "PRIVATE"
ARN = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:access-keys/carol/credentials-AbCdEf"
A_KEY = ("keys", "M", KEY, "M")
NOTICE = (*A_KEY, "notice", "M")
PENDING = ("pending", "M")
OFFER = ("offer", "M")
# Where, what is put there (None: nothing is left there), and what is said of it.
BROKEN: list[tuple[tuple[str, ...], Any, str]] = [
    *(((name,), None, f"{name} is missing") for name in ("schema", "revision", "user_id", "name", "keys")),
    (("told",), None, "told is missing"),
    (("schema",), {"S": "1"}, "schema is not a number"),
    (("schema",), {"N": "0"}, "schema is not a whole number above 0"),
    (("revision",), {"N": "0"}, "revision is not a whole number above 0"),
    (("revision",), {"N": "1.5"}, "revision is not a whole number above 0"),
    (("revision",), {"N": "-1"}, "revision is not a whole number above 0"),
    (("name",), {"L": []}, "name is not a text"),
    (("secret_arn",), {"NULL": True}, "secret_arn is not a text"),
    *(
        (("secret_arn",), {"S": said}, "secret_arn is not the ARN of a secret")
        for said in ("", VALUE, "arn:aws:secretsmanager:eu-central-1:123456789012:secret:short", f"{ARN}\n")
    ),
    (("policy_arn",), {"SS": [VALUE]}, "policy_arn is not a text"),
    (("changed",), {"N": "20261120"}, "changed is not a text"),
    (("changed",), {"S": VALUE}, "changed is not a day such as 2026-11-22"),
    (("changed",), {"S": ""}, "changed is not a day such as 2026-11-22"),
    (("changed",), {"S": "20261120"}, "changed is not a day such as 2026-11-22"),
    (("changed",), {"S": "2026-11-31"}, "changed is not a day such as 2026-11-22"),
    (("changed",), {"S": "2026-11-20T06:00:00"}, "changed is not a day such as 2026-11-22"),
    (("deleted",), {"S": VALUE}, "deleted is not a map"),
    (("deleted", "M", KEY), {"S": VALUE}, f"deleted.{KEY} is not a day such as 2026-11-22"),
    (("keys",), {"S": VALUE}, "keys is not a map"),
    (("keys", "M", KEY), {"S": VALUE}, f"keys.{KEY} is not a map"),
    ((*A_KEY, "off_since"), {"BOOL": True}, f"keys.{KEY}.off_since is not a text"),
    ((*A_KEY, "off_because"), {"S": VALUE}, f"keys.{KEY}.off_because is none of quiet, forced, unused"),
    ((*A_KEY, "issued_on"), {"S": VALUE}, f"keys.{KEY}.issued_on is not a day such as 2026-11-22"),
    ((*A_KEY, "back_on"), {"S": VALUE}, f"keys.{KEY}.back_on is not a day such as 2026-11-22"),
    ((*A_KEY, "secret_arn"), {"M": {}}, f"keys.{KEY}.secret_arn is not a text"),
    ((*A_KEY, "secret_arn"), {"S": VALUE}, f"keys.{KEY}.secret_arn is not the ARN of a secret"),
    ((*A_KEY, "of_since"), {"S": VALUE}, f"keys.{KEY}.of_since is nothing that this version knows"),
    ((*A_KEY, "notice"), {"S": VALUE}, f"keys.{KEY}.notice is not a map"),
    *(((*NOTICE, name), None, f"keys.{KEY}.notice.{name} is missing") for name in ("what", "why", "day")),
    ((*NOTICE, "told"), None, f"keys.{KEY}.notice.told is missing"),
    ((*NOTICE, "given"), {"S": VALUE}, f"keys.{KEY}.notice.given is nothing that this version knows"),
    ((*NOTICE, "what"), {"S": VALUE}, f"keys.{KEY}.notice.what is none of switch-off, delete"),
    (
        (*NOTICE, "why"),
        {"S": "delete"},
        f"keys.{KEY}.notice.why is none of overlap, in-use, by-hand, unused, inactive",
    ),
    (("pending",), {"M": {}}, "pending.since is missing"),
    ((*PENDING, "since"), {"S": VALUE}, "pending.since is not a time such as 2026-11-22T06:00:00+00:00"),
    ((*PENDING, "since"), {"S": "2026-11-22T06:00:00"}, "pending.since is not in UTC"),
    ((*PENDING, "since"), {"S": "2026-11-22T06:00:00+01:00"}, "pending.since is not in UTC"),
    ((*PENDING, "region"), None, "pending.region is missing"),
    ((*PENDING, "run_id"), {"N": "1"}, "pending.run_id is not a text"),
    ((*PENDING, "key_ids"), {"SS": [VALUE]}, "pending.key_ids is not a list"),
    ((*PENDING, "key_ids"), {"L": [{"N": "1"}]}, "pending.key_ids holds what is not a text"),
    ((*PENDING, "by"), {"S": VALUE}, "pending.by is nothing that this version knows"),
    ((*OFFER, "report"), None, "offer.report is missing"),
    ((*OFFER, "once"), {"SS": [VALUE]}, "offer.once is not a list"),
    (
        (*OFFER, "notices", "M", KEY, "M", "day"),
        {"S": VALUE},
        f"offer.notices.{KEY}.day is not a day such as 2026-11-22",
    ),
    ((*OFFER, "heard"), {"S": VALUE}, "offer.heard is nothing that this version knows"),
    (("vanished", "M", "on"), None, "vanished.on is missing"),
    (("vanished", "M", "key_id"), None, "vanished.key_id is missing"),
    (("vanished", "M", "why"), {"S": VALUE}, "vanished.why is nothing that this version knows"),
    (("told", "M", "in-use:1"), {"S": VALUE}, "told.in-use:1 is not a day such as 2026-11-22"),
    (("told", "M", "one\nTo: all"), {"S": VALUE}, "told.(a strange name) is not a day such as 2026-11-22"),
    (("told", "M", "x" * 81), {"S": VALUE}, "told.(a strange name) is not a day such as 2026-11-22"),
    (("keys", "M", "kéy", "M", "on"), {}, "keys.(a strange name).on is nothing that this version knows"),
]


@pytest.mark.parametrize(("path", "value", "said"), BROKEN, ids=[said for _, _, said in BROKEN])
def test_what_is_no_memory_is_refused_by_its_place_and_not_quoted(
    path: tuple[str, ...], value: Any, said: str
) -> None:
    item = _with(to_item(FULL), path, value)

    with pytest.raises(Unreadable) as refused:
        from_item(item)
    assert str(refused.value) == f"its memory cannot be read: {said}"
    # Nor by the error that led to it: a traceback goes to the log.
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_every_attribute_of_the_item_is_broken_somewhere_above() -> None:
    """So that none is read without a look at its type."""
    assert {path[0] for path, _, _ in BROKEN} == set(to_item(FULL))
    of_key = {path[4] for path, _, _ in BROKEN if len(path) > 4 and path[:4] == A_KEY}
    assert {field.name for field in fields(KeyMemory)} <= of_key


def test_a_time_in_utc_may_be_written_in_another_way() -> None:
    item = _with(to_item(FULL), (*PENDING, "since"), {"S": "2026-11-22T06:00:01Z"})

    assert from_item(item) == FULL


@pytest.mark.parametrize("kind", [Unreadable, NewerMemory])
def test_whoever_catches_what_is_refused_catches_each(kind: type[Exception]) -> None:
    assert issubclass(kind, MemoryRefused)


def test_the_page_about_the_memory_shows_a_real_item() -> None:
    example = re.search(r"^```json\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    assert example is not None
    item = json.loads(example[1])

    memory = from_item(item)
    assert to_item(memory) | {"write": item["write"], "run_id": item["run_id"]} == item


def _kinds(value: Mapping[str, Any]) -> Iterator[str]:
    for kind, held in value.items():
        yield kind
        inner = held.values() if kind == "M" else held if kind == "L" else ()
        for each in inner:
            yield from _kinds(each)


def _with(item: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    changed = deepcopy(dict(item))
    within: dict[str, Any] = changed
    for step in path[:-1]:
        within = within.setdefault(step, {})
    if value is None:
        del within[path[-1]]
    else:
        within[path[-1]] = value
    return changed
