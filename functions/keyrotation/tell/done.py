"""The entries of what was done, would be done or failed, and of what an earlier attempt did and nobody told."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import assert_never

from keyrotation.decide import actions, tags
from keyrotation.model import Key, User, secret_name
from keyrotation.policy import Policy
from keyrotation.tell import commands
from keyrotation.tell.entries import Entry, Telling


def failed(telling: Telling) -> Iterator[Entry]:
    for outcome in telling.run.outcomes:
        if outcome.failure is not None:
            yield telling.about(outcome.plan, outcome.failure, telling.log_command, kind="failed")


def done(telling: Telling) -> Iterator[tuple[Entry, actions.Action]]:
    for outcome in telling.run.outcomes:
        for each in outcome.done:
            if _told_as_done(outcome.plan, each.action):
                new_key = each.issued.key_id if each.issued else None
                yield _entry(telling, outcome.plan, each.action, new_key=new_key), each.action


def would_do(telling: Telling) -> Iterator[Entry]:
    for plan in telling.run.plans:
        for action in plan.actions:
            if _told_as_done(plan, action):
                yield _entry(telling, plan, action)


def done_before(telling: Telling, *, told: Sequence[Entry]) -> Iterator[tuple[Entry, bool]]:
    """Read from the state: marks since the day of the order, marks of keys that are gone, new keys that AWSCURRENT holds.

    A key that was made on an earlier day may have been promoted by the attempt that could not tell: while it is
    recent and nobody used it, it is told, perhaps once more. With each: whether it is a key that went off while
    it was in use.
    """
    run = telling.run
    # An order of late yesterday may have been worked on before midnight.
    ordered = run.order.ordered_at
    first = min(ordered.date(), run.today) if ordered is not None else run.today
    of_this_run = {entry.key.id for entry in told if entry.key is not None} | {
        each.issued.key_id for outcome in run.outcomes for each in outcome.done if each.issued is not None
    }
    for plan in run.plans:
        for action in plan.actions:
            if isinstance(action, actions.ForgetMarks) and not plan.settles:
                # Of keys that were gone before this attempt: perhaps deleted by one that died.
                yield _entry(telling, plan, action), False
        marks = tags.parse(plan.user.tags, today=run.today).inactive_since
        for key in plan.user.keys:
            if key.id in of_this_run:
                continue
            off_on = marks.get(key.id)
            if not key.active and off_on is not None and off_on >= first:
                was_in_use = _was_in_use(plan.user, key, telling.settings.policy, off_on)
                yield _off_before(telling, plan, key), was_in_use
            if _may_be_untold(telling, plan.user, key, first):
                yield _replaced_before(telling, plan, key), False


def is_forced(action: actions.Action) -> bool:
    return isinstance(action, actions.Deactivate) and action.reason is actions.OffReason.FORCED


def _told_as_done(plan: actions.Plan, action: actions.Action) -> bool:
    """A hold stands among what needs someone, with its reason; twice would be once too often.

    That marks of keys which are gone were tidied up is no news.
    """
    if isinstance(action, actions.ForgetMarks):
        return False
    if not isinstance(action, actions.Hold):
        return True
    return all(
        item.key_id != action.key_id or item.level is not actions.Level.ATTENTION for item in plan.items
    )


def _entry(
    telling: Telling, plan: actions.Plan, action: actions.Action, *, new_key: str | None = None
) -> Entry:
    """What was done; in Audit what would be, and then nothing can be fetched or undone yet."""
    entry = _of_action(telling, plan, action, new_key)
    if not telling.audit:
        return entry
    alone = commands.leave_alone(plan.user.name, telling.run.today, "to have this user left alone")
    return replace(entry, commands=(alone,))


def _of_action(telling: Telling, plan: actions.Plan, action: actions.Action, new_key: str | None) -> Entry:
    """The table of all actions; a match, so that the type checker finds one that is missing."""
    match action:
        case actions.Replace():
            return _replaced(telling, plan, action, new_key)
        case actions.Promote():
            return _finished(telling, plan, action)
        case actions.DeleteOrphan():
            return _undone(telling, plan, action)
        case actions.Deactivate():
            return _switched_off(telling, plan, action)
        case actions.Delete():
            return _deleted(telling, plan, action)
        case actions.Hold():
            return _held(telling, plan, action)
        case actions.MarkInactive():
            return _seen_inactive(telling, plan, action)
        case actions.ForgetMarks():
            return _tags_removed(telling, plan, action)
        case _:
            assert_never(action)


def _replaced(telling: Telling, plan: actions.Plan, action: actions.Replace, new_key: str | None) -> Entry:
    text = f"it {_was(telling)} replaced ({action.why})"
    if new_key is not None:
        text += f": the new key {new_key} is in the secret {secret_name(plan.user.name)}. Install it"
    return telling.about(
        plan,
        text,
        telling.fetch(plan.user),
        kind="replaced",
        key_id=action.old_key_id,
        by=action.old_key_off_on,
        then="switched off once nobody uses it" if action.old_key_off_on else "",
        since=action.since,
    )


def _finished(telling: Telling, plan: actions.Plan, action: actions.Promote) -> Entry:
    text = (
        f"an interrupted replacement {_was(telling)} finished: "
        f"this new key is in the secret {secret_name(plan.user.name)}"
    )
    return telling.about(plan, text, telling.fetch(plan.user), kind="finished", key_id=action.key_id)


def _undone(telling: Telling, plan: actions.Plan, action: actions.DeleteOrphan) -> Entry:
    was = _was(telling)
    text = f"an interrupted replacement {was} undone: its key {action.key_id}, which nobody can hold, {was} deleted"
    return telling.about(plan, text, kind="undone")


def _switched_off(telling: Telling, plan: actions.Plan, action: actions.Deactivate) -> Entry:
    name, days = plan.user.name, telling.settings.policy.delete_after_days
    text = f"it {_was(telling)} switched off: {action.why}"
    if action.in_secret:
        text += ". It is the key in the user's secret, which then holds a key that is off"
    left = f" within the {days} days before it may be deleted" if days else ""
    ways = [commands.switch_on(name, action.key_id, f"to undo this{left}")]
    if action.reason is actions.OffReason.UNUSED:
        ways.append(commands.have_replaced(name, "to have a new key made"))
    by, then = _deletion(telling, action.on)
    return telling.about(
        plan,
        text,
        *ways,
        kind="forced-off" if is_forced(action) else "switched-off",
        key_id=action.key_id,
        by=by,
        then=then,
        since=action.since,
    )


def _deleted(telling: Telling, plan: actions.Plan, action: actions.Delete) -> Entry:
    text = f"it {_was(telling)} deleted: {action.why}"
    return telling.about(plan, text, kind="deleted", key_id=action.key_id, since=action.since)


def _held(telling: Telling, plan: actions.Plan, action: actions.Hold) -> Entry:
    text = f"it {_was(telling)} given until {action.until} ({action.reason})"
    return telling.about(plan, text, kind="held", key_id=action.key_id)


def _seen_inactive(telling: Telling, plan: actions.Plan, action: actions.MarkInactive) -> Entry:
    by, then = _deletion(telling, action.on)
    return telling.about(
        plan,
        f"it {_was(telling)} seen inactive for the first time",
        commands.switch_on(plan.user.name, action.key_id, "if somebody needs it"),
        kind="seen-inactive",
        key_id=action.key_id,
        by=by,
        then=then,
    )


def _tags_removed(telling: Telling, plan: actions.Plan, action: actions.ForgetMarks) -> Entry:
    were = "would be" if telling.audit else "were"
    text = f"tags that say nothing any more {were} removed: {', '.join(action.tag_keys)}"
    return telling.about(plan, text, kind="tags-removed")


def _off_before(telling: Telling, plan: actions.Plan, key: Key) -> Entry:
    text = "it was switched off, or seen inactive for the first time"
    undo = commands.switch_on(plan.user.name, key.id, "to switch it on")
    return telling.about(plan, text, undo, kind="off-before", key_id=key.id)


def _replaced_before(telling: Telling, plan: actions.Plan, key: Key) -> Entry:
    text = f"this new key is in the secret {secret_name(plan.user.name)}: install it"
    return telling.about(plan, text, telling.fetch(plan.user), kind="replaced-before", key_id=key.id)


def _was(telling: Telling) -> str:
    return "would be" if telling.audit else "was"


def _deletion(telling: Telling, off_on: date) -> tuple[date | None, str]:
    """`by` and `then` of a key that is off since this day; a policy may say that it is never deleted."""
    days = telling.settings.policy.delete_after_days
    return (off_on + timedelta(days=days), "deleted at the earliest") if days else (None, "")


def _may_be_untold(telling: Telling, user: User, key: Key, first: date) -> bool:
    """AWSCURRENT holds it, and it is as new as the order, or recent and unused."""
    secret = user.the_secret
    if secret is None or not secret.holds(key.id):
        return False
    age = (telling.run.today - key.created_on).days
    lately = age <= telling.settings.policy.quiet_days and key.used_on is None
    return key.created_on >= first or lately


def _was_in_use(user: User, key: Key, policy: Policy, today: date) -> bool:
    """When it went off today: a key that was quiet had not been used for longer than this."""
    moved_on = any(other.used_on for other in user.keys if other.seniority > key.seniority)
    days = policy.quiet_days if moved_on else policy.quiet_days_before_first_use
    return key.used_on is not None and (today - key.used_on).days <= days
