"""Authorization: what policies can ask about a request, and who is noted to have made it."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.services import iam, lambda_svc

from sandbox.controls import Call, Controls, LastUse
from sandbox.patches.answers import Parameters

_VERBS = {"GET": "Get", "PUT": "Put", "DELETE": "Delete", "POST": "Update"}


def name_the_role_as_principal() -> None:
    """The emulator takes aws:PrincipalArn of a role to be its session's ARN; in AWS it is the role's."""
    resolve = iam_evaluator._resolve_condition_key

    def resolve_condition_key(key: str, context: Any) -> Any:
        if key.lower() == "aws:principalarn":
            return _principal(context.principal_arn)
        return resolve(key, context)

    iam_evaluator._resolve_condition_key = resolve_condition_key


def _principal(arn: str) -> str:
    if ":assumed-role/" not in arn:
        return arn
    account_id = arn.split(":")[4]
    name = iam_evaluator._role_name_from_assumed_arn(arn)
    role = iam._roles.get_scoped(account_id, None, name)
    return str(role["Arn"]) if role else f"arn:aws:iam::{account_id}:role/{name}"


def name_the_user_as_resource() -> None:
    """The emulator leaves a user's path out of the ARN, and sees no user at all in GetAccessKeyLastUsed.

    In AWS it is the owner of the key: the policies say who is allowed to ask about whom.
    """
    extract = iam_actions.extract_resource_arn

    def extract_resource_arn(service: str, *request: Any) -> str:
        parameters = request[4]  # method, path, headers, body, parameters, ...
        if service == "iam":
            key = iam._access_keys.get(iam._p(parameters, "AccessKeyId")) or {}
            user = iam._users.get(iam._p(parameters, "UserName") or key.get("UserName"))
            if user:
                return str(user["Arn"])
        return str(extract(service, *request))

    iam_actions.extract_resource_arn = extract_resource_arn


def tell_what_a_request_says() -> None:
    """The emulator leaves some condition keys out of what a policy may ask about a request: those of `_SAID_BY`."""
    told = iam_actions.request_tag_context

    def request_tag_context(service: str, iam_action: str, body: bytes, parameters: Parameters) -> Parameters:
        context: Parameters = told(service, iam_action, body, parameters)
        said = _SAID_BY.get(iam_action)
        return context if said is None else context | said(json.loads(body))

    iam_actions.request_tag_context = request_tag_context


def _sources(request: Parameters) -> Parameters:
    return {"events:source": [entry["Source"] for entry in request["Entries"] if "Source" in entry]}


def _how_a_secret_is_deleted(request: Parameters) -> Parameters:
    at_once = request.get("ForceDeleteWithoutRecovery", False)
    return {"secretsmanager:forcedeletewithoutrecovery": str(at_once).lower()}


def _whether_a_public_policy_is_refused(request: Parameters) -> Parameters:
    blocks = request.get("BlockPublicPolicy")
    return {} if blocks is None else {"secretsmanager:BlockPublicPolicy": str(blocks).lower()}


_SAID_BY: Mapping[str, Callable[[Parameters], Parameters]] = {
    "events:PutEvents": _sources,
    "secretsmanager:DeleteSecret": _how_a_secret_is_deleted,
    "secretsmanager:PutResourcePolicy": _whether_a_public_policy_is_refused,
}


def name_the_function_that_asks() -> None:
    """The emulator leaves lambda:SourceFunctionArn out. In AWS it is there when a function's code asks, and then alone.

    A function's session bears its name; whoever assumes the role under another is not the function.
    """
    resolve = iam_evaluator._resolve_condition_key

    def resolve_condition_key(key: str, context: Any) -> Any:
        # The policy simulator is told.
        if key.lower() != "lambda:sourcefunctionarn" or key.lower() in context.service_context:
            return resolve(key, context)
        name = context.principal_arn.rpartition("/")[2]
        found = lambda_svc._functions.get(name) if ":assumed-role/" in context.principal_arn else None
        return found["config"]["FunctionArn"] if found else None

    iam_evaluator._resolve_condition_key = resolve_condition_key


def name_what_is_read_of_a_function() -> None:
    """The emulator takes a look at a function's concurrency for a change of it, and one at its failures for one at its code."""
    named: Callable[[str, str], str | None] = iam_actions._lambda_action

    def lambda_action(method: str, path: str) -> str | None:
        for part, of in (
            ("concurrency", "FunctionConcurrency"),
            ("event-invoke-config", "FunctionEventInvokeConfig"),
        ):
            if path.rstrip("/").endswith(f"/{part}"):
                return f"{_VERBS[method]}{of}"
        return named(method, path)

    iam_actions._lambda_action = lambda_action


def record_requests(controls: Controls) -> None:
    """Note who asked for what, and the last use of a user's key; as in AWS a denied request is a use too."""
    authorise = iam_evaluator.enforce

    def enforce(
        key_id: str, action: str, service: str, region: str, resource_arn: str = "*", **context: Any
    ) -> Any:
        refusal = authorise(key_id, action, service, region, resource_arn=resource_arn, **context)
        credential = iam_evaluator.resolve_credential(key_id)
        if isinstance(refusal, iam_evaluator.AuthError) or not hasattr(credential, "principal_arn"):
            return refusal
        principal = _principal(credential.principal_arn)
        controls.calls.append(
            Call(principal=principal, action=action, resource=resource_arn, allowed=refusal is None)
        )
        if key_id.startswith("AKIA"):
            controls.last_used[key_id] = LastUse(at=controls.now(), region=region, service=service)
        return refusal

    iam_evaluator.enforce = enforce
