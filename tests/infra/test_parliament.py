"""parliament judges every policy of the template by AWS's service authorization reference: nothing that is not acknowledged."""

import importlib
import json
import re
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from tests.infra.synthesized import Template, of_type, path_of, text, with_parameters

# Everything that this stack can have is there.
PARAMETERS = {
    "Mode": "Enforce",
    "SecretsKmsKeyArn": "arn:aws:kms:eu-central-1:123456789012:key/00000000-0000-0000-0000-000000000000",
    "OperatorArns": "arn:aws:iam::123456789012:role/on-call",
}
DOCUMENTS = (
    ("AWS::IAM::Policy", "PolicyDocument"),
    ("AWS::IAM::Role", "AssumeRolePolicyDocument"),
    ("AWS::KMS::Key", "KeyPolicy"),
    ("AWS::SNS::TopicPolicy", "PolicyDocument"),
    ("AWS::SQS::QueuePolicy", "PolicyDocument"),
)
# What a reference to a resource is in a policy.
ARNS = {
    "AWS::IAM::Role": "arn:aws:iam::123456789012:role/{}",
    "AWS::Lambda::Function": "arn:aws:lambda:eu-central-1:123456789012:function:{}",
    "AWS::Logs::LogGroup": "arn:aws:logs:eu-central-1:123456789012:log-group:{}:*",
    "AWS::SNS::Topic": "arn:aws:sns:eu-central-1:123456789012:{}",
    "AWS::SQS::Queue": "arn:aws:sqs:eu-central-1:123456789012:{}",
}
OF_THE_ACCOUNT = {
    "AWS::Partition": "aws",
    "AWS::AccountId": "123456789012",
    "AWS::Region": "eu-central-1",
    "AWS::StackName": "AccessKeyRotation",
    "AWS::URLSuffix": "amazonaws.com",
}
TRUST = "a trust policy is about the role that it stands on, and IAM takes no Resource in one; parliament has no word of them"
KEY_POLICY = "in a key's own policy * is this key, and AWS asks for it"
OWN_CODE = (
    "lambda:SourceFunctionArn is in what a function's own code asks of any service, as AWS documents for Lambda; the "
    "reference lists it under Lambda alone. docs/findings.md says what a live account shows first"
)
# By policy and kind of finding: what it is about, and why it is none.
ACKNOWLEDGED = {
    ("Scanner/Role", "MALFORMED"): TRUST,
    ("Rotator/Role", "MALFORMED"): TRUST,
    ("Daily/Role", "MALFORMED"): TRUST,
    ("Alerts/Key", "RESOURCE_STAR"): KEY_POLICY,
    ("Enforcement", "UNKNOWN_CONDITION_FOR_ACTION"): OWN_CODE,
    ("Encryption", "UNKNOWN_CONDITION_FOR_ACTION"): OWN_CODE,
}


@pytest.fixture(scope="module")
def parliament() -> ModuleType:
    # While it is imported it leaves two files open, and asks pkg_resources for them, which setuptools calls deprecated.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("parliament")


def policies(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every document with the construct that it is of, and ARNs for references."""
    arns = {
        path_of(template, name): ARNS[each["Type"]].format(name)
        for name, each in template["Resources"].items()
        if each["Type"] in ARNS
    }
    for kind, document in DOCUMENTS:
        for path, resource in of_type(template, kind).items():
            yield _construct(path), _put_in(template, resource["Properties"][document], arns)
    for path, resource in of_type(template, "AWS::DynamoDB::Table").items():
        document = resource["Properties"]["ResourcePolicy"]["PolicyDocument"]
        yield path, _put_in(template, document, arns)


def _construct(path: str) -> str:
    return path.removesuffix("/DefaultPolicy").removesuffix("/Policy")


def _put_in(template: Template, value: Any, arns: dict[str, str]) -> Any:
    match value:
        case {"Ref": _} | {"Fn::GetAtt": _} | {"Fn::Join": _}:
            return re.sub(
                r"\$\{([^}]+)\}",
                lambda found: (OF_THE_ACCOUNT | arns)[found[1].removesuffix(".Arn")],
                text(template, value),
            )
        case dict():
            return {key: _put_in(template, each, arns) for key, each in value.items()}
        case list():
            return [_put_in(template, each, arns) for each in value]
    return value


def found(template: Template, parliament: ModuleType) -> dict[tuple[str, str], set[str]]:
    """What is said of each policy, by kind."""
    kinds: dict[tuple[str, str], set[str]] = {}
    for construct, document in policies(with_parameters(template, **PARAMETERS)):
        for finding in parliament.analyze_policy_string(json.dumps(document)).findings:
            kinds.setdefault((construct, finding.issue), set()).add(str(finding.detail))
    return kinds


def test_every_policy_of_the_template_is_judged(template: Template) -> None:
    judged = [construct for construct, _ in policies(with_parameters(template, **PARAMETERS))]
    mentioned = [
        name
        for name, each in template["Resources"].items()
        if '"Statement"' in json.dumps(each["Properties"])
    ]
    assert len(judged) == len(mentioned) == 15


def test_it_finds_nothing_but_what_is_acknowledged(template: Template, parliament: ModuleType) -> None:
    told = found(template, parliament)
    assert {key: told[key] for key in told if key not in ACKNOWLEDGED} == {}
    assert ACKNOWLEDGED.keys() == told.keys(), "one of these reasons is stale"
    assert {
        each.split(" for action ")[0] for each in told["Enforcement", "UNKNOWN_CONDITION_FOR_ACTION"]
    } == {"Unknown condition lambda:SourceFunctionArn"}


@pytest.mark.parametrize(
    ("wrong", "issue"),
    [
        ({"Action": "iam:CreateAccesKey"}, "UNKNOWN_ACTION"),
        ({"Resource": "*"}, "RESOURCE_STAR"),
        ({"Resource": "arn:aws:sqs:eu-central-1:123456789012:orders"}, "RESOURCE_MISMATCH"),
        ({"Condition": {"StringEquals": {"aws:PrincipalArm": "x"}}}, "UNKNOWN_CONDITION_FOR_ACTION"),
    ],
)
def test_a_mistake_would_be_found(parliament: ModuleType, wrong: dict[str, Any], issue: str) -> None:
    """Each in a statement that is right otherwise."""
    statement = {
        "Effect": "Allow",
        "Action": "iam:CreateAccessKey",
        "Resource": "arn:aws:iam::123456789012:user/*",
    }
    for made, expected in ((statement, set()), (statement | wrong, {issue})):
        policy = parliament.analyze_policy_string(json.dumps({"Version": "2012-10-17", "Statement": [made]}))
        assert {each.issue for each in policy.findings} == expected
