"""Users who are gone: what memory says of them, and the secrets that they leave behind, each of which costs."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from keyrotation.causes import CALL_ERRORS, is_code
from keyrotation.look.observe import Sources
from keyrotation.look.secrets import describe
from keyrotation.memory import Memory
from keyrotation.remember.table import Readings

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient


_WORD = "secret-left-behind"
_MONTH = timedelta(days=30)


@dataclass(frozen=True, kw_only=True)
class LeftBehind:
    """`secrets`: of users who are gone, while the secret is there. `nothing`: neither user nor secret is there any more."""

    secrets: tuple[Memory, ...] = ()
    nothing: tuple[Memory, ...] = ()


def left_behind(user_ids: Iterable[str], readings: Readings, sources: Sources) -> LeftBehind:
    """Of users whom a listing did not find; each is looked for again. What cannot be read is left for another day."""
    secrets, nothing = [], []
    for memory in (readings.memories[user_id] for user_id in user_ids if user_id in readings.memories):
        try:
            if _is_there(sources.iam, memory):
                continue
            secret = memory.secret_arn and describe(sources.secrets, memory.secret_arn)
        except CALL_ERRORS:
            continue
        if not secret:
            nothing.append(memory)
        elif not secret.deleted:
            secrets.append(memory)
    return LeftBehind(secrets=tuple(secrets), nothing=tuple(nothing))


def is_to_be_told(memory: Memory, today: date) -> bool:
    """Once, and then once a month."""
    told = memory.told.get(_WORD)
    return told is None or today - told >= _MONTH


def told_of(memory: Memory, today: date) -> Memory:
    return replace(memory, told={**memory.told, _WORD: today})


def _is_there(iam: "IAMClient", memory: Memory) -> bool:
    """Under the name that was seen last; a user of that name with another id is somebody else. Raises what botocore raises."""
    try:
        return iam.get_user(UserName=memory.name)["User"]["UserId"] == memory.user_id
    except CALL_ERRORS as error:
        if is_code(error, "NoSuchEntity"):
            return False
        raise
