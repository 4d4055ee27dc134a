"""`python -m infra.before_deploy Name=value ...`: says what `make deploy` is about to change and where, and refuses what cannot
be meant, before anything is synthesized or deployed.

Each value is judged by the template's own definitions, and all together by the functions' own policy, in their words. A
parameter that is not named counts as `make deploy` leaves it: with the value of the stack that is deployed, otherwise with
the template's default.
"""

import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

import boto3  # noqa: TID251  # a command of its own, which reads the deployed stack with the caller's credentials
from botocore.exceptions import BotoCoreError, ClientError
from keyrotation.policy import Policy, PolicyError, parameter_name
from keyrotation.run.settings import SettingsError, principals, refuse_strangers, region_of, whole_number

from infra.parameters import POLICY
from infra.values import defaults, refusals
from infra.version import VERSION

STACK = "AccessKeyRotation"
# Of a first deployment that was begun, or failed: the CDK CLI makes the stack anew.
NOT_THERE = {"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE"}
MODES = {
    "Audit": "Audit: it looks and reports, and has no permission to change a key",
    "Enforce": "Enforce: the next run replaces keys that are due, and gives notice before anything is switched off",
}


@dataclass(frozen=True, kw_only=True)
class Target:
    """Where a deployment goes. `alias`: of the account, or why it is not known; empty: it has none.

    `deployed`: the parameters of the stack there; None: there is none.
    """

    account: str
    alias: str
    region: str
    caller: str
    deployed: Mapping[str, str] | None
    version: str = ""


def problems(
    parameters: Sequence[str], *, deployed: Mapping[str, str], account: str | None = None
) -> list[str]:
    """What does not fit together in `Name=value` words, one problem each; empty when they may be deployed.

    `account`: where to. None: not known, and whose the readers are is not judged.
    """
    given = {**deployed, **dict(each.partition("=")[::2] for each in parameters)}
    numbers = {number.name: number.default for number in POLICY}
    told = []
    for name in numbers.keys() & given.keys():
        try:
            numbers[name] = whole_number(given[name])
        except ValueError as refused:
            told.append(f"{name} is {given[name]!r}: {refused}")
    for name in ("SecretReaderArns", "OperatorArns"):
        try:
            principals(given.get(name, ""))
        except ValueError as refused:
            told.append(f"{name}: {refused}")
    if told:
        return sorted(told)
    if account is not None:
        readers, key = principals(given.get("SecretReaderArns", "")), given.get("SecretsKmsKeyArn") or None
        try:
            refuse_strangers(readers, account=account, kms_key_arn=key)
        except SettingsError as refused:
            return [str(refused)]
    try:
        Policy(**{field: numbers[parameter_name(field)] for field in Policy.__dataclass_fields__})
    except PolicyError as refused:
        return str(refused).splitlines()
    return []


def target(client: Callable[[str], Any]) -> Target:
    """Asked of AWS, with the caller's credentials. Raises what botocore raises."""
    caller = client("sts").get_caller_identity()
    cloudformation = client("cloudformation")
    try:
        [stack] = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        stack = {"StackStatus": "REVIEW_IN_PROGRESS"}
    deployed = {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])}
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack.get("Outputs", [])}
    return Target(
        account=caller["Account"],
        alias=_alias(client("iam")),
        region=cloudformation.meta.region_name,
        caller=caller["Arn"],
        deployed=None if stack["StackStatus"] in NOT_THERE else deployed,
        version=outputs.get("Version", "unknown"),
    )


def _alias(iam: Any) -> str:
    """For the reader only: whoever may deploy need not be allowed to read it."""
    try:
        return "".join(iam.list_account_aliases()["AccountAliases"])
    except ClientError as error:
        return f"its alias could not be read: {error.response['Error']['Code']}"


def summary(where: Target, parameters: Sequence[str]) -> Iterator[str]:
    """What a person wants to see before saying yes, a line each."""
    yield f"Account  {where.account}" + (f" ({where.alias})" if where.alias else "")
    yield f"Region   {where.region}"
    yield f"As       {where.caller}"
    if where.deployed is None:
        yield f"Stack    {STACK} {VERSION}, new"
    else:
        yield f"Stack    {STACK}, update from version {where.version} to {VERSION}"
    named = dict(each.partition("=")[::2] for each in parameters)
    before = defaults() if where.deployed is None else {**defaults(), **where.deployed}
    after = {**before, **named}
    changed = [name for name in named if after[name] != before[name]]
    of = "the defaults" if where.deployed is None else "what is deployed"
    yield f"Change   {len(changed)} parameter{'s' * (len(changed) != 1)}, compared with {of}"
    width = max(map(len, changed), default=0)
    yield from (
        f"         {name:{width}}  {_shown(before[name])} -> {_shown(after[name])}" for name in changed
    )
    if where.deployed is None or "Mode" in changed:
        yield f"Mode     {MODES[after['Mode']]}"
    if not after["AlertEmail"]:
        yield "WARNING  AlertEmail is empty: nobody gets the mail or the alarms, and no key is switched off or deleted"
        yield "         until somebody is subscribed to the topic. To name an address: AlertEmail=on-call@example.com"


def nobody_below(path: str, iam: Any) -> bool:
    """The stack would look at nobody; of `/`, it waits for the account's first user. Raises what botocore raises."""
    if path == "/":
        return False
    pages = iam.get_paginator("list_users").paginate(PathPrefix=path)
    return not any(page["Users"] for page in pages)


def _goes_on_without_users(path: str, iam: Any, *, asks: bool, stdin: TextIO) -> bool:
    """A path that is mistyped deploys well and rotates nothing: a person is asked, and a pipeline has to say that it is meant."""
    try:
        if not nobody_below(path, iam):
            return True
    except ClientError as error:
        # Whoever may deploy need not be allowed to list users.
        sys.stderr.write(
            f"Whether anybody is below {path} could not be read: {error.response['Error']['Code']}\n"
        )
        return True
    sys.stderr.write(
        f"WARNING  no IAM user is below UserPathPrefix={path}: no key would be rotated. A path is case-sensitive\n"
    )
    if not asks:
        return True
    if not stdin.isatty():
        sys.stderr.write("refused: there is nobody to ask here. If the path is meant: APPROVAL=never\n")
        return False
    sys.stderr.write("Deploy all the same? [y/N] ")
    sys.stderr.flush()
    return stdin.readline().strip().lower() in ("y", "yes")


def _shown(value: str) -> str:
    return value or "(empty)"


def main(
    parameters: Sequence[str],
    *,
    environment: Mapping[str, str],
    client: Callable[..., Any] = boto3.client,
    stdin: TextIO,
) -> int:
    """Returns the exit code. Where the stack cannot be looked at, what is named is judged beside the defaults."""
    region = region_of(environment)
    try:
        where = target(lambda service: client(service, region_name=region))
    except (BotoCoreError, ClientError) as error:
        sys.stderr.write(
            f"the deployed parameters could not be read ({type(error).__name__}): judged by the defaults\n"
        )
        where = None
    refused = list(refusals(parameters, region=where.region if where else region))
    if not refused:
        refused = problems(
            parameters,
            deployed=(where.deployed or {}) if where else {},
            account=where.account if where else None,
        )
    if where and not refused:
        sys.stderr.writelines(f"{line}\n" for line in summary(where, parameters))
    sys.stderr.writelines(f"refused: {problem}\n" for problem in refused)
    if refused or not where:
        return 1 if refused else 0
    named = dict(each.partition("=")[::2] for each in parameters)
    path = {**defaults(), **(where.deployed or {}), **named}["UserPathPrefix"]
    asks = environment.get("APPROVAL") != "never"
    iam = client("iam", region_name=region)
    return 0 if _goes_on_without_users(path, iam, asks=asks, stdin=stdin) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], environment=os.environ, stdin=sys.stdin))  # noqa: TID251  # a command of its own
