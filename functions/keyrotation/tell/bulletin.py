"""A message beside on-call's: to an owner, or to a chat. On-call's has everything; these reach the people whom it is about."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Channel(StrEnum):
    """The topics beside on-call's."""

    OWNERS = "owners"
    CHAT = "chat"


@dataclass(frozen=True, kw_only=True)
class Bulletin:
    """Fit for SNS. `about`: whom it is about, for the log. `by_protocol`: `message` has a text for each protocol, as JSON."""

    channel: Channel
    about: str
    subject: str
    message: str
    by_protocol: bool
    attributes: Mapping[str, str]
