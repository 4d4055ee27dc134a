"""What `cdk bootstrap` made, which every deployment passes through: the bucket of code and templates, and the roles."""

import json
import re
from collections.abc import Iterator
from functools import partial
from typing import Any

from botocore.exceptions import ClientError
from keyrotation.causes import is_code

from infra.after_deploy import STACK
from infra.doctor.examine import Look
from infra.doctor.findings import Finding, fail, note, ok
from infra.doctor.mend import aws
from infra.doctor.stack import Stack

_AGAIN = "make bootstrap"
# Its parameters name the accounts that may deploy or look into this one.
_TOOLKIT = "CDKToolkit"


def looks(stack: Stack) -> Iterator[Look]:
    yield "bootstrap", partial(_version, stack)
    yield "bootstrap bucket", partial(_bucket, stack)
    yield "bootstrap roles", partial(_all_roles, stack)


def _version(stack: Stack) -> Iterator[Finding]:
    said = _artifact(stack)
    needed = int(said["requiresBootstrapStackVersion"])
    parameter = stack.client("ssm").get_parameter(Name=said["bootstrapStackVersionSsmParameter"])
    version = int(parameter["Parameter"]["Value"])
    if version < needed:
        yield fail("bootstrap", f"version {version}, and {needed} is needed", _AGAIN)
    else:
        yield ok("bootstrap", f"version {version}")


def _bucket(stack: Stack) -> Iterator[Finding]:
    """The bucket is found by its name: whoever has that name has the code that is deployed next."""
    bucket, _ = _assets(stack)
    s3 = stack.client("s3")
    try:
        s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=stack.account)
    except ClientError as error:
        # S3 gives no reason: only of a bucket that may be read it is known that the owner is what it refuses.
        if is_code(error, "403") and _may_be_read(s3, bucket):
            yield fail(
                "bootstrap bucket", f"{bucket} is somebody else's: deploy nothing", "# docs/security.md"
            )
            return
        if is_code(error, "404"):
            yield fail("bootstrap bucket", f"{bucket} is gone", _AGAIN)
            return
        raise
    wrong = [*_public(stack, bucket), *_strangers(stack, bucket)]
    yield from wrong
    if not wrong:
        yield ok(
            "bootstrap bucket", f"{bucket}: this account's, not public, and its policy lets nobody else in"
        )


def _may_be_read(s3: Any, bucket: str) -> bool:
    try:
        s3.head_bucket(Bucket=bucket)
    except ClientError:
        return False
    return True


def _public(stack: Stack, bucket: str) -> Iterator[Finding]:
    block: dict[str, Any] = {}
    try:
        block = stack.client("s3").get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    except ClientError as error:
        if not is_code(error, "NoSuchPublicAccessBlockConfiguration"):
            raise
    names = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")
    if not all(block.get(each) for each in names):
        yield fail(
            "bootstrap bucket",
            "public access is not blocked",
            aws(
                "s3api put-public-access-block",
                region=stack.region,
                bucket=bucket,
                public_access_block_configuration=dict.fromkeys(names, True),
            ),
        )


def _strangers(stack: Stack, bucket: str) -> Iterator[Finding]:
    policy = '{"Statement": []}'
    try:
        policy = stack.client("s3").get_bucket_policy(Bucket=bucket)["Policy"]
    except ClientError as error:
        if not is_code(error, "NoSuchBucketPolicy"):
            raise
    for each in json.loads(policy)["Statement"]:
        if each["Effect"] == "Allow" and not _of_this_account(stack, each.get("Principal")):
            yield fail(
                "bootstrap bucket",
                f"its policy lets {json.dumps(each.get('Principal'))} do {each.get('Action')}",
                _AGAIN,
            )


def _of_this_account(stack: Stack, principal: Any) -> bool:
    """What is no ARN of this account, or its id, is a stranger."""
    values = principal.values() if isinstance(principal, dict) else [principal]
    named = [str(one) for each in values for one in (each if isinstance(each, list) else [each])]
    return all(one == stack.account or f":iam::{stack.account}:" in one for one in named)


def _all_roles(stack: Stack) -> Iterator[Finding]:
    arns = _roles(stack)
    told = [each for arn in arns for each in _role(stack, arn)]
    yield from told
    if not told:
        yield ok("bootstrap roles", f"{len(arns)}, which trust this account and no other")


def _role(stack: Stack, arn: str) -> Iterator[Finding]:
    """Whom it trusts beside this account."""
    name = arn.rpartition("/")[2]
    trust = stack.client("iam").get_role(RoleName=name)["Role"]["AssumeRolePolicyDocument"]
    others = sorted(set(re.findall(r"\b\d{12}\b", json.dumps(trust))) - {stack.account})
    anybody = any(
        each["Effect"] == "Allow" and '"*"' in json.dumps(each.get("Principal", {}))
        for each in trust["Statement"]
    )
    if anybody:
        yield fail("bootstrap roles", f"anybody may try to assume {name}", _AGAIN)
        return
    if not others:
        return
    known = _trusted(stack)
    strangers = [each for each in others if each not in known]
    if strangers:
        yield fail(
            "bootstrap roles",
            f"{name} may be assumed from {', '.join(strangers)}, which {_TOOLKIT} does not name",
            _AGAIN,
        )
    else:
        yield note(
            "bootstrap roles",
            f"{name} may be assumed from {', '.join(others)}, as {_TOOLKIT} was told: whoever deploys there has this stack's power",
        )


def _trusted(stack: Stack) -> set[str]:
    """The accounts that the bootstrap was told to trust. None that is known where its stack has another name."""
    try:
        (toolkit,) = stack.client("cloudformation").describe_stacks(StackName=_TOOLKIT)["Stacks"]
    except ClientError as error:
        if not is_code(error, "ValidationError"):
            raise
        return set()
    return {
        account
        for each in toolkit.get("Parameters", [])
        if each["ParameterKey"].startswith("TrustedAccounts")
        for account in each.get("ParameterValue", "").split(",")
    }


def _artifact(stack: Stack) -> dict[str, Any]:
    """What the assembly says of the stack, whatever qualifier the bootstrap has."""
    manifest = json.loads((stack.assembly / "manifest.json").read_text())
    properties: dict[str, Any] = manifest["artifacts"][STACK]["properties"]
    return properties


def _assets(stack: Stack) -> tuple[str, str]:
    """The bucket, and the role that writes into it."""
    files = json.loads((stack.assembly / f"{STACK}.assets.json").read_text())["files"].values()
    (where,) = {
        (each["bucketName"], each["assumeRoleArn"])
        for file in files
        for each in file["destinations"].values()
    }
    bucket, role = (stack.deployed.resolve({"Fn::Sub": each}) for each in where)
    return bucket, role


def _roles(stack: Stack) -> list[str]:
    said = _artifact(stack)
    arns = [said["assumeRoleArn"], said["cloudFormationExecutionRoleArn"], said["lookupRole"]["arn"]]
    _, publishing = _assets(stack)
    return [publishing, *(str(stack.deployed.resolve({"Fn::Sub": each})) for each in arns)]
