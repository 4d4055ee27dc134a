"""The rules of version 2 a second time, written from the words alone: nothing here comes from the planner.

The words: NOTICE_RULES.md (it wins) and DESIGN.md sections 1 to 5, of which docs/design.md is made. Only the types of
the model and the reading of tags are shared. Where the words leave a choice, this module says what *may* be.
"""

from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache

from keyrotation.decide import tags as tag
from keyrotation.decide.tags import Tags
from keyrotation.memory import KeyMemory, Notice, What, Why
from keyrotation.model import Key, Occasion, User
from keyrotation.policy import Policy, PolicyError

DAY = timedelta(days=1)
NEVER = date.max


def used_on(key: Key) -> date | None:
    """Section 2: a last use through sts within an hour of creation is our own proof."""
    if key.use is None:
        return None
    if key.use.service == "sts" and key.use.at <= key.created + timedelta(hours=1):
        return None
    return key.use.at.date()


def tags_of(user: User) -> Tags:
    return _read(tuple(user.tags.items()))


@lru_cache(maxsize=4096)
def _read(tags: tuple[tuple[str, str], ...]) -> Tags:
    return tag.parse(dict(tags))


def own_policy(policy: Policy, tags: Tags) -> Policy:
    """The tag tightens only; one that is against the inequalities is ignored (and told)."""
    if tags.max_age_days is None or tags.max_age_days >= policy.max_key_age_days:
        return policy
    try:
        return replace(policy, max_key_age_days=tags.max_age_days)
    except PolicyError:
        return policy


def understood(user: User, today: date) -> bool:
    """Rule 1, the other way round."""
    here = {key.id for key in user.keys}
    late = any(
        each.issued_on == today and each.off_since is None
        for key_id, each in user.memory.keys.items()
        if key_id not in here
    )
    return (
        not user.unread
        and not tags_of(user).malformed
        and all(key.status in ("Active", "Inactive") for key in user.keys)
        and len(user.keys) <= 2
        and (not late or tags_of(user).replace_asked)
    )


def exempt(user: User, today: date) -> bool:
    exemption = tags_of(user).exempt
    return exemption is not None and today <= exemption.until


@dataclass
class Facts:
    """One understood user on one day. Mutable: the table is worked through rule by rule."""

    user: User
    policy: Policy
    today: date
    keys: list[Key] = field(init=False)
    remembered: dict[str, KeyMemory] = field(init=False)
    asked: bool = field(init=False)
    vanished: bool = field(init=False)

    def __post_init__(self) -> None:
        tags = tags_of(self.user)
        self.policy = own_policy(self.policy, tags)
        self.keys = sorted(self.user.keys, key=lambda key: (key.created, key.id))
        self.remembered = {key.id: self.user.memory.keys.get(key.id, KeyMemory()) for key in self.keys}
        self.asked = tags.replace_asked
        self.vanished = self.user.memory.vanished is not None or self._vanishes()

    def _vanishes(self) -> bool:
        """Rule 14: the newest key of the user was issued, is gone though another is left, and was not known as off."""
        here = {key.id for key in self.keys}
        remembered = self.user.memory.keys
        gone = {k: each for k, each in remembered.items() if k not in here and each.issued_on is not None}
        if not gone or not here:
            return False
        newest = max(gone.values(), key=lambda each: each.issued_on or date.min)
        assert newest.issued_on is not None
        days = [key.created.date() for key in self.keys]
        days += [each.issued_on for each in remembered.values() if each.issued_on is not None]
        return newest.off_since is None and max(days) <= newest.issued_on

    def of(self, key: Key) -> KeyMemory:
        return self.remembered[key.id]

    def set(self, key: Key, **facts: object) -> None:
        self.remembered[key.id] = replace(self.of(key), **facts)  # type: ignore[arg-type]

    def ahead(self, days: int) -> date:
        return self.today + days * DAY

    def days_since(self, day: date) -> int:
        return (self.today - day).days

    # Words.

    @property
    def active(self) -> list[Key]:
        return [key for key in self.keys if key.status == "Active"]

    @property
    def elder(self) -> Key | None:
        return self.active[0] if len(self.active) == 2 else None

    @property
    def successor(self) -> Key | None:
        return self.active[1] if len(self.active) == 2 else None

    @property
    def newest_active(self) -> Key | None:
        return self.active[-1] if self.active else None

    @property
    def exposed(self) -> bool:
        return self.user.exposed is not None

    def current(self, key: Key) -> bool:
        """AWSCURRENT of the secret that memory knows is this key, and the secret is not scheduled for deletion."""
        secret = self.user.the_secret
        if self.user.memory.secret_arn is None or secret is None or secret.deleted:
            return False
        return "AWSCURRENT" in secret.stages.get(f"{key.id}-access-key-rotation", frozenset())

    def is_stored(self, key: Key) -> bool:
        of_key = self.of(key)
        if of_key.issued_on is None or of_key.secret_arn is None:
            return False
        return of_key.secret_arn == self.user.memory.secret_arn and self.current(key)

    @property
    def stored(self) -> bool:
        return self.successor is not None and self.is_stored(self.successor)

    @property
    def looked_after(self) -> bool:
        """Of an issued successor the secret is looked at every third day, and daily from three days before the elder's day on.

        Not in the words of the rules, which know no cost: in between, what the secret holds changes nothing.
        """
        assert self.elder is not None
        assert self.successor is not None
        issued, notice = self.of(self.successor).issued_on, self.of(self.elder).notice
        if issued is None:
            return True
        end = issued + self.policy.overlap_days * DAY if notice is None else notice.day
        age = self.age(self.successor)
        return (age > 0 and age % 3 == 0) or self.today >= end - 3 * DAY

    def window(self, key: Key) -> int:
        """Within so many days used is in use."""
        if key == self.elder and self.stored:
            assert self.successor is not None
            if used_on(self.successor) is not None:
                return self.policy.quiet_days
        return self.policy.quiet_days_before_first_use

    def in_use(self, key: Key) -> bool:
        last = used_on(key)
        return last is not None and self.days_since(last) <= self.window(key)

    def quiet_on(self, key: Key) -> date:
        last = used_on(key)
        return self.today if last is None else last + (self.window(key) + 1) * DAY

    def left_alone(self, key: Key) -> bool:
        back = self.of(key).back_on
        longest = max(self.policy.in_use_extension_days, self.policy.quiet_days)
        return back is not None and self.today < back + longest * DAY

    def age(self, key: Key) -> int:
        return self.days_since(key.created.date())

    @property
    def wants_now(self) -> bool:
        """Rule 12, but for the slot."""
        if self.exposed:
            return False
        if self.asked:
            return True
        newest = self.newest_active
        if newest is None or self.vanished:
            return False
        issued = self.policy.max_key_age_days - self.policy.overlap_days - 2
        if self.age(newest) < issued:
            return False
        last = used_on(newest)
        if self.policy.unused_days == 0:
            return True
        return last is not None and self.days_since(last) <= self.policy.unused_days

    @property
    def may_want_on(self) -> date:
        """The earliest day on which rule 12 may come to want a slot."""
        if self.exposed:
            return NEVER
        if self.asked:
            return self.today
        newest = self.newest_active
        if newest is None or self.vanished:
            return NEVER
        issued = self.policy.max_key_age_days - self.policy.overlap_days - 2
        return max(self.today, newest.created.date() + issued * DAY)

    # Rule 7.

    def off_since(self, key: Key) -> date:
        return self.of(key).off_since or self.today

    def protected_until(self, key: Key) -> date:
        """The first day on which nothing protects it: needed back, or newer than one that may be."""
        if len(self.keys) < 2:
            return self.today
        before, newest = self.keys[0], self.keys[-1]
        if before.status == "Active":
            return self.today
        went = self.off_since(before)
        last = used_on(newest)
        if last is not None and last > went:
            return self.today
        end = went + self.policy.quiet_days_before_first_use * DAY
        return max(self.today, end) if key in (before, newest) else self.today

    def old_on(self, key: Key) -> date:
        days = self.policy.delete_after_days
        return self.off_since(key) + days * DAY if days > 0 else NEVER

    def in_the_way(self, key: Key) -> bool:
        """The older inactive key of a user without a free slot."""
        inactive = [each for each in self.keys if each.status != "Active"]
        return len(self.keys) == 2 and bool(inactive) and key == inactive[0]

    def deletable_today(self, key: Key) -> bool:
        if self.today < self.protected_until(key):
            return False
        if self.today >= self.old_on(key):
            return True
        slot = self.off_since(key) + self.policy.quiet_days * DAY
        return self.in_the_way(key) and self.wants_now and self.today >= slot

    def deletable_at_the_earliest(self, key: Key) -> date:
        """What protects it counts for a notice that is moved, not for the first."""
        slot = NEVER
        if self.in_the_way(key) and self.may_want_on != NEVER:
            slot = max(self.may_want_on, self.off_since(key) + self.policy.quiet_days * DAY)
        first = self.of(key).notice is None
        return max(
            self.today, min(self.old_on(key), slot), self.today if first else self.protected_until(key)
        )

    # Rule 9b.

    @property
    def moved_on_by_hand(self) -> bool:
        """The elder of a pair by hand is quiet, and the successor was used on a later day."""
        assert self.elder is not None
        assert self.successor is not None
        last, new = used_on(self.elder), used_on(self.successor)
        return not self.in_use(self.elder) and new is not None and (last is None or new > last)

    @property
    def by_hand_on(self) -> date:
        assert self.elder is not None
        assert self.successor is not None
        threshold = self.elder.created.date() + (self.policy.max_key_age_days - 2) * DAY
        return max(threshold, self.successor.created.date() + self.policy.overlap_days * DAY)

    # Rule 11.

    def unused_on(self, key: Key) -> date | None:
        """The day on which rule 11 retires it; None: not at all, as things are."""
        if self.policy.unused_days == 0 or self.asked or key.status != "Active":
            return None
        if key == self.elder and self.stored:
            return None
        if key == self.successor:
            return None
        last = used_on(key)
        day = (last or key.created.date()) + self.policy.unused_days * DAY
        last_safe = key.created.date() + (self.policy.max_key_age_days - 2) * DAY
        if last is None and key == self.newest_active:
            day = min(day, last_safe)
        if key == self.elder:
            day = max(day, last_safe)
        if len(self.keys) == 2 and key == self.keys[1] and self.keys[0].status != "Active":
            came_after = self.off_since(self.keys[0])
            day = max(day, came_after + self.policy.quiet_days_before_first_use * DAY)
        return day


Given = tuple[What, Why, date]


@dataclass
class Table:
    """What the table decides for one user who is understood, not exempt, and has no pending replacement."""

    remembered_off: set[str] = field(default_factory=set)
    remembered_on: set[str] = field(default_factory=set)
    off: dict[str, str] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    replaced: bool = False
    blocked: bool = False
    attention: set[str] = field(default_factory=set)
    # By key: notices that must be given, and those that may be, though nothing forces it.
    given: dict[str, Given] = field(default_factory=dict)
    may_give: dict[str, set[Given]] = field(default_factory=dict)
    # Of these the day is bounded, not known: it hangs on what a key will be used for.
    deletion_at_the_earliest: dict[str, date] = field(default_factory=dict)
    deletion_must_be_given: set[str] = field(default_factory=set)
    fallen: set[str] = field(default_factory=set)
    may_fall: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)


def table(user: User, policy: Policy, occasion: Occasion) -> Table:
    """Rules 4 to 12 in their order, in Enforce."""
    reading = _Reading(facts=Facts(user, policy, occasion.today), heard=occasion.heard)
    reading.renamed()
    reading.switched_by_others()
    reading.inactive()
    reading.back_on()
    reading.falling()
    reading.elders()
    reading.unused()
    reading.replaced()
    reading.found.kept -= reading.found.may_fall
    return reading.found


@dataclass
class _Reading:
    facts: Facts
    heard: bool
    found: Table = field(default_factory=Table)

    @property
    def today(self) -> date:
        return self.facts.today

    @property
    def warn(self) -> int:
        return self.facts.policy.warn_days

    def floor(self, day: date) -> date:
        return max(day, self.facts.ahead(self.warn))

    def falls(self, key: Key) -> None:
        self.facts.set(key, notice=None)
        self.found.fallen.add(key.id)

    def give(self, key: Key, why: Why, day: date) -> None:
        if self.heard:
            notice = Notice(what=What.SWITCH_OFF, why=why, day=self.floor(day), told=self.today)
            self.found.given[key.id] = (notice.what, why, notice.day)
            self.facts.set(key, notice=notice)

    def told(self, notice: Notice) -> bool:
        return (self.today - notice.told).days <= self.warn + 1

    def switch_off(self, key: Key, reason: str) -> None:
        self.found.off[key.id] = reason
        self.facts.keys[self.facts.keys.index(key)] = replace(key, status="Inactive")
        self.facts.set(key, off_since=self.today, back_on=None, notice=None)

    def keep(self, key: Key, notice: Notice, day: date, reason: str) -> None:
        """The four steps of a notice that is there, and whose rule acts from `day` on."""
        if self.today < notice.day:
            self.found.kept.add(key.id)
            if self.heard and self.floor(day) < notice.day:
                sooner = (What.SWITCH_OFF, notice.why, self.floor(day))
                self.found.may_give.setdefault(key.id, set()).add(sooner)
        elif day > self.today:
            self.give(key, notice.why, day)
        elif not self.told(notice):
            self.give(key, notice.why, self.facts.ahead(self.warn))
        elif self.heard:
            self.switch_off(key, reason)

    def renamed(self) -> None:
        """5: put the policy anew, on a secret that can take one."""
        user = self.facts.user
        names, secret = user.memory.policy_arn, user.the_secret
        there = user.memory.secret_arn is not None and secret is not None and not secret.deleted
        if names is None or names == user.arn or not there:
            return
        for key in self.facts.keys:
            was = self.facts.of(key).notice
            if was is not None and was.what is What.SWITCH_OFF:
                self.falls(key)

    def switched_by_others(self) -> None:
        for key in self.facts.keys:
            was = self.facts.of(key).notice
            if key.status != "Active" and self.facts.of(key).off_since is None:  # 6
                self.found.remembered_off.add(key.id)
                self.facts.set(key, off_since=self.today, back_on=None)
            if was is not None and (was.what is What.DELETE) == (key.status == "Active"):
                self.falls(key)  # a person switched it, or memory is odd

    def inactive(self) -> None:
        """7."""
        facts, found = self.facts, self.found
        for key in [each for each in facts.keys if each.status != "Active"]:
            was = facts.of(key).notice
            earliest = facts.deletable_at_the_earliest(key)
            ripe = was is not None and was.day <= self.today and self.told(was) and self.heard
            if ripe and facts.deletable_today(key):
                found.deleted.add(key.id)
                facts.keys.remove(key)
            elif self.heard:
                found.deletion_at_the_earliest[key.id] = earliest
                definite = facts.old_on(key) == earliest or facts.deletable_today(key)
                reached = was is None or was.day <= self.today
                if earliest != NEVER and definite and reached:
                    found.deletion_must_be_given.add(key.id)

    def back_on(self) -> None:
        """8."""
        for key in self.facts.active:
            if self.facts.of(key).off_since is not None:
                self.found.remembered_on.add(key.id)
                self.facts.set(key, off_since=None, back_on=self.today)
            if self.facts.left_alone(key):
                self.found.attention.add(key.id)
                if self.facts.of(key).notice is not None:
                    self.falls(key)

    def falling(self) -> None:
        """What ends a notice of a key that is on."""
        for key in self.facts.active:
            was = self.facts.of(key).notice
            if was is None:
                continue
            is_elder = key == self.facts.elder
            of_stored_pair = is_elder and self.facts.stored
            if was.why in (Why.OVERLAP, Why.IN_USE):
                if is_elder and not of_stored_pair and not self.facts.looked_after:
                    self.found.may_fall.add(key.id)
                elif not of_stored_pair:
                    self.falls(key)
            elif was.why is Why.BY_HAND:
                if not is_elder or of_stored_pair or not self.facts.moved_on_by_hand:
                    self.falls(key)
            else:
                self.no_longer_unused(key, was, of_stored_pair=of_stored_pair)

    def no_longer_unused(self, key: Key, was: Notice, *, of_stored_pair: bool) -> None:
        """It was used, or is replaced, or the rule is about it no more."""
        day = self.facts.unused_on(key)
        if of_stored_pair or day is None or day > self.floor(was.day):
            self.falls(key)
        elif day > self.facts.ahead(self.warn):
            self.found.may_fall.add(key.id)

    def elders(self) -> None:
        facts, elder = self.facts, self.facts.elder
        if elder is None or facts.left_alone(elder):
            return
        was = facts.of(elder).notice
        if facts.stored:
            self.overlap(elder, was)
        elif not facts.looked_after:
            pass
        elif facts.moved_on_by_hand:  # 9b
            day = facts.by_hand_on
            if was is not None and was.why is Why.BY_HAND:
                self.keep(elder, was, day, "quiet")
            elif self.today >= day - self.warn * DAY:
                self.give(elder, Why.BY_HAND, day)  # also in the place of a notice by 11, which comes later
        elif self.today >= facts.by_hand_on - self.warn * DAY:
            self.found.attention.add(elder.id)

    def overlap(self, elder: Key, was: Notice | None) -> None:
        """9 and 10."""
        facts = self.facts
        assert facts.successor is not None
        issued = facts.of(facts.successor).issued_on
        assert issued is not None
        day = issued + facts.policy.overlap_days * DAY
        in_use, last = facts.in_use(elder), used_on(elder)
        chance = last is not None and last > facts.successor.created.date()
        if was is None:
            self.give(elder, Why.OVERLAP, day)
        elif was.why is Why.IN_USE:
            self.keep(elder, was, self.today, "forced" if in_use else "quiet")
        elif self.today >= was.day and day <= self.today and in_use:
            self.found.attention.add(elder.id)
            if chance:
                self.give(elder, Why.IN_USE, facts.ahead(facts.policy.in_use_extension_days))
            else:
                self.give(elder, Why.OVERLAP, facts.quiet_on(elder))
        else:
            protected = max(day, facts.quiet_on(elder)) if in_use else day
            self.keep(elder, was, protected if self.today < was.day else day, "quiet")

    def unused(self) -> None:
        """11."""
        for key in list(self.facts.active):
            if self.facts.left_alone(key):
                continue
            was, day = self.facts.of(key).notice, self.facts.unused_on(key)
            if day is None:
                continue
            if was is not None and was.why is Why.UNUSED:
                self.keep(key, was, day, "unused")
            elif was is None and self.today >= day - self.warn * DAY:
                self.give(key, Why.UNUSED, day)

    def replaced(self) -> None:
        """12 and 13. A replacement takes the place of a notice given by 11 in the same run."""
        facts, found = self.facts, self.found
        wants = facts.wants_now
        found.replaced = wants and len(facts.keys) < 2
        found.blocked = wants and not found.replaced
        key = facts.newest_active
        if not found.replaced or key is None:
            return
        found.kept.discard(key.id)
        found.given.pop(key.id, None)
        if self.heard and not facts.left_alone(key):
            found.given[key.id] = (What.SWITCH_OFF, Why.OVERLAP, facts.ahead(facts.policy.overlap_days))
