"""Two hundred users for three years: nobody is cut off unfairly, nothing flaps, and every rule has fired."""

import pytest

from tests.simulation.fleet import Fleet
from tests.simulation.report import lines, never_fired


def test_a_fleet_lives_for_three_years(capsys: pytest.CaptureFixture[str]) -> None:
    fleet = Fleet(users=200, seed=1)
    fleet.live(years=3)
    with capsys.disabled():
        print("", *lines(fleet), sep="\n")  # noqa: T201  # the table of rules is asked for
    assert fleet.watch.violations == []
    assert never_fired(fleet) == []
