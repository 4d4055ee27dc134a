"""What the rotation would do to an account's keys and when: a row for each key, made of the system's own plans and runs."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import assert_never

from keyrotation.decide import tags
from keyrotation.decide.actions import (
    ChangesKeys,
    Deactivate,
    Delete,
    DeleteOrphan,
    Item,
    Level,
    Plan,
    Promote,
    Replace,
)
from keyrotation.decide.hints import hints_of
from keyrotation.look.inventory import Profile
from keyrotation.model import OWNER_TAG_KEYS, Key, Occasion, User
from keyrotation.policy import Policy
from keyrotation.preview.forecast import Change, forecast
from keyrotation.run.order import Order
from keyrotation.tell.account import account_items


class Action(StrEnum):
    """What would be done to a key, as people ask for it; in the order in which a day's are shown."""

    DELETE = "delete"
    SWITCH_OFF = "switch-off"
    REPLACE = "replace"
    FINISH = "finish"
    UNDO = "undo"


class Group(StrEnum):
    """Where a row belongs: the first of these that holds."""

    CHANGES = "changes"
    NEEDS_A_PERSON = "needs-a-person"
    EXEMPT = "exempt"
    NOTHING = "nothing-to-do"


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which account was looked at, in which Region, by whom, for which users, and by which version of this system.

    `name`: the profile or role that was asked for; empty: the caller's own credentials.
    """

    account: str
    alias: str
    region: str
    caller: str
    path_prefix: str
    version: str
    at: datetime
    name: str = ""


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A user as the account's listing tells."""

    profile: Profile
    created_on: date


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was read of an account. `elsewhere`: how many users each other path has, when nobody is below the one asked for.

    `deployed`: this Region has the stack's table.
    """

    listed: Mapping[str, Listed]
    users: Mapping[str, User]
    elsewhere: Mapping[str, int]
    root_keys: bool
    deployed: bool


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something that would be done to a key."""

    on: date
    action: Action


@dataclass(frozen=True, kw_only=True)
class Row:
    """One key, or a user without keys. Ages in days; no `steps`: nothing is foreseen. `asks`: who should act.

    `asked_of_user`: of this key or of the user's other one. `steps` by day: a key that is replaced goes off next, and one that goes off is deleted. `reason`: of the first.
    """

    account: str
    region: str
    user: str
    user_id: str
    user_created_on: date
    owner: str
    path: str
    key: str = ""
    status: str = ""
    age_days: int | None = None
    last_used_on: date | None = None
    last_used_service: str = ""
    steps: tuple[Step, ...] = ()
    reason: str = ""
    asks: str = ""
    asked_of_user: bool = False
    exempt: str = ""
    hints: tuple[str, ...] = ()

    @property
    def group(self) -> Group:
        if self.steps:
            return Group.CHANGES
        if self.asked_of_user:
            return Group.NEEDS_A_PERSON
        return Group.EXEMPT if self.exempt else Group.NOTHING

    @property
    def on(self) -> date | None:
        """The day of the first step."""
        return self.steps[0].on if self.steps else None

    @property
    def action(self) -> Action | None:
        return self.steps[0].action if self.steps else None

    @property
    def what(self) -> str:
        """The steps as people say it."""
        return ", ".join(
            _FIRST[step.action] if at == 0 else f"{_NEXT[step.action]} {step.on}"
            for at, step in enumerate(self.steps)
        )


_ASKING = (Level.CRITICAL, Level.ATTENTION)
_FIRST = {
    Action.REPLACE: "replace",
    Action.SWITCH_OFF: "switch off",
    Action.DELETE: "delete",
    Action.FINISH: "finish an interrupted replacement",
    Action.UNDO: "undo an interrupted replacement",
}
_NEXT = {**_FIRST, Action.SWITCH_OFF: "old key off", Action.DELETE: "deleted"}


@dataclass(frozen=True, kw_only=True)
class Account:
    """One account. `told`: what is to be known of the account itself. `waiting`: by day, users for whom the cap has no place."""

    where: Where
    policy: Policy
    rows: tuple[Row, ...]
    told: tuple[str, ...]
    waiting: Mapping[date, int]


@dataclass(frozen=True, kw_only=True)
class Unread:
    """An account that could not be read, by the profile or role that was asked for; nothing is known of it."""

    name: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which rows are to be shown: all that is set must hold, and one step must be of the action and the day."""

    only: frozenset[str] = frozenset()
    owner: str | None = None
    on: date | None = None

    def fits(self, row: Row) -> bool:
        if self.owner is not None and row.owner != self.owner:
            return False
        steps = [step for step in row.steps if self.on in (None, step.on)]
        if not self.only:
            return bool(steps) or self.on is None
        return any(step.action in self.only for step in steps) or (self.on is None and row.group in self.only)

    def __str__(self) -> str:
        """Empty when everything is shown."""
        told = [
            f"only {', '.join(sorted(self.only))}" if self.only else "",
            f"owner {self.owner or '(none)'}" if self.owner is not None else "",
            f"on {self.on}" if self.on is not None else "",
        ]
        return "; ".join(filter(None, told))


@dataclass(frozen=True, kw_only=True)
class Preview:
    """All accounts that were asked for. `rows`: those that are wanted, by day and action; who has no step comes last."""

    accounts: tuple[Account, ...]
    unread: tuple[Unread, ...] = ()
    wanted: Wanted = Wanted()

    @property
    def rows(self) -> tuple[Row, ...]:
        rows = (row for account in self.accounts for row in account.rows if self.wanted.fits(row))
        return tuple(sorted(rows, key=_by_day_and_action))

    @property
    def days(self) -> tuple[tuple[date, Mapping[Action, int], int], ...]:
        """Each day on which something would be done: how many keys by action, of the rows that are shown, and who waits."""
        counts: defaultdict[date, Counter[Action]] = defaultdict(Counter)
        for row in self.rows:
            for step in row.steps:
                counts[step.on][step.action] += 1
        waiting: Counter[date] = Counter()
        for account in self.accounts:
            waiting.update(account.waiting)
        # Who waits is counted in the whole account: the cap asks for no owner.
        days = counts.keys() if str(self.wanted) else counts.keys() | waiting.keys()
        return tuple((day, counts[day], waiting[day]) for day in sorted(days))


def _by_day_and_action(row: Row) -> tuple[date, int, str, str, int]:
    action = row.action
    order = list(Action).index(action) if action is not None else 0
    return row.on or date.max, order, row.account, row.user, -(row.age_days or 0)


def previewed(found: Found, policy: Policy, occasion: Occasion, where: Where) -> Account:
    """What the system makes of these users: its own plans and its own runs, and no policy beside them."""
    seen = {name: found.users[name] for name in sorted(found.users)}
    foreseen = forecast(seen, policy, occasion)
    changes: defaultdict[str, list[Change]] = defaultdict(list)
    for change in foreseen.changes:
        changes[change.user_name].append(change)
    order = Order(
        run_id="preview",
        total=len(seen),
        with_keys=sum(any(key.active for key in user.keys) for user in seen.values()),
        root_has_keys=found.root_keys,
        user_names=(),
    )
    items = account_items(order, policy, path_prefix=where.path_prefix, listeners=occasion.listeners)
    return Account(
        where=where,
        policy=policy,
        rows=tuple(
            row
            for name, user in seen.items()
            for row in _rows(where, found.listed[name], user, changes[name], foreseen.plans.get(name))
        ),
        told=(*_about_the_place(found, where), *(item.text for item in items)),
        waiting=foreseen.waiting,
    )


def _about_the_place(found: Found, where: Where) -> Iterator[str]:
    """What may mean that this is not the place that was meant."""
    if not found.deployed:
        yield (
            f"nothing of this system is in {where.region}: there is no table of it. If the stack is deployed in another "
            "Region, name that with --region; if it is deployed nowhere, this is what its first runs would do"
        )
    if found.listed:
        return
    if not found.elsewhere:
        yield "this account has no IAM user at all"
    else:
        paths = [
            f"{path} ({count})" for path, count in sorted(found.elsewhere.items(), key=lambda each: -each[1])
        ]
        more = f" and {len(paths) - 10} other paths" if len(paths) > 10 else ""
        yield (
            f"nobody is below the path {where.path_prefix}. The users of this account are below "
            f"{', '.join(paths[:10])}{more}; a path is case-sensitive"
        )


def _rows(
    where: Where, listed: Listed, user: User, changes: Sequence[Change], plan: Plan | None
) -> Iterator[Row]:
    """`changes` of this user, and what is planned for today; None: nothing."""
    items = plan.items if plan else ()
    today = where.at.date()
    exempt = "; ".join(item.text for item in items if item.level is Level.EXEMPT)
    keys: list[Key | None] = [*sorted(user.keys, key=lambda key: key.seniority)]
    if not keys:
        keys = [None]
    known = {key.id for key in user.keys}
    for place, key in enumerate(keys):
        # What is about the user, or about a key that is yet to be made, stands beside the oldest key.
        about = {key.id if key else None} | ({None} if place == 0 else set())
        of_key = [each for each in changes if (each.key_id if each.key_id in known else None) in about]
        use = key.use if key and key.used_on else None
        yield Row(
            account=where.account,
            region=where.region,
            user=user.name,
            user_id=listed.profile.id,
            user_created_on=listed.created_on,
            owner=printable(tags.owner_of(user.tags, OWNER_TAG_KEYS)),
            path=listed.profile.path,
            key=key.id if key else "",
            status=key.status if key else "",
            age_days=(today - key.created_on).days if key else None,
            last_used_on=key.used_on if key else None,
            last_used_service=use.service if use else "",
            steps=tuple(_steps(of_key)),
            reason=printable(_reason(of_key[0].action)) if of_key else "",
            asks=printable("; ".join(_asked(items, about, known))),
            asked_of_user=any(item.level in _ASKING for item in items),
            exempt=printable(exempt),
            hints=tuple(hint.text for hint in hints_of(user)) if place == 0 else (),
        )


def _asked(items: Iterable[Item], about: set[str | None], known: set[str]) -> Iterator[str]:
    for item in items:
        key_id = item.key_id if item.key_id in known else None
        if item.level in _ASKING and key_id in about:
            yield item.text


def _steps(changes: Sequence[Change]) -> Iterator[Step]:
    """The changes of a key, by day; and what the notice that the last of them gives leads to."""
    for change in changes:
        yield Step(on=change.on, action=_action(change.action))
    match changes:
        case [*_, Change(action=Replace(notice=notice))] if notice is not None:
            yield Step(on=notice.day, action=Action.SWITCH_OFF)
        case [*_, Change(action=Deactivate(notice=notice))] if notice is not None:
            yield Step(on=notice.day, action=Action.DELETE)
        case _:
            pass


def _action(action: ChangesKeys) -> Action:
    match action:
        case Replace():
            return Action.REPLACE
        case Deactivate():
            return Action.SWITCH_OFF
        case Delete():
            return Action.DELETE
        case Promote():
            return Action.FINISH
        case DeleteOrphan():
            return Action.UNDO
        case _:
            assert_never(action)


def _reason(action: ChangesKeys) -> str:
    if isinstance(action, Replace):
        # The key stands beside it.
        return action.why.removeprefix(f"{action.old_key_id} is ")
    if isinstance(action, Deactivate | Delete):
        return action.why
    return "a run was interrupted while it replaced a key"


def printable(text: str) -> str:
    """Tags are written by others, and this goes to a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
