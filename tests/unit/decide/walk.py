"""One user after the other over many days: people, failures and attackers around the planner, and a checker that trusts neither.

    python -m tests.unit.decide.walk --users 300 --days 400 --seed 1

The world carries actions out as the rotator does: memory before an effect, the effect, the message, and the notices that it
held, if it was heard. The checker goes by the messages that were heard and by IAM's truth; it never looks at the memory.
"""

import argparse
import sys
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from random import Random

from keyrotation.decide import remembering
from keyrotation.decide.actions import (
    Action,
    Deactivate,
    Delete,
    DeleteOrphan,
    GiveNotice,
    Item,
    MendPolicy,
    Plan,
    Promote,
    Recall,
    Remembered,
    Replace,
    SettlePending,
)
from keyrotation.decide.plan import may_concern, plan_user
from keyrotation.memory import Memory, Notice, OffReason, Pending, What, Why
from keyrotation.model import ACTIVE, INACTIVE, Key, LastUse, Occasion, Secret, User, version_id
from keyrotation.policy import Policy

from tests.unit.drawn import Quick
from tests.unit.drawn import policy as roll_policy
from tests.unit.oracle import own_policy, tags_of
from tests.unit.people import SECRET, asked_for

START = datetime(2026, 1, 1, 6, tzinfo=UTC)
DAY = timedelta(days=1)
PREFIX = "access-key-rotation:"
TIMEOUT = timedelta(minutes=15)
REGION = "eu-west-1"


class Died(Exception):
    """The run was cut short here."""


@dataclass
class Heard:
    """What people know of a key: the day that the last message which named it said, and when it was told."""

    day: date
    why: Why
    first: date
    last: date
    warn: int


@dataclass
class World:
    """One user, those who use the keys, the secret and the memory. `good`: a consumer who does all as the promise wants."""

    random: Random
    policy: Policy
    good: bool
    now: datetime = START
    keys: dict[str, Key] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    arn: str = "arn:aws:iam::123456789012:user/carol"
    quarantine: str | None = None
    secret: Secret | None = None
    secret_arn: str | None = None
    policy_arn: str | None = None
    memory: Memory = field(default_factory=lambda: Memory(user_id="AIDA"))
    issued: dict[str, str] = field(default_factory=dict)
    heard: dict[tuple[str, What], Heard] = field(default_factory=dict)
    off_since: dict[str, date] = field(default_factory=dict)
    pending_by_us: bool = False
    count: Counter[str] = field(default_factory=Counter)
    made: int = 0

    def __post_init__(self) -> None:
        pick = self.random.choice
        p = self.policy
        self.every = pick([1, 1, 2, 7, 30, p.quiet_days + 1, p.quiet_days_before_first_use + 3, 97, 0])
        self.follows = pick([0, 1, p.overlap_days, p.overlap_days + p.in_use_extension_days, 9999])
        if self.good:
            self.follows = pick([0, 1, p.overlap_days - p.quiet_days - 1])
            # The successor is used, and only it, more than QuietDays before the off day; and within UnusedDays.
            longest = min(p.overlap_days - p.quiet_days - self.follows, p.unused_days or 999)
            self.every = pick([1, 2, p.quiet_days, self.random.randint(1, max(1, longest)), max(1, longest)])
        self.both = not self.good and self.random.random() < 0.1
        self.in_hand = self.new_key()
        self.missed = self.random.randrange(p.max_key_age_days)
        self.until: dict[str, date] = {}

    @property
    def today(self) -> date:
        return self.now.date()

    def new_key(self) -> str:
        self.made += 1
        key_id = f"AKIA{self.made:016}"
        self.keys[key_id] = Key(id=key_id, status=ACTIVE, created=self.now)
        return key_id

    def active(self) -> list[Key]:
        return sorted((key for key in self.keys.values() if key.active), key=lambda key: key.seniority)

    def stored(self, key_id: str) -> bool:
        """By IAM and Secrets Manager alone."""
        there = self.secret is not None and self.issued.get(key_id) == self.secret_arn
        return there and self.secret is not None and self.secret.holds(key_id)

    # People.

    def lasting(self, what: str, once_in: int, days: int) -> bool:
        """A state that begins now and then and lasts for a while."""
        if self.until.get(what, date.min) > self.today:
            return True
        if self.random.random() * once_in < 1:
            self.until[what] = self.today + timedelta(days=self.random.randint(1, days))
            return True
        return False

    def people(self, day: int) -> None:
        if not self.good:
            self.meddle()
        fetchable = [k for k in self.active() if self.stored(k.id) and self.policy_arn == self.arn]
        if fetchable and fetchable[-1].id != self.in_hand:
            came = self.keys[fetchable[-1].id].created.date()
            if (self.today - came).days >= self.follows:
                self.in_hand = fetchable[-1].id
        if self.every and day % self.every == 0:
            for key in self.active():
                if key.id == self.in_hand or self.both:
                    self.use(key.id)

    def use(self, key_id: str) -> None:
        hour = self.random.choice((-5, 0, 5))
        use = LastUse(
            at=max(self.now + timedelta(hours=hour), self.keys[key_id].created), service="s3", region="-"
        )
        key = self.keys[key_id]
        self.keys[key_id] = Key(id=key_id, status=key.status, created=key.created, last_use=use)

    def switch(self, key_id: str, status: str) -> None:
        self.keys[key_id] = replace(self.keys[key_id], status=status)
        if status == INACTIVE:
            self.off_since[key_id] = self.today
        else:
            self.off_since.pop(key_id, None)

    def meddle(self) -> None:
        random, keys = self.random, list(self.keys.values())
        if random.random() < 0.93:
            return
        what = random.randrange(17)
        some = random.choice(keys) if keys else None
        if what == 0 and some is not None:
            self.switch(some.id, INACTIVE if some.active else ACTIVE)
        elif what == 1 and some is not None and random.random() < 0.3:
            del self.keys[some.id]
        elif what == 2 and len(keys) < 2:
            made = self.new_key()
            self.in_hand = random.choice((made, self.in_hand))
        elif what == 3:
            self.tags[PREFIX + "exempt"] = f"{self.today + timedelta(days=random.randint(0, 40))} reason"
        elif what == 4:
            self.tags.pop(PREFIX + "exempt", None)
        elif what == 5:
            self.arn = f"arn:aws:iam::123456789012:user/carol{random.randrange(3)}"
        elif what == 6:
            self.tags[PREFIX + "replace"] = ""
        elif what == 7:
            age = self.policy.max_key_age_days - random.choice((0, 1, 5, 30))
            self.tags[PREFIX + "max-age-days"] = str(max(1, age))
        elif what == 8:
            self.tags.pop(PREFIX + "max-age-days", None)
        elif what == 9:
            self.quarantine = None if self.quarantine else "AWSCompromisedKeyQuarantineV3"
        elif what == 10 and self.secret is not None:
            self.secret = replace(self.secret, deleted=not self.secret.deleted)
        elif what == 11 and random.random() < 0.5:
            self.secret = None
        elif what == 12 and self.secret is not None and some is not None:
            stages = {version_id(some.id): frozenset({"AWSCURRENT"})}
            self.secret = replace(self.secret, stages=stages)
        elif what == 13 and random.random() < 0.3:
            self.memory = Memory(user_id="AIDA")
        elif what == 14 and random.random() < 0.5:
            self.policy = roll_policy(Quick(random))
        elif what == 15:
            self.follows = random.choice((0, 1, 9999))
            if some is not None:
                self.in_hand = some.id
        elif what == 16:
            self.every = random.choice((1, 2, 5, 8, 30, 0))

    # A run.

    def look(self, unread: tuple[str, ...] = ()) -> User:
        known = self.secret is not None and self.memory.secret_arn == self.secret_arn
        keys = tuple(self.keys.values())
        if self.random.random() < 0.5:
            keys = keys[::-1]
        return User(
            name="carol",
            id="AIDA",
            arn=self.arn,
            keys=keys,
            tags=self.tags,
            secret=self.secret if known else None,
            quarantine=self.quarantine,
            memory=self.memory,
            unread=unread,
        )

    def run(self, day: int) -> None:
        random, good = self.random, self.good
        if good:
            # One missed at most in a key's life.
            if day % (2 * self.policy.max_key_age_days) == self.missed:
                return
        elif random.random() < 0.05 or self.lasting("stopped", 500, 30):
            return
        deaf = not good and self.lasting("deaf", 150, 20)
        audit = not good and self.lasting("audit", 300, 15)
        unread = ("GetAccessKeyLastUsed: Throttling",) if not good and random.random() < 0.02 else ()
        occasion = Occasion(
            now=self.now,
            region=REGION,
            function_timeout=TIMEOUT,
            listeners=0 if deaf else 1,
            enforce=not audit,
        )
        clean = good or random.random() < 0.9
        try:
            for _ in range(3):
                user = self.look(unread)
                plan = self.plan(user, occasion)
                if not plan.steps:
                    return
                self.carry_out(plan, occasion, clean=clean)
                if not plan.settles or audit:
                    break
            else:
                raise AssertionError("settled once is settled")
        except Died:
            self.count["runs that died"] += 1
            return
        told_all = self.tell(plan, occasion, clean=clean)
        if told_all and (plan.actions or random.random() < 0.05):
            self.again(plan, occasion, unread)

    def plan(self, user: User, occasion: Occasion) -> Plan:
        """As the rotator sees them: those whom the scanner names; now and then with nothing asked that is not needed."""
        named = may_concern(user.listed, self.policy, self.now, enforce=occasion.enforce) or bool(user.unread)
        if not named:
            if self.random.random() < 0.2:
                missed = plan_user(user, self.policy, occasion).steps
                assert not [s for s in missed if not _foreseen(s.decision)], ("the scanner missed", missed)
            return Plan(user=user, owner="", steps=())
        self.count["plans"] += 1
        if self.random.random() < 0.15 and not user.unread:
            return asked_for(user, self.policy, occasion)[0]
        return plan_user(user, self.policy, occasion)

    def again(self, plan: Plan, occasion: Occasion, unread: tuple[str, ...]) -> None:
        left = plan_user(self.look(unread), self.policy, occasion).actions
        left = tuple(each for each in left if not _foreseen(each))
        assert left == (), ("planned again on the same day", plan.actions, left)

    def carry_out(self, plan: Plan, occasion: Occasion, *, clean: bool) -> None:
        for action in plan.actions:
            self.check(action, plan.user, occasion)
            self.count[type(action).__name__] += 1
            self.memory = remembering.before(self.memory, action)
            if not clean and self.random.random() < 0.1:
                raise Died
            self.effect(action, clean=clean)
            if not clean and self.random.random() < 0.1:
                raise Died

    def effect(self, action: Action, *, clean: bool) -> None:
        match action:
            case Deactivate(key_id=key_id):
                self.switch(key_id, INACTIVE)
            case Delete(key_id=key_id) | DeleteOrphan(key_id=key_id):
                del self.keys[key_id]
                if isinstance(action, DeleteOrphan):
                    self.memory = remembering.after(self.memory, action)
            case Promote(key_id=key_id) | Recall(key_id=key_id):
                self.into_secret(key_id)
            case Replace(asked=asked):
                self.replace_key(clean=clean)
                if asked:
                    self.tags.pop(PREFIX + "replace", None)
            case MendPolicy() | SettlePending():
                if isinstance(action, MendPolicy):
                    self.policy_arn = self.arn
                elif action.asked:
                    self.tags.pop(PREFIX + "replace", None)
                self.memory = remembering.after(self.memory, action)
            case _:
                pass

    def replace_key(self, *, clean: bool) -> None:
        key_ids = tuple(sorted(self.keys))
        pending = Pending(since=self.now, region=REGION, run_id="run", key_ids=key_ids)
        self.memory = replace(self.memory, pending=pending)
        dies = None if clean else self.random.choice((None, "made", "staged", "current", "nothing"))
        if dies == "nothing":
            raise Died
        made = self.new_key()
        proof = LastUse(at=self.now + timedelta(seconds=9), service="sts", region="-")
        if dies == "made":
            raise Died
        self.keys[made] = replace(self.keys[made], last_use=proof)
        self.open_secret()
        if dies == "staged":
            assert self.secret is not None
            stages = {**self.secret.stages, version_id(made): frozenset({"AWSPENDING"})}
            self.secret = replace(self.secret, stages=stages)
            raise Died
        self.into_secret(made, remember=dies != "current")
        if dies == "current":
            raise Died
        self.memory = replace(self.memory, pending=None)

    def open_secret(self) -> None:
        lost = self.memory.secret_arn is not None and self.memory.secret_arn != self.secret_arn
        if self.secret is None or lost:
            self.secret, self.secret_arn = Secret(stages={}, deleted=False), f"{SECRET[:-6]}{self.made:06}"
        self.secret = replace(self.secret, deleted=False)
        self.policy_arn = self.arn
        self.memory = replace(self.memory, secret_arn=self.secret_arn, policy_arn=self.arn)

    def into_secret(self, key_id: str, *, remember: bool = True) -> None:
        self.open_secret()
        assert self.secret is not None
        assert self.secret_arn is not None
        before = {v: frozenset({"AWSPREVIOUS"}) for v, s in self.secret.stages.items() if "AWSCURRENT" in s}
        stages = {**before, version_id(key_id): frozenset({"AWSCURRENT"})}
        self.secret = Secret(stages=stages, deleted=False)
        self.issued[key_id] = self.secret_arn
        if remember:
            self.memory = remembering.issued(
                self.memory, key_id, on=self.today, secret_arn=self.secret_arn, user_arn=self.arn
            )

    def tell(self, plan: Plan, occasion: Occasion, *, clean: bool) -> bool:
        """The message, and what is remembered of it; True when nothing of it was lost."""
        if not clean and self.random.random() < 0.3:
            return False  # it was refused, or nobody knows
        if not occasion.heard:
            return not [each for each in plan.actions if isinstance(each, Deactivate | Delete)]
        whole = True
        for step in plan.steps:
            each = step.decision
            if isinstance(each, Item):
                holds = clean or self.random.random() < 0.6
                if each.notice is None or each.key_id is None or not holds:
                    whole = whole and (holds or each.notice is None)
                    continue
                self.hear(each.key_id, each.notice, given=False)
                if clean or self.random.random() < 0.8:
                    self.memory = self.memory.with_key(
                        each.key_id, notice=replace(each.notice, told=self.today)
                    )
                continue
            if each not in plan.actions:
                continue
            key_id = each.old_key_id if isinstance(each, Replace) else getattr(each, "key_id", None)
            notice = each.notice if isinstance(each, GiveNotice | Deactivate | Replace) else None
            if notice is not None and key_id is not None:
                if not clean and self.random.random() < 0.4:
                    whole = False
                    continue  # it does not fit
                self.hear(key_id, notice, given=True)
                if not clean and self.random.random() < 0.2:
                    whole = False
                    continue  # the memory was not to be written
            if not isinstance(each, Replace) or notice is not None:
                self.memory = _after(self.memory, each)
        return whole

    def hear(self, key_id: str, notice: Notice, *, given: bool) -> None:
        known = self.heard.get((key_id, notice.what))
        if not given and known is not None and known.day == notice.day:
            known.last = self.today
            return
        assert given, ("told again, and never given", key_id, notice, known)
        self.heard[key_id, notice.what] = Heard(
            day=notice.day, why=notice.why, first=self.today, last=self.today, warn=self.policy.warn_days
        )

    # The checker.

    def check(self, action: Action, user: User, occasion: Occasion) -> None:
        if isinstance(action, Remembered):
            return
        assert occasion.enforce, "Audit changes nothing"
        assert not user.unread, "unknown is no reason to act"
        exempt = self.tags.get(PREFIX + "exempt", "")[:10] >= str(self.today)
        assert not exempt or isinstance(action, Promote | Recall | DeleteOrphan | SettlePending)
        if isinstance(action, Replace):
            assert len(self.keys) < 2, "never a third key"
            assert self.quarantine is None, "not while AWS has flagged a key"
        if isinstance(action, DeleteOrphan):
            assert action.key_id not in self.issued
            assert self.keys[action.key_id].last_use is None
        if isinstance(action, Deactivate | Delete):
            what = What.DELETE if isinstance(action, Delete) else What.SWITCH_OFF
            known = self.heard.get((action.key_id, what))
            assert occasion.heard, "nobody would hear of it"
            assert known is not None, "nobody was told"
            assert known.day <= self.today, "sooner than was told last"
            assert (known.day - known.first).days >= known.warn, "told too late"
            assert (self.today - known.last).days <= self.policy.warn_days + 1, "not reminded of"
            if isinstance(action, Delete):
                self.check_deletion(action)
            else:
                self.check_switch_off(action, known, own_policy(self.policy, tags_of(user)))

    def check_deletion(self, action: Delete) -> None:
        assert not self.keys[action.key_id].active, "an active key is never deleted"
        off = (self.today - self.off_since[action.key_id]).days
        least = self.policy.quiet_days
        if self.policy.delete_after_days:
            least = min(least, self.policy.delete_after_days)
        # A run that died between mark and deed lets days count from the mark.
        self.count["deleted early"] += off < least

    def check_switch_off(self, action: Deactivate, known: Heard, own: Policy) -> None:
        key, active = self.keys[action.key_id], self.active()
        assert key.active
        if action.reason is OffReason.UNUSED:
            assert known.why is Why.UNUSED, "for a reason that was not told"
            never = min(own.unused_days, own.max_key_age_days - 2)
            least = never if key.used_on is None else own.unused_days
            assert (self.today - key.idle_since).days >= least, "retired, though it was used"
            return
        assert len(active) == 2, "never a user's only active key but by rule 11"
        assert key.id == active[0].id, "never the newer of two"
        stored = self.stored(active[1].id)
        if action.reason is OffReason.FORCED:
            assert known.why is Why.IN_USE, "by force, and that was not told"
            assert stored, "by force only when the owner can fetch the new key"
            assert self.policy_arn == self.arn, "and may"
            return
        used = active[1].used_on is not None
        window = self.policy.quiet_days if stored and used else self.policy.quiet_days_before_first_use
        assert key.used_on is None or (self.today - key.used_on).days > window, "no key in use goes off"
        assert stored or used, "somebody holds the newer key"

    def check_day(self) -> None:
        assert len(self.keys) <= 2
        if not self.good:
            return
        for key in self.keys.values():
            age = (self.today - key.created_on).days
            assert not key.active or age < self.policy.max_key_age_days, ("reached the threshold", key)
        assert self.keys[self.in_hand].active, "the key in hand works"


def _foreseen(decision: Action | Item) -> bool:
    """The deletion for a slot that is wanted some day is foreseen sooner by who knows more."""
    notice = getattr(decision, "notice", None)
    return not isinstance(decision, Deactivate) and notice is not None and notice.what is What.DELETE


def _after(memory: Memory, action: Action) -> Memory:
    """Only what telling adds: the effect itself is remembered already."""
    if isinstance(action, Replace):
        assert action.old_key_id is not None
        return memory.with_key(action.old_key_id, notice=action.notice)
    return remembering.after(memory, action)


def walk(seed: int, days: int, *, good: bool) -> Counter[str]:
    """One user's life; an AssertionError says what did not hold, and on which day."""
    random = Random(seed)
    world = World(random=random, policy=roll_policy(Quick(random)), good=good)
    for day in range(days):
        world.now = START + day * DAY
        try:
            world.people(day)
            world.run(day)
            world.check_day()
        except AssertionError as broken:
            raise AssertionError(f"seed {seed}, good {good}, day {day} ({world.today}): {broken}") from broken
    world.count["days"] = days
    return world.count


def main() -> int:
    """Exit status 1 when something did not hold."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--users", type=int, default=100)
    parser.add_argument("--days", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, help="stop after this many violations", default=5)
    asked = parser.parse_args()
    count, broken = Counter[str](), 0
    for number in range(asked.users):
        try:
            count += walk(asked.seed * 1_000_000 + number, asked.days, good=number % 3 == 0)
        except AssertionError as what:
            broken += 1
            sys.stdout.write(f"{what}\n")
            if broken >= asked.first:
                break
    sys.stdout.write(f"{dict(sorted(count.items()))}\n{count['days']} user-days, {broken} violations\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
