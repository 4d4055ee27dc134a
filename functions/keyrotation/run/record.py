"""What a run leaves behind for whoever tells of it: plain data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from keyrotation.act.apply import Outcome
from keyrotation.decide.actions import Plan
from keyrotation.model import Use
from keyrotation.run.order import Order


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run found and did. `deferred`: not looked at, or not started, because the time was nearly up.

    `listeners`: confirmed subscriptions to the digest; None: they could not be read. `uses`: by key id, what
    CloudTrail recorded of keys whose use people have to follow up.
    """

    order: Order
    today: date
    listeners: int | None
    plans: tuple[Plan, ...]
    outcomes: tuple[Outcome, ...]
    waiting: tuple[Plan, ...]
    deferred: tuple[str, ...]
    uses: Mapping[str, tuple[Use, ...]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Told:
    """A run whose digest went out as this message; `message_id` None: nobody had to hear of it."""

    run: Run
    message_id: str | None
