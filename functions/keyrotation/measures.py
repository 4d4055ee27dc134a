"""What a run says in numbers, zeros included: a quiet day is a measurement too."""

from keyrotation.actions import Deactivate, Delete, Kind, Plan, Promote, Replace
from keyrotation.model import Key
from keyrotation.plan import over_threshold
from keyrotation.policy import Policy
from keyrotation.rotation import Run

_HELD = (Kind.IN_USE, Kind.UNTIL_QUIET, Kind.BY_HAND, Kind.BY_HAND_QUIET)


def measures(run: Run, policy: Policy) -> dict[str, int]:
    """By the metric's name; of a run when all of it is done.

    `KeysUnexplained`: active keys over the threshold of which this run says nothing at all: no act, no item, no
    exemption, no replacement whose overlap goes on. Whoever has one is in the order, also where the plan is empty by
    mistake; the scanner counts the keys that are over. `Held`: keys kept on past their off date today.
    """
    done = [each.action for outcome in run.outcomes for each in outcome.done]
    off = {action.key_id for action in done if isinstance(action, Deactivate)}
    unreadable = sum(bool(plan.user.unread) for plan in run.plans)
    return {
        "KeysUnexplained": sum(
            over_threshold(key, policy, run.today) and key.id not in off and not _explained(plan, key)
            for plan in run.plans
            for key in plan.user.keys
        ),
        "Replaced": sum(isinstance(action, Replace | Promote) for action in done),
        "Deactivated": len(off),
        "Deleted": sum(isinstance(action, Delete) for action in done),
        "Held": len({item.key_id for plan in run.plans for item in plan.items if item.kind in _HELD}),
        "Failed": sum(outcome.failure is not None for outcome in run.outcomes),
        "Waiting": len(run.waiting) + len(run.deferred),
        "Unreadable": unreadable,
        "UsersExamined": run.order.total - unreadable - len(run.deferred),
    }


def _explained(plan: Plan, key: Key) -> bool:
    in_overlap = any(other.active and other.seniority > key.seniority for other in plan.user.keys)
    return bool(plan.steps) or in_overlap
