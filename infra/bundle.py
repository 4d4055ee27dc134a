"""The one Lambda asset: the functions and their pinned dependencies, put together by pip, without Docker."""

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import jsii
from aws_cdk import aws_lambda as lam
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

FUNCTIONS = Path(__file__).resolve().parents[1] / "functions"
REQUIREMENTS = "requirements.txt"

# Installed beside the packages, not needed to run them, and different from one machine to the next: scripts name
# the interpreter that installed them, and RECORD lists those scripts' hashes. The licences stay.
LITTER = ("bin", "*.dist-info/RECORD", "*.dist-info/INSTALLER", "*.dist-info/REQUESTED")

# Runs on consumers' machines and nowhere else: a change of it is no reason to deploy the functions anew.
CONSUMERS = Path("keyrotation", "follow")


def code() -> lam.Code:
    """The asset that all functions share."""
    return lam.Code.from_asset(str(FUNCTIONS), **_how())


def asset(scope: Construct, construct_id: str) -> s3_assets.Asset:
    """The same, for whoever has to know its name in the bucket."""
    return s3_assets.Asset(scope, construct_id, path=str(FUNCTIONS), **_how())


def _how() -> dict[str, Any]:
    return {
        "asset_hash_type": cdk.AssetHashType.CUSTOM,
        "asset_hash": asset_hash(FUNCTIONS),
        "bundling": cdk.BundlingOptions(image=cdk.DockerImage.from_registry("never-pulled"), local=_Local()),
    }


def bundle(functions: Path, target: Path) -> None:
    """Fill `target` with what Lambda gets; raises when pip fails, rather than fall back to Docker."""
    pip = [sys.executable, "-m", "pip", "install", "-qq", "--disable-pip-version-check", "--no-input"]
    pinned = [
        "--require-hashes",
        "--only-binary=:all:",
        "--no-deps",
        "--requirement",
        str(functions / REQUIREMENTS),
    ]
    # Messages go to stderr: stdout belongs to whoever reads the template there.
    subprocess.run([*pip, *pinned, "--no-compile", "--target", str(target)], check=True, stdout=sys.stderr)
    for path in [path for pattern in LITTER for path in target.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for source in _sources(functions):
        copy = target / source.relative_to(functions)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
    # Lambda runs as another user than the one who built this: a strict umask would make it unreadable there.
    # And the CDK makes the folder writable for everybody: on a shared machine somebody else could swap what is uploaded.
    for path in (target, *target.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)


def asset_hash(functions: Path) -> str:
    """Of what goes in and how, so that the same sources are the same asset on every machine."""
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for path in (functions / REQUIREMENTS, *_sources(functions)):
        digest.update(path.relative_to(functions).as_posix().encode() + b"\0")
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _sources(functions: Path) -> Iterator[Path]:
    elsewhere = functions / CONSUMERS
    return (
        path
        for path in sorted(functions.rglob("*.py"))
        if "__pycache__" not in path.parts and elsewhere not in path.parents
    )


@jsii.implements(cdk.ILocalBundling)
class _Local:
    def try_bundle(self, output_dir: str, *_args: Any, **_kwargs: Any) -> bool:
        bundle(FUNCTIONS, Path(output_dir))
        return True
