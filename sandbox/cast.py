"""The demo's users: between them in every state that the rotation knows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from uuid import uuid4

from keyrotation.memory import Memory, Notice, What, Why
from keyrotation.remember.table import TABLE_NAME, Table

from sandbox.account import EmulatedAccount
from sandbox.clients import Key

_TAG = "access-key-rotation:"


@dataclass(frozen=True, kw_only=True)
class SeededNotice:
    """People were told yesterday that this will happen in `days` days (before today: negative)."""

    why: Why
    days: int


@dataclass(frozen=True, kw_only=True)
class SeededKey:
    """Made `age` days ago, last used `used` days ago (None: never).

    `stored`: issued by this system, and AWSCURRENT of the secret. `inactive_for`: known to be off for so many days.
    """

    age: int
    used: int | None = None
    active: bool = True
    stored: bool = False
    inactive_for: int | None = None
    notice: SeededNotice | None = None


@dataclass(frozen=True, kw_only=True)
class Person:
    """`fate`: what the run is expected to do, as the demo's check knows it."""

    name: str
    story: str
    keys: tuple[SeededKey, ...] = ()
    fate: str = "untouched"
    tags: Mapping[str, str] = field(default_factory=dict)
    reads_all_secrets: bool = False
    path: str = "/"


def overlap(days: int) -> SeededNotice:
    return SeededNotice(why=Why.OVERLAP, days=days)


def cast(today: date) -> tuple[Person, ...]:
    """Everybody, the calm ones first."""
    return (
        Person(name="ava", story="a fresh key", keys=(SeededKey(age=12, used=0),)),
        Person(name="kim", story="console only, no key"),
        Person(
            name="dan",
            story="replaced 6 days ago, both keys work",
            keys=(SeededKey(age=80, used=1, notice=overlap(8)), SeededKey(age=6, used=0, stored=True)),
        ),
        Person(
            name="june",
            story="far over the threshold, but exempt",
            keys=(SeededKey(age=300, used=2),),
            tags={f"{_TAG}exempt": f"{today + timedelta(days=60)} vendor appliance"},
        ),
        Person(
            name="lena",
            story="has secretsmanager:* and is curious",
            keys=(SeededKey(age=20, used=0),),
            reads_all_secrets=True,
        ),
        Person(
            name="ben",
            story="due: 75 days old",
            keys=(SeededKey(age=75, used=0),),
            fate="replaced",
            tags={f"{_TAG}owner": "team-payments"},
        ),
        Person(
            name="cleo", story="far over the threshold", keys=(SeededKey(age=412, used=3),), fate="replaced"
        ),
        Person(
            name="data+etl,nightly@corp",
            story="due, with an odd name",
            keys=(SeededKey(age=88, used=1),),
            fate="replaced",
        ),
        Person(
            name="eva",
            story="past the off date, the old key is quiet",
            keys=(SeededKey(age=90, used=11, notice=overlap(-2)), SeededKey(age=16, used=0, stored=True)),
            fate="switched off",
        ),
        Person(
            name="finn",
            story="past the off date, the old key is in use",
            keys=(SeededKey(age=90, used=1, notice=overlap(-2)), SeededKey(age=16, used=0, stored=True)),
            fate="noticed",
        ),
        Person(
            name="gus",
            story="unused for long, as was announced",
            keys=(SeededKey(age=200, used=120, notice=SeededNotice(why=Why.UNUSED, days=0)),),
            fate="switched off",
        ),
        Person(
            name="noor",
            story="unused for long, and nobody was told yet",
            keys=(SeededKey(age=200, used=120),),
            fate="noticed",
        ),
        Person(
            name="hana",
            story="a key inactive long ago",
            keys=(
                SeededKey(
                    age=150,
                    used=60,
                    active=False,
                    inactive_for=45,
                    notice=SeededNotice(why=Why.INACTIVE, days=-1),
                ),
                SeededKey(age=50, used=0),
            ),
            fate="deleted",
        ),
        Person(
            name="ivo",
            story="two keys of two applications",
            keys=(SeededKey(age=140, used=0), SeededKey(age=101, used=1)),
            fate="reported",
        ),
    )


def seed(account: EmulatedAccount, people: tuple[Person, ...], now: datetime) -> dict[str, list[Key]]:
    """Make the users, keys, tags, secrets and what is remembered of them; the keys by user, the oldest first.

    The stack is there, and its table with it. Only root may write into that besides the rotator.
    """
    keys = {}
    for person in people:
        oldest = max((key.age for key in person.keys), default=0)
        with account.seed_clock(days_ago=oldest + 30):
            user = account.client("iam").create_user(
                UserName=person.name,
                Path=person.path,
                Tags=[{"Key": k, "Value": v} for k, v in person.tags.items()],
            )["User"]
        keys[person.name] = [_seed_key(account, person, key, now) for key in person.keys]
        memory = Memory(user_id=user["UserId"], name=person.name)
        for seeded, key in zip(person.keys, keys[person.name], strict=True):
            if seeded.stored:
                memory = _with_secret(memory, _store(account, person.name, key), user["Arn"])
            memory = _remembered(memory, seeded, key, now.astimezone(UTC).date())
        if memory != Memory(user_id=user["UserId"], name=person.name):
            table_of(account).save(memory, run_id="seeded")
        if person.reads_all_secrets:
            statement = {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*"}
            account.client("iam").put_user_policy(
                UserName=person.name,
                PolicyName="reads-all-secrets",
                PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
            )
    return keys


def _seed_key(account: EmulatedAccount, person: Person, seeded: SeededKey, now: datetime) -> Key:
    iam = account.client("iam")
    with account.seed_clock(days_ago=seeded.age):
        made = iam.create_access_key(UserName=person.name)["AccessKey"]
    key = Key(key_id=made["AccessKeyId"], secret=made["SecretAccessKey"])
    if seeded.used is not None:
        account.set_last_used(key.key_id, at=now - timedelta(days=seeded.used), region="eu-west-1")
    if not seeded.active:
        iam.update_access_key(UserName=person.name, AccessKeyId=key.key_id, Status="Inactive")
    return key


def table_of(account: EmulatedAccount) -> Table:
    return Table(client=account.client("dynamodb"), name=TABLE_NAME, fresh=lambda: uuid4().hex)


def _with_secret(memory: Memory, arn: str, user_arn: str) -> Memory:
    return replace(memory, secret_arn=arn, policy_arn=user_arn)


def _remembered(memory: Memory, seeded: SeededKey, key: Key, today: date) -> Memory:
    """As earlier runs would have left it."""
    if seeded.stored:
        issued_on = today - timedelta(days=seeded.age)
        memory = memory.with_key(key.key_id, issued_on=issued_on, secret_arn=memory.secret_arn)
    if seeded.inactive_for is not None:
        memory = memory.with_key(key.key_id, off_since=today - timedelta(days=seeded.inactive_for))
    if (told := seeded.notice) is not None:
        notice = Notice(
            what=What.DELETE if told.why is Why.INACTIVE else What.SWITCH_OFF,
            why=told.why,
            day=today + timedelta(days=told.days),
            told=today - timedelta(days=1),
        )
        memory = memory.with_key(key.key_id, notice=notice)
    return memory


def _store(account: EmulatedAccount, user_name: str, key: Key) -> str:
    """As a replacement of some days ago left it: the version's id names the key (docs/design.md section 6). Its ARN."""
    secrets = account.client("secretsmanager")
    name = f"access-keys/{user_name.replace(',', '/comma/')}/credentials"
    made = secrets.create_secret(
        Name=name, Description=f"Access key of the IAM user {user_name}, written by access-key-rotation"
    )
    secrets.put_secret_value(
        SecretId=name,
        ClientRequestToken=f"{key.key_id}-access-key-rotation",
        SecretString=json.dumps(
            {"UserName": user_name, "AccessKeyId": key.key_id, "SecretAccessKey": key.secret}
        ),
    )
    return made["ARN"]
