"""Deciding about one user: the rules one after the other, each seeing the state that the plan leaves so far.

`plan_user` takes what was observed of one user, the policy and the day, and returns what to do and what to
tell. It reads no clock and makes no call. The rules themselves are in rules.py.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta

from keyrotation.decide.actions import (
    Deactivate,
    Delete,
    ForgetMarks,
    Hold,
    Item,
    Kind,
    Level,
    MarkInactive,
    Plan,
    Replace,
    Step,
)
from keyrotation.decide.rules import RULES, WHOLE_USER_RULES
from keyrotation.decide.state import State
from keyrotation.model import Key, NotLookedUp, Occasion, User
from keyrotation.policy import Policy

WAITS = "until somebody hears of it, nothing is switched off or deleted, and no hold begins"


def plan_user(user: User, policy: Policy, occasion: Occasion) -> Plan:
    """Decide everything about one user; the same observation on the same day gives the same plan.

    Raises NotLookedUp where it hangs on a fact that nobody has asked for yet.
    """
    state = State.of(user, policy, occasion)
    steps: list[Step] = []
    for rule in RULES:
        for decision in rule(state):
            steps.append(Step(rule=rule.__name__, decision=decision))
            if not isinstance(decision, Item):
                state = state.after(decision)
        if steps and rule in WHOLE_USER_RULES:
            break
    if not occasion.heard:
        steps = list(_withheld(steps, keys=len(user.keys)))
    return Plan(user=user, owner=state.tags.owner, steps=tuple(steps))


def may_concern(user: User, policy: Policy, now: datetime) -> bool:
    """The scanner's test: the plan itself, for a user of whom keys and tags are known and nothing else.

    False only where it is empty whatever the last uses are and the secret holds. A key over the threshold is not left to
    the plan: what that overlooks is what the alarm on unexplained keys is there to find (`measures`).
    """
    if over_threshold(user.keys, policy, now.astimezone(UTC).date()):
        return True
    # What is said of an interrupted replacement differs by Region and timeout; that something is said does not.
    occasion = Occasion(now=now, region="", function_timeout=timedelta(0), listeners=1)
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


def _withheld(steps: Iterable[Step], *, keys: int) -> Iterator[Step]:
    """The plan of a day on which nobody is known to hear of it: what people may have to undo waits.

    Replacements go on, since both keys work after one; but not into the slot of a key whose deletion waits.
    """
    deletion_waits = False
    for step in steps:
        match step.decision:
            case Deactivate(key_id=key_id):
                what = "switching it off"
            case Delete(key_id=key_id):
                what, deletion_waits = "deleting it", True
            case Hold(key_id=key_id):
                what = "its hold"
            case Replace(old_key_id=key_id) if deletion_waits and keys > 1:
                what = "its replacement"
            case _:
                yield step
                continue
        text = f"{what} waits: {WAITS}"
        waits = Item(level=Level.ATTENTION, kind=Kind.WITHHELD, text=text, key_id=key_id)
        yield Step(rule=step.rule, decision=waits)


def only_marks(plan: Plan) -> bool:
    """It changes no key. Such a plan takes no place under the cap: a mark that waits is a date that is wrong."""
    return all(isinstance(action, ForgetMarks | MarkInactive) for action in plan.actions)


def urgency(plan: Plan) -> tuple[int, date, str]:
    """The order under the cap: work in flight, then replacements by the oldest key, then deletions and marks."""
    kinds = {type(action) for action in plan.actions}
    rank = 0 if kinds & {Deactivate, Hold} else 1 if Replace in kinds else 2
    oldest = min((key.created_on for key in plan.user.keys), default=date.max)
    return rank, oldest, plan.user.name
