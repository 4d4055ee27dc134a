"""What the coming runs would do if nothing changed but the date: the system's own run, day after day, on a copy.

It supposes that whoever uses a key today goes on using it as often, and that nobody uses what lies unused. A user whose
key is replaced leaves the forecast: when the owner moves to the new key is not to be known.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import date, timedelta

from keyrotation.act.apply import Done, Outcome
from keyrotation.decide import remembering
from keyrotation.decide.actions import (
    Action,
    ChangesKeys,
    Deactivate,
    Delete,
    DeleteOrphan,
    Plan,
    Promote,
    Recall,
    Replace,
)
from keyrotation.decide.state import State
from keyrotation.memory import Memory
from keyrotation.model import INACTIVE, Key, Occasion, User
from keyrotation.policy import Policy
from keyrotation.preview.next_look import goes_on, next_look
from keyrotation.run.order import Order
from keyrotation.run.rotation import Complete, rotate

_DAY = timedelta(days=1)


@dataclass(frozen=True, kw_only=True)
class Change:
    """One key would be changed on this day."""

    on: date
    user_name: str
    action: ChangesKeys

    @property
    def key_id(self) -> str | None:
        """The key that it is about; None: a replacement for a user who has none."""
        return self.action.old_key_id if isinstance(self.action, Replace) else self.action.key_id


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """`plans`: of today, by user. `waiting`: by day, the users whom the cap makes wait until the next; a day that is not there has none."""

    plans: Mapping[str, Plan]
    changes: tuple[Change, ...]
    waiting: Mapping[date, int]

    @property
    def replaced(self) -> Counter[date]:
        """Users whose key would be replaced, by day."""
        return Counter(change.on for change in self.changes if isinstance(change.action, Replace))


def forecast(users: Mapping[str, User], policy: Policy, occasion: Occasion) -> Forecast:
    """Of every day until each key that there is would have met its end; only those are run on which something may happen."""
    fleet = dict(users)
    plans: dict[str, Plan] = {}
    changes: list[Change] = []
    waiting: dict[date, int] = {}
    to_look_at: defaultdict[int, set[str]] = defaultdict(set)
    to_look_at[0] = set(users)
    days = 2 + max(policy.max_key_age_days, policy.unused_days) + policy.delete_after_days
    while to_look_at and (ahead := min(to_look_at)) < days:
        that_day = replace(occasion, now=occasion.now + timedelta(days=ahead))
        today = that_day.today
        seen = {
            name: _still_used(fleet[name], policy, occasion.today, days=ahead)
            for name in sorted(to_look_at.pop(ahead))
        }
        run = rotate(
            Order(
                run_id="forecast", total=len(seen), with_keys=0, root_has_keys=None, user_names=tuple(seen)
            ),
            eyes=Complete(see=seen.__getitem__),
            act=_as_if_done,
            policy=policy,
            occasion=that_day,
            changed_today=(),
            seconds_left=lambda: 1.0,
            lookers=1,
            actors=1,
            turns=nullcontext(),
        )
        if ahead == 0:
            plans = {plan.user.name: plan for plan in run.plans}
        if run.waiting:
            waiting[today] = len(run.waiting)
        for plan in run.plans:
            seen[plan.user.name] = replace(seen[plan.user.name], memory=_told(plan, today))
        for outcome in run.outcomes:
            name = outcome.plan.user.name
            for done in outcome.done:
                if isinstance(done.action, ChangesKeys):
                    changes.append(Change(on=today, user_name=name, action=done.action))
                if isinstance(done.action, Replace | Promote | Recall | DeleteOrphan):
                    seen.pop(name, None)
                elif name in seen:
                    seen[name] = _after(seen[name], done.action)
        # Whoever waits for a place is looked at every day, and so is whoever something was done about.
        at_once = {plan.user.name for plan in run.waiting} | {each.plan.user.name for each in run.outcomes}
        for name, user in seen.items():
            fleet[name] = replace(fleet[name], keys=_kept(fleet[name], user), memory=user.memory)
            day = today + _DAY if name in at_once else next_look(State.of(user, policy, that_day))
            if day is not None:
                to_look_at[ahead + (day - today).days].add(name)
    return Forecast(plans=plans, changes=tuple(changes), waiting=waiting)


def _kept(before: User, after: User) -> tuple[Key, ...]:
    """The keys that are left, with the uses of the first day: it is from there that they are supposed to go on."""
    status = {key.id: key.status for key in after.keys}
    return tuple(replace(key, status=status[key.id]) for key in before.keys if key.id in status)


def _as_if_done(plan: Plan) -> Outcome:
    """As a run whose message is heard leaves it."""
    return Outcome(
        plan=plan,
        done=tuple(Done(action=action) for action in plan.actions),
        failure=None,
        memory=plan.user.memory,
    )


def _told(plan: Plan, today: date) -> Memory:
    """What a message of this run tells again, told."""
    memory = plan.user.memory
    for item in plan.items:
        if item.notice is not None and item.key_id is not None:
            memory = memory.with_key(item.key_id, notice=replace(item.notice, told=today))
    return memory


def _still_used(user: User, policy: Policy, today: date, *, days: int) -> User:
    """The user so many days later: keys that are in use today have been used again by then."""

    def later(key: Key) -> Key:
        if key.use is None or not goes_on(key, policy, today):
            return key
        return replace(key, last_use=replace(key.use, at=key.use.at + timedelta(days=days)))

    return replace(user, keys=tuple(map(later, user.keys)))


def _after(user: User, action: Action) -> User:
    """As the next look would find the user."""
    keys = user.keys
    match action:
        case Deactivate(key_id=key_id):
            keys = tuple(replace(key, status=INACTIVE) if key.id == key_id else key for key in keys)
        case Delete(key_id=key_id):
            keys = tuple(key for key in keys if key.id != key_id)
        case _:
            pass
    return replace(user, keys=keys, memory=remembering.after(user.memory, action))
