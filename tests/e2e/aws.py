"""The words of an AWS CLI 2 command, translated one-to-one into a call of boto3.

So that the commands of docs/runbook.md, of the mails and of the stack's outputs are run as they stand on a machine without
that CLI. What the operation's own model does not know is refused. boto3 takes half a second to be there: the shell's `aws`
(aws_asks.py) has the process of the tests do it, which `answering` makes ready for that.
"""

import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import botocore.session
import jmespath  # type: ignore[import-untyped]  # it has no types
from botocore import xform_name
from botocore.loaders import create_loader
from botocore.model import OperationModel

OF_THE_CLI_ITSELF = {
    "query",
    "output",
    "cli-binary-format",
    "cli-input-json",
    "cli-read-timeout",
    "max-items",
    "region",
}
# Where the CLI has another word than the API: `--endpoint` would be taken for its own `--endpoint-url`.
RENAMED = {("sns", "subscribe", "Endpoint"): "notification-endpoint"}


def run(words: list[str], *, client_of: Callable[[str, str | None], Any]) -> str:
    """What the command prints. `client_of` makes the client of a service in a Region; None: the default one."""
    service, operation, *rest = words
    service = "s3" if service == "s3api" else service
    given, files = _options(rest)
    (region,) = given.get("region", [None])
    client = client_of(service, region)
    method = operation.replace("-", "_")
    model = client.meta.service_model.operation_model(client.meta.method_to_api_mapping[method])
    shapes = model.input_shape.members if model.input_shape is not None else {}
    members = options_of(service, operation, model)
    if unknown := set(given) - OF_THE_CLI_ITSELF - set(members):
        raise SystemExit(f"aws {service} {operation} has no {sorted(unknown)}")
    # What is said by an option counts, whatever the JSON says.
    (in_json,) = given.get("cli-input-json", ["{}"])
    parameters = json.loads(in_json) | {
        members[name]: False
        if _switches_off(name, shapes[members[name]])
        else _value(shapes[members[name]], values)
        for name, values in given.items()
        if name in members
    }
    if "max-items" in given:
        # The CLI's own paging, which no operation knows.
        pages = client.get_paginator(method).paginate(
            **parameters, PaginationConfig={"MaxItems": int(*given["max-items"])}
        )
        answer = pages.build_full_result()
    else:
        answer = getattr(client, method)(**parameters)
    answer.pop("ResponseMetadata", None)
    # /dev/stdout is the only one that any command names.
    payload = answer.pop("Payload").read().decode() if files else ""
    if "query" in given:
        answer = jmespath.search(given["query"][0], answer)
    if given.get("output") == ["text"]:
        return payload + _as_text(answer)
    return payload + json.dumps(answer, default=str)


def options_of(service: str, operation: str, model: OperationModel) -> dict[str, str]:
    """The member of the operation's input that each option sets, by the option's name without its hyphens."""
    shapes = model.input_shape.members if model.input_shape is not None else {}
    named = {RENAMED.get((service, operation, name), xform_name(name, "-")): name for name in shapes}
    switches = {f"no-{option}": name for option, name in named.items() if shapes[name].type_name == "boolean"}
    return {**switches, **named}


def _switches_off(option: str, shape: Any) -> bool:
    return bool(shape.type_name == "boolean" and option.startswith("no-"))


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
            # An option and its value may be one word.
            option, joined, value = word.removeprefix("--").partition("=")
            given[option] = [value] if joined else []
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
    if shape.type_name == "map" or (shape.type_name == "structure" and words[0].startswith("{")):
        return json.loads(*words)
    if shape.type_name == "boolean":
        if words:
            raise SystemExit(f"{shape.name} is a switch, and has no value: {words}")
        return True
    (word,) = words
    if word.startswith("fileb://"):
        return Path(word.removeprefix("fileb://")).read_bytes()
    return int(word) if shape.type_name in {"integer", "long"} else word


# Read from disk once.
_LOADER = create_loader()


class _Answer(socketserver.StreamRequestHandler):
    """One command: its words and the variables that it has; what it prints, and how it ends."""

    def handle(self) -> None:
        asked = json.loads(self.rfile.readline())
        botocore_session = botocore.session.Session()
        botocore_session.register_component("data_loader", _LOADER)
        session = boto3.session.Session(
            botocore_session=botocore_session,
            aws_access_key_id=asked["environment"]["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=asked["environment"]["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=asked["environment"].get("AWS_SESSION_TOKEN"),
            region_name=asked["environment"]["AWS_DEFAULT_REGION"],
        )
        made = []

        def client_of(service: str, region: str | None) -> Any:
            made.append(
                session.client(  # type: ignore[call-overload]  # any service that a command names
                    service,
                    region_name=region,
                    endpoint_url=asked["environment"]["AWS_ENDPOINT_URL"],
                    verify=asked["environment"]["AWS_CA_BUNDLE"],
                )
            )
            return made[-1]

        try:
            answer = {"status": 0, "stdout": run(asked["words"], client_of=client_of) + "\n", "stderr": ""}
        except (Exception, SystemExit) as error:  # noqa: BLE001  # as a process that ends with it
            answer = {"status": 1, "stdout": "", "stderr": f"{type(error).__name__}: {error}\n"}
        finally:
            for each in made:
                each.close()
        self.wfile.write(json.dumps(answer).encode())


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


@contextmanager
def answering() -> Iterator[int]:
    """The port on the loopback where aws_asks.py asks."""
    with _Server(("127.0.0.1", 0), _Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()
