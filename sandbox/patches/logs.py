"""CloudWatch Logs: a filter pattern in braces is asked about the fields of a line."""

import fnmatch
import json
import re
from collections.abc import Callable
from typing import Any

from ministack.services import cloudwatch_logs

# Equality of a field with a text that may hold `*`: all that any command of this project asks.
_EQUALS = re.compile(r'\s*\$\.([\w.]+)\s*=\s*"([^"]*)"\s*')


def ask_about_fields() -> None:
    """The emulator finds every line by such a pattern. Here: `{ $.a = "x" || $.b.c = "y*" }`, and no other kind."""
    compiled = cloudwatch_logs._compile_filter_pattern

    def compile_filter_pattern(raw: str) -> Callable[[str], bool]:
        pattern = raw.strip()
        if not pattern.startswith("{"):
            found: Callable[[str], bool] = compiled(raw)
            return found
        asked = [_EQUALS.fullmatch(each) for each in pattern[1:-1].split("||")]

        def matches(line: str) -> bool:
            return any(each is not None and _has(line, each[1], each[2]) for each in asked)

        if not pattern.endswith("}") or None in asked:
            raise NotImplementedError(f"the sandbox does not know this filter pattern: {raw}")
        return matches

    cloudwatch_logs._compile_filter_pattern = compile_filter_pattern


def _has(line: str, path: str, wanted: str) -> bool:
    try:
        value: Any = json.loads(line)
    except ValueError:
        return False
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return isinstance(value, str) and fnmatch.fnmatchcase(value, wanted)
