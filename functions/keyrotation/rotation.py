"""One run over the users of an order: observe, plan, apply, under the cap and within the time."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

from keyrotation.actions import Plan
from keyrotation.apply import Outcome
from keyrotation.model import User
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
    today: date,
    time_is_up: Callable[[], bool],
    workers: int,
) -> Run:
    """Finish the fleet whatever one user does. `act` None: Audit, every plan is only told."""
    with ThreadPoolExecutor(workers) as pool:
        seen = list(pool.map(lambda name: None if time_is_up() else look(name), order.user_names))
        plans = tuple(plan_user(user, policy, today) for user in seen if user is not None)
        late = [name for name, user in zip(order.user_names, seen, strict=True) if user is None]

        due = sorted((plan for plan in plans if plan.actions), key=urgency)
        outcomes: list[Outcome] = []
        budget = policy.max_users_per_run if act is not None else 0
        while act is not None and due and budget > 0:
            batch, due = due[:budget], due[budget:]
            tried = list(pool.map(lambda plan: None if time_is_up() else act(plan), batch))
            outcomes += [outcome for outcome in tried if outcome is not None]
            late += [plan.user.name for plan, outcome in zip(batch, tried, strict=True) if outcome is None]
            # The cap counts users that were changed: an attempt that failed leaves its place to the next.
            budget -= sum(outcome is None or bool(outcome.done) for outcome in tried)
    return Run(
        order=order,
        today=today,
        plans=plans,
        outcomes=tuple(outcomes),
        waiting=tuple(due) if act is not None else (),
        deferred=tuple(sorted(late)),
    )
