"""The topic: encrypted, TLS only, open to this account's alarms, and to an address when there is one."""

from typing import Any

import pytest

from tests.infra.synthesized import Template, holds, of_type, properties, text

BESIDE = ["Bulletins/Owners", "Bulletins/Chat"]
ACCOUNT = {"Ref": "AWS::AccountId"}


def of_our_alarms(template: Template, condition: dict[str, Any]) -> bool:
    """Of this account, and of each alarm of this stack by its own name: whoever may make alarms makes others."""
    assert condition.keys() == {"StringEquals", "ArnEquals"}
    assert condition["StringEquals"] == {"aws:SourceAccount": ACCOUNT}
    arns = [text(template, each) for each in condition["ArnEquals"]["aws:SourceArn"]]
    names = [
        text(template, each["Properties"]["AlarmName"])
        for each in of_type(template, "AWS::CloudWatch::Alarm").values()
    ]
    prefix = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:"
    return sorted(arns) == sorted(prefix + name for name in names) and not any("*" in each for each in arns)


def topic_policy(template: Template, topic: str = "Alerts/Topic") -> list[dict[str, Any]]:
    [policy] = [
        each
        for each in of_type(template, "AWS::SNS::TopicPolicy").values()
        if [text(template, arn) for arn in each["Properties"]["Topics"]] == [f"${{{topic}}}"]
    ]
    return [
        {**each, "Resource": text(template, each["Resource"])}
        for each in policy["Properties"]["PolicyDocument"]["Statement"]
    ]


def key_policy(template: Template) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = properties(template, "AWS::KMS::Key", "Alerts/Key")["KeyPolicy"][
        "Statement"
    ]
    return found


def for_cloudwatch(statements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [each for each in statements if each["Principal"] == {"Service": "cloudwatch.amazonaws.com"}]


def test_each_is_encrypted_with_a_key_of_our_own_that_rotates(template: Template) -> None:
    topics = of_type(template, "AWS::SNS::Topic")
    assert list(topics) == ["Alerts/Topic", *BESIDE]
    keys = {text(template, each["Properties"]["KmsMasterKeyId"]) for each in topics.values()}
    assert keys == {"${Alerts/Key.Arn}"}
    assert properties(template, "AWS::KMS::Key", "Alerts/Key")["EnableKeyRotation"] is True


@pytest.mark.parametrize("topic", ["Alerts/Topic", *BESIDE])
def test_nobody_publishes_without_tls(template: Template, topic: str) -> None:
    denies = [
        each for each in topic_policy(template, topic) if "aws:SecureTransport" in str(each["Condition"])
    ]
    assert [(each["Principal"], each["Action"], each["Resource"], each["Condition"]) for each in denies] == [
        ("*", "sns:Publish", f"${{{topic}}}", {"Bool": {"aws:SecureTransport": "false"}})
    ]


@pytest.mark.parametrize("topic", BESIDE)
def test_to_owners_and_chat_speaks_the_rotator_alone(template: Template, topic: str) -> None:
    """Whoever may publish to `*` must not be able to tell an owner what to do."""
    statements = topic_policy(template, topic)
    assert [each["Effect"] for each in statements] == ["Deny", "Deny"]
    [statement] = [each for each in statements if each.get("Sid") == "NobodyElseSpeaks"]
    assert (statement["Principal"], statement["Action"]) == ({"AWS": "*"}, "sns:Publish")
    assert list(statement["Condition"]) == ["StringNotEquals"]
    unless = statement["Condition"]["StringNotEquals"]
    assert list(unless) == ["aws:PrincipalArn"]
    assert text(template, unless["aws:PrincipalArn"]) == "${Rotator/Role.Arn}"


def test_nobody_publishes_but_the_rotator_and_services_of_aws(template: Template) -> None:
    """The digest holds commands to copy: whoever may publish to `*` must not be able to write one."""
    [statement] = [each for each in topic_policy(template) if each.get("Sid") == "NobodyElseSpeaks"]
    assert (statement["Effect"], statement["Principal"]) == ("Deny", {"AWS": "*"})
    assert (statement["Action"], statement["Resource"]) == ("sns:Publish", "${Alerts/Topic}")
    assert statement["Condition"].keys() == {"StringNotEquals", "BoolIfExists"}
    unless = statement["Condition"]["StringNotEquals"]
    assert unless.keys() == {"aws:PrincipalArn", "aws:SourceAccount"}
    assert text(template, unless["aws:PrincipalArn"]) == "${Rotator/Role.Arn}"
    # No principal of IAM bears it, and an alarm of this account does.
    assert unless["aws:SourceAccount"] == ACCOUNT
    # An alarm has no principal's ARN: without this its mail would be denied.
    assert statement["Condition"]["BoolIfExists"] == {"aws:PrincipalIsAWSService": "false"}


def test_alarms_of_this_stack_may_publish_and_nobody_else_by_the_topics_policy(template: Template) -> None:
    allows = [each for each in topic_policy(template) if each["Effect"] == "Allow"]
    assert allows == for_cloudwatch(allows)
    assert [(each["Action"], each["Resource"]) for each in allows] == [("sns:Publish", "${Alerts/Topic}")]
    assert of_our_alarms(template, allows[0]["Condition"])


def test_alarms_of_this_stack_may_use_the_key(template: Template) -> None:
    """Otherwise an alarm changes its state and its mail is lost without a word."""
    [statement] = for_cloudwatch(key_policy(template))
    assert statement["Effect"] == "Allow"
    # kms:GenerateDataKey*, as CloudWatch's documentation has it, but for the pairs of keys, which sign.
    assert statement["Action"] == [
        "kms:Decrypt",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyWithoutPlaintext",
    ]
    assert of_our_alarms(template, statement["Condition"])


def test_the_rotator_uses_the_key_by_way_of_sns_alone(template: Template) -> None:
    [statement] = [each for each in key_policy(template) if each["Sid"] == "DigestsOfTheRotator"]
    assert statement["Effect"] == "Allow"
    # KMS would look a principal up, and take a role that is made anew for another.
    assert statement["Principal"] == {"AWS": "*"}
    assert statement["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    (conditions,) = statement["Condition"].values()
    assert list(statement["Condition"]) == ["StringEquals"]
    assert conditions.keys() == {"aws:PrincipalArn", "kms:CallerAccount", "kms:ViaService"}
    assert text(template, conditions["aws:PrincipalArn"]) == "${Rotator/Role.Arn}"
    assert conditions["kms:CallerAccount"] == ACCOUNT
    assert {text(template, each) for each in conditions["kms:ViaService"]} == {
        "sns.${AWS::Region}.amazonaws.com",
        "sns.${AWS::Region}.${AWS::URLSuffix}",
    }


def test_this_account_administers_the_key_and_does_not_use_it(template: Template) -> None:
    known = {"AlarmsOfThisStack", "DigestsOfTheRotator"}
    [statement] = [each for each in key_policy(template) if each["Sid"] not in known]
    assert (
        text(template, statement["Principal"]["AWS"]) == "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"
    )
    uses = {"kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:GenerateDataKey", "kms:CreateGrant"}
    assert uses.isdisjoint(statement["Action"])
    # Without these nobody could ever mend or delete it.
    assert {"kms:PutKeyPolicy", "kms:ScheduleKeyDeletion"} <= set(statement["Action"])


def test_no_key_policy_allows_an_action_by_a_wildcard(template: Template) -> None:
    actions = [action for each in key_policy(template) for action in each["Action"]]
    assert [action for action in actions if "*" in action] == []


def test_an_address_is_subscribed_when_there_is_one(template: Template) -> None:
    [subscription] = of_type(template, "AWS::SNS::Subscription").values()
    assert holds(template, subscription["Condition"], AlertEmail="on-call@example.com")
    assert not holds(template, subscription["Condition"], AlertEmail="")
    assert subscription["Properties"]["Protocol"] == "email"
    assert subscription["Properties"]["Endpoint"] == {"Ref": "AlertEmail"}
    assert text(template, subscription["Properties"]["TopicArn"]) == "${Alerts/Topic}"
