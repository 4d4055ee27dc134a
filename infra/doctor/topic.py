"""The topic and its key: their policies, statement by statement, and whether the key works."""

from collections.abc import Iterator
from functools import partial
from typing import Any

from infra.doctor.examine import Look
from infra.doctor.findings import Finding, fail, ok
from infra.doctor.mend import as_json, aws
from infra.doctor.policies import differences, statements
from infra.doctor.stack import Stack


def looks(stack: Stack) -> Iterator[Look]:
    for logical_id in stack.deployed.resources("AWS::SNS::TopicPolicy"):
        yield "topic", partial(_topic, stack, logical_id)
    for logical_id in stack.deployed.resources("AWS::KMS::Key"):
        yield "topic's key", partial(_key, stack, logical_id)


def _topic(stack: Stack, logical_id: str) -> Iterator[Finding]:
    properties = stack.deployed.properties(logical_id)
    wanted = properties["PolicyDocument"]
    encrypted = {
        stack.deployed.physical_id(topic): stack.deployed.properties(topic).get("KmsMasterKeyId")
        for topic in stack.deployed.resources("AWS::SNS::Topic")
    }
    for arn in properties["Topics"]:
        attributes = stack.client("sns").get_topic_attributes(TopicArn=arn)["Attributes"]

        def put_back(name: str, value: str, arn: str = arn) -> str:
            return aws(
                "sns set-topic-attributes",
                region=stack.region,
                topic_arn=arn,
                attribute_name=name,
                attribute_value=value,
            )

        different = differences(wanted, attributes.get("Policy"))
        if different:
            yield fail(
                "topic",
                f"its policy is not the template's: {'; '.join(different)}",
                put_back("Policy", as_json(wanted)),
            )
        # By the key's id: SNS says it as it was told, by ARN or without.
        if _key_id(attributes.get("KmsMasterKeyId")) != _key_id(encrypted[arn]):
            yield fail(
                "topic",
                f"it is encrypted with {attributes.get('KmsMasterKeyId', 'no key')}, not with the stack's key",
                put_back("KmsMasterKeyId", str(encrypted[arn])),
            )
        elif not different:
            yield ok("topic", f"{len(statements(wanted))} statements, each the template's; the stack's key")


def _key_id(key: Any) -> str:
    return str(key).rpartition("/")[2]


def _key(stack: Stack, logical_id: str) -> Iterator[Finding]:
    kms, key = stack.client("kms"), stack.deployed.physical_id(logical_id)
    state = kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"]
    enable = aws("kms enable-key", region=stack.region, key_id=key)
    if state != "Enabled":
        mend = enable
        if state == "PendingDeletion":
            mend = f"{aws('kms cancel-key-deletion', region=stack.region, key_id=key)} && {enable}"
        yield fail("topic's key", f"{state}: no mail and no alarm gets through", mend)
    wanted = stack.deployed.properties(logical_id)["KeyPolicy"]
    found = kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"]
    if different := differences(wanted, found):
        yield fail(
            "topic's key",
            f"its policy is not the template's: {'; '.join(different)}",
            aws(
                "kms put-key-policy",
                region=stack.region,
                key_id=key,
                policy_name="default",
                policy=as_json(wanted),
            ),
        )
    elif state == "Enabled":
        yield ok("topic's key", f"enabled; {len(statements(wanted))} statements, each the template's")
