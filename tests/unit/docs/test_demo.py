"""What docs/demo.md shows is what the two demos say."""

import re

from sandbox import demo, demo_life
from tests.unit.docs.pages import CHECKOUT

PAGE = (CHECKOUT / "docs" / "demo.md").read_text()


def test_the_checks_of_the_page_are_those_of_the_demos() -> None:
    shown = re.findall(r"^      PASS  (.+)$", PAGE, re.MULTILINE)
    written = (CHECKOUT / "sandbox/demo_life.py").read_text()
    assert len(shown) == 5
    assert [each for each in shown if each not in demo.CHECKS and f'"{each}"' not in written] == []
    assert f"{len(demo.CHECKS)} of {len(demo.CHECKS)} checks passed" in PAGE


def test_the_days_of_the_page_are_those_of_the_film() -> None:
    (said,) = re.findall(r"A screen each for the days ([\d, and]+) of the keys' life", PAGE)
    assert tuple(map(int, re.findall(r"\d+", said))) == demo_life.SHOWN
    for day, caption in demo_life.CAPTIONS.items():
        assert (f"=== DAY {day} ===" in PAGE) == (caption in PAGE)
    assert str(demo.MAIL.relative_to(CHECKOUT)) in PAGE
