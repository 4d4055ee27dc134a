"""Every kind of item has its place in the tables that say which commands stand beside it."""

from keyrotation.decide.actions import Kind
from keyrotation.tell.asked import BESIDE_A_USERS_ITEM, BESIDE_AN_ITEM_OF_THE_ACCOUNT

OF_THE_ACCOUNT = {Kind.ROOT_KEYS, Kind.NOBODY_LISTENS}


def test_every_kind_that_can_be_about_a_user_says_which_commands_stand_beside_it() -> None:
    assert set(BESIDE_A_USERS_ITEM) == set(Kind) - OF_THE_ACCOUNT


def test_every_kind_that_can_be_about_the_account_says_what_stands_beside_it() -> None:
    assert set(BESIDE_AN_ITEM_OF_THE_ACCOUNT) == OF_THE_ACCOUNT | {Kind.NOTICE, Kind.SETTING}
