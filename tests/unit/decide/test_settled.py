"""What a report offered, once the organization's centre has spoken of it or has not."""

from datetime import date, timedelta

import pytest
from keyrotation.decide.plan import may_concern
from keyrotation.decide.remembering import settled
from keyrotation.memory import KeyMemory, Memory, Notice, Offer, What, Why
from keyrotation.model import Hearing, User
from keyrotation.policy import Policy

from tests.component.account import NOW

TODAY = NOW.date()
YESTERDAY = TODAY - timedelta(days=1)
WARN = Policy().warn_days
KEY = "AKIAIOSFODNN7EXAMPLE"
HEARD = Hearing(listeners=1, report="the report", on=YESTERDAY)


def notice(*, day: date, told: date = YESTERDAY, why: Why = Why.OVERLAP) -> Notice:
    return Notice(what=What.SWITCH_OFF, why=why, day=day, told=told)


def offering(offered: Notice, known: Notice | None = None) -> Memory:
    return Memory(
        user_id="AIDA1",
        revision=3,
        keys={KEY: KeyMemory(issued_on=YESTERDAY, notice=known)},
        offer=Offer(report="the report", notices={KEY: offered}, once=("old-tags",)),
    )


def test_a_notice_of_a_report_that_was_heard_is_given_with_its_day_and_told_on_the_day_of_the_mail() -> None:
    offered = notice(day=YESTERDAY + timedelta(days=14))

    memory = settled(offering(offered), HEARD, warn_days=WARN)

    assert memory.key(KEY).notice == offered
    assert memory.told == {"old-tags": YESTERDAY}
    assert memory.offer is None


def test_a_mail_that_went_out_late_leaves_warn_days_from_then_on_all_the_same() -> None:
    """Its own day would leave less: it is moved to a later one, never to an earlier one."""
    offered = notice(day=YESTERDAY + timedelta(days=WARN - 1))

    given = settled(offering(offered), HEARD, warn_days=WARN).key(KEY).notice

    assert given is not None
    assert given.day == YESTERDAY + timedelta(days=WARN)


@pytest.mark.parametrize("left", range(-1, WARN))
def test_a_reminder_that_was_heard_moves_no_day(left: int) -> None:
    known = notice(day=TODAY + timedelta(days=left), told=TODAY - timedelta(days=WARN))

    reminded = settled(offering(known, known), HEARD, warn_days=WARN).key(KEY).notice

    assert reminded == notice(day=known.day, told=YESTERDAY)


def test_a_notice_for_another_reason_is_no_reminder() -> None:
    known = notice(day=TODAY)
    offered = notice(day=TODAY, why=Why.IN_USE)

    given = settled(offering(offered, known), HEARD, warn_days=WARN).key(KEY).notice

    assert given == notice(day=YESTERDAY + timedelta(days=WARN), why=Why.IN_USE)


@pytest.mark.parametrize(
    "hearing",
    [
        pytest.param(Hearing(listeners=None), id="the centre could not be asked"),
        pytest.param(Hearing(listeners=0), id="its word is too old"),
        pytest.param(Hearing(listeners=1, report="another", on=YESTERDAY), id="another report was heard"),
    ],
)
@pytest.mark.parametrize("known", [None, notice(day=TODAY, told=TODAY - timedelta(days=WARN))])
def test_what_nobody_is_known_to_have_heard_is_as_if_it_had_not_been_told(
    hearing: Hearing, known: Notice | None
) -> None:
    memory = settled(offering(notice(day=TODAY + timedelta(days=14)), known), hearing, warn_days=WARN)

    assert memory.key(KEY).notice == known
    assert memory.told == {}
    assert memory.offer is None


def test_a_memory_without_an_offer_stays_the_very_same() -> None:
    memory = Memory(user_id="AIDA1", revision=3, keys={KEY: KeyMemory(notice=notice(day=TODAY))})

    assert settled(memory, HEARD, warn_days=WARN) is memory


def test_whoever_has_an_offer_is_in_the_order_whatever_else_there_is() -> None:
    user = User(name="carol", id="AIDA1")
    assert not may_concern(user, Policy(), NOW, enforce=True)
    offering_user = User(
        name="carol", id="AIDA1", memory=Memory(user_id="AIDA1", offer=Offer(report="r", notices={}))
    )
    assert may_concern(offering_user, Policy(), NOW, enforce=True)
