"""What `make` runs, as make itself says before it would run it; and that the layers which it checks hold."""

import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.synthesized import ROOT


def would_run(*arguments: str) -> str:
    dry = ["make", "--no-print-directory", "--dry-run", *arguments]
    return subprocess.run(dry, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def deploys(parameters: str) -> list[str]:
    """The words of the command that deploys, the last that make would run."""
    said = would_run("deploy", f"PARAMETERS={parameters}")
    _, command, words = said.rpartition("npx --no-install cdk deploy")
    assert command
    # The line after it compares what was deployed.
    return shlex.split(words.replace("\\\n", " ").splitlines()[0])


@pytest.mark.parametrize(
    "parameters",
    ["", "Mode=Enforce", "Mode=Audit AlertEmail=on-call@example.com RunAt=05:30 MaxUsersPerRun=50"],
)
def test_deploy_passes_on_the_parameters_that_are_named_and_leaves_the_others_as_they_are(
    parameters: str,
) -> None:
    named = [word for each in parameters.split() for word in ("--parameters", each)]
    assert deploys(parameters) == [
        "AccessKeyRotation",
        "--previous-parameters",
        # Without it, a stack that is deployed again fails on the table that the one before it left.
        "--import-existing-resources",
        *named,
    ]


def test_a_pipeline_deploys_without_a_question() -> None:
    assert "--require-approval" not in deploys("")
    said = would_run("deploy", "APPROVAL=never")
    assert "--require-approval never" in said.rpartition("npx --no-install cdk deploy")[2]


def test_an_organization_is_judged_first_and_then_its_bucket_is_there_before_what_is_put_into_it() -> None:
    said = would_run(
        "organization", "PARAMETERS=OrganizationId=o-abcdefghij OrganizationalUnitIds=ou-ab12-cdefgh34"
    )
    refusals, release, centre = (
        said.index(each)
        for each in (
            "-m infra.before_organization 'OrganizationId=o-abcdefghij' 'OrganizationalUnitIds=ou-ab12-cdefgh34'",
            "cdk deploy AccessKeyRotationRelease --exclusively",
            "cdk deploy AccessKeyRotationOrganization --exclusively",
        )
    )
    assert refusals < release < centre
    of_release = said[release:centre].replace("\\\n", " ")
    assert "--parameters 'OrganizationId=o-abcdefghij'" in of_release
    # The bucket's stack has no other parameter.
    assert "OrganizationalUnitIds" not in of_release
    assert "--parameters 'OrganizationalUnitIds=ou-ab12-cdefgh34'" in said[centre:]


def test_a_template_is_made_for_the_bucket_that_is_named() -> None:
    assert "-m infra.template 'my-code'" in would_run("template", "BUCKET=my-code")


@pytest.mark.parametrize("target", ["check", "test"])
def test_lint_types_and_layers_are_part_of_both_checks(target: str) -> None:
    said = would_run(target)
    for part in ("ruff check .", "ruff format --check .", "bin/mypy\n", "lint-imports", "-m pytest"):
        assert part in said, part


def test_the_long_checks_are_one_list() -> None:
    said = would_run("test-long")
    programs = (
        "component.faults --every",
        "tests.mutants",
        "tests.safeguards",
        "tests.simulation",
        "tests.benchmark",
    )
    assert [program for program in programs if program not in said] == []


def test_a_simulation_gets_what_is_said_of_it() -> None:
    said = would_run("simulate", "USERS=7", "YEARS=2", "SEED=5", "FAULTS=0.1").replace("\\\n", " ").split()
    assert said[-8:] == ["--users", "7", "--years", "2", "--seed", "5", "--faults", "0.1"]


def test_the_doctor_compares_with_what_this_checkout_would_deploy_now() -> None:
    """Nothing but its answer goes to stdout."""
    synthesizes, looks = would_run("doctor", "ARGS=--format json").splitlines()[-2:]
    assert synthesizes == "npx --no-install cdk synth --quiet >&2"
    assert looks == "PYTHONPATH=functions .deploy/bin/python -m infra.doctor --format json"


def layers_of(checkout: Path) -> subprocess.CompletedProcess[str]:
    """What lint-imports says of a copy, as `make layers` asks it."""
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": "functions"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("module", "upwards"),
    [
        ("decide/plan.py", "from keyrotation.tell import mail"),
        ("policy.py", "from keyrotation.decide import plan"),
        ("run/rotation.py", "import scanner"),
    ],
)
def test_an_import_upwards_breaks_the_layers(tmp_path: Path, module: str, upwards: str) -> None:
    shutil.copytree(ROOT / "functions", tmp_path / "functions", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    assert layers_of(tmp_path).returncode == 0

    with (tmp_path / "functions" / "keyrotation" / module).open("a") as source:
        source.write(f"\n{upwards}\n")
    broken = layers_of(tmp_path)
    assert broken.returncode == 1, broken.stdout
    assert "BROKEN" in broken.stdout


WITH_CREDENTIALS = ["preview", "bootstrap", "deploy"]


@pytest.mark.parametrize("target", WITH_CREDENTIALS)
def test_what_has_somebodys_credentials_runs_in_an_environment_without_the_tests_packages(
    target: str,
) -> None:
    said = would_run(target)
    assert ".venv/bin/python" not in said.replace("rm -rf .venv", "")
    if ".deploy/bin/python -m pip" in said:
        assert "--require-hashes --only-binary=:all: --no-deps" in said


def requirements(name: str) -> dict[str, str]:
    """The version, with its hash if there is one, by the package's name."""
    joined = (ROOT / name).read_text().replace("\\\n", " ")
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    return dict(line.replace("_", "-").lower().split("==", 1) for line in lines)


def test_what_deploys_is_pinned_by_hash_at_the_versions_that_are_tested() -> None:
    tested = requirements("requirements.txt")
    for name, pinned in requirements("requirements-deploy.txt").items():
        version, _, digest = pinned.partition(" --hash=sha256:")
        assert version.strip() == tested[name], name
        assert len(digest.strip()) == 64, name
