"""What happens to the account as a whole: parameters, modes, listeners, schedules, messages, the table."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from keyrotation.policy import Policy, PolicyError
from keyrotation.run.settings import Mode, Notify

from tests.simulation.dynamodb import Item
from tests.simulation.runs import Product
from tests.simulation.watch import Watch

# Every so many days there is a copy of the table to go back to.
_BACKUP = 9


@dataclass
class Events:
    """`until`: by event, the day on which it is over. `did`: how often each began."""

    random: Random
    fleet_size: int
    product: Product
    watch: Watch
    until: dict[str, date] = field(default_factory=dict)
    did: Counter[str] = field(default_factory=Counter)
    _backups: list[dict[str, Item]] = field(default_factory=list)

    @property
    def stopped(self) -> bool:
        """The schedule is stopped."""
        return "the schedule stops" in self.until

    def happen(self, today: date) -> None:
        """On a wild day."""
        self._over(today)
        self._may_begin("nobody listens", today, chance=1 / 90, longest=40)
        self._may_begin("the schedule stops", today, chance=1 / 130, longest=25)
        self._may_begin("Mode is Audit", today, chance=1 / 120, longest=20)
        self._may_begin("SNS refuses", today, chance=1 / 80, longest=4)
        self._settle()
        if self.random.random() < 1 / 50:
            self._new_policy(drawn(self.random, cap=self._cap(small=True)))
        if today.toordinal() % _BACKUP == 0:
            self._backups.append(dict(self.product.account.table.items))
            del self._backups[:-8]
        if self.random.random() < 1 / 300:
            self._lose_the_table()
        elif self.random.random() < 1 / 300 and self._backups:
            self._restore_the_table()

    def end(self, today: date) -> None:
        """On a calm day."""
        if self.watch.calm_since is None:
            self.until.clear()
            self._settle()
            self._new_policy(drawn(self.random, cap=self._cap(small=False), usual=True))
        self._over(today)

    def _cap(self, *, small: bool) -> int:
        generous = max(5, self.fleet_size // 5)
        return self.random.choice((1, 3, generous, generous)) if small else generous

    def _may_begin(self, event: str, today: date, *, chance: float, longest: int) -> None:
        if event not in self.until and self.random.random() < chance:
            self.did[event] += 1
            self.until[event] = today + timedelta(days=self.random.randrange(1, longest + 1))

    def _over(self, today: date) -> None:
        for event in [event for event, end in self.until.items() if end <= today]:
            del self.until[event]

    def _settle(self) -> None:
        account = self.product.account
        account.listeners = 0 if "nobody listens" in self.until else 1
        account.sns_refuses = "SNS refuses" in self.until
        self.product.mode = Mode.AUDIT if "Mode is Audit" in self.until else Mode.ENFORCE
        self.watch.enforce = self.product.mode is Mode.ENFORCE

    def _new_policy(self, policy: Policy) -> None:
        self.did["a parameter changes"] += 1
        self.product.policy = self.watch.policies.now = policy
        self.product.notify = self.random.choice(
            (Notify.CHANGES, Notify.CHANGES, Notify.PROBLEMS, Notify.ALWAYS)
        )

    def _lose_the_table(self) -> None:
        self.did["the table is lost"] += 1
        self.product.account.table.items.clear()
        self.product.account.garbled.clear()
        self.watch.forget_memory()

    def _restore_the_table(self) -> None:
        """As docs/memory.md says, without `pending` and notices and above every revision, but with the keys that are gone."""
        self.did["the table is restored"] += 1
        items = self.product.account.table.items
        self.watch.forget_memory()
        for user_id, before in self.random.choice(self._backups).items():
            if "M" not in before["keys"]:
                continue  # somebody had garbled it
            keys = {
                key_id: {"M": {name: value for name, value in key["M"].items() if name != "notice"}}
                for key_id, key in before["keys"]["M"].items()
            }
            present = items.get(user_id, before)
            revision = str(int(max(present["revision"]["N"], before["revision"]["N"], key=int)) + 1)
            restored = {**before, "keys": {"M": keys}, "revision": {"N": revision}}
            restored.pop("pending", None)
            items[user_id] = restored
            self.watch.remembered_again(
                user_id,
                {
                    key_id
                    for key_id, key in keys.items()
                    if "issued_on" in key["M"] and "off_since" not in key["M"]
                },
                stopped="vanished" in restored,
            )
        self.product.account.garbled.clear()


def drawn(random: Random, *, cap: int, usual: bool = False) -> Policy:
    """One of the policies that are accepted. `usual`: with days as most people set them."""
    while True:
        threshold = random.choice((60, 90, 90, 120) if usual else (45, 60, 75, 90, 90, 120, 180, 365))
        overlap = random.choice((10, 14, 14, 20) if usual else (4, 8, 10, 14, 14, 21, 30))
        warn = random.choice((3, 5, 7, 7) if usual else (1, 2, 3, 7, 7, 14))
        try:
            return Policy(
                max_key_age_days=threshold,
                overlap_days=overlap,
                warn_days=warn,
                quiet_days=random.choice((3, 5, 7, 7) if usual else (2, 3, 7, 7, 10)),
                quiet_days_before_first_use=random.choice(
                    (7, 14, 35, 35) if usual else (3, 7, 14, 35, 35, 60)
                ),
                in_use_extension_days=random.choice((warn, 14, 14)),
                unused_days=random.choice((90, 90, 0, 180) if usual else (0, 40, 90, 90, 180)),
                delete_after_days=random.choice((30, 30, 14, 60) if usual else (0, 1, 7, 30, 30, 90)),
                max_users_per_run=cap,
            )
        except PolicyError:
            continue
