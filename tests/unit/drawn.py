"""Policies that are valid by construction, and users whose ages stand on the boundaries of their policy.

Each is drawn with dice: hypothesis's, which shrink what fails, or plain seeded ones, which are quick.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from random import Random
from typing import Protocol, TypeVar

from hypothesis import strategies as st
from keyrotation.decide import tags as tag
from keyrotation.model import ACTIVE, INACTIVE, Key, LastUse, Secret, User
from keyrotation.policy import Policy

from tests.unit import people
from tests.unit.people import NEW, OCCASION, OLD, THIRD, TODAY, at, days_ago

PREFIX = "access-key-rotation:"
_REASONS = ("in-use", "by-hand", "reactivated")


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
    """A user on the day, and the policy that their ages stand on the boundaries of."""

    user: User
    policy: Policy


def anyone(dice: Dice) -> Case:
    chosen = policy(dice)
    return Case(user=user(dice, chosen), policy=chosen)


def ordinary(dice: Dice) -> Case:
    """Understood, neither exempt nor interrupted."""
    chosen = policy(dice)
    if dice.once_in(6):
        return Case(user=_held(dice, chosen), policy=chosen)
    return Case(user=user(dice, chosen, plain=True), policy=chosen)


def _held(dice: Dice, policy: Policy) -> User:
    """A stored pair around the day on which the elder's extension ends, its last use around the successor's day."""
    by = (-1, 0, 0, 1)
    end = policy.overlap_days + policy.in_use_extension_days
    age = end + dice.pick(by)
    edges = (0, age, policy.quiet_days, policy.quiet_days_before_first_use)
    last = max(0, dice.pick(edges) + dice.pick(by))
    elder = people.key(age + policy.issue_age, used=min(last, age + policy.issue_age))
    successor = people.key(age, used=dice.pick((None, None, 0, policy.quiet_days)), id=NEW)
    until = days_ago(age - end - dice.pick(by))
    return people.user(
        elder, successor, tags={f"{PREFIX}held-until:{OLD}": f"{until} {dice.pick(_REASONS)}"}, stored=NEW
    )


def interrupted(dice: Dice) -> Case:
    """A replacement of the newest key broke off, or seems to have."""
    case = ordinary(dice)
    tags = dict(case.user.tags) | pending_tag(dice)
    since = tag.parse(tags, today=TODAY).pending
    assert since is not None
    made = since.since + timedelta(seconds=dice.pick((-901, -900, 0, 5, 900, 901)))
    keys = tuple(
        replace(key, created=made, last_use=dice.pick((None, None, key.use))) if key.id == NEW else key
        for key in case.user.keys
    )
    stage = dice.pick((None, "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"))
    stages = dict(case.user.the_secret.stages) if case.user.the_secret else {}
    stages.pop(f"{NEW}-access-key-rotation", None)
    if stage is not None:
        stages[f"{NEW}-access-key-rotation"] = frozenset({stage})
    secret = replace(case.user.the_secret, stages=stages) if case.user.the_secret else None
    return replace(case, user=replace(case.user, keys=keys, tags=tags, secret=secret))


def policy(dice: Dice) -> Policy:
    """Small ones, whose periods meet, as much as large ones; each inequality is met with nothing to spare too."""
    if dice.once_in(5):
        return Policy()
    spare = [0, 1, 2, 3, 9, 40]
    quiet = dice.pick([2, 3, 7, 10])
    overlap = quiet + 1 + dice.pick(spare)
    before_first_use = quiet + dice.pick(spare)
    extension = dice.pick([0, 1, 2, 7, 14, 30])
    unused = max(overlap + extension, before_first_use) + 1 + dice.pick(spare)
    return Policy(
        max_key_age_days=max(2 * overlap + quiet + 2, overlap + extension + 3) + dice.pick(spare),
        overlap_days=overlap,
        warn_days=dice.pick([1, 2, 7, 30]),
        quiet_days=quiet,
        quiet_days_before_first_use=before_first_use,
        in_use_extension_days=extension,
        unused_days=dice.pick([0, unused, unused]),
        delete_after_days=dice.pick([0, 1, quiet - 1, quiet, quiet + 1, 30, before_first_use + 1]),
    )


def boundaries(policy: Policy) -> list[int]:
    """Every number of days at which something begins or ends, and its neighbours."""
    p = policy
    held_off = max(p.in_use_extension_days, p.quiet_days)
    ends = [
        p.quiet_days,
        p.quiet_days_before_first_use,
        p.overlap_days,
        p.overlap_days + p.in_use_extension_days,
        p.overlap_days + held_off,
        p.in_use_extension_days,
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
    pattern = dice.pick(["AA", "AA", "AA", "AA", "IA", "IA", "IA", "AI", "II", "A", "A", "I", ""])
    new_age = _one_of(dice, days)
    if dice.once_in(3):
        # Where the elder of a stored pair is held, and its extension ends.
        ends = (policy.overlap_days, policy.overlap_days + policy.in_use_extension_days)
        new_age = dice.pick([end + by for end in ends for by in (-1, 0, 1)])
    # Made on one day, even at one moment, as well as far apart.
    old_age = new_age + dice.pick([0, 1, policy.overlap_days, policy.issue_age, *days])
    status = {"A": ACTIVE, "I": INACTIVE}
    keys = []
    if len(pattern) == 2:
        keys.append(
            _drawn_key(dice, OLD, old_age, status[pattern[0]], [*days, new_age - 1, new_age, new_age + 1])
        )
    if pattern:
        keys.append(_drawn_key(dice, NEW, new_age, status[pattern[-1]], days))
    tags = _memory(dice, keys, old_age, new_age, policy)
    if dice.once_in(3):
        tags |= _of_people(dice, policy, plain=plain)
    secret = _secret(dice, keys)
    if plain:
        return User(name="carol", keys=tuple(keys), tags=tags, secret=secret)
    if dice.once_in(8):
        tags |= pending_tag(dice)
    unread = ("GetAccessKeyLastUsed: Throttling",) if dice.once_in(20) else ()
    if dice.once_in(20):
        keys.append(_drawn_key(dice, THIRD, 3, dice.pick([ACTIVE, "Expired"]), days))
    return User(name="carol", keys=tuple(keys), tags=tags, secret=secret, unread=unread)


def _memory(dice: Dice, keys: list[Key], old_age: int, new_age: int, policy: Policy) -> dict[str, str]:
    """Marks and holds, on keys that are there and on one that is gone."""
    p, tags = policy, {}
    by_hand = max(p.overlap_days - new_age, p.last_safe_age - old_age)
    ends = {
        off + late
        for off in (p.overlap_days - new_age, by_hand)
        for late in (-1, 0, 1, p.in_use_extension_days - 1, p.in_use_extension_days)
    }
    ends |= {
        -1,
        0,
        1,
        p.warn_days,
        p.warn_days + 1,
        p.in_use_extension_days,
        p.in_use_extension_days + 1,
        400,
    }
    ends |= {max(p.in_use_extension_days, p.quiet_days)}
    for key in keys:
        marked = not dice.once_in(5) if key.status == INACTIVE else dice.once_in(10)
        if marked:
            # On the day of the successor's last use, and on its neighbours, too.
            last = [] if keys[-1].use is None else [(TODAY - keys[-1].use.at.date()).days]
            day = _one_of(dice, [*boundaries(p), *[n + by for n in last for by in (-1, 0, 1) if n + by >= 0]])
            tags[f"{PREFIX}inactive-since:{key.id}"] = str(days_ago(day))
        if dice.once_in(2):
            ahead = dice.pick(sorted(ends))
            reason = dice.pick(_REASONS)
            tags[f"{PREFIX}held-until:{key.id}"] = f"{days_ago(-ahead)} {reason}"
    if dice.once_in(10):
        tags[f"{PREFIX}inactive-since:{THIRD}"] = str(days_ago(3))
        tags[f"{PREFIX}held-until:{THIRD}"] = f"{days_ago(-3)} in-use"
    return tags


def _of_people(dice: Dice, policy: Policy, *, plain: bool) -> dict[str, str]:
    smallest = max(
        2 * policy.overlap_days + policy.quiet_days + 2,
        policy.overlap_days + policy.in_use_extension_days + 3,
    )
    harmless = [
        {f"{PREFIX}replace": "leaked"},
        {f"{PREFIX}owner": "payments"},
        {f"{PREFIX}max-age-days": str(dice.pick(range(smallest, policy.max_key_age_days + 2)))},
        {f"{PREFIX}exempt": f"{days_ago(1)} it was"},
        {"Exempt": "2030-01-01 believed"},
        {OLD: "the description that the console keeps"},
    ]
    if plain:
        return dice.pick(harmless)
    until = dice.pick([0, 1, policy.warn_days, policy.warn_days + 1, 365, 366])
    barring = [
        {f"{PREFIX}exempt": f"{days_ago(-until)} audit"},
        {f"{PREFIX}exempt": "forever"},
        {f"{PREFIX}max-age-days": "ninety"},
        {f"{PREFIX}max-age-days": str(smallest - 1)},
        {f"{PREFIX}inactive-since:{OLD}": str(days_ago(-1))},
        {f"{PREFIX}held-until:{OLD}": "soon in-use"},
    ]
    return dice.pick(harmless + barring)


def _secret(dice: Dice, keys: list[Key]) -> Secret | None:
    held = dice.pick(["newest"] * 6 + ["oldest", "none", "none", "other"])
    if held == "none" or not keys:
        return None
    holder = {"newest": keys[-1].id, "oldest": keys[0].id, "other": THIRD}[held]
    stages = {f"{holder}-access-key-rotation": frozenset({"AWSCURRENT"})}
    if dice.once_in(8):
        stages.setdefault(f"{keys[-1].id}-access-key-rotation", frozenset({"AWSPENDING"}))
    return Secret(stages=stages, deleted=dice.once_in(12))


def pending_tag(dice: Dice) -> dict[str, str]:
    """Begun around one function timeout ago, or when a key was made, here or elsewhere."""
    timeout = OCCASION.function_timeout
    ago = dice.pick([timeout - timedelta(seconds=1), timeout, timedelta(hours=20), timedelta(days=3)])
    region = dice.pick(["eu-west-1"] * 4 + ["us-east-1"])
    listed = dice.pick([OLD, f"{OLD} {NEW}", ""])
    return {f"{PREFIX}pending": f"{OCCASION.now - ago:%Y-%m-%dT%H:%M:%SZ} {region} run-1 {listed}".strip()}
