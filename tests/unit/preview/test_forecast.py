"""The forecast passes over days on which nothing can happen: it says the same as a look on every day, for less work."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from random import Random

import pytest
from keyrotation.decide.state import State
from keyrotation.model import User
from keyrotation.policy import Policy
from keyrotation.preview.forecast import Forecast, forecast
from keyrotation.preview.next_look import next_look

from tests.unit.drawn import Quick, policy
from tests.unit.drawn import user as drawn_user
from tests.unit.people import OCCASION, key, user

TEN_YEARS = Policy(max_key_age_days=3650, unused_days=3650, delete_after_days=3650)


def tomorrow(state: State) -> date:
    return state.ahead(1)


class Watched:
    """A forecast, and how often it looked at a user."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._patch = monkeypatch
        self.looks = 0

    def forecast(self, users: Mapping[str, User], policy: Policy, *, every_day: bool = False) -> Forecast:
        chosen: Callable[[State], date | None] = tomorrow if every_day else next_look

        def counted(state: State) -> date | None:
            self.looks += 1
            return chosen(state)

        self._patch.setattr("keyrotation.preview.forecast.next_look", counted)
        self.looks = 0
        return forecast(users, policy, OCCASION)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    return Watched(monkeypatch)


def somebody(dice: Quick, policy: Policy, name: str) -> User:
    return replace(drawn_user(dice, policy, plain=not dice.once_in(3)), name=name, id=f"id of {name}")


@pytest.mark.parametrize("start", range(0, 200, 50))
def test_it_foresees_the_same_as_a_look_on_every_day(watched: Watched, start: int) -> None:
    """Of users whose ages and memories stand on the boundaries; of three, the cap makes some wait."""
    for seed in range(start, start + 50):
        dice = Quick(Random(seed))
        drawn = policy(dice)
        names = ["ann", "ben", "cid"][: dice.pick([1, 1, 1, 3])]
        users = {name: somebody(dice, drawn, name) for name in names}
        capped = replace(drawn, max_users_per_run=dice.pick([1, 100]))

        passing_over, looks = watched.forecast(users, capped), watched.looks
        every_day = watched.forecast(users, capped, every_day=True)

        assert passing_over.changes == every_day.changes, seed
        assert passing_over.waiting == every_day.waiting, seed
        assert looks <= watched.looks, seed


def fleet(users: int) -> dict[str, User]:
    """Some use their key daily, some every few days, some never."""
    return {
        f"user-{number}": user(
            key(number * 37 % 60, used=None if number % 5 == 0 else number % 3, id=f"AKIA{number:016}"),
            name=f"user-{number}",
        )
        for number in range(users)
    }


def test_ten_years_take_about_as_many_looks_as_the_defaults_do(watched: Watched) -> None:
    watched.forecast(fleet(60), Policy())
    in_months = watched.looks

    found = watched.forecast(fleet(60), TEN_YEARS)

    # 30 times as many days.
    assert watched.looks < 1.2 * in_months < 3 * 60
    # Nobody is left out: whoever uses the key gets a new one, and the others' keys go off, and then away.
    assert len(found.changes) == 48 + 2 * 12


def test_who_uses_a_key_every_week_is_not_looked_at_every_week(watched: Watched) -> None:
    weekly = {"carol": user(key(10, used=7), name="carol")}

    watched.forecast(weekly, replace(TEN_YEARS, unused_days=90))

    assert watched.looks <= 2


def test_a_notice_that_waits_for_a_place_was_told_the_day_before(watched: Watched) -> None:
    """Found by drawing: told on the first day alone, it was too old when its turn came."""
    dice = Quick(Random(1987))
    drawn = policy(dice)
    dice.pick([1, 1, 1, 3])
    users = {name: somebody(dice, drawn, name) for name in ("u0", "u1", "u2")}
    capped = replace(drawn, max_users_per_run=1)

    assert watched.forecast(users, capped).changes == watched.forecast(users, capped, every_day=True).changes
