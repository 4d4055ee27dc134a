"""The words of an AWS CLI 2 command, translated one-to-one into a call of boto3; `python aws.py sqs purge-queue ...`.

So that the commands of docs/runbook.md, of the mails and of the stack's outputs are run as they stand on a machine without
that CLI. What the operation's own model does not know is refused.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import boto3
import jmespath  # type: ignore[import-untyped]  # it has no types
from botocore import xform_name

OF_THE_CLI_ITSELF = {"query", "output", "cli-binary-format", "cli-input-json", "cli-read-timeout", "region"}
# Where the CLI has another word than the API: `--endpoint` would be taken for its own `--endpoint-url`.
RENAMED = {("sns", "subscribe", "Endpoint"): "notification-endpoint"}


def run(words: list[str], *, client_of: Callable[[str, str | None], Any]) -> str:
    """What the command prints. `client_of` makes the client of a service in a Region; None: the default one."""
    service, operation, *rest = words
    given, files = _options(rest)
    (region,) = given.get("region", [None])
    client = client_of(service, region)
    method = operation.replace("-", "_")
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    shapes = model.input_shape.members if model.input_shape is not None else {}
    members = {RENAMED.get((service, operation, name), xform_name(name, "-")): name for name in shapes}
    if unknown := set(given) - OF_THE_CLI_ITSELF - set(members):
        raise SystemExit(f"aws {service} {operation} has no {sorted(unknown)}")
    # What is said by an option counts, whatever the JSON says.
    (in_json,) = given.get("cli-input-json", ["{}"])
    parameters = json.loads(in_json) | {
        members[name]: _value(shapes[members[name]], values)
        for name, values in given.items()
        if name in members
    }
    answer = getattr(client, method)(**parameters)
    answer.pop("ResponseMetadata", None)
    if files:
        Path(files[0]).write_bytes(answer.pop("Payload").read())
    if "query" in given:
        answer = jmespath.search(given["query"][0], answer)
    if given.get("output") == ["text"]:
        return _as_text(answer)
    return json.dumps(answer, default=str)


def _as_text(answer: object) -> str:
    """A list of lists is a line for each; any other list is one line."""
    if not isinstance(answer, list):
        return str(answer)
    if any(isinstance(each, list) for each in answer):
        return "\n".join(map(_as_text, answer))
    return "\t".join(map(str, answer))


def _options(words: list[str]) -> tuple[dict[str, list[Any]], list[str]]:
    """Each option with its words, and where `lambda invoke` is told to write what the function answers."""
    given: dict[str, list[Any]] = {}
    files: list[str] = []
    for word in words:
        if word.startswith("--"):
            given[word.removeprefix("--")] = []
        elif word == "/dev/stdout":
            files.append(word)
        else:
            given[list(given)[-1]].append(word)
    return given, files


def _value(shape: Any, words: list[str]) -> object:
    """A list of structures in the CLI's shorthand: `Key=name,Value=some words`."""
    if shape.type_name == "list" and shape.member.type_name == "structure":
        given = [dict(pair.split("=", 1) for pair in word.split(",")) for word in words]
        if unknown := {name for each in given for name in each} - set(shape.member.members):
            raise SystemExit(f"{shape.name} has no {sorted(unknown)}")
        return given
    if shape.type_name == "list":
        return words
    if shape.type_name == "map":
        return json.loads(*words)
    if shape.type_name == "boolean":
        if words:
            raise SystemExit(f"{shape.name} is a switch, and has no value: {words}")
        return True
    (word,) = words
    return int(word) if shape.type_name in {"integer", "long"} else word


def _of_the_environment(service: str, region: str | None) -> Any:
    return boto3.client(service, region_name=region)  # type: ignore[call-overload]  # any service that a command names


if __name__ == "__main__":
    print(run(sys.argv[1:], client_of=_of_the_environment))  # noqa: T201  # it is a command
