"""How a mail is laid out: lines of plain text that nobody's tag can forge, and commands that run as they are copied."""

import functools
import shlex
import textwrap
import unicodedata
from collections.abc import Iterator

from keyrotation.tell.commands import Command, for_shell

_WIDTH = 72
# Text that people wrote is wrapped at 4 and starts no line elsewhere: a command or a link, at 8, cannot be forged.
_TEXT_INDENT, _COMMAND_INDENT = 4, 8


def quoted(text: str) -> str:
    """What people wrote ends where its quotation mark ends."""
    return '"{}"'.format(printable(text).replace('"', "'"))


def wrapped(text: str, *, indent: int = _TEXT_INDENT, hanging: int = _TEXT_INDENT) -> list[str]:
    """What a person can set (tags, names, what AWS answers) comes through here, and cannot start a line of its own."""
    return list(_lines(text, indent, hanging))


# A mail that does not fit is laid out again with fewer entries, up to eight times.
@functools.lru_cache(maxsize=4096)
def _lines(text: str, indent: int, hanging: int) -> tuple[str, ...]:
    return tuple(
        textwrap.wrap(
            printable(text),
            width=_WIDTH,
            initial_indent=" " * indent,
            subsequent_indent=" " * hanging,
            break_on_hyphens=False,
        )
    )


def printable(text: str) -> str:
    """Letters without their accents, and ? for what has no such letter."""
    if text.isascii() and text.isprintable():
        return text
    plain = "".join(
        character for character in unicodedata.normalize("NFKD", text) if not unicodedata.combining(character)
    )
    return "".join(character if " " <= character <= "~" else "?" for character in plain)


def link(title: str, url: str) -> Iterator[str]:
    """On a line of its own, however long: a broken link is none."""
    yield from wrapped(f"{title}:")
    yield " " * _COMMAND_INDENT + url


def copyable(command: Command) -> Iterator[str]:
    """Fit to be copied as it stands: every line but the last ends with the shell's own sign that it goes on."""
    yield from wrapped(f"{command.runner}, {command.purpose}:")
    first, hanging = " " * _COMMAND_INDENT, " " * (_COMMAND_INDENT + 2)
    lines: list[str] = []
    line = ""
    for piece in _pieces(command.line):
        room = _WIDTH - len(" \\") - len(hanging if lines or line else first)
        if line and len(line) + 1 + len(piece) > room:
            lines.append(line)
            line = piece
        else:
            line = f"{line} {piece}" if line else piece
    lines.append(line)
    for number, each in enumerate(lines):
        indent = hanging if number else first
        yield f"{indent}{each}" + (" \\" if number < len(lines) - 1 else "")


# As for `_lines`.
@functools.lru_cache(maxsize=4096)
def _pieces(line: str) -> tuple[str, ...]:
    return tuple(_cut(line))


def _cut(line: str) -> Iterator[str]:
    """The words of a command, an option and its value in one piece where they fit a line.

    A word that fits no line (IAM allows 64 characters in a user name, and a secret's name is longer still) is put
    together by printf.
    """
    room = _WIDTH - _COMMAND_INDENT - len("  ") - len(" \\")
    words = [each for word in shlex.split(line) for each in _in_two(word, room)]
    piece: list[str] = []
    for word in words:
        if word.startswith("--") and piece:
            yield " ".join(piece)
            piece = []
        if len(word) > room:
            if piece:
                yield " ".join(piece)
                piece = []
            yield from _put_together(shlex.split(word)[0])
            continue
        if piece and len(" ".join([*piece, word])) > room:
            yield " ".join(piece)
            piece = []
        piece.append(word)
    if piece:
        yield " ".join(piece)


def _in_two(word: str, room: int) -> Iterator[str]:
    """An option that fits no line with its value stands before it, unless the value would be taken for an option."""
    option, equals, value = word.partition("=")
    if len(for_shell(word)) > room and option.startswith("--") and equals and not value.startswith("-"):
        yield option
        yield for_shell(value)
    else:
        yield for_shell(word)


def _put_together(word: str) -> Iterator[str]:
    step = 45
    parts = [shlex.quote(word[start : start + step]) for start in range(0, len(word), step)]
    yield f'"$(printf %s {parts[0]}'
    yield from parts[1:-1]
    yield f'{parts[-1]})"'
