"""What a run says in numbers, zeros included: a quiet day is a measurement too."""

from collections.abc import Iterator

from keyrotation.actions import Deactivate, Delete, Kind, Plan, Promote, Replace
from keyrotation.model import Key
from keyrotation.policy import Policy
from keyrotation.rotation import Run

_HELD = (Kind.IN_USE, Kind.UNTIL_QUIET, Kind.BY_HAND, Kind.BY_HAND_QUIET)


def measures(run: Run, policy: Policy) -> dict[str, int]:
    """By the metric's name; of a run when all of it is done.

    `KeysUnexplained`: active keys over the threshold of which this run says nothing at all: no act, no item, no
    exemption, no replacement whose overlap goes on. `Held`: keys kept on past their off date today.
    """
    done = [each.action for outcome in run.outcomes for each in outcome.done]
    off = {action.key_id for action in done if isinstance(action, Deactivate)}
    over = [(plan, key) for plan in run.plans for key in _over(plan, policy, run) if key.id not in off]
    return {
        "KeysOverThreshold": len(over),
        "KeysUnexplained": sum(not _explained(plan, key) for plan, key in over),
        "Replaced": sum(isinstance(action, Replace | Promote) for action in done),
        "Deactivated": len(off),
        "Deleted": sum(isinstance(action, Delete) for action in done),
        "Held": len({item.key_id for plan in run.plans for item in plan.items if item.kind in _HELD}),
        "Failed": sum(outcome.failure is not None for outcome in run.outcomes),
        "Waiting": len(run.waiting) + len(run.deferred),
        "Unreadable": sum(bool(plan.user.unread) for plan in run.plans),
        "UsersExamined": len(run.plans),
    }


def _over(plan: Plan, policy: Policy, run: Run) -> Iterator[Key]:
    for key in plan.user.keys:
        if key.active and (run.today - key.created_on).days >= policy.max_key_age_days:
            yield key


def _explained(plan: Plan, key: Key) -> bool:
    in_overlap = any(other.active and other.seniority > key.seniority for other in plan.user.keys)
    return bool(plan.steps) or in_overlap
