"""The fleet through the years: each day people and programs, the real scanner's test and rotation, and the watch.

Wild times and calm ones take turns: in wild ones people, attackers and faults do what they do, and nothing may happen that
was not told; in calm ones whatever is under way has to come to its end as well.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from keyrotation.decide.actions import Plan, Remembered
from keyrotation.decide.plan import plan_user
from keyrotation.decide.rules import inactive
from keyrotation.look.observe import Observer, observe
from keyrotation.model import NotLookedUp, Occasion
from keyrotation.policy import Policy
from keyrotation.run.order import Order
from keyrotation.run.record import Run

from tests.simulation.account import Account
from tests.simulation.attackers import Attackers
from tests.simulation.consumers import Consumer, Install
from tests.simulation.events import Events
from tests.simulation.faults import Line
from tests.simulation.habits import Settler
from tests.simulation.iam import UserRecord
from tests.simulation.people import People
from tests.simulation.policies import Policies
from tests.simulation.runs import HIDDEN, RECEIVES, Attempt, Product, Reader, quickly
from tests.simulation.watch import Watch

START = date(2026, 1, 1)
# Wild days, then calm ones.
WILD, CYCLE = 400, 800


@dataclass
class Fleet:
    """`missed`: the chance that a day's run is missed. `faults`: that a call of a wild day meets one."""

    users: int
    seed: int
    missed: float = 0.03
    faults: float = 0.0
    account: Account = field(default_factory=Account)
    consumers: dict[UserRecord, list[Consumer]] = field(default_factory=dict)
    fired: Counter[str] = field(default_factory=Counter)
    days: int = 0

    def __post_init__(self) -> None:
        self.random = Random(self.seed)  # it must repeat
        # Dice of their own: the same fleet lives through the same years, with faults and without.
        self.line = Line(random=Random(self.seed))
        policy = Policy(max_users_per_run=max(5, self.users // 5))
        self.product = Product(account=self.account, line=self.line, policy=policy)
        self.watch = Watch(account=self.account, policies=Policies(now=policy))
        self.account.witness = self.watch
        self.people = People(random=self.random, account=self.account, watch=self.watch)
        self.attackers = Attackers(random=self.random, account=self.account, watch=self.watch)
        self.events = Events(
            random=self.random, fleet_size=self.users, product=self.product, watch=self.watch
        )
        self.settler = Settler(random=self.random, account=self.account)
        self.account.now = _at(START, 5)
        for number in range(self.users):
            self._moves_in(f"user-{number:05d}")

    def live(self, years: float, *, progress: Callable[[int, int], None] = lambda _day, _days: None) -> None:
        """`progress` is told of each day that is over, and of how many there are."""
        self.days = int(years * 365)
        reader = Reader()
        with quickly(reader):
            for number in range(self.days):
                self._day(number, START + timedelta(days=number))
                if number % 50 == 0:
                    reader.forget(self.account.table.items)
                progress(number + 1, self.days)

    def _moves_in(self, name: str) -> None:
        user, programs = self.settler.settle(name, self.account.now)
        self.consumers[user] = programs

    def _day(self, number: int, today: date) -> None:
        self.account.now = _at(today, 1)
        self.account.secrets.purge(today)
        wild = number % CYCLE < WILD
        self.line.rate = self.faults if wild else 0.0
        if wild:
            self.watch.calm_since = None
            self.events.happen(today)
            self._people(today)
        else:
            self.events.end(today)
            if self.watch.calm_since is None:
                self.watch.calm_since = today
        self._tidy(today)
        self.account.now = _at(today, 3)
        for user in self.consumers:
            self.watch.morning(user)
        self._programs(today, before_run=True)
        # What programs have in hand, before the product may take something for nobody's.
        self._hands()
        missed = self.events.stopped or self.random.random() < (self.missed if wild else self.missed / 20)
        attempts = [] if missed else self._attempts(number, today)
        self._evening(number, attempts, today)
        self._programs(today, before_run=False)

    def _hands(self) -> None:
        self.watch.held = {
            user.id: {key_id for each in programs for key_id in each.held}
            for user, programs in self.consumers.items()
        }
        self.watch.prompt = {
            user.id
            for user, programs in self.consumers.items()
            if programs and all(self._moves_in_time(each) for each in programs)
        }

    def _moves_in_time(self, program: Consumer) -> bool:
        policy = self.watch.policies.of(program.user)
        delay = 0 if program.install is Install.FETCHED else program.delay
        return (
            program.install in (Install.BY_PERSON, Install.FETCHED)
            and program.idle is None
            and not program.shares
            and delay + 2 * program.every < policy.overlap_days - policy.quiet_days - 1
        )

    def _people(self, today: date) -> None:
        now = _at(today, 2)
        self.account.now = now
        for user in list(self.consumers):
            # Who has two keys is looked after, and meddled with, more often.
            chance = 1 / 120 if len(user.keys) > 1 else 1 / 300
            if self.random.random() < chance and self.people.meddle(user, now):
                self.watch.disturb(user)
            if self.random.random() < 1 / 500 and self.attackers.attack(user):
                self.watch.disturb(user)
            if self.people.meddles_in_between(user, now):
                self.watch.disturb(user)
            if self.random.random() < 1 / 9000:
                self._is_followed(user)

    def _is_followed(self, user: UserRecord) -> None:
        """Somebody leaves, and somebody else comes by the same name."""
        name = user.name
        self.people.leaves(user)
        del self.consumers[user]
        self._moves_in(name)

    def _tidy(self, today: date) -> None:
        self.account.now = _at(today, 2)
        for user in self.people.tidy(today):
            self.watch.disturb(user)
        for user, programs in self.consumers.items():
            for each in programs:
                if self.people.rotates_by_hand(each, self.account.now) or self.people.clears_up(each):
                    self.watch.disturb(user)

    def _programs(self, today: date, *, before_run: bool) -> None:
        for programs in self.consumers.values():
            for program in programs:
                if (program.hour < 6) is not before_run or not program.runs_on(today):
                    continue
                now = self.account.now = _at(today, program.hour)
                program.installs(today)
                if not program.run(self.account, now):
                    self.watch.refused(program)
                    self.watch.disturb(program.user)
                    self.people.repairs(program, now)
                    program.run(self.account, now)

    def _attempts(self, number: int, today: date) -> list[Attempt]:
        """The day's order, handed out until it is done with, three times at most; none when it was not even sent."""
        hours = (6, 15) if self.watch.calm_since is None and self.random.random() < 0.05 else (6,)
        attempts: list[Attempt] = []
        for hour in hours:
            now = _at(today, hour)
            order = self.product.scan(now, run_id=f"run-{today}-{hour}")
            if order is None:
                continue
            if number % 7 == 0:
                self._check_scan(order)
            for receive in range(1, RECEIVES + 1):
                self.watch.attempt += 1
                attempt = self.product.take(order, receive=receive, now=now + (receive - 1) * HIDDEN)
                attempts.append(attempt)
                self._count(attempt)
                if attempt.ended:
                    break
        return attempts

    def _check_scan(self, order: Order) -> None:
        """Where the scanner's test said that nothing is due, the whole plan says so too.

        But for a deletion that is far ahead: who knows the last use of the newest key anyway gives its notice sooner.
        """
        occasion = self.product.occasion(listeners=1)
        named = set(order.user_names)
        with self._past_every_fault():
            for user in self.consumers:
                if user.name not in named:
                    seen = observe(user.name, self.product.sources)
                    steps = plan_user(seen, self.product.policy, occasion).steps
                    if seen.unread or any(step.rule != inactive.__name__ for step in steps):
                        self.watch.violations.append(
                            f"{occasion.today} {user.name}: the scanner missed {steps}"
                        )

    def _count(self, attempt: Attempt) -> None:
        run = attempt.run
        for name in attempt.hit:
            if (user := self.account.iam.users.get(name)) is not None:
                self.watch.struck[user.id] = self.account.now.date()
                self.watch.disturb(user)
        if run is not None:
            plans = {id(plan): plan for plan in run.plans}
            plans |= {id(outcome.plan): outcome.plan for outcome in run.outcomes}
            self.fired.update(step.rule for plan in plans.values() for step in plan.steps)

    def _evening(self, number: int, attempts: list[Attempt], today: date) -> None:
        if not any(attempt.ended for attempt in attempts):
            self.watch.missed.append(today)
        ended = [attempt for attempt in attempts if attempt.ended]
        hit = {name for attempt in attempts for name in attempt.hit}
        if not hit:
            self.watch.cap_kept()
        self.watch.changed.clear()
        run = ended[-1].run if ended else None
        unfinished = set(hit)
        if run is not None:
            unfinished |= {plan.user.name for plan in run.waiting} | {*run.deferred}
            unfinished |= {each.plan.user.name for each in run.outcomes if each.failure is not None}
            self._owners_read()
        for index, user in enumerate(self.consumers):
            looked = run is not None and user.name not in unfinished
            self.watch.evening(user, looked=looked, deep=(index + number) % 7 == 0)
        # A later attempt that died may have told what it could not remember: that is given anew tomorrow.
        if run is not None and attempts[-1].ended and number % 5 == 0:
            self._nothing_left(run, unfinished)

    def _owners_read(self) -> None:
        """Who heard that an old key goes off because of a newer one installs the newer one."""
        for said in self.watch.heard_today:
            user = self.account.iam.owner(said.key_id)
            for program in self.consumers.get(user, ()) if user is not None else ():
                if program.listens and said.key_id == program.key_id:
                    newer = self._newer_key(program)
                    if newer is not None:
                        program.hears(newer, self.account.now.date())
        self.watch.heard_today.clear()

    def _newer_key(self, program: Consumer) -> str | None:
        handed = self.account.read_by_owner(program.user)
        keys = program.user.keys
        if handed is not None and handed != program.key_id and handed in keys:
            return handed
        by_hand = [key.id for key in keys.values() if key.active and key.id in self.account.people_know]
        return next((key_id for key_id in by_hand if key_id != program.key_id), None)

    def _nothing_left(self, run: Run, unfinished: set[str]) -> None:
        """Planned again on the same day, nothing is left to do."""
        if not run.listeners or self.account.sns_refuses:
            return
        occasion = self.product.occasion(listeners=self.account.listeners)
        said = {each.key_id for each in self.product.clients.spoken.said}
        # What had no room in the message is given tomorrow.
        unsaid = {
            each.plan.user.name for each in run.outcomes if not {key_id for key_id, _ in each.to_give} <= said
        }
        with self._past_every_fault():
            eyes = Observer(sources=self.product.sources, listed={}, readings=self.product.table.read_all())
            for plan in run.plans:
                if plan.user.name in unfinished | unsaid or plan.user.name not in self.account.iam.users:
                    continue
                again = self._planned(eyes, plan.user.name, occasion)
                left = [each for each in again.actions if not isinstance(each, Remembered)]
                if left and again.enforce:
                    self.watch.violations.append(f"{occasion.today} {plan.user.name}: left to do: {left}")

    def _planned(self, eyes: Observer, user_name: str, occasion: Occasion) -> Plan:
        """As the rotator does it: what the plan does not ask for is not looked up."""
        user = eyes.look(user_name)
        while True:
            try:
                return plan_user(user, self.product.policy, occasion)
            except NotLookedUp as missing:
                user = eyes.look_up(user, missing.what)

    def _past_every_fault(self) -> "_Calm":
        return _Calm(self.line)


@dataclass
class _Calm:
    """Who checks looks through the same clients, and meets no fault."""

    line: Line

    def __enter__(self) -> None:
        self.rate, self.line.rate = self.line.rate, 0.0
        self.line.open()

    def __exit__(self, *_error: object) -> None:
        self.line.rate = self.rate


def _at(day: date, hour: int) -> datetime:
    return datetime.combine(day, time(hour), tzinfo=UTC)
