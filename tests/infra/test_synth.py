"""`cdk synth` by the real CLI, and what cfn-lint has to say about the result."""

import json
import subprocess
import sys
from pathlib import Path

from tests.assembled import Assembly
from tests.infra.synthesized import Template

TEMPLATE = "AccessKeyRotation.template.json"
# The CDK makes a function depend on its role although it refers to it anyway.
ACCEPTED = {"W3005"}


def test_it_synthesizes_without_credentials_and_without_a_warning(assembly: Assembly) -> None:
    assert (assembly.exit_status, assembly.stdout) == (0, ""), assembly.stderr
    # An empty line is what the CLI leaves of a finding that is acknowledged.
    said = [line for line in assembly.stderr.splitlines() if line and not line.startswith("Bundling asset ")]
    assert said == []


def test_the_stack_names_no_account_and_no_region(assembly: Assembly) -> None:
    manifest = json.loads((assembly.directory / "manifest.json").read_text())
    assert manifest["artifacts"]["AccessKeyRotation"]["environment"] == "aws://unknown-account/unknown-region"


def test_the_cli_makes_the_template_that_these_tests_read(assembly: Assembly, template: Template) -> None:
    def without_asset_paths(found: Template) -> Template:
        """Where an asset lies depends on whether it was bundled; which one it is does not."""
        return {
            **found,
            "Resources": {
                name: {
                    **each,
                    "Metadata": {
                        key: value
                        for key, value in each.get("Metadata", {}).items()
                        if not key.startswith("aws:asset:")
                    },
                }
                for name, each in found["Resources"].items()
            },
        }

    by_the_cli = json.loads((assembly.directory / TEMPLATE).read_text())
    assert without_asset_paths(by_the_cli) == without_asset_paths(template)


def test_cfn_lint_finds_nothing_but_what_the_cdk_causes(assembly: Assembly) -> None:
    found = lint(assembly.directory / TEMPLATE)
    assert [finding for finding in found if finding.split()[0] not in ACCEPTED] == []


def test_cfn_lint_would_find_a_mistake(assembly: Assembly, tmp_path: Path) -> None:
    broken = json.loads((assembly.directory / TEMPLATE).read_text())
    broken["Outputs"]["TopicArn"]["Value"] = {"Ref": "Nowhere"}
    (tmp_path / TEMPLATE).write_text(json.dumps(broken))
    assert {finding.split()[0] for finding in lint(tmp_path / TEMPLATE)} - ACCEPTED


def lint(path: Path) -> list[str]:
    run = subprocess.run(
        [str(Path(sys.executable).parent / "cfn-lint"), "--format", "json", str(path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert run.stderr == ""
    return [f"{each['Rule']['Id']} {each['Message']}" for each in json.loads(run.stdout)]
