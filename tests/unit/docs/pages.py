"""The documents, as a Markdown parser reads them: headings, links, and the code that stands in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

CHECKOUT = Path(__file__).parents[3]
PAGES = sorted([*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md")])
NAMES = [path.relative_to(CHECKOUT).as_posix() for path in PAGES]

_PARSER = MarkdownIt("commonmark").enable("table")


@dataclass(frozen=True)
class Page:
    """`code`: every block and every span of it. `links`: where they point, pictures too."""

    code: tuple[str, ...]
    links: tuple[str, ...]
    anchors: frozenset[str]


@cache
def page(name: str) -> Page:
    tokens = _PARSER.parse((CHECKOUT / name).read_text())
    return Page(
        code=tuple(
            each.content for each in _all(tokens) if each.type in {"code_block", "code_inline", "fence"}
        ),
        links=tuple(
            str(each.attrs["href" if each.type == "link_open" else "src"])
            for each in _all(tokens)
            if each.type in {"link_open", "image"}
        ),
        anchors=frozenset(_anchors(tokens)),
    )


def _all(tokens: list[Token]) -> Iterator[Token]:
    for each in tokens:
        yield each
        yield from _all(each.children or [])


def _anchors(tokens: list[Token]) -> Iterator[str]:
    """As GitHub makes them of the headings."""
    seen: dict[str, int] = {}
    for opening, inline in pairwise(tokens):
        if opening.type != "heading_open":
            continue
        text = "".join(each.content for each in _all(inline.children or []))
        slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        number = seen[slug] = seen.get(slug, -1) + 1
        yield slug if number == 0 else f"{slug}-{number}"
