"""What boto3 sends and what it wants to be answered: AWS's query protocol with XML, and its JSON protocol."""

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, OperationModel, ServiceModel, Shape, StructureShape

# By what JSON requests say in their target; the others are of the query protocol.
_TARGETS = {
    "secretsmanager": "secretsmanager",
    "AmazonSQS": "sqs",
    "AWSEvents": "events",
    "DynamoDB_20120810": "dynamodb",
    "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101": "cloudtrail",
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """`service` as boto3 names it; `key_id`: who signed."""

    service: str
    operation: str
    key_id: str
    parameters: dict[str, Any]
    is_json: bool


def read(headers: dict[bytes, bytes], body: bytes) -> Call:
    """`headers` by their names in lower case."""
    # Credential=<key id>/<date>/<region>/<service>/aws4_request
    scope = headers[b"authorization"].partition(b"Credential=")[2].partition(b",")[0].decode().split("/")
    target = headers.get(b"x-amz-target", b"").decode()
    if target:
        prefix, _, operation = target.rpartition(".")
        service, parameters = _TARGETS[prefix], json.loads(body)
    else:
        service, parameters = scope[3], _unflattened(body.decode())
        operation = parameters.pop("Action")
        del parameters["Version"]
    return Call(
        service=service,
        operation=operation,
        key_id=scope[0],
        parameters=parameters,
        is_json=bool(target),
    )


def answered(call: Call, answer: dict[str, Any]) -> bytes:
    if call.is_json:
        return json.dumps(answer, default=datetime.timestamp).encode()
    name, model = call.operation, _model(call.service, call.operation)
    inner = _xml(model.output_shape, answer) if model.output_shape else ""
    return (
        f'<{name}Response xmlns="{model.service_model.metadata["xmlNamespace"]}"><{name}Result>{inner}</{name}Result>'
        f"<ResponseMetadata><RequestId>benchmark</RequestId></ResponseMetadata></{name}Response>"
    ).encode()


def refused(call: Call, code: str, message: str) -> bytes:
    if call.is_json:
        return json.dumps({"__type": code, "message": message}).encode()
    return (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error>"
        "<RequestId>benchmark</RequestId></ErrorResponse>"
    ).encode()


def _unflattened(form: str) -> dict[str, Any]:
    """`Tags.member.1.Key=team` and its like as what was passed to boto3."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(form, keep_blank_values=True):
        at = found
        *path, last = name.split(".")
        for step in path:
            at = at.setdefault(step, {})
        at[last] = value
    return {name: _listed(value) for name, value in found.items()}


def _listed(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and (numbered := value.get("member", value.get("entry"))) is not None:
        return [_listed(numbered[place]) for place in sorted(numbered, key=int)]
    return {name: _listed(each) for name, each in value.items()}


@cache
def _model(service: str, operation: str) -> OperationModel:
    return _service(service).operation_model(operation)


@cache
def _service(service: str) -> ServiceModel:
    return ServiceModel(Loader().load_service_model(service, "service-2"), service)


def _xml(shape: Shape, value: Any) -> str:
    match shape:
        case StructureShape():
            members = shape.members
            return "".join(f"<{name}>{_xml(members[name], each)}</{name}>" for name, each in value.items())
        case ListShape():
            return "".join(f"<member>{_xml(shape.member, each)}</member>" for each in value)
        case MapShape():
            return "".join(
                f"<entry><key>{escape(name)}</key><value>{_xml(shape.value, each)}</value></entry>"
                for name, each in value.items()
            )
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%SZ}"
    return str(value).lower() if isinstance(value, bool) else escape(str(value))
