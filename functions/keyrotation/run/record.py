"""What a run leaves behind for whoever tells of it: plain data."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

from keyrotation.act.apply import Heard, Outcome
from keyrotation.decide.actions import Deactivate, Delete, Kind, Level, Plan
from keyrotation.decide.notices import runs_out
from keyrotation.memory import Memory, Notice
from keyrotation.model import Use, User
from keyrotation.policy import Policy
from keyrotation.run.order import Order


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a run found and did. `deferred`: not looked at, or not started, because the time was nearly up.

    `listeners`: confirmed subscriptions to the digest; None: they could not be read. `uses`: by key id, what
    CloudTrail recorded of keys whose use people have to follow up. `left_behind`: users who are gone and whose secrets are
    to be told. `last_told`: the last day before today on which a message is known to have been heard.
    """

    order: Order
    today: date
    listeners: int | None
    plans: tuple[Plan, ...]
    outcomes: tuple[Outcome, ...]
    waiting: tuple[Plan, ...]
    deferred: tuple[str, ...]
    uses: Mapping[str, tuple[Use, ...]] = field(default_factory=dict)
    left_behind: tuple[Memory, ...] = ()
    last_told: date | None = None

    @cached_property
    def outcome_of(self) -> Mapping[str, Outcome]:
        """By user; of one whose interrupted replacement was settled first, the last."""
        return {outcome.plan.user.name: outcome for outcome in self.outcomes}


def last_told(memories: Collection[Memory]) -> date | None:
    """From what is remembered of notices; a message that named none leaves no trace, so it may have been later."""
    told = [key.notice.told for memory in memories for key in memory.keys.values() if key.notice is not None]
    told += [day for memory in memories for day in memory.told.values()]
    return max(told, default=None)


@dataclass(frozen=True, kw_only=True)
class Announcement:
    """A notice that a message is to name. `new`: it is given by that; otherwise it is told again."""

    user: User
    owner: str
    key_id: str
    notice: Notice
    new: bool


def announcements(run: Run, policy: Policy) -> tuple[Announcement, ...]:
    """Every notice that is to be told today, in the order in which a message has room for them.

    First those that run out of time, then new ones, then reminders that can wait for tomorrow; the soonest first. (By the
    day alone, an account with many reminders would never get to give a new notice.)
    """
    outcomes = run.outcome_of
    found = [each for plan in run.plans for each in _of_user(plan, outcomes.get(plan.user.name))]

    def urgency(each: Announcement) -> tuple[int, date, str, str]:
        late = not each.new and runs_out(each.notice, policy, run.today)
        return 0 if late else 1 if each.new else 2, each.notice.day, each.user.name, each.key_id

    return tuple(sorted(found, key=urgency))


def _of_user(plan: Plan, outcome: Outcome | None) -> Iterator[Announcement]:
    def of(key_id: str, notice: Notice, *, new: bool) -> Announcement:
        return Announcement(user=plan.user, owner=plan.owner, key_id=key_id, notice=notice, new=new)

    memory = plan.user.memory if outcome is None else outcome.memory
    given = dict(outcome.to_give) if outcome is not None else {}
    yield from (of(key_id, notice, new=True) for key_id, notice in given.items())
    again = {item.key_id: item.notice for item in plan.items if item.notice is not None}
    # What was to be done today and was not, for want of a place or of success: its notice stays alive.
    late = [action.key_id for action in plan.actions if isinstance(action, Deactivate | Delete)]
    again |= {key_id: notice for key_id in late if (notice := memory.key(key_id).notice) is not None}
    for key_id, notice in again.items():
        if key_id is not None and key_id not in given and memory.key(key_id).notice == notice:
            yield of(key_id, notice, new=False)


@dataclass(frozen=True, kw_only=True)
class Told:
    """A run, and what its message named. `message_id`: of the message, or of the report to the organization's centre; None:
    none went out, or nobody would have heard it. `once`: by user and word, what it said for the first and last time.
    """

    run: Run
    message_id: str | None
    named: tuple[Announcement, ...] = ()
    once: frozenset[tuple[str, str]] = frozenset()

    def heard_of(self, plan: Plan) -> Heard:
        """What is to be remembered of this user's part of the message."""
        if self.message_id is None:
            return Heard()
        name = plan.user.name
        of_user = [each for each in self.named if each.user.name == name]
        notices = tuple((each.key_id, each.notice) for each in of_user)
        given = tuple((each.key_id, each.notice) for each in of_user if each.new)
        told = (item.once for item in plan.items if item.once is not None and item.level is not Level.DONE)
        once = tuple(word for word in told if (name, word) in self.once)
        return Heard(notices=notices, given=given, once=once)

    @property
    def due(self) -> tuple[tuple[User, str, date], ...]:
        """Users whose replacement comes, with the key and the day."""
        return tuple(
            (plan.user, item.key_id, item.by)
            for plan in self.run.plans
            for item in plan.items
            if item.kind is Kind.REPLACEMENT and item.key_id is not None and item.by is not None
        )

    def forgotten(self, plan: Plan) -> tuple[str, ...]:
        """Keys that this run or one before it deleted, and whose deletion was told. What nobody heard is told another day."""
        if self.message_id is None:
            return ()
        name, outcome = plan.user.name, self.run.outcome_of.get(plan.user.name)
        done = outcome.done if outcome is not None else ()
        deleted = [each.action.key_id for each in done if isinstance(each.action, Delete)]
        deleted += [key_id for key_id in plan.user.memory.deleted if (name, key_id) in self.once]
        return tuple(dict.fromkeys(deleted))

    def memory_of(self, plan: Plan) -> Memory:
        """As it was written last."""
        outcome = self.run.outcome_of.get(plan.user.name)
        return plan.user.memory if outcome is None else outcome.memory
