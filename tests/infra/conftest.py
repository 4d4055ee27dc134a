"""The template and the cloud assembly, each made once a session."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.infra.synthesized import ROOT, Template, synthesize


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """What the real CLI said and made."""

    directory: Path
    exit_status: int
    stdout: str
    stderr: str


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    return synthesize(tmp_path_factory.mktemp("synthesized"))


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Assembly:
    """`cdk synth` as a newcomer runs it, bundling included, without anything of AWS or of HOME to lean on."""
    directory = tmp_path_factory.mktemp("assembly")
    # Deleted at once: the CDK unpacks 200 MB below its HOME, and pytest keeps its own folders for three sessions.
    with TemporaryDirectory() as home:
        run = subprocess.run(
            [str(ROOT / "node_modules/.bin/cdk"), "synth", "--quiet", "--output", str(directory)],
            cwd=ROOT,
            env=_environment(home=home),
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
            # The strictest that someone may have: what is bundled must be readable on Lambda all the same.
            umask=0o077,
        )
    return Assembly(directory=directory, exit_status=run.returncode, stdout=run.stdout, stderr=run.stderr)


def _environment(*, home: str) -> dict[str, str]:
    # CI makes the CLI say less, and on stdout.
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_") and name != "CI"}
    # cdk.json says `python`: the one that runs the tests.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # The CLI asks the password file, not HOME, where its cache of accounts is: CDK_HOME says it outright.
    return {**kept, **_quiet_node(), "HOME": home, "CDK_HOME": home, "PATH": path}


def _quiet_node() -> dict[str, str]:
    """Node's age is not about the app."""
    node = shutil.which("node")
    if node is None:
        raise AssertionError("the CDK needs node")
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    major = version.removeprefix("v").partition(".")[0]
    kinds = ("END_OF_LIFE", "DEPRECATED", "UNTESTED", "KNOWN_BROKEN")
    return {f"JSII_SILENCE_WARNING_{kind}_NODE_VERSION": major for kind in kinds}
