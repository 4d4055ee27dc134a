"""People with console access: what they do to keys, tags and secrets, wisely or not."""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

from keyrotation.decide import tags as tag
from keyrotation.model import ACTIVE, INACTIVE, secret_name

from tests.simulation.account import Account
from tests.simulation.consumers import Consumer, Install
from tests.simulation.iam import UserRecord

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass
class People:
    """`mend`: the tags that somebody will remove on a day. Each deed returns True when it changed something."""

    random: Random
    account: Account
    mend: dict[date, list[tuple[str, str]]] = field(default_factory=dict)

    def meddle(self, name: str, now: datetime) -> bool:
        deeds: tuple[Callable[[UserRecord, datetime], bool], ...] = (
            self._reactivate,
            self._deactivate,
            self._delete,
            self._exempt,
            self._ask_for_a_replacement,
            self._tag_a_number,
            self._misspell,
            self._mistype_a_hold,
            self._delete_the_secret,
        )
        return self.random.choice(deeds)(self.account.iam.users[name], now)

    def tidy(self, today: date) -> list[str]:
        """The tags of this day go; returns whose."""
        gone = self.mend.pop(today, [])
        for name, key in gone:
            self.account.iam.untag_user(name, (key,))
        return [name for name, _ in gone]

    def rotates_by_hand(self, consumer: Consumer, now: datetime) -> bool:
        """A second key on some day from the 50th on, installed at once; what becomes of the old one is open."""
        user = self.account.iam.users[consumer.user_name]
        held = user.keys.get(consumer.key_id)
        if consumer.install is not Install.BY_HAND or held is None or len(user.keys) > 1:
            return False
        if (now - held.created).days < 50 or self.random.random() > 0.05:
            return False
        consumer.key_id = self._made(user.name, now)
        return True

    def repairs(self, consumer: Consumer, now: datetime) -> None:
        """The program's calls are refused: switch the key back on, or give it one that works, or ask for one."""
        user = self.account.iam.users[consumer.user_name]
        if consumer.key_id in user.keys and self.random.random() < 0.7:
            self._set(user.name, consumer.key_id, ACTIVE)
            return
        working = [key for key in user.keys.values() if key.active]
        if working:
            consumer.key_id = max(working, key=lambda key: key.created).id
        elif len(user.keys) < 2 and self.random.random() < 0.5:
            # A moment ago: it works by now.
            consumer.key_id = self._made(user.name, now - timedelta(minutes=1))
        else:
            self.account.iam.tag_user(user.name, tag.REPLACE, "nothing works any more")
            # Who waits for it installs it on the day it comes.
            consumer.delay = 0

    def _reactivate(self, user: UserRecord, _now: datetime) -> bool:
        return self._switch(user, to=ACTIVE)

    def _deactivate(self, user: UserRecord, _now: datetime) -> bool:
        return self._switch(user, to=INACTIVE)

    def _switch(self, user: UserRecord, to: str) -> bool:
        found = [key.id for key in user.keys.values() if key.status != to]
        if found:
            self._set(user.name, self.random.choice(found), to)
        return bool(found)

    def _made(self, user_name: str, created: datetime) -> str:
        key_id = self.account.iam.create_access_key(user_name, created=created).id
        self.account.people_know.add(key_id)
        return key_id

    def _set(self, user_name: str, key_id: str, status: str) -> None:
        self.account.iam.update_access_key(user_name, key_id, status)
        self.account.people_know.add(key_id)

    def _delete(self, user: UserRecord, _now: datetime) -> bool:
        off = [key.id for key in user.keys.values() if not key.active]
        if off:
            self.account.iam.delete_access_key(user.name, self.random.choice(off))
        return bool(off)

    def _exempt(self, user: UserRecord, now: datetime) -> bool:
        days = self.random.choice((3, 20, 60, 60, 370))
        self.account.iam.tag_user(user.name, tag.EXEMPT, f"{now.date() + timedelta(days=days)} migration")
        return True

    def _ask_for_a_replacement(self, user: UserRecord, _now: datetime) -> bool:
        self.account.iam.tag_user(user.name, tag.REPLACE, "leaked")
        return True

    def _tag_a_number(self, user: UserRecord, now: datetime) -> bool:
        value = self.random.choice(("60", "60", "37", "400", "36", "ninety", "0"))
        return self._for_a_while(user, tag.MAX_AGE_DAYS, value, now)

    def _misspell(self, user: UserRecord, now: datetime) -> bool:
        key = self.random.choice(("Exempt", tag.EXEMPT, f"{tag.PREFIX}exemption"))
        return self._for_a_while(user, key, "always", now)

    def _for_a_while(self, user: UserRecord, key: str, value: str, now: datetime) -> bool:
        self.account.iam.tag_user(user.name, key, value)
        day = now.date() + timedelta(days=self.random.randrange(2, 30))
        self.mend.setdefault(day, []).append((user.name, key))
        return True

    def _mistype_a_hold(self, user: UserRecord, _now: datetime) -> bool:
        for key, value in user.tags.items():
            if key.startswith(tag.HELD_UNTIL):
                self.account.iam.tag_user(
                    user.name, key, f"{int(value[:4]) + 10}{value[4:]}".replace("-29", "-28")
                )
                return True
        return False

    def _delete_the_secret(self, user: UserRecord, now: datetime) -> bool:
        name = secret_name(user.name)
        if name in self.account.secrets.secrets:
            self.account.secrets.schedule_deletion(name, now)
            return True
        return False
