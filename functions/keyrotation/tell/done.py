"""The entries of what was done, would be done or failed, and of what an earlier attempt did and nobody told."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import assert_never

from keyrotation.act.replacement import Issued
from keyrotation.decide import actions
from keyrotation.memory import OffReason, What, Why
from keyrotation.model import Key, name_of_secret, secret_name
from keyrotation.tell import commands
from keyrotation.tell.entries import Entry, Telling

# A switch-off that no mail told is told by one of these days, or the notice of its deletion has another reason.
_LATELY = timedelta(days=20)
# The kinds of entries that hand over a new key.
NO_OLD_KEY = "replaced-without-an-old-key"
INSTALLED = frozenset({"replaced", "finished", "replaced-before", NO_OLD_KEY})


def failed(telling: Telling) -> Iterator[Entry]:
    for outcome in telling.run.outcomes:
        if outcome.failure is not None:
            yield telling.about(outcome.plan, outcome.failure, telling.log_command, kind="failed")


def done(telling: Telling) -> Iterator[tuple[Entry, actions.Action]]:
    for outcome in telling.run.outcomes:
        for each in outcome.done:
            if _told_as_done(outcome.plan, each.action):
                yield _entry(telling, outcome.plan, each.action, issued=each.issued), each.action


def would_do(telling: Telling) -> Iterator[Entry]:
    for plan in telling.run.plans:
        for action in plan.would:
            if _told_as_done(plan, action):
                yield _entry(telling, plan, action)


def noticed(telling: Telling) -> Iterator[Entry]:
    """Notices that this message gives, and that no other entry tells."""
    for outcome in telling.run.outcomes:
        for action in outcome.plan.actions:
            if (
                isinstance(action, actions.GiveNotice)
                and (action.key_id, action.notice) in outcome.to_give
                and _told_as_done(outcome.plan, action)
                and not tells_of_switch_off(telling, outcome.plan, action)
            ):
                yield _entry(telling, outcome.plan, action)


def since_the_last_mail(telling: Telling, *, told: Sequence[Entry]) -> Iterator[Entry]:
    """What earlier runs did as announced, and no mail has told: none went out for that alone.

    A key that went off has no notice of its deletion yet: the mail that tells of it is the one that gives it.
    """
    already = {(entry.user, entry.key.id) for entry in told if entry.key is not None}
    already |= {(entry.user, entry.once) for entry in told if entry.once is not None}
    for plan in telling.run.plans:
        for item in _deletions(plan):
            if (plan.user.name, item.once) not in already:
                yield _deleted_before(telling, plan, item)
    for outcome in telling.run.outcomes:
        for action in outcome.plan.actions:
            if (
                isinstance(action, actions.GiveNotice)
                and tells_of_switch_off(telling, outcome.plan, action)
                and (action.key_id, action.notice) in outcome.to_give
                and (outcome.plan.user.name, action.key_id) not in already
            ):
                yield _off_since(telling, outcome.plan, action)


def tells_of_switch_off(telling: Telling, plan: actions.Plan, action: actions.GiveNotice) -> bool:
    """This system switched the key off lately, and its deletion was not announced yet."""
    known = plan.user.memory.key(action.key_id)
    if action.instead_of is not None or known.off_because is None or known.off_since is None:
        return False
    return timedelta(0) < telling.run.today - known.off_since <= _LATELY


def _off_since(telling: Telling, plan: actions.Plan, action: actions.GiveNotice) -> Entry:
    day = plan.user.memory.key(action.key_id).off_since
    return telling.about(
        plan,
        f"it was switched off on {day}, as announced",
        telling.before_deletion(plan, action.key_id, action.notice.day),
        kind="off-since",
        key_id=action.key_id,
        by=action.notice.day,
        then=_THEN[action.notice.why],
        since=day,
        many="the key below was switched off in the last days, as announced.",
    )


def done_before(telling: Telling, *, told: Sequence[Entry]) -> Iterator[tuple[Entry, bool]]:
    """Read from memory: keys that went off or were issued since the day of the order, and keys that are gone.

    With each: whether it is a key that this system switched off while it was in use.
    """
    run = telling.run
    # An order of late yesterday may have been worked on before midnight.
    ordered = run.order.ordered_at
    first = min(ordered.date(), run.today) if ordered is not None else run.today
    of_this_run = {entry.key.id for entry in told if entry.key is not None} | {
        each.issued.key_id for outcome in run.outcomes for each in outcome.done if each.issued is not None
    }
    for plan in run.plans:
        memory = plan.user.memory
        for item in _deletions(plan):
            if item.since is not None and item.since >= first:
                yield _deleted_before(telling, plan, item), False
        for key in plan.user.keys:
            known = memory.key(key.id)
            if key.id in of_this_run:
                continue
            # What a person switched off is told as that, and never with the command that switches it on again.
            if (
                not key.active
                and known.off_because is not None
                and known.off_since
                and known.off_since >= first
            ):
                yield _off_before(telling, plan, key), known.off_because is OffReason.FORCED
            if known.issued_on is not None and known.issued_on >= first:
                yield _replaced_before(telling, plan, key), False


def is_forced(action: actions.Action) -> bool:
    return isinstance(action, actions.Deactivate) and action.reason is OffReason.FORCED


def _told_as_done(plan: actions.Plan, action: actions.Action) -> bool:
    """What stands elsewhere in the mail, or is no news, is not told again."""
    match action:
        case actions.ForgetKeys() | actions.ForgetVanished() | actions.RememberOn():
            return False
        case actions.SettlePending() | actions.Recall():
            return False
        case actions.RememberOff(key_id=key_id):
            return not _noticed(plan, key_id)
        case actions.GiveNotice(key_id=key_id):
            # What needs a person says the day itself.
            levels = [item.level for item in plan.items if item.key_id == key_id]
            return actions.Level.ATTENTION not in levels
        case _:
            return True


def _noticed(plan: actions.Plan, key_id: str) -> bool:
    return any(isinstance(each, actions.GiveNotice) and each.key_id == key_id for each in plan.decided)


def _entry(
    telling: Telling, plan: actions.Plan, action: actions.Action, *, issued: Issued | None = None
) -> Entry:
    """What was done; in Audit what would be, and then nothing can be fetched or undone yet."""
    entry = _of_action(telling, plan, action, issued)
    if not telling.audit:
        return entry
    alone = commands.leave_alone(plan.user.name, telling.run.today, "to have the user left alone")
    return replace(entry, commands=(alone,))


def _of_action(telling: Telling, plan: actions.Plan, action: actions.Action, issued: Issued | None) -> Entry:
    """The table of all actions; a match, so that the type checker finds one that is missing."""
    match action:
        case actions.Replace():
            return _replaced(telling, plan, action, issued)
        case actions.Promote():
            return _finished(telling, plan, action, issued)
        case actions.DeleteOrphan():
            return _undone(telling, plan, action)
        case actions.Deactivate():
            return _switched_off(telling, plan, action)
        case actions.Delete():
            return _deleted(telling, plan, action)
        case actions.MendPolicy():
            return _mended(telling, plan, action)
        case actions.GiveNotice():
            return _notice_given(telling, plan, action)
        case actions.DropNotice():
            return _notice_fell(telling, plan, action)
        case actions.RememberOff():
            return _seen_inactive(telling, plan, action)
        case (
            actions.ForgetKeys()
            | actions.ForgetVanished()
            | actions.RememberOn()
            | actions.SettlePending()
            | actions.Recall()
        ):
            # Passed over by `_told_as_done`.
            return telling.about(plan, "", kind="remembered")
        case _:
            assert_never(action)


def _replaced(telling: Telling, plan: actions.Plan, action: actions.Replace, issued: Issued | None) -> Entry:
    works = any(key.active for key in plan.user.keys)
    text = f"{'it' if action.old_key_id else 'a new key'} {_was(telling)} {'replaced' if works else 'made'} ({action.why})"
    if issued is not None:
        text += f": the new key {issued.key_id} is in the secret {telling.secret_of(plan)}. Install it"
    ways = telling.install(plan)
    if not works:
        text += (
            ". No other key of this user is active, so no program can fetch it. The owner can, signed in to the console, or a role "
            "of SecretReaderArns. If there is neither, an administrator gives the user a console password, or adds a role to "
            "SecretReaderArns and has another key made"
        )
        way = commands.have_replaced(plan.user.name, "after adding a role, to have another key made")
        ways = (*ways, way)
    return telling.about(
        plan,
        text,
        *ways,
        issued=issued,
        kind="replaced" if works else NO_OLD_KEY,
        key_id=action.old_key_id,
        by=action.notice.day if action.notice else None,
        then=_THEN[Why.OVERLAP] if action.notice else "",
        since=action.since,
        many=_many_replaced(telling, action) if works and action.old_key_id else "",
    )


def _many_replaced(telling: Telling, action: actions.Replace) -> str:
    if telling.audit:
        return "this key would be replaced, and the new key would come in the user's secret."
    after = (
        " The old key works until the day below; if it is still in use then, it gets one last extension"
        if action.notice
        else ""
    )
    return f"a new key is in the secret {secret_name('NAME')}, with the user's name for NAME. Install it.{after}."


def _finished(telling: Telling, plan: actions.Plan, action: actions.Promote, issued: Issued | None) -> Entry:
    text = (
        f"an interrupted replacement {_was(telling)} finished: "
        f"this new key is in the secret {telling.secret_of(plan)}. Install it"
    )
    return telling.about(
        plan, text, *telling.install(plan), issued=issued, kind="finished", key_id=action.key_id
    )


def _undone(telling: Telling, plan: actions.Plan, action: actions.DeleteOrphan) -> Entry:
    was = _was(telling)
    text = f"an interrupted replacement {was} undone: its key {action.key_id}, which nobody can hold, {was} deleted"
    return telling.about(plan, text, kind="undone")


def _switched_off(telling: Telling, plan: actions.Plan, action: actions.Deactivate) -> Entry:
    name, notice = plan.user.name, action.notice
    text = f"it {_was(telling)} switched off: {action.why}"
    if action.in_secret:
        text += ". It is the key in the user's secret, which then holds a key that is off"
    left = f" before it is deleted on {notice.day}" if notice else ""
    ways = [commands.switch_on(name, action.key_id, f"to undo this{left}")]
    if action.reason is OffReason.UNUSED:
        ways.append(commands.have_replaced(name, "to have a new key made"))
    return telling.about(
        plan,
        text,
        *ways,
        kind="forced-off" if is_forced(action) else "switched-off",
        key_id=action.key_id,
        by=notice.day if notice else None,
        then="deleted" if notice else "",
    )


def _deleted(telling: Telling, plan: actions.Plan, action: actions.Delete) -> Entry:
    text = f"it {_was(telling)} deleted: {action.why}"
    return telling.about(plan, text, kind="deleted", key_id=action.key_id)


def _mended(telling: Telling, plan: actions.Plan, action: actions.MendPolicy) -> Entry:
    text = (
        f"the user was renamed or moved to another path. The policy of its secret, {name_of_secret(action.secret_arn)}, "
        f"{_was(telling)} updated, so that the owner can read it; the secret keeps its name"
    )
    return telling.about(plan, text, kind="policy-mended")


# What a notice says will happen on its day.
_THEN = {
    Why.OVERLAP: "switched off if nobody uses it by then",
    Why.IN_USE: "switched off, in use or not",
    Why.BY_HAND: "switched off if nobody uses it by then",
    Why.UNUSED: "switched off if nobody uses it by then",
    Why.INACTIVE: "deleted",
}
_KINDS = {
    Why.OVERLAP: actions.Kind.OFF_DATE_QUIET,
    Why.IN_USE: actions.Kind.IN_USE,
    Why.BY_HAND: actions.Kind.BY_HAND_QUIET,
    Why.UNUSED: actions.Kind.RETIREMENT,
    Why.INACTIVE: actions.Kind.DELETION,
}
# The kinds of entries that give a notice.
NOTICED = frozenset(_KINDS.values())


def _notice_given(telling: Telling, plan: actions.Plan, action: actions.GiveNotice) -> Entry:
    name, notice = plan.user.name, action.notice
    what = "deletion" if notice.what is What.DELETE else "switch-off"
    instead = f". The earlier day, {action.instead_of.day}, no longer holds" if action.instead_of else ""
    gives = "in Enforce, this mail would give" if telling.audit else "this mail gives"
    way = (
        telling.before_deletion(plan, action.key_id, notice.day)
        if notice.what is What.DELETE
        else commands.leave_alone(name, notice.day, "to have it left alone")
    )
    return telling.about(
        plan,
        f"{gives} notice of its {what}: {action.because}{instead}",
        way,
        kind=_KINDS[notice.why],
        key_id=action.key_id,
        by=notice.day,
        then=_THEN[notice.why],
    )


def _notice_fell(telling: Telling, plan: actions.Plan, action: actions.DropNotice) -> Entry:
    what = "deleted" if action.notice.what is What.DELETE else "switched off"
    text = f"it will not be {what} on {action.notice.day}, as was announced, because {action.why}"
    return telling.about(plan, text, kind="notice-fell", key_id=action.key_id)


def _seen_inactive(telling: Telling, plan: actions.Plan, action: actions.RememberOff) -> Entry:
    return telling.about(
        plan,
        "it is inactive, and this is the first run that saw it so",
        telling.before_deletion(plan, action.key_id, None),
        kind="seen-inactive",
        key_id=action.key_id,
    )


def _deletions(plan: actions.Plan) -> Iterator[actions.Item]:
    """By earlier runs, which nobody was told of."""
    yield from (item for item in plan.items if item.level is actions.Level.DONE)


def _deleted_before(telling: Telling, plan: actions.Plan, item: actions.Item) -> Entry:
    return telling.about(plan, item.text, kind=item.kind, since=item.since, once=item.once)


def _off_before(telling: Telling, plan: actions.Plan, key: Key) -> Entry:
    text = "it was switched off, as announced"
    undo = commands.switch_on(plan.user.name, key.id, "to switch it on")
    return telling.about(plan, text, undo, kind="off-before", key_id=key.id)


def _replaced_before(telling: Telling, plan: actions.Plan, key: Key) -> Entry:
    text = (
        f"an earlier attempt made this new key, and may not have told of it: it is in the secret {telling.secret_of(plan)}. "
        "Install it"
    )
    return telling.about(plan, text, *telling.install(plan), kind="replaced-before", key_id=key.id)


def _was(telling: Telling) -> str:
    return "would be" if telling.audit else "was"
