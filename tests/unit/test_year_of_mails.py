"""The table of docs/design.md is what the year of an account in good order comes to."""

from pathlib import Path

import pytest

from tests.simulation.year_of_mails import table, year

DESIGN = Path(__file__).parents[2] / "docs" / "design.md"


def test_every_mail_of_a_good_year_has_a_reason_and_the_table_counts_them() -> None:
    """A mail for a reason that the table has no words for (something failed, users not reached) raises."""
    assert "\n".join(table()) in DESIGN.read_text()


@pytest.mark.parametrize(("together", "most"), [(False, 110), (True, 60)])
def test_a_good_year_of_twenty_users_has_few_days_with_a_mail(*, together: bool, most: int) -> None:
    assert sum(report.worth_sending for report in year(together=together)) <= most
