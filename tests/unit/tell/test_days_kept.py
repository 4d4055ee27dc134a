"""Whatever day a mail names for a switch-off or a deletion, no run acts before it: over months, by what the mails say."""

import json
import re
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from random import Random

import pytest
from keyrotation.act.apply import Outcome
from keyrotation.decide.actions import Action, Deactivate, Delete
from keyrotation.decide.plan import plan_user
from keyrotation.model import Key, LastUse, User
from keyrotation.policy import Policy
from keyrotation.run.order import Order
from keyrotation.run.record import Run
from keyrotation.tell.digest import Digest, digest_of

from tests.unit.drawn import Quick, policy
from tests.unit.drawn import user as drawn_user
from tests.unit.effects import applied
from tests.unit.people import OCCASION
from tests.unit.scenes import ENFORCE, acted

DAYS = 130
OFF, GONE = "switch-off", "delete"


@dataclass
class Life:
    """Of one drawn user, whose programs have habits. `said`: by key and by what happens to it, the day that the last mail named."""

    person: User
    policy: Policy
    random: Random
    said: dict[tuple[str, str], date] = field(default_factory=dict)
    since: dict[tuple[str, str], date] = field(default_factory=dict)
    kept: int = 0

    def a_day(self, number: int) -> None:
        occasion = replace(OCCASION, now=OCCASION.now + timedelta(days=number))
        self.person = replace(self.person, keys=tuple(self._used(key, number) for key in self.person.keys))
        plan = plan_user(self.person, self.policy, occasion)
        for action in plan.actions:
            self._judge(action, occasion.today)
        outcomes = (acted(plan, now=occasion.now),) if plan.actions else ()
        run = Run(
            order=Order(
                run_id="run", total=1, with_keys=1, root_has_keys=False, user_names=(self.person.name,)
            ),
            today=occasion.today,
            listeners=1,
            plans=(plan,),
            outcomes=outcomes,
            waiting=(),
            deferred=(),
        )
        digest = digest_of(run, replace(ENFORCE, policy=self.policy), redelivered=False)
        self.person = applied(self.person, plan.actions, occasion.now, told=False)
        if digest.worth_sending:
            self._hear(digest, outcomes, occasion.today)

    def _used(self, key: Key, number: int) -> Key:
        """Daily, weekly, rarely or never: by its id, and now and then it changes."""
        every = (1, 7, 33, 0)[(sum(map(ord, key.id)) + number // 40) % 4]
        if not key.active or every == 0 or number % every:
            return key
        at = OCCASION.now + timedelta(days=number, hours=-1)
        return key if at < key.created else replace(key, last_use=LastUse(at=at, service="s3", region="-"))

    def _judge(self, action: Action, today: date) -> None:
        if not isinstance(action, Deactivate | Delete):
            return
        what = OFF if isinstance(action, Deactivate) else GONE
        day = self.said.get((action.key_id, what))
        assert day is not None, f"{what} of {action.key_id} on {today}, and no mail named a day"
        assert day <= today, f"{what} of {action.key_id} on {today}, and the last mail said {day}"
        self.kept += 1

    def _hear(self, digest: Digest, outcomes: tuple[Outcome, ...], today: date) -> None:
        memory = self.person.memory
        for each in digest.named:
            memory = memory.with_key(each.key_id, notice=replace(each.notice, told=today))
        for outcome in outcomes:
            gone = [each.action.key_id for each in outcome.done if isinstance(each.action, Delete)]
            memory = memory.without_keys(gone)
        self.person = replace(self.person, memory=memory)
        named = days_named(digest)
        # One key, one day: whatever else the mail says of it.
        assert all(len(days) == 1 for days in named.values()), named
        for of_key, (day,) in named.items():
            assert self.said.get(of_key) == day or (day - today).days >= self.policy.warn_days, of_key
            self.said[of_key] = day


def days_named(digest: Digest) -> dict[tuple[str, str], set[date]]:
    """By key and by what happens: in any entry and in the list of notices; and no day stands in the text that is not there."""
    data = json.loads(digest.data)
    found: dict[tuple[str, str], set[date]] = {}
    days = set()
    for entry in (each for section in data["sections"].values() for each in section):
        days.add(entry["by"])
        what = (
            OFF if entry["then"].startswith("switched off") else GONE if entry["then"] == "deleted" else None
        )
        if what is not None:
            # What is said beside a new key is the old one's; both are named by the key of the entry.
            found.setdefault((entry["key"]["id"], what), set()).add(date.fromisoformat(entry["by"]))
    for notice in data["notices"]:
        days.add(notice["day"])
        found.setdefault((notice["key"], notice["what"]), set()).add(date.fromisoformat(notice["day"]))
    text = " ".join(digest.body.split())
    assert set(re.findall(r"On (\d{4}-\d\d-\d\d), in", text)) <= days
    return found


@pytest.mark.parametrize("seed", range(12))
def test_no_key_goes_off_or_away_before_the_day_that_the_last_mail_named(seed: int) -> None:
    kept = 0
    for number in range(8):
        random = Random(seed * 1000 + number)
        dice = Quick(random)
        chosen = policy(dice)
        person = replace(drawn_user(dice, chosen, plain=True), id="AIDACAROLCAROLCAROL01")
        life = Life(person=person, policy=chosen, random=random)
        # What was told before the first day is not in these mails.
        for key_id, known in person.memory.keys.items():
            if known.notice is not None:
                life.said[key_id, str(known.notice.what)] = known.notice.day
        for day in range(DAYS):
            life.a_day(day)
        kept += life.kept
    assert kept > 5, "hardly anything happened"
