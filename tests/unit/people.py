"""Builders for observations: a fixed day, and one-line keys and users told by their ages."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta

from keyrotation.decide.actions import Plan
from keyrotation.decide.plan import plan_user
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


OCCASION = Occasion(
    now=datetime.combine(TODAY, time(6), tzinfo=UTC),
    region="eu-west-1",
    function_timeout=timedelta(minutes=15),
    listeners=1,
)


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


def user(
    *keys: Key,
    tags: Mapping[str, str] | None = None,
    stored: str | None = None,
    staged: str | None = None,
    name: str = "carol",
) -> User:
    """`stored`: the id of the key that AWSCURRENT holds; `staged`: of the one that AWSPENDING holds."""
    stages = {
        version_id(key_id): frozenset({stage})
        for key_id, stage in ((stored, CURRENT_STAGE), (staged, PENDING_STAGE))
        if key_id is not None
    }
    return User(
        name=name,
        arn=f"arn:aws:iam::123456789012:user/{name}",
        keys=keys,
        tags=tags or {},
        secret=Secret(stages=stages, deleted=False) if stages else None,
    )


def asked_for(user: User, policy: Policy) -> tuple[Plan, list[str]]:
    """The plan of somebody of whom only that is looked up which the rules ask for, and what that was, in order."""
    seen = user.listed
    asked: list[str] = []
    while True:
        try:
            return plan_user(seen, policy, OCCASION), asked
        except NotLookedUp as missing:
            asked.append(missing.what)
            if missing.what == STORE:
                seen = replace(seen, secret=user.secret)
            else:
                facts = {key.id: key for key in user.keys}
                keys = (facts[key.id] if key.id == missing.what else key for key in seen.keys)
                seen = replace(seen, keys=tuple(keys))
