"""The rules, case by case: what happens to whom on which day. Defaults unless a case says otherwise."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from keyrotation.decide import remembering
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
    MendPolicy,
    Plan,
    Promote,
    Recall,
    RememberOff,
    RememberOn,
    Replace,
    SettlePending,
)
from keyrotation.decide.notices import Ripe, next_step
from keyrotation.decide.plan import may_concern, only_remembers, plan_user, urgency
from keyrotation.decide.rules import RULES
from keyrotation.decide.state import State
from keyrotation.memory import KeyMemory, Memory, Pending, Vanished, What, Why
from keyrotation.model import Key, Occasion, User
from keyrotation.policy import Policy

from tests.unit.drawn import QUARANTINE
from tests.unit.effects import applied
from tests.unit.people import (
    AUDIT,
    DEAF,
    NEW,
    OCCASION,
    OLD,
    SECRET,
    THIRD,
    TODAY,
    asked_for,
    at,
    days_ago,
    key,
    known,
    notice,
    off,
    user,
)

PREFIX = "access-key-rotation:"
DEFAULTS = Policy()
OVERLAP, IN_USE, BY_HAND, UNUSED, INACTIVE = Why
GONE = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:access-keys/carol/credentials-GHiJkL"


def summary(plan: Plan) -> list[str]:
    """A plan as a list that reads like the table of rules."""
    return [_told(step.decision) for step in plan.steps]


def _told(decision: Action | Item) -> str:
    match decision:
        case Replace(notice=given):
            return "replace" if given is None else f"replace, old off in {(given.day - TODAY).days}"
        case Deactivate(key_id=key_id, reason=reason, notice=given):
            goes = f", deleted in {(given.day - TODAY).days}" if given else ""
            return f"off {_short(key_id)} {reason}{goes}"
        case GiveNotice(key_id=key_id, notice=given, instead_of=was):
            instead = f" instead of {was.why}" if was else ""
            return f"notice {_short(key_id)} {given.why} in {(given.day - TODAY).days}{instead}"
        case DropNotice(key_id=key_id, notice=was):
            return f"drop {_short(key_id)} {was.why}"
        case Promote(key_id=key_id) | Recall(key_id=key_id) | DeleteOrphan(key_id=key_id):
            return f"{type(decision).__name__.lower()} {_short(key_id)}"
        case Delete(key_id=key_id):
            return f"delete {_short(key_id)}"
        case RememberOff(key_id=key_id):
            return f"remember {_short(key_id)} off"
        case RememberOn(key_id=key_id):
            return f"remember {_short(key_id)} on"
        case ForgetKeys(key_ids=key_ids, vanished=vanished):
            return f"forget {' '.join(map(_short, key_ids))}{' vanished' if vanished else ''}"
        case ForgetVanished():
            return "forget vanished"
        case MendPolicy():
            return "mend policy"
        case SettlePending(asked=asked):
            return "settle asked" if asked else "settle"
        case Item(kind=kind, by=by, notice=again):
            return f"{kind}{f' in {(by - TODAY).days}' if by else ''}{' again' if again else ''}"


def _short(key_id: str) -> str:
    return {OLD: "old", NEW: "new", THIRD: "third"}[key_id]


def pair(
    *,
    age: int,
    used: int | None,
    new_used: int | None = 0,
    told: KeyMemory | None = None,
    stored: bool = True,
    old_age: int | None = None,
    tags: Mapping[str, str] | None = None,
) -> User:
    """An elder, and its successor of `age` days: stored, unless it was made by hand."""
    old = key(74 + age if old_age is None else old_age, used=used)
    memory = {OLD: told} if told is not None else {}
    return user(
        old, key(age, used=new_used, id=NEW), stored=NEW if stored else None, memory=memory, tags=tags
    )


def by_hand(
    *, age: int, used: int | None, new_used: int | None, told: KeyMemory | None = None, old_age: int
) -> User:
    return pair(age=age, used=used, new_used=new_used, told=told, stored=False, old_age=old_age)


def lone_off(age: int, *, since: int, told: KeyMemory | None = None) -> User:
    return user(off(age), memory={OLD: told or known(off=since)})


def behind(
    new: Key, *, since: int, ahead: int | None = None, told: int = 1, tags: Mapping[str, str] | None = None
) -> User:
    """An inactive key, off since so many days, before a newer one that this system issued."""
    given = None if ahead is None else notice(INACTIVE, ahead, told=told)
    return user(off(150), new, stored=NEW, memory={OLD: known(off=since, notice=given)}, tags=tags)


def says(why: Why, ahead: int, *, told: int = 1) -> KeyMemory:
    return known(notice=notice(why, ahead, told=told))


CASES: dict[str, tuple[User, list[str]]] = {
    # One key, in use, through its life (rules 12 and 15).
    "on day 66 of a key nothing is said": (user(key(66, used=0)), []),
    "on day 67 a replacement is announced": (user(key(67, used=0)), ["replacement in 7"]),
    "on day 73 it is announced for tomorrow": (user(key(73, used=0)), ["replacement in 1"]),
    "on day 74 the replacement is issued, and its mail says when the old key goes off": (
        user(key(74, used=0)),
        ["replace, old off in 14"],
    ),
    "a key far over the threshold is replaced at once": (user(key(400, used=0)), ["replace, old off in 14"]),
    "a key made tomorrow, by IAM's clock, is left alone": (user(key(-1, used=-1)), []),
    "a key made yesterday is left alone": (user(key(1)), []),
    "a user without keys is left alone": (user(), []),
    "a replacement that was asked for is made": (
        user(key(5, used=0), tags={f"{PREFIX}replace": ""}),
        ["replace, old off in 14"],
    ),
    "asked for by somebody without a key, it is the first one": (user(tags={f"{PREFIX}replace": ""}), ["replace"]),
    "a threshold of one's own brings it forward": (
        user(key(51, used=0), tags={f"{PREFIX}max-age-days": "67"}),
        ["replace, old off in 14"],
    ),
    "one that does not fit the other days is ignored, and told": (
        user(key(51, used=0), tags={f"{PREFIX}max-age-days": "64"}),
        ["setting"],
    ),
    "a looser one too": (user(key(66, used=0), tags={f"{PREFIX}max-age-days": "91"}), ["setting"]),
    "it takes the place of the notice of a retirement": (
        user(key(100, used=84), memory={OLD: says(UNUSED, 6)}),
        ["drop old unused", "replace, old off in 14"],
    ),
    # The overlap and its end (rules 9 and 10).
    "an overlap of which nobody was told is told now, and ends WarnDays from now": (
        pair(age=14, used=13),
        ["notice old overlap in 7"],
    ),
    "one that just began is told for its own day": (pair(age=1, used=1), ["notice old overlap in 13"]),
    "a day before, it is told again": (
        pair(age=13, used=12, told=says(OVERLAP, 1, told=3)),
        ["off-date-quiet in 1 again"],
    ),
    "told today, it is not told twice": (pair(age=13, used=12, told=says(OVERLAP, 1, told=0)), []),
    "eight days ahead, told six days ago, nothing is said": (pair(age=6, used=2, told=says(OVERLAP, 8, told=6)), []),
    "told a week ago, it is told again": (
        pair(age=5, used=2, told=says(OVERLAP, 9, told=7)),
        ["off-date-quiet in 9 again"],
    ),
    "on its day the quiet elder goes off, and the mail says when it is deleted": (
        pair(age=14, used=13, told=says(OVERLAP, 0)),
        ["off old quiet, deleted in 30"],
    ),
    "an elder never used goes off too": (pair(age=14, used=None, told=says(OVERLAP, 0)), ["off old quiet, deleted in 30"]),
    "used 8 days ago, with the successor in use, it is quiet": (
        pair(age=14, used=8, told=says(OVERLAP, 0)),
        ["off old quiet, deleted in 30"],
    ),
    "told eight days ago is lately enough: one run may be missed": (
        pair(age=14, used=13, told=says(OVERLAP, 0, told=8)),
        ["off old quiet, deleted in 30"],
    ),
    "told nine days ago is not: it is told anew, WarnDays ahead": (
        pair(age=14, used=13, told=says(OVERLAP, 0, told=9)),
        ["notice old overlap in 7 instead of overlap"],
    ),
    "used 7 days ago it is in use: its extension is told": (
        pair(age=14, used=7, told=says(OVERLAP, 0)),
        ["notice old in-use in 14 instead of overlap", "held-in-use in 14"],
    ),
    "a monthly job that has not fetched the new key yet has had no chance: it is told for the day it is quiet": (
        pair(age=14, used=20, new_used=None, told=says(OVERLAP, 0)),
        ["notice old overlap in 16 instead of overlap", "held-until-quiet in 16"],
    ),
    "used on the day the successor was made is not since": (
        pair(age=14, used=14, new_used=None, told=says(OVERLAP, 0)),
        ["notice old overlap in 22 instead of overlap", "held-until-quiet in 22"],
    ),
    "a proof of the new key by this system is not a use of it": (
        user(
            key(88, used=20),
            replace(
                key(14, used=14, id=NEW, service="sts"),
                last_use=replace(key(14, used=14, service="sts").use, at=at(days_ago(14), 6)),  # type: ignore[type-var]
            ),
            stored=NEW,
            memory={OLD: says(OVERLAP, 0)},
        ),
        ["notice old overlap in 16 instead of overlap", "held-until-quiet in 16"],
    ),
    "while the extension runs it is told every day": (
        pair(age=21, used=1, told=says(IN_USE, 7)),
        ["held-in-use in 7 again"],
    ),
    "being quiet does not end it": (pair(age=21, used=8, told=says(IN_USE, 7)), ["off-date-quiet in 7 again"]),
    "when it is over the key goes off though it is in use": (
        pair(age=28, used=1, told=says(IN_USE, 0)),
        ["off old forced, deleted in 30"],
    ),
    "or quiet": (pair(age=28, used=8, told=says(IN_USE, 0)), ["off old quiet, deleted in 30"]),
    "not when nobody was reminded of it": (
        pair(age=28, used=1, told=says(IN_USE, 0, told=9)),
        ["notice old in-use in 7 instead of in-use", "held-in-use in 7"],
    ),
    "its successor was deleted meanwhile: it is due, and replaced": (
        user(key(100, used=1), stored=NEW, memory={OLD: says(IN_USE, 5)}),
        ["drop old in-use", "replace, old off in 14"],
    ),
    "the day that was told is later than the rule's: it is waited for": (
        pair(age=20, used=13, told=says(OVERLAP, 4, told=2)),
        ["off-date-quiet in 4 again"],
    ),
    "OverlapDays was raised since: the day is moved": (
        pair(age=10, used=9, told=says(OVERLAP, 0)),
        ["notice old overlap in 7 instead of overlap"],
    ),
    # The secret that hands over the new key.
    "scheduled for deletion, it is told, and the old key stays on": (
        replace(p := pair(age=14, used=13, told=says(OVERLAP, 0)), secret=replace(p.secret, deleted=True)),  # type: ignore[type-var]
        ["secret-goes", "drop old overlap", "successor-not-stored"],
    ),
    "gone, it is critical": (
        replace(pair(age=3, used=1, told=says(OVERLAP, 11)), secret=None),
        ["secret-lost", "drop old overlap"],
    ),
    "holding something else as AWSCURRENT, the pair is one by hand": (
        replace(pair(age=14, used=0, told=says(OVERLAP, 0)), secret=user(stored=OLD).secret),
        ["drop old overlap", "successor-not-stored"],
    ),
    "made anew: what the new one holds was never ours": (
        replace(p := pair(age=14, used=0, told=says(OVERLAP, 0)), memory=replace(p.memory, secret_arn=GONE)),
        ["drop old overlap", "successor-not-stored"],
    ),
    "renamed: its policy is put anew, and the switch-off is told anew": (
        replace(pair(age=14, used=13, told=says(OVERLAP, 0)), arn="arn:aws:iam::123456789012:user/caroline"),
        ["drop old overlap", "mend policy", "notice old overlap in 7"],
    ),
    "a notice of a deletion does not fall for that": (
        replace(behind(key(40, used=0, id=NEW), since=20, ahead=10), arn="arn:aws:iam::123456789012:user/caroline"),
        ["mend policy"],
    ),
    # Pairs made by hand (rule 9b).
    "two applications with two keys: nothing before a week ahead of day 88": (
        by_hand(age=40, used=0, new_used=0, old_age=80),
        [],
    ),
    "a week ahead both are reported": (by_hand(age=40, used=0, new_used=0, old_age=81), ["by-hand"]),
    "two old keys by hand, both in use: reported, and no room for a replacement": (
        by_hand(age=100, used=0, new_used=0, old_age=200),
        ["by-hand", "replacement-blocked-by-two-active-keys"],
    ),
    "quiet, and the newer used later: told WarnDays before": (
        by_hand(age=30, used=36, new_used=0, old_age=81),
        ["notice old by-hand in 7", "by-hand-quiet in 7"],
    ),
    "not before OverlapDays after the newer was made": (
        by_hand(age=4, used=36, new_used=0, old_age=88),
        [],
    ),
    "used 35 days ago it is in use": (by_hand(age=30, used=35, new_used=0, old_age=88), ["by-hand"]),
    "on that day it goes off": (
        by_hand(age=30, used=43, new_used=0, old_age=95, told=says(BY_HAND, 0)),
        ["off old quiet, deleted in 30"],
    ),
    "not if it was used again": (
        by_hand(age=30, used=2, new_used=0, old_age=95, told=says(BY_HAND, 0)),
        ["drop old by-hand", "by-hand"],
    ),
    "nor if the newer one was not used on a later day": (
        by_hand(age=60, used=40, new_used=40, old_age=120, told=says(BY_HAND, 0)),
        ["drop old by-hand", "by-hand"],
    ),
    "stored after all, it is an overlap": (
        pair(age=30, used=43, told=says(BY_HAND, 3)),
        ["drop old by-hand", "notice old overlap in 7"],
    ),
    # Unused keys (rule 11).
    "never used, on day 80: no word": (user(key(80)), []),
    "on day 81 its retirement is told": (user(key(81)), ["notice old unused in 7"]),
    "on day 88 it is retired": (user(key(88), memory={OLD: says(UNUSED, 0)}), ["off old unused, deleted in 30"]),
    "never used and due is not replaced": (user(key(80), memory={OLD: says(UNUSED, 8)}), []),
    "first seen when it is over the threshold, it has WarnDays too": (user(key(400)), ["notice old unused in 7"]),
    "used yesterday, it is not retired": (
        user(key(73, used=1), memory={OLD: says(UNUSED, 0)}),
        ["drop old unused", "replacement in 1"],
    ),
    "unused for 90 days it is retired": (
        user(key(200, used=91), memory={OLD: says(UNUSED, 0)}),
        ["off old unused, deleted in 30"],
    ),
    "unused for 90 days, which nobody was told: replaced": (user(key(200, used=90)), ["replace, old off in 14"]),
    "unused for 91: told": (user(key(200, used=91)), ["notice old unused in 7"]),
    "asked for, it is replaced": (
        user(key(200, used=91), tags={f"{PREFIX}replace": ""}, memory={OLD: says(UNUSED, 0)}),
        ["drop old unused", "replace, old off in 14"],
    ),
    "a successor never used is kept while its elder is active": (
        by_hand(age=100, used=None, new_used=None, old_age=200, told=says(UNUSED, 5)),
        ["by-hand", "unused-kept", "retirement in 5 again"],
    ),
    "it waits until the key before it is off for 35 days": (
        behind(key(88, id=NEW), since=28, ahead=9),
        ["notice new unused in 7"],
    ),
    "and one day longer": (behind(key(88, id=NEW), since=27, ahead=9), []),
    # Inactive keys (rules 6, 7 and 8).
    "first seen inactive, it is off since today, and its deletion is told": (
        user(off(50)),
        ["remember old off", "notice old inactive in 30"],
    ),
    "told eight days ahead, six days ago: no word": (
        lone_off(150, since=22, told=known(off=22, notice=notice(INACTIVE, 8, told=6))),
        [],
    ),
    "29 days after that it is told again": (
        behind(key(40, used=0, id=NEW), since=29, ahead=1, told=2),
        ["deletion in 1 again"],
    ),
    "30 days after that it is deleted": (behind(key(40, used=0, id=NEW), since=30, ahead=0), ["delete old"]),
    "of which nobody was told lately: told anew": (
        behind(key(40, used=0, id=NEW), since=30, ahead=0, told=9),
        ["notice old inactive in 7 instead of inactive"],
    ),
    "not while the newer was never used: told for the day after that": (
        behind(key(44, id=NEW), since=25, ahead=0),
        ["notice old inactive in 10 instead of inactive"],
    ),
    "nor when it was last used on the very day the older went off": (
        behind(key(44, used=30, id=NEW), since=30, ahead=0),
        ["notice old inactive in 7 instead of inactive"],
    ),
    "after 35 days it goes all the same": (behind(key(49, id=NEW), since=35, ahead=0), ["delete old"]),
    "a key that will be due needs the slot: told long before, and sooner than DeleteAfterDays": (
        behind(key(60, used=0, id=NEW), since=5, ahead=25),
        ["notice old inactive in 14 instead of inactive"],
    ),
    "on that day it is deleted, and the newest replaced": (
        user(
            off(150), key(74, used=0, id=NEW), stored=NEW, memory={OLD: known(off=19, notice=notice(INACTIVE, 0))}
        ),
        ["delete old", "replace, old off in 14"],
    ),
    "which nobody was told: it blocks the replacement, and the mail says until when": (
        behind(key(74, used=0, id=NEW), since=19),
        ["notice old inactive in 7", "replacement-blocked in 7"],
    ),
    "the older of two inactive keys goes first": (
        user(
            off(150), off(60, used=50, id=NEW),
            memory={OLD: known(off=31, notice=notice(INACTIVE, 0)), NEW: known(off=40, notice=notice(INACTIVE, 0))},
        ),
        ["notice old inactive in 7 instead of inactive", "notice new inactive in 7 instead of inactive"],
    ),
    "switched on again it is left alone, and its notice falls": (
        user(
            key(95, used=0), key(40, used=0, id=NEW), stored=NEW, memory={OLD: known(off=3, notice=notice(INACTIVE, 27))}
        ),
        ["remember old on", "switched-back-on in 14"],
    ),
    "while it is left alone that is said every day": (
        pair(age=41, used=40, told=known(back=1)),
        ["switched-back-on in 13"],
    ),
    "after that the usual rules apply": (pair(age=54, used=40, told=known(back=14)), ["notice old overlap in 7"]),
    "switched on again, it is replaced when it is due": (
        user(key(80, used=0), memory={OLD: known(back=5)}),
        ["switched-back-on in 9", "replace"],
    ),
    # Keys that are gone (rule 14).
    "what is remembered of a key that is gone is forgotten": (
        user(key(10, used=0, id=NEW), memory={OLD: known(issued=90, off=40)}),
        ["forget old"],
    ),
    "the key issued last vanished: no replacement": (
        user(key(100, used=0), memory={NEW: known(issued=10)}),
        ["forget new vanished", "key-vanished"],
    ),
    "one that was off has not vanished": (
        user(key(100, used=0), memory={NEW: known(issued=10, off=2)}),
        ["forget new", "replace, old off in 14"],
    ),
    "nor has one that is not the newest": (
        user(key(9, used=0), memory={NEW: known(issued=10)}),
        ["forget new"],
    ),
    "nor has the last key of a user, which nothing replaced": (user(memory={NEW: known(issued=10)}), ["forget new"]),
    # What is not understood (rule 1).
    "three keys": (user(key(99, used=1), key(60, used=1, id=NEW), key(5, id=THIRD)), ["not-understood"]),
    "a status that IAM may invent": (user(key(99, used=1, status="Expired")), ["not-understood"]),
    "a last use that could not be read": (
        replace(user(key(400)), unread=("GetAccessKeyLastUsed: Throttling",)),
        ["not-understood"],
    ),
    "exempt without a date": (user(key(400, used=0), tags={f"{PREFIX}exempt": "yes"}), ["not-understood"]),
    "what can only have been meant as ours": (user(key(400, used=0), tags={"Exempt": "x"}), ["not-understood"]),
    "max-age-days in words": (user(key(400, used=0), tags={f"{PREFIX}max-age-days": "ninety"}), ["not-understood"]),
    # Exempt (rule 3).
    "an exemption's last day": (
        user(key(400, used=0), tags={f"{PREFIX}exempt": f"{TODAY} vendor"}),
        ["exempt in 0"],
    ),
    "the day after it is over": (
        user(key(400, used=0), tags={f"{PREFIX}exempt": f"{days_ago(1)} vendor"}),
        ["replace, old off in 14"],
    ),
    "during it notices fall, and what is off is remembered": (
        user(
            key(100, used=90), off(60, id=NEW),
            tags={f"{PREFIX}exempt": f"{days_ago(-30)} vendor"}, memory={OLD: says(UNUSED, 0), THIRD: known(issued=1)},
        ),
        ["drop old unused", "forget third", "remember new off", "exempt in 30"],
    ),
    "its end is announced": (
        user(key(400, used=0), tags={f"{PREFIX}exempt": f"{days_ago(-7)} vendor"}),
        ["exempt in 7", "exemption-ends in 7"],
    ),
    "more than a year ahead is attention": (
        user(key(400, used=0), tags={f"{PREFIX}exempt": f"{days_ago(-366)} vendor"}),
        ["exempt in 366", "setting"],
    ),
    # Exposed (rule 4).
    "AWS flagged a key: no new one, not even asked for": (
        replace(user(key(400, used=0), tags={f"{PREFIX}replace": ""}), quarantine=QUARANTINE),
        ["key-exposed"],
    ),
    "and nothing waits for a slot": (
        replace(behind(key(74, used=0, id=NEW), since=19, ahead=11), quarantine=QUARANTINE),
        ["key-exposed"],
    ),
    "tags of version 0.1 are told once": (
        user(key(10, used=0), tags={f"{PREFIX}pending": "x"}),
        ["old-tags"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=list(CASES))
def test_case(case: str) -> None:
    observed, expected = CASES[case]
    assert summary(plan_user(observed, DEFAULTS, OCCASION)) == expected


# In Audit, and while nobody listens.


def test_in_audit_notices_fall_first_also_of_who_is_not_understood() -> None:
    unread = replace(pair(age=14, used=13, told=says(OVERLAP, 0)), unread=("GetUser: Throttling",))
    assert summary(plan_user(unread, DEFAULTS, AUDIT)) == ["drop old overlap", "not-understood"]
    assert summary(plan_user(unread, DEFAULTS, OCCASION)) == ["not-understood"]


def test_a_deletion_is_told_only_of_who_could_be_read() -> None:
    """What was written before an attempt died says that the key was deleted; only IAM says whether it was."""
    gone = user(key(20, used=0))
    gone = replace(gone, memory=replace(gone.memory, deleted={THIRD: days_ago(1)}))
    unread = replace(gone, keys=(), unread=("ListAccessKeys: Throttling",))
    assert [item.kind for item in plan_user(gone, DEFAULTS, OCCASION).items] == ["deleted-before"]
    assert [item.kind for item in plan_user(unread, DEFAULTS, OCCASION).items] == ["not-understood"]


def test_in_audit_what_would_be_done_is_told_and_only_what_is_remembered_is_done() -> None:
    plan = plan_user(pair(age=14, used=13, told=says(OVERLAP, 0)), DEFAULTS, AUDIT)
    assert [type(each) for each in plan.actions] == [DropNotice]
    assert [type(each) for each in plan.would] == [GiveNotice]
    assert only_remembers(plan)


def test_the_first_day_of_enforce_after_audit_switches_nothing_off() -> None:
    carol = pair(age=14, used=13, told=says(OVERLAP, 0))
    audited = applied(carol, plan_user(carol, DEFAULTS, AUDIT).actions, OCCASION.now)
    assert summary(plan_user(audited, DEFAULTS, OCCASION)) == ["notice old overlap in 7"]


@pytest.mark.parametrize(
    "observed",
    [
        pair(age=14, used=13, told=says(OVERLAP, 0)),
        pair(age=28, used=1, told=says(IN_USE, 0)),
        by_hand(age=30, used=43, new_used=0, old_age=95, told=says(BY_HAND, 0)),
        user(key(88), memory={OLD: says(UNUSED, 0)}),
        behind(key(40, used=0, id=NEW), since=30, ahead=0),
    ],
    ids=["overlap", "in use", "by hand", "unused", "inactive"],
)
def test_while_nobody_listens_no_notice_is_kept_and_it_stays(observed: User) -> None:
    plan = plan_user(observed, DEFAULTS, DEAF)
    assert plan.actions == ()
    assert Kind.UNHEARD in {item.kind for item in plan.items}
    assert plan_user(observed, DEFAULTS, OCCASION).actions != ()


@pytest.mark.parametrize(
    "observed",
    [
        pair(age=14, used=7, told=says(OVERLAP, 0)),
        pair(age=14, used=13, told=says(OVERLAP, 0, told=9)),
        user(key(400)),
    ],
    ids=["in use", "not told lately", "none yet"],
)
def test_while_nobody_listens_none_is_given_and_an_old_one_stays(observed: User) -> None:
    plan = plan_user(observed, DEFAULTS, DEAF)
    assert plan.actions == ()


def test_while_nobody_listens_keys_are_replaced_without_a_notice() -> None:
    assert summary(plan_user(user(key(74, used=0)), DEFAULTS, DEAF)) == ["replace"]


# The one way to a switch-off or a deletion: what a rule that would act today may do about a key with this notice.


@pytest.mark.parametrize(
    ("ahead", "told", "step"),
    [(1, 1, None), (0, 1, Ripe), (-5, 1, Ripe), (0, 8, Ripe), (0, 9, GiveNotice)],
)
def test_a_notice_is_kept_on_its_day_and_not_a_day_before_and_only_if_it_was_told_lately(
    ahead: int, told: int, step: type | None
) -> None:
    old = key(88)
    state = State.of(user(old, memory={OLD: says(UNUSED, ahead, told=told)}), DEFAULTS, OCCASION)
    found = next_step(state, old, what=What.SWITCH_OFF, why=UNUSED, day=TODAY, because="nobody uses it")
    assert (found if found is None else type(found)) is step


def test_a_notice_of_another_reason_is_no_notice_of_this_one() -> None:
    old = key(88)
    state = State.of(user(old, memory={OLD: says(OVERLAP, 0)}), DEFAULTS, OCCASION)
    found = next_step(state, old, what=What.SWITCH_OFF, why=UNUSED, day=TODAY, because="nobody uses it")
    assert isinstance(found, GiveNotice)
    assert found.instead_of == notice(OVERLAP, 0)


# Rule 2: yesterday at 06:00 a replacement began, when there was only the old key.


def interrupted(observed: User, *, ago: timedelta = timedelta(days=1), region: str = "eu-west-1") -> User:
    pending = Pending(since=OCCASION.now - ago, region=region, run_id="run-1", key_ids=(OLD,))
    return replace(observed, memory=replace(observed.memory, pending=pending))


def made(**changes: object) -> Key:
    """The key that the interrupted run made."""
    new = Key(id=NEW, status="Active", created=OCCASION.now - timedelta(days=1))
    return replace(new, **changes)  # type: ignore[arg-type]


OLDER = key(400, used=0)
INTERRUPTED: dict[str, tuple[User, list[str]]] = {
    "before a key was made": (interrupted(user(OLDER)), ["settle"]),
    "before the key was stored: nobody can hold it": (
        interrupted(user(OLDER, made(), stored=OLD)),
        ["deleteorphan new", "settle"],
    ),
    "when the key was stored: it is promoted": (
        interrupted(user(OLDER, made(), staged=NEW)),
        ["promote new", "settle"],
    ),
    "when only memory did not know it yet": (
        interrupted(user(OLDER, made(), stored=NEW)),
        ["recall new", "interrupted", "settle"],
    ),
    "when it was asked for, the tag goes too": (
        interrupted(user(OLDER, made(), staged=NEW, tags={f"{PREFIX}replace": ""})),
        ["promote new", "settle asked"],
    ),
    "and undone, it is still asked for": (
        interrupted(user(OLDER, made(), stored=OLD, tags={f"{PREFIX}replace": ""})),
        ["deleteorphan new", "settle"],
    ),
    "when the key was stored, and then a person switched it off": (
        interrupted(user(OLDER, made(status="Inactive"), staged=NEW)),
        ["interrupted", "settle"],
    ),
    "a new key that was used is somebody's": (
        interrupted(user(OLDER, made(last_use=key(1, used=0).use))),
        ["interrupted", "settle"],
    ),
    "one made more than a function timeout later is somebody's": (
        interrupted(user(OLDER, made(created=OCCASION.now - timedelta(days=1) + timedelta(seconds=901)))),
        ["interrupted", "settle"],
    ),
    "in another Region: left to that Region's run": (
        interrupted(user(OLDER, made()), region="us-east-1"),
        ["interrupted"],
    ),
    "a moment ago: that run may still be going": (
        interrupted(user(OLDER, made()), ago=timedelta(seconds=899)),
        ["interrupted"],
    ),
    "as long ago as a function can run: it is over": (
        interrupted(user(OLDER), ago=timedelta(minutes=15)),
        ["settle"],
    ),
}


@pytest.mark.parametrize("case", INTERRUPTED, ids=list(INTERRUPTED))
def test_interrupted(case: str) -> None:
    observed, expected = INTERRUPTED[case]
    assert summary(plan_user(observed, DEFAULTS, OCCASION)) == expected


# Rule 14, to its end.


def without_one(**tags: str) -> User:
    carol = user(key(100, used=0), tags={f"{PREFIX}{name}": value for name, value in tags.items()})
    return replace(carol, memory=replace(carol.memory, vanished=Vanished(key_id=NEW, on=days_ago(9))))


def test_a_vanished_key_stops_replacements_until_a_person_asks_or_exempts() -> None:
    assert summary(plan_user(without_one(), DEFAULTS, OCCASION)) == ["key-vanished"]
    assert summary(plan_user(without_one(replace=""), DEFAULTS, OCCASION)) == ["replace, old off in 14"]
    until = f"{TODAY} vendor"
    assert summary(plan_user(without_one(exempt=until), DEFAULTS, OCCASION)) == [
        "forget vanished",
        "exempt in 0",
    ]


# What other parameters change.


@pytest.mark.parametrize(
    ("policy", "observed", "expected"),
    [
        (Policy(unused_days=0), user(key(74)), ["replace, old off in 14"]),
        (Policy(unused_days=0), user(key(400, used=300)), ["replace, old off in 14"]),
        (Policy(delete_after_days=0), lone_off(150, since=400), []),
        (
            Policy(delete_after_days=0),
            behind(key(65, used=0, id=NEW), since=40),
            ["notice old inactive in 9"],
        ),
        (
            Policy(delete_after_days=0),
            pair(age=14, used=13, told=says(OVERLAP, 0)),
            ["off old quiet, deleted in 60"],
        ),
        (
            Policy(warn_days=1),
            pair(age=14, used=13, told=says(OVERLAP, 0, told=2)),
            ["off old quiet, deleted in 30"],
        ),
        (
            Policy(warn_days=1),
            pair(age=14, used=13, told=says(OVERLAP, 0, told=3)),
            ["notice old overlap in 1 instead of overlap"],
        ),
        (
            Policy(in_use_extension_days=20),
            pair(age=14, used=1, told=says(OVERLAP, 0)),
            ["notice old in-use in 20 instead of overlap", "held-in-use in 20"],
        ),
        (
            Policy(in_use_extension_days=7),
            user(key(50, used=0), memory={OLD: known(off=3)}),
            ["remember old on", "switched-back-on in 7"],
        ),
        (
            Policy(delete_after_days=5),
            user(off(50), memory={OLD: known(off=1)}),
            ["notice old inactive in 7"],
        ),
    ],
)
def test_other_parameters(policy: Policy, observed: User, expected: list[str]) -> None:
    assert summary(plan_user(observed, policy, OCCASION)) == expected


def test_before_an_effect_the_notice_that_it_keeps_or_replaces_is_forgotten() -> None:
    for observed in (
        pair(age=14, used=13, told=says(OVERLAP, 0)),
        pair(age=14, used=7, told=says(OVERLAP, 0)),
        behind(key(40, used=0, id=NEW), since=30, ahead=0),
    ):
        (action,) = plan_user(observed, DEFAULTS, OCCASION).actions
        assert observed.memory.key(OLD).notice is not None
        assert remembering.before(observed.memory, action).key(OLD).notice is None


def test_a_key_that_a_person_switched_off_needs_no_notice_of_that_and_keeps_the_one_of_its_deletion() -> None:
    for why, kept in ((OVERLAP, False), (INACTIVE, True)):
        memory = user(off(50), memory={OLD: says(why, 3)}).memory
        after = remembering.before(memory, RememberOff(key_id=OLD, on=TODAY))
        assert (after.key(OLD).notice is not None) == kept


# The plan as a whole.


def test_the_rules_stand_in_the_order_of_the_design() -> None:
    assert [rule.__name__ for rule in RULES] == [
        "audit", "deleted_before", "not_understood", "interrupted", "exempt", "tags_to_mend", "tags_of_version_0_1", "exposed", "moved",
        "secret_lost", "gone_keys", "first_seen_inactive", "inactive", "switched_back_on", "fallen", "overlap_over",
        "made_by_hand", "unused", "replacement_due", "replacement_blocked", "vanished", "upcoming",
    ]  # fmt: skip


def test_the_oldest_key_comes_first_whatever_the_order_of_the_listing() -> None:
    both = user(off(60, id=NEW), off(90))
    assert summary(plan_user(both, DEFAULTS, OCCASION))[:2] == ["remember old off", "remember new off"]


def test_work_in_flight_comes_before_replacements_and_those_by_the_oldest_key() -> None:
    observed = [
        user(key(74, used=0), name="alice"),
        user(key(200, used=0), name="bob"),
        pair(age=14, used=13, told=says(OVERLAP, 0)),
        behind(key(10, used=0, id=NEW), since=30, ahead=0),
    ]
    plans = [plan_user(each, DEFAULTS, OCCASION) for each in observed]
    order = sorted(plans, key=urgency)
    assert [type(plan.actions[0]) for plan in order] == [Delete, Deactivate, Replace, Replace]
    assert [plan.user.name for plan in order[2:]] == ["bob", "alice"]


def test_what_only_writes_memory_takes_no_place_under_the_cap() -> None:
    assert only_remembers(plan_user(user(off(50)), DEFAULTS, OCCASION))
    assert only_remembers(plan_user(user(key(81)), DEFAULTS, OCCASION))
    assert not only_remembers(plan_user(user(key(74, used=0)), DEFAULTS, OCCASION))
    assert not only_remembers(
        plan_user(behind(key(40, used=0, id=NEW), since=30, ahead=0), DEFAULTS, OCCASION)
    )


def test_what_was_said_of_a_settled_replacement_is_told_with_what_comes_after() -> None:
    carol = interrupted(user(OLDER, made(), stored=NEW))
    settled = plan_user(carol, DEFAULTS, OCCASION)
    assert settled.settles
    after = plan_user(applied(carol, settled.actions, OCCASION.now), DEFAULTS, OCCASION)
    assert not after.settles
    assert summary(after.preceded_by(settled)) == ["interrupted", "notice old overlap in 14"]


def test_what_awscurrent_holds_is_said_when_it_is_switched_off() -> None:
    plan = plan_user(user(key(88), stored=OLD, memory={OLD: says(UNUSED, 0)}), DEFAULTS, OCCASION)
    assert [each.in_secret for each in plan.actions if isinstance(each, Deactivate)] == [True]
    plan = plan_user(pair(age=14, used=13, told=says(OVERLAP, 0)), DEFAULTS, OCCASION)
    assert [each.in_secret for each in plan.actions if isinstance(each, Deactivate)] == [False]


def test_tags_of_version_0_1_are_not_told_a_second_time() -> None:
    carol = user(key(10, used=0), tags={f"{PREFIX}pending": "x"})
    told = replace(carol, memory=replace(carol.memory, told={Kind.OLD_TAGS: days_ago(1)}))
    assert plan_user(told, DEFAULTS, OCCASION).steps == ()


def test_an_owner_is_taken_along() -> None:
    assert (
        plan_user(user(key(74, used=0), tags={f"{PREFIX}owner": "payments"}), DEFAULTS, OCCASION).owner
        == "payments"
    )


# What the properties found, in the smallest form.


def test_found_a_notice_that_a_person_overtook_falls() -> None:
    """A table can hold anything; a switch-off announced for an inactive key is no notice of its deletion."""
    active = user(key(50, used=0), memory={OLD: says(INACTIVE, 0)})
    assert summary(plan_user(active, DEFAULTS, OCCASION)) == ["drop old inactive"]
    inactive = user(off(50), memory={OLD: known(off=40, notice=notice(OVERLAP, 3))})
    once = plan_user(inactive, DEFAULTS, OCCASION)
    assert summary(once) == ["notice old inactive in 7 instead of overlap"]
    assert plan_user(applied(inactive, once.actions, OCCASION.now), DEFAULTS, OCCASION).actions == ()


def test_found_a_key_that_is_left_alone_again_since_the_extension_was_raised_keeps_no_notice() -> None:
    longer = Policy(in_use_extension_days=30)
    carol = pair(age=41, used=40, told=known(back=20, notice=notice(OVERLAP, 0)))
    assert summary(plan_user(carol, longer, OCCASION))[1:] == ["drop old overlap"]


def test_found_an_extension_that_was_raised_does_not_hold_since_a_day_ahead() -> None:
    carol = pair(age=21, used=1, told=says(IN_USE, 7))
    for policy in (DEFAULTS, Policy(in_use_extension_days=5, warn_days=5)):
        (item,) = plan_user(carol, policy, OCCASION).items
        assert item.since is not None
        assert item.since <= TODAY


def test_found_a_pair_by_hand_whose_day_moved_does_not_hold_since_a_day_ahead() -> None:
    carol = by_hand(age=45, used=None, new_used=15, old_age=48, told=says(BY_HAND, 1))
    (item,) = plan_user(carol, DEFAULTS, OCCASION).items
    assert item.since == TODAY


def test_found_no_deletion_is_announced_for_a_day_that_has_passed_while_nobody_listens() -> None:
    late = behind(key(40, used=0, id=NEW), since=33, ahead=-3)
    assert [item.kind for item in plan_user(late, DEFAULTS, DEAF).items] == [Kind.UNHEARD]


def test_found_a_slot_is_taken_to_be_needed_for_a_key_that_is_used_at_longer_intervals() -> None:
    """A weekly job, `UnusedDays` 10: if nobody used the key until its day, it would be unused that day; it will be used."""
    policy = Policy(
        max_key_age_days=45,
        overlap_days=17,
        quiet_days_before_first_use=7,
        in_use_extension_days=9,
        unused_days=10,
    )
    new = key(17, used=2, id=NEW)
    carol = user(key(44, used=16), new, stored=NEW, memory={OLD: says(OVERLAP, 0)})
    due_in = policy.issue_age - 17
    assert summary(plan_user(carol, policy, OCCASION))[0] == f"off old quiet, deleted in {due_in}"


def test_a_user_of_whom_nothing_is_remembered_is_new() -> None:
    """The table was lost: days start anew, later and never sooner."""
    for observed in (
        pair(age=14, used=13, told=says(OVERLAP, 0)),
        user(key(88), memory={OLD: says(UNUSED, 0)}),
        behind(key(40, used=0, id=NEW), since=30, ahead=0),
    ):
        lost = replace(observed, memory=Memory(user_id=observed.id))
        actions = plan_user(lost, DEFAULTS, OCCASION).actions
        assert {type(each) for each in actions} <= {RememberOff, GiveNotice}
        for each in actions:
            assert not isinstance(each, GiveNotice) or each.notice.day >= TODAY + timedelta(days=7)


def test_the_scanner_names_who_has_something_due() -> None:
    now = datetime(2026, 11, 22, 6, tzinfo=UTC)
    named = 0
    for case, (observed, expected) in CASES.items():
        if may_concern(observed.listed, DEFAULTS, now, enforce=True) or observed.unread:
            named += 1
        else:
            assert summary(asked_for(observed, DEFAULTS)[0]) == [], case
            assert set(expected) <= {"notice old inactive in 14 instead of inactive"}, (
                "foreseen by who knows more"
            )
    assert named < len(CASES)


def test_a_run_that_comes_after_midnight_of_another_zone_goes_by_the_utc_day() -> None:
    almost = OCCASION.now.replace(hour=23, minute=59)
    carol = user(key(66, used=0))
    assert summary(plan_user(carol, DEFAULTS, replace(OCCASION, now=almost))) == []
    after: Occasion = replace(OCCASION, now=almost + timedelta(minutes=1))
    assert [item.kind for item in plan_user(carol, DEFAULTS, after).items] == [Kind.REPLACEMENT]


def test_the_secret_is_the_one_that_memory_knows() -> None:
    assert user(stored=NEW).memory.secret_arn == SECRET
