"""`python -m infra.before_organization Name=value ...`: refuses an organization that cannot be deployed so, before anything is.

A parameter that is not named counts with the value of the stack that is deployed, otherwise with the template's default.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import boto3  # noqa: TID251  # a command of its own, which looks at the organization with the caller's credentials
from botocore.exceptions import BotoCoreError, ClientError
from keyrotation.run.settings import region_of

from infra import before_deploy
from infra.parameters import Organization
from infra.values import refusals

STACK = "AccessKeyRotationOrganization"
_REGISTER = """this account is no delegated administrator of StackSets. In the management account:
  aws organizations enable-aws-service-access --service-principal member.org.stacksets.cloudformation.amazonaws.com
  aws organizations register-delegated-administrator --account-id {account} \\
    --service-principal member.org.stacksets.cloudformation.amazonaws.com"""
# Said every time: nothing here can look into the accounts.
EXPLAINED = """Before this goes out, know that:
- StackSets never deploy to the management account: deploy it by hand there (docs/organization.md, "The management account").
- An account that has the stack of its own already cannot get a second one: the rotator's role and the table have fixed names. Its
  instance fails, the digest names it, and nothing of it changes. Delete its stack first: keys, secrets and the table stay.
"""


@dataclass(frozen=True, kw_only=True)
class Here:
    """Where the caller is. `management`: the number of the management account."""

    account: str
    organization: str
    management: str
    delegated: bool


def problems(parameters: Sequence[str], *, deployed: Mapping[str, str], here: Here) -> list[str]:
    """What is wrong, one problem each; empty when it may be deployed."""
    given = {**deployed, **dict(each.partition("=")[::2] for each in parameters)}
    told = [
        f"{name} is missing" for name in ("OrganizationId", "OrganizationalUnitIds") if not given.get(name)
    ]
    told += refusals(parameters, region=None, of=Organization)
    if told:
        return told
    units = _listed(given, "OrganizationalUnitIds")
    enforced = _listed(given, "EnforceOrganizationalUnitIds")
    told += [
        f"{each} is in OrganizationalUnitIds and in EnforceOrganizationalUnitIds: it can be in one of them"
        for each in units
        if each in enforced
    ]
    run_at, digest_at = given.get("RunAt", "06:00"), given.get("DigestAt", "10:00")
    if digest_at <= run_at:
        told.append(
            f"DigestAt={digest_at} is not after RunAt={run_at}: the digest would always hold the reports of the day before"
        )
    told += before_deploy.problems(parameters, deployed=deployed)
    return told + _of_the_account(given, here)


def _of_the_account(given: Mapping[str, str], here: Here) -> list[str]:
    told = []
    if (known := given.get("OrganizationId")) and known != here.organization:
        told.append(f"OrganizationId is {known}, and this account is in {here.organization}")
    as_management = given.get("CallAs", "DELEGATED_ADMIN") == "SELF"
    if here.account == here.management and not as_management:
        told.append(
            f"{here.account} is the management account, to which StackSets never deploy, and which should hold as little as "
            "possible. Deploy from another account that is registered for StackSets, or say CallAs=SELF"
        )
    if here.account != here.management and as_management:
        told.append(
            f"CallAs=SELF is for the management account {here.management}, and this is {here.account}"
        )
    if here.account != here.management and not here.delegated:
        told.append(_REGISTER.format(account=here.account))
    return told


def _listed(given: Mapping[str, str], name: str) -> list[str]:
    return [each for each in given.get(name, "").split(",") if each]


def looked(client: Callable[[str], Any]) -> tuple[dict[str, str], Here]:
    """What is deployed, and where the caller is. Raises what botocore raises."""
    cloudformation = client("cloudformation")
    account = client("sts").get_caller_identity()["Account"]
    known = client("organizations").describe_organization()["Organization"]
    try:
        cloudformation.list_stack_sets(CallAs="DELEGATED_ADMIN", MaxResults=1)
        delegated = True
    except ClientError:
        # Whatever the reason is, StackSets do not take this account for one.
        delegated = False
    here = Here(
        account=account, organization=known["Id"], management=known["MasterAccountId"], delegated=delegated
    )
    return _in_force(cloudformation), here


def _in_force(cloudformation: Any) -> dict[str, str]:
    """The parameters of the deployed stack; none before the first deployment."""
    try:
        [stack] = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return {}
        raise
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])}


def main(
    parameters: Sequence[str], *, environment: Mapping[str, str], client: Callable[..., Any] = boto3.client
) -> int:
    """Returns the exit code. An organization that cannot be looked at is not deployed to."""
    region = region_of(environment)
    try:
        deployed, here = looked(lambda service: client(service, region_name=region))
    except (BotoCoreError, ClientError) as error:
        sys.stderr.write(f"refused: the organization could not be looked at: {error}\n")
        return 1
    refused = problems(parameters, deployed=deployed, here=here)
    sys.stderr.writelines(f"refused: {problem}\n" for problem in refused)
    sys.stderr.write(EXPLAINED)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], environment=os.environ))  # noqa: TID251  # a command of its own
