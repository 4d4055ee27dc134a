"""What the digest function reads from its environment: complete or not at all."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields

from keyrotation.run.settings import SettingsError

_TOPIC = r"arn:[^:]+:sns:[^:]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}"
_PATTERNS = {
    "reports_bucket": r"[a-z0-9.-]{3,63}",
    "topic_arn": _TOPIC,
    "accounts_topic_arn": _TOPIC,
    "stack_set_name": r"[A-Za-z][A-Za-z0-9-]{0,127}",
    "call_as": r"SELF|DELEGATED_ADMIN",
}


@dataclass(frozen=True, kw_only=True)
class CentreSettings:
    """Each field is the environment variable of that name.

    `topic_arn`: of the digest. `accounts_topic_arn`: of what is for those who subscribed to an account or an owner.
    `call_as`: as whom the StackSet is asked.
    """

    reports_bucket: str
    topic_arn: str
    accounts_topic_arn: str
    stack_set_name: str
    call_as: str

    @property
    def account(self) -> str:
        """The centre's own, which owns the bucket."""
        return self.topic_arn.split(":")[4]

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> "CentreSettings":
        """Raises SettingsError."""
        problems = []
        for each in fields(cls):
            value = environment.get(each.name.upper())
            if value is None:
                problems.append(f"{each.name.upper()} is missing")
            elif not re.fullmatch(_PATTERNS[each.name], value):
                problems.append(f"{each.name.upper()} is {value!r}, which it cannot be")
        if problems:
            raise SettingsError("\n".join(problems))
        return cls(**{each.name: environment[each.name.upper()] for each in fields(cls)})
