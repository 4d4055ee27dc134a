"""Deciding about one user: the rules one after the other, each seeing the state that the plan leaves so far.

`plan_user` takes what was observed of one user, the policy and the day, and returns what to do and what to
tell. It reads no clock and makes no call. The rules themselves are in rules.py.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from keyrotation.decide.actions import (
    Deactivate,
    Delete,
    Item,
    MendPolicy,
    OnlyRemembered,
    Plan,
    Step,
)
from keyrotation.decide.rules import RULES, WHOLE_USER_RULES
from keyrotation.decide.state import State
from keyrotation.decide.tags import owner_of
from keyrotation.model import Key, NotLookedUp, Occasion, User
from keyrotation.policy import Policy


def plan_user(user: User, policy: Policy, occasion: Occasion) -> Plan:
    """Decide everything about one user; the same observation on the same day gives the same plan.

    Raises NotLookedUp where it hangs on a fact that nobody has asked for yet.
    """
    state = State.of(user, policy, occasion)
    steps: list[Step] = []
    for rule in RULES:
        before = len(steps)
        for decision in rule(state):
            steps.append(Step(rule=rule.__name__, decision=decision))
            if not isinstance(decision, Item):
                state = state.after(decision)
        if len(steps) > before and rule in WHOLE_USER_RULES:
            break
    return Plan(
        user=user,
        owner=owner_of(user.tags, occasion.owner_tag_keys),
        steps=tuple(steps),
        enforce=occasion.enforce,
    )


def may_concern(user: User, policy: Policy, now: datetime, *, enforce: bool) -> bool:
    """The scanner's test: the plan itself, for a user of whom keys, tags and memory are known and nothing else.

    False only where it is empty whatever the last uses are and the secret holds. A key over the threshold is not left to
    the plan: what that overlooks is what the alarm on unexplained keys is there to find (`measures`).
    """
    if over_threshold(user.keys, policy, now.astimezone(UTC).date()):
        return True
    # Whether that counts, the scanner does not know.
    if user.memory.offer is not None:
        return True
    # What is said of an interrupted replacement differs by Region and timeout; that something is said does not.
    occasion = Occasion(now=now, region="", function_timeout=timedelta(0), listeners=1, enforce=enforce)
    try:
        return bool(plan_user(user, policy, occasion).steps)
    except NotLookedUp:
        return True
    except Exception:  # noqa: BLE001  # what people wrote into one user's tags: the rotator looks again, and tells
        return True


def over_threshold(keys: Iterable[Key], policy: Policy, today: date) -> tuple[Key, ...]:
    """Active keys that have reached `MaxKeyAgeDays`, and are not the old ones of an overlap that goes on."""
    active = [key for key in keys if key.active]

    def in_overlap(key: Key) -> bool:
        newer = (other for other in active if other.seniority > key.seniority)
        return any((today - other.created_on).days < policy.overlap_days for other in newer)

    over = (key for key in active if (today - key.created_on).days >= policy.max_key_age_days)
    return tuple(key for key in over if not in_overlap(key))


def only_remembers(plan: Plan) -> bool:
    """It changes no key and no secret. Such a plan takes no place under the cap: a day that waits is a day that is wrong."""
    return all(isinstance(action, OnlyRemembered) for action in plan.actions)


def urgency(plan: Plan) -> tuple[int, date, str]:
    """The order under the cap: work in flight, then replacements by the oldest key."""
    in_flight = any(isinstance(action, Deactivate | Delete | MendPolicy) for action in plan.actions)
    oldest = min((key.created_on for key in plan.user.keys), default=date.max)
    return 0 if in_flight else 1, oldest, plan.user.name
