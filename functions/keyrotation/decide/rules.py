"""The rules of docs/design.md section 4, in the order in which they are written there: small functions, each with its reason.

A rule takes what is known of one user, as the plan leaves it so far, and yields what to do and what to tell. Days are UTC
dates throughout. The rules ask for dates and tags first, and for a last use or the secret only where something hangs on it:
what they ask for costs a call each, and a user about whom they ask nothing needs no look at all (`plan.may_concern`).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import wraps

from keyrotation.decide import tags as tag
from keyrotation.decide.actions import (
    Action,
    Deactivate,
    Delete,
    DeleteOrphan,
    ForgetMarks,
    Hold,
    Item,
    Kind,
    Level,
    MarkInactive,
    OffReason,
    Promote,
    Replace,
)
from keyrotation.decide.conditions import (
    deletion_day,
    due_on,
    elder_of_late,
    end_of_overlap_near,
    every_third_day,
    forced_off,
    off_days,
    past_off_date,
    protected_until,
    reason_to_retire,
    retirement_day,
    someone_holds_successor,
    unused_on,
    used_since_successor,
    waits_for_slot,
)
from keyrotation.decide.state import State
from keyrotation.decide.tags import HoldReason
from keyrotation.model import (
    ACTIVE,
    CURRENT_STAGE,
    INACTIVE,
    PENDING_STAGE,
    Key,
    LastUse,
    secret_name,
)

_MOST_TAGS = 50

Rule = Callable[[State], Iterator[Action | Item]]


def _oldest_key_first(rule: Callable[[State, Key], Iterator[Action | Item]]) -> Rule:
    """A rule about one key, asked for each key in turn, each seeing what was decided about the one before."""

    @wraps(rule)
    def over_keys(state: State) -> Iterator[Action | Item]:
        for key_id in [key.id for key in state.keys]:
            if (key := state.key(key_id)) is None:
                continue
            for decision in rule(state, key):
                yield decision
                if not isinstance(decision, Item):
                    state = state.after(decision)

    return over_keys


# Rules 1 to 3: about the whole user; what one of them says is all that is said.


def not_understood(state: State) -> Iterator[Item]:
    """Rule 1. Unknown is never a reason to act."""
    problems = [*state.user.unread, *state.tags.malformed]
    if state.policy_problem is not None:
        problems.append(state.policy_problem)
    problems += [
        f"{key.id} has the status {key.status}, which this system does not know"
        for key in state.keys
        if key.status not in (ACTIVE, INACTIVE)
    ]
    if len(state.user.tags) >= _MOST_TAGS:
        problems.append(
            f"it has {_MOST_TAGS} tags, as many as IAM allows, and this system needs room for its own"
        )
    if len(state.keys) > 2:
        problems.append(f"there are {len(state.keys)} keys, and IAM allows two")
    for problem in problems:
        yield attention(f"nothing was done: {problem}", kind=Kind.NOT_UNDERSTOOD)


def interrupted(state: State) -> Iterator[Action | Item]:
    """Rule 2: finish or undo a replacement that did not finish; the user is planned again after it."""
    pending = state.tags.pending
    if pending is None:
        return
    began, since = f"{pending.since:%Y-%m-%d %H:%M} UTC", pending.since.astimezone(UTC).date()

    def told(text: str, *, key: Key | None = None) -> Item:
        # Said this once, whenever it comes to it: `pending` goes with it.
        return attention(text, key=key, kind=Kind.INTERRUPTED)

    def waits(why: str) -> Item:
        return attention(f"nothing was done: {why}", kind=Kind.INTERRUPTED, since=since)

    if pending.region != state.occasion.region:
        yield waits(f"a replacement began on {began} in another Region, {pending.region}")
        return
    if state.occasion.now - pending.since < state.occasion.function_timeout:
        yield waits(f"a replacement that began on {began} may still be running")
        return
    finished = False
    for key in state.keys:
        if key.id in pending.key_ids:
            continue
        secret = state.user.the_secret
        stages = secret.stages_of(key.id) if secret else frozenset()
        if CURRENT_STAGE in stages:
            finished = True
            yield told(
                "an interrupted replacement had put this key into the user's secret: install it", key=key
            )
        elif PENDING_STAGE in stages and key.active:
            finished = True
            # Of more than two keys rule 1 has stopped.
            old = next((other for other in state.keys if other is not key and other.active), None)
            off_on = key.created_on + timedelta(days=state.policy.overlap_days)
            yield Promote(
                key_id=key.id,
                old_key_id=old.id if old else None,
                old_key_off_on=off_on if old else None,
            )
        elif PENDING_STAGE in stages:
            yield told("somebody switched off the new key of an interrupted replacement", key=key)
        elif not stages and _nobody_can_hold(state, key, pending):
            yield DeleteOrphan(key_id=key.id)
        else:
            yield told("somebody made this key while a replacement was interrupted", key=key)
    replaced = (tag.REPLACE,) if finished and state.tags.replace_asked else ()
    yield ForgetMarks(tag_keys=(tag.PENDING, *replaced))


def _nobody_can_hold(state: State, key: Key, pending: tag.Pending) -> bool:
    """The interrupted run made it, and lost it before it could be handed over.

    By time, either way round: `pending` bears our clock and the key IAM's. And never used at all: our own proof
    comes after a key was stored, so one that was never stored and has a use, of whatever kind, is somebody's.
    """
    of_that_run = abs(key.created - pending.since) <= state.occasion.function_timeout
    # Whoever may tag a user can forge `pending`; a run of this system would have settled its own long ago.
    recent = state.occasion.now - pending.since <= timedelta(days=state.policy.quiet_days)
    return of_that_run and recent and key.use is None


def exempt(state: State) -> Iterator[Item]:
    """Rule 3."""
    exemption = state.tags.exempt
    if exemption is None or exemption.until < state.today:
        return
    until = exemption.until
    text = f"exempt through {until}: {exemption.reason or 'no reason given'}"
    yield Item(level=Level.EXEMPT, kind=Kind.EXEMPT, text=text, by=until)
    if until > state.today + timedelta(days=365):
        yield attention(f"the exemption runs through {until}, more than a year ahead", kind=Kind.SETTING)
    if _is_near(state, until):
        ends = "the exemption ends; the usual rules apply the day after"
        yield Item(level=Level.UPCOMING, kind=Kind.EXEMPTION_ENDS, text=ends, by=until)


# What is said or tidied beside the rules of the table (docs/design.md section 3, the tags).


def tags_to_mend(state: State) -> Iterator[Item]:
    """Tags that have no effect, though somebody meant them to."""
    asked, allowed = state.tags.max_age_days, state.policy.max_key_age_days
    if asked is not None and asked > allowed:
        text = f"the tag {tag.MAX_AGE_DAYS} is {asked}: it is ignored, MaxKeyAgeDays is {allowed}"
        yield attention(text, kind=Kind.SETTING)
    for lookalike in state.tags.lookalikes:
        yield attention(lookalike, kind=Kind.SETTING)


def secret_goes(state: State) -> Iterator[Item]:
    """Somebody scheduled the secret for deletion that hands the successor to its owner: it can be restored.

    Secrets Manager waits 7 days at least: looked for so often that one missed run lets none go unseen.
    """
    if state.pair is None or not (end_of_overlap_near(state) or every_third_day(state)):
        return
    secret, name, successor = state.user.the_secret, state.user.name, state.pair[1]
    if secret is None or not secret.deleted:
        return
    if CURRENT_STAGE in secret.stages_of(successor.id):
        yield Item(
            level=Level.ATTENTION,
            kind=Kind.TO_RESTORE,
            text=f"the secret that holds this new key, {secret_name(name)}, is scheduled for deletion: its owner cannot "
            "fetch it, and the pair counts as made by hand",
            key_id=successor.id,
        )


def marks_of_gone_keys(state: State) -> Iterator[ForgetMarks]:
    """Marks of keys that are gone only fill the user's 50 tags."""
    known = {key.id for key in state.keys}
    marks = [tag.INACTIVE_SINCE + key_id for key_id in state.inactive_since if key_id not in known]
    marks += [tag.HELD_UNTIL + key_id for key_id in state.held_until if key_id not in known]
    if marks:
        yield ForgetMarks(tag_keys=tuple(sorted(marks)))


@_oldest_key_first
def holds_too_long(state: State, key: Key) -> Iterator[Hold]:
    """Nobody, and no mistyped year, holds a key on for longer than the policy allows."""
    held = state.held_until.get(key.id)
    if held is None:
        return
    furthest = state.today + timedelta(days=state.longest_hold(held.reason))
    if held.until > furthest:
        yield Hold(key_id=key.id, until=furthest, reason=held.reason)


# Rules 4 to 10: key by key.


@_oldest_key_first
def first_seen_inactive(state: State, key: Key) -> Iterator[MarkInactive]:
    """Rule 4."""
    if not key.active and key.id not in state.inactive_since:
        yield MarkInactive(key_id=key.id, on=state.today)


@_oldest_key_first
def inactive_long_enough(state: State, key: Key) -> Iterator[Delete]:
    """Rule 5."""
    if key.active:
        return
    off = off_days(state, key)
    if 0 < state.policy.delete_after_days <= off:
        why = f"inactive for {off} days"
    elif off >= state.policy.quiet_days and waits_for_slot(state):
        why = f"inactive for {off} days, and a replacement needs its place"
    else:
        return
    if state.today < protected_until(state, key):
        return
    yield Delete(key_id=key.id, why=why, tag_keys=_marks_of(state, key), since=deletion_day(state, key))


def _marks_of(state: State, key: Key) -> tuple[str, ...]:
    marks = [tag.INACTIVE_SINCE + key.id] if key.id in state.inactive_since else []
    return (*marks, tag.HELD_UNTIL + key.id) if key.id in state.held_until else tuple(marks)


@_oldest_key_first
def switched_back_on(state: State, key: Key) -> Iterator[Action | Item]:
    """Rule 6: a person switched a key back on; somebody needs it, so it is left alone for a while."""
    if not key.active:
        return
    if key.id in state.inactive_since:
        until = state.today + timedelta(days=state.longest_hold(HoldReason.REACTIVATED))
        yield Hold(
            key_id=key.id,
            until=until,
            reason=HoldReason.REACTIVATED,
            instead_of=(tag.INACTIVE_SINCE + key.id,),
        )
    else:
        until = state.reactivated(key) or state.today
    if until > state.today:
        yield attention(
            f"somebody switched it back on (or a run was cut short while it switched it off); it is left alone until "
            f"{until}, then the usual rules apply",
            key=key,
            by=until,
            kind=Kind.BACK_ON,
            since=until - timedelta(days=state.longest_hold(HoldReason.REACTIVATED)),
        )


@_oldest_key_first
def quiet_elder(state: State, key: Key) -> Iterator[Deactivate]:
    """Rule 7: the overlap is over and nobody uses the old key any more."""
    if not past_off_date(state, key) or state.in_use(key):
        return
    since = f"unused since {key.used_on}" if key.used_on else "never used"
    if state.stored:
        why = f"its overlap is over and it is quiet ({since})"
        yield _deactivate(state, key, OffReason.QUIET, why, since=_latest(state.off_on, state.quiet_on(key)))
        return
    announced = state.hold_of_this_off_date(key, HoldReason.BY_HAND)
    if someone_holds_successor(state) and announced is not None and announced <= state.today:
        why = f"a newer key made by hand is in use, this one is not ({since})"
        yield _deactivate(state, key, OffReason.QUIET, why, since=announced)


@_oldest_key_first
def held_elder(state: State, key: Key) -> Iterator[Action | Item]:
    """Rule 8: an elder past its off date that is not switched off, and why."""
    if not state.is_elder(key) or not end_of_overlap_near(state):
        return
    if state.reactivated(key) or forced_off(state, key):
        return
    if past_off_date(state, key) and reason_to_retire(state, key) is not None:
        return
    if not state.stored:
        yield from _held_by_hand(state, key)
    elif past_off_date(state, key) and state.in_use(key):
        yield from _held_in_use(state, key)


def _held_in_use(state: State, elder: Key) -> Iterator[Action | Item]:
    until, since = state.hold_of_this_off_date(elder, HoldReason.IN_USE), state.off_on
    extension = timedelta(days=state.policy.in_use_extension_days)
    if until is not None:
        since = until - extension
    elif extension:
        until = state.today + extension
        yield Hold(key_id=elder.id, until=until, reason=HoldReason.IN_USE)
    use = _last_use(elder)
    if used_since_successor(state, elder) and until is not None:
        yield attention(
            f"past its off date {state.off_on} and still in use ({use})",
            key=elder,
            by=until,
            kind=Kind.IN_USE,
            then="switched off, in use or not",
            since=since,
        )
    else:
        yield attention(
            f"past its off date {state.off_on}, last used before the new key was made ({use}); kept until it is quiet",
            key=elder,
            by=state.quiet_on(elder),
            kind=Kind.UNTIL_QUIET,
            then="switched off if it is not used until then",
            since=since,
        )


def _held_by_hand(state: State, elder: Key) -> Iterator[Action | Item]:
    notice = timedelta(days=state.policy.warn_days)
    if state.off_on is None or state.today < state.off_on - notice:
        return
    since = state.off_on - notice
    made_by_hand = "both keys are active and the newer one is not in the secret"
    if state.in_use(elder):
        yield attention(
            f"{made_by_hand}; the older is in use ({_last_use(elder)}) and is kept: these may be two applications",
            key=elder,
            kind=Kind.BY_HAND,
            since=since,
        )
    elif someone_holds_successor(state):
        # Announced when it is decided, and not while the elder was in use: then nobody was told of a day.
        announced = state.hold_of_this_off_date(elder, HoldReason.BY_HAND)
        if announced is not None:
            since = announced - notice
        else:
            since, announced = max(since, state.quiet_on(elder)), state.today + notice
            yield Hold(key_id=elder.id, until=announced, reason=HoldReason.BY_HAND)
        yield attention(
            f"{made_by_hand}; the older is quiet",
            key=elder,
            by=max(announced, state.off_on, state.today + timedelta(days=1)),
            kind=Kind.BY_HAND_QUIET,
            then="switched off",
            since=since,
        )
    else:
        yield attention(
            f"{made_by_hand}; nobody has used the newer one within {state.policy.quiet_days} days, so both are kept",
            key=elder,
            kind=Kind.BY_HAND,
            since=since,
        )


@_oldest_key_first
def extension_over(state: State, key: Key) -> Iterator[Deactivate]:
    """Rule 9: in use to the last; the digest tells of it as critical, with the way back."""
    if forced_off(state, key):
        why = f"its extension is over, though it is in use ({_last_use(key)})"
        over = state.hold_of_this_off_date(key, HoldReason.IN_USE) or state.off_on
        yield _deactivate(state, key, OffReason.FORCED, why, since=over)


@_oldest_key_first
def unused(state: State, key: Key) -> Iterator[Action | Item]:
    """Rule 10: retire a key that nobody uses; nobody asked for a new one."""
    reason = reason_to_retire(state, key)
    if reason is None:
        return
    if (elder := elder_of_late(state, key)) is None:
        yield _deactivate(state, key, OffReason.UNUSED, reason, since=retirement_day(state, key))
        return
    elders = "is still active" if elder.active else f"is off since {state.inactive_since.get(elder.id)} only"
    yield attention(
        f"{reason}; it is kept because the key before it, {elder.id}, {elders}",
        key=key,
        kind=Kind.UNUSED_KEPT,
        since=unused_on(state, key),
    )


# Rules 11 to 13.


def replacement_due(state: State) -> Iterator[Replace]:
    """Rule 11."""
    if state.replacement_wanted is None or not state.slot_free:
        return
    newest = state.newest
    yield Replace(
        why=state.replacement_wanted,
        old_key_id=newest.id if newest else None,
        old_key_off_on=state.today + timedelta(days=state.policy.overlap_days) if newest else None,
        tag_keys_done=(tag.REPLACE,) if state.tags.replace_asked else (),
        since=due_on(state),
    )


def replacement_blocked(state: State) -> Iterator[Item]:
    """Rule 12: IAM allows two keys, and neither may go yet."""
    if state.replacement_wanted is None or state.slot_free:
        return
    if state.pair is not None:
        oldest = state.keys[0]
        clears, blocks = _pair_clears(state), "both keys are active"
    else:
        oldest = next(key for key in state.keys if not key.active)
        clears, blocks = deletion_day(state, oldest), f"the inactive key {oldest.id} may not go yet"
    by_itself = f"clears by itself about {clears}" if clears else "does not clear by itself"
    # The way back from "off" is one command; from "deleted" there is none. The slot follows by rule 5.
    kind, way = (Kind.BLOCKED_BY_PAIR, "switch it off") if oldest.active else (Kind.BLOCKED, "delete it")
    yield attention(
        f"no new key could be made, though {state.replacement_wanted}: {blocks}; this {by_itself}. "
        f"If nobody needs {oldest.id}, {way}",
        key=oldest,
        by=clears,
        kind=kind,
        since=due_on(state),
    )


def _pair_clears(state: State) -> date | None:
    """The day on which the elder of a stored pair will have left its slot; a pair by hand has no such day.

    Whoever uses the successor is taken to go on, also after the elder went off.
    """
    if state.off_on is None or not state.stored or state.pair is None:
        return None
    elder, successor = state.pair
    held = state.hold_of_this_off_date(elder, HoldReason.IN_USE) or state.off_on
    off = _deactivate(state, elder, OffReason.QUIET, "its overlap is over")
    off = replace(off, on=max(state.off_on, held, state.today))
    if someone_holds_successor(state):
        noon_after = datetime.combine(off.on + timedelta(days=1), time(12), tzinfo=UTC)
        successor = replace(successor, last_use=LastUse(at=noon_after, service="-", region="-"))
        state = replace(state, keys=(elder, successor))
    then = state.after(off)
    return deletion_day(then, then.keys[0])


def upcoming(state: State) -> Iterator[Item]:
    """Rule 13: what happens by itself within `WarnDays`."""
    horizon = state.today + timedelta(days=state.policy.warn_days)
    for key in state.keys:
        if all(day > horizon for day in _earliest_days(state, key)):
            continue
        for day, kind, then in _next_days(state, key):
            if _is_near(state, day):
                yield Item(
                    level=Level.UPCOMING,
                    kind=kind,
                    text=_so_far(state, key),
                    key_id=key.id,
                    by=day,
                    then=then,
                )


def _so_far(state: State, key: Key) -> str:
    """Of a key that is off, since when: that costs no call, as its last use would."""
    return "" if key.active else f"inactive since {state.inactive_since.get(key.id, state.today)}"


def _earliest_days(state: State, key: Key) -> Iterator[date]:
    """No day that `_next_days` names is before one of these, which hang on no last use and on no secret."""
    policy = state.policy
    if key.active:
        if key is state.newest:
            yield key.created_on + timedelta(days=policy.issue_age)
        if policy.unused_days:
            yield key.created_on + timedelta(days=policy.unused_days)
        if state.is_elder(key) and state.overlapped_on is not None:
            yield state.overlapped_on
        return
    off_on = state.inactive_since.get(key.id, state.today)
    if policy.delete_after_days:
        yield off_on + timedelta(days=policy.delete_after_days)
    if not state.slot_free:
        yield max(due_on(state) or state.today, off_on + timedelta(days=policy.quiet_days))


def _next_days(state: State, key: Key) -> Iterator[tuple[date, Kind, str]]:
    policy = state.policy
    if not key.active:
        if (day := deletion_day(state, key)) is not None:
            yield day, Kind.DELETION, "deleted"
        return
    retired_on = retirement_day(state, key)
    issued_on = key.created_on + timedelta(days=policy.issue_age)
    # What is due and has no slot is not replaced before it is retired.
    will_be_replaced = (
        key is state.newest and state.replaceable and (state.slot_free or issued_on > state.today)
    )
    replaced_first = will_be_replaced and (retired_on is None or issued_on < retired_on)
    if replaced_first:
        yield issued_on, Kind.REPLACEMENT, "replaced; the new key comes in the user's secret"
    if state.reactivated(key):
        return
    if state.is_elder(key) and state.stored and state.off_on is not None:
        kind = Kind.OFF_DATE if state.in_use(key) else Kind.OFF_DATE_QUIET
        yield state.off_on, kind, "switched off if nobody uses it any more"
    if retired_on is not None and not replaced_first:
        yield retired_on, Kind.RETIREMENT, "switched off because nobody uses it"


def _is_near(state: State, day: date) -> bool:
    return state.today < day <= state.today + timedelta(days=state.policy.warn_days)


# How they say it.


def _deactivate(
    state: State, key: Key, reason: OffReason, why: str, *, since: date | None = None
) -> Deactivate:
    in_secret = state.in_secret(key)
    return Deactivate(key_id=key.id, on=state.today, reason=reason, why=why, in_secret=in_secret, since=since)


def attention(
    text: str,
    *,
    key: Key | None = None,
    by: date | None = None,
    kind: Kind = Kind.NOTICE,
    then: str = "",
    since: date | None = None,
) -> Item:
    return Item(
        level=Level.ATTENTION,
        kind=kind,
        text=text,
        key_id=key.id if key else None,
        by=by,
        then=then,
        since=since,
    )


def _latest(*days: date | None) -> date:
    return max(day for day in days if day is not None)


def _last_use(key: Key) -> str:
    use = key.use
    return f"{use.at:%Y-%m-%d}, on {use.service} in {use.region}" if use and key.used_on else "never"


WHOLE_USER_RULES: tuple[Rule, ...] = (not_understood, interrupted, exempt)
RULES: tuple[Rule, ...] = (
    *WHOLE_USER_RULES,
    tags_to_mend,
    secret_goes,
    marks_of_gone_keys,
    holds_too_long,
    first_seen_inactive,
    inactive_long_enough,
    switched_back_on,
    quiet_elder,
    held_elder,
    extension_over,
    unused,
    replacement_due,
    replacement_blocked,
    upcoming,
)
