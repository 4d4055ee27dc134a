"""What the template says beside what AWS answers, which says more."""

from collections.abc import Mapping
from typing import Any


def is_so(wanted: Any, found: Any) -> bool:
    """Whether all that is wanted is so. What AWS adds by itself, such as a default, is no difference.

    Of lists every member counts, in whatever order; numbers and booleans may come as texts.
    """
    if isinstance(wanted, Mapping):
        return isinstance(found, Mapping) and all(
            is_so(each, found.get(name)) for name, each in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(found, list)
            and len(found) == len(wanted)
            and all(any(is_so(one, other) for other in found) for one in wanted)
        )
    if isinstance(wanted, bool):
        return str(found).lower() == str(wanted).lower()
    if isinstance(wanted, int | float):
        return _number(found) == wanted
    return bool(wanted == found)


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None
