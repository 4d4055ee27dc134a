"""One DynamoDB table in memory: items by their key, and as much of its expressions as the product writes.

An item is replaced as a whole and never changed in place, so that a copy of `items` is a backup.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.simulation.iam import Refused

Item = dict[str, Any]
KEY = "user_id"
_SET_REMOVE = re.compile(r"SET (?P<set>.+?)(?: REMOVE (?P<remove>.+))?")
_COMPARES = {"=": lambda one, other: one == other, "<=": lambda one, other: one <= other}


@dataclass
class DynamoDb:
    """The operations that the product uses; each raises Refused as DynamoDB would."""

    items: dict[str, Item] = field(default_factory=dict)

    def get(self, key: str) -> Item | None:
        return self.items.get(key)

    def update(
        self, key: str, *, update: str, condition: str, names: dict[str, str], values: dict[str, Any]
    ) -> None:
        self._check(key, condition, names, values)
        found = _SET_REMOVE.fullmatch(update)
        assert found is not None, update
        item = dict(self.items.get(key) or {KEY: {"S": key}})
        for assignment in found["set"].split(", "):
            name, _, value = assignment.partition(" = ")
            item[names[name]] = values[value]
        for name in found["remove"].split(", ") if found["remove"] else ():
            item.pop(names[name], None)
        self.items[key] = item

    def delete(self, key: str, *, condition: str, names: dict[str, str], values: dict[str, Any]) -> None:
        self._check(key, condition, names, values)
        self.items.pop(key, None)

    def _check(self, key: str, condition: str, names: dict[str, str], values: dict[str, Any]) -> None:
        item = self.items.get(key)
        if not all(_holds(item, each, names, values) for each in condition.split(" AND ")):
            # As ReturnValuesOnConditionCheckFailure=ALL_OLD asks for it.
            beside = {} if item is None else {"Item": item}
            raise Refused("ConditionalCheckFailedException", 400, **beside)


def _holds(item: Item | None, condition: str, names: dict[str, str], values: dict[str, Any]) -> bool:
    if condition == f"attribute_not_exists({KEY})":
        return item is None
    name, operator, value = condition.split(" ")
    if item is None or names[name] not in item:
        return False
    (number,), (wanted,) = item[names[name]].values(), values[value].values()
    return bool(_COMPARES[operator](int(number), int(wanted)))
