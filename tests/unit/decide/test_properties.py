"""What must hold for every user, policy and date: each sentence of docs/design.md section 4, drawn on boundaries."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cache
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keyrotation.decide import tags as tag
from keyrotation.decide.actions import (
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
)
from keyrotation.decide.plan import may_concern, plan_user
from keyrotation.decide.tags import HoldReason
from keyrotation.model import UNASKED, Key, LastUse, Occasion, Secret, User
from keyrotation.policy import Policy

from tests.unit import people
from tests.unit.drawn import Case, Dice, Quick, anyone, drawn, interrupted, ordinary
from tests.unit.drawn import policy as roll_policy
from tests.unit.effects import applied
from tests.unit.oracle import DAY, Facts, exempt, table, understood, used_on
from tests.unit.people import NEW, OCCASION, OLD, TODAY, asked_for, at, days_ago, off, user

thorough = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
SWEPT = 4000
Sentence = Callable[[Case], None]
sentences: list[tuple[Sentence, Callable[[Dice], Case]]] = []


def holds_for(roll: Callable[[Dice], Case]) -> Callable[[Sentence], Sentence]:
    """A property for hypothesis, which shrinks; and for the sweep below, which sees forty times as many."""

    def register(sentence: Sentence) -> Sentence:
        sentences.append((sentence, roll))
        return thorough(given(drawn(roll))(sentence))

    return register


@cache
def swept(roll: Callable[[Dice], Case]) -> tuple[Case, ...]:
    dice = Quick(Random(20261122))  # it must repeat
    return tuple(roll(dice) for _ in range(SWEPT))


def plan_of(case: Case) -> Plan:
    return plan_user(case.user, case.policy, OCCASION)


def switched_off(case: Case) -> Iterator[tuple[Facts, Deactivate, Key]]:
    """Each deactivation with the facts as the plan has left them so far."""
    actions = plan_of(case).actions
    for number, action in enumerate(actions):
        if isinstance(action, Deactivate):
            so_far = applied(case.user, actions[:number], OCCASION.now)
            facts = Facts(so_far, case.policy, TODAY)
            yield facts, action, next(key for key in facts.keys if key.id == action.key_id)


def kinds(plan: Plan) -> list[type]:
    return [type(action) for action in plan.actions]


def later(days: int) -> Occasion:
    return replace(OCCASION, now=OCCASION.now + timedelta(days=days))


# Who loses a key, and when.


@holds_for(ordinary)
def test_never_deactivate_a_key_in_use_before_its_reported_extension_is_over(case: Case) -> None:
    for facts, action, key in switched_off(case):
        if not facts.in_use(key):
            continue
        assert action.reason is OffReason.FORCED
        last, successor = used_on(key), facts.successor
        assert last is not None
        assert successor is not None
        assert last > successor.created.date()
        reported = facts.reported(key, HoldReason.IN_USE)
        assert facts.policy.in_use_extension_days == 0 or (reported is not None and reported <= TODAY)


@holds_for(ordinary)
def test_never_deactivate_an_elder_unless_its_successor_is_stored_or_held_by_someone_and_announced(
    case: Case,
) -> None:
    for facts, action, key in switched_off(case):
        if key != facts.elder or action.reason is OffReason.UNUSED or facts.stored:
            continue
        assert action.reason is not OffReason.FORCED, "never by force unless the successor is stored"
        successor, announced = facts.successor, facts.reported(key, HoldReason.BY_HAND)
        assert successor is not None
        assert facts.used_within(successor, facts.policy.quiet_days)
        assert announced is not None
        assert announced <= TODAY


@holds_for(ordinary)
def test_never_deactivate_a_users_only_active_key_except_by_rule_10(case: Case) -> None:
    for facts, action, key in switched_off(case):
        if facts.active == [key]:
            assert action.reason is OffReason.UNUSED
        if action.reason is OffReason.UNUSED:
            assert facts.unused(key)
            assert not facts.follows_lately(key)


@holds_for(anyone)
def test_never_delete_an_active_key_but_an_orphan_that_no_one_can_hold(case: Case) -> None:
    observed = {key.id: key for key in case.user.keys}
    for action in plan_of(case).actions:
        if isinstance(action, Delete):
            assert observed[action.key_id].status == "Inactive"
        if isinstance(action, DeleteOrphan):
            assert observed[action.key_id].use is None
            stages = case.user.the_secret.stages if case.user.the_secret else {}
            assert f"{action.key_id}-access-key-rotation" not in stages


@holds_for(ordinary)
def test_no_elder_goes_off_before_the_off_date_it_was_given(case: Case) -> None:
    for facts, _, key in switched_off(case):
        assert key != facts.elder or facts.off_date <= TODAY


@thorough
@given(drawn(roll_policy), st.integers(-40, 400), st.integers(0, 60), st.booleans())
def test_changing_the_threshold_never_moves_the_off_date_of_a_replacement_already_issued(
    policy: Policy,
    other: int,
    age: int,
    successor_used: bool,  # noqa: FBT001
) -> None:
    smallest = max(
        2 * policy.overlap_days + policy.quiet_days + 2,
        policy.overlap_days + policy.in_use_extension_days + 3,
    )
    changed = replace(policy, max_key_age_days=max(smallest, policy.max_key_age_days + other))
    use = LastUse(at=OCCASION.now, service="s3", region="eu-west-1") if successor_used else None
    old = Key(id=OLD, status="Active", created=at(TODAY - (policy.issue_age + age) * DAY))
    new = Key(id=NEW, status="Active", created=at(TODAY - age * DAY), last_use=use)
    user = applied(
        User(name="carol", keys=(old, new)),
        [Promote(key_id=NEW, old_key_id=OLD, old_key_off_on=None)],
        OCCASION.now,
    )
    off = [isinstance(action, Deactivate) for action in plan_user(user, changed, OCCASION).actions]
    assert any(off) == (age >= policy.overlap_days)


@holds_for(anyone)
def test_while_nobody_listens_nothing_goes_off_or_away_no_hold_begins_and_the_rest_is_as_ever(
    case: Case,
) -> None:
    told = plan_of(case)
    unheard = plan_user(case.user, case.policy, replace(OCCASION, listeners=0))
    waits = {Deactivate, Delete, Hold}
    if Delete in kinds(told) and len(case.user.keys) > 1:
        waits.add(Replace)
    assert [each for each in told.actions if type(each) not in waits] == list(unheard.actions)
    applied(case.user, unheard.actions, OCCASION.now)
    # Nothing is dropped in silence, and nothing that was told is not.
    assert len(unheard.steps) == len(told.steps)
    assert set(told.items) <= set(unheard.items)


@holds_for(anyone)
def test_never_create_a_third_key(case: Case) -> None:
    plan = plan_of(case)
    assert kinds(plan).count(Replace) <= 1
    assert len(applied(case.user, plan.actions, OCCASION.now).keys) <= max(2, len(case.user.keys))


@holds_for(anyone)
def test_unknown_or_exempt_means_no_action(case: Case) -> None:
    plan = plan_of(case)
    if not understood(case.user, case.policy, TODAY):
        assert plan.actions == ()
        assert plan.items
    elif exempt(case.user, TODAY):
        assert set(kinds(plan)) <= {Promote, DeleteOrphan, ForgetMarks}
        assert plan.settles or (plan.actions == () and plan.items)


# The table as a whole, decided a second time by the oracle.


@holds_for(ordinary)
def test_what_is_done_is_what_the_table_says(case: Case) -> None:
    expected, plan = table(case.user, case.policy, TODAY), plan_of(case)
    off = {a.key_id: str(a.reason) for a in plan.actions if isinstance(a, Deactivate)}
    assert off == expected.off
    assert {a.key_id for a in plan.actions if isinstance(a, Delete)} == expected.deleted
    assert {a.key_id for a in plan.actions if isinstance(a, MarkInactive)} == expected.marked
    assert (Replace in kinds(plan)) == expected.replaced
    held = {a.key_id: (a.until, a.reason) for a in plan.actions if isinstance(a, Hold)}
    assert held == {key_id: (each.until, each.reason) for key_id, each in expected.held.items()}


@holds_for(ordinary)
def test_whoever_is_kept_on_or_blocked_is_told(case: Case) -> None:
    expected, plan = table(case.user, case.policy, TODAY), plan_of(case)
    attention = [item for item in plan.items if item.level is Level.ATTENTION]
    assert expected.kept <= {item.key_id for item in attention}
    blocked = [item for item in attention if item.kind in (Kind.BLOCKED, Kind.BLOCKED_BY_PAIR)]
    assert bool(blocked) == expected.blocked
    for item in blocked:
        assert item.key_id in {key.id for key in case.user.keys}


@holds_for(ordinary)
def test_an_elder_past_its_off_date_is_in_the_digest_until_it_is_off(case: Case) -> None:
    facts, plan = Facts(case.user, case.policy, TODAY), plan_of(case)
    if facts.elder is None or not facts.past_off_date(facts.elder):
        return
    told = {item.key_id for item in plan.items if item.level is Level.ATTENTION}
    told |= {action.key_id for action in plan.actions if isinstance(action, Deactivate)}
    assert facts.elder.id in told


@holds_for(ordinary)
def test_a_reactivated_key_is_left_alone_and_told_of_while_its_hold_is_ahead(case: Case) -> None:
    facts, plan = Facts(case.user, case.policy, TODAY), plan_of(case)
    for key in facts.active:
        if facts.left_alone(key) or key.id in facts.marks:
            assert key.id not in {a.key_id for a in plan.actions if isinstance(a, Deactivate)}
            assert key.id in {item.key_id for item in plan.items if item.level is Level.ATTENTION}


@holds_for(ordinary)
def test_marks_end_with_their_keys_and_no_hold_is_further_ahead_than_the_policy_allows(case: Case) -> None:
    after = applied(case.user, plan_of(case).actions, OCCASION.now)
    facts = Facts(after, case.policy, TODAY)
    known = {key.id for key in after.keys}
    assert facts.marks.keys() <= known
    assert facts.held.keys() <= known
    for held in facts.held.values():
        assert (held.until - TODAY).days <= facts.longest(held.reason)
    for key in after.keys:
        assert (key.status == "Active") == (key.id not in facts.marks)


@holds_for(ordinary)
def test_a_replacement_never_leaves_awscurrent_naming_a_dead_key(case: Case) -> None:
    plan = plan_of(case)
    for facts, action, key in switched_off(case):
        assert action.in_secret == facts.in_secret(key), "switching off what AWSCURRENT holds is said"
    if Replace in kinds(plan):
        after = Facts(applied(case.user, plan.actions, OCCASION.now), case.policy, TODAY)
        assert any(after.in_secret(key) for key in after.active)
        assert tag.REPLACE not in after.user.tags


# The same day again, another order, the scanner.


def settled(user: User, policy: Policy, occasion: Occasion) -> tuple[User, Plan]:
    """As a run does it: an interrupted replacement is settled first, then the user is planned again."""
    plan = plan_user(user, policy, occasion)
    if plan.settles:
        user = applied(user, plan.actions, occasion.now)
        plan = plan_user(user, policy, occasion)
        assert not plan.settles, "settled once is settled"
    return user, plan


@holds_for(anyone)
def test_applied_and_planned_again_on_the_same_day_nothing_is_left_to_do(case: Case) -> None:
    user, plan = settled(case.user, case.policy, OCCASION)
    again = plan_user(applied(user, plan.actions, OCCASION.now), case.policy, OCCASION)
    assert again.actions == ()


@thorough
@given(drawn(anyone), st.permutations([0, 1, 2]))
def test_key_order_does_not_matter(case: Case, order: list[int]) -> None:
    keys = case.user.keys
    turned = replace(case.user, keys=tuple(keys[n] for n in order if n < len(keys)))
    assert plan_user(turned, case.policy, OCCASION).steps == plan_of(case).steps


@holds_for(anyone)
def test_whoever_has_an_action_or_something_to_report_today_is_in_the_order(case: Case) -> None:
    if not case.user.unread and not may_concern(case.user.listed, case.policy, OCCASION.now):
        assert plan_of(case).steps == ()


@holds_for(anyone)
def test_a_plan_that_asks_for_facts_as_it_needs_them_is_the_plan_of_who_knows_them_all(case: Case) -> None:
    plan, _ = asked_for(case.user, case.policy)
    assert plan.steps == plan_of(case).steps


@thorough
@given(drawn(roll_policy), st.data())
def test_a_young_only_key_without_tags_is_in_the_order_from_its_first_notice_on(
    policy: Policy, data: st.DataObject
) -> None:
    first = policy.max_key_age_days - policy.overlap_days - 2 - policy.warn_days
    if policy.unused_days:
        first = min(first, policy.unused_days - policy.warn_days)
    age = first + data.draw(st.integers(-2, 2))
    key = Key(id=OLD, status="Active", created=at(TODAY - age * DAY), last_use=UNASKED)
    ann = User(name="ann", keys=(key,), tags={"Team": "data"}, secret=UNASKED)
    assert may_concern(ann, policy, OCCASION.now) == (age >= first)
    assert not may_concern(replace(ann, keys=()), policy, OCCASION.now)


# Rule 2.


@holds_for(interrupted)
def test_an_interrupted_replacement_is_finished_or_undone_as_section_5_says(case: Case) -> None:
    plan, pending = plan_of(case), tag.parse(case.user.tags, today=TODAY).pending
    assert pending is not None
    if pending.region != "eu-west-1" or OCCASION.now - pending.since < OCCASION.function_timeout:
        assert plan.actions == ()
        assert plan.items
        return
    promoted, orphaned, told, finished = set(), set(), set(), False
    for key in case.user.keys:
        if key.id in pending.key_ids:
            continue
        stages = case.user.the_secret.stages if case.user.the_secret else {}
        labels = stages.get(f"{key.id}-access-key-rotation", frozenset())
        near = abs(key.created - pending.since) <= OCCASION.function_timeout
        # Beyond the words of section 5: an old `pending` may be forged, and then nothing is deleted for it.
        near = near and OCCASION.now - pending.since <= case.policy.quiet_days * DAY
        if "AWSCURRENT" in labels:
            finished = True
            told.add(key.id)  # Beyond the words of section 5: nobody was told of this key yet.
        elif "AWSPENDING" in labels and key.status == "Active":
            promoted.add(key.id)
        elif "AWSPENDING" not in labels and "AWSPREVIOUS" not in labels and near and key.use is None:
            orphaned.add(key.id)
        elif "AWSPREVIOUS" not in labels:
            told.add(key.id)
    if any(
        "AWSPREVIOUS" in labels
        for labels in (case.user.the_secret.stages if case.user.the_secret else {}).values()
    ):
        return  # Stored, and superseded since: section 5 has no word for it, see the test below.
    assert {a.key_id for a in plan.actions if isinstance(a, Promote)} == promoted
    assert {a.key_id for a in plan.actions if isinstance(a, DeleteOrphan)} == orphaned
    assert {item.key_id for item in plan.items} == told
    removed = {tag.PENDING} | ({tag.REPLACE} & case.user.tags.keys() if finished or promoted else set())
    assert [set(a.tag_keys) for a in plan.actions if isinstance(a, ForgetMarks)] == [removed]


@holds_for(interrupted)
def test_a_key_that_any_stored_version_holds_is_nobodys_orphan(case: Case) -> None:
    stages = case.user.the_secret.stages if case.user.the_secret else {}
    for action in plan_of(case).actions:
        if isinstance(action, DeleteOrphan):
            assert f"{action.key_id}-access-key-rotation" not in stages


# Over several days.


def days_ahead(policy: Policy) -> list[int]:
    p = policy
    ends = {
        p.quiet_days,
        p.in_use_extension_days,
        p.quiet_days_before_first_use,
        p.delete_after_days,
        p.warn_days,
    }
    return sorted({0, 1, 2, *ends, *(end + 1 for end in ends)})


@holds_for(ordinary)
def test_nothing_is_undone_and_redone_without_a_person(case: Case) -> None:
    """Nobody uses a key and no person acts: each key goes off, is held for one reason, is deleted at most once."""
    user, done = case.user, Counter[tuple[object, ...]]()
    if not understood(user, case.policy, TODAY):
        return
    for ahead in days_ahead(case.policy):
        plan = plan_user(user, case.policy, later(ahead))
        for action in plan.actions:
            if isinstance(action, (Deactivate, Delete, MarkInactive)):
                done[type(action), action.key_id] += 1
            elif isinstance(action, Hold):
                done[Hold, action.key_id, action.reason] += 1
        user = applied(user, plan.actions, later(ahead).now)
    # A hold that was written too far ahead is first cut, and may then be reported anew for this off date.
    cut = set(tag.parse(case.user.tags, today=TODAY).held_until)
    assert all(times == 1 or (what[0] is Hold and what[1] in cut) for what, times in done.items()), done


@dataclass(frozen=True, kw_only=True)
class Night:
    """Today's plan, and tomorrow's when nothing happens in between."""

    today: Plan
    tomorrow: Plan

    @property
    def told(self) -> set[str | None]:
        """The keys with a date in today's digest: announced, to be acted on, or switched off this day."""
        dated = {item.key_id for item in self.today.items if item.by is not None}
        return dated | {a.key_id for a in self.today.actions if isinstance(a, (Deactivate, MarkInactive))}

    @property
    def blocked(self) -> bool:
        return any(item.kind in (Kind.BLOCKED, Kind.BLOCKED_BY_PAIR) for item in self.today.items)


def night_after(case: Case) -> Night:
    today = plan_of(case)
    user = applied(case.user, today.actions, OCCASION.now)
    return Night(today=today, tomorrow=plan_user(user, case.policy, later(1)))


@holds_for(ordinary)
def test_a_key_that_goes_off_tomorrow_by_itself_is_in_todays_digest_with_a_date(case: Case) -> None:
    night = night_after(case)
    for action in night.tomorrow.actions:
        assert not isinstance(action, Deactivate) or action.key_id in night.told, action


@holds_for(ordinary)
def test_a_key_that_is_deleted_tomorrow_by_itself_is_in_todays_digest_with_a_date(case: Case) -> None:
    night = night_after(case)
    for action in night.tomorrow.actions:
        if isinstance(action, Delete) and Replace not in kinds(night.tomorrow):
            assert action.key_id in night.told, action


@holds_for(ordinary)
def test_a_key_that_is_deleted_tomorrow_for_its_slot_is_in_todays_digest_with_a_date(case: Case) -> None:
    night = night_after(case)
    for action in night.tomorrow.actions:
        if isinstance(action, Delete) and Replace in kinds(night.tomorrow) and not night.blocked:
            assert action.key_id in night.told, action


@holds_for(ordinary)
def test_a_key_that_is_replaced_tomorrow_by_itself_is_in_todays_digest(case: Case) -> None:
    night = night_after(case)
    for action in night.tomorrow.actions:
        if isinstance(action, Replace):
            assert action.old_key_id in night.told or night.blocked, action


@holds_for(ordinary)
def test_no_deadline_lies_in_the_past(case: Case) -> None:
    for item in plan_of(case).items:
        assert item.by is None or item.by >= TODAY, item


@holds_for(ordinary)
def test_a_replacement_that_an_inactive_key_blocks_clears_on_the_day_that_it_names(case: Case) -> None:
    """If nothing happens in between; and rule 13, which announces the deletion, names no other day."""
    plan = plan_of(case)
    for item in plan.items:
        if item.kind is not Kind.BLOCKED or item.by is None or "the inactive key" not in item.text:
            continue
        blocking = item.key_id
        assert item.by > TODAY
        announced = {each.by for each in plan.items if each.kind is Kind.DELETION and each.key_id == blocking}
        assert announced <= {item.by}
        user = applied(case.user, plan.actions, OCCASION.now)
        for ahead in range(1, (item.by - TODAY).days + 1):
            plan = plan_user(user, case.policy, later(ahead))
            gone = {action.key_id for action in plan.actions if isinstance(action, Delete)}
            assert (blocking in gone) == (days_ago(-ahead) == item.by)
            user = applied(user, plan.actions, later(ahead).now)


@holds_for(ordinary)
def test_nothing_is_said_to_hold_since_a_day_that_is_still_ahead(case: Case) -> None:
    for step in plan_of(case).steps:
        if isinstance(step.decision, (Item, Replace, Deactivate, Delete)) and step.decision.since is not None:
            assert step.decision.since <= TODAY, step


@st.composite
def well_behaved(draw: st.DrawFn) -> tuple[Policy, int, int, int]:
    """Uses its key every `every` days, installs a new one `after` days after it came; the run of one day is missed."""
    policy = draw(drawn(roll_policy))
    every = draw(st.sampled_from([1, 1, 2, policy.quiet_days]))
    latest = policy.overlap_days - policy.quiet_days - 1
    after = draw(st.sampled_from([0, latest]))
    return policy, every, after, draw(st.integers(0, 3 * policy.max_key_age_days))


@settings(parent=thorough, max_examples=60)
@given(well_behaved())
def test_no_active_key_of_a_consumer_who_changes_over_in_time_reaches_the_threshold(
    drawn: tuple[Policy, int, int, int],
) -> None:
    policy, every, after, missed = drawn
    first = Key(id=OLD, status="Active", created=OCCASION.now - timedelta(hours=1))
    user, in_hand = User(name="carol", keys=(first,)), OLD
    for day in range(min(400, 3 * policy.max_key_age_days)):
        now = later(day).now
        if day % every == 0:
            newest = max((key for key in user.keys if key.status == "Active"), key=lambda key: key.created)
            if now.date() >= newest.created.date() + after * DAY:
                in_hand = newest.id
            user = _used(user, in_hand, now + timedelta(hours=-1))
        if day == missed:
            continue
        user = applied(user, plan_user(user, policy, later(day)).actions, now)
        for key in user.keys:
            age = (now.date() - key.created.date()).days
            assert key.status != "Active" or age < policy.max_key_age_days, (day, key)
        assert next(key for key in user.keys if key.id == in_hand).status == "Active"


def _used(user: User, key_id: str, moment: datetime) -> User:
    use = LastUse(at=moment, service="s3", region="eu-west-1")
    keys = (replace(key, last_use=use) if key.id == key_id else key for key in user.keys)
    return replace(user, keys=tuple(keys))


@pytest.mark.parametrize(
    ("sentence", "roll"), sentences, ids=[each.__name__.removeprefix("test_") for each, _ in sentences]
)
def test_swept(sentence: Sentence, roll: Callable[[Dice], Case]) -> None:
    for number, case in enumerate(swept(roll)):
        try:
            sentence(case)
        except AssertionError as broken:
            pytest.fail(f"case {number}: {case}\n{broken}")


# What the properties found, in the smallest form and with the defaults.


def marked(**days: int) -> dict[str, str]:
    ids = {"old": OLD, "new": NEW}
    return {f"{tag.INACTIVE_SINCE}{ids[which]}": str(days_ago(ago)) for which, ago in days.items()}


def test_found_a_key_switched_back_on_counts_as_left_alone_when_rule_5_asks_for_rule_10() -> None:
    """Otherwise the slot of the other key is freed, and the key replaced, only when planned a second time."""
    returned = user(people.key(100, used=90), off(50, id=NEW), tags=marked(old=3, new=7))
    once = plan_user(returned, Policy(), OCCASION)
    again = plan_user(applied(returned, once.actions, OCCASION.now), Policy(), OCCASION)
    assert again.actions == ()


def test_found_deleting_the_newer_of_two_inactive_keys_does_not_free_the_older_on_the_same_day() -> None:
    both_off = user(off(150), off(60, used=50, id=NEW), tags=marked(old=31, new=40))
    once = plan_user(both_off, Policy(), OCCASION)
    again = plan_user(applied(both_off, once.actions, OCCASION.now), Policy(), OCCASION)
    assert again.actions == ()


def test_found_a_retirement_that_waits_for_its_elder_is_announced() -> None:
    """Tomorrow the elder is off for 35 days and the key 88 days old: rule 10 takes it."""
    unused = user(off(122), people.key(87, id=NEW), tags=marked(old=34), stored=NEW)
    assert NEW in {item.key_id for item in plan_user(unused, Policy(), OCCASION).items}


def test_found_a_deletion_for_a_slot_is_announced_with_the_replacement() -> None:
    due_tomorrow = user(off(150), people.key(73, used=0, id=NEW), tags=marked(old=20), stored=NEW)
    assert OLD in {item.key_id for item in plan_user(due_tomorrow, Policy(), OCCASION).items}


def test_found_a_key_that_awsprevious_holds_was_stored_and_is_nobodys_orphan() -> None:
    tags = {f"{tag.PENDING}": f"2026-11-21T06:00:00Z eu-west-1 run-1 {OLD}"}
    observed = user(people.key(400, used=0), people.key(1, id=NEW), tags=tags)
    secret = Secret(stages={f"{NEW}-access-key-rotation": frozenset({"AWSPREVIOUS"})}, deleted=False)
    plan = plan_user(replace(observed, secret=secret), Policy(), OCCASION)
    assert DeleteOrphan not in kinds(plan)
