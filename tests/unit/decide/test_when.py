"""When a mail is due: silence when there is nothing to say, and no warning lost to one missed run."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from keyrotation.decide.actions import Item, Kind, Level
from keyrotation.decide.plan import plan_user
from keyrotation.model import Occasion, User
from keyrotation.policy import Policy
from keyrotation.run.record import Run
from keyrotation.run.settings import Notify, RotatorSettings
from keyrotation.tell.report import Reason, Report, asks, report_of

from tests.unit.people import NEW, OCCASION, OLD, TODAY, days_ago, key, off, user
from tests.unit.scenes import (
    AUDIT,
    BACK_ON,
    DUE,
    ENFORCE,
    EXEMPT,
    FORCED,
    HELD,
    PREFIX,
    QUIET,
    SOON,
    UNREADABLE,
    run_of,
)

MONDAY = date(2026, 11, 23)
assert MONDAY.weekday() == 0
assert TODAY.weekday() == 6


def reported(run: Run, settings: RotatorSettings = ENFORCE) -> Report:
    return report_of(run, settings, redelivered=False)


def asking(item: Item, first: date, days: int) -> list[int]:
    """The days from `first` on, counted from 0, on which the item asks."""
    return [day for day in range(days) if asks(item, first + timedelta(days=day), Policy())]


def attention(*, by: date | None = None, since: date | None = None, kind: Kind = Kind.BY_HAND) -> Item:
    return Item(level=Level.ATTENTION, kind=kind, text="look", by=by, since=since)


def test_what_needs_someone_asks_on_its_first_two_days_then_weekly_and_on_the_last_three_before_its_day() -> (
    None
):
    item = attention(since=TODAY, by=days_ago(-26))
    assert asking(item, TODAY, 27) == [0, 1, 7, 14, 21, 23, 24, 25]


@pytest.mark.parametrize("missed", range(24))
def test_one_missed_run_loses_no_warning(missed: int) -> None:
    item = attention(since=TODAY, by=days_ago(-24))
    days = [day for day in asking(item, TODAY, 24) if day != missed]
    assert min(days) <= 1
    assert len([day for day in days if day >= 21]) >= 2


def test_what_nobody_can_know_the_first_day_of_asks_every_day() -> None:
    assert asking(attention(), TODAY, 10) == list(range(10))


def test_a_setting_that_harms_nobody_asks_on_mondays() -> None:
    assert asking(attention(kind=Kind.SETTING), MONDAY, 15) == [0, 7, 14]


def test_what_comes_up_asks_when_it_enters_its_window_and_on_its_last_two_days() -> None:
    item = Item(level=Level.UPCOMING, kind=Kind.RETIREMENT, text="", by=days_ago(-7))
    # The day after it entered too: one missed run loses no notice.
    assert asking(item, TODAY, 7) == [0, 1, 5, 6]


def test_what_comes_up_and_asks_nothing_of_anybody_is_no_reason_for_a_mail() -> None:
    def days(kind: Kind) -> list[int]:
        return asking(Item(level=Level.UPCOMING, kind=kind, text="", by=days_ago(-7)), TODAY, 7)

    assert days(Kind.REPLACEMENT) == [0, 1]
    assert days(Kind.OFF_DATE_QUIET) == []
    assert days(Kind.DELETION) == []
    assert days(Kind.OFF_DATE) == [0, 1, 5, 6]


def test_what_is_critical_asks_every_day_and_an_exemption_never() -> None:
    assert asking(Item(level=Level.CRITICAL, text="root"), TODAY, 3) == [0, 1, 2]
    assert asking(Item(level=Level.EXEMPT, text="exempt", by=days_ago(-2)), TODAY, 3) == []


def item_of(observed: User, kind: Kind, occasion: Occasion = OCCASION) -> Item:
    (item,) = [item for item in plan_user(observed, Policy(), occasion).items if item.kind is kind]
    return item


@pytest.mark.parametrize(
    ("observed", "kind", "since"),
    [
        (HELD, Kind.IN_USE, TODAY),
        (
            user(
                key(92, used=1),
                key(18, used=0, id=NEW),
                tags={f"{PREFIX}held-until:{OLD}": f"{days_ago(-10)} in-use"},
                stored=NEW,
            ),
            Kind.IN_USE,
            days_ago(4),
        ),
        (
            user(key(95, used=30), key(21, id=NEW), stored=NEW),
            Kind.UNTIL_QUIET,
            days_ago(7),
        ),
        (BACK_ON, Kind.BACK_ON, TODAY),
        (
            user(key(60, used=0), tags={f"{PREFIX}held-until:{OLD}": f"{days_ago(-5)} reactivated"}),
            Kind.BACK_ON,
            days_ago(9),
        ),
        (user(key(200, used=0), key(100, used=0, id=NEW)), Kind.BY_HAND, days_ago(100 - 14 + 7)),
        (user(key(84, used=40), key(50, used=0, id=NEW)), Kind.BY_HAND_QUIET, days_ago(3)),
        (user(key(88, used=36), key(50, used=0, id=NEW)), Kind.BY_HAND_QUIET, days_ago(0)),
        (user(key(200, used=0), key(100, used=0, id=NEW)), Kind.BLOCKED_BY_PAIR, days_ago(26)),
        (
            user(key(200, used=0), key(9, used=0, id=NEW), tags={f"{PREFIX}replace": "x"}, stored=NEW),
            Kind.BLOCKED_BY_PAIR,
            None,
        ),
        (
            user(
                off(300, used=30),
                key(120, used=99, id=NEW),
                tags={f"{PREFIX}inactive-since:{OLD}": str(days_ago(3))},
            ),
            Kind.UNUSED_KEPT,
            days_ago(9),
        ),
        (UNREADABLE, Kind.NOT_UNDERSTOOD, None),
        (
            user(key(80, used=0), tags={f"{PREFIX}pending": f"2026-11-19T06:00:00Z us-east-1 run-1 {OLD}"}),
            Kind.INTERRUPTED,
            date(2026, 11, 19),
        ),
    ],
)
def test_an_item_knows_since_when_from_what_the_state_remembers(
    observed: User, kind: Kind, since: date | None
) -> None:
    assert item_of(observed, kind).since == since


@pytest.mark.parametrize(
    ("run", "reasons"),
    [
        (run_of(), set()),
        (run_of(EXEMPT), set()),
        # 4 days before the replacement: announced 3 days ago.
        (run_of(SOON), set()),
        (run_of(replace(SOON, keys=(key(67, used=0),))), {Reason.UPCOMING}),
        (run_of(DUE), {Reason.DONE}),
        (run_of(QUIET), {Reason.DONE}),
        (run_of(HELD), {Reason.HOLDS, Reason.ATTENTION}),
        (run_of(FORCED), {Reason.FORCED}),
        (run_of(DUE, failure="rolled back"), {Reason.FAILED}),
        (run_of(UNREADABLE), {Reason.ATTENTION}),
        (run_of(root=True), {Reason.CRITICAL}),
        (run_of(root=None), {Reason.ATTENTION}),
        (run_of(listeners=0), {Reason.ATTENTION}),
        # Sunday: a cap that cannot keep up waits for the week's first day, or for another mail.
        (run_of(with_keys=2467), set()),
        (replace(run_of(with_keys=2467), today=MONDAY), {Reason.ATTENTION}),
        (run_of(deferred=("zoe",)), {Reason.DEFERRED}),
        (run_of(DUE, done=False, waiting=1), {Reason.DONE}),
    ],
)
def test_a_run_says_why_its_mail_is_due(run: Run, reasons: set[Reason]) -> None:
    report = reported(run)
    assert report.reasons == reasons
    assert report.worth_sending is bool(reasons)


def test_what_does_not_ask_today_stands_in_a_mail_that_goes_all_the_same() -> None:
    report = reported(run_of(DUE, SOON, with_keys=2467))
    told = {entry.user for entries in report.parts.values() for entry in entries}
    assert {"alice", "frank", None} <= told


@pytest.mark.parametrize(
    ("run", "changes", "problems"),
    [
        (run_of(), False, False),
        (run_of(DUE), True, False),
        (run_of(replace(SOON, keys=(key(67, used=0),))), True, False),
        (run_of(HELD), True, True),
        (run_of(FORCED), True, True),
        (run_of(DUE, failure="rolled back"), True, True),
        (run_of(root=True), True, True),
        (run_of(UNREADABLE), True, True),
        (run_of(deferred=("zoe",)), True, True),
    ],
)
def test_notify_chooses_which_runs_send(run: Run, *, changes: bool, problems: bool) -> None:
    sent = {notify: reported(run, replace(ENFORCE, notify=notify)).worth_sending for notify in Notify}
    assert sent == {Notify.CHANGES: changes, Notify.PROBLEMS: problems, Notify.ALWAYS: True}


@pytest.mark.parametrize("notify", list(Notify))
def test_a_run_that_has_a_hold_to_begin_always_sends(notify: Notify) -> None:
    """Whatever the item beside it says: no hold ends that nobody was told of."""
    run = run_of(HELD)
    silent = tuple(replace(plan, steps=()) for plan in run.plans)
    report = reported(replace(run, plans=silent), replace(ENFORCE, notify=notify))
    assert report.reasons == {Reason.HOLDS}
    assert report.worth_sending


def audited(*users: User, today: date = TODAY) -> Report:
    run = run_of(*users, done=False)
    return reported(replace(run, today=today), AUDIT)


@pytest.mark.parametrize(
    ("observed", "new"),
    [
        (user(key(74, used=0)), True),
        (user(key(75, used=0)), True),  # yesterday's run may have been missed
        (user(key(76, used=0)), False),
        (user(key(88, used=13), key(14, used=0, id=NEW), stored=NEW), True),
        (user(key(91, used=13), key(17, used=0, id=NEW), stored=NEW), False),
        (user(key(91, used=8), key(17, used=0, id=NEW), stored=NEW), True),
        (user(key(200, used=90)), True),
        (user(key(200, used=95)), False),
        (user(off(200), tags={f"{PREFIX}inactive-since:{OLD}": str(days_ago(30))}), True),
        (user(off(200), tags={f"{PREFIX}inactive-since:{OLD}": str(days_ago(33))}), False),
        (user(off(200)), False),  # no mark is ever written in Audit, so nobody knows since when
    ],
)
def test_audit_finds_what_is_new_and_repeats_the_rest_on_mondays(observed: User, *, new: bool) -> None:
    assert (Reason.AUDIT in audited(observed).reasons) is new
    assert Reason.AUDIT in audited(observed, today=MONDAY).reasons
