"""`python -m infra.after_deploy`: the last step of `make deploy`: whether both functions run what was put together here, and
what a person does next.

The CDK CLI uploads nothing that its bucket has already, and the name it looks for is no secret: whoever may write to that
bucket could have put other code there first.
"""

import base64
import hashlib
import io
import json
import os
import sys
import urllib.request
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import boto3  # noqa: TID251  # a command of its own, which reads the deployed functions with the caller's credentials
from botocore.exceptions import BotoCoreError, ClientError
from keyrotation.run.settings import region_of

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sns import SNSClient

CLOUD_ASSEMBLY = Path(__file__).resolve().parents[1] / "cdk.out"
STACK = "AccessKeyRotation"


def bundle_in(assembly: Path) -> Path:
    """The folder that was uploaded for both functions, as the assembly's manifest of assets names it."""
    assets = json.loads((assembly / f"{STACK}.assets.json").read_text())["files"].values()
    (folder,) = {each["source"]["path"] for each in assets if each["source"]["packaging"] == "zip"}
    return assembly / str(folder)


def differences(
    function_name: str, bundle: Path, *, lambdas: "LambdaClient", fetch: Callable[[str], bytes]
) -> Iterator[str]:
    """What the deployed function has otherwise than the bundle. Raises what botocore raises."""
    found = lambdas.get_function(FunctionName=function_name)
    archive = fetch(found["Code"]["Location"])
    digest = base64.b64encode(hashlib.sha256(archive).digest()).decode()
    if digest != found["Configuration"]["CodeSha256"]:
        yield f"{function_name}: what Lambda hands out is not what it says that it runs (CodeSha256)"
        return
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        deployed = {each.filename: packed.read(each) for each in packed.infolist() if not each.is_dir()}
    ours = {
        path.relative_to(bundle).as_posix(): path.read_bytes() for path in bundle.rglob("*") if path.is_file()
    }
    for name in sorted(deployed.keys() | ours.keys()):
        if deployed.get(name) != ours.get(name):
            yield f"{function_name}: {name} is not as it was put together here"
    if layers := found["Configuration"].get("Layers"):
        yield f"{function_name}: it has layers, and this stack gives it none: {layers}"


@dataclass(frozen=True)
class Stack:
    """What is deployed: its parameters, and its outputs."""

    parameters: Mapping[str, str]
    outputs: Mapping[str, str]


def deployed(cloudformation: "CloudFormationClient") -> Stack:
    """Raises what botocore raises."""
    (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    return Stack(
        parameters={each["ParameterKey"]: each["ParameterValue"] for each in stack["Parameters"]},
        outputs={each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]},
    )


def next_steps(stack: Stack, *, sns: "SNSClient") -> Iterator[str]:
    """A line each, the most urgent first."""
    address = stack.parameters["AlertEmail"]
    try:
        pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=stack.outputs["TopicArn"])
        arns = {each["Endpoint"]: each["SubscriptionArn"] for page in pages for each in page["Subscriptions"]}
    except (BotoCoreError, ClientError) as error:
        yield f"See who is subscribed to the topic: that could not be read here ({error})."
    else:
        if not arns:
            yield "Subscribe somebody: nobody gets the mail. For example: make deploy PARAMETERS=AlertEmail=on-call@example.com"
        if not arns.get(address, "arn:").startswith("arn:"):
            yield f"Confirm the subscription: open the link in the mail that SNS sent to {address}. It works for two days."
    yield "Start a run now, instead of waiting for the next one:"
    yield f"    {stack.outputs['RunNow']}"
    yield "See whether all is well: make doctor"
    if stack.parameters["Mode"] == "Audit":
        yield "Nothing is changed in Audit. How to go on from here to Enforce: docs/rollout.md"


def fetched(url: str) -> bytes:
    """From the link that Lambda gives, for ten minutes, to whoever may get the function."""
    with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310  # what Lambda answered
        body: bytes = answer.read()
    return body


def main() -> int:
    """Returns the exit code. What cannot be looked at is not known to be right."""
    environment = os.environ  # noqa: TID251  # a command of its own
    try:
        bundle = bundle_in(CLOUD_ASSEMBLY)
        region = region_of(environment)
        stack = deployed(boto3.client("cloudformation", region_name=region))
        lambdas = boto3.client("lambda", region_name=region)
        found = [
            each
            for name in (stack.outputs["ScannerName"], stack.outputs["RotatorName"])
            for each in differences(name, bundle, lambdas=lambdas, fetch=fetched)
        ]
    except (BotoCoreError, ClientError, OSError) as error:
        sys.stderr.write(f"the deployed code could not be compared with the bundle: {error}\n")
        return 1
    sys.stderr.writelines(f"NOT OUR CODE: {each}\n" for each in found)
    if found:
        sys.stderr.write(
            "Turn the schedule off (the stack's output Stop), and find out who wrote it: docs/security.md\n"
        )
        return 1
    sys.stderr.write("Both functions run the code that was put together here.\n\nNext:\n")
    steps = next_steps(stack, sns=boto3.client("sns", region_name=region))
    sys.stderr.writelines(f"  {each}\n" for each in steps)
    return 0


if __name__ == "__main__":
    sys.exit(main())
