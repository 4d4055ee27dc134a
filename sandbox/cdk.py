"""The stock CDK CLI, as a person would run it, against the emulated account."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from sandbox.clients import ADMIN, require_loopback
from sandbox.launch import CHECKOUT
from sandbox.processes import CommandFailed, run

# Where pip looks below HOME, which is another one here: packages may come from the person's own index.
_PIP_FILES = ("Library/Application Support/pip/pip.conf", ".config/pip/pip.conf", ".pip/pip.conf")
_NO_QUESTIONS = ("--no-notices", "--no-version-reporting", "--no-color", "--ci")
_WITHIN_SECONDS = 300


class CDK:
    def __init__(self, *, directory: Path, endpoint: str, account_id: str, region: str, ca: Path) -> None:
        require_loopback(endpoint)
        self._directory = directory
        self._environment = f"aws://{account_id}/{region}"
        node = _node()
        self._command = (node, CHECKOUT / "node_modules" / ".bin" / "cdk")
        self._env = {
            **_environment(directory=directory, node=node),
            "AWS_ACCESS_KEY_ID": ADMIN.key_id,
            "AWS_SECRET_ACCESS_KEY": ADMIN.secret,
            "AWS_REGION": region,
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_CA_BUNDLE": str(ca),
            "NODE_EXTRA_CA_CERTS": str(ca),
        }
        self._bootstrapped = False
        self._deployed = False

    @property
    def _assembly(self) -> Path:
        return self._directory / "cdk.out"

    def deploy(self, *, project: Path, parameters: Mapping[str, str]) -> dict[str, str]:
        """Bootstrap the account when it is new, synthesize `project/app.py`, deploy; the stack's outputs."""
        self._bootstrap()
        app = f"{shlex.quote(sys.executable)} app.py"
        self._run("synth", "--quiet", "--app", app, "--output", self._assembly, cwd=project)
        return self.update(parameters)

    def install(self, assembly: Path, parameters: Mapping[str, str]) -> dict[str, str]:
        """Bootstrap the account when it is new, and deploy what was synthesized before; the stack's outputs."""
        self._bootstrap()
        # The CLI writes into an assembly.
        shutil.rmtree(self._assembly, ignore_errors=True)
        shutil.copytree(assembly, self._assembly)
        return self.update(parameters)

    def _bootstrap(self) -> None:
        if not self._bootstrapped:
            self._run("bootstrap", self._environment, cwd=self._directory)
            self._bootstrapped = True

    def update(self, parameters: Mapping[str, str]) -> dict[str, str]:
        """Deploy what was synthesized with these parameters; one not named keeps its value."""
        outputs = self._directory / "outputs.json"
        self._run(
            "deploy",
            "--all",
            "--app",
            self._assembly,
            # As `make deploy`: a table that a deleted stack has left is taken over. Only a change set can, and a change set
            # of the emulator overlooks an update that only a condition sees.
            "--method=direct" if self._deployed else "--import-existing-resources",
            "--require-approval=never",
            "--outputs-file",
            outputs,
            *(f"--parameters={name}={value}" for name, value in parameters.items()),
            cwd=self._directory,
        )
        self._deployed = True
        stacks: dict[str, dict[str, str]] = json.loads(outputs.read_text())
        return {name: value for stack in stacks.values() for name, value in stack.items()}

    def synthesize(self, module: str, *, project: Path) -> Path:
        """The assembly of `python -m module`, as `make organization` has it made."""
        app = f"{shlex.quote(sys.executable)} -m {module}"
        self._run("synth", "--quiet", "--app", app, "--output", self._assembly, cwd=project)
        return self._assembly

    def deploy_one(self, stack: str, parameters: Mapping[str, str]) -> None:
        """One stack of what was synthesized, without a bootstrap, as `make organization` deploys each."""
        self._run(
            "deploy",
            stack,
            "--exclusively",
            "--app",
            self._assembly,
            "--previous-parameters",
            "--require-approval=never",
            *(f"--parameters={name}={value}" for name, value in parameters.items()),
            cwd=self._directory,
        )

    def destroy(self) -> None:
        self._run("destroy", "--all", "--force", "--app", self._assembly, cwd=self._directory)
        self._deployed = False

    def _run(self, *arguments: str | Path, cwd: Path) -> None:
        log = self._directory / f"cdk-{arguments[0]}.log"
        log.unlink(missing_ok=True)
        run(
            (*self._command, *arguments, *_NO_QUESTIONS),
            env=self._env,
            cwd=cwd,
            log=log,
            within_seconds=_WITHIN_SECONDS,
        )


def _node() -> Path:
    """Node itself: a version manager's stand-in on the PATH would look for its settings in HOME."""
    asked = None
    if shutil.which("node"):
        asked = subprocess.run(
            ["node", "--print", "process.execPath"], capture_output=True, text=True, check=False
        )
    if asked is None or asked.returncode != 0:
        raise CommandFailed("Node 20 or newer is needed: `node` does not run")
    return Path(asked.stdout.strip())


def _environment(*, directory: Path, node: Path) -> dict[str, str]:
    """The person's own environment, for pip and its proxies, without what could lead to AWS or to their files."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "CDK_", "JSII_", "XDG_"))
    }
    loopback = ["localhost", "127.0.0.1", "::1"]
    no_proxy = ",".join(filter(None, [kept.get("NO_PROXY") or kept.get("no_proxy"), *loopback]))
    pip_files = [Path.home() / name for name in _PIP_FILES]
    if "XDG_CONFIG_HOME" in os.environ:
        pip_files.insert(0, Path(os.environ["XDG_CONFIG_HOME"], "pip", "pip.conf"))
    pip_file = os.environ.get("PIP_CONFIG_FILE") or next((str(f) for f in pip_files if f.exists()), None)
    return {
        **kept,
        **({"PIP_CONFIG_FILE": pip_file} if pip_file else {}),
        "PATH": f"{node.parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
        "HOME": str(directory / "home"),
        # The CLI asks the password file, not HOME, where its cache of accounts is.
        "CDK_HOME": str(directory / "home"),
        # 200 MB that the CDK unpacks: once per checkout, not once per run.
        "JSII_RUNTIME_PACKAGE_CACHE_ROOT": str(CHECKOUT / "build" / "jsii"),
        "TMPDIR": str(directory / "tmp"),
        "NO_PROXY": no_proxy,
        "no_proxy": no_proxy,
        "PYTHONDONTWRITEBYTECODE": "1",
        "CDK_DISABLE_CLI_TELEMETRY": "true",
        "CDK_DISABLE_VERSION_CHECK": "true",
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
        "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
    }
