"""IAM: users and keys of the past, two keys a user, new names, last uses, lists in pages."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

from ministack.core import iam_evaluator, responses
from ministack.services import iam

from sandbox.controls import Controls, Page
from sandbox.patches.answers import SECONDS, Handler, Parameters, Response, iam_error

_NAMESPACE = "https://iam.amazonaws.com/doc/2010-05-08/"
_DEFAULT_PAGE = 100
_NOT = "implicitDeny"
# How the emulator's evaluator says it, and how the simulator does.
_DECISIONS = {"Allow": "allowed", "Deny": "explicitDeny", "ImplicitDeny": _NOT}


def shift_the_clock(controls: Controls) -> None:
    """CreateDate has no parameter, so a user of last spring can only be made with the clock of last spring."""
    iam._now = lambda: controls.now().strftime(SECONDS)


def let_time_pass(controls: Controls) -> None:
    """There are no keys of tomorrow, so an hour passes by making the users and keys there are an hour older."""

    def age_keys(by: timedelta) -> None:
        for made in (*iam._users._data.values(), *iam._access_keys._data.values()):
            before = datetime.strptime(made["CreateDate"], SECONDS).replace(tzinfo=UTC)
            made["CreateDate"] = (before - by).strftime(SECONDS)

    controls.ageing.append(age_keys)


def limit_keys_to_two() -> None:
    """The emulator gives a user any number of keys; AWS refuses the third."""
    create: Handler = iam._IAM_HANDLERS["CreateAccessKey"]

    def create_access_key(parameters: Parameters) -> Response:
        user_name = iam._p(parameters, "UserName")
        if sum(key["UserName"] == user_name for key in iam._access_keys.values()) >= 2:
            return iam_error(409, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
        return create(parameters)

    iam._IAM_HANDLERS["CreateAccessKey"] = create_access_key


def rename_and_move() -> None:
    """The emulator has no UpdateUser: a user keeps id, keys and policies, and gets another name, path and ARN."""

    def update_user(parameters: Parameters) -> Response:
        name = iam._p(parameters, "UserName")
        user = iam._users.get(name)
        if user is None:
            return iam_error(404, "NoSuchEntity", f"The user with name {name} cannot be found.")
        new = iam._p(parameters, "NewUserName") or name
        if new != name and new in iam._users:
            return iam_error(409, "EntityAlreadyExists", f"User with name {new} already exists.")
        path = iam._p(parameters, "NewPath") or user["Path"]
        account = user["Arn"].split(":")[4]
        del iam._users[name]
        iam._users[new] = {
            **user,
            "UserName": new,
            "Path": path,
            "Arn": f"arn:aws:iam::{account}:user{path}{new}",
        }
        for key in iam._access_keys.values():
            if key["UserName"] == name:
                key["UserName"] = new
        if policies := iam._user_inline_policies.pop(name, None):
            iam._user_inline_policies[new] = policies
        response: Response = iam._xml(200, "UpdateUserResponse", "")
        return response

    iam._IAM_HANDLERS["UpdateUser"] = update_user


def tell_last_use(controls: Controls) -> None:
    """The emulator answers N/A for every key; record_requests and the control `last-used` know better."""

    def get_access_key_last_used(parameters: Parameters) -> Response:
        key_id = iam._p(parameters, "AccessKeyId")
        key = iam._access_keys.get(key_id)
        if key is None:
            return iam_error(404, "NoSuchEntity", f"The Access Key with id {key_id} cannot be found.")
        use = controls.last_used.get(key_id)
        date = f"<LastUsedDate>{use.at.astimezone(UTC).strftime(SECONDS)}</LastUsedDate>" if use else ""
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


def simulate_in_a_context() -> None:
    """The emulator's policy simulator forgets the context, and all resources but the first. Neither knows boundaries and SCPs."""

    def simulate_principal_policy(parameters: Parameters) -> Response:
        role, account = iam._p(parameters, "PolicySourceArn"), responses.get_account_id()
        policies = iam_evaluator._gather_role_policies(role.rpartition("/")[2], account)
        context = {
            iam._p(parameters, f"{entry}.ContextKeyName").lower(): _one_or_all(
                list(_members(parameters, f"{entry}.ContextKeyValues"))
            )
            for entry in _numbered(parameters, "ContextEntries", ".ContextKeyName")
        }
        results = ""
        for action in _members(parameters, "ActionNames"):
            for resource in list(_members(parameters, "ResourceArns")) or ["*"]:
                asked = iam_evaluator.EvalContext(
                    principal_arn=role,
                    principal_type="AssumedRole",
                    principal_account=account,
                    action=action,
                    resource_arn=resource,
                    region=responses.get_region(),
                    source_ip="127.0.0.1",
                    secure_transport=True,
                    service_context=context,
                )
                decision = _DECISIONS[iam_evaluator.evaluate(asked, policies).decision] if policies else _NOT
                results += (
                    f"<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{resource}</EvalResourceName>"
                    f"<EvalDecision>{decision}</EvalDecision></member>"
                )
        response: Response = iam._xml(
            200,
            "SimulatePrincipalPolicyResponse",
            f"<SimulatePrincipalPolicyResult><EvaluationResults>{results}</EvaluationResults>"
            "<IsTruncated>false</IsTruncated></SimulatePrincipalPolicyResult>",
        )
        return response

    iam._IAM_HANDLERS["SimulatePrincipalPolicy"] = simulate_principal_policy


def _numbered(parameters: Parameters, name: str, member: str = "") -> Iterator[str]:
    """`ActionNames.member.1` and so on, as long as there are any."""
    number = 1
    while iam._p(parameters, f"{name}.member.{number}{member}"):
        yield f"{name}.member.{number}"
        number += 1


def _members(parameters: Parameters, name: str) -> Iterator[str]:
    return (iam._p(parameters, each) for each in _numbered(parameters, name))


def _one_or_all(values: list[str]) -> str | list[str]:
    return values[0] if len(values) == 1 else values


def paginate(controls: Controls, *, action: str, members: str) -> None:
    """The emulator gives every list whole; AWS gives MaxItems, at most, and a Marker for the rest."""
    give_all: Handler = iam._IAM_HANDLERS[action]

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
    namespace = f"{{{_NAMESPACE}}}"
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
    ET.register_namespace("", _NAMESPACE)
    cut: bytes = ET.tostring(document, encoding="utf-8")
    return cut
