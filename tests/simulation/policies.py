"""The policies that were in force, and when: what was told under one holds under the next."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache

from keyrotation.decide import tags as tag
from keyrotation.policy import Policy, PolicyError

from tests.simulation.iam import UserRecord


@lru_cache(maxsize=4096)
def own_policy(policy: Policy, threshold: str | None) -> Policy:
    """With a user's own `max-age-days`, which only tightens, and counts for nothing where it does not fit."""
    if threshold is None or not threshold.isdecimal() or int(threshold) >= policy.max_key_age_days:
        return policy
    try:
        return policy.tightened(int(threshold))
    except PolicyError:
        return policy


@dataclass
class Policies:
    """`since`: by user id, the policies that held for the user and the first day of each."""

    now: Policy
    since: dict[str, list[tuple[date, Policy]]] = field(default_factory=dict)

    def of(self, user: UserRecord) -> Policy:
        return own_policy(self.now, user.tags.get(tag.MAX_AGE_DAYS))

    def note(self, user: UserRecord, today: date) -> None:
        """Each morning."""
        policy, past = self.of(user), self.since.setdefault(user.id, [])
        if not past or past[-1][1] is not policy:
            past.append((today, policy))
            del past[:-30]

    def least(self, user: UserRecord, days: Callable[[Policy], int], *, since: date) -> int:
        """The least of a number of days, of all policies that were in force on a day since then."""
        past = self.since.get(user.id, [])
        ends = [*(start for start, _ in past[1:]), date.max]
        held = [policy for (_, policy), end in zip(past, ends, strict=False) if end > since]
        return min(days(policy) for policy in (*held, self.of(user)))
