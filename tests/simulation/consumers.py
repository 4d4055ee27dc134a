"""Programs that use keys: how often, and how they come by a new one."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from tests.simulation.account import Account
from tests.simulation.iam import Refused, UserRecord


class Install(StrEnum):
    """How a new key in the secret reaches the program."""

    BY_PERSON = "a person installs it some days after the mail"
    NEVER = "nobody installs it"
    FETCHED = "the program reads the secret with the key in hand, each time before it works"
    BY_HAND = "keys come from a person, not from the secret"
    IN_TURN = "it uses the old key and the new one in turn"


@dataclass
class Consumer:
    """One program of one user. `idle` from and to: it does not run in between. `shares`: another uses the same key."""

    user: UserRecord
    key_id: str
    every: int
    phase: int
    hour: int
    install: Install
    delay: int = 0
    idle: tuple[date, date] | None = None
    shares: bool = False
    told: date | None = None
    new_key_id: str | None = None

    @property
    def listens(self) -> bool:
        """Somebody reads the mail for it."""
        return self.install in (Install.BY_PERSON, Install.IN_TURN)

    @property
    def held(self) -> list[str]:
        """The keys that this program, or who looks after it, has in hand."""
        return [key_id for key_id in (self.key_id, self.new_key_id) if key_id is not None]

    def hears(self, new_key_id: str, today: date) -> None:
        """A mail told the owner of a new key; one that waits to be installed is forgotten for a newer one."""
        if new_key_id in self.held:
            return
        if self.new_key_id is None:
            self.told = today
        self.new_key_id = new_key_id

    def installs(self, today: date) -> None:
        if self.new_key_id and self.told and (today - self.told).days >= self.delay:
            old, self.key_id = self.key_id, self.new_key_id
            # Who works with both keeps the old one in hand.
            self.new_key_id = old if self.install is Install.IN_TURN else None
            self.told = today

    def runs_on(self, today: date) -> bool:
        if self.idle and self.idle[0] <= today < self.idle[1]:
            return False
        return (today.toordinal() + self.phase) % self.every == 0

    def run(self, account: Account, now: datetime) -> bool:
        """False: the call was refused."""
        try:
            account.iam.use(self.key_id, at=now, service="s3")
            if self.install is Install.FETCHED:
                account.iam.use(self.key_id, at=now, service="secretsmanager")
                fetched = account.read_by_owner(self.user)
                if fetched is not None and fetched != self.key_id:
                    # A secret may still hold a key that is off: a careful program keeps the one that works.
                    account.iam.use(fetched, at=now, service="s3")
                    self.key_id = fetched
        except Refused:
            return self._works()
        return True

    def _works(self) -> bool:
        return self.key_id in self.user.keys and self.user.keys[self.key_id].active
