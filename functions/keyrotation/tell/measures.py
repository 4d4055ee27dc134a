"""What a run says in numbers, zeros included: a quiet day is a measurement too."""

from keyrotation.decide.actions import Deactivate, Delete, Kind, Promote, Replace
from keyrotation.decide.plan import over_threshold
from keyrotation.policy import Policy
from keyrotation.run.record import Run

_HELD = (Kind.IN_USE, Kind.UNTIL_QUIET, Kind.BACK_ON)


def measures(run: Run, policy: Policy) -> dict[str, int]:
    """By the metric's name; of a run when all of it is done.

    `KeysUnexplained`: active keys over the threshold of which this run says nothing at all: no act, no item, no
    exemption, no notice whose day is ahead, no replacement whose overlap goes on. Whoever has one is in the order, also
    where the plan is empty by mistake; the scanner counts the keys that are over. `Held`: keys kept on past the day on which they would go off.
    """
    done = [each.action for outcome in run.outcomes for each in outcome.done]
    unreadable = sum(bool(plan.user.unread) for plan in run.plans)
    return {
        "KeysUnexplained": sum(
            plan.user.memory.key(key.id).notice is None
            for plan in run.plans
            if not plan.steps
            for key in over_threshold(plan.user.keys, policy, run.today)
        ),
        "Replaced": sum(isinstance(action, Replace | Promote) for action in done),
        "Deactivated": sum(isinstance(action, Deactivate) for action in done),
        "Deleted": sum(isinstance(action, Delete) for action in done),
        "Held": len({item.key_id for plan in run.plans for item in plan.items if item.kind in _HELD}),
        "Failed": sum(outcome.failure is not None for outcome in run.outcomes),
        "Waiting": len(run.waiting) + len(run.deferred),
        "Unreadable": unreadable,
        "UsersExamined": run.order.total - unreadable - len(run.deferred),
    }
