"""Runs as a chat shows them: `python -m tests.unit.chat_scenes` writes the files that test_chat.py compares."""

import json
from pathlib import Path
from typing import Any

from keyrotation.tell.chat import cards_of
from keyrotation.tell.digest import digest_of

from tests.unit.scenes import SCENES, Scene

CHATS = Path(__file__).parent / "chats"
NAMES = ("three-replaced", "in-use-extension", "forced-off", "exposed-key", "first-audit", "nobody-listens")


def cards_of_scene(scene: Scene) -> list[Any]:
    digest = digest_of(scene.run, scene.settings, redelivered=scene.redelivered)
    return [json.loads(each.message) for each in cards_of(digest.report)]


if __name__ == "__main__":
    for name in NAMES:
        Path(CHATS, f"{name}.json").write_text(json.dumps(cards_of_scene(SCENES[name]), indent=2) + "\n")
