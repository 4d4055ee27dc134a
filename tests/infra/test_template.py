"""`make template`: one plain template and its zip, of which CloudFormation alone makes the stack."""

import json
import zipfile
from pathlib import Path

import pytest

from infra.template import main, pack, write
from tests.infra.synthesized import Template, app_in

BUCKET = "my-code"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """With the functions as they lie here: what pip adds is the business of tests/infra/test_bundle.py."""
    context = {
        "aws:cdk:bundling-stacks": [],
        **app_in(tmp_path_factory.mktemp("app")).node.get_all_context(None),
    }
    target = tmp_path_factory.mktemp("template")
    return write(BUCKET, target, outdir=tmp_path_factory.mktemp("out"), context=context)


def test_it_asks_for_no_bootstrap_and_its_code_is_the_zip_in_the_bucket(
    written: tuple[Path, Path], template: Template
) -> None:
    path, archive = written
    plain = json.loads(path.read_text())
    assert "Rules" not in plain
    assert "BootstrapVersion" not in plain["Parameters"]
    codes = [
        each["Properties"]["Code"]
        for each in plain["Resources"].values()
        if each["Type"] == "AWS::Lambda::Function"
    ]
    assert codes == [{"S3Bucket": BUCKET, "S3Key": archive.name}] * 2
    assert plain["Resources"].keys() == template["Resources"].keys()
    assert plain["Outputs"] == template["Outputs"]


def test_it_is_dense_and_names_nothing_of_this_machine(written: tuple[Path, Path]) -> None:
    text = written[0].read_text()
    assert "\n" not in text
    assert "aws:cdk:path" not in text
    assert str(Path.cwd()) not in text


def test_the_zip_has_the_handlers_at_its_top_and_is_the_same_whenever_it_is_made(
    written: tuple[Path, Path], tmp_path: Path
) -> None:
    with zipfile.ZipFile(written[1]) as packed:
        names = packed.namelist()
        packed.extractall(tmp_path / "again")
    assert {"scanner.py", "rotator.py", "digest.py"} <= set(names)
    pack(tmp_path / "again", tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == written[1].read_bytes()


@pytest.mark.parametrize("arguments", [[], [""], ["My_Bucket"], ["a", "b"]])
def test_without_a_bucket_it_says_what_it_wants(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err.startswith("BUCKET is to be the name of the bucket")
