"""What memory is after an action: one function for the planner, which looks ahead, and for whoever writes it down."""

from dataclasses import replace
from datetime import date, timedelta
from typing import assert_never

from keyrotation.decide.actions import (
    Action,
    Deactivate,
    Delete,
    DeleteOrphan,
    DropNotice,
    ForgetKeys,
    ForgetVanished,
    GiveNotice,
    MendPolicy,
    Promote,
    Recall,
    RememberOff,
    RememberOn,
    Replace,
    SettlePending,
)
from keyrotation.memory import Memory, Notice, What
from keyrotation.model import Hearing


def before(memory: Memory, action: Action) -> Memory:
    """What has to be remembered before the action takes effect; the same memory where there is nothing.

    A run that dies in between leaves a key that is on and known as off, which rule 8 leaves alone for a while, or a
    notice that is forgotten and is given anew. Neither can surprise anybody.
    """
    match action:
        case Deactivate(key_id=key_id, on=on, reason=reason):
            return memory.with_key(key_id, off_since=on, off_because=reason, back_on=None, notice=None)
        case Delete(key_id=key_id):
            return memory.with_key(key_id, notice=None)
        case GiveNotice(key_id=key_id, instead_of=instead_of) if instead_of is not None:
            return memory.with_key(key_id, notice=None)
        case ForgetKeys(key_ids=key_ids, vanished=vanished):
            # One that was announced again after its deletion failed was not deleted by this system after all.
            announced = [key_id for key_id in key_ids if memory.key(key_id).notice is not None]
            forgotten = memory.without_keys(key_ids).without_deleted(announced)
            return forgotten if vanished is None else replace(forgotten, vanished=vanished)
        case ForgetVanished():
            return replace(memory, vanished=None)
        case RememberOff(key_id=key_id, on=on):
            notice = memory.key(key_id).notice
            kept = notice if notice is not None and notice.what is What.DELETE else None
            return memory.with_key(key_id, off_since=on, back_on=None, notice=kept)
        case RememberOn(key_id=key_id, on=on):
            return memory.with_key(key_id, off_since=None, off_because=None, back_on=on, notice=None)
        case DropNotice(key_id=key_id):
            return memory.with_key(key_id, notice=None)
        case (
            GiveNotice() | MendPolicy() | Replace() | Promote() | Recall() | DeleteOrphan() | SettlePending()
        ):
            return memory
        case _:
            assert_never(action)


def after(memory: Memory, action: Action) -> Memory:
    """What memory comes to once the action is done and told."""
    memory = before(memory, action)
    match action:
        case GiveNotice(key_id=key_id, notice=notice):
            return memory.with_key(key_id, notice=notice)
        case Deactivate(key_id=key_id, notice=notice):
            return memory.with_key(key_id, notice=notice)
        case Replace(old_key_id=old_key_id, notice=notice) if old_key_id is not None and notice is not None:
            return replace(memory.with_key(old_key_id, notice=notice), vanished=None)
        case Replace():
            return replace(memory, vanished=None)
        case Delete(key_id=key_id) | DeleteOrphan(key_id=key_id):
            return memory.without_keys([key_id])
        case MendPolicy(user_arn=user_arn):
            return replace(memory, policy_arn=user_arn)
        case SettlePending():
            return replace(memory, pending=None)
        case _:
            return memory


def settled(memory: Memory, hearing: Hearing, *, warn_days: int) -> Memory:
    """What the last report offered counts if the centre's mail with that very report went out; otherwise it is told anew.

    It counts from the day of that mail. A notice that was given by it leaves `WarnDays` from then on, however late that was:
    its day may become a later one than was told, and never an earlier one.
    """
    offer, on = memory.offer, hearing.on
    if offer is None:
        return memory
    memory = replace(memory, offer=None)
    if on is None or offer.report != hearing.report:
        return memory
    for key_id, notice in offer.notices.items():
        known = memory.key(key_id).notice
        reminded = known is not None and _same(known, notice)
        day = notice.day if reminded else max(notice.day, on + timedelta(days=warn_days))
        memory = memory.with_key(key_id, notice=replace(notice, told=on, day=day))
    return replace(memory, told={**memory.told, **dict.fromkeys(offer.once, on)})


def _same(one: Notice, other: Notice) -> bool:
    return (one.what, one.why, one.day) == (other.what, other.why, other.day)


def issued(memory: Memory, key_id: str, *, on: date, secret_arn: str, user_arn: str) -> Memory:
    """This key is AWSCURRENT of this secret, whose policy names the user by this ARN."""
    known = memory.with_key(key_id, issued_on=on, secret_arn=secret_arn)
    return replace(known, vanished=None, secret_arn=secret_arn, policy_arn=user_arn)
