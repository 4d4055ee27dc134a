"""One run over the users of an order: observe, plan, apply, under the cap and within the time."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import date
from typing import Protocol

from keyrotation.act.apply import Heard, Outcome
from keyrotation.decide.actions import Level, Plan
from keyrotation.decide.plan import only_remembers, plan_user, urgency
from keyrotation.memory import Memory
from keyrotation.model import NotLookedUp, Occasion, User
from keyrotation.policy import Policy
from keyrotation.run.order import Order
from keyrotation.run.record import Run, Told


class Eyes(Protocol):
    """Who looks at users for a run; nothing of it raises."""

    def glance(self, user_name: str, /) -> User:
        """A first look, which may be a while old; nothing is done to keys by it."""

    def look(self, user_name: str, /) -> User:
        """As the user is now."""

    def look_up(self, user: User, what: str, /) -> User:
        """With a fact more: what `model.NotLookedUp` asks for."""


@dataclass(frozen=True, kw_only=True)
class Complete:
    """Eyes that see everything at the first look."""

    see: Callable[[str], User]

    def glance(self, user_name: str) -> User:
        return self.see(user_name)

    def look(self, user_name: str) -> User:
        return self.see(user_name)

    def look_up(self, user: User, what: str) -> User:
        raise LookupError(f"{user.name}: {what} was not there to be seen")


def rotate(
    order: Order,
    *,
    eyes: Eyes,
    act: Callable[[Plan], Outcome],
    policy: Policy,
    occasion: Occasion,
    changed_today: Collection[str],
    seconds_left: Callable[[], float],
    lookers: int,
    actors: int,
    turns: AbstractContextManager[object],
) -> Run:
    """Finish the fleet whatever one user does. In Audit a plan's actions are only what is remembered.

    `changed_today`: the ids of users whom earlier runs of this day changed; they count under the cap.
    `seconds_left` until no user may be started any more. Looking may take half of them: a run that only
    looked would be the same run again tomorrow. `lookers` look at once, and `actors` act at once, each in its turn.
    """
    half = seconds_left() / 2

    def plan(look: Callable[[str], User], user_name: str) -> Plan:
        try:
            return _planned(look(user_name), eyes, policy, occasion)
        except Exception as error:  # noqa: BLE001  # one user's surprise, a tag that people wrote, must not stop the others
            # Told by its kind only: its words may quote what was read.
            unread = (f"it could not be planned ({type(error).__name__})",)
            return plan_user(User(name=user_name, unread=unread), policy, occasion)

    def study(user_name: str) -> tuple[Plan | None, Outcome | None]:
        """Observe and plan; an interrupted replacement is settled first, and then observed and planned again."""
        if (left := seconds_left()) < half or left <= 0:
            return None, None
        planned = plan(eyes.glance, user_name)
        if not planned.settles or not planned.actions:
            return planned, None
        planned = plan(eyes.look, user_name)
        if not planned.settles:
            return planned, None
        outcome = act(planned)
        if outcome.failure is not None:
            return planned, outcome
        return plan(eyes.look, user_name).preceded_by(planned), outcome

    def carry_out(planned: Plan) -> Outcome | None:
        """Observe and plan once more: while others were looked at, a person may have changed this user."""
        with turns:
            if seconds_left() <= 0:
                return None
            name = planned.user.name
            anew = plan(eyes.look, name)
            return act(anew.preceded_by(settled[name]) if name in settled else anew)

    names = _from_another_place_each_day(order.user_names, occasion.today)
    with ThreadPoolExecutor(lookers) as looking, ThreadPoolExecutor(actors) as acting:
        studied = list(looking.map(study, names))
        plans = {planned.user.name: planned for planned, _ in studied if planned is not None}
        outcomes = [outcome for _, outcome in studied if outcome is not None]
        settled = {outcome.plan.user.name: outcome.plan for outcome in outcomes}
        late = [name for name in names if name not in plans]

        due = sorted((each for each in plans.values() if each.actions and not each.settles), key=urgency)
        batch, due = _under_cap(due, outcomes, changed_today, cap=policy.max_users_per_run)
        while batch:
            tried = list(acting.map(carry_out, batch))
            outcomes += [outcome for outcome in tried if outcome is not None]
            plans |= {outcome.plan.user.name: outcome.plan for outcome in tried if outcome is not None}
            late += [each.user.name for each, outcome in zip(batch, tried, strict=True) if outcome is None]
            if None in tried:
                break  # the time is up: those who had a place are deferred, and the others wait as they did
            batch, due = _under_cap(due, outcomes, changed_today, cap=policy.max_users_per_run)
    return Run(
        order=order,
        today=occasion.today,
        listeners=occasion.listeners,
        plans=tuple(plans[name] for name in sorted(plans)),
        outcomes=tuple(outcomes),
        waiting=tuple(due),
        deferred=tuple(sorted(late)),
    )


def remember(
    told: Told, *, write: Callable[[User, Memory, Heard, tuple[str, ...]], str | None], workers: int
) -> Run:
    """What the message told is remembered once it went out, and only then: no notice is kept that nobody heard of.

    What fails stands in the outcome of its user.
    """
    outcomes = told.run.outcome_of

    def written(plan: Plan) -> str | None:
        heard, forget = told.heard_of(plan), told.forgotten(plan)
        if heard == Heard() and not forget:
            return None
        return write(plan.user, told.memory_of(plan), heard, forget)

    with ThreadPoolExecutor(workers) as pool:
        causes = {
            plan.user.name: (plan, cause)
            for plan, cause in zip(told.run.plans, pool.map(written, told.run.plans), strict=True)
            if cause is not None
        }

    def with_cause(outcome: Outcome) -> Outcome:
        name = outcome.plan.user.name
        if outcome is not outcomes[name] or name not in causes:
            return outcome
        _, cause = causes.pop(name)
        return replace(outcome, failure=outcome.failure or cause)

    failed = [with_cause(outcome) for outcome in told.run.outcomes]
    failed += [
        Outcome(plan=plan, done=(), failure=cause, memory=plan.user.memory) for plan, cause in causes.values()
    ]
    return replace(told.run, outcomes=tuple(failed))


def _under_cap(
    due: Sequence[Plan], outcomes: Sequence[Outcome], changed_today: Collection[str], *, cap: int
) -> tuple[list[Plan], list[Plan]]:
    """The next plans that the cap has room for, and the others.

    It counts users that were changed today, each once: an attempt that failed leaves its place to the next, and a
    user whose interrupted replacement was settled today has a place already.
    """
    changed = {outcome.plan.user.id for outcome in outcomes if outcome.changed} | set(changed_today)
    room = cap - len(changed)
    batch, rest = [], []
    for plan in due:
        if plan.user.id in changed or only_remembers(plan):
            batch.append(plan)
        elif room > 0:
            batch.append(plan)
            room -= 1
        else:
            rest.append(plan)
    return batch, rest


def _from_another_place_each_day(names: Sequence[str], today: date) -> list[str]:
    """Where the time does not suffice for all, it is not the same users every day who are not reached."""
    start = today.toordinal() * 997 % len(names) if names else 0
    return [*names[start:], *names[:start]]


def _planned(user: User, eyes: Eyes, policy: Policy, occasion: Occasion) -> Plan:
    """The plan, and on the way what it asks for; and the last use of each key that people are asked to do something about."""
    try:
        plan = plan_user(user, policy, occasion)
    except NotLookedUp as missing:
        return _planned(eyes.look_up(user, missing.what), eyes, policy, occasion)
    told = {item.key_id for item in plan.items if item.level is Level.ATTENTION}
    unasked = next((key.id for key in user.keys if key.id in told and not key.asked), None)
    if unasked is None:
        return plan
    seen = eyes.look_up(user, unasked)
    # Nothing hangs on it: a mail does without.
    return plan if seen.unread else _planned(seen, eyes, policy, occasion)
