"""When a mail is due: silence when there is nothing to say, and no warning lost to one missed run."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from keyrotation.decide.actions import Item, Kind, Level
from keyrotation.decide.plan import plan_user
from keyrotation.memory import Pending, Why
from keyrotation.model import Occasion, User
from keyrotation.policy import Policy
from keyrotation.run.record import Run
from keyrotation.run.settings import Notify, RotatorSettings
from keyrotation.tell.report import Report, report_of
from keyrotation.tell.when import Reason, asks

from tests.unit.people import NEW, OCCASION, OLD, TODAY, days_ago, key, known, notice, off
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
    REMINDED,
    SOON,
    UNREADABLE,
    pair,
    run_of,
    user,
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

    assert days(Kind.REPLACEMENT) == []
    assert days(Kind.OFF_DATE_QUIET) == []
    assert days(Kind.DELETION) == []
    assert days(Kind.OFF_DATE) == [0, 1, 5, 6]


def test_what_is_critical_asks_every_day_and_an_exemption_never() -> None:
    assert asking(Item(level=Level.CRITICAL, text="root"), TODAY, 3) == [0, 1, 2]
    assert asking(Item(level=Level.EXEMPT, text="exempt", by=days_ago(-2)), TODAY, 3) == []


def item_of(observed: User, kind: Kind, occasion: Occasion = OCCASION) -> Item:
    (item,) = [item for item in plan_user(observed, Policy(), occasion).items if item.kind is kind]
    return item


STRANDED = user("nina", key(80, used=0))
STRANDED = replace(
    STRANDED,
    memory=replace(
        STRANDED.memory,
        pending=Pending(
            since=OCCASION.now - timedelta(days=3), region="us-east-1", run_id="run-0", key_ids=(OLD,)
        ),
    ),
)


@pytest.mark.parametrize(
    ("observed", "kind", "since"),
    [
        (HELD, Kind.IN_USE, TODAY),
        (pair("dora", issued=18, used=1, due=notice(Why.IN_USE, 10)), Kind.IN_USE, days_ago(4)),
        (
            pair("petra", issued=21, used=30, new_used=None, due=notice(Why.OVERLAP, 0)),
            Kind.UNTIL_QUIET,
            TODAY,
        ),
        (BACK_ON, Kind.BACK_ON, TODAY),
        (user("uma", key(60, used=0), memory={OLD: known(back=9)}), Kind.BACK_ON, days_ago(9)),
        (user("hans", key(200, used=0), key(100, used=0, id=NEW)), Kind.BY_HAND, days_ago(100 - 14 + 7)),
        (user("hanna", key(84, used=40), key(50, used=0, id=NEW)), Kind.BY_HAND_QUIET, TODAY),
        (user("etl", key(200, used=0), key(100, used=0, id=NEW)), Kind.BLOCKED_BY_PAIR, days_ago(26)),
        (
            replace(
                pair("asked", issued=9, used=0, due=notice(Why.OVERLAP, 5)), tags={f"{PREFIX}replace": "x"}
            ),
            Kind.BLOCKED_BY_PAIR,
            None,
        ),
        (UNREADABLE, Kind.NOT_UNDERSTOOD, None),
        (STRANDED, Kind.INTERRUPTED, date(2026, 11, 19)),
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
        (run_of(replace(SOON, keys=(key(67, used=0),))), set()),
        (run_of(DUE), {Reason.DONE, Reason.NOTICES}),
        (run_of(DUE, listeners=0), {Reason.DONE, Reason.ATTENTION}),
        # As announced, and asks nothing: it is told by the next mail.
        (run_of(QUIET), set()),
        (replace(run_of(QUIET), today=MONDAY), {Reason.SUMMARY}),
        (replace(run_of(QUIET), today=MONDAY, last_told=date(2026, 11, 20)), set()),
        (run_of(HELD), {Reason.NOTICES, Reason.ATTENTION}),
        # Told yesterday, and again in time tomorrow.
        (run_of(REMINDED), set()),
        (run_of(pair("ruth", issued=11, used=12, due=notice(Why.OVERLAP, 3, told=6))), {Reason.NOTICES}),
        (run_of(pair("ruth", issued=11, used=12, due=notice(Why.OVERLAP, 3, told=5))), set()),
        (run_of(FORCED), {Reason.FORCED}),
        (run_of(DUE, failure="rolled back"), {Reason.FAILED}),
        (run_of(UNREADABLE), {Reason.ATTENTION}),
        (run_of(root=True), {Reason.CRITICAL}),
        (run_of(root=None), {Reason.ATTENTION}),
        (run_of(listeners=0), {Reason.ATTENTION}),
        # Sunday: a cap that cannot keep up waits for the week's first day, or for another mail.
        (run_of(with_keys=2467), set()),
        (replace(run_of(with_keys=2467), today=MONDAY), {Reason.ATTENTION}),
        (run_of(total=0), set()),
        (replace(run_of(total=0), today=MONDAY), {Reason.ATTENTION}),
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
        (run_of(DUE, listeners=0), True, True),
        (run_of(replace(SOON, keys=(key(70, used=0),))), False, False),
        (replace(run_of(SOON), today=MONDAY), True, False),
        (run_of(REMINDED), False, False),
        (run_of(root=True), True, True),
        (run_of(UNREADABLE), True, True),
        (run_of(deferred=("zoe",)), True, True),
    ],
)
def test_notify_chooses_which_runs_send(run: Run, *, changes: bool, problems: bool) -> None:
    sent = {notify: reported(run, replace(ENFORCE, notify=notify)).worth_sending for notify in Notify}
    assert sent == {Notify.CHANGES: changes, Notify.PROBLEMS: problems, Notify.ALWAYS: True}


@pytest.mark.parametrize("notify", list(Notify))
@pytest.mark.parametrize(
    "observed",
    [
        DUE,
        HELD,
        user("nils", key(81)),
        # The slot is wanted in a week: this deletion cannot wait for a Monday.
        user("fred", off(40), key(67, used=0, id=NEW)),
        pair("ruth", issued=11, used=12, due=notice(Why.OVERLAP, 3, told=8)),
        pair("greta", issued=30, used=20, due=notice(Why.OVERLAP, -16, told=17)),
    ],
    ids=lambda each: each.name,
)
def test_a_run_that_gives_a_notice_or_may_not_let_one_run_out_always_sends(
    notify: Notify, observed: User
) -> None:
    """Whatever the items beside it say: what was not told is not done."""
    report = reported(run_of(observed), replace(ENFORCE, notify=notify))
    assert Reason.NOTICES in report.reasons
    assert report.worth_sending


def audited(*users: User, today: date = TODAY) -> Report:
    run = run_of(*users, enforce=False)
    return reported(replace(run, today=today), AUDIT)


@pytest.mark.parametrize(
    ("observed", "new"),
    [
        (DUE, True),
        (user("alice", key(75, used=0)), True),  # yesterday's run may have been missed
        (user("alice", key(76, used=0)), False),
        # Of what would be announced, nobody knows since when: nothing was given.
        (user("nils", key(81)), False),
        (user("fred", off(200), memory={OLD: known(off=40)}), False),
    ],
)
def test_audit_finds_what_is_new_and_repeats_the_rest_on_mondays(observed: User, *, new: bool) -> None:
    assert (Reason.AUDIT in audited(observed).reasons) is new
    assert Reason.AUDIT in audited(observed, today=MONDAY).reasons


def test_audit_says_once_that_what_was_announced_does_not_happen() -> None:
    """The notice falls with that, and is not there on the next day."""
    assert Reason.DONE in audited(REMINDED).reasons


def test_the_notice_of_a_deletion_waits_for_a_mail_as_long_as_its_day_stays() -> None:
    """Until the next Monday, and a day more for a run that is missed."""
    for off_for, waits in ((0, True), (21, True), (22, False), (40, False)):
        fred = user("fred", off(200), memory={OLD: known(off=off_for)})
        run = run_of(fred)
        assert (Reason.NOTICES in reported(run).reasons) is not waits, off_for


@pytest.mark.parametrize(
    ("today", "last_told", "due"),
    [
        (MONDAY, None, True),
        (MONDAY, MONDAY - timedelta(days=7), True),
        (MONDAY, MONDAY - timedelta(days=6), False),
        (MONDAY + timedelta(days=1), None, False),
    ],
)
def test_a_summary_goes_on_a_monday_if_no_mail_went_out_for_a_week(
    today: date, last_told: date | None, *, due: bool
) -> None:
    run = replace(run_of(QUIET), today=today, last_told=last_told)
    assert (Reason.SUMMARY in reported(run).reasons) is due


def test_there_is_no_summary_of_nothing() -> None:
    assert reported(replace(run_of(EXEMPT), today=MONDAY)).reasons == set()


@pytest.mark.parametrize("last_told", [None, date(2026, 11, 18), date(2026, 11, 19)])
def test_the_next_replacement_is_announced_on_the_last_monday_before_it_unless_a_mail_did(
    last_told: date | None,
) -> None:
    """On 2026-11-26: a mail since the 19th named it."""
    run = replace(run_of(SOON), today=MONDAY, last_told=last_told)
    assert (Reason.UPCOMING in reported(run).reasons) is (last_told != date(2026, 11, 19))
    assert Reason.UPCOMING not in reported(replace(run, today=MONDAY + timedelta(days=1))).reasons


def test_where_no_monday_is_near_a_replacement_it_is_announced_on_two_days() -> None:
    policy = replace(Policy(), warn_days=2)
    settings = replace(ENFORCE, policy=policy)
    run = run_of(replace(SOON, keys=(key(72, used=0),)), policy=policy)
    # Replaced on Tuesday the 24th: the Monday before it is near.
    assert Reason.UPCOMING not in reported(run, settings).reasons
    assert Reason.UPCOMING in reported(replace(run, today=MONDAY), settings).reasons
    far = run_of(replace(SOON, keys=(key(73, used=0),)), policy=policy)
    # Replaced on Monday the 23rd: there is none.
    assert Reason.UPCOMING in reported(far, settings).reasons


def test_a_reminder_that_memory_dates_is_repeated_weekly_and_on_the_last_three_days() -> None:
    told = notice(Why.IN_USE, 20, told=6)
    item = replace(attention(since=days_ago(6), by=told.day), notice=told)
    assert asking(item, TODAY, 20) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]
    recent = replace(item, notice=replace(told, told=days_ago(1)))
    assert asking(recent, TODAY, 6) == []


def test_who_went_quiet_in_an_extension_is_not_asked() -> None:
    quiet = pair("dora", issued=24, used=9, due=notice(Why.IN_USE, 10, told=7))
    assert reported(run_of(quiet)).reasons == set()
    used = pair("dora", issued=24, used=1, due=notice(Why.IN_USE, 10, told=7))
    assert reported(run_of(used)).reasons == {Reason.ATTENTION}
