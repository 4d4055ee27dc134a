"""The words of an AWS CLI 2 command, translated one-to-one into a call of boto3; `python aws.py sqs purge-queue ...`.

So that the commands of docs/runbook.md are run as they stand on a machine without that CLI. What the operation's
own model does not know is refused.
"""

import json
import sys
from pathlib import Path
from typing import Any

import boto3
import jmespath  # type: ignore[import-untyped]  # it has no types
from botocore import xform_name

OF_THE_CLI_ITSELF = {"query", "output", "cli-binary-format"}


def run(words: list[str]) -> str:
    """What the command prints."""
    service, operation, *rest = words
    client: Any = boto3.client(service)  # type: ignore[call-overload]  # any service that a command names
    method = operation.replace("-", "_")
    shapes = client.meta.service_model.operation_model(
        client.meta.method_to_api_mapping[method]
    ).input_shape.members
    members = {xform_name(name, "-"): name for name in shapes}
    given, files = _options(rest)
    if unknown := set(given) - OF_THE_CLI_ITSELF - set(members):
        raise SystemExit(f"aws {service} {operation} has no {sorted(unknown)}")
    parameters = {
        members[name]: _value(shapes[members[name]].type_name, values)
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
        return "\t".join(map(str, answer)) if isinstance(answer, list) else str(answer)
    return json.dumps(answer, default=str)


def _options(words: list[str]) -> tuple[dict[str, list[str]], list[str]]:
    """Each option with its words, and where `lambda invoke` is told to write what the function answers."""
    given: dict[str, list[str]] = {}
    files: list[str] = []
    for word in words:
        if word.startswith("--"):
            given[word.removeprefix("--")] = []
        elif word == "/dev/stdout":
            files.append(word)
        else:
            given[list(given)[-1]].append(word)
    return given, files


def _value(kind: str, words: list[str]) -> object:
    if kind == "list":
        return words
    (word,) = words
    return int(word) if kind in {"integer", "long"} else word


if __name__ == "__main__":
    print(run(sys.argv[1:]))  # noqa: T201  # it is a command
