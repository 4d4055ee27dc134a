"""Programs that use keys: how often, and how they come by a new one."""

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from keyrotation.model import secret_name

from tests.simulation.account import Account
from tests.simulation.iam import Refused


class Install(StrEnum):
    """How a new key in the secret reaches the program."""

    BY_PERSON = "a person installs it some days after the mail"
    NEVER = "nobody installs it"
    FETCHED = "the program reads the secret with the key in hand, each time before it works"
    BY_HAND = "keys come from a person, not from the secret"


@dataclass
class Consumer:
    """One program of one user. `idle` from and to: it does not run in between."""

    user_name: str
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
        return self.install is Install.BY_PERSON

    def hears(self, new_key_id: str, today: date) -> None:
        """A mail told the owner of a new key; one that waits to be installed is forgotten for a newer one."""
        if self.new_key_id is None:
            self.told = today
        self.new_key_id = new_key_id

    def installs(self, today: date) -> None:
        if self.new_key_id and self.told and (today - self.told).days >= self.delay:
            self.key_id, self.new_key_id = self.new_key_id, None

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
                fetched = account.secrets.current_key(secret_name(self.user_name))
                if fetched is not None and fetched != self.key_id:
                    # A secret may still hold a key that is off: a careful program keeps the one that works.
                    account.iam.use(fetched, at=now, service="s3")
                    self.key_id = fetched
        except Refused:
            return self._works(account)
        return True

    def _works(self, account: Account) -> bool:
        keys = account.iam.users[self.user_name].keys
        return self.key_id in keys and keys[self.key_id].active
