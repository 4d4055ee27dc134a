"""The page for a browser: complete in itself, and nothing that a tag or a name holds is more than text in it."""

import base64
import hashlib
import io
import re
from datetime import date, timedelta
from html.parser import HTMLParser

import pytest
from keyrotation.preview.outlook import Account, Action, Preview, Step, Unread
from keyrotation.preview.page import page

from tests.unit.preview.picture import pictured
from tests.unit.preview.previews import DAY, WHERE, a_row, only

NASTY = "</script><img src=x onerror=alert(1)>\"'&"
# Without an end: a page has exactly these.
VOID = {"meta"}


class Elements(HTMLParser):
    """Which elements there are, with which attributes, and that each that begins ends in its place."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def written(found: Preview) -> str:
    out = io.StringIO()
    page(found, out)
    return out.getvalue()


def steps(*ahead: int, action: Action = Action.REPLACE) -> tuple[Step, ...]:
    return tuple(Step(on=DAY + timedelta(days=each), action=action) for each in ahead)


def test_nothing_is_loaded_and_only_its_own_script_and_style_are_allowed() -> None:
    text = written(pictured())
    elements = Elements(text).found

    assert {tag for tag, _ in elements} <= {
        "html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "b", "span", "ul", "li", "div", "footer",
        "svg", "g", "rect", "line", "text", "table", "thead", "tbody", "tr", "th", "td", "button", "script",
    }  # fmt: skip
    attributes = {name for _, given in elements for name in given}
    assert not {name for name in attributes if name.startswith("on") or name in ("src", "href", "style")}
    (policy,) = [
        given["content"] for _, given in elements if given.get("http-equiv") == "Content-Security-Policy"
    ]
    allowed = dict(each.split(" ", 1) for each in (policy or "").split("; "))
    assert allowed["default-src"] == "'none'"
    for tag in ("style", "script"):
        (inside,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert allowed[f"{tag}-src"] == f"'sha256-{digest}'"


def test_whatever_people_wrote_is_text() -> None:
    usual = Elements(
        written(only(a_row(user="carol", owner="x", steps=steps(0), asks="x", exempt="x"), told=("x",)))
    ).found
    row = a_row(
        user=NASTY, owner=NASTY, path=NASTY, key=NASTY, reason=NASTY, asks=NASTY, exempt=NASTY,
        last_used_service=NASTY, last_used_on=DAY, status=NASTY, steps=steps(0),
    )  # fmt: skip

    text = written(only(row, told=(NASTY,)))

    assert [tag for tag, _ in Elements(text).found] == [tag for tag, _ in usual]
    assert "<img" not in text
    assert "onerror=alert(1)&gt;" in text


def test_it_says_where_when_and_by_whom() -> None:
    text = written(only())

    for said in (
        "Account 123456789012 (prod)",
        "eu-central-1",
        "2026-11-22 06:00 UTC",
        WHERE.caller,
        "access-key-rotation 1.2.3",
        "Policy: MaxKeyAgeDays 90,",
    ):
        assert said in text
    assert "<p>Nothing would be done.</p>" in text


def bars(text: str) -> list[str]:
    return re.findall(r"<title>(\d{4}[^<]*)</title>", text)


def test_there_is_a_bar_for_each_day_with_what_is_done_on_it() -> None:
    rows = [a_row(key=f"AKIA{at}", steps=steps(at % 2, 14)) for at in range(3)]
    rows.append(a_row(key="AKIA9", steps=steps(14, action=Action.DELETE)))

    assert bars(written(only(*rows))) == [
        "2026-11-22: 2 replaced",
        "2026-11-23: 1 replaced",
        "2026-12-06: 3 replaced, 1 deleted",
    ]


def test_what_comes_after_the_days_that_are_drawn_is_said() -> None:
    text = written(only(a_row(steps=steps(0, 91, 92, 400))))

    assert bars(text) == ["2026-11-22: 1 replaced", "2027-02-21: 1 replaced"]
    assert "not drawn: 2 later days" in text
    assert text.count("<g>") == 92


def test_who_waits_for_a_place_is_said() -> None:
    account = Account(
        where=WHERE,
        policy=pictured().accounts[0].policy,
        rows=(a_row(steps=steps(0)),),
        told=(),
        waiting={DAY: 3},
    )

    assert "at most 4 users are changed a day: 3 times a user waits" in written(Preview(accounts=(account,)))


@pytest.mark.parametrize("accounts", [1, 2])
def test_an_account_has_a_column_where_there_are_several(accounts: int) -> None:
    (one,) = only(a_row(steps=steps(0))).accounts
    text = written(Preview(accounts=(one,) * accounts, unread=(Unread(name="<dev>", why="access denied"),)))

    assert (">Account</button>" in text) == (accounts > 1)
    assert "<b>&lt;dev&gt; could not be read:</b> access denied" in text
    assert date(2026, 11, 22).isoformat() in text
