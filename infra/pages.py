"""What the generated pages of docs/ are made with: the stack, synthesized without the CLI, and rows of Markdown."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aws_cdk as cdk

from infra.stack import AccessKeyRotation


def synthesized() -> tuple[AccessKeyRotation, dict[str, Any]]:
    """The stack and its template."""
    # The feature flags change policies; bundling would need pip.
    context = json.loads(Path(__file__).resolve().parents[1].joinpath("cdk.json").read_text())["context"]
    with TemporaryDirectory() as directory:
        app = cdk.App(outdir=directory, context={**context, "aws:cdk:bundling-stacks": []})
        stack = AccessKeyRotation(app, "AccessKeyRotation")
        return stack, app.synth().get_stack_by_name(stack.stack_name).template


def code(text: str) -> str:
    return f"`{text}`"


def row(*cells: str) -> str:
    """One row of a table, in which a bar of a cell's own text is no border."""
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |\n"
