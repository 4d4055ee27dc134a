"""`make wings`: the tree of the functions and a table of its wings, between two marks of docs/design.md."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

# Without what synthesizes: this needs no CDK.
ROOT = Path(__file__).resolve().parents[2]
DESIGN = ROOT / "docs" / "design.md"
BEGIN, END = "<!-- make wings writes from here -->", "<!-- to here -->"
FUNCTIONS = ROOT / "functions"
PACKAGE = FUNCTIONS / "keyrotation"
_WIDTH = 110


def wings() -> list[str]:
    """From the top, as import-linter has them: each may import those after it. Folders only."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (each["layers"] for each in contracts if each["type"] == "layers")
    names = [name.strip(" ()") for layer in layers for name in layer.replace(":", "|").split("|")]
    return [name for name in names if (PACKAGE / name).is_dir()]


def written() -> str:
    """Markdown. Lines to the hundred: not every change of a module changes this."""
    rows = [
        f"| `{name}` | {_lines(PACKAGE / name)} | {_first_sentence(PACKAGE / name / '__init__.py')} |"
        for name in wings()
    ]
    return "\n".join([*_tree(), "", "| wing | lines, about | |", "|---|---|---|", *rows])


def _tree() -> Iterator[str]:
    yield "    functions/"
    yield f"      {_modules(FUNCTIONS)}"
    yield "      keyrotation/"
    yield f"        {_modules(PACKAGE)}"
    for name in wings():
        line = f"        {name + '/':<10}"
        for module in _modules(PACKAGE / name).split("  "):
            if len(line) + len(module) + 2 > _WIDTH:
                yield line.rstrip()
                line = " " * 18
            line += f"{module}  "
        yield line.rstrip()


def _modules(folder: Path) -> str:
    return "  ".join(path.name for path in sorted(folder.glob("*.py")) if path.name != "__init__.py")


def _lines(folder: Path) -> int:
    return round(sum(len(path.read_text().splitlines()) for path in folder.rglob("*.py")), -2)


def _first_sentence(module: Path) -> str:
    """What stands after the wing's name in the first paragraph of its docstring."""
    said = ast.get_docstring(ast.parse(module.read_text())) or ""
    return " ".join(said.partition("\n\n")[0].partition(":")[2].split())


def into(design: str) -> str:
    before, begin, rest = design.partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin
    assert end
    return f"{before}{BEGIN}\n\n{written()}\n\n{END}{after}"


if __name__ == "__main__":
    DESIGN.write_text(into(DESIGN.read_text()))
