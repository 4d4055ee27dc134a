"""The tags: what people write on a user, read back."""

from datetime import date

import pytest
from keyrotation.decide import tags
from keyrotation.decide.tags import Exemption
from keyrotation.model import OWNER_TAG_KEYS

PREFIX = "access-key-rotation:"


def test_every_tag_is_understood() -> None:
    read = tags.parse(
        {
            f"{PREFIX}exempt": "2026-12-31 until the migration is over",
            f"{PREFIX}max-age-days": "60",
            f"{PREFIX}replace": "",
            f"{PREFIX}owner": "payments",
            "AKIA2": "the nightly job",
        }
    )
    assert read.exempt == Exemption(until=date(2026, 12, 31), reason="until the migration is over")
    assert read.max_age_days == 60
    assert read.replace_asked
    assert read.malformed == ()
    assert read.lookalikes == ()
    assert read.old == ()


@pytest.mark.parametrize(
    ("found", "owner"),
    [
        ({"access-key-rotation:owner": "payments", "owner": "web"}, "payments"),
        ({"access-key-rotation:owner": " ", "Owner": "web"}, "web"),
        ({"Team": "web"}, ""),
    ],
)
def test_the_owner_is_named_by_the_first_tag_that_has_a_value(found: dict[str, str], owner: str) -> None:
    assert tags.owner_of(found, OWNER_TAG_KEYS) == owner


def test_of_no_tags_nothing_follows() -> None:
    read = tags.parse({"Team": "data"})
    assert (read.exempt, read.max_age_days, read.replace_asked) == (None, None, False)


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
        ("max-age-days", "100000"),
    ],
)
def test_what_is_not_understood_names_the_tag_and_its_value(key: str, value: str) -> None:
    read = tags.parse({PREFIX + key: value})
    (problem,) = read.malformed
    assert f"{PREFIX}{key} is `{value}`; it must be " in problem


def test_characters_that_only_look_right_are_pointed_out() -> None:
    (problem,) = tags.parse({f"{PREFIX}max-age-days": "\uff16\uff10"}).malformed
    assert "which holds other characters than it seems to" in problem


@pytest.mark.parametrize(
    "key",
    ["Exempt", "exempt", "EXEMPT ", "Access-Key-Rotation:exempt", "access-key-rotation:exmpt",
     "access-key-rotation:unknown"],
)  # fmt: skip
def test_what_can_only_have_been_meant_as_ours_is_malformed(key: str) -> None:
    read = tags.parse({key: "2026-12-31 x"})
    assert read.exempt is None
    (problem,) = read.malformed
    assert f'the tag "{key}" is not one that this system knows' in problem


@pytest.mark.parametrize("key", ["acess-key-rotation:exempt", "Max-Age-Days", "max-age-days"])
def test_a_lookalike_is_pointed_out_and_has_no_effect(key: str) -> None:
    read = tags.parse({key: "60"})
    assert (read.exempt, read.max_age_days, read.malformed) == (None, None, ())
    (told,) = read.lookalikes
    assert f'the tag "{key}" has no effect; "{PREFIX}' in told


@pytest.mark.parametrize("key", ["Team", "Name", "AKIAIOSFODNN7EXAMPLE", "owner", "replace", "age"])
def test_other_tags_are_none_of_our_business(key: str) -> None:
    read = tags.parse({key: "x"})
    assert (read.lookalikes, read.malformed) == ((), ())


def test_what_version_0_1_wrote_is_known_as_such_and_means_nothing() -> None:
    old = {
        f"{PREFIX}pending": "x",
        f"{PREFIX}inactive-since:AKIA1": "2026-11-22",
        f"{PREFIX}held-until:AKIA2": "x",
    }
    read = tags.parse(old)
    assert set(read.old) == set(old)
    assert (read.malformed, read.lookalikes) == ((), ())
