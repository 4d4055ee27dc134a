"""Every kind of item has its place in the tables that say which commands stand beside it, and in the runbook."""

import re
from dataclasses import replace
from pathlib import Path

from keyrotation.decide.actions import Kind
from keyrotation.memory import Why
from keyrotation.tell.asked import BESIDE_A_USERS_ITEM, BESIDE_AN_ITEM_OF_THE_ACCOUNT, STRANDED
from keyrotation.tell.digest import digest_of
from keyrotation.tell.headline import SECTIONS

from tests.unit.scenes import SCENES

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


def test_the_runbook_has_the_section_that_a_mail_links_for_each_first_word_of_a_subject() -> None:
    """As GitHub makes an anchor of a heading; and the index of the mails has the word."""
    runbook = RUNBOOK.read_text()
    headings = [line.removeprefix("## ") for line in runbook.splitlines() if line.startswith("## ")]
    anchors = {re.sub(r"[^a-z0-9 -]", "", each.lower()).replace(" ", "-") for each in headings}
    assert set(SECTIONS.values()) - anchors == set()
    index = runbook.partition("## Index of the mails")[2].partition("\n## ")[0]
    assert [word for word in SECTIONS if f"| `{word}" not in index] == []


def test_every_subject_begins_with_a_word_that_has_a_section_and_the_mail_links_it() -> None:
    wiki = "https://wiki.example.com/runbook.md"
    for scene in SCENES.values():
        settings = replace(scene.settings, runbook_url=wiki)
        digest = digest_of(scene.run, settings, redelivered=scene.redelivered)
        word = re.split(r"[ :]", digest.subject.partition(": ")[2])[0]
        assert f"\n        {wiki}#{SECTIONS[word]}\n" in digest.body.partition("\n\n")[0]
