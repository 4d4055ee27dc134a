"""The deployed stack as CloudFormation knows it; everything else is looked at by what stands here."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from infra.after_deploy import STACK
from infra.doctor.template import Deployed

# As botocore has them. Of another partition it is not known, and what rests on it is not seen.
_URL_SUFFIXES = {
    "aws": "amazonaws.com",
    "aws-cn": "amazonaws.com.cn",
    "aws-eusc": "amazonaws.eu",
    "aws-us-gov": "amazonaws.com",
}


class NoStack(Exception):
    """There is nothing to look at."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """`described`: what DescribeStacks says. `ours`: the template of this checkout, in `assembly`."""

    described: Mapping[str, Any]
    deployed: Deployed
    assembly: Path
    client: Callable[[str], Any]

    @cached_property
    def ours(self) -> Mapping[str, Any]:
        template: Mapping[str, Any] = json.loads((self.assembly / f"{STACK}.template.json").read_text())
        return template

    @cached_property
    def outputs(self) -> Mapping[str, str]:
        return {each["OutputKey"]: each["OutputValue"] for each in self.described.get("Outputs", [])}

    @property
    def account(self) -> str:
        return self.deployed.pseudo["AWS::AccountId"]

    @property
    def region(self) -> str:
        return self.deployed.pseudo["AWS::Region"]

    @property
    def partition(self) -> str:
        return self.deployed.pseudo["AWS::Partition"]


def read(*, client: Callable[[str], Any], assembly: Path) -> Stack:
    """Raises NoStack, and what botocore raises."""
    cloudformation = client("cloudformation")
    described = cloudformation.describe_stacks(StackName=STACK).get("Stacks", [])
    if not described:
        raise NoStack
    (stack,) = described
    body = cloudformation.get_template(StackName=STACK, TemplateStage="Original")["TemplateBody"]
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=STACK)
    # arn:aws:cloudformation:eu-west-1:123456789012:stack/AccessKeyRotation/...
    _, partition, _, region, account, _ = stack["StackId"].split(":", 5)
    return Stack(
        described=stack,
        deployed=Deployed(
            template=json.loads(body) if isinstance(body, str) else body,
            parameters={
                each["ParameterKey"]: each.get("ResolvedValue", each.get("ParameterValue", ""))
                for each in stack.get("Parameters", [])
            },
            physical_ids={
                each["LogicalResourceId"]: each["PhysicalResourceId"]
                for page in pages
                for each in page.get("StackResourceSummaries", [])
                if each.get("PhysicalResourceId") and not each.get("ResourceStatus", "").startswith("DELETE_")
            },
            pseudo={
                "AWS::AccountId": account,
                "AWS::Partition": partition,
                "AWS::Region": region,
                "AWS::StackId": stack["StackId"],
                "AWS::StackName": stack["StackName"],
            }
            | ({"AWS::URLSuffix": _URL_SUFFIXES[partition]} if partition in _URL_SUFFIXES else {}),
        ),
        assembly=assembly,
        client=client,
    )
