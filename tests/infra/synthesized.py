"""The template as the CDK makes it, and how to find things in it by what they are rather than by logical id."""

import json
from pathlib import Path
from typing import Any

import aws_cdk as cdk

from infra.stack import AccessKeyRotation

ROOT = Path(__file__).resolve().parents[2]

Template = dict[str, Any]


def app_in(outdir: Path) -> cdk.App:
    """An app with cdk.json's feature flags, whose assets are left unbundled: no pip, no CLI."""
    context = json.loads((ROOT / "cdk.json").read_text())["context"]
    # What the CLI would set, bundling aside.
    context |= {"aws:cdk:enable-path-metadata": True, "aws:cdk:bundling-stacks": []}
    return cdk.App(outdir=str(outdir), context=context)


def synthesize(outdir: Path) -> Template:
    app = app_in(outdir)
    stack = AccessKeyRotation(app, "AccessKeyRotation")
    template: Template = app.synth().get_stack_by_name(stack.stack_name).template
    return template


def parameters_of(template: Template) -> dict[str, Any]:
    """The stack's own parameters, by name: the CDK has one of its own, which the template's Rules read."""
    return {name: each for name, each in template["Parameters"].items() if name != "BootstrapVersion"}


def with_parameters(template: Template, **parameters: str) -> Template:
    """The template once CloudFormation has put these values in, the others being at their defaults.

    A resource whose condition does not hold is not there.
    """
    defaults = {
        name: str(each["Default"]) for name, each in template["Parameters"].items() if "Default" in each
    }
    values = defaults | parameters
    present = {
        logical_id: resource
        for logical_id, resource in template["Resources"].items()
        if holds(template, resource.get("Condition"), **parameters)
    }
    conditions = {name: holds(template, name, **parameters) for name in template["Conditions"]}
    deployed: Template = _put_in({**template, "Resources": present}, values, conditions)
    return deployed


NOTHING = {"Ref": "AWS::NoValue"}


def _put_in(value: Any, values: dict[str, str], conditions: dict[str, bool]) -> Any:
    match value:
        case {"Fn::If": [condition, then, otherwise]}:
            return _put_in(then if conditions[condition] else otherwise, values, conditions)
        case {"Ref": str(name)} if name in values:
            return values[name]
        case dict():
            return {key: _put_in(each, values, conditions) for key, each in value.items()}
        case list():
            put_in = [_put_in(each, values, conditions) for each in value]
            return [each for each in put_in if each != NOTHING]
    return value


def of_type(template: Template, resource_type: str) -> dict[str, dict[str, Any]]:
    """The resources of a type by their construct path within the stack: `Scanner/Role`."""
    return {
        path_of(template, logical_id): resource
        for logical_id, resource in template["Resources"].items()
        if resource["Type"] == resource_type
    }


def properties(template: Template, resource_type: str, path: str) -> dict[str, Any]:
    """The properties of one resource."""
    found: dict[str, Any] = of_type(template, resource_type)[path]["Properties"]
    return found


def path_of(template: Template, logical_id: str) -> str:
    """The construct path of a resource within the stack, which does not change with the CDK's hashes."""
    path: str = template["Resources"][logical_id]["Metadata"]["aws:cdk:path"]
    return path.partition("/")[2].removesuffix("/Resource")


def text(template: Template, value: Any) -> str:
    """A value with its intrinsic functions written as in Fn::Sub: `arn:${AWS::Partition}:iam::...:user/*`."""
    match value:
        case str():
            return value
        case {"Ref": name}:
            return "${" + (path_of(template, name) if name in template["Resources"] else name) + "}"
        case {"Fn::GetAtt": [logical_id, attribute]}:
            return f"${{{path_of(template, logical_id)}.{attribute}}}"
        case {"Fn::If": [condition, {"Ref": str(name)}, [str(otherwise)]]}:
            return f"${{If {condition} then {name} else {otherwise}}}"
        case {"Fn::Join": [",", {"Ref": str(name)}]}:
            # A list that is a parameter.
            return "${" + name + "}"
        case {"Fn::Join": [",", str(members)]}:
            return members
        case {"Fn::Join": [separator, parts]}:
            joined: str = separator.join(text(template, part) for part in parts)
            return joined
        case {"Fn::Select": [index, {"Fn::Split": [separator, str(whole)]}]}:
            return whole.split(separator)[int(index)]
        case {"Fn::Select": [index, {"Fn::Split": [separator, whole]}]}:
            return f"{text(template, whole)}.split({separator!r})[{index}]"
    raise AssertionError(f"an intrinsic function that no test expects: {value}")


def holds(template: Template, condition: str | None, **parameters: str) -> bool:
    """Whether a template condition is true with these parameter values, the others at their defaults."""
    return condition is None or bool(_evaluated(template, template["Conditions"][condition], parameters))


def _evaluated(template: Template, value: Any, parameters: dict[str, str]) -> Any:
    match value:
        case {"Ref": name}:
            return parameters.get(name, template["Parameters"][name]["Default"])
        case {"Fn::Equals": [left, right]}:
            return _evaluated(template, left, parameters) == _evaluated(template, right, parameters)
        case {"Fn::Join": [",", {"Ref": _} as whole]}:
            # A list that is a parameter, as it was typed.
            return _evaluated(template, whole, parameters)
        case {"Fn::And": each}:
            return all(_evaluated(template, one, parameters) for one in each)
        case {"Fn::Not": [inner]}:
            return not _evaluated(template, inner, parameters)
        case str():
            return value
    raise AssertionError(f"a condition that no test expects: {value}")
