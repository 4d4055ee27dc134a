"""Both functions: their code, file by file, and all else that decides what runs: environment, role, layers, who may invoke."""

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from keyrotation.causes import is_code

from infra.after_deploy import bundle_in, differences
from infra.doctor.compared import is_so
from infra.doctor.examine import Look
from infra.doctor.findings import Finding, fail, note, ok
from infra.doctor.mend import aws
from infra.doctor.stack import Stack

_MOST_NAMED = 3
# As the template and Lambda both call them.
_COMPARED = ("Handler", "MemorySize", "Role", "Runtime", "Timeout")


def looks(stack: Stack, *, fetch: Callable[[str], bytes]) -> Iterator[Look]:
    for logical_id in stack.deployed.resources("AWS::Lambda::Function"):
        name = stack.deployed.path(logical_id).removesuffix("/Function")
        yield f"code of {name}", partial(_code, stack, logical_id, f"code of {name}", fetch)
        yield f"function {name}", partial(_settings, stack, logical_id, f"function {name}")
        yield f"function {name}", partial(_invokers, stack, logical_id, f"function {name}")


def _code(stack: Stack, logical_id: str, what: str, fetch: Callable[[str], bytes]) -> Iterator[Finding]:
    bundle, function = bundle_in(stack.assembly).resolve(), stack.deployed.physical_id(logical_id)
    found = list(differences(function, bundle, lambdas=stack.client("lambda"), fetch=fetch))
    if not found:
        count = sum(each.is_file() for each in bundle.rglob("*"))
        yield ok(what, f"{count} files, each this checkout's")
        return
    told = [each.removeprefix(f"{function}: ") for each in found]
    more = f", and {len(told) - _MOST_NAMED} more" if len(told) > _MOST_NAMED else ""
    packed = bundle.parent / "bundle.zip"
    pack = f"(cd {shlex.quote(str(bundle))} && python3 -m zipfile -c {shlex.quote(str(packed))} .)"
    upload = aws(
        "lambda update-function-code",
        region=stack.region,
        function_name=function,
        zip_file=f"fileb://{packed}",
    )
    yield fail(
        what,
        f"it is not this checkout's: {'; '.join(told[:_MOST_NAMED])}{more}. Turn the schedule off first (output Stop), and "
        "find out who wrote it: docs/security.md",
        f"{pack} && {upload}",
    )


def _settings(stack: Stack, logical_id: str, what: str) -> Iterator[Finding]:
    wanted, function = stack.deployed.properties(logical_id), stack.deployed.physical_id(logical_id)
    found = stack.client("lambda").get_function_configuration(FunctionName=function)
    wrong = [*_changed(stack, what, function, wanted, found), *_halted(stack, what, function, found)]
    yield from wrong
    if not wrong:
        yield ok(what, "its environment, role and settings are the template's")


def _changed(
    stack: Stack, what: str, function: str, wanted: Mapping[str, Any], found: Mapping[str, Any]
) -> Iterator[Finding]:
    environment = {name: str(each) for name, each in wanted["Environment"]["Variables"].items()}
    there = found.get("Environment", {}).get("Variables", {})
    variables = sorted(
        name for name in environment.keys() | there.keys() if environment.get(name) != there.get(name)
    )
    if variables:
        yield fail(
            what,
            f"its environment is not the template's: {', '.join(variables)}",
            aws(
                "lambda update-function-configuration",
                region=stack.region,
                function_name=function,
                environment={"Variables": environment},
            ),
        )
    settings = {name: wanted[name] for name in _COMPARED if str(wanted[name]) != str(found.get(name))}
    if found.get("Layers"):
        settings["Layers"] = []
    if settings:
        yield fail(
            what,
            f"not the template's: {', '.join(settings)}",
            aws(
                "lambda update-function-configuration",
                region=stack.region,
                cli_input_json={"FunctionName": function, **settings},
            ),
        )
    if not is_so(wanted["LoggingConfig"], found.get("LoggingConfig")):
        yield fail(
            what,
            f"its log is not the template's: {json.dumps(found.get('LoggingConfig'))}",
            aws(
                "lambda update-function-configuration",
                region=stack.region,
                function_name=function,
                logging_config=wanted["LoggingConfig"],
            ),
        )


def _halted(stack: Stack, what: str, function: str, found: Mapping[str, Any]) -> Iterator[Finding]:
    state = found.get("State", "Active")
    said = f"{state}: {found.get('StateReason', 'no reason is given')}"
    if state == "Failed":
        yield fail(what, said, "# docs/runbook.md, RotatorErrors and ScannerErrors")
    elif state != "Active":
        # Just changed, or not invoked for weeks: the next run goes on by itself.
        yield note(what, said)
    concurrency = stack.client("lambda").get_function_concurrency(FunctionName=function)
    if concurrency.get("ReservedConcurrentExecutions") == 0:
        yield fail(
            what,
            "somebody stopped it: its reserved concurrency is 0",
            aws("lambda delete-function-concurrency", region=stack.region, function_name=function),
        )


def _invokers(stack: Stack, logical_id: str, what: str) -> Iterator[Finding]:
    """The template gives neither function a policy of its own: who invokes it may do so by a role."""
    function = stack.deployed.physical_id(logical_id)
    try:
        answer = stack.client("lambda").get_policy(FunctionName=function)
    except ClientError as error:
        if not is_code(error, "ResourceNotFoundException"):
            raise
        return
    for each in json.loads(answer["Policy"]).get("Statement", []):
        sid = each.get("Sid", "")
        yield fail(
            what,
            f"somebody lets {json.dumps(each.get('Principal'))} do {each.get('Action')} ({sid})",
            aws("lambda remove-permission", region=stack.region, function_name=function, statement_id=sid),
        )
