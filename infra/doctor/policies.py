"""Two policies compared by what they mean: the order of statements and of lists says nothing, nor does the Sid."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

_LISTS = ("Action", "NotAction", "Resource", "NotResource")
_MOST_OF_A_LIST = 3


def differences(wanted: Any, found: Any) -> list[str]:
    """What is not the same, a line for each statement; empty when they mean the same. None: there is no policy."""
    ours, theirs = statements(wanted), statements(found)
    missing = [f"missing: {ours[each]}" for each in ours if each not in theirs]
    return [*missing, *(f"not the template's: {theirs[each]}" for each in theirs if each not in ours)]


def statements(policy: Any) -> dict[str, str]:
    """Each statement in one form for all that mean the same, with its words for people."""
    if policy is None or policy == "":
        return {}
    document = json.loads(policy) if isinstance(policy, str) else policy
    return {
        json.dumps(_canonical(each), sort_keys=True): _words(each) for each in _listed(document["Statement"])
    }


def _canonical(statement: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: value for name, value in statement.items() if name != "Sid"}
    for name in _LISTS:
        if name in said:
            # IAM does not care how an action is written.
            of_actions = name.endswith("Action")
            members = {str(each).lower() if of_actions else str(each) for each in _listed(said[name])}
            said[name] = sorted(members)
    for name in ("Principal", "NotPrincipal"):
        if name in said:
            said[name] = _principals(said[name])
    if "Condition" in said:
        said["Condition"] = {
            operator: {key.lower(): _values(value) for key, value in keys.items()}
            for operator, keys in said["Condition"].items()
        }
    return said


def _principals(principal: Any) -> dict[str, list[str]]:
    """`"*"` is `{"AWS": "*"}`; an account's id is its root user's ARN, which AWS makes of it."""
    named = {"AWS": principal} if isinstance(principal, str) else principal
    return {
        kind: sorted(
            {re.sub(r"^(\d{12})$", r"arn:aws:iam::\1:root", _no_partition(each)) for each in _listed(value)}
        )
        for kind, value in named.items()
    }


def _no_partition(principal: str) -> str:
    """All of one account are of one partition."""
    return re.sub(r"^arn:aws[a-z-]*:", "arn:aws:", principal)


def _values(value: Any) -> list[str]:
    return sorted({str(each).lower() if isinstance(each, bool) else str(each) for each in _listed(value)})


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _words(statement: Mapping[str, Any]) -> str:
    return " ".join(_parts(statement))


def _parts(statement: Mapping[str, Any]) -> Iterator[str]:
    """`Deny sqs:SendMessage (OnlyTheScannerSends)`."""
    yield str(statement.get("Effect"))
    for name in ("Action", "NotAction"):
        if name in statement:
            yield ("" if name == "Action" else "all but ") + _some(statement[name])
    for name in ("Resource", "NotResource"):
        if name in statement:
            yield ("on " if name == "Resource" else "on all but ") + _some(statement[name])
    for name in ("Principal", "NotPrincipal"):
        if name in statement:
            yield ("to " if name == "Principal" else "to all but ") + json.dumps(statement[name])
    if "Condition" in statement:
        yield f"if {json.dumps(statement['Condition'])}"
    if "Sid" in statement:
        yield f"({statement['Sid']})"


def _some(value: Any) -> str:
    members = _listed(value)
    more = f" and {len(members) - _MOST_OF_A_LIST} more" if len(members) > _MOST_OF_A_LIST else ""
    return ", ".join(map(str, members[:_MOST_OF_A_LIST])) + more
