"""docs/design.md sections 3 and 4 a second time, written from the words alone: nothing here comes from the planner.

Only the types of the model and the reading of tags are shared. Where the planner and this module disagree, the
words of the design decide which of them is wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import lru_cache

from keyrotation.decide import tags as tag
from keyrotation.decide.tags import Held, HoldReason, Tags
from keyrotation.model import Key, User
from keyrotation.policy import Policy, PolicyError

DAY = timedelta(days=1)


def used_on(key: Key) -> date | None:
    """Section 3: a last use through sts within an hour of creation is our own proof."""
    if key.use is None:
        return None
    if key.use.service == "sts" and key.use.at <= key.created + timedelta(hours=1):
        return None
    return key.use.at.date()


def tags_of(user: User, today: date) -> Tags:
    return _read(tuple(user.tags.items()), today)


@lru_cache(maxsize=4096)
def _read(tags: tuple[tuple[str, str], ...], today: date) -> Tags:
    return tag.parse(dict(tags), today=today)


def own_policy(policy: Policy, tags: Tags) -> Policy | None:
    """The tag tightens only; None: against the inequalities."""
    if tags.max_age_days is None or tags.max_age_days >= policy.max_key_age_days:
        return policy
    try:
        return replace(policy, max_key_age_days=tags.max_age_days)
    except PolicyError:
        return None


def understood(user: User, policy: Policy, today: date) -> bool:
    """Rule 1, the other way round."""
    tags = tags_of(user, today)
    return (
        not user.unread
        and not tags.malformed
        and own_policy(policy, tags) is not None
        and all(key.status in ("Active", "Inactive") for key in user.keys)
        and len(user.keys) <= 2
    )


def exempt(user: User, today: date) -> bool:
    exemption = tags_of(user, today).exempt
    return exemption is not None and today <= exemption.until


@dataclass
class Facts:
    """One understood user on one day. Mutable: the table is worked through rule by rule."""

    user: User
    policy: Policy
    today: date
    keys: list[Key] = field(init=False)
    marks: dict[str, date] = field(init=False)
    held: dict[str, Held] = field(init=False)
    asked: bool = field(init=False)

    def __post_init__(self) -> None:
        tags = tags_of(self.user, self.today)
        own = own_policy(self.policy, tags)
        assert own is not None
        self.policy = own
        self.keys = sorted(self.user.keys, key=lambda key: (key.created, key.id))
        self.marks = dict(tags.inactive_since)
        self.held = dict(tags.held_until)
        self.asked = tags.replace_asked

    def off(self, key: Key) -> None:
        self.keys[self.keys.index(key)] = replace(key, status="Inactive")
        self.marks[key.id] = self.today

    @property
    def active(self) -> list[Key]:
        return [key for key in self.keys if key.status == "Active"]

    @property
    def elder(self) -> Key | None:
        return self.active[0] if len(self.active) == 2 else None

    @property
    def successor(self) -> Key | None:
        return self.active[1] if len(self.active) == 2 else None

    def in_secret(self, key: Key) -> bool:
        secret = self.user.the_secret
        if secret is None or secret.deleted:
            return False
        return "AWSCURRENT" in secret.stages.get(f"{key.id}-access-key-rotation", frozenset())

    @property
    def stored(self) -> bool:
        return self.successor is not None and self.in_secret(self.successor)

    @property
    def off_date(self) -> date:
        """The replacement's date + OverlapDays; after a replacement by hand not before day MaxKeyAgeDays - 2."""
        assert self.elder is not None
        assert self.successor is not None
        day = self.successor.created.date() + self.policy.overlap_days * DAY
        by_hand = self.elder.created.date() + (self.policy.max_key_age_days - 2) * DAY
        return day if self.stored else max(day, by_hand)

    def days_since(self, day: date) -> int:
        return (self.today - day).days

    def used_within(self, key: Key, days: int) -> bool:
        day = used_on(key)
        return day is not None and self.days_since(day) <= days

    def in_use(self, key: Key) -> bool:
        follower = self.successor if key == self.elder else None
        if follower is not None and self.stored and used_on(follower) is not None:
            return self.used_within(key, self.policy.quiet_days)
        return self.used_within(key, self.policy.quiet_days_before_first_use)

    def left_alone(self, key: Key) -> bool:
        """Rule 6: while a `reactivated` hold is ahead."""
        held = self.held.get(key.id)
        return held is not None and held.reason is HoldReason.REACTIVATED and held.until > self.today

    def longest(self, reason: HoldReason) -> int:
        return {
            HoldReason.IN_USE: self.policy.in_use_extension_days,
            HoldReason.BY_HAND: self.policy.warn_days,
            HoldReason.REACTIVATED: max(self.policy.in_use_extension_days, self.policy.quiet_days),
        }[reason]

    def reported(self, key: Key, reason: HoldReason) -> date | None:
        """The end of a hold first reported for this off date: for a key in use, not before that date.

        By hand: not before WarnDays ahead of it, nor while the key was in use ("there is no deadline").
        """
        held = self.held.get(key.id)
        if held is None or held.reason is not reason:
            return None
        first = self.off_date
        if reason is HoldReason.BY_HAND:
            first -= self.policy.warn_days * DAY
            if (last := used_on(key)) is not None:
                first = max(first, last + (self.policy.quiet_days_before_first_use + 1) * DAY)
        return held.until if held.until >= first + self.longest(reason) * DAY else None

    @property
    def due(self) -> bool:
        if not self.active:
            return False
        issued = self.policy.max_key_age_days - self.policy.overlap_days - 2
        return self.days_since(self.active[-1].created.date()) >= issued

    @property
    def wanted(self) -> bool:
        """Rule 11, but for the slot."""
        if self.asked:
            return True
        return self.due and (self.policy.unused_days == 0 or used_on(self.active[-1]) is not None)

    def past_off_date(self, key: Key) -> bool:
        return key == self.elder and self.today >= self.off_date

    def idle(self, key: Key) -> int:
        return self.days_since(used_on(key) or key.created.date())

    def unused(self, key: Key) -> bool:
        """Rule 10, but for its last clause (a successor whose elder is around)."""
        # An active key with an inactive mark is one that rule 6 is about to leave alone.
        switched_back = key.id in self.marks or self.left_alone(key)
        if self.policy.unused_days == 0 or self.asked or key.status != "Active" or switched_back:
            return False
        if key == self.elder and not self.past_off_date(key):
            return False
        never = used_on(key) is None and key == self.active[-1] and self.due
        age = self.days_since(key.created.date())
        return self.idle(key) >= self.policy.unused_days or (
            never and age >= self.policy.max_key_age_days - 2
        )

    def follows_lately(self, key: Key) -> bool:
        """Its elder is active, or was marked inactive less than QuietDaysBeforeFirstUse days ago."""
        if key == self.keys[0]:
            return False
        before = self.keys[self.keys.index(key) - 1]
        marked = self.marks.get(before.id, self.today)
        return before.status == "Active" or self.days_since(marked) < self.policy.quiet_days_before_first_use

    def may_return(self, key: Key) -> bool:
        """Rule 5's last clause; and, beyond its words, a key that protects an older one by it stays too."""
        before = self.keys[: self.keys.index(key)]
        if any(each.status != "Active" and self.may_return(each) for each in before):
            return True
        marked = self.marks.get(key.id, self.today)
        if key == self.keys[-1] or self.days_since(marked) >= self.policy.quiet_days_before_first_use:
            return False
        follower = used_on(self.keys[-1])
        return follower is None or follower <= marked


@dataclass
class Table:
    """What the table of section 4 decides for one user, neither unknown, interrupted nor exempt."""

    marked: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    returned: set[str] = field(default_factory=set)
    held: dict[str, Held] = field(default_factory=dict)
    off: dict[str, str] = field(default_factory=dict)
    kept: set[str] = field(default_factory=set)
    replaced: bool = False
    blocked: bool = False


def table(user: User, policy: Policy, today: date) -> Table:
    """Rules 4 to 12 in their order. `kept`: keys that a person must be told of because they are kept on."""
    facts, found = Facts(user, policy, today), Table()

    def hold(key: Key, days: int, reason: HoldReason) -> None:
        facts.held[key.id] = found.held[key.id] = Held(until=today + days * DAY, reason=reason)

    for key in facts.keys:
        held = facts.held.get(key.id)
        if held is not None and facts.days_since(held.until) < -facts.longest(held.reason):
            hold(key, facts.longest(held.reason), held.reason)
    for key in facts.keys:  # 4
        if key.status == "Inactive" and key.id not in facts.marks:
            facts.marks[key.id] = today
            found.marked.add(key.id)
    for key in list(facts.keys):  # 5
        if key.status == "Active" or facts.may_return(key):
            continue
        off = facts.days_since(facts.marks[key.id])
        old = 0 < facts.policy.delete_after_days <= off
        in_the_way = off >= facts.policy.quiet_days and len(facts.keys) == 2 and facts.wanted
        if old or (in_the_way and not (facts.active and facts.unused(facts.active[-1]))):
            facts.keys.remove(key)
            found.deleted.add(key.id)
    for key in facts.active:  # 6
        if key.id in facts.marks:
            del facts.marks[key.id]
            hold(key, facts.longest(HoldReason.REACTIVATED), HoldReason.REACTIVATED)
            found.returned.add(key.id)
        if facts.left_alone(key):
            found.kept.add(key.id)
    _elders(facts, found, hold)
    for key in facts.active:  # 10
        if not facts.unused(key):
            continue
        if facts.follows_lately(key):
            found.kept.add(key.id)
        else:
            facts.off(key)
            found.off[key.id] = "unused"
    found.replaced = facts.wanted and len(facts.keys) < 2  # 11
    found.blocked = facts.wanted and not found.replaced  # 12
    return found


def _elders(facts: Facts, found: Table, hold: Callable[[Key, int, HoldReason], None]) -> None:
    """Rules 7, 8 and 9: one of them at most applies to the elder."""
    elder, successor = facts.elder, facts.successor
    if elder is None or successor is None or facts.left_alone(elder):
        return
    past, in_use = facts.past_off_date(elder), facts.in_use(elder)
    announced = facts.reported(elder, HoldReason.BY_HAND)
    extended = facts.reported(elder, HoldReason.IN_USE)
    someone_holds_it = facts.used_within(successor, facts.policy.quiet_days)
    by_hand_over = someone_holds_it and announced is not None and announced <= facts.today
    last = used_on(elder)
    had_a_chance = last is not None and last > successor.created.date()
    extension_over = facts.policy.in_use_extension_days == 0 or (
        extended is not None and extended <= facts.today
    )

    if past and not in_use and (facts.stored or by_hand_over):  # 7
        facts.off(elder)
        found.off[elder.id] = "quiet"
    elif past and facts.stored and in_use and had_a_chance and extension_over:  # 9
        facts.off(elder)
        found.off[elder.id] = "forced"
    elif past and facts.unused(elder):  # left to 10
        return
    elif facts.stored and past:  # 8, in use
        found.kept.add(elder.id)
        if extended is None and facts.policy.in_use_extension_days > 0:
            hold(elder, facts.policy.in_use_extension_days, HoldReason.IN_USE)
    elif not facts.stored and facts.today >= facts.off_date - facts.policy.warn_days * DAY:  # 8, by hand
        found.kept.add(elder.id)
        # No deadline while it is in use, nor before somebody is proven to hold the successor.
        if announced is None and not in_use and someone_holds_it:
            hold(elder, facts.policy.warn_days, HoldReason.BY_HAND)
