"""`python -m infra.after_deploy`: whether both functions run what was put together here; the last step of `make deploy`.

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
from pathlib import Path
from typing import TYPE_CHECKING

import boto3  # noqa: TID251  # a command of its own, which reads the deployed functions with the caller's credentials
from botocore.exceptions import BotoCoreError, ClientError
from keyrotation.run.settings import region_of

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

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


def functions(environment: Mapping[str, str]) -> list[str]:
    """Both, by the deployed stack's outputs. Raises what botocore raises."""
    cloudformation = boto3.client("cloudformation", region_name=region_of(environment))
    (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    return [outputs["ScannerName"], outputs["RotatorName"]]


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
        lambdas = boto3.client("lambda", region_name=region_of(environment))
        found = [
            each
            for name in functions(environment)
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
    sys.stderr.write("Both functions run the code that was put together here.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
