"""Organizations and StackSets: all accounts are of one organization, and its StackSet is the stacks that bear its name."""

from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.services import cloudformation, organizations
from ministack.services.cloudformation.helpers import _p, _xml

from sandbox.patches.answers import Parameters, Response


def belong_to_one_organization() -> None:
    """The emulator makes an organization for each account that asks; here all are members of the first one's."""

    def principal_org_id(_account_id: str) -> str | None:
        found = (str(each["Id"]) for each in organizations._orgs._data.values() if isinstance(each, dict))
        return next(found, None)

    iam_evaluator._principal_org_id = principal_org_id


def list_the_stacks_of_a_stackset() -> None:
    """The emulator has no StackSets. A test makes their stacks by CreateStack: `StackSet-<name>-...` in each account."""

    def list_stack_instances(parameters: Parameters) -> Response:
        prefix = f"StackSet-{_p(parameters, 'StackSetName')}-"
        stacks: dict[Any, dict[str, Any]] = cloudformation._stacks._data
        accounts = {
            each["StackId"].split(":")[4]: each["StackStatus"]
            for each in stacks.values()
            if each["StackName"].startswith(prefix)
        }
        members = "".join(
            f"<member><Account>{account}</Account><Status>{'CURRENT' if 'COMPLETE' in status else 'INOPERABLE'}</Status></member>"
            for account, status in sorted(accounts.items())
        )
        inner = f"<ListStackInstancesResult><Summaries>{members}</Summaries></ListStackInstancesResult>"
        answer: Response = _xml(200, "ListStackInstancesResponse", inner)
        return answer

    cloudformation._ACTION_HANDLERS["ListStackInstances"] = list_stack_instances
    extract = iam_actions.extract_resource_arn

    def extract_resource_arn(service: str, *request: Any) -> str:
        *_, parameters, region, account_id = request  # method, path, headers, body, and these
        if service == "cloudformation" and (name := _p(parameters, "StackSetName")):
            return f"arn:aws:cloudformation:{region}:{account_id}:stackset/{name}:0"
        return str(extract(service, *request))

    iam_actions.extract_resource_arn = extract_resource_arn
