"""A preview as one page for a browser and for paper: nothing is loaded, and nothing runs in it but what stands here."""

import base64
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from html import escape
from typing import TextIO

from keyrotation.policy import parameter_name
from keyrotation.preview.outlook import Account, Action, Group, Preview, Row
from keyrotation.preview.renderings import COUNTED, SUPPOSED, counted, hints_of, summed_up, who

# Of the bars; what comes later is in the table.
_DAYS_DRAWN = 92
_COLOURS = {
    Action.REPLACE: "#2f6fde",
    Action.SWITCH_OFF: "#e08a1e",
    Action.DELETE: "#c23b3b",
    Action.FINISH: "#7a8699",
    Action.UNDO: "#b3bccb",
}
_STYLE = """
:root { --ink: #1b2430; --soft: #5d6b7e; --line: #dfe4ec; --pale: #f5f7fa; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Liberation Sans", sans-serif; color: var(--ink);
  margin: 0 auto; padding: 2rem 2rem 4rem; max-width: 86rem; background: #fff; }
h1 { font-size: 1.6rem; margin: 0 0 .2rem; letter-spacing: -.01em; }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; }
p { margin: .3rem 0; }
.soft { color: var(--soft); }
.place { margin: .15rem 0; }
.place b { font-weight: 600; }
.sums { display: flex; flex-wrap: wrap; gap: .8rem; margin: 1.4rem 0 0; padding: 0; list-style: none; }
.sums li { border: 1px solid var(--line); border-radius: .6rem; padding: .6rem 1rem; min-width: 8rem; }
.sums b { display: block; font-size: 1.7rem; line-height: 1.2; font-variant-numeric: tabular-nums; }
.mark { width: .7rem; height: .7rem; margin-right: .4rem; }
.days { width: 100%; height: auto; display: block; }
.days text { font-size: 11px; fill: var(--soft); }
.key { display: flex; flex-wrap: wrap; gap: 1.2rem; margin: .4rem 0; color: var(--soft); font-size: .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th, td { text-align: left; vertical-align: top; padding: .42rem .6rem .42rem 0; border-bottom: 1px solid var(--line); }
th { white-space: nowrap; color: var(--soft); font-weight: 600; border-bottom: 2px solid var(--line); }
th button { all: unset; cursor: pointer; }
th button:focus-visible { outline: 2px solid #2f6fde; }
th[aria-sort=ascending] button::after { content: " \\25B2"; font-size: .7em; }
th[aria-sort=descending] button::after { content: " \\25BC"; font-size: .7em; }
td.number { text-align: right; padding-right: 1.2rem; font-variant-numeric: tabular-nums; }
td.day, td.key-id, td.action { white-space: nowrap; }
td.owner { overflow-wrap: break-word; min-width: 7.5rem; max-width: 14rem; }
td.key-id { font-family: ui-monospace, "Liberation Mono", Consolas, monospace; font-size: .92em; }
td.user { font-weight: 600; overflow-wrap: break-word; min-width: 8rem; max-width: 20rem; }
.note { border-left: 4px solid #e08a1e; background: var(--pale); padding: .5rem .9rem; margin: .5rem 0; border-radius: 0 .4rem .4rem 0; }
.note.unread { border-color: #c23b3b; }
footer { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: .8rem; color: var(--soft); font-size: .88rem; }
@media print {
  @page { size: A4 landscape; margin: 12mm; }
  body { padding: 0; max-width: none; font-size: 9pt; }
  table { font-size: 7.5pt; }
  th, td { padding-top: .15rem; padding-bottom: .15rem; }
  td.user, td.owner { min-width: 0; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  tr, .note, .sums, .days { break-inside: avoid; }
  thead { display: table-header-group; }
  h2 { break-after: avoid; }
  .scroll { overflow: visible; }
  th[aria-sort] button::after { content: ""; }
}
"""
_SCRIPT = """
for (const button of document.querySelectorAll("th button")) button.addEventListener("click", () => {
  const head = button.parentElement, body = head.closest("table").tBodies[0];
  const up = head.getAttribute("aria-sort") !== "ascending", at = head.cellIndex;
  const value = row => row.cells[at].dataset.sort ?? row.cells[at].textContent;
  const rows = [...body.rows].sort((one, other) =>
    value(one).localeCompare(value(other), "en", { numeric: true }) * (up ? 1 : -1));
  for (const each of head.parentElement.cells) each.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", up ? "ascending" : "descending");
  body.append(...rows);
});
"""


def _sha256(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


# No address, no image and no other script than this one, whatever a tag or a name holds.
_CSP = (
    f"default-src 'none'; style-src 'sha256-{_sha256(_STYLE)}'; script-src 'sha256-{_sha256(_SCRIPT)}'; "
    "base-uri 'none'; form-action 'none'"
)


def page(found: Preview, out: TextIO) -> None:
    """Everything that stands in it is escaped."""
    out.writelines(f"{line}\n" for line in _lines(found))


def _lines(found: Preview) -> Iterator[str]:
    names = ", ".join(each.where.alias or each.where.account for each in found.accounts)
    yield "<!doctype html>"
    yield '<html lang="en"><head><meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_CSP}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(f'Access key rotation: preview of {names}')}</title><style>{_STYLE}</style></head><body>"
    yield "<h1>What the access key rotation would do</h1>"
    several = len(found.accounts) > 1
    for account in found.accounts:
        yield _place(account)
    if str(found.wanted):
        yield f'<p class="place"><b>Shown:</b> {escape(str(found.wanted))}</p>'
    for each in found.unread:
        yield f'<p class="note unread"><b>{escape(each.name)} could not be read:</b> {escape(each.why)}</p>'
    for account in found.accounts:
        place = f"Account {account.where.account}" if several else "The account"
        yield from _notes((place, text) for text in account.told)
    yield from _sums(found)
    yield "<h2>Keys by day</h2>"
    yield from _bars(found)
    yield "<h2>Would be done</h2>"
    yield from _table([row for row in found.rows if row.steps], _CHANGES, several=several)
    if asking := [row for row in found.rows if row.asks]:
        yield "<h2>Needs a person</h2>"
        yield from _notes((who(row, several=several), row.asks) for row in asking)
    for title, rows, columns in (
        ("Exempt", [row for row in found.rows if row.exempt], _EXEMPT),
        ("Nothing to do", [row for row in found.rows if row.group is Group.NOTHING], _IDLE),
    ):
        if rows:
            yield f"<h2>{title}</h2>"
            yield from _table(rows, columns, several=several)
    if hints := hints_of(found.rows):
        yield "<h2>To be known</h2>"
        yield from _notes((", ".join(users), text) for text, users in hints.items())
    yield f"<footer><p>{escape(summed_up(found.rows, found.accounts))} {SUPPOSED}</p>"
    if found.accounts:
        policy = found.accounts[0].policy
        told = ", ".join(f"{parameter_name(name)} {value}" for name, value in vars(policy).items())
        yield f"<p>Policy: {told}.</p>"
    yield f"</footer><script>{_SCRIPT}</script></body></html>"


def _place(account: Account) -> str:
    where = account.where
    alias = f" ({escape(where.alias)})" if where.alias else ""
    return (
        f'<p class="place"><b>Account {escape(where.account)}{alias}</b>, Region <b>{escape(where.region)}</b>, users below '
        f'<b>{escape(where.path_prefix)}</b> <span class="soft">· {where.at:%Y-%m-%d %H:%M} UTC, read by {escape(where.caller)}, '
        f"access-key-rotation {escape(where.version)}</span></p>"
    )


def _sums(found: Preview) -> Iterator[str]:
    yield '<ul class="sums">'
    rows = found.rows
    for action, word in COUNTED.items():
        if (number := sum(step.action is action for row in rows for step in row.steps)) or action in (
            Action.REPLACE,
            Action.SWITCH_OFF,
            Action.DELETE,
        ):
            yield f"<li><b>{number}</b>{_square(action)}{word}</li>"
    asking = sum(bool(row.asks) for row in rows) + sum(len(account.told) for account in found.accounts)
    yield f"<li><b>{asking}</b>need a person</li>"
    yield f"<li><b>{len({(row.account, row.user) for row in rows if row.exempt})}</b>exempt</li>"
    yield f"<li><b>{sum(row.group is Group.NOTHING for row in rows)}</b>nothing to do</li></ul>"


def _square(action: Action) -> str:
    return f'<svg class="mark" viewBox="0 0 10 10" aria-hidden="true"><rect width="10" height="10" rx="2" fill="{_COLOURS[action]}"/></svg>'


def _bars(found: Preview) -> Iterator[str]:
    """A bar for each day, from the first on which something would be done; the days between are drawn too."""
    days = {day: counts for day, counts, _ in found.days if any(counts.values())}
    if not days:
        yield "<p>Nothing would be done.</p>"
        return
    first = min(days)
    shown = min((max(days) - first).days + 1, _DAYS_DRAWN)
    drawn = [first + timedelta(days=ahead) for ahead in range(max(shown, 28))]
    most = max(sum(days[day].values()) for day in drawn if day in days)
    width, height, step = 1180, 150, 1180 / len(drawn)
    yield f'<svg class="days" viewBox="0 0 {width} {height + 44}" role="img" aria-label="Keys by day">'
    yield f'<line x1="0" y1="{height + 18}" x2="{width}" y2="{height + 18}" stroke="#dfe4ec"/>'
    for place, day in enumerate(drawn):
        left, top = place * step, float(height + 18)
        counts = days.get(day, {})
        told = ", ".join(f"{counts[action]} {COUNTED[action]}" for action in COUNTED if counts.get(action))
        yield f"<g><title>{day}: {told}</title>" if told else "<g>"
        for action in COUNTED:
            if number := counts.get(action, 0):
                tall = number / most * height
                top -= tall
                yield (
                    f'<rect x="{left + step * 0.12:.1f}" y="{top:.1f}" width="{min(step * 0.76, 30):.1f}" height="{tall:.1f}" '
                    f'fill="{_COLOURS[action]}"/>'
                )
        if told:
            middle = left + step * 0.12 + min(step * 0.76, 30) / 2
            yield f'<text x="{middle:.1f}" y="{top - 4:.1f}" text-anchor="middle">{sum(counts.values())}</text>'
        if place % 7 == 0 and left < width - 30:
            yield f'<text x="{left:.1f}" y="{height + 36}">{day:%m-%d}</text>'
        yield "</g>"
    yield "</svg>"
    yield '<p class="key">'
    yield from (
        f"<span>{_square(action)}{word}</span>"
        for action, word in COUNTED.items()
        if any(counts.get(action) for counts in days.values())
    )
    if (later := sum(day > drawn[-1] for day in days)) > 0:
        yield f"<span>not drawn: {counted(later, 'later day')}</span>"
    if waits := sum(waiting for _, _, waiting in found.days):
        cap = found.accounts[0].policy.max_users_per_run
        yield f"<span>at most {cap} users are changed a day: {waits} times a user waits for the next day</span>"
    yield "</p>"


_CHANGES = ("Day", "Would", "User", "Owner", "Path", "Key", "Age", "Last used", "Why")
_EXEMPT = ("User", "Owner", "Path", "Key", "Age", "Exempt")
_IDLE = ("User", "Owner", "Path", "Key", "Status", "Age", "Last used")


def _cell(row: Row, head: str) -> str:
    last = f"{row.last_used_on} {row.last_used_service}" if row.last_used_on else "never" if row.key else "-"
    age = "-" if row.age_days is None else str(row.age_days)
    classes, text = {
        "Account": ("day", row.account),
        "Day": ("day", str(row.on)),
        "Would": ("action", row.what),
        "User": ("user", row.user),
        "Owner": ("owner", row.owner or "-"),
        "Path": ("", row.path),
        "Key": ("key-id", row.key or "-"),
        "Status": ("", row.status or "-"),
        "Age": ("number", age),
        "Last used": ("day", last),
        "Why": ("", row.reason),
        "Exempt": ("", row.exempt),
    }[head]
    action = row.action
    mark = _square(action) if head == "Would" and action is not None else ""
    return f'<td class="{classes}">{mark}{escape(text)}</td>' if classes else f"<td>{escape(text)}</td>"


def _table(rows: Sequence[Row], heads: tuple[str, ...], *, several: bool) -> Iterator[str]:
    if not rows:
        yield "<p>Nothing.</p>"
        return
    heads = ("Account", *heads) if several else heads
    yield '<div class="scroll"><table><thead><tr>'
    yield "".join(f'<th scope="col"><button type="button">{head}</button></th>' for head in heads)
    yield "</tr></thead><tbody>"
    for row in rows:
        yield f"<tr>{''.join(_cell(row, head) for head in heads)}</tr>"
    yield "</tbody></table></div>"


def _notes(notes: Iterable[tuple[str, str]]) -> Iterator[str]:
    for about, text in notes:
        yield f'<p class="note"><b>{escape(about)}:</b> {escape(text)}</p>'
