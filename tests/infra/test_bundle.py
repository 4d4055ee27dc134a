"""The Lambda asset: the functions and pinned pure Python, nothing else, the same wherever it is built."""

import io
import json
import subprocess
import zipfile
from pathlib import Path

import pytest

from infra.bundle import FUNCTIONS, asset_hash, bundle
from tests.assembled import kept_assembly
from tests.infra.synthesized import Template, properties, synthesize

TWO_MEGABYTES = 2_000_000


@pytest.fixture(scope="session")
def asset() -> Path:
    """The folder that the CLI would upload, as pip and we filled it."""
    assembly = kept_assembly()
    assets = json.loads((assembly / "AccessKeyRotation.assets.json").read_text())["files"]
    [folder] = [each["source"]["path"] for each in assets.values() if each["source"]["packaging"] == "zip"]
    return Path(assembly, folder)


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_every_module_of_the_functions_is_in_it(asset: Path) -> None:
    modules = {path for path in files(FUNCTIONS) if path.endswith(".py")}
    assert {"scanner.py", "rotator.py"} <= modules
    consumers = {path for path in modules if path.startswith("keyrotation/follow/")}
    assert modules - files(asset) == consumers


def test_the_consumers_command_is_in_neither_the_asset_nor_its_hash(tmp_path: Path) -> None:
    """It runs elsewhere: who mends it should not have to deploy the functions anew."""
    here, there = sources(tmp_path / "here"), sources(tmp_path / "there")
    follow = there / "keyrotation" / "follow"
    follow.mkdir(parents=True)
    (follow / "serve.py").write_text("three = 3\n")
    assert asset_hash(here) == asset_hash(there)
    bundle(there, tmp_path / "target")
    assert files(tmp_path / "target") == {"scanner.py", "package/plan.py"}


def test_its_packages_are_powertools_and_what_powertools_needs(asset: Path) -> None:
    own = {path.partition("/")[0] for path in files(FUNCTIONS)}
    packages = {path.name for path in asset.iterdir() if not path.name.endswith(".dist-info")} - own
    assert packages == {"aws_lambda_powertools", "jmespath", "typing_extensions.py"}


def test_boto3_is_left_to_the_runtime(asset: Path) -> None:
    assert [path for path in files(asset) if path.startswith(("boto3", "botocore"))] == []


def test_it_is_pure_python_so_that_it_runs_on_any_machine(asset: Path) -> None:
    assert [path for path in files(asset) if Path(path).suffix in {".so", ".pyd", ".dylib"}] == []


def test_nothing_in_it_tells_where_it_was_built(asset: Path) -> None:
    def tells(path: str) -> bool:
        return path.startswith("bin/") or "__pycache__" in path or Path(path).name in {"RECORD", "INSTALLER"}

    assert [path for path in files(asset) if tells(path)] == []


def test_licences_go_with_the_code_they_are_for(asset: Path) -> None:
    licensed = {path.partition("-")[0] for path in files(asset) if path.endswith("LICENSE")}
    assert licensed == {"aws_lambda_powertools", "jmespath", "typing_extensions"}


def test_everyone_may_read_it_as_lambda_runs_as_another_user(asset: Path) -> None:
    # The folder itself too, which the CDK makes writable for everybody.
    for path in (asset, *asset.rglob("*")):
        assert oct(path.stat().st_mode & 0o777) == ("0o755" if path.is_dir() else "0o644"), path


def packed(folder: Path) -> bytes:
    """A zip as the CLI makes one: files in the order of their names, with their modes, and no date but a fixed one."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packing:
        for path in sorted(files(folder)):
            entry = zipfile.ZipInfo(path)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (folder / path).stat().st_mode << 16
            packing.writestr(entry, (folder / path).read_bytes())
    return archive.getvalue()


def test_it_is_under_two_megabytes_zipped(asset: Path) -> None:
    assert len(packed(asset)) < TWO_MEGABYTES


def test_built_twice_it_is_the_same_to_the_byte(asset: Path, tmp_path: Path) -> None:
    """Elsewhere, at another time and with another umask than the CLI's: nothing of the builder is in it."""
    bundle(FUNCTIONS, tmp_path / "again")
    assert packed(tmp_path / "again") == packed(asset)


def test_another_hash_of_the_sources_is_another_upload(
    template: Template, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Otherwise a deployment would keep the old code and say that nothing changed."""
    monkeypatch.setattr("infra.bundle.asset_hash", lambda _functions: "another")
    other = synthesize(tmp_path)
    before, after = (
        properties(each, "AWS::Lambda::Function", "Scanner/Function") for each in (template, other)
    )
    assert before["Code"] != after["Code"]


def sources(folder: Path) -> Path:
    """A small functions folder."""
    (folder / "package").mkdir(parents=True)
    (folder / "scanner.py").write_text("one = 1\n")
    (folder / "package" / "plan.py").write_text("two = 2\n")
    (folder / "requirements.txt").write_text("")
    return folder


def test_the_same_sources_are_the_same_asset_on_another_machine(tmp_path: Path) -> None:
    here, there = sources(tmp_path / "here"), sources(tmp_path / "there")
    (there / "package" / "__pycache__").mkdir()
    (there / "package" / "__pycache__" / "plan.py").write_text("")
    assert asset_hash(here) == asset_hash(there)


@pytest.mark.parametrize("changed", ["scanner.py", "package/plan.py", "package/new.py", "requirements.txt"])
def test_a_changed_or_new_source_or_pin_is_another_asset(tmp_path: Path, changed: str) -> None:
    here, there = sources(tmp_path / "here"), sources(tmp_path / "there")
    (there / changed).write_text("other\n")
    assert asset_hash(here) != asset_hash(there)


def test_a_renamed_source_is_another_asset(tmp_path: Path) -> None:
    here, there = sources(tmp_path / "here"), sources(tmp_path / "there")
    (there / "scanner.py").rename(there / "rotator.py")
    assert asset_hash(here) != asset_hash(there)


def test_a_package_that_is_not_the_one_that_was_pinned_is_refused(tmp_path: Path) -> None:
    functions = sources(tmp_path / "functions")
    (functions / "requirements.txt").write_text(f"jmespath==1.1.0 --hash=sha256:{'0' * 64}\n")
    with pytest.raises(subprocess.CalledProcessError):
        bundle(functions, tmp_path / "target")


def test_a_package_without_a_hash_is_refused(tmp_path: Path) -> None:
    functions = sources(tmp_path / "functions")
    (functions / "requirements.txt").write_text("jmespath==1.1.0\n")
    with pytest.raises(subprocess.CalledProcessError):
        bundle(functions, tmp_path / "target")
