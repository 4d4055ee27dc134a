"""A run in numbers: what is over the threshold, what explains it, and zeros where there was nothing."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from keyrotation.act.apply import Done, Outcome
from keyrotation.decide.actions import Plan
from keyrotation.decide.plan import plan_user
from keyrotation.memory import KeyMemory, Memory, Notice, What, Why
from keyrotation.model import ACTIVE, Key, Occasion, User
from keyrotation.policy import Policy
from keyrotation.run.order import Order
from keyrotation.run.record import Run
from keyrotation.tell.measures import measures

from tests.component.account import NOW, OCCASION, TODAY

POLICY = Policy()
ORDER = Order(run_id="r", total=9, with_keys=9, root_has_keys=False, user_names=())


def key(key_id: str, age: int) -> Key:
    return Key(id=key_id, status=ACTIVE, created=NOW - timedelta(days=age))


def plan(name: str, *ages: int, occasion: Occasion = OCCASION, announced: Notice | None = None) -> Plan:
    """`announced`: of the oldest key."""
    keys = tuple(key(f"{name}{age}", age) for age in ages)
    remembered = {keys[0].id: KeyMemory(notice=announced)} if announced else {}
    memory = Memory(user_id=name, keys=remembered)
    return plan_user(User(name=name, keys=keys, memory=memory), POLICY, occasion)


def unused(day: date, *, told: date) -> Notice:
    return Notice(what=What.SWITCH_OFF, why=Why.UNUSED, day=day, told=told)


def run(*plans: Plan, outcomes: tuple[Outcome, ...] = ()) -> Run:
    return Run(
        order=ORDER,
        today=OCCASION.today,
        listeners=1,
        plans=plans,
        outcomes=outcomes,
        waiting=(),
        deferred=("late",),
    )


def done(of: Plan) -> Outcome:
    done = tuple(Done(action=each) for each in of.actions)
    return Outcome(plan=of, done=done, failure=None, memory=of.user.memory)


def test_a_quiet_run_says_zeros() -> None:
    quiet = replace(run(), deferred=())

    told = measures(quiet, POLICY)

    assert {name: value for name, value in told.items() if value} == {"UsersExamined": 9}


def test_a_key_over_the_threshold_that_is_switched_off_counts_as_off() -> None:
    ripe = plan("ann", 90, announced=unused(TODAY, told=TODAY - timedelta(days=1)))

    waits, off = measures(run(ripe), POLICY), measures(run(ripe, outcomes=(done(ripe),)), POLICY)

    assert (waits["KeysUnexplained"], waits["Deactivated"]) == (0, 0)
    assert (off["KeysUnexplained"], off["Deactivated"]) == (0, 1)


def test_a_key_over_the_threshold_whose_day_was_announced_is_explained_in_each_run_of_a_day() -> None:
    """The second run has nothing to say of it."""
    again = plan("ann", 90, announced=unused(TODAY + timedelta(days=7), told=TODAY))
    assert not again.steps

    assert measures(run(again), POLICY)["KeysUnexplained"] == 0


def test_one_day_below_the_threshold_is_below_it() -> None:
    assert measures(run(replace(plan("ann", 89), steps=())), POLICY)["KeysUnexplained"] == 0


def test_a_key_over_the_threshold_of_which_nothing_is_said_is_unexplained() -> None:
    silent = replace(plan("ann", 90), steps=())

    assert measures(run(silent), POLICY)["KeysUnexplained"] == 1


@pytest.mark.parametrize(
    ("ages", "unexplained"), [((200, 13), 0), ((200, 14), 1), ((300, 60), 1), ((200, 95), 2), ((89, 60), 0)]
)
def test_an_overlap_explains_the_old_key_as_long_as_it_goes_on(
    ages: tuple[int, int], unexplained: int
) -> None:
    overlap = replace(plan("ann", *ages), steps=())

    assert measures(run(overlap), POLICY)["KeysUnexplained"] == unexplained


def test_held_are_keys_past_their_off_date_and_no_pair_by_hand_whose_day_is_ahead() -> None:
    """A pair that people made is announced seven days before."""
    by_hand = plan("ann", 81, 7)
    assert by_hand.steps

    assert measures(run(by_hand), POLICY)["Held"] == 0


def test_failures_and_those_not_reached_and_not_read_are_counted() -> None:
    one = plan("ann", 90)
    unread = plan_user(User(name="bob", unread=("it could not be read",)), POLICY, OCCASION)
    failed = Outcome(plan=one, done=(), failure="no", memory=one.user.memory)

    told = measures(run(one, unread, outcomes=(failed,)), POLICY)

    # Of nine users one was not reached and one not read; those who are not in the order were examined by the scanner.
    assert (told["Failed"], told["Waiting"], told["Unreadable"], told["UsersExamined"]) == (1, 1, 1, 7)
