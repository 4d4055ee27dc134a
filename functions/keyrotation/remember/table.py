"""The table in DynamoDB that keeps one item a user. Reads are consistent; a write holds only over what was read."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import TYPE_CHECKING, Any, cast

from botocore.exceptions import ClientError

from keyrotation.causes import is_code
from keyrotation.memory import Memory
from keyrotation.remember.items import (
    OPTIONAL,
    SCHEMA,
    MemoryRefused,
    NewerMemory,
    Unreadable,
    from_item,
    number,
    to_item,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

__all__ = ["MemoryRefused", "NewerMemory", "Readings", "Stale", "Table", "Unreadable"]

# The table's literal name, so that a stack that is deployed again adopts it (infra/memory.py).
TABLE_NAME = "access-key-rotation"
# An older version of this system, still running during an update, must not write over what it cannot read.
_AS_READ = "#revision = :was AND #schema <= :schema"


class Stale(MemoryRefused):
    """Somebody else wrote or deleted the item since it was read, and nothing of this was written."""


@dataclass(frozen=True, kw_only=True)
class Readings:
    """The whole table, by the users' ids: what is remembered, and why it is not known of those in `unread`."""

    memories: Mapping[str, Memory]
    unread: Mapping[str, str]

    def of(self, user_id: str) -> Memory:
        """Of a user whom the table does not know, and of one in `unread`: nothing, at revision 0."""
        return self.memories.get(user_id) or Memory(user_id=user_id)

    def named(self, user_name: str) -> Memory:
        """Of a user of whom only the name is known, as last seen."""
        of_that_name = (memory for memory in self.memories.values() if memory.name == user_name)
        return next(of_that_name, Memory(user_id=""))

    def owners(self, *, gone: Collection[str]) -> Mapping[str, str]:
        """Whose each secret is: the user's id by the secret's ARN. Without those who are gone: their keys are, too."""
        return {
            memory.secret_arn: user_id
            for user_id, memory in self.memories.items()
            if memory.secret_arn is not None and user_id not in gone
        }

    def changed_on(self, day: date) -> frozenset[str]:
        """The ids of users of whom a key was changed on that day."""
        return frozenset(user_id for user_id, memory in self.memories.items() if memory.changed == day)


@dataclass(frozen=True, kw_only=True)
class Table:
    """Every method raises what botocore raises. `fresh`: a text that was never there before, for each write."""

    client: "DynamoDBClient" = field(repr=False)
    name: str
    fresh: Callable[[], str]

    def read_all(self) -> Readings:
        """One call per megabyte. An item that cannot be read stops nobody but its user."""
        memories: dict[str, Memory] = {}
        unread: dict[str, str] = {}
        for page in self.client.get_paginator("scan").paginate(TableName=self.name, ConsistentRead=True):
            for item in page["Items"]:
                user_id = item["user_id"]["S"]
                try:
                    memories[user_id] = from_item(item)
                except MemoryRefused as refused:
                    unread[user_id] = str(refused)
        return Readings(memories=memories, unread=unread)

    def read(self, user_id: str) -> Memory:
        """At revision 0 when there is no item. Raises Unreadable and NewerMemory."""
        answer = self.client.get_item(TableName=self.name, Key=_key(user_id), ConsistentRead=True)
        return from_item(answer["Item"]) if "Item" in answer else Memory(user_id=user_id)

    def save(self, memory: Memory, *, run_id: str) -> Memory:
        """Write all of it over the revision that was read; the same with its new revision. Raises Stale.

        Any other error leaves open whether it was written: nobody may go on from this memory, and who reads again knows.
        """
        new = replace(memory, revision=memory.revision + 1)
        # The same for the client's own retries of this one call, and for nothing else: a run id would not do, for an
        # order that is delivered again has the same.
        write: AttributeValueTypeDef = {"S": self.fresh()}
        attributes = {**to_item(new), "run_id": {"S": run_id}, "write": write}
        del attributes["user_id"]
        values = {f":{name}": value for name, value in attributes.items()}
        condition = "attribute_not_exists(user_id)"
        if memory.revision:
            condition, values[":was"] = _AS_READ, number(memory.revision)
        # Attribute by attribute, and not the item as a whole: what a newer version put beside ours stays.
        gone = [name for name in OPTIONAL if name not in attributes]
        remove = f" REMOVE {', '.join(f'#{name}' for name in gone)}" if gone else ""
        try:
            self.client.update_item(
                TableName=self.name,
                Key=_key(memory.user_id),
                UpdateExpression=f"SET {', '.join(f'#{name} = :{name}' for name in attributes)}{remove}",
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{name}": name for name in (*attributes, *gone)},
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            # An earlier try of this very call was written, and its answer was lost.
            if _found(error).get("write") != write:
                raise _stale(memory) from error
        return new

    def forget(self, memory: Memory) -> None:
        """Delete the item, if it is as it was read; one that is gone is as good. Raises Stale."""
        if not memory.revision:
            return
        try:
            self.client.delete_item(
                TableName=self.name,
                Key=_key(memory.user_id),
                ConditionExpression=_AS_READ,
                ExpressionAttributeNames={"#revision": "revision", "#schema": "schema"},
                ExpressionAttributeValues={":was": number(memory.revision), ":schema": number(SCHEMA)},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            # Nothing there: an earlier try of this call deleted it, and its answer was lost, or somebody else did.
            if _found(error):
                raise _stale(memory) from error


def _key(user_id: str) -> dict[str, "AttributeValueTypeDef"]:
    return {"user_id": {"S": user_id}}


def _found(error: ClientError) -> Mapping[str, Any]:
    """The item that did not meet the condition, empty when there is none. Raises any other error again."""
    if not is_code(error, "ConditionalCheckFailedException"):
        raise error
    found: Mapping[str, Any] = cast("Mapping[str, Any]", error.response).get("Item", {})
    return found


def _stale(memory: Memory) -> Stale:
    return Stale(f"its memory was changed by somebody else after revision {memory.revision} was read")
