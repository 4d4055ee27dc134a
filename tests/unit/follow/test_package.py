"""What the package may import, and that a program which asks between two looks waits for Python and for nothing else."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import keyrotation.follow
import pytest
from keyrotation.follow.__main__ import program
from keyrotation.follow.store import Store

from tests.unit.follow.world import OLD, state

PACKAGE = Path(keyrotation.follow.__file__).parent
MODULES = sorted(PACKAGE.glob("*.py"))


def imported(module: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(module.read_text(), feature_version=(3, 9))):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


@pytest.mark.skipif(sys.version_info < (3, 10), reason="the list of Python's own modules is newer")
def test_it_imports_python_botocore_filelock_and_itself() -> None:
    for module in MODULES:
        strange = {
            name
            for name in imported(module)
            if name.partition(".")[0] not in {*sys.stdlib_module_names, "botocore", "filelock"}
            and not name.startswith("keyrotation.follow")
        }
        assert strange == set(), module


def test_a_serve_between_two_looks_imports_neither_botocore_nor_filelock(tmp_path: Path) -> None:
    store = Store(tmp_path / "follow.json")
    answers = {}
    for due in (False, True):
        store.write(state(OLD, next_look=0 if due else 1e12, every=1e12))
        served = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "keyrotation.follow", "serve", str(store.path)],
            env={"PYTHONPATH": os.pathsep.join(sys.path), "AWS_ENDPOINT_URL": "https://127.0.0.1:9"},
            capture_output=True,
            text=True,
            check=True,
        )
        answers[due] = {line.rpartition("|")[2].strip() for line in served.stderr.splitlines()}
    assert {"botocore.session", "filelock"} <= answers[True]
    assert not {
        name for name in answers[False] if name.partition(".")[0] in {"botocore", "filelock", "urllib3"}
    }


def test_it_is_started_by_its_script_where_there_is_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script, link = tmp_path / "venv" / "access-key-follow", tmp_path / "bin" / "access-key-follow"
    for path in (script, link):
        path.parent.mkdir()
    script.touch()
    link.symlink_to(script)
    assert program(str(link)) == [str(link)]
    monkeypatch.chdir(link.parent)
    assert program("access-key-follow") == [str(link)]
    assert program(str(PACKAGE / "__main__.py")) == [sys.executable, "-m", "keyrotation.follow"]
