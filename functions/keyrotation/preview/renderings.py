"""A preview as people and programs read it: a table, CSV and JSON. The page for a browser is in page.py."""

import csv
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, fields
from typing import Any, TextIO

from keyrotation.policy import Policy, parameter_name
from keyrotation.preview.outlook import Account, Action, Group, Preview, Row, Where

SUPPOSED = (
    "It is supposed that whoever uses a key goes on using it, that nobody uses what lies unused, and that somebody reads the "
    "mail. An old key goes off on the day shown if its owner uses the new one by then. Nothing was changed."
)
COUNTED = {
    Action.REPLACE: "replaced",
    Action.SWITCH_OFF: "switched off",
    Action.DELETE: "deleted",
    Action.FINISH: "finished",
    Action.UNDO: "undone",
}


def heading(where: Where) -> str:
    """One line that says what was looked at."""
    alias = f" ({where.alias})" if where.alias else " (no alias)"
    return f"account {where.account}{alias}, Region {where.region}, users below {where.path_prefix}, read by {where.caller}"


def table(found: Preview, out: TextIO) -> None:
    """For people: the changes by day, who should act, who is exempt, who has nothing to expect, and the sums."""
    for account in found.accounts:
        at = f"{account.where.at:%Y-%m-%d %H:%M} UTC"
        out.write(f"access-key-rotation {account.where.version}, {at}: {heading(account.where)}\n")
    if str(found.wanted):
        out.write(f"Shown: {found.wanted}\n")
    rows, several = found.rows, len(found.accounts) > 1
    changes = [row for row in rows if row.steps]
    out.write("\nWould be done, by day:\n")
    place = ["ACCOUNT"] if several else []
    _columns(
        [[str(row.on), row.what, *_key(row, several=several), row.reason] for row in changes],
        ["ON", "WOULD", *place, *_KEY_HEADS, "WHY"],
        out,
    )
    _listed("Needs a person", _asking(found, rows, several=several), out)
    _listed("Exempt", (f"{who(row, several=several)}: {row.exempt}" for row in rows if row.exempt), out)
    nothing = [row for row in rows if row.group is Group.NOTHING]
    if nothing:
        out.write("\nNothing to do:\n")
        _columns([_key(row, several=several) for row in nothing], [*place, *_KEY_HEADS], out)
    hints = (f"{', '.join(users)}: {text}" for text, users in hints_of(rows).items())
    _listed("To be known", hints, out)
    _by_day(found, out)
    _listed("Could not be read", (f"{each.name}: {each.why}" for each in found.unread), out)
    out.write(f"\n{summed_up(found.rows, found.accounts)} {SUPPOSED}\n")


_KEY_HEADS = ("USER", "OWNER", "PATH", "KEY", "STATUS", "AGE", "LAST USED")


def _key(row: Row, *, several: bool) -> list[str]:
    return [
        *([row.account] if several else []),
        row.user,
        row.owner or "-",
        row.path,
        row.key or "-",
        row.status or "-",
        "-" if row.age_days is None else str(row.age_days),
        f"{row.last_used_on} {row.last_used_service}" if row.last_used_on else "-",
    ]


def _columns(lines: Sequence[Sequence[str]], heads: Sequence[str], out: TextIO) -> None:
    if not lines:
        out.write("  nothing\n")
        return
    widths = [max(len(line[at]) for line in [heads, *lines]) for at in range(len(heads))]
    out.writelines(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in [heads, *lines]
    )


def _listed(title: str, lines: Iterable[str], out: TextIO) -> None:
    found = list(lines)
    if found:
        out.write(f"\n{title}:\n")
        out.writelines(f"  {line}\n" for line in found)


def who(row: Row, *, several: bool) -> str:
    """Whom a line is about. `several`: of several accounts."""
    owner = f"(owner: {row.owner})" if row.owner else ""
    return " ".join(filter(None, [row.account if several else "", row.user, row.key, owner]))


def _asking(found: Preview, rows: Sequence[Row], *, several: bool) -> Iterator[str]:
    for account in found.accounts:
        of_which = f"{account.where.account} " if several else ""
        yield from (f"{of_which}the account: {text}" for text in account.told)
    yield from (f"{who(row, several=several)}: {row.asks}" for row in rows if row.asks)


def _by_day(found: Preview, out: TextIO) -> None:
    """A line per day, and a column for each action that there is."""
    actions = [action for action in COUNTED if any(counts[action] for _, counts, _ in found.days)]
    cap = found.accounts[0].policy.max_users_per_run if found.accounts else 0
    each = " in each account" if len(found.accounts) > 1 else ""
    out.write(f"\nKeys by day, at most {cap} users changed a day{each}:\n")
    lines = []
    for day, counts, waiting in found.days:
        numbers = [str(counts[action]) for action in actions]
        lines.append([str(day), *numbers, f"{waiting} wait for the next day" if waiting else ""])
    _columns(lines, ["DAY", *(COUNTED[action].upper() for action in actions), ""], out)


def hints_of(rows: Iterable[Row]) -> dict[str, list[str]]:
    """The users, in their order, by what is to be known of them."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for row in sorted(rows, key=lambda row: row.user):
        for hint in row.hints:
            found[hint].append(row.user)
    return found


def summed_up(rows: Sequence[Row], accounts: Sequence[Account]) -> str:
    """The sums of what is shown."""
    users = len({(row.account, row.user) for row in rows})
    active = [row for row in rows if row.status == "Active"]
    limit = accounts[0].policy.max_key_age_days if accounts else 0
    over = sum((row.age_days or 0) >= limit for row in active)
    return f"{counted(users, 'user')}, {counted(len(active), 'active key')}, {over} of them {limit} days old or older."


def counted(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


CSV_COLUMNS = (
    "account",
    "alias",
    "region",
    "group",
    "on",
    "action",
    "then_on",
    "then",
    "user",
    "owner",
    "path",
    "key",
    "status",
    "age_days",
    "last_used_on",
    "last_used_service",
    "reason",
    "asks",
    "exempt",
    "hints",
    "user_id",
    "user_created_on",
    "path_prefix",
    "caller",
    "version",
    "at",
)


def comma_separated(found: Preview, out: TextIO) -> None:
    """A line per key, and per user without keys; first one for each thing that is to be known of an account, without a user."""
    writer = csv.DictWriter(out, CSV_COLUMNS, restval="", lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    places = {(each.where.account, each.where.region): _place(each.where) for each in found.accounts}
    of_accounts = [
        {**_place(each.where), "group": Group.NEEDS_A_PERSON, "asks": text}
        for each in found.accounts
        for text in each.told
    ] + [
        {"account": each.name, "group": Group.NEEDS_A_PERSON, "asks": f"could not be read: {each.why}"}
        for each in found.unread
    ]
    of_keys = [{**places[row.account, row.region], **_flat(row)} for row in found.rows]
    writer.writerows(
        {name: _as_text(value) for name, value in line.items()} for line in [*of_accounts, *of_keys]
    )


def _place(where: Where) -> dict[str, Any]:
    return {**asdict(where), "at": f"{where.at:%Y-%m-%dT%H:%M:%SZ}"}


def _flat(row: Row) -> dict[str, Any]:
    second = row.steps[1] if len(row.steps) > 1 else None
    return {
        **{each.name: getattr(row, each.name) for each in fields(Row) if each.name != "steps"},
        "group": row.group,
        "hints": " ".join(row.hints),
        "on": row.on,
        "action": row.action,
        "then_on": second.on if second else None,
        "then": second.action if second else None,
    }


def _as_text(value: object) -> object:
    """What a spreadsheet would take for a formula, such as the user name =A3 or @x, as the text that it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def as_json(found: Preview, out: TextIO) -> None:
    """For machines: everything."""
    told = {
        "version": 2,
        "accounts": [
            {**_place(each.where), "told": each.told, "policy": _policy(each.policy)}
            for each in found.accounts
        ],
        "unread": [asdict(each) for each in found.unread],
        "shown": str(found.wanted) or "everything",
        "keys": [{"group": row.group, "what": row.what, **asdict(row)} for row in found.rows],
        "days": [
            {"on": day, **{action: counts[action] for action in Action}, "waiting": waiting}
            for day, counts, waiting in found.days
        ],
    }
    out.write(json.dumps(told, indent=2, default=str) + "\n")


def _policy(policy: Policy) -> dict[str, int]:
    return {parameter_name(each.name): getattr(policy, each.name) for each in fields(Policy)}
