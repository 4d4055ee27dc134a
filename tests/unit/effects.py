"""Actions carried out on an observation: the user as the next look would find them."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import assert_never

from keyrotation.decide import actions
from keyrotation.decide import tags as tag
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


def applied(user: User, planned: Iterable[actions.Action], now: datetime) -> User:
    """IAM's own refusals are asserted: a third key, an action on a key that is gone."""
    for action in planned:
        user = _after(user, action, now)
    return user


def _after(user: User, action: actions.Action, now: datetime) -> User:
    match action:
        case actions.ForgetMarks(tag_keys=tag_keys):
            return _untagged(user, tag_keys)
        case actions.MarkInactive(key_id=key_id, on=on):
            return _tagged(user, tag.INACTIVE_SINCE + key_id, str(on))
        case actions.Hold(key_id=key_id, until=until, reason=reason, instead_of=marks):
            return _untagged(_tagged(user, tag.HELD_UNTIL + key_id, f"{until} {reason}"), marks)
        case actions.Deactivate(key_id=key_id, on=on):
            _known(user, key_id)
            keys = tuple(replace(key, status=INACTIVE) if key.id == key_id else key for key in user.keys)
            return _tagged(replace(user, keys=keys), tag.INACTIVE_SINCE + key_id, str(on))
        case actions.Delete(key_id=key_id, tag_keys=tag_keys):
            return _untagged(_without(user, key_id), tag_keys)
        case actions.DeleteOrphan(key_id=key_id):
            return _without(user, key_id)
        case actions.Promote(key_id=key_id):
            return _promoted(user, key_id)
        case actions.Replace(tag_keys_done=tag_keys_done):
            assert len(user.keys) < 2, "IAM refuses a third key"
            # As IAM will tell it: our own proof of the new key is a use.
            proof = LastUse(at=now + timedelta(seconds=5), service="sts", region="us-east-1")
            made = Key(id=f"AKIAMADE{now:%Y%m%d%H%M}", status=ACTIVE, created=now, last_use=proof)
            user = replace(user, keys=(*user.keys, made))
            return _untagged(_promoted(user, made.id), tag_keys_done)
        case _:
            assert_never(action)


def _known(user: User, key_id: str) -> None:
    assert key_id in {key.id for key in user.keys}, "NoSuchEntity"


def _without(user: User, key_id: str) -> User:
    _known(user, key_id)
    return replace(user, keys=tuple(key for key in user.keys if key.id != key_id))


def _tagged(user: User, key: str, value: str) -> User:
    return replace(user, tags={**user.tags, key: value})


def _untagged(user: User, tag_keys: tuple[str, ...]) -> User:
    return replace(user, tags={key: value for key, value in user.tags.items() if key not in tag_keys})


def _promoted(user: User, key_id: str) -> User:
    stages = dict(user.the_secret.stages) if user.the_secret else {}
    stages = {version: labels - {CURRENT_STAGE, PENDING_STAGE} for version, labels in stages.items()}
    stages = {version: labels for version, labels in stages.items() if labels}
    stages[version_id(key_id)] = frozenset({CURRENT_STAGE})
    return replace(user, secret=Secret(stages=stages, deleted=False))
