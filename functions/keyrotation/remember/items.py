"""A user's memory as an item of DynamoDB and back, by hand: every word that comes in is checked (docs/memory.md).

Days are texts: DynamoDB's expiry (TTL), should anybody turn it on, looks at numbers only. No sets, which cannot be empty,
and no NULL: what there is nothing to say of is left out.

Attributes of the item that this version does not know are ignored, and survive its writes. Within `keys`, `pending`,
`vanished` and `offer`, which are written whole, they would not: they are refused, and whoever adds one there raises SCHEMA.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, TypeVar

from keyrotation.memory import KeyMemory, Memory, Notice, Offer, OffReason, Pending, Vanished, What, Why

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

SCHEMA = 1
# What an item may be without.
OPTIONAL = ("secret_arn", "policy_arn", "pending", "vanished", "changed", "offer", "deleted")
_KINDS = {"S": "a text", "N": "a number", "M": "a map", "L": "a list"}
_NAMES_LONGER = 80
# Its name is read from it (model.name_of_secret), and commands for people are made of that.
_SECRET = re.compile(
    r"arn:[a-z0-9-]+:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}"
)

_T = TypeVar("_T")
_Word = TypeVar("_Word", bound=StrEnum)


class MemoryRefused(Exception):
    """A memory that nothing may be decided from, or that was not written; the message is fit to print."""


class Unreadable(MemoryRefused):
    """Not what this system writes. The message says where, and not what stands there."""


class NewerMemory(MemoryRefused):
    """Written by a newer version of this system."""


def to_item(memory: Memory) -> dict[str, "AttributeValueTypeDef"]:
    """All that is remembered, as it is written; who writes it, and when, is the table's to add."""
    pending, vanished, offer = memory.pending, memory.vanished, memory.offer
    return _present(
        user_id=_text(memory.user_id),
        schema=number(SCHEMA),
        revision=number(memory.revision),
        name=_text(memory.name),
        secret_arn=_text(memory.secret_arn),
        policy_arn=_text(memory.policy_arn),
        pending=None if pending is None else _pending(pending),
        vanished=None if vanished is None else _map(key_id=_text(vanished.key_id), on=_day(vanished.on)),
        changed=_day(memory.changed),
        keys={"M": {key_id: _key(key) for key_id, key in memory.keys.items()}},
        told={"M": {word: _day(on) for word, on in memory.told.items()}},
        offer=None if offer is None else _offer(offer),
        deleted=None
        if not memory.deleted
        else {"M": {key_id: _day(on) for key_id, on in memory.deleted.items()}},
    )


def number(value: int) -> "AttributeValueTypeDef":
    return {"N": str(value)}


def _text(value: str | None) -> "AttributeValueTypeDef | None":
    return None if value is None else {"S": value}


def _day(value: date | None) -> "AttributeValueTypeDef | None":
    return None if value is None else {"S": value.isoformat()}


def _map(**attributes: "AttributeValueTypeDef | None") -> "AttributeValueTypeDef":
    return {"M": _present(**attributes)}


def _present(**attributes: "AttributeValueTypeDef | None") -> dict[str, "AttributeValueTypeDef"]:
    return {name: value for name, value in attributes.items() if value is not None}


def _pending(pending: Pending) -> "AttributeValueTypeDef":
    return _map(
        since={"S": pending.since.isoformat()},
        region=_text(pending.region),
        run_id=_text(pending.run_id),
        key_ids={"L": [{"S": key_id} for key_id in pending.key_ids]},
    )


def _offer(offer: Offer) -> "AttributeValueTypeDef":
    return _map(
        report=_text(offer.report),
        notices={"M": {key_id: _notice(notice) for key_id, notice in offer.notices.items()}},
        once={"L": [{"S": word} for word in offer.once]},
    )


def _key(key: KeyMemory) -> "AttributeValueTypeDef":
    notice = key.notice
    return _map(
        issued_on=_day(key.issued_on),
        secret_arn=_text(key.secret_arn),
        off_since=_day(key.off_since),
        off_because=_text(key.off_because),
        back_on=_day(key.back_on),
        notice=None if notice is None else _notice(notice),
    )


def _notice(notice: Notice) -> "AttributeValueTypeDef":
    return _map(what=_text(notice.what), why=_text(notice.why), day=_day(notice.day), told=_day(notice.told))


def from_item(item: Mapping[str, Any]) -> Memory:
    """Raises Unreadable and NewerMemory."""
    said = _Attributes(item)
    # Before anything else is looked at: a newer version may have given every word another meaning.
    schema = said.count("schema")
    if schema > SCHEMA:
        raise NewerMemory(
            f"its memory was written by a newer version (schema {schema}; this version reads up to {SCHEMA})"
        )
    keys, told = said.inner("keys"), said.inner("told")
    return Memory(
        user_id=said.text("user_id"),
        revision=said.count("revision"),
        name=said.text("name"),
        secret_arn=said.maybe("secret_arn", said.secret),
        policy_arn=said.maybe("policy_arn", said.text),
        pending=said.maybe("pending", lambda name: _read_pending(said.inner(name))),
        vanished=said.maybe("vanished", lambda name: _read_vanished(said.inner(name))),
        changed=said.maybe("changed", said.day),
        keys={key_id: _read_key(keys.inner(key_id)) for key_id in keys.held},
        told={word: told.day(word) for word in told.held},
        offer=said.maybe("offer", lambda name: _read_offer(said.inner(name))),
        deleted=said.maybe("deleted", lambda name: _read_days(said.inner(name))) or {},
    )


@dataclass(frozen=True)
class _Attributes:
    """Attributes that are asked for by name and type. `path`: what to put before a name in a message."""

    held: Mapping[str, Any]
    path: str = ""

    def maybe(self, name: str, read: Callable[[str], _T]) -> _T | None:
        return read(name) if name in self.held else None

    def text(self, name: str) -> str:
        return str(self._of(name, "S"))

    def secret(self, name: str) -> str:
        said = self.text(name)
        if not _SECRET.fullmatch(said):
            raise self._unlike(name, "is not the ARN of a secret")
        return said

    def count(self, name: str) -> int:
        """From 1: what was never written has no item."""
        said = str(self._of(name, "N"))
        if not said.isdecimal() or int(said) < 1:
            raise self._unlike(name, "is not a whole number above 0")
        return int(said)

    def day(self, name: str) -> date:
        said = self.text(name)
        try:
            day = date.fromisoformat(said)
        except ValueError:
            raise self._unlike(name, "is not a day such as 2026-11-22") from None
        if day.isoformat() != said:
            raise self._unlike(name, "is not a day such as 2026-11-22")
        return day

    def moment(self, name: str) -> datetime:
        try:
            moment = datetime.fromisoformat(self.text(name))
        except ValueError:
            raise self._unlike(name, "is not a time such as 2026-11-22T06:00:00+00:00") from None
        if moment.utcoffset() != timedelta(0):
            raise self._unlike(name, "is not in UTC")
        return moment.replace(tzinfo=UTC)

    def word(self, name: str, words: type[_Word]) -> _Word:
        said = self.text(name)
        if said not in tuple(words):
            raise self._unlike(name, f"is none of {', '.join(words)}")
        return words(said)

    def texts(self, name: str) -> tuple[str, ...]:
        said = self._of(name, "L")
        if not all("S" in each for each in said):
            raise self._unlike(name, "holds what is not a text")
        return tuple(each["S"] for each in said)

    def inner(self, name: str) -> "_Attributes":
        return _Attributes(self._of(name, "M"), f"{self.path}{_printable(name)}.")

    def only(self, of: type) -> None:
        """Refuses what would be lost by the next write."""
        for name in self.held:
            if name not in {each.name for each in fields(of)}:
                raise self._unlike(name, "is nothing that this version knows")

    def _of(self, name: str, kind: str) -> Any:
        if name not in self.held:
            raise self._unlike(name, "is missing")
        if kind not in self.held[name]:
            raise self._unlike(name, f"is not {_KINDS[kind]}")
        return self.held[name][kind]

    def _unlike(self, name: str, what: str) -> Unreadable:
        return Unreadable(f"its memory cannot be read: {self.path}{_printable(name)} {what}")


def _printable(name: str) -> str:
    """A name from an item goes into a mail: no line breaks, no novels."""
    return (
        name if len(name) <= _NAMES_LONGER and name.isascii() and name.isprintable() else "(a strange name)"
    )


def _read_days(said: _Attributes) -> dict[str, date]:
    return {key_id: said.day(key_id) for key_id in said.held}


def _read_pending(said: _Attributes) -> Pending:
    said.only(Pending)
    return Pending(
        since=said.moment("since"),
        region=said.text("region"),
        run_id=said.text("run_id"),
        key_ids=said.texts("key_ids"),
    )


def _read_vanished(said: _Attributes) -> Vanished:
    said.only(Vanished)
    return Vanished(key_id=said.text("key_id"), on=said.day("on"))


def _read_offer(said: _Attributes) -> Offer:
    said.only(Offer)
    notices = said.inner("notices")
    return Offer(
        report=said.text("report"),
        notices={key_id: _read_notice(notices.inner(key_id)) for key_id in notices.held},
        once=said.texts("once"),
    )


def _read_key(said: _Attributes) -> KeyMemory:
    said.only(KeyMemory)
    return KeyMemory(
        issued_on=said.maybe("issued_on", said.day),
        secret_arn=said.maybe("secret_arn", said.secret),
        off_since=said.maybe("off_since", said.day),
        off_because=said.maybe("off_because", lambda name: said.word(name, OffReason)),
        back_on=said.maybe("back_on", said.day),
        notice=said.maybe("notice", lambda name: _read_notice(said.inner(name))),
    )


def _read_notice(said: _Attributes) -> Notice:
    said.only(Notice)
    return Notice(
        what=said.word("what", What),
        why=said.word("why", Why),
        day=said.day("day"),
        told=said.day("told"),
    )
