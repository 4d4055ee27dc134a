"""What `make wheel` packs and `pipx install` puts on a consumer's machine."""

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

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


def test_it_holds_the_consumers_command_and_nothing_of_the_rotation(wheel: Path) -> None:
    modules = {
        f"keyrotation/follow/{path.name}" for path in (FUNCTIONS / "keyrotation" / "follow").glob("*.py")
    }
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert "keyrotation/follow/__main__.py" in modules
    assert names == {"keyrotation/__init__.py", *modules}


def test_it_asks_for_botocore_and_filelock_and_an_old_python_will_do(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    [metadata] = [archive.read(name).decode() for name in archive.namelist() if name.endswith("/METADATA")]
    asked = [line.partition(": ")[2] for line in metadata.splitlines() if line.startswith("Requires-")]
    assert sorted(asked) == [">=3.9", "botocore>=1.31", "filelock>=3.12"]
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] in wheel.name


def test_its_script_runs_with_nothing_of_this_checkout_around_it(wheel: Path, tmp_path: Path) -> None:
    installed = tmp_path / "installed"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-index"]
    subprocess.run([*pip, "--no-deps", "--target", str(installed), str(wheel)], check=True)
    helped = subprocess.run(
        [str(installed / "bin" / "access-key-follow"), "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=True,
    )
    for command in ("adopt", "serve", "refresh", "status", "smtp"):
        assert f"\n    {command} " in helped.stdout
