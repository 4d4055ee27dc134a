"""Secrets Manager: a version is named by its token, and a repeated request is the same request."""

import json
from collections.abc import Mapping
from typing import Any

from ministack.services import secretsmanager

from sandbox.patches.answers import Parameters, Response, json_answer, json_error


def honour_tokens_on_create() -> None:
    """AWS names the first version by the ClientRequestToken, and takes the same request twice for one."""
    create = secretsmanager._create_secret

    def create_secret(request: Parameters) -> Response:
        token = request.get("ClientRequestToken", "")
        existing = secretsmanager._secrets.get(request.get("Name"))
        if existing and not existing.get("DeletedDate") and _holds(existing, token=token, request=request):
            return json_answer({"ARN": existing["ARN"], "Name": existing["Name"], "VersionId": token})
        status, headers, body = create(request)
        if status != 200 or not token:
            return status, headers, body
        answer = json.loads(body)
        versions = secretsmanager._secrets[answer["Name"]]["Versions"]
        versions[token] = versions.pop(answer["VersionId"])
        return json_answer({**answer, "VersionId": token})

    secretsmanager._create_secret = create_secret


def honour_tokens_on_put() -> None:
    """The emulator overwrites the version of a repeated token; AWS does nothing, or refuses another value."""
    put = secretsmanager._put_secret_value

    def put_secret_value(request: Parameters) -> Response:
        token = request.get("ClientRequestToken", "")
        _, secret = secretsmanager._resolve(request.get("SecretId"))
        if not secret or secret.get("DeletedDate") or token not in secret["Versions"]:
            response: Response = put(request)
            return response
        if not _holds(secret, token=token, request=request):
            return json_error(
                400,
                "ResourceExistsException",
                f"A resource with the ID you requested already exists: version {token}.",
            )
        stages = list(secret["Versions"][token]["Stages"])
        return json_answer(
            {"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": token, "VersionStages": stages}
        )

    secretsmanager._put_secret_value = put_secret_value


def _holds(secret: Mapping[str, Any], *, token: str, request: Parameters) -> bool:
    version = secret["Versions"].get(token)
    return version is not None and all(
        version[kind] == request.get(kind) for kind in ("SecretString", "SecretBinary")
    )
