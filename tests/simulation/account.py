"""One account: what the rotator looks at, and its actions carried out in an order that may break off."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import assert_never

from keyrotation import tags as tag
from keyrotation.actions import (
    Action,
    Deactivate,
    Delete,
    DeleteOrphan,
    ForgetMarks,
    Hold,
    MarkInactive,
    Plan,
    Promote,
    Replace,
)
from keyrotation.apply import Done, Outcome
from keyrotation.model import INACTIVE, User, secret_name, version_id
from keyrotation.replacement import Issued

from tests.simulation.iam import Iam, Refused, UserRecord
from tests.simulation.secrets_manager import CURRENT, PENDING, SecretsManager

REGION = "eu-west-1"


class BrokeOff(Exception):
    """The run died here; what was done so far stays."""


def goes_on(_step: str) -> None:
    """No fault: the default for what is called between any two effects."""


@dataclass
class Account:
    """`between` is called by name after each step of a replacement and may raise BrokeOff."""

    iam: Iam = field(default_factory=Iam)
    secrets: SecretsManager = field(default_factory=SecretsManager)
    between: Callable[[str], None] = goes_on

    def look(self, user_name: str) -> User:
        user = self.iam.users[user_name]
        return User(
            name=user_name,
            arn=f"arn:aws:iam::123456789012:user/{user_name}",
            keys=tuple(user.keys.values()),
            tags=dict(user.tags),
            secret=self.secrets.describe(secret_name(user_name)),
        )

    def act(self, plan: Plan, now: datetime) -> Outcome:
        done: list[Done] = []
        failure = None
        for action in plan.actions:
            try:
                done.append(self._do(self.iam.users[plan.user.name], action, now))
            except (Refused, BrokeOff) as error:
                failure = f"{type(action).__name__}: {error!r}"
                break
        return Outcome(plan=plan, done=tuple(done), failure=failure)

    def _do(self, user: UserRecord, action: Action, now: datetime) -> Done:
        issued = None
        match action:
            case ForgetMarks(tag_keys=tag_keys):
                self.iam.untag_user(user.name, tag_keys)
            case MarkInactive(key_id=key_id, on=on):
                self.iam.tag_user(user.name, tag.INACTIVE_SINCE + key_id, str(on))
            case Hold(key_id=key_id, until=until, reason=reason, instead_of=marks):
                self.iam.tag_user(user.name, tag.HELD_UNTIL + key_id, f"{until} {reason}")
                self.iam.untag_user(user.name, marks)
            case Deactivate(key_id=key_id, on=on):
                self.iam.update_access_key(user.name, key_id, INACTIVE)
                self.iam.tag_user(user.name, tag.INACTIVE_SINCE + key_id, str(on))
            case Delete(key_id=key_id, tag_keys=tag_keys):
                self.iam.delete_access_key(user.name, key_id)
                self.iam.untag_user(user.name, tag_keys)
            case DeleteOrphan(key_id=key_id):
                self.iam.delete_access_key(user.name, key_id)
            case Promote(key_id=key_id):
                self._ready(user)
                issued = self._promoted(user, key_id)
            case Replace(tag_keys_done=tag_keys_done):
                issued = self._replaced(user, now)
                self.iam.untag_user(user.name, (tag.PENDING, *tag_keys_done))
            case _:
                assert_never(action)
        return Done(action=action, issued=issued)

    def _replaced(self, user: UserRecord, now: datetime) -> Issued:
        """The steps of docs/design.md section 5."""
        name = secret_name(user.name)
        self._ready(user)
        self.between("ready")
        pending = tag.Pending(since=now, region=REGION, run_id="simulated", key_ids=tuple(user.keys))
        self.iam.tag_user(user.name, tag.PENDING, str(pending))
        self.between("pending")
        key = self.iam.create_access_key(user.name, created=now + timedelta(seconds=2))
        self.between("created")
        self.secrets.put(name, version=version_id(key.id), key_id=key.id, stage=PENDING)
        self.between("stored")
        self.iam.use(key.id, at=now + timedelta(seconds=12), service="sts", region="us-east-1")
        self.between("proved")
        issued = self._promoted(user, key.id)
        self.between("promoted")
        return issued

    def _ready(self, user: UserRecord) -> None:
        name = secret_name(user.name)
        if name not in self.secrets.secrets:
            self.secrets.create(name)
        self.secrets.restore(name)

    def _promoted(self, user: UserRecord, key_id: str) -> Issued:
        name = secret_name(user.name)
        self.secrets.move(name, stage=CURRENT, to=version_id(key_id))
        self.secrets.move(name, stage=PENDING, to=None)
        return Issued(key_id=key_id, secret_name=name)
