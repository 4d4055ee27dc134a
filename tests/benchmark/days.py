"""Three kinds of day, each an account as the morning's run finds it."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime, timedelta

from keyrotation.act.secret_policy import secret_policy
from keyrotation.decide.notices import to_be_told
from keyrotation.memory import KeyMemory, Memory, Notice, OffReason, What, Why
from keyrotation.model import INACTIVE, secret_name, version_id
from keyrotation.policy import Policy
from keyrotation.remember.items import to_item

from tests.simulation.account import Account
from tests.simulation.iam import KeyRecord

POLICY = Policy()
# The owner installs the new key on this day of the overlap.
MOVES_ON = 3
ROTATOR_ROLE_ARN = "arn:aws:iam::123456789012:role/access-key-rotation-rotator"
# Nothing is due or announced before this age.
_SILENT = POLICY.issue_age - POLICY.warn_days


def quiet(account: Account, users: int) -> None:
    """Nothing in flight, nothing due, nothing to announce: one key each, young enough and in use."""
    for number in range(users):
        name = _user(account, number)
        key = _key(account, name, age=1 + number % (_SILENT - 1))
        _use(account, key, number)


def steady(account: Account, users: int) -> None:
    """The default policy's own mix. The newest keys are 1 to 74 days old, evenly: a run is due for the last.

    The elder was 74 days old then. It goes off when its successor is 14 days old, and is deleted 30 days later: the
    runs of those days are due as well.
    """
    off = POLICY.overlap_days
    for number in range(users):
        name = _user(account, number)
        age = _age(number)
        elder = _key(account, name, age=age + POLICY.issue_age)
        successor = _key(account, name, age=age)
        _store(account, name, elder, successor)
        memory = _handed_over(account, name, successor)
        if age < MOVES_ON:
            _use(account, elder, number)
            # As the rotator proved it.
            account.iam.use(successor.id, at=successor.created + timedelta(seconds=15), service="sts")
        else:
            moved = successor.created + timedelta(days=MOVES_ON, hours=-12)
            account.iam.use(elder.id, at=moved, service="s3")
            _use(account, successor, number)
        if off < age <= off + POLICY.delete_after_days:
            account.iam.update_access_key(name, elder.id, INACTIVE)
            since = successor.created_on + timedelta(days=off)
            notice = _notice(account, Why.INACTIVE, given=since, days=POLICY.delete_after_days)
            memory = memory.with_key(elder.id, off_since=since, off_because=OffReason.QUIET, notice=notice)
        elif age > off:
            account.iam.delete_access_key(name, elder.id)
        else:
            notice = _notice(account, Why.OVERLAP, given=successor.created_on, days=off)
            memory = memory.with_key(elder.id, notice=notice)
        account.table.items[memory.user_id] = dict(to_item(memory))


def first(account: Account, users: int) -> None:
    """The first run in an account: one key each, years old and in use, and no secret anywhere."""
    for number in range(users):
        name = _user(account, number)
        key = _key(account, name, age=400 + number % 1000)
        _use(account, key, number)


DAYS: dict[str, Callable[[Account, int], None]] = {"quiet": quiet, "steady": steady, "first": first}


def due(day: str, users: int) -> int:
    """How many users have a change of a key due."""
    if day != "steady":
        return users if day == "first" else 0
    off = POLICY.overlap_days
    ages = {off, off + POLICY.delete_after_days, POLICY.issue_age}
    return sum(_age(number) in ages for number in range(users))


def account_on(day: str, *, users: int, now: datetime) -> Account:
    account = Account(now=now)
    DAYS[day](account, users)
    return account


def _age(number: int) -> int:
    """Of the newest key on the steady day."""
    return 1 + number % POLICY.issue_age


def _user(account: Account, number: int) -> str:
    name = f"user-{number:04d}"
    account.iam.create_user(name)
    account.iam.tag_user(name, "team", f"team-{number % 40}")
    return name


def _key(account: Account, name: str, *, age: int) -> KeyRecord:
    return account.iam.create_access_key(name, created=account.now - timedelta(days=age))


def _use(account: Account, key: KeyRecord, number: int) -> None:
    """Today or half a day ago."""
    at = account.now - timedelta(hours=12 * (number % 2))
    account.iam.use(key.id, at=at, service="s3")


def _store(account: Account, name: str, *keys: KeyRecord) -> None:
    """One key after the other, as the product stores them."""
    secret = secret_name(name)
    for key in keys:
        version = version_id(key.id)
        value = json.dumps({"UserName": name, "AccessKeyId": key.id, "SecretAccessKey": key.secret})
        if secret not in account.secrets.secrets:
            account.secrets.create(
                secret, token=version, value=value, description="written by access-key-rotation"
            )
        account.secrets.put(secret, token=version, value=value, stages=("AWSCURRENT",))
    user = account.iam.users[name]
    account.secrets.live(secret).policy = secret_policy(
        user_arn=user.arn, user_id=user.id, reader_arns=(), rotator_role_arn=ROTATOR_ROLE_ARN
    )


def _handed_over(account: Account, name: str, key: KeyRecord) -> Memory:
    """What is remembered once a replacement is finished."""
    user, arn = account.iam.users[name], account.secrets.live(secret_name(name)).arn
    issued = KeyMemory(issued_on=key.created_on, secret_arn=arn)
    return Memory(
        user_id=user.id, revision=1, name=name, secret_arn=arn, policy_arn=user.arn, keys={key.id: issued}
    )


def _notice(account: Account, why: Why, *, given: date, days: int) -> Notice:
    """As it is this morning: told again on every day on which the product tells one again."""
    what = What.DELETE if why is Why.INACTIVE else What.SWITCH_OFF
    notice = Notice(what=what, why=why, day=given + timedelta(days=days), told=given)
    for ago in range((account.now.date() - given).days - 1, 0, -1):
        day = account.now.date() - timedelta(days=ago)
        if to_be_told(notice, POLICY, day):
            notice = replace(notice, told=day)
    return notice
