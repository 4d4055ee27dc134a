"""What must hold, watched day by day; nothing here comes from the planner."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import assert_never

from keyrotation.decide import actions
from keyrotation.decide import tags as tag
from keyrotation.decide.tags import Held
from keyrotation.model import Key, User, version_id
from keyrotation.policy import Policy
from keyrotation.run.record import Run

from tests.simulation.consumers import Consumer
from tests.simulation.runs import Acted, Attempt
from tests.unit.effects import applied
from tests.unit.oracle import Facts, exempt, understood, used_on

# After so many runs in which nothing about a user failed, no key is left over that nobody holds.
CLEAN_RUNS = 2


@dataclass
class Watch:
    """`excused`: the last day on which a mail, a person, a fault or a new policy explained a delay.

    `noticed`: the first day on which a mail that went out said of a key that it would go off; `unannounced`: keys
    that went off without.
    """

    policy: Policy
    violations: list[str] = field(default_factory=list)
    forgiven: Counter[str] = field(default_factory=Counter)
    repairs: Counter[str] = field(default_factory=Counter)
    missed: list[date] = field(default_factory=list)
    excused: dict[str, date] = field(default_factory=dict)
    touched: dict[str, date] = field(default_factory=dict)
    given: dict[str, date] = field(default_factory=dict)
    reported: dict[str, date] = field(default_factory=dict)
    noticed: dict[str, date] = field(default_factory=dict)
    unannounced: set[str] = field(default_factory=set)
    policy_since: date = date.min
    asked_about: set[str] = field(default_factory=set)
    switched_off: dict[str, actions.Deactivate] = field(default_factory=dict)
    secret_is_dead: set[str] = field(default_factory=set)
    handed_over: set[str] = field(default_factory=set)
    usable: dict[str, set[str]] = field(default_factory=dict)
    orphaned: Counter[str] = field(default_factory=Counter)
    holds: dict[str, Held] = field(default_factory=dict)
    struck: dict[str, date] = field(default_factory=dict)
    times: dict[tuple[str, str], date] = field(default_factory=dict)
    _unfinished: set[str] = field(default_factory=set)
    _hit: set[str] = field(default_factory=set)
    _plans: dict[str, actions.Plan] | None = None

    def excuse(self, user: User, today: date) -> None:
        """A person acted: what the system did before may be done again, and what was given is void."""
        self.excused[user.name] = self.touched[user.name] = today
        self.secret_is_dead.add(user.name)
        for key in user.keys:
            self.given.pop(key.id, None)
            self.switched_off.pop(key.id, None)
            for what in [what for what in self.times if what[1] == key.id]:
                del self.times[what]

    def new_policy(self, policy: Policy, names: list[str], today: date) -> None:
        self.policy, self.policy_since = policy, today
        self.excused |= dict.fromkeys(names, today)
        # The off date of a pair made by hand hangs on the threshold: it is announced anew.
        for what in [what for what in self.times if what[0] == "held (by-hand)"]:
            del self.times[what]

    def refused(self, consumer: Consumer, today: date) -> None:
        """A call was refused. A violation, unless the design says that this consumer could not be saved.

        Nor is it excused where no mail had said so on a day before.
        """
        off = self.switched_off.get(consumer.key_id)
        if off is None:
            self.forgiven["a person took the key away"] += 1
        elif off.key_id in self.unannounced:
            self._broken(today, consumer.user_name, f"{consumer} was cut off, and no mail had said so: {off}")
        elif off.reason is actions.OffReason.FORCED:
            self.forgiven["told, and the extension was over"] += 1
        elif off.reason is actions.OffReason.UNUSED and consumer.told is not None and "never used" in off.why:
            self.forgiven["installed a new key only after its retirement"] += 1
        elif consumer.idle and consumer.idle[0] <= off.on <= consumer.idle[1]:
            self.forgiven["came back after months"] += 1
        elif consumer.every > self.policy.quiet_days_before_first_use:
            self.forgiven["a job rarer than QuietDaysBeforeFirstUse"] += 1
        elif consumer.shares:
            self.forgiven["two consumers of one key"] += 1
        else:
            self._broken(today, consumer.user_name, f"{consumer} was cut off: {off}")

    def attempt(self, attempt: Attempt, today: date) -> None:
        """One delivery of the day's order: what it did, whatever it knows of that, and whom it told."""
        for acted in attempt.acted:
            self._acted(acted, today, hit=acted.plan.user.name in attempt.hit)
        self.struck |= dict.fromkeys(attempt.hit, today)
        self.excused |= dict.fromkeys(attempt.hit, today)
        if attempt.run is None:
            return
        run = attempt.run
        if attempt.mailed:
            self._told_by(run)
        failed = (outcome.plan.user.name for outcome in run.outcomes if outcome.failure is not None)
        self._unfinished = {*(plan.user.name for plan in run.waiting), *run.deferred, *failed}
        self.excused |= dict.fromkeys(self._unfinished, run.today)

    def day(self, attempts: list[Attempt], today: date) -> None:
        """Before `state`: what the day's attempts come to. A day on which none came to its end is a missed run."""
        self._hit = {name for attempt in attempts for name in attempt.hit}
        if not any(attempt.run for attempt in attempts):
            self.missed.append(today)
        heard = [attempt.run for attempt in attempts if attempt.run and (attempt.ended or attempt.mailed)]
        self._plans = {plan.user.name: plan for plan in heard[-1].plans} if heard else None

    def _told_by(self, run: Run) -> None:
        for plan in run.plans:
            for step in plan.steps:
                item = step.decision
                if not isinstance(item, actions.Item):
                    continue
                if item.level in (actions.Level.ATTENTION, actions.Level.EXEMPT):
                    self.excused[plan.user.name] = run.today
                if item.key_id is None:
                    continue
                self.noticed.setdefault(item.key_id, run.today)
                if "past its off date" in item.text:
                    self.reported.setdefault(item.key_id, run.today)
                if step.rule == "interrupted":
                    self.asked_about.add(item.key_id)
                    self.repairs["told"] += 1
        for outcome in run.outcomes:
            for done in outcome.done:
                if isinstance(done.action, actions.Replace) and done.action.old_key_id is not None:
                    self.noticed.setdefault(done.action.old_key_id, run.today)

    def _acted(self, acted: Acted, today: date, *, hit: bool) -> None:
        user, plan = acted.before, acted.plan
        told = [done.action for done in acted.outcome.done] if acted.outcome is not None else []
        did = [action for action in plan.actions if action in told or _landed(action, acted)]
        for action in did:
            if isinstance(action, actions.ForgetMarks | actions.MarkInactive | actions.Hold):
                continue
            if not _landed(action, acted):
                self._broken(today, user.name, f"told as done, and it is not: {action}")
            if not hit and action not in told:
                self._broken(today, user.name, f"done, and not told as done: {action}")
        if not hit and acted.outcome is not None and acted.outcome.failure is not None:
            self._broken(today, user.name, f"it failed by itself: {acted.outcome.failure}")
        if did and not understood(user, self.policy, today):
            self._broken(today, user.name, "something was done though something was not understood")
        if did and exempt(user, today) and not plan.settles:
            self._broken(today, user.name, "something was done though the user is exempt")
        if plan.settles:
            self._repaired(plan, did)
        for number, action in enumerate(did):
            self._did(applied(user, did[:number], self._noon(today)), action, today)

    def _repaired(self, plan: actions.Plan, did: list[actions.Action]) -> None:
        self.repairs["promoted"] += sum(isinstance(action, actions.Promote) for action in did)
        self.repairs["orphan deleted"] += sum(isinstance(action, actions.DeleteOrphan) for action in did)
        only_marks = all(isinstance(action, actions.ForgetMarks) for action in plan.actions)
        if did and only_marks and not any(step.rule == "interrupted" for step in plan.steps[:-1]):
            self.repairs["pending only removed"] += 1

    def _did(self, so_far: User, action: actions.Action, today: date) -> None:
        name = so_far.name
        match action:
            case actions.Deactivate() as off:
                self._off(Facts(so_far, self.policy, today), off)
            case actions.Delete(key_id=key_id):
                self._deleted(Facts(so_far, self.policy, today), key_id)
            case actions.DeleteOrphan(key_id=key_id):
                if key_id in self.handed_over:
                    self._broken(
                        today, name, f"{key_id} was deleted as nobody's, and it had been handed over"
                    )
            case actions.Promote():
                self.secret_is_dead.discard(name)
            case actions.Replace(old_key_id=old, old_key_off_on=off_on):
                self.secret_is_dead.discard(name)
                if old is not None and off_on is not None:
                    self.given[old] = off_on
                    self._once(today, name, "replaced", old)
            case actions.ForgetMarks() | actions.MarkInactive() | actions.Hold():
                pass
            case _:
                assert_never(action)

    def _off(self, facts: Facts, off: actions.Deactivate) -> None:
        today, name = facts.today, facts.user.name
        key = next(key for key in facts.keys if key.id == off.key_id)
        self._once(today, name, "switched off", key.id)
        self.switched_off[key.id] = off
        # What a policy that is new makes overdue goes at once; but for rule 9, which gives everybody an extension.
        new = off.reason is not actions.OffReason.FORCED and (
            today - self.policy_since <= timedelta(days=self.policy.warn_days)
        )
        self.unannounced.discard(key.id)
        if not new and self.noticed.get(key.id, today) >= today:
            self.unannounced.add(key.id)
        if facts.in_secret(key):
            self.secret_is_dead.add(name)
        if off.in_secret != facts.in_secret(key):
            self._broken(today, name, "the digest is wrong about the key that AWSCURRENT holds")
        if off.reason is actions.OffReason.FORCED:
            extension = timedelta(days=self.policy.in_use_extension_days)
            if not facts.stored or self.reported.get(key.id, today) + extension > today:
                self._broken(today, name, f"{key.id} forced off before its reported extension was over")
        elif facts.in_use(key):
            self._broken(today, name, f"{key} is in use and was switched off as {off.reason}")
        if off.reason is not actions.OffReason.UNUSED:
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

    def state(
        self, user: User, today: date, *, held: Iterable[str], people_know: set[str], current: str | None
    ) -> None:
        """Every user, every day. `held`: by programs and who looks after them; `current`: the key of AWSCURRENT."""
        self._keys(user, today, {*held, *people_know}, current)
        plan = self._plans.get(user.name) if self._plans is not None else None
        if not understood(user, self.policy, today) or exempt(user, today):
            if self._plans is not None and (plan is None or not plan.items):
                self._broken(today, user.name, "unknown or exempt, and not in the digest")
            return
        facts = Facts(user, self.policy, today)
        # What was told of a key holds on where it was off and on again with no run to see it.
        seen = self._plans is not None and user.name not in self._hit
        for key in facts.keys:
            if key.status != "Active" and seen:
                self.reported.pop(key.id, None)
                self.noticed.pop(key.id, None)
        if seen and user.name not in self._unfinished:
            self._told(
                facts, [item for item in plan.items if item.level is actions.Level.ATTENTION] if plan else []
            )
        if facts.due and used_on(facts.active[-1]) is None:
            # A newest key that had not been used when it came due: replaced once it is, or retired.
            self.excused[user.name] = today
        for key in facts.active:
            self._compliant(facts, key)
            self._held(facts, key)

    def _held(self, facts: Facts, key: Key) -> None:
        """Each hold is written once, but where it was cut to what the policy allows."""
        held, before = facts.held.get(key.id), self.holds.get(key.id)
        if held is None or held == before:
            return
        self.holds[key.id] = held
        mistyped = before is not None and (before.until - facts.today).days > facts.longest(before.reason)
        if not mistyped:
            self._once(facts.today, facts.user.name, f"held ({held.reason})", key.id)

    def _keys(self, user: User, today: date, held: set[str], current: str | None) -> None:
        """Nothing is lost: neither the last key that somebody can use, nor a key that nobody can."""
        active = {key.id for key in user.keys if key.active}
        deleted = user.the_secret is not None and user.the_secret.deleted
        if current is not None:
            self.handed_over.add(current)
            if current not in active and not deleted and user.name not in self.secret_is_dead:
                self._broken(today, user.name, f"AWSCURRENT names a dead key: {current}")
        usable = active & (held | ({current} if current is not None and not deleted else set()))
        before = self.usable.get(user.name, set())
        self.usable[user.name] = usable
        if before and not usable and self.touched.get(user.name) != today:
            retired = {k for k, off in self.switched_off.items() if off.reason is actions.OffReason.UNUSED}
            if not before <= retired:
                self._broken(today, user.name, f"no key is left that anybody can use; before: {before}")
        clean = (
            self._plans is not None
            and user.name in self._plans
            and user.name not in self._hit
            and understood(user, self.policy, today)
        )
        for key_id in active - held - self.handed_over:
            self.orphaned[key_id] += clean
            if self.orphaned[key_id] < CLEAN_RUNS:
                continue
            if key_id in self.asked_about:
                self.forgiven["(an orphan of which a person was told)"] += 1
            else:
                self._broken(today, user.name, f"{key_id} is active, and nobody holds it")

    def _told(self, facts: Facts, told: list[actions.Item]) -> None:
        elder, named = facts.elder, {item.key_id for item in told}
        if elder is not None and facts.past_off_date(elder) and elder.id not in named:
            self._broken(facts.today, facts.user.name, f"{elder.id} is past its off date and nobody is told")
        if facts.wanted and not any(
            item.kind in (actions.Kind.BLOCKED, actions.Kind.BLOCKED_BY_PAIR, actions.Kind.WITHHELD)
            for item in told
        ):
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
        """Or once more, where a fault left it half done."""
        before = self.times.get((what, key_id))
        self.times[what, key_id] = today
        if before is not None and self.struck.get(name, date.min) < before:
            self._broken(today, name, f"{key_id} was {what} twice, and no person had acted in between")

    def _broken(self, today: date, name: str, what: str) -> None:
        self.violations.append(f"{today} {name}: {what}")

    @staticmethod
    def _noon(today: date) -> datetime:
        return datetime.combine(today, time(12), tzinfo=UTC)


def _landed(action: actions.Action, acted: Acted) -> bool:
    """True when the effect is there after the attempt and was not before."""
    before, after = acted.before, acted.after
    keys = {key.id: key.active for key in after.keys}
    match action:
        case actions.ForgetMarks(tag_keys=tag_keys):
            return bool(before.tags.keys() & set(tag_keys)) and not after.tags.keys() & set(tag_keys)
        case actions.MarkInactive(key_id=key_id, on=on):
            return after.tags.get(tag.INACTIVE_SINCE + key_id) == str(on)
        case actions.Hold(key_id=key_id, until=until, reason=reason):
            value = f"{until} {reason}"
            mark = tag.HELD_UNTIL + key_id
            return after.tags.get(mark) == value != before.tags.get(mark)
        case actions.Deactivate(key_id=key_id):
            return keys.get(key_id) is False and any(key.id == key_id and key.active for key in before.keys)
        case actions.Delete(key_id=key_id) | actions.DeleteOrphan(key_id=key_id):
            return key_id not in keys and any(key.id == key_id for key in before.keys)
        case actions.Promote(key_id=key_id):
            return _current(after) == version_id(key_id) != _current(before)
        case actions.Replace():
            known = {version_id(key.id) for key in before.keys}
            return _current(after) in {version_id(key_id) for key_id in keys} - known
        case _:
            assert_never(action)


def _current(user: User) -> str | None:
    stages = user.the_secret.stages if user.the_secret is not None else {}
    return next((version for version, labels in stages.items() if "AWSCURRENT" in labels), None)
