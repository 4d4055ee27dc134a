"""What `make wheel` packs and `pipx install` puts on a person's machine: two commands that need no package of the product."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from keyrotation.preview.command import run

from infra.bundle import FUNCTIONS
from tests.infra.synthesized import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "--no-deps", "--no-index", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)],
        check=True,
    )
    [packed] = folder.iterdir()
    return packed


# Beside the consumer's command, what the preview decides by.
_WINGS = ("follow", "preview", "run", "act", "look", "remember", "decide")
_PIECES = ("__init__", "causes", "memory", "model", "policy", "straight", "tell/__init__", "tell/account")


def test_it_holds_the_two_commands_and_nothing_of_the_stack(wheel: Path) -> None:
    of_wings = {
        f"keyrotation/{wing}/{path.name}"
        for wing in _WINGS
        for path in (FUNCTIONS / "keyrotation" / wing).glob("*.py")
    }
    archive = zipfile.ZipFile(wheel)
    names = {name for name in archive.namelist() if ".dist-info/" not in name}
    assert {"keyrotation/follow/__main__.py", "keyrotation/preview/command.py"} < of_wings
    assert names == {*of_wings, *(f"keyrotation/{piece}.py" for piece in _PIECES)}
    # A consumer downloads it: the whole stays smaller than a picture.
    assert wheel.stat().st_size < 200_000


def test_it_asks_for_botocore_and_filelock_and_an_old_python_will_do(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    [metadata] = [archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA")]
    asked = [line.partition(": ")[2] for line in metadata.splitlines() if line.startswith("Requires-")]
    assert sorted(asked) == [">=3.9", "botocore>=1.31", "filelock>=3.12"]
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] in wheel.name


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel alone, without what it asks for."""
    target = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    subprocess.run([*pip, "--no-deps", "--target", str(target), str(wheel)], check=True)
    return target


def helped(installed: Path, script: str, folder: Path) -> str:
    """With nothing of this checkout around it."""
    return subprocess.run(
        [str(installed / "bin" / script), "--help"],
        cwd=folder,
        env={"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout


def test_the_consumers_script_runs(installed: Path, tmp_path: Path) -> None:
    said = helped(installed, "access-key-follow", tmp_path)
    for command in ("adopt", "serve", "refresh", "status", "smtp"):
        assert f"\n    {command} " in said


def test_the_previews_script_runs(installed: Path, tmp_path: Path) -> None:
    assert "--user-path-prefix PATH" in helped(installed, "access-key-preview", tmp_path)


def test_the_preview_imports_botocore_and_no_other_package(installed: Path, tmp_path: Path) -> None:
    """Without boto3, powertools and whatever else the Lambda functions have."""
    program = "import sys, keyrotation.preview.__main__; print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    packages = {name.partition(".")[0] for name in said} - sys.stdlib_module_names - {"__main__"}
    # The last five: of botocore itself.
    of_botocore = {"botocore", "dateutil", "jmespath", "six", "urllib3", "certifi"}
    assert "keyrotation" in packages
    assert {name for name in packages if not name.startswith("_")} - of_botocore == {"keyrotation"}


def test_an_older_python_is_told_to_be_too_old_for_the_preview(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "version_info", (3, 9, 18))
    assert run() == 1
    assert capsys.readouterr().err == (
        "access-key-preview needs Python 3.11 or newer (pipx: --python python3.11)\n"
    )
