"""The policy, case by case: what happens to whom on which day. Defaults unless a case says otherwise."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from keyrotation.decide.actions import (
    Action,
    Deactivate,
    Delete,
    DeleteOrphan,
    ForgetMarks,
    Hold,
    Item,
    Kind,
    MarkInactive,
    OffReason,
    Plan,
    Promote,
    Replace,
)
from keyrotation.decide.plan import may_concern, plan_user, urgency
from keyrotation.decide.rules import RULES
from keyrotation.model import CURRENT_STAGE, Secret, User, version_id
from keyrotation.policy import Policy

from tests.unit.people import NEW, OCCASION, OLD, THIRD, TODAY, at, days_ago, key, off, user

PREFIX = "access-key-rotation:"
DEFAULTS = Policy()


def marked(days: int, key_id: str = OLD) -> dict[str, str]:
    return {f"{PREFIX}inactive-since:{key_id}": str(days_ago(days))}


def held(days_ahead: int, reason: str, key_id: str = OLD) -> dict[str, str]:
    return {f"{PREFIX}held-until:{key_id}": f"{days_ago(-days_ahead)} {reason}"}


def pending(*, at: str = "2026-11-21T06:00:00Z", region: str = "eu-west-1") -> dict[str, str]:
    return {f"{PREFIX}pending": f"{at} {region} run-1 {OLD}"}


def summary(plan: Plan) -> list[str]:
    """A plan as a list that reads like the table of rules: actions, then items by level."""
    return [_told(step.decision) for step in plan.steps]


def _told(decision: Action | Item) -> str:
    match decision:
        case Replace():
            return "replace"
        case Promote(key_id=key_id):
            return f"promote {_short(key_id)}"
        case DeleteOrphan(key_id=key_id):
            return f"orphan {_short(key_id)}"
        case Deactivate(key_id=key_id, reason=reason):
            return f"off {_short(key_id)} {reason}"
        case Delete(key_id=key_id):
            return f"delete {_short(key_id)}"
        case MarkInactive(key_id=key_id):
            return f"mark {_short(key_id)}"
        case Hold(key_id=key_id, until=until, reason=reason):
            swap = " swap" if decision.instead_of else ""
            return f"hold {_short(key_id)} {(until - TODAY).days} {reason}{swap}"
        case ForgetMarks(tag_keys=tag_keys):
            return f"forget {len(tag_keys)}"
        case Item(level=level, by=by):
            return f"{level.name.lower()}{f' in {(by - TODAY).days}' if by else ''}"


def _short(key_id: str) -> str:
    return {OLD: "old", NEW: "new", THIRD: "third"}[key_id]


CASES: dict[str, tuple[User, list[str]]] = {
    # One key, in use, through its life.
    "on day 66 of a key nothing is said": (user(key(66, used=0)), []),
    "on day 67 a replacement is announced": (user(key(67, used=0)), ["upcoming in 7"]),
    "on day 73 it is announced for tomorrow": (user(key(73, used=0)), ["upcoming in 1"]),
    "on day 74 the replacement is issued": (user(key(74, used=0)), ["replace"]),
    "a key far over the threshold is replaced at once": (user(key(400, used=0)), ["replace"]),
    "a key made tomorrow, by IAM's clock, is left alone": (user(key(-1, used=-1)), []),
    "a key made yesterday is left alone": (user(key(1)), []),
    "a user without keys is left alone": (user(), []),
    "a secret that is going away with a new key in it is told": (
        replace(
            user(key(60, used=1), key(7, id=NEW), stored=NEW),
            secret=Secret(stages={version_id(NEW): frozenset({CURRENT_STAGE})}, deleted=True),
        ),
        ["attention"],
    ),
    # The overlap and the off date.
    "the day before the off date it is announced": (
        user(key(87, used=13), key(13, used=0, id=NEW), stored=NEW),
        ["upcoming in 1"],
    ),
    "on the off date the quiet elder is switched off": (
        user(key(88, used=13), key(14, used=0, id=NEW), stored=NEW),
        ["off old quiet"],
    ),
    "on the off date an elder never used is switched off": (
        user(key(88), key(14, used=0, id=NEW), stored=NEW),
        ["off old quiet"],
    ),
    "used 8 days ago, with the successor in use, it is quiet": (
        user(key(88, used=8), key(14, used=0, id=NEW), stored=NEW),
        ["off old quiet"],
    ),
    "used 7 days ago it is in use: held, and the day is written": (
        user(key(88, used=7), key(14, used=0, id=NEW), stored=NEW),
        ["hold old 14 in-use", "attention in 14"],
    ),
    "a monthly job that has not fetched the new key yet is held": (
        user(key(88, used=20), key(14, id=NEW), stored=NEW),
        ["hold old 14 in-use", "attention in 16"],
    ),
    "a proof of the new key by this system is not a use": (
        user(
            key(88, used=20),
            replace(
                key(14, used=14, id=NEW, service="sts"),
                last_use=replace(key(14, used=14, service="sts").use, at=at(days_ago(14), 6)),  # type: ignore[type-var]
            ),
            stored=NEW,
        ),
        ["hold old 14 in-use", "attention in 16"],
    ),
    "while it is held nothing is written anew": (
        user(key(95, used=1), key(21, used=0, id=NEW), tags=held(7, "in-use"), stored=NEW),
        ["attention in 7"],
    ),
    "the day before the extension ends it is still held": (
        user(key(101, used=1), key(27, used=0, id=NEW), tags=held(1, "in-use"), stored=NEW),
        ["attention in 1"],
    ),
    "when the extension is over it goes off though it is in use": (
        user(key(102, used=1), key(28, used=0, id=NEW), tags=held(0, "in-use"), stored=NEW),
        ["off old forced"],
    ),
    "last used before the new key was made, it is held on after the extension": (
        user(key(102, used=29), key(28, id=NEW), tags=held(0, "in-use"), stored=NEW),
        ["attention in 7"],
    ),
    "it became quiet while it was held": (
        user(key(95, used=8), key(21, used=0, id=NEW), tags=held(7, "in-use"), stored=NEW),
        ["off old quiet"],
    ),
    "a hold left over from an earlier successor announces nothing": (
        user(key(120, used=1), key(14, used=0, id=NEW), tags=held(0, "in-use"), stored=NEW),
        ["hold old 14 in-use", "attention in 14"],
    ),
    "its successor was deleted during the hold: it is due, and replaced": (
        user(key(100, used=1), tags=held(5, "in-use"), stored=NEW),
        ["replace"],
    ),
    "a hold written too far ahead is cut to what the policy allows": (
        user(key(95, used=1), key(21, used=0, id=NEW), tags=held(400, "in-use"), stored=NEW),
        ["hold old 14 in-use", "attention in 14"],
    ),
    "the secret holds the new key but is scheduled for deletion: by hand": (
        replace(
            user(key(88, used=13), key(14, used=0, id=NEW)),
            secret=Secret(stages={f"{NEW}-access-key-rotation": frozenset({"AWSCURRENT"})}, deleted=True),
        ),
        ["attention", "attention"],
    ),
    # Pairs made by hand.
    "two applications with two keys: nothing before a week ahead of the off date": (
        user(key(80, used=0), key(40, used=0, id=NEW)),
        [],
    ),
    "a week ahead of the off date both are reported": (
        user(key(81, used=0), key(40, used=0, id=NEW)),
        ["attention"],
    ),
    "two old keys by hand, both in use: reported, and no room for a replacement": (
        user(key(200, used=0), key(100, used=0, id=NEW)),
        ["attention", "attention"],
    ),
    "by hand and quiet, announced, the newer in use: off": (
        user(key(95, used=43), key(30, used=0, id=NEW), tags=held(0, "by-hand")),
        ["off old quiet"],
    ),
    "by hand and quiet for the first time: announced a week ahead": (
        user(key(95, used=36), key(30, used=0, id=NEW)),
        ["hold old 7 by-hand", "attention in 7"],
    ),
    "by hand, and announced before it was used once more: announced anew": (
        user(key(195, used=42), key(90, used=0, id=NEW), tags=held(0, "by-hand")),
        ["hold old 7 by-hand", "attention in 7", "attention"],
    ),
    "by hand and quiet, announced only a day ago: not yet": (
        user(key(95, used=40), key(30, used=0, id=NEW), tags=held(6, "by-hand")),
        ["attention in 6"],
    ),
    "by hand and quiet, but nobody has used the newer one of late: both stay": (
        user(key(95, used=40), key(30, used=8, id=NEW), tags=held(0, "by-hand")),
        ["attention"],
    ),
    # Unused keys.
    "never used and two days before the threshold: retired": (user(key(88)), ["off old unused"]),
    "never used, a day earlier: announced": (user(key(87)), ["upcoming in 1"]),
    "never used and due is not replaced": (user(key(80)), []),
    "used once, then unused for 90 days: retired, not replaced": (
        user(key(200, used=90)),
        ["off old unused"],
    ),
    "unused for 89 days and due: replaced": (user(key(200, used=89)), ["replace"]),
    "both unused by hand: the elder goes, the newer waits": (
        user(key(200), key(100, id=NEW)),
        ["off old unused", "attention"],
    ),
    "a successor never used is kept while its elder went off lately": (
        user(off(120), key(88, id=NEW), tags=marked(34), stored=NEW),
        ["attention", "upcoming in 1", "upcoming in 1"],
    ),
    "a successor never used is retired once its elder is off for long enough": (
        user(off(123), key(88, id=NEW), tags=marked(29 + 6), stored=NEW),
        ["delete old", "off new unused"],
    ),
    # Inactive keys.
    "an inactive key is marked when it is first seen": (user(off(50)), ["mark old"]),
    "29 days after that its deletion is near": (
        user(off(150), key(40, used=0, id=NEW), tags=marked(29)),
        ["upcoming in 1"],
    ),
    "30 days after that it is deleted": (
        user(off(150), key(40, used=0, id=NEW), tags=marked(30)),
        ["delete old"],
    ),
    "not while its successor was never used and it may be switched on again": (
        user(off(150), key(44, id=NEW), tags=marked(30), stored=NEW),
        ["upcoming in 5"],
    ),
    "nor when the successor was last used on the very day it went off": (
        user(off(150), key(44, used=30, id=NEW), tags=marked(30), stored=NEW),
        ["upcoming in 5"],
    ),
    "after 35 days it goes all the same": (
        user(off(150), key(49, id=NEW), tags=marked(35), stored=NEW),
        ["delete old"],
    ),
    "a due replacement needs the slot of a key that is off for 7 days": (
        user(off(150), key(74, used=0, id=NEW), tags=marked(7)),
        ["delete old", "replace"],
    ),
    "off for 6 days, it blocks the replacement, and the mail says until when": (
        user(off(150), key(74, used=0, id=NEW), tags=marked(6)),
        ["attention in 1", "upcoming in 1"],
    ),
    "newest inactive, older active and due: the newest gives its place": (
        user(key(100, used=0), off(50, id=NEW), tags=marked(7, NEW)),
        ["delete new", "replace"],
    ),
    "a key switched on again is left alone, and its mark becomes a hold": (
        user(key(95, used=0), key(40, used=0, id=NEW), tags=marked(3), stored=NEW),
        ["hold old 14 reactivated swap", "attention in 14"],
    ),
    "while that hold is ahead it is said every day": (
        user(key(96, used=40), key(41, used=0, id=NEW), tags=held(13, "reactivated"), stored=NEW),
        ["attention in 13"],
    ),
    "when that hold is over the usual rules apply": (
        user(key(109, used=40), key(54, used=0, id=NEW), tags=held(0, "reactivated"), stored=NEW),
        ["off old quiet"],
    ),
    "a key switched on again is replaced when it is due": (
        user(key(80, used=0), tags=held(5, "reactivated")),
        ["attention in 5", "replace"],
    ),
    "marks of a key that is gone are removed": (
        user(key(10, used=0, id=NEW), tags={**marked(40), **held(-3, "in-use")}),
        ["forget 2"],
    ),
    # What is not understood.
    "three keys": (user(key(99, used=1), key(60, used=1, id=NEW), key(5, id=THIRD)), ["attention"]),
    "a status that IAM may invent": (user(key(99, used=1, status="Expired")), ["attention"]),
    "a last use that could not be read": (
        replace(user(key(400)), unread=("GetAccessKeyLastUsed: Throttling",)),
        ["attention"],
    ),
    "a full set of tags leaves no room for ours": (
        user(key(400, used=0), tags={f"team-{number}": "x" for number in range(50)}),
        ["attention"],
    ),
    "exempt without a date": (user(key(400, used=0), tags={f"{PREFIX}exempt": "yes"}), ["attention"]),
    "max-age-days in words": (
        user(key(400, used=0), tags={f"{PREFIX}max-age-days": "ninety"}),
        ["attention"],
    ),
    "max-age-days of 0": (user(key(400, used=0), tags={f"{PREFIX}max-age-days": "0"}), ["attention"]),
    "max-age-days against the inequalities": (
        user(key(400, used=0), tags={f"{PREFIX}max-age-days": "36"}),
        ["attention"],
    ),
    "inactive since tomorrow": (user(off(50), tags=marked(-1)), ["attention"]),
    # Interrupted replacements: yesterday at 06:00, when there was only the old key.
    "interrupted before a key was made": (user(key(400, used=0), tags=pending()), ["forget 1"]),
    "interrupted when all but the tag was done": (
        user(key(400, used=0), key(1, id=NEW), tags=pending(), stored=NEW),
        ["attention", "forget 1"],
    ),
    "interrupted when the key was stored: it is promoted": (
        user(key(400, used=0), key(1, id=NEW), tags=pending(), staged=NEW),
        ["promote new", "forget 1"],
    ),
    "interrupted when the key was stored, and then a person switched it off": (
        user(key(400, used=0), off(1, id=NEW), tags=pending(), staged=NEW),
        ["attention", "forget 1"],
    ),
    "interrupted before the key was stored: nobody can hold it": (
        user(key(400, used=0), key(1, id=NEW), tags=pending(), stored=OLD),
        ["orphan new", "forget 1"],
    ),
    "a key as old as a `pending` of weeks ago is not taken for an orphan: a tag can be forged": (
        user(key(400, used=0), key(20, id=NEW), tags=pending(at="2026-11-02T06:00:00Z")),
        ["attention", "forget 1"],
    ),
    "a new key that was used is somebody's": (
        user(key(400, used=0), key(1, id=NEW, used=0), tags=pending()),
        ["attention", "forget 1"],
    ),
    "a new key that was used through sts alone is somebody's too": (
        user(key(400, used=0), key(1, id=NEW, used=1, service="sts"), tags=pending()),
        ["attention", "forget 1"],
    ),
    "a new key made hours after the interrupted run is somebody's": (
        user(key(400, used=0), key(0, id=NEW), tags=pending()),
        ["attention", "forget 1"],
    ),
    "interrupted in another Region: left to that Region's run": (
        user(key(400, used=0), key(1, id=NEW), tags=pending(region="us-east-1")),
        ["attention"],
    ),
    "interrupted a moment ago: that run may still be going": (
        user(key(400, used=0), key(0, id=NEW), tags=pending(at="2026-11-22T05:45:01Z")),
        ["attention"],
    ),
    "as long ago as a function can run: it is over": (
        user(key(400, used=0), key(0, id=NEW), tags=pending(at="2026-11-22T05:45:00Z")),
        ["orphan new", "forget 1"],
    ),
    "with the replacement finished the tag that asked for it goes too": (
        user(key(10, used=0), key(1, id=NEW), tags={**pending(), f"{PREFIX}replace": "x"}, staged=NEW),
        ["promote new", "forget 2"],
    ),
    "with the replacement undone that tag stays": (
        user(key(10, used=0), tags={**pending(), f"{PREFIX}replace": "x"}),
        ["forget 1"],
    ),
    "an interrupted replacement is finished for an exempt user too": (
        user(key(400, used=0), tags={**pending(), f"{PREFIX}exempt": f"{days_ago(-9)} audit"}),
        ["forget 1"],
    ),
    # Tags of people.
    "exempt through today": (
        user(key(400, used=0), tags={f"{PREFIX}exempt": f"{TODAY} audit"}),
        ["exempt in 0"],
    ),
    "exempt until yesterday": (
        user(key(400, used=0), tags={f"{PREFIX}exempt": f"{days_ago(1)} audit"}),
        ["replace"],
    ),
    "an exemption that ends within a week is announced": (
        user(key(400, used=0), tags={f"{PREFIX}exempt": f"{days_ago(-7)} audit"}),
        ["exempt in 7", "upcoming in 7"],
    ),
    "exempt for more than a year": (
        user(key(400, used=0), tags={f"{PREFIX}exempt": f"{days_ago(-366)} audit"}),
        ["exempt in 366", "attention"],
    ),
    "a tighter threshold of one's own": (
        user(key(44, used=0), tags={f"{PREFIX}max-age-days": "60"}),
        ["replace"],
    ),
    "a looser one is ignored, and said so": (
        user(key(74, used=0), tags={f"{PREFIX}max-age-days": "365"}),
        ["attention", "replace"],
    ),
    "a replacement asked for by tag": (
        user(key(3, used=0), tags={f"{PREFIX}replace": "leaked"}),
        ["replace"],
    ),
    "asked for with no active key": (
        user(off(50), tags={**marked(3), f"{PREFIX}replace": "back from leave"}),
        ["replace"],
    ),
    "asked for while both keys work: blocked until the elder's slot is free": (
        user(key(80, used=9), key(6, used=0, id=NEW), tags={f"{PREFIX}replace": "leaked"}, stored=NEW),
        ["attention in 15"],
    ),
    "asked for an unused key: replaced, not retired": (
        user(key(200), tags={f"{PREFIX}replace": "first use ahead"}),
        ["replace"],
    ),
    "`Exempt` exempts nobody, and is pointed out": (
        user(key(10, used=0), tags={"Exempt": "2027-01-01 x"}),
        ["attention"],
    ),
}


@pytest.mark.parametrize(("observed", "expected"), CASES.values(), ids=CASES.keys())
def test_on_this_day(observed: User, expected: list[str]) -> None:
    assert summary(plan_user(observed, DEFAULTS, OCCASION)) == expected


POLICIES: dict[str, tuple[User, Mapping[str, int], list[str]]] = {
    "without an extension a key in use goes off on its off date": (
        user(key(88, used=1), key(14, used=0, id=NEW), stored=NEW),
        {"in_use_extension_days": 0},
        ["off old forced"],
    ),
    "without an extension it is still held if its owner had no chance to change over": (
        user(key(88, used=15), key(14, id=NEW), stored=NEW),
        {"in_use_extension_days": 0},
        ["attention in 21"],
    ),
    "DeleteAfterDays 0 keeps inactive keys": (
        user(off(500), key(40, used=0, id=NEW), tags=marked(400)),
        {"delete_after_days": 0},
        [],
    ),
    "DeleteAfterDays 0 still frees the slot of a due replacement": (
        user(off(500), key(80, used=0, id=NEW), tags=marked(400)),
        {"delete_after_days": 0},
        ["delete old", "replace"],
    ),
    "UnusedDays 0 replaces used and unused alike": (user(key(74)), {"unused_days": 0}, ["replace"]),
    "UnusedDays 365 retires a key never used at the threshold all the same": (
        user(key(88)),
        {"unused_days": 365},
        ["off old unused"],
    ),
    "threshold 90 to 60 in flight: the off date stays": (
        user(key(87, used=13), key(13, used=0, id=NEW), stored=NEW),
        {"max_key_age_days": 60},
        ["upcoming in 1"],
    ),
    "threshold 90 to 365 in flight: the off date stays": (
        user(key(88, used=13), key(14, used=0, id=NEW), stored=NEW),
        {"max_key_age_days": 365},
        ["off old quiet"],
    ),
    "threshold 365 to 90: far over it, replaced at once": (
        user(key(300, used=0)),
        {"max_key_age_days": 90},
        ["replace"],
    ),
}


@pytest.mark.parametrize(("observed", "policy", "expected"), POLICIES.values(), ids=POLICIES.keys())
def test_under_this_policy(observed: User, policy: Mapping[str, int], expected: list[str]) -> None:
    assert summary(plan_user(observed, Policy(**policy), OCCASION)) == expected


def test_switching_off_the_key_that_the_secret_holds_is_said() -> None:
    (retired,) = plan_user(user(key(88), stored=OLD), DEFAULTS, OCCASION).actions
    assert isinstance(retired, Deactivate)
    assert retired.in_secret
    assert retired.reason is OffReason.UNUSED


def test_a_replacement_names_the_old_key_its_off_date_and_the_tag_it_fulfils() -> None:
    asked = user(key(3, used=0), tags={f"{PREFIX}replace": "leaked"})
    (replacement,) = plan_user(asked, DEFAULTS, OCCASION).actions
    assert isinstance(replacement, Replace)
    assert replacement.old_key_id == OLD
    assert replacement.old_key_off_on == days_ago(-14)
    assert replacement.tag_keys_done == (f"{PREFIX}replace",)


def test_a_blocked_replacement_says_how_to_clear_it() -> None:
    blocked = user(off(150), key(74, used=0, id=NEW), tags=marked(6), name="data+etl,nightly@corp")
    item, _ = plan_user(blocked, DEFAULTS, OCCASION).items
    assert (item.kind, item.key_id) == (Kind.BLOCKED, OLD)


def test_a_replacement_blocked_by_two_active_keys_suggests_what_can_be_undone() -> None:
    (*_, item) = plan_user(user(key(200, used=0), key(100, used=0, id=NEW)), DEFAULTS, OCCASION).items
    assert (item.kind, item.key_id) == (Kind.BLOCKED_BY_PAIR, OLD)


def test_only_a_plan_that_settles_an_interrupted_replacement_is_followed_by_another() -> None:
    settled = {
        case for case, (observed, _) in CASES.items() if plan_user(observed, DEFAULTS, OCCASION).settles
    }
    assert settled == {
        case for case, (observed, _) in CASES.items() if f"{PREFIX}pending" in observed.tags
    } - {
        "interrupted in another Region: left to that Region's run",
        "interrupted a moment ago: that run may still be going",
    }


def test_the_order_in_which_iam_lists_keys_does_not_matter() -> None:
    for observed, _ in CASES.values():
        turned = replace(observed, keys=observed.keys[::-1])
        assert summary(plan_user(turned, DEFAULTS, OCCASION)) == summary(
            plan_user(observed, DEFAULTS, OCCASION)
        )


def test_every_rule_is_met_by_some_case() -> None:
    met = {
        step.rule for observed, _ in CASES.values() for step in plan_user(observed, DEFAULTS, OCCASION).steps
    }
    assert met == {rule.__name__ for rule in RULES}


def test_whoever_is_left_out_of_the_order_has_an_empty_plan() -> None:
    for observed, _ in CASES.values():
        if not may_concern(observed.listed, DEFAULTS, OCCASION.now) and not observed.unread:
            assert plan_user(observed, DEFAULTS, OCCASION).steps == ()


@pytest.mark.parametrize(
    ("observed", "named"),
    [
        (user(), False),
        (user(key(66, used=0)), False),
        (user(key(67)), True),
        (user(off(1)), True),
        (user(off(100), key(20), tags=marked(22)), False),
        (user(off(100), key(21, id=NEW), tags=marked(23)), True),
        (user(off(100), key(67, id=NEW), tags=marked(1)), True),
        (user(key(80), key(5, id=NEW)), False),
        (user(key(80), key(6, id=NEW)), True),
        (user(key(80), key(7, id=NEW)), True),
        (user(key(75), key(1, id=NEW), tags={f"{PREFIX}owner": "payments"}), False),
        (user(key(75), key(1, id=NEW), tags={f"{PREFIX}replace": "leaked"}), True),
        (user(key(75), key(1, id=NEW), tags={f"{PREFIX}pending": "?"}), True),
        (user(key(20), tags=marked(3)), True),
        (user(tags={f"{PREFIX}exempt": "2027-01-01"}), True),
        (user(tags={"exempt": "2027-01-01"}), True),
        (user(tags={"Team": "payments"}), False),
    ],
)
def test_the_scanner_names_those_whom_dates_and_tags_do_not_rule_out(observed: User, named: bool) -> None:  # noqa: FBT001
    assert may_concern(observed.listed, DEFAULTS, OCCASION.now) is named


def test_unused_days_below_the_issue_age_bring_a_key_into_the_order_earlier() -> None:
    assert may_concern(user(key(54)).listed, Policy(unused_days=60), OCCASION.now) is True
    assert may_concern(user(key(52)).listed, Policy(unused_days=60), OCCASION.now) is False


def test_under_the_cap_work_in_flight_goes_first_then_the_oldest_keys_then_deletions() -> None:
    in_flight = user(key(88, used=1), key(14, used=0, id=NEW), stored=NEW, name="in-flight")
    older = user(key(300, used=0), name="older")
    younger = user(key(80, used=0), name="younger")
    deletion = user(off(500), key(40, used=0, id=NEW), tags=marked(30), name="deletion")
    plans = [plan_user(each, DEFAULTS, OCCASION) for each in (deletion, younger, older, in_flight)]
    assert [plan.user.name for plan in sorted(plans, key=urgency)] == [
        "in-flight",
        "older",
        "younger",
        "deletion",
    ]
