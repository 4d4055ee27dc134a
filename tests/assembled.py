"""The stack as `cdk synth` assembles it, its functions bundled by pip: anew, or once for a checkout as it is now."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[1]
_KEPT = ROOT / "build" / "assemblies"
_MADE_OF = (
    "app.py",
    "cdk.json",
    "pyproject.toml",
    "package-lock.json",
    "requirements.txt",
    "infra",
    "functions",
)


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """What the real CLI said and made."""

    directory: Path
    exit_status: int
    stdout: str
    stderr: str


def assemble(directory: Path) -> Assembly:
    """`cdk synth` as a newcomer runs it, bundling included, without anything of AWS or of HOME to lean on."""
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


def kept_assembly() -> Path:
    """The folder of an assembly of exactly what this checkout holds: the first worker that asks makes it."""
    _KEPT.mkdir(parents=True, exist_ok=True)
    with (_KEPT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        place = _KEPT / _digest()
        if not place.exists():
            for old in (each for each in _KEPT.iterdir() if each.is_dir()):
                shutil.rmtree(old)
            # Renamed when it is whole: a run that is stopped leaves none that looks like one.
            unfinished = _KEPT / "unfinished"
            made = assemble(unfinished)
            assert made.exit_status == 0, made.stderr
            unfinished.rename(place)
    return place


def _digest() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for name in _MADE_OF:
        within = ROOT / name
        for path in sorted(within.rglob("*")) if within.is_dir() else [within]:
            if path.is_file() and "__pycache__" not in path.parts:
                digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


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
