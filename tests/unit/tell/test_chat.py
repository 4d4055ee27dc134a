"""What a chat shows, as custom notifications of Amazon Q Developer in chat applications; each stands as a file beside this."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from keyrotation.tell.bulletin import Channel
from keyrotation.tell.chat import MOST_USERS, cards_of
from keyrotation.tell.digest import digest_of

from tests.unit import chat_scenes
from tests.unit.chat_scenes import CHATS, cards_of_scene
from tests.unit.people import key
from tests.unit.scenes import ENFORCE, FORCED, PREFIX, SCENES, run_of, user

HOSTILE = "<!channel> <https://evil.example|click> @here *bold* `code` & [text](http://evil.example)"


@pytest.mark.parametrize("name", chat_scenes.NAMES)
def test_a_scene_is_shown_as_its_file_has_it(name: str) -> None:
    assert json.loads(Path(CHATS, f"{name}.json").read_text()) == cards_of_scene(SCENES[name])


@pytest.mark.parametrize("name", SCENES)
def test_every_card_is_one_that_q_understands(name: str) -> None:
    for card in cards_of_scene(SCENES[name]):
        assert (card["version"], card["source"]) == ("1.0", "custom")
        content, metadata = card["content"], card["metadata"]
        assert content["textType"] == "client-markdown"
        assert 0 < len(content["title"]) <= 250
        assert content["description"]
        assert content["nextSteps"]
        assert re.fullmatch(r"[A-Za-z0-9_.-]+", metadata["threadId"])


def test_a_users_cards_of_two_runs_stand_in_one_thread() -> None:
    (_, first), (_, second) = (
        [
            json.loads(each.message)
            for each in cards_of(digest_of(run_of(FORCED), ENFORCE, redelivered=again).report)
        ]
        for again in (False, True)
    )
    assert first["metadata"]["threadId"] == second["metadata"]["threadId"]
    assert "dave" in first["metadata"]["threadId"]


def test_no_more_users_than_a_channel_can_bear_and_the_first_card_says_so() -> None:
    run = run_of(
        *(user(f"user-{each}", key(95, used=0), key(94, used=0, id=f"AKIA{each:016}")) for each in range(30))
    )
    cards = list(cards_of(digest_of(run, ENFORCE, redelivered=False).report))
    assert len(cards) == 1 + MOST_USERS
    assert {each.channel for each in cards} == {Channel.CHAT}
    assert "20 more users" in json.loads(cards[0].message)["content"]["description"]


def test_other_peoples_words_mention_nobody_and_link_nowhere() -> None:
    hostile = replace(FORCED, tags={f"{PREFIX}owner": HOSTILE})
    (_, card) = (
        json.loads(each.message)
        for each in cards_of(digest_of(run_of(hostile), ENFORCE, redelivered=False).report)
    )
    said = card["content"]["description"]
    assert "evil" in said
    assert not set("<>@*&[]") & set(said)
    assert "://" not in said
    assert "channel" in said


def test_a_run_of_which_nobody_is_to_hear_shows_nothing() -> None:
    assert not list(
        cards_of(digest_of(run_of(user("quiet", key(3, used=0))), ENFORCE, redelivered=False).report)
    )
