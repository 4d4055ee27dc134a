"""People with console access: what they do to users, keys, tags and secrets, wisely or not."""

from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from random import Random

from keyrotation.decide import tags as tag
from keyrotation.model import ACTIVE, INACTIVE, secret_name

from tests.simulation.access import may
from tests.simulation.account import Account
from tests.simulation.consumers import Consumer, Install
from tests.simulation.iam import Refused, UserRecord
from tests.simulation.watch import STRANGER, Watch

QUARANTINE = "arn:aws:iam::aws:policy/AWSCompromisedKeyQuarantineV3"
_DELETE = "secretsmanager:DeleteSecret"


@dataclass
class People:
    """`later`: what somebody will do on a day. `did`: how often each deed changed something."""

    random: Random
    account: Account
    watch: Watch
    later: dict[date, list[tuple[UserRecord, Callable[[], None]]]] = field(default_factory=dict)
    did: Counter[str] = field(default_factory=Counter)
    deeds: tuple[Callable[[UserRecord, datetime], bool], ...] = field(init=False)
    _left: list[Callable[[UserRecord, datetime], bool]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.deeds = (
            self.switches_a_key_on,
            self.switches_a_key_on,
            self.switches_a_key_off,
            self.off_and_on_again,
            self.deletes_an_inactive_key,
            self.deletes_an_inactive_key,
            self.deletes_the_newest_key,
            self.makes_a_key_by_hand,
            self.makes_a_key_by_hand,
            self.exempts,
            self.exempts,
            self.asks_for_a_replacement,
            self.asks_for_a_replacement,
            self.sets_a_threshold,
            self.misspells_a_tag,
            self.deletes_the_secret,
            self.deletes_the_secret,
            self.deletes_the_secret,
            self.renames,
            self.moves_to_another_path,
            self.attaches_a_quarantine,
            self.applies_terraform,
            self.applies_terraform,
            self.applies_terraform,
            self.left_tags_of_version_0_1,
            self.forbids_to_read,
            self.garbles_the_memory,
        )

    def meddle(self, user: UserRecord, now: datetime) -> bool:
        """True when it changed something. Each deed once before any comes again: a small fleet meets them all too."""
        if not self._left:
            self._left += self.deeds
        deed = self.random.choice(self._left)
        changed = deed(user, now)
        if changed:
            self._left.remove(deed)
            self.did[deed.__name__] += 1
        return changed

    def meddles_in_between(self, user: UserRecord, now: datetime) -> bool:
        """The day after something failed about this user: a replacement may be interrupted, and a person makes a key."""
        if self.watch.struck.get(user.id) != now.date() - timedelta(days=1) or self.random.random() > 1 / 150:
            return False
        self.did["makes_a_key_in_between"] += 1
        return self.makes_a_key_by_hand(user, now)

    def tidy(self, today: date) -> list[UserRecord]:
        """What somebody meant to do on this day is done; returns about whom."""
        touched = []
        for user, deed in self.later.pop(today, []):
            if not user.gone:
                deed()
                touched.append(user)
        return touched

    def rotates_by_hand(self, consumer: Consumer, now: datetime) -> bool:
        """A second key on some day from the 50th on, installed at once; what becomes of the old one is open."""
        user = consumer.user
        held = user.keys.get(consumer.key_id)
        if consumer.install is not Install.BY_HAND or held is None or len(user.keys) > 1:
            return False
        if (now - held.created).days < 50 or self.random.random() > 0.05:
            return False
        consumer.key_id = self._made(user, now)
        return True

    def clears_up(self, consumer: Consumer) -> bool:
        """Of two active keys for a long time, the mail asks somebody to see to it: some day the program gets the newer one."""
        user = consumer.user
        active = [key for key in user.keys.values() if key.active]
        if len(active) < 2 or consumer.install is Install.BY_HAND or self.random.random() > 1 / 60:
            return False
        newest = max(active, key=lambda key: key.seniority)
        if consumer.key_id == newest.id or (self.account.now - newest.created).days < 40:
            return False
        consumer.key_id, consumer.new_key_id = newest.id, None
        self.did["clears_up"] += 1
        return True

    def repairs(self, consumer: Consumer, now: datetime) -> None:
        """The program's calls are refused: switch the key back on, or give it one that works, or ask for one."""
        user = consumer.user
        consumer.new_key_id = None
        if consumer.key_id in user.keys and self.random.random() < 0.6:
            self._set(user, consumer.key_id, ACTIVE)
            return
        working = [key for key in user.keys.values() if key.active]
        if working:
            consumer.key_id = max(working, key=lambda key: key.created).id
        elif len(user.keys) < 2 and self.random.random() < 0.5:
            # A moment ago: it works by now.
            consumer.key_id = self._made(user, now - timedelta(minutes=1))
        else:
            self.account.iam.tag_user(user.name, tag.REPLACE, "nothing works any more")
            # Who waits for it installs it on the day it comes.
            consumer.delay = 0

    # Keys.

    def switches_a_key_on(self, user: UserRecord, _now: datetime) -> bool:
        return self._switch(user, to=ACTIVE)

    def switches_a_key_off(self, user: UserRecord, _now: datetime) -> bool:
        return self._switch(user, to=INACTIVE)

    def off_and_on_again(self, user: UserRecord, now: datetime) -> bool:
        """For a few days."""
        found = [key.id for key in user.keys.values() if key.active]
        if not found:
            return False
        key_id = self.random.choice(found)
        self._set(user, key_id, INACTIVE)
        self._in(self.random.randrange(1, 6), user, now, lambda: self._set(user, key_id, ACTIVE))
        return True

    def deletes_an_inactive_key(self, user: UserRecord, _now: datetime) -> bool:
        off = [key.id for key in user.keys.values() if not key.active]
        if off:
            self._deleted(user, self.random.choice(off))
        return bool(off)

    def deletes_the_newest_key(self, user: UserRecord, _now: datetime) -> bool:
        """One that the product made: another tool manages this user's keys as well."""
        if len(user.keys) < 2:
            return False
        newest = max(user.keys.values(), key=lambda key: key.seniority)
        if not newest.active or newest.id not in self.watch.known:
            return False
        self._deleted(user, newest.id)
        return True

    def makes_a_key_by_hand(self, user: UserRecord, now: datetime) -> bool:
        if len(user.keys) > 1:
            return False
        self._made(user, now)
        return True

    # Tags.

    def exempts(self, user: UserRecord, now: datetime) -> bool:
        days = self.random.choice((0, 3, 20, 60, 60, 370))
        self.account.iam.tag_user(user.name, tag.EXEMPT, f"{now.date() + timedelta(days=days)} migration")
        if self.random.random() < 0.3:
            self._in(self.random.randrange(1, 40), user, now, lambda: self._untag(user, tag.EXEMPT))
        return True

    def asks_for_a_replacement(self, user: UserRecord, _now: datetime) -> bool:
        self.account.iam.tag_user(user.name, tag.REPLACE, "leaked")
        return True

    def sets_a_threshold(self, user: UserRecord, now: datetime) -> bool:
        value = self.random.choice(("65", "80", "37", "400", "36", "ninety"))
        return self._for_a_while(user, tag.MAX_AGE_DAYS, value, now)

    def misspells_a_tag(self, user: UserRecord, now: datetime) -> bool:
        key = self.random.choice(
            ("Exempt", tag.EXEMPT, f"{tag.PREFIX}exemption", "max-age-day", "max_age_days")
        )
        return self._for_a_while(user, key, "always", now)

    def applies_terraform(self, user: UserRecord, _now: datetime) -> bool:
        """It takes away every tag that is not in its code."""
        had = bool(user.tags)
        user.tags.clear()
        return had

    def left_tags_of_version_0_1(self, user: UserRecord, now: datetime) -> bool:
        """Also forged ones: who may tag users may write them."""
        day = now.date() + timedelta(days=self.random.choice((-400, -60, -1, 30)))
        for key in user.keys.values():
            mark, value = self.random.choice(
                (
                    (f"{tag.PREFIX}inactive-since:{key.id}", str(day)),
                    (f"{tag.PREFIX}held-until:{key.id}", f"{day} in-use"),
                    (f"{tag.PREFIX}pending", f"{day}T06:00:00Z eu-west-1 run {key.id}"),
                )
            )
            self.account.iam.tag_user(user.name, mark, value)
        return bool(user.keys)

    # Users.

    def renames(self, user: UserRecord, _now: datetime) -> bool:
        """Or to a name that another user left."""
        old = user.name
        with suppress(Refused):
            self.account.iam.update_user(old, new_name=f"user-{self.random.randrange(90000, 90040)}")
        return self._was_moved(user, changed=user.name != old)

    def moves_to_another_path(self, user: UserRecord, _now: datetime) -> bool:
        old = user.path
        self.account.iam.update_user(user.name, new_path=self.random.choice(("/", "/team/", "/team/a/")))
        return self._was_moved(user, changed=user.path != old)

    def attaches_a_quarantine(self, user: UserRecord, now: datetime) -> bool:
        """AWS does, when it finds a key in public; a person takes it away, and may ask for a new key at once."""
        user.policies.add(QUARANTINE)
        if self.random.random() < 0.5:
            self.account.iam.tag_user(user.name, tag.REPLACE, "exposed")
        self._in(self.random.randrange(2, 60), user, now, lambda: user.policies.discard(QUARANTINE))
        return True

    def leaves(self, user: UserRecord) -> None:
        """The user is deleted, with everything: somebody may come by the same name."""
        for key_id in list(user.keys):
            self.account.iam.delete_access_key(user.name, key_id)
        user.policies.clear()
        self.account.iam.delete_user(user.name)
        self.did["leaves"] += 1

    # What the product reads.

    def deletes_the_secret(self, user: UserRecord, now: datetime) -> bool:
        """With its waiting time or at once, and perhaps thinks better of it."""
        secret = self.account.handed.get(user.id) or self.account.secrets.secrets.get(secret_name(user.name))
        if secret is None or secret.deleted_on is not None or self.account.secrets.find(secret.arn) is None:
            return False
        at_once = self.random.random() < 0.3
        if not may(secret.policy, _DELETE, arn=STRANGER[0], user_id=STRANGER[1], at_once=at_once):
            return False
        if at_once:
            self.account.secrets.delete_at_once(secret.arn)
            return True
        self.account.secrets.schedule_deletion(secret.arn, now)
        if self.random.random() < 0.5:

            def restored() -> None:
                if self.account.secrets.find(secret.arn) is not None:
                    self.account.secrets.restore(secret.arn)

            self._in(self.random.randrange(1, 6), user, now, restored)
        return True

    def forbids_to_read(self, user: UserRecord, now: datetime) -> bool:
        """A policy of the organization denies to list the keys of this user, for some days."""
        self.account.closed.add(user.id)
        self._in(self.random.randrange(1, 20), user, now, lambda: self.account.closed.discard(user.id))
        return True

    def garbles_the_memory(self, user: UserRecord, now: datetime) -> bool:
        """Somebody edits the user's item, and mends it some days later."""
        items = self.account.table.items
        if user.id not in items or user.id in self.account.garbled:
            return False
        before = items[user.id]
        wrong = {"keys": {"S": "none"}} if self.random.random() < 0.7 else {"schema": {"N": "99"}}
        garbled = items[user.id] = {**before, **wrong}
        self.account.garbled.add(user.id)

        def mended() -> None:
            self.account.garbled.discard(user.id)
            if items.get(user.id) is garbled:
                items[user.id] = before

        self._in(self.random.randrange(1, 12), user, now, mended)
        return True

    # How they do it.

    def _in(self, days: int, user: UserRecord, now: datetime, deed: Callable[[], None]) -> None:
        self.later.setdefault(now.date() + timedelta(days=days), []).append((user, deed))

    def _was_moved(self, user: UserRecord, *, changed: bool) -> bool:
        if changed:
            self.watch.moved.add(user.id)
        return changed

    @staticmethod
    def _untag(user: UserRecord, key: str) -> None:
        user.tags.pop(key, None)

    def _switch(self, user: UserRecord, to: str) -> bool:
        found = [key.id for key in user.keys.values() if key.status != to]
        if found:
            self._set(user, self.random.choice(found), to)
        return bool(found)

    def _made(self, user: UserRecord, created: datetime) -> str:
        key_id = self.account.iam.create_access_key(user.name, created=created).id
        self.account.people_know.add(key_id)
        return key_id

    def _set(self, user: UserRecord, key_id: str, status: str) -> None:
        if key_id in user.keys:
            self.account.iam.update_access_key(user.name, key_id, status)
            self.account.people_know.add(key_id)

    def _deleted(self, user: UserRecord, key_id: str) -> None:
        self.watch.person_deleted(user, user.keys[key_id])
        self.account.iam.delete_access_key(user.name, key_id)

    def _for_a_while(self, user: UserRecord, key: str, value: str, now: datetime) -> bool:
        self.account.iam.tag_user(user.name, key, value)
        self._in(self.random.randrange(2, 30), user, now, lambda: self._untag(user, key))
        return True
