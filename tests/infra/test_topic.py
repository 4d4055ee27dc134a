"""The topic: encrypted, TLS only, open to this account's alarms, and to an address when there is one."""

from typing import Any

from tests.infra.synthesized import Template, holds, of_type, properties, text

THIS_ACCOUNT = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def topic_policy(template: Template) -> list[dict[str, Any]]:
    [policy] = of_type(template, "AWS::SNS::TopicPolicy").values()
    assert [text(template, each) for each in policy["Properties"]["Topics"]] == ["${Alerts/Topic}"]
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


def test_it_is_encrypted_with_a_key_of_our_own_that_rotates(template: Template) -> None:
    assert list(of_type(template, "AWS::SNS::Topic")) == ["Alerts/Topic"]
    key = properties(template, "AWS::SNS::Topic", "Alerts/Topic")["KmsMasterKeyId"]
    assert text(template, key) == "${Alerts/Key.Arn}"
    assert properties(template, "AWS::KMS::Key", "Alerts/Key")["EnableKeyRotation"] is True


def test_nobody_publishes_without_tls(template: Template) -> None:
    denies = [each for each in topic_policy(template) if each["Effect"] == "Deny"]
    assert [(each["Principal"], each["Action"], each["Resource"], each["Condition"]) for each in denies] == [
        ("*", "sns:Publish", "${Alerts/Topic}", {"Bool": {"aws:SecureTransport": "false"}})
    ]


def test_alarms_of_this_account_may_publish_and_nobody_else_by_the_topics_policy(template: Template) -> None:
    allows = [each for each in topic_policy(template) if each["Effect"] == "Allow"]
    assert allows == for_cloudwatch(allows)
    assert [(each["Action"], each["Resource"], each["Condition"]) for each in allows] == [
        ("sns:Publish", "${Alerts/Topic}", THIS_ACCOUNT)
    ]


def test_alarms_of_this_account_may_use_the_key(template: Template) -> None:
    """Otherwise an alarm changes its state and its mail is lost without a word."""
    [statement] = for_cloudwatch(key_policy(template))
    assert statement["Effect"] == "Allow"
    assert sorted(statement["Action"]) == ["kms:Decrypt", "kms:GenerateDataKey*"]
    assert statement["Condition"] == THIS_ACCOUNT


def test_besides_alarms_only_this_accounts_own_policies_give_the_key(template: Template) -> None:
    others = [each for each in key_policy(template) if each not in for_cloudwatch(key_policy(template))]
    assert [text(template, each["Principal"]["AWS"]) for each in others] == [
        "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"
    ]


def test_an_address_is_subscribed_when_there_is_one(template: Template) -> None:
    [subscription] = of_type(template, "AWS::SNS::Subscription").values()
    assert holds(template, subscription["Condition"], AlertEmail="on-call@example.com")
    assert not holds(template, subscription["Condition"], AlertEmail="")
    assert subscription["Properties"]["Protocol"] == "email"
    assert subscription["Properties"]["Endpoint"] == {"Ref": "AlertEmail"}
    assert text(template, subscription["Properties"]["TopicArn"]) == "${Alerts/Topic}"
