"""Who still uses a key: what CloudTrail recorded of it, for whoever has to find the program that holds it."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from keyrotation.causes import cause_of
from keyrotation.decide.actions import Deactivate, Level, Plan
from keyrotation.memory import OffReason
from keyrotation.model import Key, Use

if TYPE_CHECKING:
    from mypy_boto3_cloudtrail import CloudTrailClient

# LookupEvents allows two requests a second per account and Region; others want some of them.
SECONDS_BETWEEN = 1.0
# The day of the last use and the day before: IAM records it a while after CloudTrail does.
LOOK_BACK = timedelta(days=2)
_MOST_KEYS = 25
_MOST_USES = 3
_MOST_EVENTS = 3


def keys_in_question(plans: Sequence[Plan], today: date) -> list[Key]:
    """The keys whose use people have to follow up, those with the nearest day first; as many as a mail lists."""
    asked = {
        item.key_id: item.by or today
        for plan in plans
        for item in plan.items
        if item.level is Level.ATTENTION and item.key_id is not None
    }
    asked |= {
        action.key_id: today
        for plan in plans
        for action in plan.actions
        if isinstance(action, Deactivate) and action.reason is OffReason.FORCED
    }
    keys = [key for plan in plans for key in plan.user.keys if key.id in asked and key.asked and key.used_on]
    return sorted(keys, key=lambda key: (asked[key.id], key.id))[:_MOST_KEYS]


def who_uses(
    keys: Iterable[Key],
    *,
    trail_in: Callable[[str], "CloudTrailClient"],
    sleep: Callable[[float], None],
    time_left: Callable[[], bool],
    miss: Callable[[str, str], None],
) -> dict[str, tuple[Use, ...]]:
    """What CloudTrail recorded of each key around its last use, in the Region of that use.

    Best effort: `miss` is told the key id and the cause of what could not be looked up, and the mail does without.
    """
    found = {}
    for key in keys:
        if (use := key.use) is None or not time_left():
            continue
        try:
            found[key.id] = tuple(_uses(trail_in(use.region), key.id, around=use.at))
        except Exception as error:  # noqa: BLE001  # a record of any shape must not stop a run that has acted
            miss(key.id, cause_of(error))
        sleep(SECONDS_BETWEEN)
    return found


def _uses(trail: "CloudTrailClient", key_id: str, *, around: datetime) -> Iterator[Use]:
    """Up to three distinct callers, the latest first, each with what it called."""
    answer = trail.lookup_events(
        LookupAttributes=[{"AttributeKey": "AccessKeyId", "AttributeValue": key_id}],
        StartTime=around - LOOK_BACK,
        MaxResults=50,
    )
    events: dict[tuple[str, str], dict[str, None]] = {}
    for each in answer["Events"]:
        record = json.loads(each.get("CloudTrailEvent", "{}"))
        # CloudTrail leaves out, or sets to null, what it does not know.
        source, agent, name = record.get("sourceIPAddress"), record.get("userAgent"), each.get("EventName")
        events.setdefault((str(source or "unknown"), str(agent or "unknown")), {})[str(name or "unknown")] = (
            None
        )
    for (source, user_agent), names in list(events.items())[:_MOST_USES]:
        yield Use(source=source, user_agent=user_agent, events=tuple(names)[:_MOST_EVENTS])
