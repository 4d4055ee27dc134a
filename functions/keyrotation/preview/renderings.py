"""A preview as people and programs read it: a table, CSV and JSON."""

import csv
import json
from dataclasses import asdict, fields
from typing import TextIO

from keyrotation.policy import Policy, parameter_name
from keyrotation.preview.outlook import Preview, Row


def table(found: Preview, out: TextIO) -> None:
    """For people: the keys, who should act, and the days to come."""
    heads = ["USER", "USER ID", "CREATED", "KEY", "STATUS", "AGE", "LAST USED", "WOULD", "ON"]
    lines = [
        [
            row.user,
            row.user_id,
            str(row.user_created_on),
            row.key or "-",
            row.status or "-",
            "-" if row.age_days is None else str(row.age_days),
            f"{row.last_used_on} {row.last_used_service}" if row.last_used_on else "-",
            row.what or "-",
            str(row.on or "-"),
        ]
        for row in found.rows
    ]
    widths = [max(len(line[at]) for line in [heads, *lines]) for at in range(len(heads))]
    out.writelines(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in [heads, *lines]
    )
    asking = [(row.user, row.key, row.asks) for row in found.rows if row.asks]
    if asking or found.account:
        out.write("\nTo be told, and done by nobody but people:\n")
        out.writelines(f"  {text}\n" for text in found.account)
        out.writelines(f"  {' '.join(filter(None, [user, key]))}: {text}\n" for user, key, text in asking)
    out.write(f"\nReplacements, at most {found.policy.max_users_per_run} users changed a day:\n")
    out.writelines(
        f"  {day}  {replaced:4}" + (f"  ({waiting} wait for the next day)" if waiting else "") + "\n"
        for day, replaced, waiting in found.days
    )
    users = len({row.user for row in found.rows})
    keys = sum(row.status == "Active" for row in found.rows)
    over = sum(
        row.status == "Active" and (row.age_days or 0) >= found.policy.max_key_age_days for row in found.rows
    )
    out.write(
        f"\n{users} users, {keys} active keys, {over} of them {found.policy.max_key_age_days} days old or older. "
        "As things are: it is supposed that keys in use stay in use. Nothing was changed.\n"
    )


def comma_separated(found: Preview, out: TextIO) -> None:
    """A line per key, and per user without keys."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([each.name for each in fields(Row)])
    writer.writerows([_as_text(getattr(row, each.name)) for each in fields(Row)] for row in found.rows)


def _as_text(value: object) -> object:
    """What a spreadsheet would take for a formula, such as the user name =A3 or @x, as the text that it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def as_json(found: Preview, out: TextIO) -> None:
    """For machines: everything."""
    told = {
        "version": 1,
        "today": found.today,
        "policy": {parameter_name(each.name): getattr(found.policy, each.name) for each in fields(Policy)},
        "keys": [asdict(row) for row in found.rows],
        "days": [
            {"on": day, "replaced": replaced, "waiting": waiting} for day, replaced, waiting in found.days
        ],
        "account": found.account,
    }
    out.write(json.dumps(told, indent=2, default=str) + "\n")
