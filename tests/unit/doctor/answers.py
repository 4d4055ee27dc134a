"""AWS as a test says that it answers: a stub of each client, and a small stack to look at."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from infra.doctor.examine import Look, findings
from infra.doctor.findings import Finding
from infra.doctor.stack import Stack
from infra.doctor.template import Deployed

NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
ACCOUNT, REGION = "111122223333", "eu-west-1"
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:topic"

Answer = Any | Callable[..., Any]


def refuses(code: str, message: str = "no") -> Callable[..., Any]:
    """As boto3 raises what AWS answers. The operation is put in by whoever is asked."""

    def refuse(operation: str) -> ClientError:
        return ClientError({"Error": {"Code": code, "Message": message}}, operation)

    refuse.refuses = True  # type: ignore[attr-defined]
    return refuse


@dataclass
class Client:
    """`answers`: by the operation as AWS calls it: what it answers, or a function of what it is asked."""

    answers: Mapping[str, Answer]
    asked: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def __getattr__(self, method: str) -> Callable[..., Any]:
        operation = "".join(part.capitalize() for part in method.split("_"))

        def ask(**request: Any) -> Any:
            self.asked.append((operation, request))
            answer = self.answers[operation]
            if getattr(answer, "refuses", False):
                raise answer(operation)
            return answer(**request) if callable(answer) else answer

        return ask

    def get_paginator(self, method: str) -> SimpleNamespace:
        """One page."""
        return SimpleNamespace(paginate=lambda **request: [getattr(self, method)(**request)])


def stack_of(
    *clients: tuple[str, Client],
    resources: Mapping[str, Any] | None = None,
    conditions: Mapping[str, Any] | None = None,
    parameters: Mapping[str, str] | None = None,
    assembly: Path = Path("nowhere"),
    **described: Any,
) -> Stack:
    """With these resources in its template, every one of which is deployed under its own name in small letters."""
    template = {"Resources": dict(resources or {}), "Conditions": dict(conditions or {})}
    by_service = dict(clients)
    return Stack(
        described={
            "StackStatus": "CREATE_COMPLETE",
            "CreationTime": datetime(2026, 11, 1, tzinfo=UTC),
            "Outputs": [
                {"OutputKey": "TopicArn", "OutputValue": TOPIC},
                {"OutputKey": "RotatorName", "OutputValue": "rotator"},
                {"OutputKey": "RunNow", "OutputValue": "run now"},
                {"OutputKey": "StartAgain", "OutputValue": "start again"},
            ],
            **described,
        },
        deployed=Deployed(
            template=template,
            parameters=dict(parameters or {}),
            physical_ids={name: name.lower() for name in template["Resources"]},
            pseudo={
                "AWS::AccountId": ACCOUNT,
                "AWS::Partition": "aws",
                "AWS::Region": REGION,
                "AWS::StackName": "AccessKeyRotation",
            },
        ),
        assembly=assembly,
        client=lambda service: by_service[service],
    )


def told(looks: Iterator[Look]) -> list[Finding]:
    return list(findings(looks))


def role_with(*statements: Mapping[str, Any]) -> dict[str, Any]:
    """A role of the template, with one inline policy."""
    policy = {"PolicyName": "does", "PolicyDocument": {"Statement": [dict(each) for each in statements]}}
    trust = {
        "Statement": [
            {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        ]
    }
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {"Policies": [policy], "AssumeRolePolicyDocument": trust},
    }


def as_json(*statements: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
