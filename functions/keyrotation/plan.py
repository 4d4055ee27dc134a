"""The whole policy of the product: docs/design.md section 4, rule by rule, in the order in which it is written there.

`plan_user` takes what was observed of one user, the policy and the day, and returns what to do and what to
tell. It reads no clock and makes no call. Days are UTC dates throughout.

The rules ask for dates and tags first, and for a last use or the secret only where something hangs on it: what
they ask for costs a call each, and a user about whom they ask nothing needs no look at all (`may_concern`).
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from functools import wraps

from keyrotation import commands
from keyrotation import tags as tag
from keyrotation.actions import (
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
    Plan,
    Promote,
    Replace,
    Step,
)
from keyrotation.model import (
    ACTIVE,
    CURRENT_STAGE,
    INACTIVE,
    PENDING_STAGE,
    Key,
    LastUse,
    NotLookedUp,
    Occasion,
    User,
    secret_name,
)
from keyrotation.order import Order
from keyrotation.policy import Policy
from keyrotation.state import State
from keyrotation.tags import HoldReason

_MOST_TAGS = 50
_WAITS = "until somebody hears of it, nothing is switched off or deleted, and no hold begins"

Rule = Callable[[State], Iterator[Action | Item]]


def plan_user(user: User, policy: Policy, occasion: Occasion) -> Plan:
    """Decide everything about one user; the same observation on the same day gives the same plan.

    Raises NotLookedUp where it hangs on a fact that nobody has asked for yet.
    """
    state = State.of(user, policy, occasion)
    steps: list[Step] = []
    for rule in RULES:
        for decision in rule(state):
            steps.append(Step(rule=rule.__name__, decision=decision))
            if not isinstance(decision, Item):
                state = state.after(decision)
        if steps and rule in WHOLE_USER_RULES:
            break
    if not occasion.heard:
        steps = list(_withheld(steps, keys=len(user.keys)))
    return Plan(user=user, owner=state.tags.owner, steps=tuple(steps))


def account_items(order: Order, policy: Policy, *, listeners: int | None) -> tuple[Item, ...]:
    """What is to be told about the account itself; nothing here is ever acted upon."""
    items = []
    if not listeners:
        unheard = "nobody has confirmed a subscription to this topic"
        if listeners is None:
            unheard = "whether anybody has confirmed a subscription to this topic could not be read"
        items.append(_attention(f"{unheard}: {_WAITS}", kind=Kind.NOBODY_LISTENS))
    if order.root_has_keys:
        text = "the root user has access keys: delete them; no policy limits what they can do"
        items.append(Item(level=Level.CRITICAL, kind=Kind.ROOT_KEYS, text=text))
    if order.root_has_keys is None:
        items.append(_attention("whether the root user has access keys could not be read"))
    if order.with_keys > policy.sustained_users:
        enough = -(-order.with_keys * 3 // policy.issue_age)
        items.append(
            _attention(
                f"MaxUsersPerRun={policy.max_users_per_run} keeps up with about {policy.sustained_users} users who "
                f"have keys, and this account has {order.with_keys}: keys will come due faster than they are "
                f"replaced; {enough} would be enough",
                kind=Kind.SETTING,
            )
        )
    return tuple(items)


def may_concern(user: User, policy: Policy, now: datetime) -> bool:
    """The scanner's test: the plan itself, for a user of whom keys and tags are known and nothing else.

    False only where it is empty whatever the last uses are and the secret holds. A key over the threshold is not left to
    the plan: what that overlooks is what the alarm on unexplained keys is there to find (`measures`).
    """
    newest = max((key for key in user.keys if key.active), key=lambda key: key.seniority, default=None)
    if newest is not None and over_threshold(newest, policy, now.astimezone(UTC).date()):
        return True
    # What is said of an interrupted replacement differs by Region and timeout; that something is said does not.
    occasion = Occasion(now=now, region="", function_timeout=timedelta(0), listeners=1)
    try:
        return bool(plan_user(user, policy, occasion).steps)
    except NotLookedUp:
        return True
    except Exception:  # noqa: BLE001  # what people wrote into one user's tags: the rotator looks again, and tells
        return True


def over_threshold(key: Key, policy: Policy, today: date) -> bool:
    """An active key that has reached `MaxKeyAgeDays`."""
    return key.active and (today - key.created_on).days >= policy.max_key_age_days


def _withheld(steps: Iterable[Step], *, keys: int) -> Iterator[Step]:
    """The plan of a day on which nobody is known to hear of it: what people may have to undo waits.

    Replacements go on, since both keys work after one; but not into the slot of a key whose deletion waits.
    """
    deletion_waits = False
    for step in steps:
        match step.decision:
            case Deactivate(key_id=key_id):
                what = "switching it off"
            case Delete(key_id=key_id):
                what, deletion_waits = "deleting it", True
            case Hold(key_id=key_id):
                what = "its hold"
            case Replace(old_key_id=key_id) if deletion_waits and keys > 1:
                what = "its replacement"
            case _:
                yield step
                continue
        text = f"{what} waits: {_WAITS}"
        waits = Item(level=Level.ATTENTION, kind=Kind.WITHHELD, text=text, key_id=key_id)
        yield Step(rule=step.rule, decision=waits)


def only_marks(plan: Plan) -> bool:
    """It changes no key. Such a plan takes no place under the cap: a mark that waits is a date that is wrong."""
    return all(isinstance(action, ForgetMarks | MarkInactive) for action in plan.actions)


def urgency(plan: Plan) -> tuple[int, date, str]:
    """The order under the cap: work in flight, then replacements by the oldest key, then deletions and marks."""
    kinds = {type(action) for action in plan.actions}
    rank = 0 if kinds & {Deactivate, Hold} else 1 if Replace in kinds else 2
    oldest = min((key.created_on for key in plan.user.keys), default=date.max)
    return rank, oldest, plan.user.name


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
        yield _attention(f"nothing was done: {problem}", kind=Kind.NOT_UNDERSTOOD)


def interrupted(state: State) -> Iterator[Action | Item]:
    """Rule 2: finish or undo a replacement that did not finish; the user is planned again after it."""
    pending = state.tags.pending
    if pending is None:
        return
    began, since = f"{pending.since:%Y-%m-%d %H:%M} UTC", pending.since.astimezone(UTC).date()

    def told(text: str, *, key: Key | None = None) -> Item:
        # Said this once, whenever it comes to it: `pending` goes with it.
        return _attention(text, key=key, kind=Kind.INTERRUPTED)

    def waits(why: str) -> Item:
        return _attention(f"nothing was done: {why}", kind=Kind.INTERRUPTED, since=since)

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
            yield Promote(key_id=key.id)
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
        yield _attention(f"the exemption runs through {until}, more than a year ahead", kind=Kind.SETTING)
    if _is_near(state, until):
        ends = "the exemption ends; the usual rules apply the day after"
        yield Item(level=Level.UPCOMING, kind=Kind.EXEMPTION_ENDS, text=ends, by=until)


# What is said or tidied beside the rules of the table (docs/design.md section 3, the tags).


def tags_to_mend(state: State) -> Iterator[Item]:
    """Tags that have no effect, though somebody meant them to."""
    asked, allowed = state.tags.max_age_days, state.policy.max_key_age_days
    if asked is not None and asked > allowed:
        text = f"the tag {tag.MAX_AGE_DAYS} is {asked}: it is ignored, MaxKeyAgeDays is {allowed}"
        yield _attention(text, kind=Kind.SETTING)
    for lookalike in state.tags.lookalikes:
        yield _attention(lookalike, kind=Kind.SETTING)


def secret_goes(state: State) -> Iterator[Item]:
    """Somebody scheduled the secret for deletion that hands the successor to its owner: it can be restored.

    Secrets Manager waits 7 days at least: looked for so often that one missed run lets none go unseen.
    """
    if state.pair is None or not (_end_of_overlap_near(state) or _every_third_day(state)):
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
            command=commands.restore_secret(name, region=state.occasion.region),
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
    off = _off_days(state, key)
    if 0 < state.policy.delete_after_days <= off:
        why = f"inactive for {off} days"
    elif off >= state.policy.quiet_days and _waits_for_slot(state):
        why = f"inactive for {off} days, and a replacement needs its place"
    else:
        return
    if state.today < _protected_until(state, key):
        return
    yield Delete(key_id=key.id, why=why, tag_keys=_marks_of(state, key), since=_deletion_day(state, key))


def _protected_until(state: State, key: Key) -> date:
    """The day from which on an inactive key may be deleted, as far as those who may need one back are concerned.

    Also as long as an older key may be needed back, since this one is what protects it.
    """
    wait = timedelta(days=state.policy.quiet_days_before_first_use)
    days = [
        state.inactive_since.get(other.id, state.today) + wait
        for other in state.keys
        if not other.active and other.seniority <= key.seniority and _may_be_needed_back(state, other)
    ]
    return max(days, default=state.inactive_since.get(key.id, state.today))


def _off_days(state: State, key: Key) -> int:
    return (state.today - state.inactive_since.get(key.id, state.today)).days


def _may_be_needed_back(state: State, key: Key) -> bool:
    """An elder whose successor nobody has used since: its owner may be a monthly job, and switch it on again.

    "Since" is a later day, not the same one: a use on the day it went off may have been before that.
    """
    off_on = state.inactive_since.get(key.id, state.today)
    newer = [other for other in state.keys if other.seniority > key.seniority]
    if not newer or _off_days(state, key) >= state.policy.quiet_days_before_first_use:
        return False
    return newer[-1].used_on is None or newer[-1].used_on <= off_on


def _waits_for_slot(state: State) -> bool:
    """Rule 11 wants the slot, and rule 10 would not take away the key that is to be replaced."""
    if state.slot_free or state.replacement_wanted is None:
        return False
    return state.newest is None or _reason_to_retire(state, state.newest) is None


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
        yield _attention(
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
    if not _past_off_date(state, key) or state.in_use(key):
        return
    since = f"unused since {key.used_on}" if key.used_on else "never used"
    if state.stored:
        why = f"its overlap is over and it is quiet ({since})"
        yield _deactivate(state, key, OffReason.QUIET, why, since=_latest(state.off_on, state.quiet_on(key)))
        return
    announced = state.hold_of_this_off_date(key, HoldReason.BY_HAND)
    if _someone_holds_successor(state) and announced is not None and announced <= state.today:
        why = f"a newer key made by hand is in use, this one is not ({since})"
        yield _deactivate(state, key, OffReason.QUIET, why, since=announced)


@_oldest_key_first
def held_elder(state: State, key: Key) -> Iterator[Action | Item]:
    """Rule 8: an elder past its off date that is not switched off, and why."""
    if not state.is_elder(key) or not _end_of_overlap_near(state):
        return
    if state.reactivated(key) or _forced_off(state, key):
        return
    if _past_off_date(state, key) and _reason_to_retire(state, key) is not None:
        return
    if not state.stored:
        yield from _held_by_hand(state, key)
    elif _past_off_date(state, key) and state.in_use(key):
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
    if _used_since_successor(state, elder) and until is not None:
        yield _attention(
            f"past its off date {state.off_on} and still in use ({use})",
            key=elder,
            by=until,
            kind=Kind.IN_USE,
            then="switched off, in use or not",
            since=since,
        )
    else:
        yield _attention(
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
        yield _attention(
            f"{made_by_hand}; the older is in use ({_last_use(elder)}) and is kept: these may be two applications",
            key=elder,
            kind=Kind.BY_HAND,
            since=since,
        )
    elif _someone_holds_successor(state):
        # Announced when it is decided, and not while the elder was in use: then nobody was told of a day.
        announced = state.hold_of_this_off_date(elder, HoldReason.BY_HAND)
        if announced is not None:
            since = announced - notice
        else:
            since, announced = max(since, state.quiet_on(elder)), state.today + notice
            yield Hold(key_id=elder.id, until=announced, reason=HoldReason.BY_HAND)
        yield _attention(
            f"{made_by_hand}; the older is quiet",
            key=elder,
            by=max(announced, state.off_on, state.today + timedelta(days=1)),
            kind=Kind.BY_HAND_QUIET,
            then="switched off",
            since=since,
        )
    else:
        yield _attention(
            f"{made_by_hand}; nobody has used the newer one within {state.policy.quiet_days} days, so both are kept",
            key=elder,
            kind=Kind.BY_HAND,
            since=since,
        )


@_oldest_key_first
def extension_over(state: State, key: Key) -> Iterator[Deactivate]:
    """Rule 9: in use to the last; the digest tells of it as critical, with the way back."""
    if _forced_off(state, key):
        why = f"its extension is over, though it is in use ({_last_use(key)})"
        over = state.hold_of_this_off_date(key, HoldReason.IN_USE) or state.off_on
        yield _deactivate(state, key, OffReason.FORCED, why, since=over)


@_oldest_key_first
def unused(state: State, key: Key) -> Iterator[Action | Item]:
    """Rule 10: retire a key that nobody uses; nobody asked for a new one."""
    reason = _reason_to_retire(state, key)
    if reason is None:
        return
    if (elder := _elder_of_late(state, key)) is None:
        yield _deactivate(state, key, OffReason.UNUSED, reason, since=_retirement_day(state, key))
        return
    elders = "is still active" if elder.active else f"is off since {state.inactive_since.get(elder.id)} only"
    yield _attention(
        f"{reason}; it is kept because the key before it, {elder.id}, {elders}",
        key=key,
        kind=Kind.UNUSED_KEPT,
        since=_unused_on(state, key),
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
        since=_due_on(state),
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
        clears, blocks = _deletion_day(state, oldest), f"the inactive key {oldest.id} may not go yet"
    by_itself = f"clears by itself about {clears}" if clears else "does not clear by itself"
    if oldest.active:
        # The way back from "off" is one command; from "deleted" there is none. The slot follows by rule 5.
        way, command = "switch it off", commands.set_status(state.user.name, oldest.id, INACTIVE)
    else:
        way, command = "delete it", commands.delete_key(state.user.name, oldest.id)
    yield Item(
        level=Level.ATTENTION,
        text=f"no new key could be made, though {state.replacement_wanted}: {blocks}; this {by_itself}. "
        f"If nobody needs {oldest.id}, {way}",
        key_id=oldest.id,
        by=clears,
        command=command,
        kind=Kind.BLOCKED,
        since=_due_on(state),
    )


def _due_on(state: State) -> date | None:
    """The day on which the newest key came due; None: a person asked, and the tag does not say when."""
    if state.tags.replace_asked or state.newest is None:
        return None
    return state.newest.created_on + timedelta(days=state.policy.issue_age)


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
    if _someone_holds_successor(state):
        noon_after = datetime.combine(off.on + timedelta(days=1), time(12), tzinfo=UTC)
        successor = replace(successor, last_use=LastUse(at=noon_after, service="-", region="-"))
        state = replace(state, keys=(elder, successor))
    then = state.after(off)
    return _deletion_day(then, then.keys[0])


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
        yield max(_due_on(state) or state.today, off_on + timedelta(days=policy.quiet_days))


def _next_days(state: State, key: Key) -> Iterator[tuple[date, Kind, str]]:
    policy = state.policy
    if not key.active:
        if (day := _deletion_day(state, key)) is not None:
            yield day, Kind.DELETION, "deleted"
        return
    retired_on = _retirement_day(state, key)
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


def _deletion_day(state: State, key: Key) -> date | None:
    """The first day on which rule 5 would delete this inactive key; None: it would not."""
    policy, off_on = state.policy, state.inactive_since.get(key.id, state.today)
    protected_until, newest, days = _protected_until(state, key), state.newest, []
    if policy.delete_after_days:
        day = max(off_on + timedelta(days=policy.delete_after_days), protected_until)
        if newest is not None and newest.seniority < key.seniority:
            # An older key that rule 10 takes before that day may be needed back, and this one then protects it.
            retired_on = _retirement_day(state, newest)
            if retired_on is not None and max(retired_on, state.today) < day:
                retired_on = max(retired_on, state.today)
                day = max(day, retired_on + timedelta(days=policy.quiet_days_before_first_use))
        days.append(day)
    if not state.slot_free and (state.tags.replace_asked or (newest is not None and state.replaceable)):
        needed_on = _due_on(state) or state.today
        day = max(needed_on, off_on + timedelta(days=policy.quiet_days), protected_until)
        # From that day on the newest key is not replaced any more: rule 10 takes it, or waits to take it.
        unused_on = _unused_on(state, newest) if newest is not None else None
        if unused_on is None or day < unused_on:
            days.append(day)
    return min(days, default=None)


def _retirement_day(state: State, key: Key) -> date | None:
    """The first day on which rule 10 would take this key if nobody uses it until then; None: it would not."""
    elder, day = _elder_of_late(state, key), _unused_on(state, key)
    if day is None or (elder is not None and elder.active):
        return None
    if state.is_elder(key) and state.off_on is not None:
        day = max(day, state.off_on)
    if elder is not None:
        elder_off_on = state.inactive_since.get(elder.id, state.today)
        day = max(day, elder_off_on + timedelta(days=state.policy.quiet_days_before_first_use))
    return day


def _unused_on(state: State, key: Key) -> date | None:
    """The day from which on rule 10 has a reason to take this key if nobody uses it until then; None: it has none."""
    policy = state.policy
    if policy.unused_days == 0 or state.tags.replace_asked:
        return None
    day = key.idle_since + timedelta(days=policy.unused_days)
    if key is state.newest and key.used_on is None:
        day = min(day, key.created_on + timedelta(days=policy.last_safe_age))
    left_alone_until = state.reactivated(key)
    return day if left_alone_until is None else max(day, left_alone_until)


# What several rules ask.


def _past_off_date(state: State, key: Key) -> bool:
    """An elder from its off date on, not held because a person switched it back on."""
    if not state.is_elder(key) or state.reactivated(key):
        return False
    if state.overlapped_on is None or state.today < state.overlapped_on:
        return False
    return state.off_on is not None and state.today >= state.off_on


def _every_third_day(state: State) -> bool:
    """Of an overlap, from the day on which the successor was made."""
    days = state.age(state.pair[1]) if state.pair else 0
    return days > 0 and days % 3 == 0


def _end_of_overlap_near(state: State) -> bool:
    """From the notice of the elder's off date on, if that is as early as it can be: before, nothing is said of it."""
    day = state.overlapped_on
    return day is not None and state.today >= day - timedelta(days=state.policy.warn_days)


def _someone_holds_successor(state: State) -> bool:
    return state.pair is not None and state.within(state.policy.quiet_days, state.pair[1].used_on)


def _used_since_successor(state: State, elder: Key) -> bool:
    """Used on a day after the successor was made: its owner has had the chance to change over."""
    return state.pair is not None and elder.used_on is not None and elder.used_on > state.pair[1].created_on


def _forced_off(state: State, key: Key) -> bool:
    """Rule 9's condition."""
    if not _past_off_date(state, key) or not state.stored or not state.in_use(key):
        return False
    if not _used_since_successor(state, key):
        return False
    if state.policy.in_use_extension_days == 0:
        return True
    until = state.hold_of_this_off_date(key, HoldReason.IN_USE)
    return until is not None and until <= state.today


def _reason_to_retire(state: State, key: Key) -> str | None:
    """Rule 10's condition, fit to print."""
    policy = state.policy
    if policy.unused_days == 0 or state.tags.replace_asked or not key.active or state.reactivated(key):
        return None
    long_enough = state.age(key) >= policy.unused_days
    too_old = key is state.newest and state.age(key) >= policy.last_safe_age
    if not long_enough and not too_old:
        return None
    if state.is_elder(key) and not _past_off_date(state, key):
        return None
    idle = (state.today - key.idle_since).days
    if idle >= policy.unused_days:
        return f"unused for {idle} days" if key.used_on else f"never used in {idle} days"
    if too_old and key.used_on is None:
        return f"never used, and {state.age(key)} days old"
    return None


def _elder_of_late(state: State, key: Key) -> Key | None:
    """The key before this one, if it is active or went off so lately that its owner may not have changed over."""
    older = [other for other in state.keys if other.seniority < key.seniority]
    if not older:
        return None
    late = _off_days(state, older[-1]) < state.policy.quiet_days_before_first_use
    return older[-1] if older[-1].active or late else None


def _is_near(state: State, day: date) -> bool:
    return state.today < day <= state.today + timedelta(days=state.policy.warn_days)


def _deactivate(
    state: State, key: Key, reason: OffReason, why: str, *, since: date | None = None
) -> Deactivate:
    in_secret = state.in_secret(key)
    return Deactivate(key_id=key.id, on=state.today, reason=reason, why=why, in_secret=in_secret, since=since)


def _attention(
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
