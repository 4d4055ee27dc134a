"""One run over the users of an order: observe, plan, apply, under the cap and within the time."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

from keyrotation.actions import Plan
from keyrotation.apply import Outcome
from keyrotation.model import Occasion, User
from keyrotation.order import Order
from keyrotation.plan import plan_user, urgency
from keyrotation.policy import Policy


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run found and did. `deferred`: not looked at, or not started, because the time was nearly up."""

    order: Order
    today: date
    plans: tuple[Plan, ...]
    outcomes: tuple[Outcome, ...]
    waiting: tuple[Plan, ...]
    deferred: tuple[str, ...]


def rotate(
    order: Order,
    *,
    look: Callable[[str], User],
    act: Callable[[Plan], Outcome] | None,
    policy: Policy,
    occasion: Occasion,
    time_is_up: Callable[[], bool],
    workers: int,
) -> Run:
    """Finish the fleet whatever one user does. `act` None: Audit, every plan is only told."""

    def study(user_name: str) -> tuple[Plan | None, Outcome | None]:
        """Observe and plan; an interrupted replacement is settled first, and then observed and planned again."""
        if time_is_up():
            return None, None
        plan = plan_user(look(user_name), policy, occasion)
        if act is None or not plan.settles:
            return plan, None
        settled = act(plan)
        if settled.failure is not None:
            return plan, settled
        return plan_user(look(user_name), policy, occasion).preceded_by(plan), settled

    with ThreadPoolExecutor(workers) as pool:
        studied = list(pool.map(study, order.user_names))
        plans = tuple(plan for plan, _ in studied if plan is not None)
        outcomes = [settled for _, settled in studied if settled is not None]
        late = [name for name, (plan, _) in zip(order.user_names, studied, strict=True) if plan is None]

        due = sorted((plan for plan in plans if plan.actions and not plan.settles), key=urgency)
        batch, due = _under_cap(due, outcomes, cap=policy.max_users_per_run)
        while act is not None and batch:
            tried = list(pool.map(lambda plan: None if time_is_up() else act(plan), batch))
            outcomes += [outcome for outcome in tried if outcome is not None]
            late += [plan.user.name for plan, outcome in zip(batch, tried, strict=True) if outcome is None]
            batch, due = _under_cap(due, outcomes, cap=policy.max_users_per_run)
    return Run(
        order=order,
        today=occasion.today,
        plans=plans,
        outcomes=tuple(outcomes),
        waiting=tuple(due) if act is not None else (),
        deferred=tuple(sorted(late)),
    )


def _under_cap(
    due: Sequence[Plan], outcomes: Sequence[Outcome], *, cap: int
) -> tuple[list[Plan], list[Plan]]:
    """The next plans that the cap has room for, and the others.

    It counts users that were changed, each once: an attempt that failed leaves its place to the next, and a
    user whose interrupted replacement was settled today has a place already.
    """
    changed = {outcome.plan.user.name for outcome in outcomes if outcome.done}
    room = cap - len(changed)
    batch, rest = [], []
    for plan in due:
        if plan.user.name in changed:
            batch.append(plan)
        elif room > 0:
            batch.append(plan)
            room -= 1
        else:
            rest.append(plan)
    return batch, rest
