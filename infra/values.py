"""What each parameter takes: the template's own definitions, asked before anything is synthesized or deployed."""

import re
import zoneinfo
from collections.abc import Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches

import aws_cdk as cdk

from infra.parameters import OwnTopic, Parameters

# CloudWatch publishes to topics of its own Region, and Secrets Manager uses KMS keys of its own Region.
_OF_THIS_REGION = ("SecretsKmsKeyArn", "AlarmTopicArn")


def definitions(of: type[Parameters] = OwnTopic) -> dict[str, cdk.CfnParameter]:
    """Every parameter of the stack by its name, without the rest of the stack. `of`: which stack's."""
    stack = cdk.Stack(cdk.App())
    of(stack=stack)
    return {each.node.id: each for each in stack.node.children if isinstance(each, cdk.CfnParameter)}


def defaults() -> dict[str, str]:
    return {name: _text(each.default) for name, each in definitions().items()}


def refusals(words: Sequence[str], *, region: str | None, of: type[Parameters] = OwnTopic) -> Iterator[str]:
    """What is wrong with each `Name=value` by itself. `region`: where to; None: not known, and not judged."""
    known = definitions(of)
    named: set[str] = set()
    for word in words:
        name, is_set, value = word.partition("=")
        if not is_set:
            yield f"{word!r} is not Name=value. A value with a space in it is not possible"
        elif name not in known:
            yield f"there is no parameter {name}{_meant(name, known)}"
        elif name in named:
            yield f"{name} is there twice"
        else:
            yield from _wrong(name, value, known[name], region=region)
        named.add(name)


def _wrong(name: str, value: str, parameter: cdk.CfnParameter, *, region: str | None) -> Iterator[str]:
    if not _takes(parameter, value):
        yield f"{parameter.constraint_description} It is {value!r}{_meant(value, parameter.allowed_values or ())}"
    elif name == "TimeZone" and (zones := zoneinfo.available_timezones()) and value not in zones:
        yield f"TimeZone: there is no time zone {value!r}{_meant(value, zones)}"
    elif name in _OF_THIS_REGION and value and region is not None and value.split(":")[3] != region:
        yield f"{name} is in {value.split(':')[3]}, and must be in the Region of the stack, {region}"


def _takes(parameter: cdk.CfnParameter, value: str) -> bool:
    """As CloudFormation judges: a pattern has to match the whole value, of a list each member."""
    if parameter.allowed_values:
        return value in parameter.allowed_values
    if parameter.type == "Number":
        if not re.fullmatch(r"-?[0-9]{1,9}(\.0+)?", value):
            return False
        return (parameter.min_value or 0) <= float(value) <= (parameter.max_value or float("inf"))
    if parameter.allowed_pattern is None:
        return True
    members = value.split(",") if parameter.type == "CommaDelimitedList" else [value]
    return all(re.fullmatch(parameter.allowed_pattern, each) for each in members)


def _meant(typed: str, possible: Collection[str] | Mapping[str, object]) -> str:
    """The nearest, whatever its capitals; nothing when none is near."""
    by_small = {each.casefold(): each for each in possible}
    near = get_close_matches(typed.casefold(), by_small, n=1)
    return f"; did you mean {by_small[near[0]]}?" if near else ""


def _text(default: object) -> str:
    """As CloudFormation shows it: 90, where jsii has 90.0."""
    return str(int(default)) if isinstance(default, float) else str(default or "")
