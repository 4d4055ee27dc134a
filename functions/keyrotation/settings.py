"""What each function reads from its environment: complete or not at all."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from keyrotation.policy import Policy, PolicyError, parameter_name


class SettingsError(ValueError):
    """The environment is refused; the message names every variable or parameter at fault, one a line."""


class Mode(StrEnum):
    """Audit looks and reports, and its role could do no more; Enforce acts."""

    AUDIT = "Audit"
    ENFORCE = "Enforce"


class Notify(StrEnum):
    """Which runs send a mail. Whatever this says, a run that begins a hold does."""

    CHANGES = "Changes"
    PROBLEMS = "Problems"
    ALWAYS = "Always"


@dataclass(frozen=True, kw_only=True)
class ScannerSettings:
    """Each field but the policy is the environment variable of that name."""

    policy: Policy
    orders_queue_url: str

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> "ScannerSettings":
        """Raises SettingsError."""
        return cls(**_read(environment, {"orders_queue_url": _text}))


@dataclass(frozen=True, kw_only=True)
class RotatorSettings:
    """Each field but the policy is the environment variable of that name. `runbook_url`: a link, or where to look."""

    policy: Policy
    mode: Mode
    notify: Notify
    runbook_url: str
    log_group_name: str
    aws_region: str
    orders_queue_arn: str
    topic_arn: str
    rotator_role_arn: str
    function_timeout_seconds: int

    @property
    def account(self) -> str:
        return self.rotator_role_arn.split(":")[4]

    @property
    def partition(self) -> str:
        """`aws`, `aws-cn` or `aws-us-gov`."""
        return self.rotator_role_arn.split(":")[1]

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> "RotatorSettings":
        """Raises SettingsError."""
        parsers: dict[str, Callable[[str], object]] = {
            "mode": _one_of(Mode),
            "notify": _one_of(Notify),
            "runbook_url": _text,
            "log_group_name": _text,
            "aws_region": _text,
            "orders_queue_arn": _arn,
            "topic_arn": _arn,
            "rotator_role_arn": _arn,
            "function_timeout_seconds": _positive,
        }
        return cls(**_read(environment, parsers))


def _read(environment: Mapping[str, str], parsers: Mapping[str, Callable[[str], object]]) -> dict[str, Any]:
    """The values by field, the policy among them; every problem is collected before it raises."""
    days = [each.name for each in fields(Policy)]
    values: dict[str, Any] = {}
    problems = []
    for name, parser in {**dict.fromkeys(days, _number), **parsers}.items():
        variable = name.upper()
        try:
            values[name] = parser(environment[variable])
        except KeyError:
            problems.append(f"{variable} is missing")
        except ValueError as refused:
            parameter = f" (parameter {parameter_name(name)})" if name in days else ""
            problems.append(f"{variable}{parameter} is {environment[variable]!r}: {refused}")
    if problems:
        raise SettingsError("\n".join(problems))
    try:
        policy = Policy(**{name: values.pop(name) for name in days})
    except PolicyError as refused:
        raise SettingsError(str(refused)) from None
    return {**values, "policy": policy}


def _number(text: str) -> int:
    # CloudFormation hands a Number on as it was typed: 90 may come as 90.0.
    if not re.fullmatch(r"-?[0-9]{1,6}(\.0+)?", text):
        raise ValueError("not a whole number")
    return int(float(text))


def _positive(text: str) -> int:
    number = _number(text)
    if number <= 0:
        raise ValueError("not a positive number")
    return number


def _text(text: str) -> str:
    if not text:
        raise ValueError("empty")
    return text


def _arn(text: str) -> str:
    if not re.fullmatch(r"arn:[^:]+:[^:]+:[^:]*:[0-9]{12}:.+", text):
        raise ValueError("not an ARN with an account")
    return text


def _one_of(words: type[StrEnum]) -> Callable[[str], StrEnum]:
    def parse(text: str) -> StrEnum:
        try:
            return words(text)
        except ValueError:
            raise ValueError(f"not one of {', '.join(words)}") from None

    return parse
