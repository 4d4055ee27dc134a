"""The account on docs/preview.png: `PYTHONPATH=functions python -m tests.unit.preview.picture > preview.html`, and a browser.

chromium --headless --no-sandbox --hide-scrollbars --window-size=1280,1020 --screenshot=docs/preview.png build/preview.html
"""

import sys
from dataclasses import replace

from keyrotation.look.inventory import Profile
from keyrotation.model import User
from keyrotation.policy import Policy
from keyrotation.preview.outlook import Found, Listed, Preview, Wanted, previewed
from keyrotation.preview.page import page
from keyrotation.preview.renderings import as_json, comma_separated, table

from tests.unit.people import OCCASION, days_ago, key, off, user
from tests.unit.preview.previews import WHERE

_TEAMS = ("payments", "data", "web", "mail", "platform")
_JOBS = ("api", "etl", "backup", "deploy", "reports", "exports", "metrics", "sync", "search", "billing")


def _somebody(number: int) -> User:
    """Keys of every age, most of them used every day or so."""
    team, job = _TEAMS[number % 5], _JOBS[number // 5]
    key_id = f"AKIAEXAMPLE{number:05}"
    used = None if number % 11 == 3 else number % 4
    kept = key(
        5 + number * 29 % 84,
        used=used,
        id=key_id,
        service="ses" if team == "mail" else ("s3", "dynamodb")[number % 2],
    )
    tags = {"access-key-rotation:owner": f"team-{team}"}
    if number == 17:
        tags["access-key-rotation:exempt"] = f"{days_ago(-60)} vendor cannot change it before January"
    return user(kept, name=f"{team}-{job}", tags=tags)


def _people() -> dict[str, User]:
    found = [_somebody(number) for number in range(42)]
    tags = {"access-key-rotation:owner": "team-data"}
    found += [
        user(
            key(89, used=1, id="AKIAEXAMPLE00101"),
            key(20, used=2, id="AKIAEXAMPLE00102"),
            name="data-warehouse",
            stored="AKIAEXAMPLE00102",
            tags=tags,
        ),
        user(
            off(150, used=60, id="AKIAEXAMPLE00103"),
            key(40, used=1, id="AKIAEXAMPLE00104"),
            name="data-archive",
            tags=tags,
        ),
        replace(
            user(
                key(30, used=1, id="AKIAEXAMPLE00105"),
                name="web-preview",
                tags={"access-key-rotation:owner": "team-web"},
            ),
            quarantine="AWSCompromisedKeyQuarantineV3",
        ),
        user(name="ci-old", tags={"managed-by": "terraform"}),
    ]
    return {each.name: replace(each, id=f"AIDAEXAMPLE{at:05}") for at, each in enumerate(found)}


def _listed(person: User) -> Listed:
    path = "/apps/" if person.name.startswith(("web", "mail")) else "/"
    profile = Profile(
        name=person.name, id=person.id, arn=person.arn, path=path, tags=person.tags, quarantine=None
    )
    return Listed(profile=profile, created_on=days_ago(200))


def pictured() -> Preview:
    people = _people()
    found = Found(
        listed={name: _listed(person) for name, person in people.items()},
        users=people,
        elsewhere={},
        root_keys=True,
        deployed=False,
    )
    return Preview(accounts=(previewed(found, Policy(max_users_per_run=4), OCCASION, WHERE),))


WRITERS = {"html": page, "csv": comma_separated, "json": as_json, "table": table}


def of_one_team() -> Preview:
    """Small enough for the golden files."""
    return replace(pictured(), wanted=Wanted(owner="team-web"))


if __name__ == "__main__":
    (word,) = sys.argv[1:]
    WRITERS[word](pictured() if word == "html" else of_one_team(), sys.stdout)
