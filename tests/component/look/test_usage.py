"""Who still uses a key: what CloudTrail is asked, what is made of its answers, and that nothing hangs on them."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber
from keyrotation.decide.actions import Deactivate, Item, Level, Plan, Step
from keyrotation.look.usage import SECONDS_BETWEEN, keys_in_question, who_uses
from keyrotation.memory import OffReason, Why
from keyrotation.model import UNASKED, Key, LastUse, Use, User

from tests.component.account import NOW, TODAY, Account
from tests.component.calls import Calls
from tests.component.deployment import Deployment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_cloudtrail import CloudTrailClient

LAST = LastUse(at=NOW - timedelta(hours=5), service="s3", region="eu-west-1")
KEY = Key(id="AKIAOLDOLDOLDOLDOLD1", status="Active", created=NOW - timedelta(days=90), last_use=LAST)


def event(name: str, source: str, agent: str) -> dict[str, Any]:
    record = {"sourceIPAddress": source, "userAgent": agent}
    return {"EventName": name, "CloudTrailEvent": json.dumps(record)}


@pytest.fixture
def trail() -> "Iterator[CloudTrailClient]":
    client = boto3.session.Session(region_name="eu-west-1").client("cloudtrail")
    yield client
    client.close()


def looked_up(
    trail: "CloudTrailClient", *keys: Key, answers: list[Any], lookups: int | None = None
) -> tuple[dict[str, tuple[Use, ...]], list[tuple[str, str]], list[str], list[float]]:
    """What was found, what was missed, the Regions asked, the pauses."""
    missed: list[tuple[str, str]] = []
    regions: list[str] = []
    pauses: list[float] = []

    def trail_in(region: str) -> "CloudTrailClient":
        regions.append(region)
        return trail

    with Stubber(trail) as stub:
        for answer in answers:
            if isinstance(answer, str):
                stub.add_client_error("lookup_events", answer)
            else:
                stub.add_response("lookup_events", {"Events": answer})
        found = who_uses(
            keys,
            trail_in=trail_in,
            sleep=pauses.append,
            time_left=lambda: lookups is None or len(regions) < lookups,
            miss=lambda key_id, cause: missed.append((key_id, cause)),
        )
        stub.assert_no_pending_responses()
    return found, missed, regions, pauses


def test_up_to_three_callers_are_told_the_latest_first_each_with_some_of_its_events(
    trail: "CloudTrailClient",
) -> None:
    answer = [
        event("PutObject", "10.0.0.1", "aws-cli/2"),
        event("GetObject", "10.0.0.2", "Boto3"),
        *(event(name, "10.0.0.1", "aws-cli/2") for name in ("PutObject", "ListBuckets", "GetObject", "Head")),
        event("GetObject", "10.0.0.3", "java"),
        event("GetObject", "10.0.0.4", "go"),
    ]

    found, missed, regions, _ = looked_up(trail, KEY, answers=[answer])

    assert found == {
        KEY.id: (
            Use(source="10.0.0.1", user_agent="aws-cli/2", events=("PutObject", "ListBuckets", "GetObject")),
            Use(source="10.0.0.2", user_agent="Boto3", events=("GetObject",)),
            Use(source="10.0.0.3", user_agent="java", events=("GetObject",)),
        )
    }
    assert (missed, regions) == ([], ["eu-west-1"])


def test_what_cloudtrail_does_not_know_is_unknown(trail: "CloudTrailClient") -> None:
    record = json.dumps({"sourceIPAddress": None, "userAgent": None})
    found, missed, _, _ = looked_up(trail, KEY, answers=[[{"CloudTrailEvent": record}]])
    assert found == {KEY.id: (Use(source="unknown", user_agent="unknown", events=("unknown",)),)}
    assert missed == []


def test_what_cannot_be_looked_up_or_read_is_missed_and_the_others_go_on_at_a_modest_rate(
    trail: "CloudTrailClient",
) -> None:
    keys = [replace(KEY, id=f"AKIA{number:016}") for number in range(3)]
    broken = [{"EventName": "GetObject", "CloudTrailEvent": "not JSON"}]

    found, missed, _, pauses = looked_up(trail, *keys, answers=["AccessDeniedException", broken, []])

    assert found == {keys[2].id: ()}
    assert [key_id for key_id, _ in missed] == [keys[0].id, keys[1].id]
    assert "AccessDeniedException" in missed[0][1]
    assert missed[1][1] == "JSONDecodeError"
    assert pauses == [SECONDS_BETWEEN] * 3


def test_it_ends_when_its_time_is_up_and_a_key_never_used_is_not_looked_up(trail: "CloudTrailClient") -> None:
    keys = [replace(KEY, id=f"AKIA{number:016}") for number in range(3)]

    found, missed, regions, _ = looked_up(
        trail, replace(KEY, last_use=None), *keys, answers=[[], []], lookups=2
    )

    assert sorted(found) == [keys[0].id, keys[1].id]
    assert (missed, len(regions)) == ([], 2)


def planned(decision: Deactivate | Item, *, enforce: bool = True, key: Key = KEY) -> Plan:
    user = User(name="carol", keys=(key,))
    return Plan(user=user, owner="", steps=(Step(rule="a_rule", decision=decision),), enforce=enforce)


@pytest.mark.parametrize(("reason", "asked"), [(each, each is OffReason.FORCED) for each in OffReason])
def test_of_keys_that_go_off_only_one_in_use_is_in_question(*, reason: OffReason, asked: bool) -> None:
    off = Deactivate(key_id=KEY.id, on=TODAY, reason=reason, why="its day has come", in_secret=False)
    assert keys_in_question([planned(off)], TODAY) == [KEY] * asked
    assert keys_in_question([planned(off, enforce=False)], TODAY) == []


@pytest.mark.parametrize("level", Level)
def test_of_keys_that_are_told_of_only_those_that_ask_for_attention_are_in_question(level: Level) -> None:
    item = Item(level=level, text="look at this", key_id=KEY.id)
    assert keys_in_question([planned(item)], TODAY) == [KEY] * (level is Level.ATTENTION)


def test_a_key_whose_last_use_nobody_asked_for_is_in_no_question() -> None:
    item = Item(level=Level.ATTENTION, text="look at this", key_id=KEY.id)
    assert keys_in_question([planned(item, key=replace(KEY, last_use=UNASKED))], TODAY) == []


def test_the_keys_with_the_nearest_day_come_first_and_no_more_than_a_mail_lists() -> None:
    plans = []
    for number in range(30):
        key = replace(KEY, id=f"AKIA{number:016}")
        by = TODAY + timedelta(days=30 - number)
        item = Item(level=Level.ATTENTION, text="look at this", key_id=key.id, by=by)
        plans.append(planned(item, key=key))

    asked = [key.id for key in keys_in_question(plans, TODAY)]

    assert asked == [f"AKIA{number:016}" for number in range(29, 4, -1)]


def test_a_run_asks_only_for_keys_that_people_have_to_follow_up_and_goes_on_without_an_answer(
    account: Account, calls: Calls, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, elder_used in (("quiet", 20), ("held", 0)):
        account.add_user(name)
        elder = account.add_key(name, age=92, used=elder_used)
        account.store(name, account.add_key(name, age=16, used=1))
        account.notice(name, elder, Why.OVERLAP, days=0)
    calls.refuse("LookupEvents", "ThrottlingException")

    deployment.rotate(deployment.order("quiet", "held"))

    (asked,) = calls.of("LookupEvents")
    assert asked.params["LookupAttributes"] == [{"AttributeKey": "AccessKeyId", "AttributeValue": elder}]
    (mail,) = deployment.mails()
    assert "ACT by 12-06: 1 key in use goes off" in mail.subject
    assert "uses could not be looked up" in capsys.readouterr().out
