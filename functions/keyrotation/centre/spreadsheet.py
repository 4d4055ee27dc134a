"""table.csv: a row for each account, for people with a spreadsheet and for machines."""

import csv
import io

from keyrotation.centre.digest import Day, Expected, printable

COLUMNS = (
    "account",
    "name",
    "state",
    "last_report",
    "mode",
    "version",
    "users",
    "unreadable",
    "deferred",
    "forced_off",
    "critical",
    "failed",
    "attention",
    "done",
    "notices",
    "deployment",
)


def table_of(day: Day) -> str:
    written = io.StringIO()
    rows = csv.writer(written, lineterminator="\n")
    rows.writerow(COLUMNS)
    rows.writerows(_row(day, account) for account in day.accounts)
    return written.getvalue()


def _row(day: Day, account: str) -> list[str]:
    found = day.found.get(account)
    expected = (day.expected or {}).get(account, Expected())
    report = found.report if found is not None else None
    told = [""] * 11
    if report is not None:
        of_users = (report.coverage[name] for name in ("total", "unreadable", "deferred"))
        entries = (report.counts[name] for name in ("forced-off", "critical", "failed", "attention", "done"))
        told = [report.mode, report.version, *map(str, (*of_users, *entries, len(report.notices)))]
    at = "" if found is None else f"{found.at:%Y-%m-%dT%H:%M:%SZ}"
    return [account, _cell(expected.name), _state(day, account), at, *told, _cell(expected.trouble)]


def _state(day: Day, account: str) -> str:
    found = day.found.get(account)
    if found is None:
        return "never reported"
    if day.is_silent(account):
        return "silent"
    if found.report is None:
        return "not understood"
    if day.expected is not None and account not in day.expected:
        return "reports, and is not in the StackSet"
    return "reported"


def _cell(text: str) -> str:
    """No formula: a spreadsheet would work it out."""
    plain = printable(text)
    return f"'{plain}" if plain.startswith(("=", "+", "-", "@")) else plain
