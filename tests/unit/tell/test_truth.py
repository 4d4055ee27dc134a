"""The subject and the first sentence of a mail are true, whatever the run did; and what other people wrote is no link in it."""

import json
import re

from hypothesis import given
from hypothesis import strategies as st
from keyrotation.run.record import Run
from keyrotation.run.settings import RotatorSettings
from keyrotation.tell.digest import digest_of
from keyrotation.tell.done import INSTALLED

from tests.unit.drawn import drawn
from tests.unit.people import OLD, key
from tests.unit.scenes import ENFORCE, PREFIX, SCENES, run_of, user
from tests.unit.tell.test_mails import forged


@given(drawn_run=drawn(forged), redelivered=st.booleans())
def test_the_first_sentence_is_true_and_the_subjects_counts_are_the_bodys(
    *, drawn_run: tuple[Run, RotatorSettings], redelivered: bool
) -> None:
    run, settings = drawn_run
    digest = digest_of(run, settings, redelivered=redelivered)
    data = json.loads(digest.data)
    first = " ".join(digest.body.partition("\nWhat to do")[0].split())
    installed = [
        each
        for part in ("done", "done-before")
        for each in data["sections"][part]
        if each["kind"] in INSTALLED
    ]
    if re.search("(?i)nothing was changed|no key was changed", first):
        assert not any(outcome.changed for outcome in run.outcomes)
    if "obody has to do anything" in first:
        assert installed == []
        assert data["counts"]["attention"] == data["counts"]["failed"] == data["counts"]["critical"] == 0
    counted = {
        r"INSTALL.*: (\d+) new keys?": sum(each["kind"] in INSTALLED for each in data["sections"]["done"]),
        r"CRITICAL: (\d+) keys? in use": data["counts"]["forced-off"],
        r"FAILED: (?:changes to )?(\d+) ": data["counts"]["failed"],
        r"RESUMED: (\d+) changes?": data["counts"]["done-before"],
    }
    for pattern, number in counted.items():
        if said := re.search(pattern, digest.subject):
            assert int(said[1]) == number, digest.subject


def test_a_key_that_no_other_key_of_its_user_can_fetch_is_said_to_need_a_person() -> None:
    body = " ".join(SCENES["no-old-key"].mail().split())
    assert "INSTALL: 1 new key" in body
    assert "No other key of this user is active, so no program can fetch it." in body
    assert "The owner, signed in to the console, or a role of SecretReaderArns, to fetch the new key:" in body
    assert "obody has to do anything" not in body


def test_what_other_people_wrote_is_no_link_no_mention_and_no_code() -> None:
    words = "https://evil.example.com <!channel> <@U1> [x](http://a.b) `id` www.evil.example.com"
    run = run_of(user("alice", key(74, used=0), tags={OLD: words[:200], f"{PREFIX}owner": words}))
    digest = digest_of(run, ENFORCE, redelivered=False)
    (entry,) = json.loads(digest.data)["sections"]["done"]
    for told in (
        digest.body,
        entry["owner"],
        entry["key"]["description"],
        json.loads(digest.data)["notices"][0]["owner"],
    ):
        assert not re.search(r"https?://evil|<[!@]|`|www\.", told), told
    assert "https[:]//evil.example.com (!channel)" in " ".join(digest.body.split())
