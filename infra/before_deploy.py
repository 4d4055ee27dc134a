"""`python -m infra.before_deploy Name=value ...`: refuses parameters that do not fit together, before anything is deployed.

With the words of the functions, whose own policy judges. A parameter that is not named counts as `make deploy` leaves it:
with the value of the stack that is deployed, otherwise with the template's default.
"""

import os
import sys
from collections.abc import Mapping, Sequence

import boto3  # noqa: TID251  # a command of its own, which reads the deployed stack with the caller's credentials
from botocore.exceptions import BotoCoreError, ClientError
from keyrotation.policy import Policy, PolicyError, parameter_name
from keyrotation.run.settings import SettingsError, principals, refuse_strangers, region_of, whole_number

from infra.parameters import POLICY


def problems(
    parameters: Sequence[str], *, deployed: Mapping[str, str], account: str | None = None
) -> list[str]:
    """What is wrong with `Name=value` words, one problem each; empty when they may be deployed.

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


def in_force(environment: Mapping[str, str]) -> dict[str, str]:
    """The parameters of the deployed stack; none before the first deployment. Raises what botocore raises."""
    cloudformation = boto3.client("cloudformation", region_name=region_of(environment))
    try:
        [stack] = cloudformation.describe_stacks(StackName="AccessKeyRotation")["Stacks"]
    except ClientError as error:
        if "does not exist" in str(error):
            return {}
        raise
    return {each["ParameterKey"]: each["ParameterValue"] for each in stack.get("Parameters", [])}


def main(parameters: Sequence[str]) -> int:
    """Returns the exit code. Where the stack cannot be looked at, what is named is judged beside the defaults."""
    try:
        deployed = in_force(os.environ)  # noqa: TID251  # a command of its own
        readers = any(each.startswith("SecretReaderArns=") for each in parameters) or deployed.get(
            "SecretReaderArns"
        )
        account = boto3.client("sts").get_caller_identity()["Account"] if readers else None
    except (BotoCoreError, ClientError) as error:
        sys.stderr.write(
            f"the deployed parameters could not be read ({type(error).__name__}): judged by the defaults\n"
        )
        deployed, account = {}, None
    refused = problems(parameters, deployed=deployed, account=account)
    sys.stderr.writelines(f"refused: {problem}\n" for problem in refused)
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
