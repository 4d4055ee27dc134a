"""What must hold for every user, policy and date: the single days, drawn on boundaries. Many days: test_walk.py."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import cache
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keyrotation.decide import remembering
from keyrotation.decide.actions import (
    Deactivate,
    Delete,
    DeleteOrphan,
    DropNotice,
    GiveNotice,
    Item,
    Kind,
    Level,
    MendPolicy,
    Plan,
    Promote,
    Recall,
    Remembered,
    RememberOff,
    RememberOn,
    Replace,
    SettlePending,
)
from keyrotation.decide.plan import may_concern, plan_user
from keyrotation.memory import OffReason, What, Why
from keyrotation.model import UNASKED, Key, Occasion, User
from keyrotation.policy import Policy

from tests.unit.drawn import (
    Case,
    Dice,
    Quick,
    anyone,
    drawn,
    interrupted,
    ordinary,
    unheard,
)
from tests.unit.drawn import policy as roll_policy
from tests.unit.effects import applied
from tests.unit.oracle import DAY, NEVER, Facts, exempt, own_policy, table, tags_of, understood, used_on
from tests.unit.people import OCCASION, OLD, TODAY, asked_for, at

thorough = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
SWEPT = 1500
Sentence = Callable[[Case], None]
sentences: list[tuple[Sentence, Callable[[Dice], Case]]] = []


def holds_for(roll: Callable[[Dice], Case]) -> Callable[[Sentence], Sentence]:
    """A property for hypothesis, which shrinks; and for the sweep below, which sees fifty times as many."""

    def register(sentence: Sentence) -> Sentence:
        sentences.append((sentence, roll))
        return thorough(given(drawn(roll))(sentence))

    return register


@cache
def swept(roll: Callable[[Dice], Case]) -> tuple[Case, ...]:
    dice = Quick(Random(20261122))  # it must repeat
    return tuple(roll(dice) for _ in range(SWEPT))


def plan_of(case: Case) -> Plan:
    return plan_user(case.user, case.policy, case.occasion)


def warn_days(case: Case) -> int:
    return own_policy(case.policy, tags_of(case.user)).warn_days


# Notice first.


@holds_for(anyone)
def test_nothing_goes_off_or_away_but_on_or_after_the_day_of_a_notice_that_was_told_lately(
    case: Case,
) -> None:
    for action in plan_of(case).actions:
        if not isinstance(action, Deactivate | Delete):
            continue
        notice = case.user.memory.key(action.key_id).notice
        assert notice is not None
        assert notice.what is (What.DELETE if isinstance(action, Delete) else What.SWITCH_OFF)
        assert notice.day <= TODAY
        assert (TODAY - notice.told).days <= case.policy.warn_days + 1
        assert case.occasion.enforce
        assert case.occasion.heard


@holds_for(anyone)
def test_a_notice_is_given_at_least_warn_days_ahead_and_today_and_its_own_reason_is_said(case: Case) -> None:
    for action in plan_of(case).decided:
        notice = getattr(action, "notice", None)
        if notice is None or isinstance(action, DropNotice):
            continue
        assert (notice.day - TODAY).days >= case.policy.warn_days
        assert notice.told == TODAY
        assert (notice.what is What.DELETE) == (notice.why is Why.INACTIVE)
        if isinstance(action, GiveNotice):
            assert action.because


@holds_for(anyone)
def test_no_two_notices_for_one_key_and_one_that_another_replaces_is_forgotten_first(case: Case) -> None:
    memory, given = case.user.memory, set()
    for action in plan_of(case).actions:
        if isinstance(action, DropNotice):
            assert action.notice == memory.key(action.key_id).notice
        if isinstance(action, GiveNotice):
            assert action.instead_of == memory.key(action.key_id).notice
        memory = remembering.before(memory, action)
        told = getattr(action, "notice", None)
        if told is not None and not isinstance(action, DropNotice):
            about = action.old_key_id if isinstance(action, Replace) else getattr(action, "key_id", None)
            assert about not in given
            given.add(about)


@holds_for(anyone)
def test_the_day_of_a_notice_comes_closer_only_by_a_notice_given_anew(case: Case) -> None:
    after = applied(case.user, plan_of(case).actions, OCCASION.now)
    for key_id, remembered in after.memory.keys.items():
        before = case.user.memory.key(key_id).notice
        if remembered.notice is None or before is None or remembered.notice.day >= before.day:
            continue
        assert remembered.notice.told == TODAY
        assert (remembered.notice.day - TODAY).days >= case.policy.warn_days


@holds_for(anyone)
def test_while_nobody_listens_no_notice_is_given_or_replaced_and_nothing_goes_off_or_away(case: Case) -> None:
    plan = plan_user(case.user, case.policy, replace(case.occasion, listeners=0))
    kinds = {type(action) for action in plan.decided}
    assert not kinds & {Deactivate, Delete, GiveNotice}
    for action in plan.decided:
        assert not isinstance(action, Replace) or action.notice is None
    told = plan_user(case.user, case.policy, replace(case.occasion, listeners=1))
    assert (Replace in kinds) <= (Replace in {type(action) for action in told.decided})
    remembered = [
        {a for a in each.decided if isinstance(a, Remembered) and not isinstance(a, DropNotice)}
        for each in (plan, told)
    ]
    assert remembered[0] == remembered[1]


@holds_for(anyone)
def test_in_audit_nothing_is_done_but_remembered_and_every_notice_falls(case: Case) -> None:
    plan = plan_user(case.user, case.policy, replace(case.occasion, enforce=False))
    assert all(isinstance(action, Remembered) for action in plan.actions)
    after = applied(case.user, plan.actions, OCCASION.now)
    present = {key.id for key in case.user.keys}
    assert not [k for k, each in after.memory.keys.items() if each.notice is not None and k in present]


@holds_for(anyone)
def test_what_is_remembered_of_keys_is_the_same_in_audit_and_during_an_exemption(case: Case) -> None:
    if not understood(case.user, TODAY) or case.user.memory.pending is not None:
        return
    audit = plan_user(case.user, case.policy, replace(case.occasion, enforce=False))
    enforced = plan_user(case.user, case.policy, replace(case.occasion, enforce=True, listeners=1))
    until = f"{TODAY + DAY} audit"
    exempted = plan_user(
        replace(case.user, tags={"access-key-rotation:exempt": until}), case.policy, case.occasion
    )
    lists = [
        {a for a in plan.actions if isinstance(a, RememberOff | RememberOn)}
        for plan in (audit, enforced, exempted)
    ]
    assert lists[0] == lists[1] == lists[2]


@holds_for(anyone)
def test_unknown_or_exempt_means_no_action_and_it_is_told(case: Case) -> None:
    plan = plan_of(case)
    if not understood(case.user, TODAY):
        falling = {DropNotice} if not case.occasion.enforce else set()
        assert {type(action) for action in plan.actions} <= falling
        assert plan.items
    elif exempt(case.user, TODAY) and case.user.memory.pending is None:
        assert all(isinstance(action, Remembered) for action in plan.decided)
        assert plan.items
        after = applied(case.user, plan.actions, OCCASION.now)
        assert [each for each in after.memory.keys.values() if each.notice is not None] == []
        assert after.memory.vanished is None


# Who loses a key.


@holds_for(ordinary)
def test_no_key_in_use_goes_off_but_by_force_after_its_own_notice(case: Case) -> None:
    facts = Facts(case.user, case.policy, TODAY)
    for action in plan_of(case).actions:
        if not isinstance(action, Deactivate):
            continue
        key = next(each for each in facts.keys if each.id == action.key_id)
        notice = case.user.memory.key(key.id).notice
        assert notice is not None
        if action.reason is OffReason.FORCED:
            assert notice.why is Why.IN_USE
            assert facts.stored
            assert key == facts.elder
        else:
            assert not facts.in_use(key)
        assert (action.reason is OffReason.UNUSED) == (notice.why is Why.UNUSED)


@holds_for(anyone)
def test_never_a_users_only_active_key_but_by_rule_11(case: Case) -> None:
    user = case.user
    for action in plan_of(case).actions:
        active = {key.id for key in user.keys if key.active}
        if isinstance(action, Deactivate) and active == {action.key_id}:
            assert action.reason is OffReason.UNUSED
        user = applied(user, [action], OCCASION.now)


@holds_for(anyone)
def test_never_delete_an_active_key_but_an_orphan_that_nobody_can_hold(case: Case) -> None:
    observed = {key.id: key for key in case.user.keys}
    stages = case.user.the_secret.stages if case.user.the_secret else {}
    for action in plan_of(case).actions:
        if isinstance(action, Delete):
            assert observed[action.key_id].status == "Inactive"
        if isinstance(action, DeleteOrphan):
            assert observed[action.key_id].use is None
            assert f"{action.key_id}-access-key-rotation" not in stages


@holds_for(ordinary)
def test_an_elder_goes_off_only_if_its_successor_is_stored_or_was_used_later(case: Case) -> None:
    facts = Facts(case.user, case.policy, TODAY)
    for action in plan_of(case).actions:
        if isinstance(action, Deactivate) and facts.elder is not None and action.key_id == facts.elder.id:
            by_hand = action.reason is OffReason.QUIET and not facts.stored
            assert facts.stored or by_hand or action.reason is OffReason.UNUSED
            if by_hand:
                assert facts.successor is not None
                last, new = used_on(facts.elder), used_on(facts.successor)
                assert new is not None
                assert last is None or new > last


@holds_for(anyone)
def test_never_a_third_key_nor_one_for_whom_aws_has_flagged_a_key(case: Case) -> None:
    plan = plan_of(case)
    kinds = [type(action) for action in plan.actions]
    assert kinds.count(Replace) <= 1
    assert len(applied(case.user, plan.actions, OCCASION.now).keys) <= max(2, len(case.user.keys))
    if case.user.exposed is not None:
        assert Replace not in kinds


# The table as a whole, decided a second time by the oracle.


@holds_for(ordinary)
def test_what_is_done_is_what_the_table_says(case: Case) -> None:
    _compared(case)


@holds_for(unheard)
def test_what_is_done_while_nobody_listens_is_what_the_table_says(case: Case) -> None:
    _compared(case)


def _compared(case: Case) -> None:
    expected, plan = table(case.user, case.policy, case.occasion), plan_of(case)
    actions = plan.actions
    assert {a.key_id: str(a.reason) for a in actions if isinstance(a, Deactivate)} == expected.off
    assert {a.key_id for a in actions if isinstance(a, Delete)} == expected.deleted
    assert {a.key_id for a in actions if isinstance(a, RememberOff)} == expected.remembered_off
    assert {a.key_id for a in actions if isinstance(a, RememberOn)} == expected.remembered_on
    assert any(isinstance(a, Replace) for a in actions) == expected.replaced
    given = {}
    for action in actions:
        if isinstance(action, GiveNotice):
            given[action.key_id] = (action.notice.what, action.notice.why, action.notice.day)
        elif isinstance(action, Replace) and action.old_key_id is not None and action.notice is not None:
            notice = action.notice
            given[action.old_key_id] = (notice.what, notice.why, notice.day)
    deletions = {k: day for k, (what, _, day) in given.items() if what is What.DELETE}
    others = {k: each for k, each in given.items() if each[0] is not What.DELETE}
    for key_id, each in others.items():
        assert each == expected.given.get(key_id) or each in expected.may_give.get(key_id, ()), "given"
    assert expected.given.keys() <= others.keys()
    for key_id, day in deletions.items():
        earliest = expected.deletion_at_the_earliest[key_id]
        assert earliest <= day or earliest == NEVER, "not before the day of rule 7"
    if case.occasion.heard:
        must = expected.deletion_must_be_given - expected.deleted
        assert must <= deletions.keys()
    after = applied(case.user, actions, OCCASION.now)
    for key_id in expected.kept - expected.may_give.keys():
        assert after.memory.key(key_id).notice == case.user.memory.key(key_id).notice
    for key_id in expected.fallen:
        left = after.memory.key(key_id).notice
        assert left is None or left != case.user.memory.key(key_id).notice or key_id in given


@holds_for(ordinary)
def test_whoever_is_kept_on_or_blocked_is_told(case: Case) -> None:
    expected, plan = table(case.user, case.policy, case.occasion), plan_of(case)
    attention = [item for item in plan.items if item.level <= Level.ATTENTION]
    assert expected.attention <= {item.key_id for item in attention}
    blocked = [item for item in attention if item.kind in (Kind.BLOCKED, Kind.BLOCKED_BY_PAIR)]
    assert bool(blocked) == expected.blocked
    for item in blocked:
        assert item.key_id in {key.id for key in case.user.keys}


@holds_for(ordinary)
def test_a_notice_is_told_again_weekly_and_from_three_days_before_its_day_until_it_is_kept(
    case: Case,
) -> None:
    plan = plan_of(case)
    again = {item.key_id: item.notice for item in plan.items if item.notice is not None}
    after = applied(case.user, plan.actions, OCCASION.now)
    for key_id, remembered in after.memory.keys.items():
        notice = remembered.notice
        if notice is None or key_id not in {key.id for key in after.keys} or notice.told >= TODAY:
            continue
        facts = Facts(case.user, case.policy, TODAY)
        if notice.why is Why.BY_HAND and facts.elder is not None and not facts.looked_after:
            continue
        if (notice.day - TODAY).days <= 3 or (TODAY - notice.told).days >= 7:
            assert again.get(key_id) == notice
    for told_of, told in again.items():
        assert told_of is not None
        assert after.memory.key(told_of).notice == told, "what is told again is what is remembered"


@holds_for(ordinary)
def test_a_switch_off_gives_the_notice_of_deletion_that_rule_7_would_give(case: Case) -> None:
    for action in plan_of(case).actions:
        if isinstance(action, Deactivate):
            days = case.policy.delete_after_days
            assert days == 0 or action.notice is not None
            if action.notice is not None:
                sooner = min(days or case.policy.quiet_days, case.policy.quiet_days)
                assert (action.notice.day - TODAY).days >= max(case.policy.warn_days, sooner)


@holds_for(ordinary)
def test_a_replacement_never_leaves_awscurrent_naming_a_dead_key(case: Case) -> None:
    plan = plan_of(case)
    facts = Facts(case.user, case.policy, TODAY)
    for action in plan.actions:
        if isinstance(action, Deactivate):
            key = next(each for each in facts.keys if each.id == action.key_id)
            assert action.in_secret == facts.is_stored(key), "switching off what AWSCURRENT holds is said"
    if any(isinstance(action, Replace) for action in plan.actions):
        after = Facts(applied(case.user, plan.actions, OCCASION.now), case.policy, TODAY)
        assert any(after.current(key) for key in after.active)
        assert "access-key-rotation:replace" not in after.user.tags


@holds_for(anyone)
def test_the_policy_of_the_secret_follows_a_rename_before_anything_else(case: Case) -> None:
    user = case.user
    moved = user.memory.secret_arn is not None and user.memory.policy_arn not in (None, user.arn)
    plan = plan_of(case)
    mends = [a for a in plan.decided if isinstance(a, MendPolicy)]
    if not understood(user, TODAY) or exempt(user, TODAY) or user.memory.pending is not None:
        return
    if moved and user.the_secret is not None and not user.the_secret.deleted:
        assert [a.user_arn for a in mends] == [user.arn]
    assert moved or mends == []
    if mends and case.occasion.enforce:
        assert not any(isinstance(a, Deactivate) for a in plan.actions)


@holds_for(anyone)
def test_what_is_remembered_of_a_key_that_is_gone_is_forgotten(case: Case) -> None:
    if not understood(case.user, TODAY) or case.user.memory.pending is not None:
        return
    after = applied(case.user, plan_of(case).actions, OCCASION.now)
    assert after.memory.keys.keys() <= {key.id for key in after.keys}


# The same day again, another order, the scanner.


def settled(case: Case) -> Case:
    """As a run does it: an interrupted replacement is settled first, then the user is planned again."""
    plan = plan_of(case)
    if plan.settles and case.occasion.enforce:
        case = replace(case, user=applied(case.user, plan.actions, OCCASION.now))
        assert not plan_of(case).settles, "settled once is settled"
    return case


@holds_for(anyone)
def test_planned_again_on_the_same_day_nothing_is_left_to_do(case: Case) -> None:
    case = settled(case)
    plan = plan_of(case)
    again = plan_of(replace(case, user=applied(case.user, plan.actions, OCCASION.now)))
    left = again.actions
    if any(isinstance(action, Replace) for action in plan.actions):
        # The new key will want the slot of an inactive one some day, which may be sooner than what was told of it.
        left = tuple(a for a in left if not isinstance(a, GiveNotice) or a.notice.what is not What.DELETE)
    assert left == ()


@thorough
@given(drawn(anyone), st.permutations([0, 1, 2]))
def test_key_order_does_not_matter(case: Case, order: list[int]) -> None:
    keys = case.user.keys
    turned = replace(case.user, keys=tuple(keys[n] for n in order if n < len(keys)))
    assert plan_user(turned, case.policy, case.occasion).steps == plan_of(case).steps


@holds_for(anyone)
def test_whoever_has_an_action_or_something_to_report_today_is_in_the_order(case: Case) -> None:
    user = case.user.listed
    if not user.unread and not may_concern(user, case.policy, OCCASION.now, enforce=case.occasion.enforce):
        for listeners in (0, 1):
            plan = plan_user(case.user, case.policy, replace(case.occasion, listeners=listeners))
            assert what_matters(plan) == []
            assert (
                asked_for(case.user, case.policy, replace(case.occasion, listeners=listeners))[0].steps == ()
            )


@holds_for(anyone)
def test_a_plan_that_asks_for_facts_as_it_needs_them_is_the_plan_of_who_knows_them_all(case: Case) -> None:
    plan, asked = asked_for(case.user, case.policy, case.occasion)
    assert what_matters(plan) == what_matters(plan_of(case))
    assert len(asked) == len(set(asked)), "each once"


def what_matters(plan: Plan) -> list[object]:
    """All but words, and the deletion for a slot that is wanted some day: it is foreseen sooner by who knows more."""
    found: list[object] = []
    off = {key.id for key in plan.user.keys if not key.active}
    for step in plan.steps:
        each = step.decision
        if isinstance(each, Item):
            found.append((step.rule, each.level, each.kind, each.key_id))
        elif isinstance(each, GiveNotice | DropNotice) and (
            each.notice.what is What.DELETE or each.key_id in off
        ):
            continue
        elif isinstance(each, Deactivate):
            found.append((step.rule, each.key_id, each.reason))
        else:
            found.append(each)
    return [each for each in found if not (isinstance(each, tuple) and Kind.DELETION in each)]


@thorough
@given(drawn(roll_policy), st.data())
def test_a_young_only_key_is_in_the_order_from_its_first_notice_on(
    policy: Policy, data: st.DataObject
) -> None:
    first = policy.max_key_age_days - policy.overlap_days - 2 - policy.warn_days
    if policy.unused_days:
        first = min(first, policy.unused_days - policy.warn_days)
    age = first + data.draw(st.integers(-2, 2))
    key = Key(id=OLD, status="Active", created=at(TODAY - age * DAY), last_use=UNASKED)
    ann = User(name="ann", keys=(key,), tags={"Team": "data"}, secret=UNASKED)
    assert may_concern(ann, policy, OCCASION.now, enforce=True) == (age >= first)
    assert not may_concern(replace(ann, keys=()), policy, OCCASION.now, enforce=True)


@holds_for(anyone)
def test_no_day_that_is_told_lies_in_the_past_and_nothing_holds_since_a_day_ahead(case: Case) -> None:
    for step in plan_of(case).steps:
        by, since = getattr(step.decision, "by", None), getattr(step.decision, "since", None)
        assert by is None or by >= TODAY, step
        assert since is None or since <= TODAY, step


@holds_for(ordinary)
def test_a_key_that_goes_off_or_away_tomorrow_by_itself_is_told_today(case: Case) -> None:
    plan = plan_of(case)
    user = applied(case.user, plan.actions, OCCASION.now)
    tomorrow = plan_user(user, case.policy, replace(OCCASION, now=OCCASION.now + timedelta(days=1)))
    told = {item.key_id for item in plan.items if item.by is not None}
    told |= {key.id for key in user.keys if (n := user.memory.key(key.id).notice) and n.told == TODAY}
    for action in tomorrow.actions:
        assert not isinstance(action, Deactivate | Delete) or action.key_id in told, action


# Rule 2.


@holds_for(interrupted)
def test_an_interrupted_replacement_is_finished_or_undone_as_section_6_says(case: Case) -> None:
    plan, pending = plan_of(case), case.user.memory.pending
    assert pending is not None
    if pending.region != "eu-west-1" or OCCASION.now - pending.since < OCCASION.function_timeout:
        assert plan.actions == ()
        assert plan.items
        return
    promoted, recalled, orphaned, told = set(), set(), set(), set()
    stages = case.user.the_secret.stages if case.user.the_secret else {}
    for key in case.user.keys:
        if key.id in pending.key_ids:
            continue
        labels = stages.get(f"{key.id}-access-key-rotation", frozenset())
        near = abs(key.created - pending.since) <= OCCASION.function_timeout
        if "AWSCURRENT" in labels:
            recalled.add(key.id)
        elif "AWSPENDING" in labels and key.status == "Active":
            promoted.add(key.id)
        elif not labels and near and key.use is None:
            orphaned.add(key.id)
        elif "AWSPREVIOUS" not in labels:
            told.add(key.id)
    actions = plan.actions
    if not any("AWSPREVIOUS" in labels for labels in stages.values()):
        assert {a.key_id for a in actions if isinstance(a, Promote)} == promoted
        assert {a.key_id for a in actions if isinstance(a, Recall)} == recalled
        assert {a.key_id for a in actions if isinstance(a, DeleteOrphan)} == orphaned
        assert told <= {item.key_id for item in plan.items}
    assert [type(a) for a in actions if isinstance(a, SettlePending)] == [SettlePending]
    assert {type(a) for a in actions} <= {Promote, Recall, DeleteOrphan, SettlePending}


@pytest.mark.parametrize(
    ("sentence", "roll"), sentences, ids=[each.__name__.removeprefix("test_") for each, _ in sentences]
)
def test_swept(sentence: Sentence, roll: Callable[[Dice], Case]) -> None:
    for number, case in enumerate(swept(roll)):
        try:
            sentence(case)
        except AssertionError as broken:
            pytest.fail(f"case {number}: {case}\n{broken}")


def on(days: int) -> Occasion:
    return replace(OCCASION, now=OCCASION.now + timedelta(days=days))
