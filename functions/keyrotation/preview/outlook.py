"""What the rotation would do to an account's keys and when: a row for each key, made of the system's own plans and runs."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import assert_never

from keyrotation.decide.actions import Deactivate, Delete, DeleteOrphan, Level, Plan, Promote, Replace
from keyrotation.look.inventory import Profile
from keyrotation.model import Key, Occasion, User
from keyrotation.policy import Policy
from keyrotation.preview.forecast import Change, forecast
from keyrotation.run.order import Order
from keyrotation.tell.account import account_items

_DAYS_SHOWN = 14


@dataclass(frozen=True, kw_only=True)
class Listed:
    """A user as the account's listing tells."""

    profile: Profile
    created_on: date


@dataclass(frozen=True, kw_only=True)
class Row:
    """One key, or a user without keys. Ages in days; `what` empty: nothing is foreseen. `asks`: who should act."""

    user: str
    user_id: str
    user_created_on: date
    key: str = ""
    status: str = ""
    age_days: int | None = None
    last_used_on: date | None = None
    last_used_service: str = ""
    on: date | None = None
    what: str = ""
    why: str = ""
    asks: str = ""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """`days`: from today on, users replaced and users who wait, under the cap."""

    today: date
    policy: Policy
    rows: tuple[Row, ...]
    days: tuple[tuple[date, int, int], ...]
    account: tuple[str, ...]


def previewed(
    listed: Mapping[str, Listed],
    users: Mapping[str, User],
    policy: Policy,
    occasion: Occasion,
    *,
    path_prefix: str,
    root_keys: bool,
) -> Preview:
    """What the system makes of these users: its own plans and its own runs, and no policy beside them."""
    seen = {name: users[name] for name in sorted(users)}
    foreseen = forecast(seen, policy, occasion)
    changes: defaultdict[str, list[Change]] = defaultdict(list)
    for change in foreseen.changes:
        changes[change.user_name].append(change)
    order = Order(
        run_id="preview",
        total=len(seen),
        with_keys=sum(any(key.active for key in user.keys) for user in seen.values()),
        root_has_keys=root_keys,
        user_names=(),
    )
    days = [occasion.today + timedelta(days=ahead) for ahead in range(_DAYS_SHOWN)]
    replaced = foreseen.replaced
    return Preview(
        today=occasion.today,
        policy=policy,
        rows=tuple(
            row
            for name, user in seen.items()
            for row in _rows(listed[name], user, changes[name], foreseen.plans.get(name), occasion.today)
        ),
        days=tuple((day, replaced[day], foreseen.waiting.get(day, 0)) for day in days),
        account=tuple(
            item.text
            for item in account_items(order, policy, path_prefix=path_prefix, listeners=occasion.listeners)
        ),
    )


def _rows(
    listed: Listed, user: User, changes: Sequence[Change], plan: Plan | None, today: date
) -> Iterator[Row]:
    """`changes` of this user, and what is planned for today; None: nothing."""
    items = [item for item in plan.items if item.level is not Level.UPCOMING] if plan else []
    keys: list[Key | None] = [*sorted(user.keys, key=lambda key: key.seniority)]
    if not keys:
        keys = [None]
    known = {key.id for key in user.keys}
    for place, key in enumerate(keys):
        # What is about the user, or about a key that is yet to be made, stands beside the oldest key.
        about = {key.id if key else None} | ({None} if place == 0 else set())
        of_key = [each for each in changes if (each.key_id if each.key_id in known else None) in about]
        first = min(of_key, key=lambda each: each.on, default=None)
        asks = [item.text for item in items if (item.key_id if item.key_id in known else None) in about]
        use = key.use if key and key.used_on else None
        yield Row(
            user=user.name,
            user_id=listed.profile.id,
            user_created_on=listed.created_on,
            key=key.id if key else "",
            status=key.status if key else "",
            age_days=(today - key.created_on).days if key else None,
            last_used_on=key.used_on if key else None,
            last_used_service=use.service if use else "",
            on=first.on if first else None,
            what=_what(first) if first else "",
            why=_printable(_why(first)) if first else "",
            asks=_printable("; ".join(asks)),
        )


def _what(change: Change) -> str:
    match change.action:
        case Replace(notice=notice):
            return f"replace, old key off {notice.day}" if notice else "replace"
        case Deactivate(notice=notice):
            return f"switch off, deleted {notice.day}" if notice else "switch off"
        case Delete():
            return "delete"
        case Promote():
            return "finish an interrupted replacement"
        case DeleteOrphan():
            return "undo an interrupted replacement"
        case _:
            assert_never(change.action)


def _why(change: Change) -> str:
    return change.action.why if isinstance(change.action, Replace | Deactivate | Delete) else ""


def _printable(text: str) -> str:
    """Tags are written by others, and this goes to a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)
