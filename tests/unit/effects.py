"""Actions carried out on an observation: the user, memory included, as the next look would find them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from keyrotation.decide import remembering
from keyrotation.decide import tags as tag
from keyrotation.decide.actions import (
    Action,
    Deactivate,
    Delete,
    DeleteOrphan,
    MendPolicy,
    Promote,
    Recall,
    Replace,
    SettlePending,
)
from keyrotation.memory import Memory
from keyrotation.model import (
    ACTIVE,
    CURRENT_STAGE,
    INACTIVE,
    PENDING_STAGE,
    Key,
    LastUse,
    Secret,
    User,
    version_id,
)

from tests.unit.people import SECRET


def applied(user: User, actions: Iterable[Action], now: datetime, *, told: bool = True) -> User:
    """All of them done; `told`: and the message that tells of them was heard, so that its notices are remembered.

    IAM's own refusals are asserted: a third key, an action on a key that is gone.
    """
    for action in actions:
        user = done(user, action, now)
        if told:
            user = replace(user, memory=remembering.after(user.memory, action))
    return user


def done(user: User, action: Action, now: datetime) -> User:
    """Memory before the effect, the effect, and what the effect itself makes known."""
    user = replace(user, memory=remembering.before(user.memory, action))
    match action:
        case Deactivate(key_id=key_id):
            _known(user, key_id)
            keys = tuple(replace(key, status=INACTIVE) if key.id == key_id else key for key in user.keys)
            return replace(user, keys=keys)
        case Delete(key_id=key_id) | DeleteOrphan(key_id=key_id):
            _known(user, key_id)
            return replace(user, keys=tuple(key for key in user.keys if key.id != key_id))
        case Promote(key_id=key_id) | Recall(key_id=key_id):
            return replace(_promoted(user, key_id), memory=issued(user, key_id, now))
        case Replace(asked=asked):
            assert len(user.keys) < 2, "IAM refuses a third key"
            # As IAM will tell it: our own proof of the new key is a use.
            proof = LastUse(at=now + timedelta(seconds=5), service="sts", region="us-east-1")
            made = Key(id=f"AKIAMADE{now:%Y%m%d%H%M}", status=ACTIVE, created=now, last_use=proof)
            user = _promoted(replace(user, keys=(*user.keys, made)), made.id)
            user = replace(user, memory=replace(issued(user, made.id, now), pending=None))
            return _unasked(user) if asked else user
        case SettlePending(asked=asked):
            user = replace(user, memory=remembering.after(user.memory, action))
            return _unasked(user) if asked else user
        case MendPolicy():
            return replace(user, memory=remembering.after(user.memory, action))
        case _:
            return user


def issued(user: User, key_id: str, now: datetime) -> Memory:
    arn = user.memory.secret_arn or SECRET
    return remembering.issued(user.memory, key_id, on=now.date(), secret_arn=arn, user_arn=user.arn)


def _known(user: User, key_id: str) -> None:
    assert key_id in {key.id for key in user.keys}, "NoSuchEntity"


def _unasked(user: User) -> User:
    return replace(user, tags={key: value for key, value in user.tags.items() if key != tag.REPLACE})


def _promoted(user: User, key_id: str) -> User:
    stages = dict(user.the_secret.stages) if user.the_secret else {}
    stages = {version: labels - {CURRENT_STAGE, PENDING_STAGE} for version, labels in stages.items()}
    stages = {version: labels for version, labels in stages.items() if labels}
    stages[version_id(key_id)] = frozenset({CURRENT_STAGE})
    return replace(user, secret=Secret(stages=stages, deleted=False))
