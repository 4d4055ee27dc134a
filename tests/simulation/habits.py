"""Who lives in the account: kinds of users, each with programs that use its keys."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from tests.simulation.account import Account
from tests.simulation.consumers import Consumer, Install
from tests.simulation.iam import UserRecord

# every, install, delay
_PROGRAMS: tuple[tuple[int, Install, int], ...] = (
    (1, Install.BY_PERSON, 0),
    (1, Install.BY_PERSON, 3),
    (1, Install.BY_PERSON, 10),
    (1, Install.BY_PERSON, 20),
    (1, Install.NEVER, 0),
    (1, Install.FETCHED, 0),
    (1, Install.FETCHED, 0),
    (7, Install.BY_PERSON, 2),
    (7, Install.FETCHED, 0),
    (3, Install.IN_TURN, 4),
    (6, Install.IN_TURN, 9),
    (30, Install.FETCHED, 0),
    (30, Install.BY_PERSON, 5),
    (30, Install.BY_PERSON, 40),
    (91, Install.FETCHED, 0),
    (91, Install.BY_PERSON, 10),
)


@dataclass(frozen=True)
class Settler:
    """Moves users in, with keys of any age."""

    random: Random
    account: Account

    def settle(self, name: str, now: datetime) -> tuple[UserRecord, list[Consumer]]:
        kind = self.random.choices(
            ("one", "one of two", "two programs", "by hand", "stops", "unused", "none"),
            (60, 6, 8, 10, 8, 6, 2),
        )[0]
        user = self.account.iam.create_user(name)
        return user, self._programs(kind, user, now)

    def _programs(self, kind: str, user: UserRecord, now: datetime) -> list[Consumer]:
        if kind == "none":
            return []
        old = self._key(user, now, at_most=250)
        if kind == "unused":
            return []
        every, install, delay = self.random.choice(_PROGRAMS)
        if kind == "one":
            return [self._program(user, old, now, every=every, install=install, delay=delay)]
        if kind == "stops":
            program = self._program(user, old, now, every=1, install=Install.BY_PERSON, delay=3)
            start = now.date() + timedelta(days=self.random.randrange(10, 400))
            program.idle = (start, start + timedelta(days=self.random.randrange(60, 250)))
            return [program]
        if kind == "by hand":
            return [
                self._program(user, old, now, every=self.random.choice((1, 7, 30)), install=Install.BY_HAND)
            ]
        if kind == "two programs":
            new = self._key(user, now, at_most=30)
            return [self._program(user, each, now, every=1, install=Install.BY_HAND) for each in (old, new)]
        shared = [
            self._program(user, old, now, every=days, install=Install.BY_PERSON, delay=delay)
            for days in (1, 30)
        ]
        for program in shared:
            program.shares = True
        shared[1].delay += 45
        return shared

    def _key(self, user: UserRecord, now: datetime, at_most: int) -> str:
        created = now - timedelta(days=self.random.randrange(at_most))
        key_id = self.account.iam.create_access_key(user.name, created=created).id
        self.account.people_know.add(key_id)
        return key_id

    def _program(
        self, user: UserRecord, key_id: str, now: datetime, *, every: int, install: Install, delay: int = 0
    ) -> Consumer:
        program = Consumer(
            user=user,
            key_id=key_id,
            every=every,
            phase=self.random.randrange(every),
            hour=self.random.choice((3, 12, 20)),
            install=install,
            delay=delay,
        )
        # It has been at work for as long as its key is there.
        created = user.keys[key_id].created
        for ago in range(1, every + 1):
            day = now - timedelta(days=ago)
            if day > created and program.runs_on(day.date()):
                program.run(self.account, day)
        return program
