"""Commands in the code of the documents, as bash would take them apart."""

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """Its words, without quotes; what the shell computes inside of a word stays in it as it is written."""

    words: tuple[str, ...]

    @property
    def options(self) -> tuple[str, ...]:
        return tuple(
            word.removeprefix("--").partition("=")[0] for word in self.words if word.startswith("--")
        )

    @property
    def is_whole(self) -> bool:
        """A document may leave some of it out."""
        return "..." not in self.words


def commands(code: str, *, named: str) -> Iterator[Command]:
    """Every command of that name, where a command may begin: also one inside of `$(...)`."""
    code = code.replace("\\\n", " ")
    for found in re.finditer(rf"(?:^|\n|\$\(|[;|&{{] ?|\bdo |['=] ?)\s*(?={named}[ \n]|{named}$)", code):
        yield Command(tuple(_words(code[found.end() :])))


def _words(text: str) -> Iterator[str]:
    """Up to the end of the command, which is not within quotes or parentheses of its own."""
    word, quote, depth = "", "", 0
    for at, character in enumerate(text):
        within = quote or depth
        if not within and (character in ";|>\n#" or character == ")"):
            break
        if not within and character == " ":
            if word:
                yield word
            word = ""
            continue
        if character == quote and text[at - 1] != "\\":
            quote = ""
        elif character in "\"'" and not within:
            quote = character
        elif character == "(":
            depth += 1
            word += character
        elif character == ")":
            depth -= 1
            word += character
        else:
            word += character
    if word:
        yield word
