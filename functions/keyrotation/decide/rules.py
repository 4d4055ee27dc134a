"""The rules of docs/design.md section 5, in the order in which they are written there: small functions, each with its reason.

A rule takes what is known of one user, as the plan leaves it so far, and yields what to do and what to tell. Days are UTC
dates throughout. The rules ask for dates and memory first, and for a last use or the secret only where something hangs on it:
what they ask for costs a call each, and a user about whom they ask nothing needs no look at all (`plan.may_concern`).
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, timedelta
from functools import wraps

from keyrotation.decide import tags as tag
from keyrotation.decide.actions import (
    Action,
    Deactivate,
    Delete,
    DeleteOrphan,
    DropNotice,
    ForgetKeys,
    ForgetVanished,
    GiveNotice,
    Item,
    Kind,
    Level,
    MendPolicy,
    Promote,
    Recall,
    RememberOff,
    RememberOn,
    Replace,
    SettlePending,
)
from keyrotation.decide.conditions import (
    by_hand_day,
    clears_on,
    deletion_day,
    due_on,
    key_before,
    looks_after_secret,
    may_retire_soon,
    not_listed_yet,
    overlap_ends,
    pair_clears_on,
    protected_until,
    retirement_day,
    slot_needed_on,
    successor_took_over,
    used_since_successor,
)
from keyrotation.decide.notices import LAST_DAYS, Ripe, give, next_step, notice_of, to_be_told
from keyrotation.decide.state import State
from keyrotation.memory import Notice, OffReason, Pending, Vanished, What, Why
from keyrotation.model import (
    ACTIVE,
    CURRENT_STAGE,
    INACTIVE,
    PENDING_STAGE,
    Key,
    name_of_secret,
    secret_name,
)

_YEAR = timedelta(days=365)

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


def audit(state: State) -> Iterator[DropNotice]:
    """In Audit notices fall, of users who cannot be read too: the first day of Enforce keeps none of an earlier time."""
    if not state.occasion.enforce:
        yield from _drop_all(state, "Mode is Audit")


def deleted_before(state: State) -> Iterator[Item]:
    """Deletions of earlier runs that no message has told: a deletion as announced is no reason for one of its own.

    Of a user who could not be read nobody knows which keys are there: an attempt that died may have deleted none.
    """
    if state.user.unread:
        return
    there = {key.id for key in state.keys}
    for key_id, day in state.memory.deleted.items():
        if key_id not in there and state.memory.key(key_id).notice is None:
            text = f"the key {key_id} was deleted on {day}, as announced"
            yield Item(level=Level.DONE, kind=Kind.DELETED, text=text, key_id=key_id, since=day, once=key_id)


# Rules 1 to 3: about the whole user; what one of them says is all that is said.


def not_understood(state: State) -> Iterator[Item]:
    """Rule 1. Unknown is never a reason to act."""
    problems = [*state.user.unread, *state.tags.malformed]
    problems += [
        f"{key.id} has the status {key.status}, which this system does not know"
        for key in state.keys
        if key.status not in (ACTIVE, INACTIVE)
    ]
    if len(state.keys) > 2:
        problems.append(f"there are {len(state.keys)} keys, and IAM allows two")
    problems += [
        f"IAM does not list {key_id} yet, which was made here today, or somebody has deleted it"
        for key_id in not_listed_yet(state)
    ]
    for problem in problems:
        yield attention(f"nothing was done: {problem}", kind=Kind.NOT_UNDERSTOOD)


def interrupted(state: State) -> Iterator[Action | Item]:
    """Rule 2: finish or undo a replacement that did not finish; the user is planned again after it."""
    pending = state.memory.pending
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
            yield Recall(key_id=key.id)
            yield told(
                "an interrupted replacement had put this key into the user's secret: install it", key=key
            )
        elif PENDING_STAGE in stages and key.active:
            finished = True
            # Of more than two keys rule 1 has stopped.
            old = next((other for other in state.keys if other is not key and other.active), None)
            yield Promote(key_id=key.id, old_key_id=old.id if old else None)
        elif PENDING_STAGE in stages:
            yield told("somebody switched off the new key of an interrupted replacement", key=key)
        elif not stages and _nobody_can_hold(state, key, pending):
            yield DeleteOrphan(key_id=key.id)
        else:
            yield told("somebody made this key while a replacement was interrupted", key=key)
    yield SettlePending(asked=finished and state.tags.replace_asked)


def _nobody_can_hold(state: State, key: Key, pending: Pending) -> bool:
    """The interrupted run made it, and lost it before it could be handed over.

    By time, either way round: `pending` bears our clock and the key IAM's. And never used at all: our own proof
    comes after a key was stored, so one that was never stored and has a use, of whatever kind, is somebody's.
    """
    of_that_run = abs(key.created - pending.since) <= state.occasion.function_timeout
    return of_that_run and key.use is None


def exempt(state: State) -> Iterator[Action | Item]:
    """Rule 3: nothing is done, and notices fall; which keys there are, and which are off, is remembered all the same."""
    exemption = state.tags.exempt
    if exemption is None or exemption.until < state.today:
        return
    yield from _drop_all(state, f"the user is exempt through {exemption.until}")
    if gone := _gone(state):
        yield ForgetKeys(key_ids=gone)
    if state.memory.vanished is not None:
        yield ForgetVanished()
    yield from first_seen_inactive(state)
    yield from (each for each in switched_back_on(state) if isinstance(each, RememberOn))
    until = exemption.until
    text = f"exempt through {until}: {exemption.reason or 'no reason given'}"
    yield Item(level=Level.EXEMPT, kind=Kind.EXEMPT, text=text, by=until)
    if until > state.today + _YEAR:
        yield attention(f"the exemption runs through {until}, more than a year ahead", kind=Kind.SETTING)
    if _is_near(state, until):
        yield Item(
            level=Level.UPCOMING, kind=Kind.EXEMPTION_ENDS, text=_after_exemption(state, until), by=until
        )


def _after_exemption(state: State, until: date) -> str:
    """What the usual rules will do first, the day after."""
    day = until + timedelta(days=1)
    ends = f"the exemption ends; from {day} on the usual rules apply"
    due = due_on(state)
    if state.newest is not None and due is not None and due <= day and state.slot_free:
        return f"{ends}, and {state.newest.id} is due to be replaced (or switched off, if nobody uses it)"
    return f"{ends}: no key is switched off or deleted before {day + timedelta(days=state.policy.warn_days)}"


# What is said beside the rules of the table (docs/design.md section 3, the tags).


def tags_to_mend(state: State) -> Iterator[Item]:
    """Tags that have no effect, though somebody meant them to."""
    asked, allowed = state.tags.max_age_days, state.policy.max_key_age_days
    if state.policy_problem is not None:
        yield attention(state.policy_problem, kind=Kind.SETTING)
    elif asked is not None and asked > allowed:
        text = f"the tag {tag.MAX_AGE_DAYS} is {asked}: it is ignored, MaxKeyAgeDays is {allowed}"
        yield attention(text, kind=Kind.SETTING)
    for lookalike in state.tags.lookalikes:
        yield attention(lookalike, kind=Kind.SETTING)


def tags_of_version_0_1(state: State) -> Iterator[Item]:
    """Memory is a table now: what the version before wrote into tags is ignored, and can go."""
    if state.tags.old and Kind.OLD_TAGS not in state.memory.told:
        text = f"tags of version 0.1 are ignored and can be removed: {', '.join(state.tags.old)}"
        yield attention(text, kind=Kind.OLD_TAGS, once=Kind.OLD_TAGS)


# Rules 4 and 5: the user's keys and secret are not what they should be.


def exposed(state: State) -> Iterator[Item]:
    """Rule 4: AWS found a key of this user in public. Who holds it could fetch a new one."""
    if (policy := state.user.exposed) is not None:
        yield Item(
            level=Level.CRITICAL,
            kind=Kind.EXPOSED,
            text=f"AWS found an access key of this user exposed, and attached {policy}. No new key is made while that is "
            "attached: whoever holds the exposed key could fetch it. Switch the exposed key off now, look in CloudTrail "
            "for what it did, detach the policy, and then ask for a replacement",
        )


def moved(state: State) -> Iterator[Action]:
    """Rule 5: the user was renamed or moved, so that the secret's policy lets nobody in.

    The owner could not fetch a new key meanwhile: switch-offs are told anew.
    """
    memory, arn = state.memory, state.user.arn
    if memory.secret_arn is None or memory.policy_arn is None or memory.policy_arn == arn:
        return
    secret = state.user.the_secret
    if secret is None or secret.deleted:
        return  # nothing takes a policy; `secret_lost` and rule 9b see to the pair
    for key_id, key in memory.keys.items():
        if key.notice is not None and key.notice.what is What.SWITCH_OFF:
            yield DropNotice(
                key_id=key_id, notice=key.notice, why="the user was renamed or moved to another path"
            )
    yield MendPolicy(secret_arn=memory.secret_arn, user_arn=arn)


def secret_lost(state: State) -> Iterator[Item]:
    """The secret that hands the successor to its owner is gone, goes, or holds something else: no key goes off over it."""
    if state.pair is None or not looks_after_secret(state) or state.stored:
        return
    successor, secret = state.pair[1], state.user.the_secret
    name = _secret_name(state)
    if secret is not None and secret.deleted and CURRENT_STAGE in secret.stages_of(successor.id):
        yield attention(
            f"the secret that holds this new key, {name}, is scheduled for deletion: its owner cannot fetch it, and the old "
            "key stays on",
            key=successor,
            kind=Kind.TO_RESTORE,
        )
    elif secret is None:
        yield Item(
            level=Level.CRITICAL,
            kind=Kind.LOST,
            text=f"the secret that this new key was put into, {name}, is gone or was made anew: nobody can fetch the key, and "
            "the old key stays on. Find out who did that; then delete the new key and ask for another by tag",
            key_id=successor.id,
        )


# Memory and IAM: what was switched or deleted by somebody else.


def gone_keys(state: State) -> Iterator[ForgetKeys]:
    """Memory says nothing about keys that IAM does not have. And the first half of rule 14: which one vanished.

    Of a user who has no key left none did: whoever rotates keys leaves one, and what takes away the last is the end of
    them. A table that was restored may still know one that this system has retired and deleted since.
    """
    gone = _gone(state)
    if not gone:
        return
    issued = {key_id: key for key_id in gone if (key := state.memory.key(key_id)).issued_on is not None}
    newest = max(issued, key=lambda key_id: issued[key_id].issued_on or date.min, default=None)
    vanished = None
    if newest is not None and issued[newest].off_since is None and state.keys:
        made_on = issued[newest].issued_on or date.min
        others = [key.created_on for key in state.keys] + [
            known.issued_on
            for key_id, known in state.memory.keys.items()
            if known.issued_on and key_id != newest
        ]
        if all(other <= made_on for other in others):
            vanished = Vanished(key_id=newest, on=state.today)
    yield ForgetKeys(key_ids=gone, vanished=vanished)


def _gone(state: State) -> tuple[str, ...]:
    known = {key.id for key in state.keys}
    return tuple(sorted(key_id for key_id in state.memory.keys if key_id not in known))


@_oldest_key_first
def first_seen_inactive(state: State, key: Key) -> Iterator[RememberOff]:
    """Rule 6."""
    if not key.active and state.remembered(key).off_since is None:
        yield RememberOff(key_id=key.id, on=state.today)


# Rules 7 to 11: key by key.


@_oldest_key_first
def inactive(state: State, key: Key) -> Iterator[Action | Item]:
    """Rule 7: an inactive key is deleted, on its day or when its slot is needed, and never while it may be needed back."""
    if key.active:
        return
    notice = state.notice(key)
    if notice is not None and notice.what is not What.DELETE:
        notice = None
    if notice is not None and state.today < notice.day:
        if (sooner := _needed_sooner(state, key, notice)) is not None:
            yield from _told_first(state, key, Why.INACTIVE, sooner)
        return
    day = deletion_day(state, key)
    if day is None:
        if notice is not None:
            yield DropNotice(key_id=key.id, notice=notice, why="nothing asks for its deletion any more")
        return
    if notice is None:
        yield from _told_first(state, key, Why.INACTIVE, day)
        return
    day = max(day, protected_until(state, key))
    step = next_step(state, key, what=What.DELETE, why=Why.INACTIVE, day=day, because=_off_for(state, key))
    if isinstance(step, Ripe):
        yield Delete(key_id=key.id, why=_off_for(state, key))
    elif step is not None:
        yield step


def _needed_sooner(state: State, key: Key, notice: Notice) -> date | None:
    """A replacement will want the slot before the day that was told, and may really have it before."""
    slot = slot_needed_on(state, key)
    earliest = state.ahead(state.policy.warn_days)
    if slot is None or max(slot, earliest) >= notice.day:
        return None
    day = max(slot, protected_until(state, key))
    return day if max(day, earliest) < notice.day else None


def _off_for(state: State, key: Key) -> str:
    return f"inactive since {state.off_since(key)}"


@_oldest_key_first
def switched_back_on(state: State, key: Key) -> Iterator[Action | Item]:
    """Rule 8: a person switched a key back on; somebody needs it, so it is left alone for a while."""
    if not key.active:
        return
    if state.remembered(key).off_since is not None:
        action = RememberOn(key_id=key.id, on=state.today)
        yield action
        state = state.after(action)
    until = state.left_alone_until(key)
    if until is not None:
        yield attention(
            f"somebody switched it back on (or a run was cut short while it switched it off); it is left alone until "
            f"{until}, then the usual rules apply",
            key=key,
            by=until,
            kind=Kind.BACK_ON,
            since=state.remembered(key).back_on,
        )


@_oldest_key_first
def fallen(state: State, key: Key) -> Iterator[DropNotice]:
    """A notice of a switch-off falls when its reason is gone. Being used does not end an overlap notice, and being quiet does not
    end an in-use notice: who uses both keys in turn would never be finished.
    """
    notice = state.notice(key)
    if notice is None or (notice.what is What.DELETE and not key.active):
        return
    if (why := _no_longer(state, key, notice)) is not None:
        yield DropNotice(key_id=key.id, notice=notice, why=why)


def _no_longer(state: State, key: Key, notice: Notice) -> str | None:
    if key.active == (notice.what is What.DELETE):
        return "somebody switched it on or off"
    if state.left_alone_until(key):
        return "somebody switched it back on"
    match notice.why:
        case Why.OVERLAP | Why.IN_USE:
            if not state.is_elder(key) or not state.issued:
                return "there is no newer key any more that replaces it"
            if looks_after_secret(state) and not state.stored:
                return "its owner cannot fetch the new key"
        case Why.BY_HAND:
            if not state.is_elder(key):
                return "there is no newer key any more"
            if state.issued and state.stored:
                return "the newer key is in the user's secret after all"
            if not successor_took_over(state, key):
                return "it was used again"
        case Why.UNUSED:
            day = retirement_day(state, key)
            if day is None or day > max(notice.day, state.ahead(state.policy.warn_days)):
                return "it was used, or is needed"
            if _replaced_today(state, key):
                return "it is replaced instead"
        case _:
            pass
    return None


def _replaced_today(state: State, key: Key) -> bool:
    """Rule 12 takes the place of a notice by rule 11."""
    return key is state.newest and state.slot_free and state.wanted is not None


@_oldest_key_first
def overlap_over(state: State, key: Key) -> Iterator[Action | Item]:
    """Rules 9 and 10: the old key of a stored pair goes off on its day if it is quiet, and else once its extension is over."""
    ends = overlap_ends(state)
    if ends is None or not state.is_elder(key) or state.left_alone_until(key):
        return
    notice = state.notice(key)
    if notice is not None and notice.why is Why.IN_USE:
        yield from _extended(state, key, notice)
        return
    if (notice is not None and state.today < notice.day) or not state.stored:
        return
    if notice is None or notice.why is not Why.OVERLAP:
        yield from _told_first(state, key, Why.OVERLAP, ends)
    elif ends > state.today or not state.in_use(key):
        why = f"its overlap is over and it is quiet ({_since(key)})"
        yield from _kept(state, key, Why.OVERLAP, OffReason.QUIET, why, day=ends)
    elif used_since_successor(state, key):
        extension = max(state.policy.in_use_extension_days, state.policy.warn_days)
        for step in _told_first(state, key, Why.IN_USE, state.ahead(extension)):
            yield step
            if isinstance(step, GiveNotice):
                yield _in_use(state, key, by=step.notice.day)
    else:
        for step in _told_first(state, key, Why.OVERLAP, state.quiet_on(key)):
            yield step
            if isinstance(step, GiveNotice):
                yield _no_chance_yet(state, key, by=step.notice.day)


def _no_chance_yet(state: State, key: Key, *, by: date) -> Item:
    return attention(
        f"its overlap is over, and it was last used before the new key was made ({_last_use(key)}), so its owner may not "
        "have had the chance to switch. It stays on until it is quiet",
        key=key,
        by=by,
        kind=Kind.UNTIL_QUIET,
        then="switched off if it is not used until then",
        since=state.today,
    )


def _extended(state: State, key: Key, notice: Notice) -> Iterator[Action | Item]:
    if state.today < notice.day:
        # Quiet for now: nobody is asked anything. Whoever uses it again is asked again.
        item = _in_use(state, key, by=notice.day, notice=notice)
        yield item if state.in_use(key) else replace(item, level=Level.UPCOMING, kind=Kind.OFF_DATE_QUIET)
    elif state.stored:
        used = state.in_use(key)
        reason = OffReason.FORCED if used else OffReason.QUIET
        why = (
            f"its extension is over, and it is still in use ({_last_use(key)})"
            if used
            else "its extension is over"
        )
        for step in _kept(state, key, Why.IN_USE, reason, why):
            yield step
            # After days on which nobody was told: its owner has to act by the new day as by the first.
            if used and isinstance(step, GiveNotice):
                yield _in_use(state, key, by=step.notice.day)


def _in_use(state: State, key: Key, *, by: date, notice: Notice | None = None) -> Item:
    given = state.policy.in_use_extension_days
    since = state.today if notice is None else min(state.today, notice.day - timedelta(days=given))
    used = f" ({_last_use(key)})" if key.asked or since == state.today else ""
    return attention(
        f"its overlap is over, and it was still in use{used}. Its owner has to switch to the new key",
        key=key,
        by=by,
        kind=Kind.IN_USE,
        then="switched off, in use or not",
        since=since,
        notice=notice if notice is not None and notice.told < state.today else None,
    )


@_oldest_key_first
def made_by_hand(state: State, key: Key) -> Iterator[Action | Item]:
    """Rule 9b: the old key of a pair whose newer one is not in the secret, whoever made it."""
    if not state.is_elder(key) or state.left_alone_until(key):
        return
    day, warn = by_hand_day(state, key), timedelta(days=state.policy.warn_days)
    near, notice = state.today >= day - warn, state.notice(key)
    # Of a pair that this system made, memory alone tells; what the secret holds is asked for when it matters.
    if state.issued and (not looks_after_secret(state) or state.stored):
        return
    if notice is not None and notice.why is Why.BY_HAND:
        if state.today < notice.day:
            yield _quiet_by_hand(key, notice, since=min(state.today, day - warn), today=state.today)
        else:
            why = f"a newer key made by hand is in use, this one is not ({_since(key)})"
            yield from _kept(state, key, Why.BY_HAND, OffReason.QUIET, why, day=day)
    elif near and successor_took_over(state, key):
        for step in _told_first(state, key, Why.BY_HAND, day):
            yield step
            if isinstance(step, GiveNotice):
                yield _quiet_by_hand(key, step.notice, since=state.today, today=state.today)
    elif near:
        yield _kept_by_hand(state, key, since=day - warn)


def _quiet_by_hand(key: Key, notice: Notice, *, since: date, today: date) -> Item:
    return attention(
        "both keys are active, and the newer one is not in the user's secret. The newer one is used, and this one is not",
        key=key,
        by=notice.day,
        kind=Kind.BY_HAND_QUIET,
        then="switched off",
        since=since,
        notice=notice if notice.told < today else None,
    )


def _kept_by_hand(state: State, key: Key, *, since: date) -> Item:
    pair = "both keys are active, and the newer one is not in the user's secret"
    if state.issued and state.pair is not None:
        name = _secret_name(state)
        return attention(
            f"the newer key {state.pair[1].id} was made by this system and is not in the secret {name} any more, so its "
            "owner cannot fetch it. Both keys stay on. If nobody uses the newer key, delete it and ask for another by tag",
            key=key,
            kind=Kind.NOT_STORED,
            since=since,
        )
    if state.in_use(key):
        used = f"the older is in use ({_last_use(key)}), so both stay on: these may be two applications"
    else:
        used = "nobody has used the newer one since the older was last used, so both stay on"
    return attention(f"{pair}; {used}", key=key, kind=Kind.BY_HAND, since=since)


@_oldest_key_first
def unused(state: State, key: Key) -> Iterator[Action | Item]:
    """Rule 11: retire a key that nobody uses; nobody asked for a new one."""
    notice = state.notice(key)
    if notice is None or notice.why is not Why.UNUSED:
        if notice is not None or not may_retire_soon(state, key) or _replaced_today(state, key):
            return
        yield from _unused_unnoticed(state, key)
    elif state.today >= notice.day and (day := retirement_day(state, key)) is not None:
        idle = (state.today - key.idle_since).days
        why = f"unused for {idle} days" if key.used_on else f"never used, and {state.age(key)} days old"
        yield from _kept(state, key, Why.UNUSED, OffReason.UNUSED, why, day=day)


def _unused_unnoticed(state: State, key: Key) -> Iterator[Action | Item]:
    day = retirement_day(state, key)
    if day is not None:
        if day <= state.ahead(state.policy.warn_days):
            yield from _told_first(state, key, Why.UNUSED, day)
        return
    before = key_before(state, key)
    idle = (state.today - key.idle_since).days
    if (
        before is not None
        and before.active
        and not state.tags.replace_asked
        and idle >= state.policy.unused_days
    ):
        yield attention(
            f"unused for {idle} days; it is kept because the key before it, {before.id}, is still active",
            key=key,
            kind=Kind.UNUSED_KEPT,
            since=key.idle_since + timedelta(days=state.policy.unused_days),
        )


# Rules 12 to 15.


def replacement_due(state: State) -> Iterator[Replace]:
    """Rule 12. The mail that tells of the new key gives notice of the old one's switch-off."""
    if not state.slot_free or (wanted := state.wanted) is None:
        return
    newest, off_on = state.newest, state.ahead(state.policy.overlap_days)
    heard = state.occasion.heard and newest is not None and not state.left_alone_until(newest)
    yield Replace(
        why=wanted,
        old_key_id=newest.id if newest else None,
        asked=state.tags.replace_asked,
        notice=notice_of(state, what=What.SWITCH_OFF, why=Why.OVERLAP, day=off_on) if heard else None,
        since=None if state.tags.replace_asked else due_on(state),
    )


def replacement_blocked(state: State) -> Iterator[Item]:
    """Rule 13: IAM allows two keys, and neither may go yet."""
    if state.slot_free or (wanted := state.wanted) is None:
        return
    if state.pair is not None:
        oldest = state.keys[0]
        clears, blocks = pair_clears_on(state), "both keys are active"
    else:
        oldest = next(key for key in state.keys if not key.active)
        clears, blocks = clears_on(state, oldest), f"the inactive key {oldest.id} may not go yet"
    by_itself = f"clears by itself about {clears}" if clears else "does not clear by itself"
    # The way back from "off" is one command; from "deleted" there is none. The slot follows by rule 7.
    kind, way = (Kind.BLOCKED_BY_PAIR, "switch it off") if oldest.active else (Kind.BLOCKED, "delete it")
    yield attention(
        f"no new key could be made, though {wanted}: {blocks}; this {by_itself}. If nobody needs {oldest.id}, {way}",
        key=oldest,
        by=clears,
        kind=kind,
        since=None if state.tags.replace_asked else due_on(state),
    )


def vanished(state: State) -> Iterator[Item]:
    """Rule 14: another tool manages this user's keys; two of them would undo each other's work."""
    known = state.memory.vanished
    if known is None or state.tags.replace_asked:
        return
    yield attention(
        f"the key {known.key_id}, which this system issued, was deleted by somebody else: another tool may manage this user's "
        "keys. No key is replaced until a person asks for it by tag, or exempts the user",
        kind=Kind.VANISHED,
        since=known.on,
    )


def upcoming(state: State) -> Iterator[Item]:
    """Rule 15: what happens by itself within `WarnDays`; and every notice that is to be told again."""
    for key in state.keys:
        notice = state.notice(key)
        # What needs a person says it itself, every day.
        if notice is None or notice.why in (Why.IN_USE, Why.BY_HAND):
            continue
        # Only while nobody listens, and that is said.
        if notice.day < state.today:
            continue
        if to_be_told(notice, state.policy, state.today):
            yield _told_again(state, key, notice)
    newest = state.newest
    day = None if newest is None or state.tags.replace_asked else due_on(state)
    if newest is None or day is None or not _is_near(state, day) or state.memory.vanished:
        return
    if state.slot_free and state.worth_replacing(newest, on=day) and state.user.exposed is None:
        then = "replaced; the new key comes in the user's secret"
        yield Item(level=Level.UPCOMING, kind=Kind.REPLACEMENT, text="", key_id=newest.id, by=day, then=then)


def _told_again(state: State, key: Key, notice: Notice) -> Item:
    then, kind = "deleted", Kind.DELETION
    text = "" if key.active else f"inactive since {state.off_since(key)}"
    if notice.why is Why.UNUSED:
        then, kind = "switched off because nobody uses it", Kind.RETIREMENT
    elif notice.why is Why.OVERLAP:
        # Who uses it is asked for when there is still time to do something about it.
        last = state.today >= notice.day - timedelta(days=LAST_DAYS)
        then = "switched off if nobody uses it any more"
        kind = Kind.OFF_DATE if last and state.in_use(key) else Kind.OFF_DATE_QUIET
    return Item(
        level=Level.UPCOMING, kind=kind, text=text, key_id=key.id, by=notice.day, then=then, notice=notice
    )


def _is_near(state: State, day: date) -> bool:
    return state.today < day <= state.ahead(state.policy.warn_days)


# How they say it.


def _drop_all(state: State, why: str) -> Iterator[DropNotice]:
    for key_id, known in state.memory.keys.items():
        if known.notice is not None:
            yield DropNotice(key_id=key_id, notice=known.notice, why=why)


_BECAUSE = {
    Why.OVERLAP: "a newer key replaces it",
    Why.IN_USE: "a newer key replaces it, and it is still in use",
    Why.BY_HAND: "a newer key made by hand is in use, and this one is not",
    Why.UNUSED: "nobody uses it",
    Why.INACTIVE: "it is inactive",
}


def _told_first(state: State, key: Key, why: Why, day: date) -> Iterator[GiveNotice | Item]:
    what = What.DELETE if why is Why.INACTIVE else What.SWITCH_OFF
    given = give(state, key, what=what, why=why, day=day, because=_BECAUSE[why])
    if given is not None:
        yield given


def _kept(
    state: State, key: Key, why: Why, reason: OffReason, text: str, *, day: date | None = None
) -> Iterator[Action | Item]:
    """Switch the key off if its notice may be kept today; otherwise what its notice needs. Its mail gives notice of the deletion."""
    step = next_step(state, key, what=What.SWITCH_OFF, why=why, day=day or state.today, because=_BECAUSE[why])
    if not isinstance(step, Ripe):
        if step is not None:
            yield step
        return
    in_secret = state.in_secret(key)
    off = Deactivate(key_id=key.id, on=state.today, reason=reason, why=text, in_secret=in_secret)
    then = state.after(off)
    off_key = then.key(key.id)
    deleted_on = deletion_day(then, off_key) if off_key is not None else None
    notice = notice_of(then, what=What.DELETE, why=Why.INACTIVE, day=deleted_on) if deleted_on else None
    yield Deactivate(
        key_id=key.id, on=state.today, reason=reason, why=text, in_secret=in_secret, notice=notice
    )


def attention(
    text: str,
    *,
    key: Key | None = None,
    by: date | None = None,
    kind: Kind = Kind.NOTICE,
    then: str = "",
    since: date | None = None,
    notice: Notice | None = None,
    once: str | None = None,
) -> Item:
    return Item(
        level=Level.ATTENTION,
        kind=kind,
        text=text,
        key_id=key.id if key else None,
        by=by,
        then=then,
        since=since,
        notice=notice,
        once=once,
    )


def _secret_name(state: State) -> str:
    """The real one: a renamed user's secret keeps its name."""
    arn = state.memory.secret_arn
    return secret_name(state.user.name) if arn is None else name_of_secret(arn)


def _since(key: Key) -> str:
    return f"unused since {key.used_on}" if key.used_on else "never used"


def _last_use(key: Key) -> str:
    use = key.use
    return f"{use.at:%Y-%m-%d}, on {use.service} in {use.region}" if use and key.used_on else "never"


WHOLE_USER_RULES: tuple[Rule, ...] = (not_understood, interrupted, exempt)
RULES: tuple[Rule, ...] = (
    audit,
    deleted_before,
    *WHOLE_USER_RULES,
    tags_to_mend,
    tags_of_version_0_1,
    exposed,
    moved,
    secret_lost,
    gone_keys,
    first_seen_inactive,
    inactive,
    switched_back_on,
    fallen,
    overlap_over,
    made_by_hand,
    unused,
    replacement_due,
    replacement_blocked,
    vanished,
    upcoming,
)
