"""One run over the users of an order: observe, plan, apply, under the cap and within the time."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import date

from keyrotation.actions import Hold, Plan
from keyrotation.apply import Outcome
from keyrotation.model import Occasion, Use, User
from keyrotation.order import Order
from keyrotation.plan import only_marks, plan_user, urgency
from keyrotation.policy import Policy


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run found and did. `deferred`: not looked at, or not started, because the time was nearly up.

    `listeners`: confirmed subscriptions to the digest; None: they could not be read. `uses`: by key id, what
    CloudTrail recorded of keys whose use people have to follow up.
    """

    order: Order
    today: date
    listeners: int | None
    plans: tuple[Plan, ...]
    outcomes: tuple[Outcome, ...]
    waiting: tuple[Plan, ...]
    deferred: tuple[str, ...]
    uses: Mapping[str, tuple[Use, ...]] = field(default_factory=dict)


def rotate(
    order: Order,
    *,
    look: Callable[[str], User],
    act: Callable[[Plan], Outcome] | None,
    policy: Policy,
    occasion: Occasion,
    seconds_left: Callable[[], float],
    workers: int,
) -> Run:
    """Finish the fleet whatever one user does. `act` None: Audit, every plan is only told.

    `seconds_left` until no user may be started any more. Looking may take half of them: a run that only
    looked would be the same run again tomorrow.
    """
    half = seconds_left() / 2

    def plan(user_name: str) -> Plan:
        user = _observed(look, user_name)
        try:
            return plan_user(user, policy, occasion)
        except Exception as error:  # noqa: BLE001  # what people wrote into one user's tags must not stop the others
            unread = (f"it could not be planned ({type(error).__name__})",)
            return plan_user(User(name=user_name, unread=unread), policy, occasion)

    def study(user_name: str) -> tuple[Plan | None, Outcome | None]:
        """Observe and plan; an interrupted replacement is settled first, and then observed and planned again."""
        if (left := seconds_left()) < half or left <= 0:
            return None, None
        planned = plan(user_name)
        if act is None or not planned.settles:
            return planned, None
        outcome = act(planned)
        if outcome.failure is not None:
            return planned, outcome
        return plan(user_name).preceded_by(planned), outcome

    def carry_out(planned: Plan) -> Outcome | None:
        """Observe and plan once more: while others were looked at, a person may have changed this user."""
        if act is None or seconds_left() <= 0:
            return None
        name = planned.user.name
        anew = plan(name)
        return act(anew.preceded_by(settled[name]) if name in settled else anew)

    names = _from_another_place_each_day(order.user_names, occasion.today)
    with ThreadPoolExecutor(workers) as pool:
        studied = list(pool.map(study, names))
        plans = {planned.user.name: planned for planned, _ in studied if planned is not None}
        outcomes = [outcome for _, outcome in studied if outcome is not None]
        settled = {outcome.plan.user.name: outcome.plan for outcome in outcomes}
        late = [name for name in names if name not in plans]

        due = sorted((each for each in plans.values() if each.actions and not each.settles), key=urgency)
        batch, due = _under_cap(due, outcomes, cap=policy.max_users_per_run)
        while act is not None and batch:
            tried = list(pool.map(carry_out, batch))
            outcomes += [outcome for outcome in tried if outcome is not None]
            plans |= {outcome.plan.user.name: outcome.plan for outcome in tried if outcome is not None}
            late += [each.user.name for each, outcome in zip(batch, tried, strict=True) if outcome is None]
            if None in tried:
                break  # the time is up: those who had a place are deferred, and the others wait as they did
            batch, due = _under_cap(due, outcomes, cap=policy.max_users_per_run)
    return Run(
        order=order,
        today=occasion.today,
        listeners=occasion.listeners,
        plans=tuple(plans[name] for name in sorted(plans)),
        outcomes=tuple(outcomes),
        waiting=tuple(due) if act is not None else (),
        deferred=tuple(sorted(late)),
    )


@dataclass(frozen=True, kw_only=True)
class Told:
    """A run whose digest went out as this message; `message_id` None: nobody had to hear of it."""

    run: Run
    message_id: str | None


def finish(told: Told, *, act: Callable[[Outcome], Outcome], workers: int) -> Run:
    """What is done once the digest went out, and only then: no hold ends that nobody was told of."""

    def may(outcome: Outcome) -> Outcome:
        if told.message_id is not None:
            return outcome
        return replace(outcome, once_told=tuple(a for a in outcome.once_told if not isinstance(a, Hold)))

    with ThreadPoolExecutor(workers) as pool:
        finished = pool.map(lambda each: act(each) if each.once_told else each, map(may, told.run.outcomes))
        return replace(told.run, outcomes=tuple(finished))


def _under_cap(
    due: Sequence[Plan], outcomes: Sequence[Outcome], *, cap: int
) -> tuple[list[Plan], list[Plan]]:
    """The next plans that the cap has room for, and the others.

    It counts users that were changed, each once: an attempt that failed leaves its place to the next, and a
    user whose interrupted replacement was settled today has a place already.
    """
    changed = {
        outcome.plan.user.name
        for outcome in outcomes
        if (outcome.done or outcome.once_told) and not only_marks(outcome.plan)
    }
    room = cap - len(changed)
    batch, rest = [], []
    for plan in due:
        if plan.user.name in changed or only_marks(plan):
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


def _observed(look: Callable[[str], User], user_name: str) -> User:
    """One user's surprise must not stop the others. Told by its kind only: its words may quote what was read."""
    try:
        return look(user_name)
    except Exception as error:  # noqa: BLE001
        return User(name=user_name, unread=(f"it could not be read ({type(error).__name__})",))
