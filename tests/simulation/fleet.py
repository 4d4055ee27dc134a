"""The fleet through the years: each day people and programs, the real scanner's test and rotation, and the watch."""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from keyrotation.actions import Level, Plan, Promote, Replace
from keyrotation.apply import Outcome
from keyrotation.model import Occasion
from keyrotation.order import Order
from keyrotation.plan import may_concern, plan_user
from keyrotation.policy import Policy
from keyrotation.rotation import Run, rotate

from tests.simulation.account import REGION, Account, BrokeOff
from tests.simulation.consumers import Consumer
from tests.simulation.habits import Settler
from tests.simulation.people import People
from tests.simulation.watch import Watch

START = date(2026, 1, 1)
# From which day of the simulation on which threshold is in force; then from the start again.
THRESHOLDS = ((0, 90), (300, 60), (480, 90), (600, 365), (900, 90))
CYCLE = 1100


@dataclass
class Fleet:
    """`missed`: the chance that a day's run is missed; never two in a row."""

    users: int
    seed: int
    missed: float = 0.03
    account: Account = field(default_factory=Account)
    consumers: dict[str, list[Consumer]] = field(default_factory=dict)
    fired: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # it must repeat
        self.people = People(random=self.random, account=self.account)
        self.account.between = self._may_break_off
        # Twice what the steady state needs.
        self.policy = Policy(max_users_per_run=max(3, self.users // 12))
        self.watch = Watch(policy=self.policy)
        settler = Settler(random=self.random, account=self.account)
        for number in range(self.users):
            name = f"user-{number:05d}"
            self.consumers[name] = settler.settle(name, _at(START, 5))

    def live(self, years: float) -> None:
        for number in range(int(years * 365)):
            self._day(number, START + timedelta(days=number))

    def _day(self, number: int, today: date) -> None:
        self._policy_of(number, today)
        self._people(today)
        self._programs(today, before_run=True)
        missed = (
            self.random.random() < self.missed and today - timedelta(days=1) not in self.watch.missed[-1:]
        )
        run = None
        if missed:
            self.watch.missed.append(today)
        else:
            run = self._run(number, today)
        self._watch(run, today)
        self._programs(today, before_run=False)

    def _policy_of(self, number: int, today: date) -> None:
        threshold = [days for start, days in THRESHOLDS if start <= number % CYCLE][-1]
        if number == 0 or threshold != self.policy.max_key_age_days:
            self.policy = replace(self.policy, max_key_age_days=threshold)
            self.watch.new_policy(self.policy, list(self.consumers), today)

    def _people(self, today: date) -> None:
        touched = set(self.people.tidy(today))
        for name, consumers in self.consumers.items():
            if self.random.random() < 1 / 250 and self.people.meddle(name, _at(today, 2)):
                touched.add(name)
            touched |= {name for each in consumers if self.people.rotates_by_hand(each, _at(today, 2))}
        for name in touched:
            self.watch.excuse(self.account.look(name), today)

    def _programs(self, today: date, *, before_run: bool) -> None:
        for consumers in self.consumers.values():
            for consumer in consumers:
                if (consumer.hour < 6) is not before_run or not consumer.runs_on(today):
                    continue
                consumer.installs(today)
                if not consumer.run(self.account, _at(today, consumer.hour)):
                    self.watch.refused(consumer, today)
                    # Before anything is repaired: what the system did to these keys may happen once more.
                    self.watch.excuse(self.account.look(consumer.user_name), today)
                    self.people.repairs(consumer, _at(today, consumer.hour))
                    consumer.run(self.account, _at(today, consumer.hour))

    def _run(self, number: int, today: date) -> Run:
        now = _at(today, 6)
        occasion = Occasion(now=now, region=REGION, function_timeout=timedelta(minutes=15), listeners=1)
        named: list[str] = []
        others: list[str] = []
        for name, user in self.account.iam.users.items():
            concerned = may_concern(tuple(user.keys.values()), user.tags, self.policy, today)
            (named if concerned else others).append(name)
        if number % 7 == 0:
            for name in others:
                if plan_user(self.account.look(name), self.policy, occasion).steps:
                    self.watch.violations.append(f"{today} {name}: the scanner missed them")

        def act(plan: Plan) -> Outcome:
            return self.account.act(plan, now)

        run = rotate(
            Order(
                run_id=f"run-{today}",
                total=self.users,
                with_keys=self.users,
                root_has_keys=False,
                user_names=tuple(named),
            ),
            look=self.account.look,
            act=act,
            policy=self.policy,
            occasion=occasion,
            seconds_left=lambda: 900.0,
            workers=1,
        )
        plans = {id(plan): plan for plan in run.plans}
        plans |= {id(outcome.plan): outcome.plan for outcome in run.outcomes}
        self.fired.update(step.rule for plan in plans.values() for step in plan.steps)
        self._tell(run)
        return run

    def _tell(self, run: Run) -> None:
        """Owners read the digest: of the new key, and of an old one that is past its off date."""
        for outcome in run.outcomes:
            for done in outcome.done:
                if isinstance(done.action, (Replace, Promote)) and done.issued is not None:
                    self._hear(outcome.plan, done.issued.key_id, run.today)
        for plan in run.plans:
            for item in plan.items:
                if item.level is Level.ATTENTION and "past its off date" in item.text:
                    newest = max(plan.user.keys, key=lambda key: key.created)
                    self._hear(plan, newest.id, run.today)

    def _hear(self, plan: Plan, key_id: str, today: date) -> None:
        for consumer in self.consumers[plan.user.name]:
            if consumer.new_key_id is None and consumer.key_id != key_id:
                consumer.hears(key_id, today)

    def _watch(self, run: Run | None, today: date) -> None:
        plans = {plan.user.name: plan for plan in run.plans} if run is not None else {}
        if run is not None:
            self.watch.run(run)
        for name in self.consumers:
            self.watch.state(self.account.look(name), run, plans.get(name), today)

    def _may_break_off(self, step: str) -> None:
        if self.random.random() < 1 / 150:
            raise BrokeOff(step)


def _at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), tzinfo=UTC)
