"""Builders for observations: a fixed day, and one-line keys, users and memories told by their ages."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from keyrotation.decide.actions import Plan
from keyrotation.decide.plan import plan_user
from keyrotation.memory import KeyMemory, Memory, Notice, What, Why
from keyrotation.model import (
    ACTIVE,
    CURRENT_STAGE,
    INACTIVE,
    PENDING_STAGE,
    STORE,
    Key,
    LastUse,
    NotLookedUp,
    Occasion,
    Secret,
    User,
    version_id,
)
from keyrotation.policy import Policy

TODAY = date(2026, 11, 22)
OLD, NEW, THIRD = "AKIAOLDOLDOLDOLDOLD1", "AKIANEWNEWNEWNEWNEW1", "AKIATHIRDTHIRDTHIRD1"
USER_ID = "AIDACAROLCAROLCAROL01"
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:access-keys/carol/credentials-AbCdEf"


OCCASION = Occasion(
    now=datetime.combine(TODAY, time(6), tzinfo=UTC),
    region="eu-west-1",
    function_timeout=timedelta(minutes=15),
    listeners=1,
)
AUDIT = replace(OCCASION, enforce=False)
DEAF = replace(OCCASION, listeners=0)


def days_ago(days: int) -> date:
    return TODAY - timedelta(days=days)


def at(day: date, hour: int = 12) -> datetime:
    return datetime.combine(day, time(hour), tzinfo=UTC)


def key(
    age: int, *, used: int | None = None, id: str = OLD, status: str = ACTIVE, service: str = "s3"
) -> Key:
    """A key made `age` days ago and last used `used` days ago; None: never."""
    last_use = None if used is None else LastUse(at=at(days_ago(used)), service=service, region="eu-west-1")
    return Key(id=id, status=status, created=at(days_ago(age), 6), last_use=last_use)


def off(age: int, *, used: int | None = None, id: str = OLD) -> Key:
    return key(age, used=used, id=id, status=INACTIVE)


def notice(why: Why, ahead: int, *, told: int = 1) -> Notice:
    """Of a day `ahead` days from today, last told `told` days ago."""
    what = What.DELETE if why is Why.INACTIVE else What.SWITCH_OFF
    return Notice(what=what, why=why, day=days_ago(-ahead), told=days_ago(told))


def known(
    *,
    issued: int | None = None,
    off: int | None = None,
    back: int | None = None,
    notice: Notice | None = None,
) -> KeyMemory:
    """What is remembered of a key: issued, off since, back on, each so many days ago."""
    return KeyMemory(
        issued_on=None if issued is None else days_ago(issued),
        secret_arn=None if issued is None else SECRET,
        off_since=None if off is None else days_ago(off),
        back_on=None if back is None else days_ago(back),
        notice=notice,
    )


def user(
    *keys: Key,
    tags: Mapping[str, str] | None = None,
    stored: str | None = None,
    staged: str | None = None,
    name: str = "carol",
    memory: Mapping[str, KeyMemory] | None = None,
) -> User:
    """`stored`: the id of the key that AWSCURRENT holds, issued on the day it was made unless `memory` says otherwise.

    `staged`: of the one that AWSPENDING holds. `memory`: what is remembered of keys.
    """
    stages = {
        version_id(key_id): frozenset({stage})
        for key_id, stage in ((stored, CURRENT_STAGE), (staged, PENDING_STAGE))
        if key_id is not None
    }
    arn = f"arn:aws:iam::123456789012:user/{name}"
    remembered = dict(memory or {})
    for each in keys:
        if each.id == stored and remembered.get(stored, KeyMemory()).issued_on is None:
            before = remembered.get(stored, KeyMemory())
            remembered[stored] = replace(before, issued_on=each.created_on, secret_arn=SECRET)
    return User(
        name=name,
        id=USER_ID,
        arn=arn,
        keys=keys,
        tags=tags or {},
        secret=Secret(stages=stages, deleted=False) if stages else None,
        memory=Memory(
            user_id=USER_ID,
            name=name,
            secret_arn=SECRET if stages else None,
            policy_arn=arn if stages else None,
            keys=remembered,
        ),
    )


def asked_for(user: User, policy: Policy, occasion: Occasion = OCCASION) -> tuple[Plan, list[str]]:
    """The plan of somebody of whom only that is looked up which the rules ask for, and what that was, in order."""
    seen = user.listed
    asked: list[str] = []
    while True:
        try:
            return plan_user(seen, policy, occasion), asked
        except NotLookedUp as missing:
            asked.append(missing.what)
            if missing.what == STORE:
                seen = replace(seen, secret=user.secret)
            else:
                facts = {key.id: key for key in user.keys}
                keys = (facts[key.id] if key.id == missing.what else key for key in seen.keys)
                seen = replace(seen, keys=tuple(keys))
