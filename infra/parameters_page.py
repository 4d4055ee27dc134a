"""`make parameters`: docs/parameters.md, the console's form as the template has it, and what must hold between its numbers."""

import sys
from typing import Any

from keyrotation.policy import Policy

from infra.pages import code, row, synthesized

_HEAD = """# Parameters

Made by `make parameters` from the template; a test compares them. In this order, with these labels, the CloudFormation
console asks for them. The last column is what it answers to a value that it does not take; a pattern must match the
whole value, in a list that of each member.
"""
_COLUMNS = """
| label | parameter | default | takes | meaning | what a refusal says |
|---|---|---|---|---|---|
"""
_RULES = """
## What must fit together

CloudFormation cannot compare two parameters, so the functions judge for themselves when they start, and `make deploy`
in the same words before it deploys, with the values behind each:

"""


def page() -> str:
    """The whole document."""
    _, template = synthesized()
    form = template["Metadata"]["AWS::CloudFormation::Interface"]
    groups = [
        f"\n## {group['Label']['default']}\n{_COLUMNS}"
        + "".join(
            _of(name, form["ParameterLabels"][name]["default"], template["Parameters"][name])
            for name in group["Parameters"]
        )
        for group in form["ParameterGroups"]
    ]
    return "".join([_HEAD, *groups, _RULES, *(f"- {rule}\n" for rule in Policy().rules())])


def _of(name: str, label: str, parameter: dict[str, Any]) -> str:
    default = str(parameter["Default"])
    return row(
        label,
        code(name),
        code(default) if default else "(empty)",
        _taken(parameter),
        parameter["Description"],
        parameter["ConstraintDescription"],
    )


def _taken(parameter: dict[str, Any]) -> str:
    match parameter:
        case {"AllowedValues": values}:
            return ", ".join(code(str(value)) for value in values)
        case {"MinValue": least, "MaxValue": most}:
            return f"{least} to {most}"
        case {"AllowedPattern": pattern}:
            return code(pattern)
    raise ValueError(f"a parameter that takes anything: {parameter}")


if __name__ == "__main__":
    sys.stdout.write(page())
