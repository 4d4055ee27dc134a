"""Policies that are valid by construction, and users whose ages and memories stand on the boundaries of their policy.

Each is drawn with dice: hypothesis's, which shrink what fails, or plain seeded ones, which are quick.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Protocol, TypeVar

from hypothesis import strategies as st
from keyrotation.memory import KeyMemory, Memory, Notice, Pending, Vanished, What, Why
from keyrotation.model import ACTIVE, INACTIVE, Key, LastUse, Occasion, Secret, User
from keyrotation.policy import Policy

from tests.unit.people import AUDIT, DEAF, NEW, OCCASION, OLD, SECRET, THIRD, USER_ID, at, days_ago

PREFIX = "access-key-rotation:"
ARN = "arn:aws:iam::123456789012:user/carol"
QUARANTINE = "AWSCompromisedKeyQuarantineV3"

_T = TypeVar("_T")


class Dice(Protocol):
    def pick(self, faces: Sequence[_T]) -> _T: ...

    def once_in(self, times: int) -> bool: ...


@dataclass(frozen=True)
class Shrinking:
    """Hypothesis's: the first face is the simplest."""

    draw: st.DrawFn

    def pick(self, faces: Sequence[_T]) -> _T:
        return self.draw(st.sampled_from(faces))

    def once_in(self, times: int) -> bool:
        return self.draw(st.integers(1, times)) == times


@dataclass(frozen=True)
class Quick:
    random: Random

    def pick(self, faces: Sequence[_T]) -> _T:
        return faces[int(self.random.random() * len(faces))]

    def once_in(self, times: int) -> bool:
        return self.random.random() * times < 1


@st.composite
def drawn(draw: st.DrawFn, roll: Callable[[Dice], _T]) -> _T:
    return roll(Shrinking(draw))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A user on the day, the policy that their ages stand on the boundaries of, and who hears of it."""

    user: User
    policy: Policy
    occasion: Occasion = OCCASION


def anyone(dice: Dice) -> Case:
    chosen = policy(dice)
    occasion = dice.pick((OCCASION, OCCASION, OCCASION, OCCASION, DEAF, AUDIT))
    return Case(user=user(dice, chosen), policy=chosen, occasion=occasion)


def ordinary(dice: Dice) -> Case:
    """Understood, neither exempt nor interrupted; Enforce, and somebody listens."""
    chosen = policy(dice)
    return Case(user=user(dice, chosen, plain=True), policy=chosen)


def unheard(dice: Dice) -> Case:
    return replace(ordinary(dice), occasion=DEAF)


def interrupted(dice: Dice) -> Case:
    """A replacement of the newest key broke off, or seems to have."""
    case = ordinary(dice)
    timeout = OCCASION.function_timeout
    ago = dice.pick([timeout - timedelta(seconds=1), timeout, timedelta(hours=20), timedelta(days=3)])
    pending = Pending(
        since=OCCASION.now - ago,
        region=dice.pick(["eu-west-1"] * 4 + ["us-east-1"]),
        run_id="run-1",
        key_ids=dice.pick([(OLD,), (OLD, NEW), ()]),
    )
    made = pending.since + timedelta(seconds=dice.pick((-901, -900, 0, 5, 900, 901)))
    keys = tuple(
        replace(key, created=made, last_use=dice.pick((None, None, key.use))) if key.id == NEW else key
        for key in case.user.keys
    )
    stage = dice.pick((None, "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"))
    secret = case.user.the_secret
    if secret is not None:
        stages = {k: v for k, v in secret.stages.items() if k != f"{NEW}-access-key-rotation"}
        if stage is not None:
            stages[f"{NEW}-access-key-rotation"] = frozenset({stage})
        secret = replace(secret, stages=stages)
    memory = replace(case.user.memory, pending=pending)
    memory = memory.with_key(NEW, issued_on=None, secret_arn=None)
    return replace(case, user=replace(case.user, keys=keys, secret=secret, memory=memory))


def policy(dice: Dice) -> Policy:
    """Small ones, whose periods meet, as much as large ones; each inequality is met with nothing to spare too."""
    if dice.once_in(5):
        return Policy()
    spare = [0, 1, 2, 3, 9, 40]
    quiet = dice.pick([2, 3, 7, 10])
    overlap = quiet + 1 + dice.pick(spare)
    before_first_use = quiet + dice.pick(spare)
    warn = min(overlap, dice.pick([1, 1, 2, 7, 30]))
    extension = warn + dice.pick([0, 0, 1, 2, 7, 30])
    unused = max(before_first_use, warn) + 1 + dice.pick(spare)
    return Policy(
        max_key_age_days=2 * overlap + max(before_first_use, warn) + 2 + dice.pick(spare),
        overlap_days=overlap,
        warn_days=warn,
        quiet_days=quiet,
        quiet_days_before_first_use=before_first_use,
        in_use_extension_days=extension,
        unused_days=dice.pick([0, unused, unused]),
        delete_after_days=dice.pick([0, 1, quiet - 1, quiet, quiet + 1, 30, before_first_use + 1]),
    )


def boundaries(policy: Policy) -> list[int]:
    """Every number of days at which something begins or ends, and its neighbours."""
    p = policy
    ends = [
        p.quiet_days,
        p.quiet_days_before_first_use,
        p.overlap_days,
        p.overlap_days + p.in_use_extension_days,
        max(p.in_use_extension_days, p.quiet_days),
        p.warn_days,
        p.delete_after_days,
        p.unused_days,
        p.issue_age,
        p.last_safe_age,
        p.max_key_age_days,
    ]
    near = {end - notice + by for end in ends for notice in (0, p.warn_days) for by in (-1, 0, 1)}
    return sorted({0, 1, 2, 400} | {day for day in near if day > 0})


def _one_of(dice: Dice, days: list[int], most: int | None = None) -> int:
    allowed = [day for day in days if most is None or day <= most] or [0]
    return dice.pick(allowed)


def _drawn_key(dice: Dice, key_id: str, age: int, status: str, days: list[int]) -> Key:
    created = at(days_ago(age), 5)
    kind = dice.pick(["used", "used", "used", "never", "proof"])
    use = None
    if kind == "used":
        day = days_ago(_one_of(dice, days, age))
        use = LastUse(at=at(day), service=dice.pick(["s3", "s3", "sts"]), region="eu-west-1")
    elif kind == "proof":
        late = dice.pick([5, 3600, 3601])
        use = LastUse(at=created + timedelta(seconds=late), service="sts", region="us-east-1")
    return Key(id=key_id, status=status, created=created, last_use=use)


def user(dice: Dice, policy: Policy, *, plain: bool = False) -> User:
    """`plain`: understood, neither exempt nor interrupted."""
    days = boundaries(policy)
    pattern = dice.pick(["AA", "AA", "AA", "AA", "IA", "IA", "IA", "AI", "II", "A", "A", "A", "I", ""])
    new_age = _one_of(dice, days)
    if dice.once_in(3):
        # Where the elder of a stored pair is switched off, and its extension ends.
        ends = (policy.overlap_days, policy.overlap_days + policy.in_use_extension_days)
        new_age = dice.pick([end + by for end in ends for by in (-1, 0, 1)])
    # Made on one day, even at one moment, as well as far apart.
    old_age = new_age + dice.pick([0, 1, policy.overlap_days, policy.issue_age, policy.issue_age, *days])
    status = {"A": ACTIVE, "I": INACTIVE}
    keys = []
    if len(pattern) == 2:
        around = [*days, new_age - 1, new_age, new_age + 1]
        keys.append(_drawn_key(dice, OLD, old_age, status[pattern[0]], around))
    if pattern:
        keys.append(_drawn_key(dice, NEW, new_age, status[pattern[-1]], days))
    tags = _of_people(dice, policy, plain=plain) if dice.once_in(3) else {}
    secret = _secret(dice, keys)
    memory = _memory(dice, policy, keys, secret, plain=plain)
    quarantine = QUARANTINE if dice.once_in(12) else None
    drawn_user = User(
        name="carol", id=USER_ID, arn=ARN, keys=tuple(keys), tags=tags, secret=secret,
        quarantine=quarantine, memory=memory,
    )  # fmt: skip
    if plain:
        return drawn_user
    if dice.once_in(8):
        pending = Pending(
            since=OCCASION.now - timedelta(hours=20), region="eu-west-1", run_id="run-1", key_ids=(OLD,)
        )
        drawn_user = replace(drawn_user, memory=replace(memory, pending=pending))
    if dice.once_in(20):
        drawn_user = replace(drawn_user, unread=("GetAccessKeyLastUsed: Throttling",))
    if dice.once_in(20):
        keys.append(_drawn_key(dice, THIRD, 3, dice.pick([ACTIVE, "Expired"]), days))
        drawn_user = replace(drawn_user, keys=tuple(keys))
    return drawn_user


def _memory(dice: Dice, policy: Policy, keys: list[Key], secret: Secret | None, *, plain: bool) -> Memory:
    """As it would be, on some boundary; and sometimes as it could only be if somebody wrote into the table."""
    if dice.once_in(10):
        return Memory(user_id=USER_ID)
    memory = Memory(
        user_id=USER_ID,
        name="carol",
        secret_arn=SECRET if secret is not None or dice.once_in(2) else None,
        policy_arn=ARN if not dice.once_in(10) else f"{ARN}-of-before",
        vanished=Vanished(key_id=THIRD, on=days_ago(3)) if dice.once_in(12) else None,
    )
    days = boundaries(policy)
    remembered: dict[str, KeyMemory] = {}
    newest = keys[-1] if keys else None
    for key in keys:
        of_key = KeyMemory()
        if dice.once_in(5) if key is not newest else not dice.once_in(3):
            arn = SECRET if not dice.once_in(10) else f"{SECRET}-of-before"
            of_key = replace(of_key, issued_on=key.created_on, secret_arn=arn)
        if not dice.once_in(5) if key.status == INACTIVE else dice.once_in(12):
            # On the day of the newest key's last use, and on its neighbours, too.
            last = [] if keys[-1].use is None else [(days_ago(0) - keys[-1].use.at.date()).days]
            near = [n + by for n in last for by in (-1, 0, 1) if n + by >= 0]
            of_key = replace(of_key, off_since=days_ago(_one_of(dice, [*days, *near])))
        if dice.once_in(10):
            of_key = replace(of_key, back_on=days_ago(_one_of(dice, days)))
        if not dice.once_in(3):
            of_key = replace(of_key, notice=_notice(dice, policy, key))
        remembered[key.id] = of_key
    if dice.once_in(10):
        remembered[THIRD] = KeyMemory(
            # One of today may be there and not listed yet: that is not understood.
            issued_on=dice.pick([None, days_ago(1 if plain else 0), days_ago(500)]),
            off_since=dice.pick([None, days_ago(3)]),
            notice=dice.pick([None, Notice(what=What.DELETE, why=Why.INACTIVE, day=days_ago(0), told=days_ago(1))]),
        )  # fmt: skip
    return replace(memory, keys={k: v for k, v in remembered.items() if v != KeyMemory()})


def _notice(dice: Dice, policy: Policy, key: Key) -> Notice:
    p = policy
    ahead = dice.pick([0, 0, 0, -1, 1, 3, 4, p.warn_days - 1, p.warn_days, p.warn_days + 1, 14, 40])
    told = dice.pick([0, 1, 1, 1, 2, 7, 8, p.warn_days, p.warn_days + 1, p.warn_days + 1, p.warn_days + 2])
    why = Why.INACTIVE if key.status == INACTIVE else dice.pick([Why.OVERLAP, *list(Why)])
    if dice.once_in(15):
        why = dice.pick(list(Why))
    what = What.DELETE if why is Why.INACTIVE else What.SWITCH_OFF
    return Notice(what=what, why=why, day=days_ago(-ahead), told=days_ago(told))


def smallest_max_age(policy: Policy) -> int:
    return 2 * policy.overlap_days + max(policy.quiet_days_before_first_use, policy.warn_days) + 2


def _of_people(dice: Dice, policy: Policy, *, plain: bool) -> dict[str, str]:
    smallest = smallest_max_age(policy)
    harmless = [
        {f"{PREFIX}replace": "leaked"},
        {f"{PREFIX}owner": "payments"},
        {f"{PREFIX}max-age-days": str(dice.pick(range(smallest - 2, policy.max_key_age_days + 2)))},
        {f"{PREFIX}exempt": f"{days_ago(1)} it was"},
        {OLD: "the description that the console keeps"},
        {f"{PREFIX}pending": "of version 0.1"},
    ]
    if plain:
        return dice.pick(harmless)
    until = dice.pick([0, 1, policy.warn_days, policy.warn_days + 1, 365, 366])
    barring = [
        {f"{PREFIX}exempt": f"{days_ago(-until)} audit"},
        {f"{PREFIX}exempt": "forever"},
        {f"{PREFIX}max-age-days": "ninety"},
        {"Exempt": "2030-01-01 believed"},
    ]
    return dice.pick(harmless + barring)


def _secret(dice: Dice, keys: list[Key]) -> Secret | None:
    held = dice.pick(["newest"] * 7 + ["oldest", "none", "other"])
    if held == "none" or not keys:
        return None
    holder = {"newest": keys[-1].id, "oldest": keys[0].id, "other": THIRD}[held]
    stages = {f"{holder}-access-key-rotation": frozenset({"AWSCURRENT"})}
    if dice.once_in(8):
        stages.setdefault(f"{keys[-1].id}-access-key-rotation", frozenset({"AWSPREVIOUS"}))
    return Secret(stages=stages, deleted=dice.once_in(12))
