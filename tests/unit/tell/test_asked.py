"""Every kind of item has its place in the tables that say which commands stand beside it, and in the runbook."""

from pathlib import Path

from keyrotation.decide.actions import Kind
from keyrotation.memory import Why
from keyrotation.tell.asked import BESIDE_A_USERS_ITEM, BESIDE_AN_ITEM_OF_THE_ACCOUNT, STRANDED

RUNBOOK = Path(__file__).parents[3] / "docs" / "runbook.md"
OF_THE_ACCOUNT = {Kind.ROOT_KEYS, Kind.NOBODY_LISTENS}
# Not decided by a rule: the run found it, with its command.
FOUND = {Kind.LEFT_BEHIND}


def test_every_kind_that_can_be_about_a_user_says_which_commands_stand_beside_it() -> None:
    assert set(BESIDE_A_USERS_ITEM) == set(Kind) - OF_THE_ACCOUNT - FOUND


def test_every_kind_that_can_be_about_the_account_says_what_stands_beside_it() -> None:
    assert set(BESIDE_AN_ITEM_OF_THE_ACCOUNT) == OF_THE_ACCOUNT | {Kind.NOTICE, Kind.SETTING}


def test_the_runbook_says_what_each_kind_of_entry_asks_for_and_what_each_reason_of_a_notice_means() -> None:
    runbook = RUNBOOK.read_text()
    entries = " ".join(line for line in runbook.splitlines() if line.startswith("### "))
    assert {kind for kind in (*Kind, STRANDED) if f"`{kind}`" not in entries} == set()
    assert {why for why in Why if f"| `{why}` |" not in runbook} == set()
