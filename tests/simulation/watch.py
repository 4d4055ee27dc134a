"""What must hold, judged from what people heard and from what IAM and Secrets Manager have: never from the memory.

The watch stands between the product and the account: it sees each change just before AWS carries it out, and each message that
somebody hears. Nothing here comes from the planner; only the reading of tags is shared.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from enum import StrEnum

from keyrotation.decide import tags as tag
from keyrotation.memory import What, Why
from keyrotation.model import secret_name

from tests.simulation.access import READ, may
from tests.simulation.account import Account, Said
from tests.simulation.consumers import Consumer, Install
from tests.simulation.hearing import Hearing, Telling
from tests.simulation.iam import KeyRecord, UserRecord
from tests.simulation.policies import Policies
from tests.simulation.secrets_manager import CURRENT, SecretRecord

# An insider: nobody who may read a secret.
STRANGER = ("arn:aws:iam::123456789012:role/Insider", "AROAINSIDER:session")
# So many of one key are too many.
_NOTICES_OF_AN_OVERLAP = 7
# After so many runs in which nothing about a user failed, no key is left over that nobody holds.
_CLEAN_RUNS = 3


class Deed(StrEnum):
    """How the product did it: what the summary counts."""

    REPLACED = "replaced"
    QUIET = "switched off: quiet at the end of its overlap"
    TURNED_QUIET = "switched off: quiet at the end of its extension"
    FORCED = "switched off: in use at the end of its extension"
    BY_HAND = "switched off: elder of a pair by hand"
    UNUSED = "switched off: unused"
    DELETED = "deleted"
    ORPHAN = "deleted: an orphan"
    ROLLED_BACK = "deleted: rolled back"


@dataclass(frozen=True)
class _Off:
    """The product switched a key off: when and how, and what had been told."""

    on: date
    deed: Deed
    telling: Telling


@dataclass
class Watch:
    """`disturbed`: by user id, the last day on which something happened that excuses a delay.

    `made`: by key id, when the product made it; `known`: those of them that its memory was not made to forget.
    `changed`: the ids of users whose keys the product changed today.
    `off`: by key id, since when a key is off; `held`: what programs and people have in hand, by user id.
    `paired`: by user id, the last evening on which both keys were active.
    `vanished`: by user id, the key that somebody else deleted, so that none is replaced; `perhaps_vanished`: users of whom the
    product may believe so.
    `prompt`: the ids of users all of whose programs move to a new key in time, and use it often.
    `calm_since`: since when nothing happens to the account as a whole; None: something does.
    """

    account: Account
    policies: Policies
    enforce: bool = True
    hearing: Hearing = field(default_factory=Hearing)
    violations: list[str] = field(default_factory=list)
    deeds: Counter[Deed] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    missed: list[date] = field(default_factory=list)
    calm_since: date | None = None
    disturbed: dict[str, date] = field(default_factory=dict)
    struck: dict[str, date] = field(default_factory=dict)
    held: dict[str, set[str]] = field(default_factory=dict)
    made: dict[str, date] = field(default_factory=dict)
    known: set[str] = field(default_factory=set)
    stored_keys: set[str] = field(default_factory=set)
    handed_over: set[str] = field(default_factory=set)
    off: dict[str, date] = field(default_factory=dict)
    off_by_product: dict[str, _Off] = field(default_factory=dict)
    back_on: dict[str, date] = field(default_factory=dict)
    paired: dict[str, date] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)
    prompt: set[str] = field(default_factory=set)
    vanished: dict[str, str] = field(default_factory=dict)
    perhaps_vanished: set[str] = field(default_factory=set)
    forgot_on: date = date.min
    attempt: int = 0
    changed: set[str] = field(default_factory=set)
    heard_today: list[Said] = field(default_factory=list)
    _seen_off: set[str] = field(default_factory=set)
    _made_in: dict[str, int] = field(default_factory=dict)
    _notices: Counter[str] = field(default_factory=Counter)
    _lonely: Counter[str] = field(default_factory=Counter)
    _stored_since: dict[str, date] = field(default_factory=dict)

    @property
    def today(self) -> date:
        return self.account.now.date()

    # What the product does, as AWS is about to carry it out.

    def heard(self, said: tuple[Said, ...]) -> None:
        """A message went out, and somebody got it."""
        self.heard_today += said
        keys = Counter(each.key_id for each in said)
        for each in said:
            user = self.account.iam.owner(each.key_id)
            if user is None:
                self.violations.append(f"{self.today} {each.key_id} is told of, and is not there")
                continue
            self.told[f"{each.what}: {each.why}"] += 1
            if keys[each.key_id] > 1:
                self._broken(user, f"{each.key_id} is named twice in one message")
            # Given anew, because nobody was reminded of it in time, it needs no second extension.
            new = (before := self.hearing.tellings.get(each.key_id)) is None or before.why is not each.why
            wrong = self.hearing.hear(each, self.today, warn=self.policies.now.warn_days)
            if wrong is not None:
                self._broken(user, wrong)
            if new and each.why is Why.IN_USE:
                self._extension_begins(user, each)
            if before is None or not before.says(each):
                self._told_anew(user, each)

    def creates(self, user: UserRecord) -> None:
        policy = self.policies.of(user)
        for wrong in self._may_act(user):
            self._broken(user, f"a key was made though {wrong}")
        if any("AWSCompromisedKeyQuarantine" in arn for arn in user.policies):
            self._broken(user, "a key was made though one of this user was found exposed")
        if len(user.keys) > 1:
            self._broken(user, "a third key was asked for")
        if tag.REPLACE in user.tags:
            self.vanished.pop(user.id, None)
            return
        if user.id in self.vanished:
            self._broken(user, f"a key was made though {self.vanished[user.id]} had vanished")
        newest = _newest(user)
        if newest is None or (self.today - newest.created_on).days < policy.issue_age:
            self._broken(user, f"a key was made, and nothing was due ({newest})")
        elif policy.unused_days and (
            newest.used_on is None or (self.today - newest.used_on).days > policy.unused_days
        ):
            self._broken(user, f"a key was made to replace one that nobody uses ({newest})")

    def created(self, user: UserRecord, key_id: str) -> None:
        self.changed.add(user.id)
        self.made[key_id], self._made_in[key_id] = self.today, self.attempt
        self.known.add(key_id)
        self.perhaps_vanished.discard(user.id)
        self.vanished.pop(user.id, None)
        if len(user.keys) > 2:
            self._broken(user, "a third key was made")

    def stored(self, secret: SecretRecord, *, promoted: bool) -> None:
        """The product wrote to a secret, and this is what it is now."""
        for key_id in secret.key_ids():
            user = self.account.iam.owner(key_id)
            if user is None or key_id not in self.made:
                continue
            self.stored_keys.add(key_id)
            if not may(secret.policy, READ, arn=user.arn, user_id=user.id):
                self._broken(user, f"the owner may not read {secret.name}")
            for arn, user_id in (
                STRANGER,
                (user.arn, "AIDASOMEBODYELSE"),
                ("arn:aws:iam::123456789012:user/x", "AIDAX"),
            ):
                if may(secret.policy, READ, arn=arn, user_id=user_id):
                    self._broken(user, f"{arn} ({user_id}) may read {key_id} in {secret.name}")
        current = secret.key_with(CURRENT)
        if not promoted or current is None:
            return
        owner = self.account.iam.owner(current)
        if owner is None or not owner.keys[current].active:
            self.violations.append(
                f"{self.today} {secret.name}: AWSCURRENT was given to a dead key, {current}"
            )
        elif current in self.made:
            self.deeds[Deed.REPLACED] += current not in self.handed_over
            self.handed_over.add(current)

    def switches_off(self, user: UserRecord, key_id: str) -> None:
        key, policy = user.keys[key_id], self.policies.of(user)
        self.changed.add(user.id)

        def broken(why: str) -> None:
            self._broken(user, f"{key_id} was switched off: {why}")

        for wrong in (*self._may_act(user), *self._may_take()):
            broken(f"though {wrong}")
        telling = self.hearing.allows(key_id, What.SWITCH_OFF, self.today, warn=policy.warn_days)
        if isinstance(telling, str):
            broken(telling)
            self.off[key_id] = self.today
            return
        back = self.back_on.get(key_id)
        if back is not None and telling.first < back:
            broken(f"a person had switched it on, on {back}, after it was told")
        if back is not None and self.forgot_on < back:
            alone = self.policies.least(
                user, lambda each: max(each.in_use_extension_days, each.quiet_days), since=back
            )
            if (self.today - back).days < alone:
                broken(f"a person had switched it on, on {back}")
        deed = self._reason_holds(user, key, telling, broken)
        self.deeds[deed] += 1
        self.off[key_id] = self.today
        self._seen_off.add(key_id)
        self.off_by_product[key_id] = _Off(self.today, deed, telling)
        self.hearing.void(key_id)

    def deletes(self, user: UserRecord, key_id: str) -> None:
        key, policy = user.keys[key_id], self.policies.of(user)
        self.changed.add(user.id)

        def broken(why: str) -> None:
            self._broken(user, f"{key_id} was deleted: {why}")

        if key_id in self.made and key_id not in self.handed_over and not self._told_of(key_id):
            same_run = self._made_in[key_id] == self.attempt
            self.deeds[Deed.ROLLED_BACK if same_run else Deed.ORPHAN] += 1
            if key_id in self.held.get(user.id, ()) or key.used_on is not None:
                broken("as nobody's, and somebody has it")
            if self.is_stored(user, key):
                broken("and AWSCURRENT names it")
            if not same_run and key_id in self.stored_keys:
                broken("as nobody's, and it had been stored")
            return
        self.deeds[Deed.DELETED] += 1
        for wrong in (*self._may_act(user), *self._may_take()):
            broken(f"though {wrong}")
        if key.active:
            broken("it is active")
        telling = self.hearing.allows(key_id, What.DELETE, self.today, warn=policy.warn_days)
        if isinstance(telling, str):
            broken(telling)
            return
        off = self.off.get(key_id, self.today)
        if self.forgot_on >= off or self.struck.get(user.id, date.min) >= off:
            return  # since when it is off is not known as well as here
        wait = self.policies.least(
            user,
            lambda each: min(each.quiet_days, each.delete_after_days or each.quiet_days),
            since=off,
        )
        if (self.today - off).days < wait:
            broken(f"it is off since {off} only")
        newest = max(user.keys.values(), key=lambda each: each.seniority)
        fresh = (self.today - off).days < policy.quiet_days_before_first_use
        if newest is not key and fresh and (newest.used_on is None or newest.used_on <= off):
            broken(f"it is off since {off}, and nobody has used {newest.id} since: it may be needed back")

    def _told_of(self, key_id: str) -> bool:
        return key_id in self.hearing.tellings

    def _may_act(self, user: UserRecord) -> Iterator[str]:
        """What forbids to do anything to this user."""
        if not self.enforce:
            yield "Mode is Audit"
        tags = tag.parse(user.tags)
        if tags.exempt is not None and tags.exempt.until >= self.today:
            yield f"the user is exempt through {tags.exempt.until}"
        if tags.malformed:
            yield f"a tag is not understood ({tags.malformed[0]})"
        if user.id in self.account.closed or user.id in self.account.garbled:
            yield "something about the user could not be read"

    def _may_take(self) -> Iterator[str]:
        """What forbids to take anything away from anybody."""
        if not self.account.listeners:
            yield "nobody listens"

    def _reason_holds(
        self, user: UserRecord, key: KeyRecord, telling: Telling, broken: Callable[[str], None]
    ) -> Deed:
        elder, successor = _pair(user)
        used = self.in_use(user, key)
        if telling.why is Why.UNUSED:
            self._unused(user, key, telling, broken)
            return Deed.UNUSED
        if elder is not key or successor is None:
            broken(f"it is no elder ({telling.why}), and the only active key")
            return Deed.QUIET
        made_on = self.made.get(successor.id)
        if telling.why is Why.BY_HAND:
            if used:
                broken("it is in use")
            if successor.used_on is None or (key.used_on is not None and successor.used_on <= key.used_on):
                broken("nobody has used the newer key on a later day")
            least = self.policies.least(user, lambda each: each.last_safe_age, since=telling.first)
            overlap = self.policies.least(user, lambda each: each.overlap_days, since=telling.first)
            if self.today < max(
                key.created_on + timedelta(days=least), successor.created_on + timedelta(days=overlap)
            ):
                broken("it was young for a pair by hand")
            return Deed.BY_HAND
        if made_on is None:
            broken(f"its successor was made by hand, and the reason was {telling.why}")
            return Deed.QUIET
        if user.id in self.moved:
            # The secret's policy is mended in this run at the earliest, and then it is told anew.
            broken("the user was renamed or moved since the last run")
        if not self.is_stored(user, successor):
            broken(f"its owner cannot fetch {successor.id}")
        overlap = self.policies.least(user, lambda each: each.overlap_days, since=made_on)
        if (self.today - made_on).days < overlap:
            broken(f"{successor.id} is there since {made_on} only")
        if telling.why is Why.IN_USE:
            return Deed.FORCED if used else Deed.TURNED_QUIET
        if used:
            broken(f"it is in use ({key.last_use})")
        return Deed.QUIET

    def _unused(
        self, user: UserRecord, key: KeyRecord, telling: Telling, broken: Callable[[str], None]
    ) -> None:
        idle = (self.today - (key.used_on or key.created_on)).days
        least = self.policies.least(user, lambda each: each.unused_days or 10**6, since=telling.first)
        safe = self.policies.least(user, lambda each: each.last_safe_age, since=telling.first)
        never = key.used_on is None and key is _newest(user) and (self.today - key.created_on).days >= safe
        if idle < least and not never:
            broken(f"it is not unused ({key.last_use})")
        if _pair(user)[1] is key:
            broken("it is the newer of two active keys")

    def _extension_begins(self, user: UserRecord, said: Said) -> None:
        key, (elder, successor) = user.keys.get(said.key_id), _pair(user)
        policy = self.policies.of(user)
        if key is None or elder is not key or successor is None:
            self._broken(user, f"{said.key_id} is no elder, and is told of as in use")
        elif key.used_on is None or key.used_on <= successor.created_on:
            self._broken(
                user,
                f"{said.key_id}: an extension began, and it was last used before {successor.id} was made",
            )
        if said.day < self.today + timedelta(days=max(policy.in_use_extension_days, policy.warn_days)):
            self._broken(user, f"{said.key_id}: an extension of {(said.day - self.today).days} days began")

    def _told_anew(self, user: UserRecord, said: Said) -> None:
        """An overlap has few notices, where nothing happens to the user: its end, when it will be quiet, its extension."""
        start = max(self.calm_since or self.today, self.disturbed.get(user.id, date.min))
        if said.why not in (Why.OVERLAP, Why.IN_USE) or self.calm_since is None or start >= self.today:
            self._notices.pop(said.key_id, None)
            return
        self._notices[said.key_id] += 1
        if self._notices[said.key_id] == _NOTICES_OF_AN_OVERLAP:
            self._broken(user, f"{said.key_id} is told anew again and again (now {said.why}, {said.day})")

    # Words.

    def in_use(self, user: UserRecord, key: KeyRecord) -> bool:
        if key.used_on is None:
            return False
        policy, (elder, successor) = self.policies.of(user), _pair(user)
        moved_on = (
            elder is key
            and successor is not None
            and successor.used_on is not None
            and successor.id in self.made
            and self.is_stored(user, successor)
        )
        days = policy.quiet_days if moved_on else policy.quiet_days_before_first_use
        return (self.today - key.used_on).days <= days

    def is_stored(self, user: UserRecord, key: KeyRecord) -> bool:
        """The owner can fetch it today."""
        return self.account.read_by_owner(user) == key.id

    # What people do, as far as it excuses something.

    def disturb(self, user: UserRecord) -> None:
        """Something happened to this user that excuses a delay."""
        self.disturbed[user.id] = self.today

    def forget_memory(self) -> None:
        """The table was lost, or is as it was on an earlier day."""
        self.forgot_on = self.today
        self.known.clear()
        self.vanished.clear()
        self._seen_off.clear()

    def remembered_again(self, user_id: str, issued: set[str], *, stopped: bool) -> None:
        """By an item of an earlier day, which knows these keys as issued and on.

        Of one that is gone since, nobody can tell who deleted it: where another key is left, it may be another tool.
        `stopped`: the item says that one had vanished already, which a person may have answered since.
        """
        user = self.account.iam.with_id(user_id)
        if user is not None and (stopped or (user.keys and not issued <= user.keys.keys())):
            self.perhaps_vanished.add(user_id)

    def person_deleted(self, user: UserRecord, key: KeyRecord) -> None:
        """Before it is gone."""
        if key.id in self.made:
            self.perhaps_vanished.add(user.id)
        newest = max(user.keys.values(), key=lambda each: each.seniority)
        # A run that died may have left it to the next one to remember.
        remembered = key.id in self.known and self.struck.get(user.id, date.min) < self.made[key.id]
        if newest is key and key.active and remembered and key.id in self.handed_over:
            self.vanished[user.id] = key.id

    def stranger_read(self, secret: SecretRecord) -> None:
        """Somebody who is no owner got at the values."""
        for key_id in secret.key_ids():
            user = self.account.iam.owner(key_id)
            if user is not None and key_id in self.made:
                self._broken(user, f"a stranger read {key_id}")

    def refused(self, consumer: Consumer) -> None:
        """A call of a program was refused. A violation, unless somebody was told, or took the key away."""
        off, user = self.off_by_product.get(consumer.key_id), consumer.user
        if off is None:
            gone = consumer.key_id not in user.keys and consumer.key_id in self.made
            self.refusals["a person took the key away" if not gone else "the key is gone"] += 1
            return
        policy = self.policies.of(user)
        followed = consumer.install is Install.FETCHED and not consumer.shares and consumer.idle is None
        rare = consumer.every > self.policies.least(
            user, lambda each: min(each.quiet_days_before_first_use, each.warn_days), since=off.telling.first
        )
        undisturbed = self.disturbed.get(user.id, date.min) < off.telling.first - timedelta(
            days=policy.max_key_age_days
        )
        if followed and not rare and undisturbed and off.deed is not Deed.UNUSED:
            self._broken(user, f"{consumer} follows by itself, and was cut off: {off}")
        self.refusals[f"told, and {off.deed}"] += 1

    # Every day.

    def cap_kept(self) -> None:
        """After the day's runs, where none of them met a fault: so many users were changed."""
        if len(self.changed) > self.policies.now.max_users_per_run:
            self.violations.append(f"{self.today} {len(self.changed)} users were changed on one day")

    def morning(self, user: UserRecord) -> None:
        self.policies.note(user, self.today)

    def evening(self, user: UserRecord, *, looked: bool, deep: bool) -> None:
        """`looked`: a run came to its end today, and nothing failed about this user. `deep`: what takes a closer look."""
        actionable = not any(self._may_act(user)) and self.account.listeners > 0
        if looked:
            self.moved.discard(user.id)
        if len(user.keys) > 1 and _pair(user) != (None, None):
            self.paired[user.id] = self.today
        for key in user.keys.values():
            if not key.active:
                self.off.setdefault(key.id, self.today)
                if looked:
                    self._seen_off.add(key.id)
                    self.hearing.void(key.id, what=What.SWITCH_OFF)
            elif key.id in self.off:
                del self.off[key.id]
                self.off_by_product.pop(key.id, None)
                # Off and on again with no run to see it is nothing that the product can know.
                if key.id in self._seen_off:
                    self._seen_off.remove(key.id)
                    self.back_on[key.id] = self.today
                    self.hearing.void(key.id)
        exempt = tag.parse(user.tags).exempt
        if exempt is not None and exempt.until >= self.today:
            # A person has said so, whether a run that failed about this user could tell or not.
            self.vanished.pop(user.id, None)
        gone = self.vanished.get(user.id)
        if gone is not None and any(key.created_on >= self.made[gone] for key in user.keys.values()):
            # A person put another key in its place: the newest did not vanish.
            del self.vanished[user.id]
        if not looked:
            return
        if not self.enforce or (exempt is not None and exempt.until >= self.today):
            for key_id in user.keys:
                self.hearing.void(key_id)
        if not actionable:
            self.disturb(user)
            return
        self._nobodys(user)
        if deep:
            self._ends(user)

    def _nobodys(self, user: UserRecord) -> None:
        """No active key of the product's is left over that nobody can have."""
        held = self.held.get(user.id, ())
        for key in user.keys.values():
            if not key.active or key.id not in self.made or key.id in self.handed_over or key.id in held:
                continue
            if key.id in self.account.people_know or key.used_on is not None:
                continue
            if self.forgot_on >= self.made[key.id]:
                continue  # that it was being made is forgotten: it counts as a person's
            self._lonely[key.id] += 1
            if self._lonely[key.id] == _CLEAN_RUNS:
                self._broken(user, f"{key.id} is active, and nobody holds it")

    def _ends(self, user: UserRecord) -> None:
        """Whatever is under way comes to its end, once nothing happens to the user or the account any more."""
        if self.calm_since is None:
            return
        policy, start = self.policies.of(user), max(self.calm_since, self.disturbed.get(user.id, date.min))
        newest, (elder, successor) = _newest(user), _pair(user)

        def overdue(since: date, days: int) -> bool:
            return (self.today - max(start, since)).days > days

        warn, quiet = policy.warn_days, policy.quiet_days_before_first_use
        if elder is not None and successor is not None:
            stored = successor.id in self.known and self.is_stored(user, successor)
            since = self._stored_since.setdefault(successor.id, self.today)
            if not stored:
                del self._stored_since[successor.id]
            bound = policy.overlap_days + quiet + 1 + policy.in_use_extension_days + 2 * warn + 12
            if stored and overdue(since, bound):
                self._broken(
                    user, f"{elder.id} is the elder of a stored pair, without an end ({elder.last_use})"
                )
        for key in user.keys.values():
            off = self.off.get(key.id)
            if key.active or off is None or not policy.delete_after_days:
                continue
            if overdue(off, max(policy.delete_after_days, quiet) + quiet + 2 * warn + 12):
                self._broken(user, f"{key.id} is off since {off}, and is never deleted")
        if newest is None:
            return
        idle_since = newest.used_on or newest.created_on
        if policy.unused_days and elder is None and tag.REPLACE not in user.tags:
            # The newer of two waits until the key before it is off for so long; what was forgotten may be off since then.
            before = max(self.paired.get(user.id, date.min), self.forgot_on)
            unused_on = max(idle_since + timedelta(days=policy.unused_days), before + timedelta(days=quiet))
            if overdue(unused_on, 2 * warn + 14):
                self._broken(user, f"{newest.id} is not used since {idle_since}, and stays on")
        self._replaced_in_time(user, newest, overdue)
        self._young_enough(user, start)

    def _replaced_in_time(
        self, user: UserRecord, newest: KeyRecord, overdue: Callable[[date, int], bool]
    ) -> None:
        policy = self.policies.of(user)
        due = newest.created_on + timedelta(days=policy.issue_age)
        used = newest.used_on is not None and (
            not policy.unused_days or (self.today - newest.used_on).days < policy.unused_days - 25
        )
        foreign = self.account.secrets.secrets.get(secret_name(user.name))
        blocked = (
            len(user.keys) > 1
            or user.id in self.perhaps_vanished
            or any("Quarantine" in arn for arn in user.policies)
            or (foreign is not None and not foreign.description.endswith("written by access-key-rotation"))
        )
        if self.today > due and used and not blocked and overdue(due, 25):
            self._broken(user, f"{newest.id} was due on {due}, and is not replaced")

    def _young_enough(self, user: UserRecord, start: date) -> None:
        """The promise about the threshold, for whose programs follow in time."""
        policy = self.policies.of(user)
        for key in user.keys.values():
            made_on = self.made.get(key.id)
            if not key.active or made_on is None or key.id not in self.known or made_on <= start:
                continue
            if (self.today - made_on).days < policy.max_key_age_days or user.id not in self.prompt:
                continue
            if sum(made_on <= day for day in self.missed) <= 1:
                self._broken(user, f"{key.id} is {(self.today - made_on).days} days old")

    def _broken(self, user: UserRecord, what: str) -> None:
        self.violations.append(f"{self.today} {user.name}: {what}")


def _pair(user: UserRecord) -> tuple[KeyRecord | None, KeyRecord | None]:
    """Elder and successor of two active keys; otherwise none."""
    active = sorted((key for key in user.keys.values() if key.active), key=lambda key: key.seniority)
    return (active[0], active[1]) if len(active) == 2 else (None, None)


def _newest(user: UserRecord) -> KeyRecord | None:
    return max((key for key in user.keys.values() if key.active), key=lambda key: key.seniority, default=None)
