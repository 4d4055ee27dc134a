"""The tags: what people and this system write on a user, read back."""

import re
from datetime import UTC, date, datetime

import pytest
from keyrotation.decide import tags
from keyrotation.decide.tags import Exemption, Held, HoldReason, Pending

TODAY = date(2026, 11, 22)
PREFIX = "access-key-rotation:"
IAM_ALPHABET = r"[A-Za-z0-9 _.:/=+@-]{0,256}"


def test_every_tag_is_understood() -> None:
    read = tags.parse(
        {
            f"{PREFIX}exempt": "2026-12-31 until the migration is over",
            f"{PREFIX}max-age-days": "60",
            f"{PREFIX}replace": "",
            f"{PREFIX}owner": "payments",
            f"{PREFIX}pending": "2026-11-21T06:00:07Z eu-west-1 run-1 AKIA1 AKIA2",
            f"{PREFIX}inactive-since:AKIA1": "2026-11-22",
            f"{PREFIX}held-until:AKIA2": "2026-12-06 in-use",
            "AKIA2": "the nightly job",
        },
        today=TODAY,
    )
    assert read.exempt == Exemption(until=date(2026, 12, 31), reason="until the migration is over")
    assert read.max_age_days == 60
    assert read.replace_asked
    assert read.owner == "payments"
    assert read.pending == Pending(
        since=datetime(2026, 11, 21, 6, 0, 7, tzinfo=UTC),
        region="eu-west-1",
        run_id="run-1",
        key_ids=("AKIA1", "AKIA2"),
    )
    assert read.inactive_since == {"AKIA1": TODAY}
    assert read.held_until == {"AKIA2": Held(until=date(2026, 12, 6), reason=HoldReason.IN_USE)}
    assert read.malformed == ()
    assert read.lookalikes == ()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("exempt", ""),
        ("exempt", "yes"),
        ("exempt", "2026-13-01 no such month"),
        ("exempt", "20261231"),
        ("exempt", "31.12.2026"),
        ("max-age-days", "ninety"),
        ("max-age-days", "0"),
        ("max-age-days", "-60"),
        ("max-age-days", "60.5"),
        ("max-age-days", " 60"),
        ("pending", "2026-11-21"),
        ("pending", "yesterday eu-west-1 run-1"),
        ("inactive-since:AKIA1", "2026-11-23"),
        ("inactive-since:AKIA1", "soon"),
        ("held-until:AKIA1", "2026-12-06"),
        ("held-until:AKIA1", "2026-12-06 because"),
    ],
)
def test_what_is_not_understood_names_the_tag_and_its_value(key: str, value: str) -> None:
    read = tags.parse({PREFIX + key: value}, today=TODAY)
    (problem,) = read.malformed
    assert f"{PREFIX}{key} is `{value}`; it must be " in problem


@pytest.mark.parametrize(
    "key",
    ["Exempt", "exempt", "Access-Key-Rotation:exempt", "access-key-rotation:exmpt", "acess-key-rotation:exempt",
     "access-key-rotation:unknown", "Max-Age-Days"],
)  # fmt: skip
def test_a_lookalike_is_pointed_out_and_has_no_effect(key: str) -> None:
    read = tags.parse({key: "2026-12-31 x"}, today=TODAY)
    assert read.exempt is None
    (told,) = read.lookalikes
    assert f"the tag {key} has no effect; {PREFIX}" in told


@pytest.mark.parametrize("key", ["Team", "Name", "AKIAIOSFODNN7EXAMPLE", "owner", "replace", "age"])
def test_other_tags_are_none_of_our_business(key: str) -> None:
    assert tags.parse({key: "x"}, today=TODAY).lookalikes == ()


def test_what_the_system_writes_is_read_back_and_fits_a_tag_value() -> None:
    pending = Pending(
        since=datetime(2026, 11, 22, 6, 0, tzinfo=UTC),
        region="ap-southeast-2",
        run_id="x" * 64,
        key_ids=("A" * 20, "B" * 20),
    )
    held = Held(until=date(2026, 12, 6), reason=HoldReason.REACTIVATED)
    written = {f"{PREFIX}pending": str(pending), f"{PREFIX}held-until:AKIA1": str(held)}
    read = tags.parse(written, today=TODAY)
    assert (read.pending, read.held_until["AKIA1"]) == (pending, held)
    for value in written.values():
        assert re.fullmatch(IAM_ALPHABET, value)
