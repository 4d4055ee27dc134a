"""The facts about one user that the rules ask for, as the plan leaves them so far."""

from dataclasses import dataclass, replace
from datetime import date, timedelta
from functools import cached_property

from keyrotation.decide import remembering
from keyrotation.decide import tags as tag
from keyrotation.decide.actions import Action, Deactivate, Delete, DeleteOrphan
from keyrotation.decide.tags import Tags
from keyrotation.memory import KeyMemory, Memory, Notice
from keyrotation.model import INACTIVE, Key, Occasion, User
from keyrotation.policy import Policy, PolicyError


@dataclass(frozen=True, kw_only=True)
class State:
    """`keys` from the oldest to the newest; `policy` is the user's own: tightened by its tag where that holds.

    `policy_problem`: why the tag does not hold, fit to print.
    """

    user: User
    tags: Tags
    policy: Policy
    policy_problem: str | None
    occasion: Occasion
    keys: tuple[Key, ...]
    memory: Memory

    @classmethod
    def of(cls, user: User, policy: Policy, occasion: Occasion) -> "State":
        tags = tag.parse(user.tags)
        problem = None
        if tags.max_age_days is not None and tags.max_age_days < policy.max_key_age_days:
            try:
                policy = policy.tightened(tags.max_age_days)
            except PolicyError as refused:
                told = str(refused).replace("\n", "; ")
                problem = f"the tag {tag.MAX_AGE_DAYS} is `{tags.max_age_days}`: it is ignored, since {told}"
        return cls(
            user=user,
            tags=tags,
            policy=policy,
            policy_problem=problem,
            occasion=occasion,
            keys=tuple(sorted(user.keys, key=lambda key: key.seniority)),
            memory=user.memory,
        )

    def after(self, action: Action) -> "State":
        """The state once this action is done and told; after a new key in the secret the user is observed anew."""
        keys = self.keys
        match action:
            case Deactivate(key_id=key_id):
                keys = tuple(replace(key, status=INACTIVE) if key.id == key_id else key for key in keys)
            case Delete(key_id=key_id) | DeleteOrphan(key_id=key_id):
                keys = tuple(key for key in keys if key.id != key_id)
            case _:
                pass
        return replace(self, keys=keys, memory=remembering.after(self.memory, action))

    @property
    def today(self) -> date:
        return self.occasion.today

    def ahead(self, days: int) -> date:
        return self.today + timedelta(days=days)

    def key(self, key_id: str) -> Key | None:
        for key in self.keys:
            if key.id == key_id:
                return key
        return None

    def remembered(self, key: Key) -> KeyMemory:
        return self.memory.key(key.id)

    def notice(self, key: Key) -> Notice | None:
        return self.remembered(key).notice

    def age(self, key: Key) -> int:
        return (self.today - key.created_on).days

    def within(self, days: int, day: date | None) -> bool:
        """True when `day` lies `days` days back or fewer; a day ahead (clocks differ) counts as today."""
        return day is not None and (self.today - day).days <= days

    @cached_property
    def newest(self) -> Key | None:
        """The newest active key."""
        return next((key for key in reversed(self.keys) if key.active), None)

    @cached_property
    def pair(self) -> tuple[Key, Key] | None:
        """Elder and successor, when both keys are active."""
        match [key for key in self.keys if key.active]:
            case [elder, successor]:
                return elder, successor
        return None

    @property
    def issued(self) -> bool:
        """Memory says that this system made the successor of a pair."""
        return self.pair is not None and self.remembered(self.pair[1]).issued_on is not None

    @property
    def stored(self) -> bool:
        """The successor is issued, and its owner can fetch it; otherwise the pair counts as made by hand."""
        return self.pair is not None and self.in_secret(self.pair[1])

    def in_secret(self, key: Key) -> bool:
        """Issued, and AWSCURRENT of the very secret into which it was put."""
        known = self.remembered(key)
        if known.issued_on is None or known.secret_arn is None or known.secret_arn != self.memory.secret_arn:
            return False
        secret = self.user.the_secret
        return secret is not None and secret.holds(key.id)

    def is_elder(self, key: Key) -> bool:
        return self.pair is not None and self.pair[0] is key

    def in_use(self, elder: Key) -> bool:
        # What the elder's own last use decides asks for no fact about the successor.
        if elder.used_on is None or not self.within(self.policy.quiet_days_before_first_use, elder.used_on):
            return False
        return self.within(self.policy.quiet_days, elder.used_on) or self.today < self.quiet_on(elder)

    def quiet_on(self, elder: Key) -> date:
        """The day from which on an elder is quiet, if nobody uses it until then.

        Until someone has used the stored successor, a monthly job may not have installed it yet.
        """
        if elder.used_on is None:
            return elder.created_on
        moved_on = self.pair is not None and self.pair[1].used_on is not None and self.stored
        days = self.policy.quiet_days if moved_on else self.policy.quiet_days_before_first_use
        return elder.used_on + timedelta(days=days + 1)

    def off_since(self, key: Key) -> date:
        """Of an inactive key; one that memory does not know as off is off since today."""
        return self.remembered(key).off_since or self.today

    def left_alone_until(self, key: Key) -> date | None:
        """The day, still ahead, until which a key that a person switched back on is left alone."""
        known = self.remembered(key)
        # Seen for the first time: rule 8 is about to remember it, and no rule before it may overlook it.
        back_on = self.today if known.off_since is not None else known.back_on
        if not key.active or back_on is None:
            return None
        until = back_on + timedelta(days=max(self.policy.in_use_extension_days, self.policy.quiet_days))
        return until if until > self.today else None

    @property
    def due(self) -> bool:
        """The newest active key has reached the age at which its replacement is issued."""
        return self.newest is not None and self.age(self.newest) >= self.policy.issue_age

    @property
    def wanted(self) -> str | None:
        """Why a new key should be made now, fit to print; None when none should (rule 12)."""
        if not self.tags.replace_asked and (self.newest is None or not self.due or self.memory.vanished):
            return None
        if self.user.exposed is not None:
            return None
        if self.tags.replace_asked:
            return "a replacement was asked for by tag"
        newest = self.newest
        if newest is None or not self.worth_replacing(newest, on=self.today):
            return None
        return f"{newest.id} is {self.age(newest)} days old; a replacement is due from day {self.policy.issue_age} on"

    def worth_replacing(self, newest: Key, *, on: date) -> bool:
        """Someone has use for a new key on that day if nobody uses this one until then; `UnusedDays` 0: always."""
        if self.policy.unused_days == 0:
            return True
        return newest.used_on is not None and (on - newest.used_on).days <= self.policy.unused_days

    @property
    def slot_free(self) -> bool:
        """IAM allows two access keys per user, active or not."""
        return len(self.keys) < 2
