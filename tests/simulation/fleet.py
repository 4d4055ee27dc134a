"""The fleet through the years: each day people and programs, the real scanner's test and rotation, and the watch."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from keyrotation.decide.plan import plan_user
from keyrotation.model import Occasion, secret_name
from keyrotation.policy import Policy
from keyrotation.run.order import Order
from keyrotation.run.record import Run

from tests.simulation.account import REGION, Account
from tests.simulation.consumers import Consumer
from tests.simulation.faults import Line
from tests.simulation.habits import Settler
from tests.simulation.people import People
from tests.simulation.runs import HIDDEN, RECEIVES, TIMEOUT, Attempt, Product, without_threads
from tests.simulation.secrets_manager import CURRENT
from tests.simulation.watch import Watch

START = date(2026, 1, 1)
# From which day of the simulation on which threshold is in force; then from the start again.
THRESHOLDS = ((0, 90), (300, 60), (480, 90), (600, 365), (900, 90))
CYCLE = 1100


@dataclass
class Fleet:
    """`missed`: the chance that a day's run is missed; never two in a row. `faults`: that a call meets one."""

    users: int
    seed: int
    missed: float = 0.03
    faults: float = 0.0
    account: Account = field(default_factory=Account)
    consumers: dict[str, list[Consumer]] = field(default_factory=dict)
    fired: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # it must repeat
        self.people = People(random=self.random, account=self.account)
        # Dice of their own: the same fleet lives through the same years, with faults and without.
        self.line = Line(random=Random(self.seed), rate=self.faults)
        # Twice what the steady state needs.
        policy = Policy(max_users_per_run=max(3, self.users // 12))
        self.product = Product(account=self.account, line=self.line, policy=policy)
        self.watch = Watch(policy=policy)
        settler = Settler(random=self.random, account=self.account)
        for number in range(self.users):
            name = f"user-{number:05d}"
            self.consumers[name] = settler.settle(name, _at(START, 5))

    def live(self, years: float, *, progress: Callable[[int, int], None] = lambda _day, _days: None) -> None:
        """`progress` is told of each day that is over, and of how many there are."""
        days = int(years * 365)
        with without_threads():
            for number in range(days):
                self._day(number, START + timedelta(days=number))
                progress(number + 1, days)

    def _day(self, number: int, today: date) -> None:
        self._policy_of(number, today)
        self._people(today)
        self._programs(today, before_run=True)
        missed = (
            self.random.random() < self.missed and today - timedelta(days=1) not in self.watch.missed[-1:]
        )
        self._watch([] if missed else self._attempts(number, today), today)
        self._programs(today, before_run=False)

    def _policy_of(self, number: int, today: date) -> None:
        threshold = [days for start, days in THRESHOLDS if start <= number % CYCLE][-1]
        if number == 0 or threshold != self.product.policy.max_key_age_days:
            self.product.policy = replace(self.product.policy, max_key_age_days=threshold)
            self.watch.new_policy(self.product.policy, list(self.consumers), today)

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

    def _attempts(self, number: int, today: date) -> list[Attempt]:
        """The day's order, handed out until it is done with, three times at most; none when it was not even sent."""
        now = _at(today, 6)
        order = self.product.scan(now)
        if order is None:
            return []
        if number % 7 == 0:
            self._check_scan(order, now)
        attempts = []
        for receive in range(1, RECEIVES + 1):
            attempt = self.product.take(order, receive=receive, now=now + (receive - 1) * HIDDEN)
            attempts.append(attempt)
            self._account_for(attempt, today)
            if attempt.ended:
                break
        return attempts

    def _check_scan(self, order: Order, now: datetime) -> None:
        """Where the scanner's test said that nothing is due, the whole plan says so too."""
        occasion = Occasion(now=now, region=REGION, function_timeout=TIMEOUT, listeners=1)
        for name in self.consumers.keys() - set(order.user_names):
            if plan_user(self.account.look(name), self.product.policy, occasion).steps:
                self.watch.violations.append(f"{now.date()} {name}: the scanner missed them")

    def _account_for(self, attempt: Attempt, today: date) -> None:
        self.watch.attempt(attempt, today)
        if attempt.run is not None:
            plans = {id(plan): plan for plan in attempt.run.plans}
            plans |= {id(outcome.plan): outcome.plan for outcome in attempt.run.outcomes}
            self.fired.update(step.rule for plan in plans.values() for step in plan.steps)
            if attempt.mailed:
                self._tell(attempt, attempt.run)

    def _tell(self, attempt: Attempt, run: Run) -> None:
        """Owners read the mail: of a new key to fetch, and of an old one that is past its off date."""
        done = {outcome.plan.user.name for outcome in run.outcomes if outcome.done}
        for plan in run.plans:
            name = plan.user.name
            current = self._current(name)
            newest = max(plan.user.keys, key=lambda key: key.created).id if plan.user.keys else current
            readers = [
                each
                for each in self.consumers[name]
                if each.listens and not {newest, current} <= {each.new_key_id or each.key_id, None}
            ]
            if not readers or not (plan.items or name in done or attempt.receive > 1):
                continue
            words = self.product.told_to(name, attempt)
            new_key_id = None
            if f"--secret-id {secret_name(name)}" in words or "install it" in words:
                new_key_id = self._current(name)
            elif "past its off date" in words:
                new_key_id = newest
            for reader in readers:
                if new_key_id is not None and new_key_id not in (reader.key_id, reader.new_key_id):
                    reader.hears(new_key_id, run.today)

    def _current(self, user_name: str) -> str | None:
        return self.account.secrets.current_key(secret_name(user_name))

    def _watch(self, attempts: list[Attempt], today: date) -> None:
        self.watch.day(attempts, today)
        for name, consumers in self.consumers.items():
            secret = self.account.secrets.secrets.get(secret_name(name))
            self.watch.state(
                self.account.look(name),
                today,
                held=[key_id for each in consumers for key_id in (each.key_id, each.new_key_id) if key_id],
                people_know=self.account.people_know,
                current=secret.key_with(CURRENT) if secret is not None else None,
            )


def _at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), tzinfo=UTC)
