"""One user's replacement, carried out as the rotator does it, and what it is when all goes well."""

from datetime import timedelta

from keyrotation.act.apply import Applier, Outcome
from keyrotation.decide import tags as tag
from keyrotation.decide.actions import Plan, Replace, Step
from keyrotation.look.observe import Sources, observe
from keyrotation.memory import Notice, Pending, What, Why
from keyrotation.model import User

from tests.component.account import TODAY, Account
from tests.component.calls import Calls

# Seconds: far more than the 3 to 15 that IAM needs, and less than what the rotator keeps in reserve.
PATIENCE = 120

HAPPY_PATH = [
    # 1: the secret before a key, its policy put and read back; 2: pending.
    "DescribeSecret",
    "CreateSecret",
    "PutResourcePolicy",
    "GetResourcePolicy",
    # Nobody copied it or has it rotated; from here on it goes by its ARN.
    "DescribeSecret",
    "UpdateItem",
    # 3: the key; 4: stored; 5: proved.
    "CreateAccessKey",
    "PutSecretValue",
    "GetCallerIdentity",
    # 6: promoted; 8: remembered (7 is for a replacement that was asked for by tag).
    "UpdateSecretVersionStage",
    "UpdateItem",
]


# Of the old key, as the mail that tells of the new one gives it.
NOTICE = Notice(what=What.SWITCH_OFF, why=Why.OVERLAP, day=TODAY + timedelta(days=14), told=TODAY)


class Replacement:
    """Of carol's key, as the rotator has it carried out; `old` is the id of the key that she has."""

    def __init__(self, account: Account, calls: Calls, applier: Applier, sources: Sources) -> None:
        self.arn, self.old = account.add_carol()
        self._account, self._calls, self._applier, self._sources = account, calls, applier, sources

    def seen(self) -> User:
        return observe("carol", self._sources)

    def run(self, seen: User | None = None) -> Outcome:
        action = Replace(
            why="it is due",
            old_key_id=self.old,
            asked=tag.REPLACE in self._account.tags("carol"),
            notice=NOTICE,
        )
        user = seen or self.seen()
        self._calls.made.clear()
        self._calls.sent.clear()
        plan = Plan(user=user, owner="", steps=(Step(rule="replacement_due", decision=action),))
        return self._applier.apply(plan)

    @property
    def new(self) -> str:
        return self._account.new_key("carol", self.old)

    @property
    def new_or_none(self) -> str | None:
        return next((key_id for key_id in self._account.keys("carol") if key_id != self.old), None)

    @property
    def pending(self) -> Pending | None:
        return self._account.memory("carol").pending
