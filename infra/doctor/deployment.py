"""The stack itself: its status, whether it is this checkout's, and what it was told."""

from collections.abc import Iterator, Mapping
from typing import Any

from infra.after_deploy import STACK
from infra.doctor.examine import Look
from infra.doctor.findings import Finding, fail, note, ok
from infra.doctor.mend import aws
from infra.doctor.stack import Stack
from infra.version import VERSION

_SETTLED = ("CREATE_COMPLETE", "UPDATE_COMPLETE", "IMPORT_COMPLETE")
_MOST_NAMED = 5


def looks(stack: Stack) -> Iterator[Look]:
    yield "stack", lambda: _status(stack)
    yield "protection", lambda: _protection(stack)
    yield "version", lambda: _version(stack)
    yield "template", lambda: _template(stack)
    yield "parameters", lambda: _parameters(stack)


def _status(stack: Stack) -> Iterator[Finding]:
    status = stack.described["StackStatus"]
    since = stack.described.get("LastUpdatedTime", stack.described["CreationTime"])
    said = f"{status}, since {since:%Y-%m-%d %H:%M} UTC"
    why = aws(
        "cloudformation describe-stack-events",
        region=stack.region,
        stack_name=STACK,
        max_items="50",
        query="StackEvents[].[LogicalResourceId, ResourceStatus, ResourceStatusReason]",
        output="text",
    )
    if status in _SETTLED:
        yield ok("stack", said)
    elif status == "UPDATE_ROLLBACK_COMPLETE":
        yield note("stack", f"{said}: the last update failed, and all is as it was before", why)
    elif status.endswith("_IN_PROGRESS"):
        yield note("stack", f"{said}: something is being changed; look again when it is done", why)
    else:
        yield fail("stack", said, why)


def _protection(stack: Stack) -> Iterator[Finding]:
    if stack.described.get("EnableTerminationProtection", False):
        yield ok("protection", "the stack cannot be deleted by one command")
    else:
        yield fail(
            "protection",
            "the stack's termination protection is off: whoever deletes it deletes every alarm that would say so",
            aws(
                "cloudformation update-termination-protection",
                region=stack.region,
                stack_name=STACK,
                enable_termination_protection=True,
            ),
        )


def _version(stack: Stack) -> Iterator[Finding]:
    deployed = stack.outputs.get("Version", "unknown (before 0.2.0)")
    if deployed == VERSION:
        yield ok("version", deployed)
    else:
        yield fail(
            "version",
            f"{deployed} is deployed, and this checkout is {VERSION}",
            f"# check out {deployed}, or update: docs/updating.md",
        )


def _template(stack: Stack) -> Iterator[Finding]:
    deployed, ours = stack.deployed.template, stack.ours
    changed = _changed(ours.get("Resources", {}), deployed.get("Resources", {})) + [
        part for part in _changed(ours, deployed) if part != "Resources"
    ]
    if not changed:
        yield ok("template", "the deployed template is this checkout's")
        return
    more = f" and {len(changed) - _MOST_NAMED} more" if len(changed) > _MOST_NAMED else ""
    yield fail(
        "template",
        f"the deployed template is not this checkout's: {', '.join(changed[:_MOST_NAMED])}{more}. What follows is compared "
        "with the one that is deployed",
        "npx --no-install cdk diff  # read it; then make deploy, or check out what was deployed",
    )


def _changed(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    return sorted(name for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name))


def _parameters(stack: Stack) -> Iterator[Finding]:
    """Those that are not at their defaults, and Mode in any case."""
    declared = stack.deployed.template.get("Parameters", {})
    told = {
        name: value
        for name, value in sorted(stack.deployed.parameters.items())
        if name in declared
        and name != "BootstrapVersion"
        and (name == "Mode" or value != str(declared[name].get("Default")))
    }
    said = " ".join(f"{name}={value}" for name, value in told.items())
    yield ok("parameters", f"{said}; the others have their defaults")
