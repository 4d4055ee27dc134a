"""Under what one run is measured."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """`users_per_run`: MaxUsersPerRun. `delay_seconds` of each answer. `rate`: what IAM allows a second, `burst` of it at once; None: no limit.

    `propagation_seconds`: how long a new key does not work.
    """

    day: str
    users: int
    users_per_run: int
    delay_seconds: float = 0.0
    rate: float | None = None
    burst: int = 25
    propagation_seconds: float = 0.0
