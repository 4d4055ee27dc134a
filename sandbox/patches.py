"""What ministack leaves out of AWS and this project depends on: one function per gap, each patching one thing.

They reach into ministack's private names, so they hold for the version that emulator.py insists on and no other.
test_emulator.py shows each at work.
"""
# ruff: noqa: SLF001 - private names are all there is to patch

import json
import re
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

from ministack import app
from ministack.core import iam_actions, iam_evaluator, lambda_runtime, responses
from ministack.services import eventbridge, iam, scheduler, secretsmanager, sns, sqs

from sandbox.controls import Call, Controls, LastUse, Mail, Page

Response = tuple[int, dict[str, str], bytes]
Parameters = dict[str, Any]

# Users in the past are made one request at a time; IAM writes seconds, in UTC.
_IAM_TIME = "%Y-%m-%dT%H:%M:%SZ"
_IAM_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
_DEFAULT_PAGE = 100


def install(controls: Controls) -> None:
    stay_on_one_port()
    shift_the_clock(controls)
    let_time_pass(controls)
    limit_keys_to_two()
    tell_last_use(controls)
    paginate(controls, action="ListUsers", members="Users")
    paginate(controls, action="GetAccountAuthorizationDetails", members="UserDetailList")
    paginate(controls, action="ListAccessKeys", members="AccessKeyMetadata")
    honour_tokens_on_create()
    honour_tokens_on_put()
    name_the_role_as_principal()
    name_the_user_as_resource()
    name_the_source_of_events()
    substitute_schedule_context()
    redrive_dead_letters()
    wait_for_the_log()
    keep_mail(controls)
    record_requests(controls)
    inject_faults(controls)


def stay_on_one_port() -> None:
    """With TLS, ministack also takes port 443 where it may; a test run owns its own port only."""
    app._port_is_bindable = lambda *_: False


def shift_the_clock(controls: Controls) -> None:
    """CreateDate has no parameter, so a user of last spring can only be made with the clock of last spring."""
    iam._now = lambda: controls.now().strftime(_IAM_TIME)


def let_time_pass(controls: Controls) -> None:
    """Functions and queues run by the machine's clock, so an hour passes by making what there is an hour older.

    That is users, keys and messages; a message that a consumer was hidden from for an hour is then there again.
    """

    def age_keys(by: timedelta) -> None:
        for made in (*iam._users._data.values(), *iam._access_keys._data.values()):
            before = datetime.strptime(made["CreateDate"], _IAM_TIME).replace(tzinfo=UTC)
            made["CreateDate"] = (before - by).strftime(_IAM_TIME)

    def age_messages(by: timedelta) -> None:
        with sqs._queues_lock:
            for queue in sqs._queues._data.values():
                for message in queue["messages"]:
                    for moment in ("sent_at", "visible_at", "first_receive_at", "enqueued_at"):
                        if message.get(moment) is not None:
                            message[moment] -= by.total_seconds()
                for sent in queue["dedup_cache"].values():
                    sent["expire"] -= by.total_seconds()
        sqs.esm_wake.set()

    controls.ageing += [age_keys, age_messages]


def limit_keys_to_two() -> None:
    """The emulator gives a user any number of keys; AWS refuses the third."""
    create: Callable[[Parameters], Response] = iam._IAM_HANDLERS["CreateAccessKey"]

    def create_access_key(parameters: Parameters) -> Response:
        user_name = iam._p(parameters, "UserName")
        if sum(key["UserName"] == user_name for key in iam._access_keys.values()) >= 2:
            return _iam_error(409, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
        return create(parameters)

    iam._IAM_HANDLERS["CreateAccessKey"] = create_access_key


def tell_last_use(controls: Controls) -> None:
    """The emulator answers N/A for every key; record_requests and the control `last-used` know better."""

    def get_access_key_last_used(parameters: Parameters) -> Response:
        key_id = iam._p(parameters, "AccessKeyId")
        key = iam._access_keys.get(key_id)
        if key is None:
            return _iam_error(404, "NoSuchEntity", f"The Access Key with id {key_id} cannot be found.")
        use = controls.last_used.get(key_id)
        date = f"<LastUsedDate>{use.at.astimezone(UTC).strftime(_IAM_TIME)}</LastUsedDate>" if use else ""
        region, service = (use.region, use.service) if use else ("N/A", "N/A")
        response: Response = iam._xml(
            200,
            "GetAccessKeyLastUsedResponse",
            f"<GetAccessKeyLastUsedResult><UserName>{key['UserName']}</UserName><AccessKeyLastUsed>{date}"
            f"<Region>{region}</Region><ServiceName>{service}</ServiceName>"
            "</AccessKeyLastUsed></GetAccessKeyLastUsedResult>",
        )
        return response

    iam._IAM_HANDLERS["GetAccessKeyLastUsed"] = get_access_key_last_used


def paginate(controls: Controls, *, action: str, members: str) -> None:
    """The emulator gives every list whole; AWS gives MaxItems, at most, and a Marker for the rest."""
    give_all: Callable[[Parameters], Response] = iam._IAM_HANDLERS[action]

    def give_page(parameters: Parameters) -> Response:
        status, headers, body = give_all(parameters)
        only_users = [iam._p(parameters, f"Filter.member.{n}") for n in (1, 2)] == ["User", ""]
        if status != 200 or (action == "GetAccountAuthorizationDetails" and not only_users):
            return status, headers, body
        start = int(iam._p(parameters, "Marker") or 0)
        asked = int(iam._p(parameters, "MaxItems") or _DEFAULT_PAGE)
        end = start + min(asked, controls.page_sizes.get(action, asked))
        controls.pages[Page(action=action, user_name=iam._p(parameters, "UserName"), start=start)] += 1
        return status, headers, _cut(body, members=members, start=start, end=end)

    iam._IAM_HANDLERS[action] = give_page


def _cut(body: bytes, *, members: str, start: int, end: int) -> bytes:
    namespace = f"{{{_IAM_NAMESPACE}}}"
    document = ET.fromstring(body)  # noqa: S314 - ministack's own answer, from this process
    result = document[0]
    listed = result.find(f"{namespace}{members}")
    truncated = result.find(f"{namespace}IsTruncated")
    if listed is None or truncated is None:
        raise ValueError(f"no {members} with IsTruncated in ministack's answer")
    everyone = list(listed)
    for member in everyone[:start] + everyone[end:]:
        listed.remove(member)
    if end < len(everyone):
        truncated.text = "true"
        ET.SubElement(result, f"{namespace}Marker").text = str(end)
    ET.register_namespace("", _IAM_NAMESPACE)
    cut: bytes = ET.tostring(document, encoding="utf-8")
    return cut


def honour_tokens_on_create() -> None:
    """AWS names the first version by the ClientRequestToken, and takes the same request twice for one."""
    create = secretsmanager._create_secret

    def create_secret(request: Parameters) -> Response:
        token = request.get("ClientRequestToken", "")
        existing = secretsmanager._secrets.get(request.get("Name"))
        if existing and not existing.get("DeletedDate") and _holds(existing, token=token, request=request):
            return _json({"ARN": existing["ARN"], "Name": existing["Name"], "VersionId": token})
        status, headers, body = create(request)
        if status != 200 or not token:
            return status, headers, body
        answer = json.loads(body)
        versions = secretsmanager._secrets[answer["Name"]]["Versions"]
        versions[token] = versions.pop(answer["VersionId"])
        return _json({**answer, "VersionId": token})

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
            refusal: Response = responses.error_response_json(
                "ResourceExistsException",
                f"A resource with the ID you requested already exists: version {token}.",
                400,
            )
            return refusal
        stages = list(secret["Versions"][token]["Stages"])
        return _json(
            {"ARN": secret["ARN"], "Name": secret["Name"], "VersionId": token, "VersionStages": stages}
        )

    secretsmanager._put_secret_value = put_secret_value


def _holds(secret: Mapping[str, Any], *, token: str, request: Parameters) -> bool:
    version = secret["Versions"].get(token)
    return version is not None and all(
        version[kind] == request.get(kind) for kind in ("SecretString", "SecretBinary")
    )


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


def name_the_source_of_events() -> None:
    """The emulator leaves events:source out of what a policy may ask about: the sources that PutEvents names."""
    told = iam_actions.request_tag_context

    def request_tag_context(service: str, iam_action: str, body: bytes, parameters: Parameters) -> Parameters:
        context: Parameters = told(service, iam_action, body, parameters)
        if iam_action == "events:PutEvents":
            sources = [entry["Source"] for entry in json.loads(body)["Entries"] if "Source" in entry]
            return {**context, "events:source": sources}
        return context

    iam_actions.request_tag_context = request_tag_context


def substitute_schedule_context() -> None:
    """The emulator passes a schedule's Input on as it is; AWS fills its context attributes in."""
    # A test that waits for a firing waits for the sweep too; ministack's own comes every ten seconds.
    scheduler._SCHEDULE_TICK_INTERVAL = 1
    invoke = eventbridge._invoke_target

    def invoke_target(target: Parameters, event: Parameters, rule: Parameters, view: Any = None) -> None:
        if event.get("Source") == "aws.scheduler" and target.get("Input"):
            # cron() has whole minutes, and the sweep comes seconds after; at() says when.
            fired = datetime.fromtimestamp(event["Time"], UTC).replace(second=0, microsecond=0)
            at = scheduler._at_time_epoch(rule["ScheduleExpression"])
            attributes = {
                "schedule-arn": rule["Arn"],
                "scheduled-time": (datetime.fromtimestamp(at, UTC) if at else fired).strftime(_IAM_TIME),
                "execution-id": secrets.token_hex(8),
                "attempt-number": "1",
            }
            text = target["Input"]
            for name, value in attributes.items():
                text = text.replace(f"<aws.scheduler.{name}>", value)
            target = {**target, "Input": text}
        invoke(target, event, rule, view)

    eventbridge._invoke_target = invoke_target


def redrive_dead_letters() -> None:
    """The emulator has no StartMessageMoveTask. AWS sends each message anew to the queue that it died in."""

    def start_message_move_task(request: Parameters, _url: str) -> Parameters:
        source = sqs._queue_by_arn(request["SourceArn"])
        feeders = [
            queue
            for queue in sqs._queues._data.values()
            if json.loads(queue["attributes"].get("RedrivePolicy", "{}")).get("deadLetterTargetArn")
            == request["SourceArn"]
        ]
        if source is None or not feeders:
            raise sqs._Err("InvalidParameterValue", "Source queue must be configured as a Dead Letter Queue.")
        if set(request) - {"SourceArn", "QueueUrl"}:
            raise sqs._Err("InvalidParameterValue", "the sandbox moves messages to where they came from only")
        with sqs._queues_lock:
            dead, source["messages"] = source["messages"], []
        for message in dead:
            home = sqs._queue_by_arn(message["sys"]["DeadLetterQueueSourceArn"])
            fifo = {"MessageGroupId": message["group_id"], "MessageDeduplicationId": message["dedup_id"]}
            sent = {
                "QueueUrl": home["url"],
                "MessageBody": message["body"],
                "MessageAttributes": message["message_attributes"],
                **(fifo if home["is_fifo"] else {}),
            }
            sqs._act_send_message(sent, home["url"])
        return {"TaskHandle": secrets.token_hex(16)}

    sqs._HANDLERS["StartMessageMoveTask"] = start_message_move_task


def wait_for_the_log() -> None:
    """The emulator keeps what a function wrote until 5 ms passed without a line; on a busy machine the last come later.

    They would be kept with the next invocation, and there may be none.
    """
    drain = lambda_runtime.Worker._drain_stderr_bounded

    def drain_stderr_bounded(worker: Any, **_waits: float) -> str:
        lines: str = drain(worker, first_line_wait=0.3, idle_confirm=0.2, hard_cap=5)
        return lines

    lambda_runtime.Worker._drain_stderr_bounded = drain_stderr_bounded


def keep_mail(controls: Controls) -> None:
    """The emulator drops mail; kept here as the subscriber would get it, so that people can be shown it."""
    fan_out = sns._fanout

    def fanout(topic_arn: str, message_id: str, message: str, subject: str, *rest: Any, **fifo: str) -> None:
        fan_out(topic_arn, message_id, message, subject, *rest, **fifo)
        structure, attributes = rest or ("", {})  # an alarm publishes plain text
        topic = sns._topic_by_arn_any_scope(topic_arn) or {"subscriptions": []}
        for subscription in topic["subscriptions"]:
            if subscription["protocol"] != "email" or not subscription["confirmed"]:
                continue
            body = sns._resolve_message_for_protocol(message, structure, "email")
            if sns._matches_filter_policy(subscription, attributes, body):
                named = {name: value["StringValue"] for name, value in attributes.items()}
                controls.mails.append(
                    Mail(to=subscription["endpoint"], subject=subject, body=body, attributes=named)
                )

    sns._fanout = fanout


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


def inject_faults(controls: Controls) -> None:
    """Behind authentication and authorization, where AWS's own throttling and races strike."""
    for service, handler in app.SERVICE_HANDLERS.items():
        app.SERVICE_HANDLERS[service] = _failing(controls, service=service, handler=handler)


def _failing(controls: Controls, *, service: str, handler: Callable[..., Any]) -> Callable[..., Any]:
    async def handle(method: str, path: str, headers: dict[str, str], body: bytes, query: Parameters) -> Any:
        action = iam_actions.extract_iam_action(service, method, path, headers, body, query)
        fault = controls.strike(action=action or "", parameters=_parameters(headers, body))
        if fault is not None and fault.code is not None and not fault.takes_effect:
            return _refusal(fault.code, fault.status, is_json="x-amz-target" in headers)
        answer = await handler(method, path, headers, body, query)
        if fault is None:
            return answer
        if fault.code is None:
            _kill_function(headers)
            return answer  # to nobody
        return _refusal(fault.code, fault.status, is_json="x-amz-target" in headers)

    return handle


def _parameters(headers: Mapping[str, str], body: bytes) -> Mapping[str, Any]:
    """The top level of a request of the query or the JSON protocol."""
    if "x-amz-target" in headers:
        parsed = json.loads(body or b"{}")
        return parsed if isinstance(parsed, dict) else {}
    return dict(parse_qsl(body.decode("utf-8", errors="replace")))


def _refusal(code: str, status: int, *, is_json: bool) -> Response:
    message = "injected by the test"
    if is_json:
        response: Response = responses.error_response_json(code, message, status)
        return response
    return _iam_error(status, code, message)


def _kill_function(headers: Mapping[str, str]) -> None:
    """End the process of the function that sent this request, in the midst of whatever its threads do."""
    signer = re.search(r"Credential=(\w+)/", headers["authorization"])
    caller = iam_evaluator.resolve_credential(signer[1]) if signer else None
    name = getattr(caller, "principal_arn", "").rpartition("/")[2]  # a function's session bears its name
    busy = [
        worker
        for pool in lambda_runtime._workers.values()
        for worker in pool
        if worker.in_use and worker.func_name == name
    ]
    if not busy:
        raise LookupError("this request came from no function, and only a function can be killed")
    for worker in busy:
        worker._proc.kill()


def _iam_error(status: int, code: str, message: str) -> Response:
    response: Response = iam._error(status, code, message)
    return response


def _json(answer: Mapping[str, Any]) -> Response:
    response: Response = responses.json_response(answer)
    return response
