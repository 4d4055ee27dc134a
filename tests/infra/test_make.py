"""What `make deploy` runs, as make itself says before it would run it."""

import shlex
import subprocess

import pytest

from tests.infra.synthesized import ROOT


def deploys(parameters: str) -> list[str]:
    """The words of the command that deploys, the last that make would run."""
    said = subprocess.run(
        ["make", "--no-print-directory", "--dry-run", "deploy", f"PARAMETERS={parameters}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    _, command, words = said.rpartition("npx --no-install cdk deploy")
    assert command
    return shlex.split(words.replace("\\\n", " "))


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
