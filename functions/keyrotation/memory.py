"""What this system remembers of one user: what it did, and what it told. Plain data (docs/memory.md).

It says nothing about what exists: IAM is the only truth about users and keys, Secrets Manager about secrets. Days are UTC dates.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any


class What(StrEnum):
    """What a notice announces."""

    SWITCH_OFF = "switch-off"
    DELETE = "delete"


class Why(StrEnum):
    """The reason that a notice gives; the words stand in mails, in the JSON and in the table."""

    OVERLAP = "overlap"
    IN_USE = "in-use"
    BY_HAND = "by-hand"
    UNUSED = "unused"
    INACTIVE = "inactive"


class OffReason(StrEnum):
    """Why this system switched a key off."""

    QUIET = "quiet"
    FORCED = "forced"
    UNUSED = "unused"


@dataclass(frozen=True, kw_only=True)
class Notice:
    """People were told that this will happen to a key on `day` at the earliest.

    `told`: the last day on which a message that SNS accepted, while somebody listened, named the user, the key, this day
    and this reason.
    """

    what: What
    why: Why
    day: date
    told: date


@dataclass(frozen=True, kw_only=True)
class KeyMemory:
    """One key. `issued_on` and `secret_arn`: this system made it on that day and put it into that secret.

    `off_since`: the day on which it was switched off, or first seen off. `off_because`: why this system did it; None: somebody
    else did. `back_on`: the day on which a person was seen to have switched it on again.
    """

    issued_on: date | None = None
    secret_arn: str | None = None
    off_since: date | None = None
    off_because: OffReason | None = None
    back_on: date | None = None
    notice: Notice | None = None


NOTHING = KeyMemory()


@dataclass(frozen=True, kw_only=True)
class Pending:
    """A replacement that has begun: when (aware, UTC), where, by which run, and the key ids that existed then."""

    since: datetime
    region: str
    run_id: str
    key_ids: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Vanished:
    """A key that this system issued and somebody else deleted, seen on this day."""

    key_id: str
    on: date


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What a report to the organization's centre told of one user. It counts once the centre says that it was heard.

    `report`: which report. `notices`: by key id. `once`: words of what is told once.
    """

    report: str
    notices: Mapping[str, Notice]
    once: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Memory:
    """One user, by IAM's unique id (`AIDA...`). `revision` counts the writes; 0: nothing was written yet.

    `name`: as last seen, for people. `secret_arn`: the user's secret; `policy_arn`: the user ARN that its policy names.
    `vanished`: why no key is replaced until a person says so. `changed`: the last day on which a key of the user was
    changed. `told`: by item, the day on which it was told once and for all. `offer`: what nobody is known to have heard yet.
    `deleted`: by key id, the day on which this system deleted it, until a message has told that.
    """

    user_id: str
    revision: int = 0
    name: str = ""
    secret_arn: str | None = None
    policy_arn: str | None = None
    pending: Pending | None = None
    vanished: Vanished | None = None
    changed: date | None = None
    keys: Mapping[str, KeyMemory] = field(default_factory=dict)
    told: Mapping[str, date] = field(default_factory=dict)
    offer: Offer | None = None
    deleted: Mapping[str, date] = field(default_factory=dict)

    def key(self, key_id: str) -> KeyMemory:
        """Of a key that is not remembered: nothing."""
        return self.keys.get(key_id, NOTHING)

    def with_key(self, key_id: str, **facts: Any) -> "Memory":
        """With these facts of the key changed; a key of which nothing is left to remember is forgotten."""
        changed = replace(self.key(key_id), **facts)
        if changed == NOTHING:
            return self.without_keys([key_id])
        return replace(self, keys={**self.keys, key_id: changed})

    def without_keys(self, key_ids: Iterable[str]) -> "Memory":
        gone = set(key_ids)
        return replace(self, keys={key_id: key for key_id, key in self.keys.items() if key_id not in gone})

    def without_deleted(self, key_ids: Iterable[str]) -> "Memory":
        """Their deletion was told, or was none."""
        left = {key_id: day for key_id, day in self.deleted.items() if key_id not in set(key_ids)}
        return self if left == self.deleted else replace(self, deleted=left)
