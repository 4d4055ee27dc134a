"""The runbook's indexes lead to all of its sections."""

import re

from tests.unit.docs.pages import CHECKOUT

RUNBOOK = (CHECKOUT / "docs" / "runbook.md").read_text()


def test_the_index_of_the_alarms_has_each_of_them_once_with_its_section_and_its_urgency() -> None:
    index = RUNBOOK.partition("## Index of the alarms\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `AccessKeyRotation-(\w+)` \| ([^|]+) \| \[([^\]]+)\]", index, re.MULTILINE)
    sections = {
        name: (heading, text.casefold())
        for heading, name, text in re.findall(
            r"^## ([^\n]+) \(([A-Z][a-z]+[A-Z]\w+)\)\n(.*?)(?=^## |\Z)", RUNBOOK, re.MULTILINE | re.DOTALL
        )
    }
    assert sorted(name for name, _, _ in rows) == sorted(sections)
    for name, urgent, heading in rows:
        assert heading == sections[name][0]
        said = sections[name][1].partition("**how urgent.**")[2].partition("\n\n")[0]
        assert urgent.partition(",")[0] in said, (name, urgent)


def test_the_index_of_the_mails_leads_to_a_section_for_each_of_its_words() -> None:
    index = RUNBOOK.partition("## Index of the mails\n")[2].partition("\n## ")[0]
    words = re.findall(r"^\| `([^`]+)` \|", index, re.MULTILINE)
    sections = re.findall(r"^## [^\n]+ \(([\w ]+)\)$", RUNBOOK, re.MULTILINE)
    assert len(words) == len(set(words)) > 8
    assert set(words) - set(sections) == set()
