"""What must hold, watched day by day; nothing here comes from the planner."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta

from keyrotation.actions import Deactivate, Delete, Hold, Item, Level, OffReason, Plan, Replace
from keyrotation.apply import Outcome
from keyrotation.model import Key, User
from keyrotation.policy import Policy
from keyrotation.rotation import Run

from tests.simulation.account import BrokeOff
from tests.simulation.consumers import Consumer
from tests.unit.effects import applied
from tests.unit.oracle import Facts, exempt, understood, used_on


@dataclass
class Watch:
    """`excused`: the last day on which a user's digest, a person or a new policy explained a delay."""

    policy: Policy
    violations: list[str] = field(default_factory=list)
    forgiven: Counter[str] = field(default_factory=Counter)
    missed: list[date] = field(default_factory=list)
    excused: dict[str, date] = field(default_factory=dict)
    given: dict[str, date] = field(default_factory=dict)
    reported: dict[str, date] = field(default_factory=dict)
    switched_off: dict[str, Deactivate] = field(default_factory=dict)
    secret_is_dead: set[str] = field(default_factory=set)
    times: Counter[tuple[str, str]] = field(default_factory=Counter)
    _unfinished: set[str] = field(default_factory=set)

    def excuse(self, user: User, today: date) -> None:
        """A person acted: what the system did before may be done again, and what was given is void."""
        self.excused[user.name] = today
        self.secret_is_dead.add(user.name)
        for key in user.keys:
            self.given.pop(key.id, None)
            self.switched_off.pop(key.id, None)
            for what in [what for what in self.times if what[1] == key.id]:
                del self.times[what]

    def new_policy(self, policy: Policy, names: list[str], today: date) -> None:
        self.policy = policy
        self.excused |= dict.fromkeys(names, today)
        # The off date of a pair made by hand hangs on the threshold: it is announced anew.
        for what in [what for what in self.times if what[0] == "held (by-hand)"]:
            del self.times[what]

    def refused(self, consumer: Consumer, today: date) -> None:
        """A call was refused. A violation, unless the design says that this consumer could not be saved."""
        off = self.switched_off.get(consumer.key_id)
        if off is None:
            self.forgiven["a person took the key away"] += 1
        elif off.reason is OffReason.FORCED:
            self.forgiven["told, and the extension was over"] += 1
        elif off.reason is OffReason.UNUSED and consumer.told is not None and "never used" in off.why:
            self.forgiven["installed a new key only after its retirement"] += 1
        elif consumer.idle:
            self.forgiven["came back after months"] += 1
        elif consumer.every > self.policy.quiet_days_before_first_use:
            self.forgiven["a job rarer than QuietDaysBeforeFirstUse"] += 1
        elif consumer.shares:
            self.forgiven["two consumers of one key"] += 1
        else:
            self._broken(today, consumer.user_name, f"{consumer} was cut off: {off}")

    def run(self, run: Run) -> None:
        for plan in run.plans:
            self._remember(plan, run.today)
        for outcome in run.outcomes:
            self._actions(outcome, run.today)
        failed = (outcome.plan.user.name for outcome in run.outcomes if outcome.failure is not None)
        self._unfinished = {*(plan.user.name for plan in run.waiting), *run.deferred, *failed}
        self.excused |= dict.fromkeys(self._unfinished, run.today)

    def _remember(self, plan: Plan, today: date) -> None:
        asking = [item for item in plan.items if item.level in (Level.ATTENTION, Level.EXEMPT)]
        if asking:
            self.excused[plan.user.name] = today
        for item in asking:
            if item.key_id is not None and "past its off date" in item.text:
                self.reported.setdefault(item.key_id, today)

    def _actions(self, outcome: Outcome, today: date) -> None:
        user = outcome.plan.user
        if outcome.failure is not None:
            self.excused[user.name] = today
            if BrokeOff.__name__ not in outcome.failure:
                self._broken(today, user.name, f"IAM or Secrets Manager refused: {outcome.failure}")
        if outcome.done and not understood(user, self.policy, today):
            self._broken(today, user.name, "something was done though something was not understood")
        if outcome.done and exempt(user, today) and not outcome.plan.settles:
            self._broken(today, user.name, "something was done though the user is exempt")
        now = self._noon(today)
        for number, done in enumerate(outcome.done):
            so_far = applied(user, (each.action for each in outcome.done[:number]), now)
            match done.action:
                case Deactivate() as off:
                    self._off(Facts(so_far, self.policy, today), off)
                case Delete(key_id=key_id):
                    self._deleted(Facts(so_far, self.policy, today), key_id)
                case Replace(old_key_id=old, old_key_off_on=off_on):
                    self.secret_is_dead.discard(user.name)
                    if old is not None and off_on is not None:
                        self.given[old] = off_on
                        self._once(today, user.name, "replaced", old)
                case Hold(key_id=key_id, reason=reason):
                    facts = Facts(so_far, self.policy, today)
                    held = facts.held.get(key_id)
                    mistyped = held is not None and (held.until - today).days > facts.longest(held.reason)
                    if not mistyped:
                        self._once(today, user.name, f"held ({reason})", key_id)

    def _off(self, facts: Facts, off: Deactivate) -> None:
        today, name = facts.today, facts.user.name
        key = next(key for key in facts.keys if key.id == off.key_id)
        self._once(today, name, "switched off", key.id)
        self.switched_off[key.id] = off
        if facts.in_secret(key):
            self.secret_is_dead.add(name)
        if off.in_secret != facts.in_secret(key):
            self._broken(today, name, "the digest is wrong about the key that AWSCURRENT holds")
        if off.reason is OffReason.FORCED:
            extension = timedelta(days=self.policy.in_use_extension_days)
            if not facts.stored or self.reported.get(key.id, today) + extension > today:
                self._broken(today, name, f"{key.id} forced off before its reported extension was over")
        elif facts.in_use(key):
            self._broken(today, name, f"{key} is in use and was switched off as {off.reason}")
        if off.reason is not OffReason.UNUSED:
            if len(facts.active) == 1:
                self._broken(today, name, f"the only active key was switched off: {off}")
            if key == facts.elder and today < max(facts.off_date, self.given.get(key.id, facts.off_date)):
                self._broken(today, name, f"{key.id} went off before the off date it was given")
        elif not facts.unused(key):
            self._broken(today, name, f"{key} was retired though rule 10 does not say so")

    def _deleted(self, facts: Facts, key_id: str) -> None:
        key = next(key for key in facts.keys if key.id == key_id)
        if key.status == "Active" or facts.may_return(key):
            self._broken(facts.today, facts.user.name, f"{key} was deleted too early")

    def state(self, user: User, run: Run | None, plan: Plan | None, today: date) -> None:
        """Every user, every day; `run` None: it was missed; `plan` None: not in the order."""
        if not understood(user, self.policy, today) or exempt(user, today):
            if run is not None and (plan is None or not plan.items):
                self._broken(today, user.name, "unknown or exempt, and not in the digest")
            return
        facts = Facts(user, self.policy, today)
        for key in facts.keys:
            if key.status != "Active":
                self.reported.pop(key.id, None)
        if run is not None:
            waits = user.name in self._unfinished
            told = [item for item in plan.items if item.level is Level.ATTENTION] if plan else []
            if not waits:
                self._told(facts, told)
        if facts.due and used_on(facts.active[-1]) is None:
            # A newest key that had not been used when it came due: replaced once it is, or retired.
            self.excused[user.name] = today
        for key in facts.active:
            self._compliant(facts, key)
        secret = user.secret
        current = (
            []
            if secret is None or secret.deleted
            else [v for v, s in secret.stages.items() if "AWSCURRENT" in s]
        )
        alive = {f"{key.id}-access-key-rotation" for key in facts.active} | {"placeholder"}
        if not set(current) <= alive and user.name not in self.secret_is_dead:
            self._broken(today, user.name, f"AWSCURRENT names a dead key: {current}")

    def _told(self, facts: Facts, told: list[Item]) -> None:
        elder, named = facts.elder, {item.key_id for item in told}
        if elder is not None and facts.past_off_date(elder) and elder.id not in named:
            self._broken(facts.today, facts.user.name, f"{elder.id} is past its off date and nobody is told")
        if facts.wanted and not any(item.command for item in told):
            self._broken(facts.today, facts.user.name, "a replacement is blocked and nobody is told")

    def _compliant(self, facts: Facts, key: Key) -> None:
        age, own, today = (facts.today - key.created.date()).days, facts.policy, facts.today
        if age < own.max_key_age_days:
            return
        issued = key.created.date() + timedelta(days=own.issue_age)
        late = self.excused.get(facts.user.name, date.min) >= issued
        if not late and sum(issued <= day <= today for day in self.missed) <= 1:
            self._broken(today, facts.user.name, f"{key} is {age} days old, and no digest said why")

    def _once(self, today: date, name: str, what: str, key_id: str) -> None:
        self.times[what, key_id] += 1
        if self.times[what, key_id] > 1:
            self._broken(today, name, f"{key_id} was {what} twice, and no person had acted in between")

    def _broken(self, today: date, name: str, what: str) -> None:
        self.violations.append(f"{today} {name}: {what}")

    @staticmethod
    def _noon(today: date) -> datetime:
        return datetime.combine(today, time(12), tzinfo=UTC)
