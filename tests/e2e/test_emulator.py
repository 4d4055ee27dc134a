"""The emulated account tells the truth where ministack alone would not, and leaves nothing behind."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from botocore import xform_name
from botocore.exceptions import ClientError, WaiterError

from sandbox import emulator
from sandbox.account import EmulatedAccount, FunctionFailed
from sandbox.clients import Key, require_loopback
from sandbox.controls import Page
from sandbox.launch import CHECKOUT
from sandbox.processes import CommandFailed


def new_user(account: EmulatedAccount, *, allow: str = "", path: str = "/") -> str:
    name = f"user-{uuid4().hex[:8]}"
    account.client("iam").create_user(UserName=name, Path=path)
    if allow:
        statement = {"Effect": "Allow", "Action": allow, "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        account.client("iam").put_user_policy(UserName=name, PolicyName="allow", PolicyDocument=policy)
    return name


def new_key(account: EmulatedAccount, user_name: str) -> Key:
    made = account.client("iam").create_access_key(UserName=user_name)["AccessKey"]
    return Key(key_id=made["AccessKeyId"], secret=made["SecretAccessKey"])


def new_role(account: EmulatedAccount, *, allow: str = "sts:GetCallerIdentity", trust: object) -> str:
    name = f"role-{uuid4().hex[:8]}"
    trusted = {"Effect": "Allow", "Principal": trust, "Action": "sts:AssumeRole"}
    role = account.client("iam").create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trusted]}),
    )["Role"]
    statement = {"Effect": "Allow", "Action": allow, "Resource": "*"}
    account.client("iam").put_role_policy(
        RoleName=name,
        PolicyName="allow",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    return role["Arn"]


def new_function(account: EmulatedAccount, source: str, *, allow: str = "sts:GetCallerIdentity") -> str:
    name = f"function-{uuid4().hex[:8]}"
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as bundle:
        bundle.writestr("main.py", source)
    account.client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="main.handler",
        Role=new_role(account, allow=allow, trust={"Service": "lambda.amazonaws.com"}),
        Code={"ZipFile": archive.getvalue()},
        Timeout=60,
    )
    return name


def new_secret(account: EmulatedAccount, *, token: str, value: str) -> str:
    name = f"secret-{uuid4().hex[:8]}"
    account.client("secretsmanager").create_secret(Name=name, ClientRequestToken=token, SecretString=value)
    return name


def refusal(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    response = error.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@contextmanager
def files_in(directory: Path) -> Iterator[Path]:
    """Where an emulated account of this process keeps its files."""
    before, tempfile.tempdir = tempfile.tempdir, str(directory)
    try:
        yield directory
    finally:
        tempfile.tempdir = before


def answers(url: str) -> bool:
    port = urlsplit(url).port
    assert port is not None
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# What ministack leaves out


def test_users_and_keys_can_be_made_in_the_past(empty_account: EmulatedAccount) -> None:
    iam = empty_account.client("iam")
    today = datetime.now(UTC).date()
    with empty_account.seed_clock(days_ago=120):
        old = new_user(empty_account)
        key = new_key(empty_account, old)
    young = new_user(empty_account)
    assert iam.get_user(UserName=old)["User"]["CreateDate"].date() == today - timedelta(days=120)
    (listed,) = iam.list_access_keys(UserName=old)["AccessKeyMetadata"]
    assert (listed["AccessKeyId"], listed["CreateDate"].date()) == (key.key_id, today - timedelta(days=120))
    assert iam.get_user(UserName=young)["User"]["CreateDate"].date() >= today


def test_a_user_gets_no_third_key(empty_account: EmulatedAccount) -> None:
    name = new_user(empty_account)
    new_key(empty_account, name)
    spare = new_key(empty_account, name)
    with pytest.raises(ClientError) as error:
        new_key(empty_account, name)
    assert refusal(error) == ("LimitExceeded", 409)
    empty_account.client("iam").delete_access_key(UserName=name, AccessKeyId=spare.key_id)
    new_key(empty_account, name)


def test_a_user_is_renamed_and_moved_and_keeps_id_keys_and_policies(empty_account: EmulatedAccount) -> None:
    iam = empty_account.client("iam")
    name = new_user(empty_account, allow="iam:GetUser")
    key, other = new_key(empty_account, name), new_user(empty_account)
    before = iam.get_user(UserName=name)["User"]
    with pytest.raises(ClientError, match="EntityAlreadyExists"):
        iam.update_user(UserName=name, NewUserName=other)

    iam.update_user(UserName=name, NewUserName=f"{name}-2", NewPath="/team/")

    with pytest.raises(ClientError, match="NoSuchEntity"):
        iam.get_user(UserName=name)
    found = empty_account.client("iam", key=key).get_user(UserName=f"{name}-2")["User"]
    assert (found["UserId"], found["Path"]) == (before["UserId"], "/team/")
    assert found["Arn"].endswith(f":user/team/{name}-2")
    (listed,) = iam.list_access_keys(UserName=f"{name}-2")["AccessKeyMetadata"]
    assert (listed["AccessKeyId"], listed["UserName"]) == (key.key_id, f"{name}-2")
    assert empty_account.client("sts", key=key).get_caller_identity()["Arn"] == found["Arn"]


def test_a_key_remembers_its_last_use(empty_account: EmulatedAccount) -> None:
    iam = empty_account.client("iam")
    key = new_key(empty_account, new_user(empty_account))
    never = iam.get_access_key_last_used(AccessKeyId=key.key_id)["AccessKeyLastUsed"]
    assert (never.get("LastUsedDate"), never["ServiceName"], never["Region"]) == (None, "N/A", "N/A")
    before = datetime.now(UTC).replace(microsecond=0)
    empty_account.client("sts", key=key).get_caller_identity()
    used = iam.get_access_key_last_used(AccessKeyId=key.key_id)["AccessKeyLastUsed"]
    assert (used["ServiceName"], used["Region"]) == ("sts", empty_account.region)
    assert used["LastUsedDate"] >= before


def test_a_denied_request_is_a_use_and_one_with_a_wrong_secret_is_not(empty_account: EmulatedAccount) -> None:
    iam = empty_account.client("iam")
    key = new_key(empty_account, new_user(empty_account))
    with pytest.raises(ClientError) as error:
        empty_account.client("iam", key=Key(key.key_id, "guessed")).list_users()
    assert refusal(error)[0] == "SignatureDoesNotMatch"
    assert "LastUsedDate" not in iam.get_access_key_last_used(AccessKeyId=key.key_id)["AccessKeyLastUsed"]
    with pytest.raises(ClientError) as error:
        empty_account.client("iam", key=key).list_users()
    assert refusal(error)[0] == "AccessDenied"
    used = iam.get_access_key_last_used(AccessKeyId=key.key_id)["AccessKeyLastUsed"]
    assert used["ServiceName"] == "iam"


def test_a_last_use_can_be_set_and_cleared(empty_account: EmulatedAccount) -> None:
    iam = empty_account.client("iam")
    key = new_key(empty_account, new_user(empty_account))
    spring = datetime(2026, 4, 1, 12, 30, tzinfo=UTC)
    empty_account.set_last_used(key.key_id, at=spring, service="s3", region="eu-west-1")
    used = iam.get_access_key_last_used(AccessKeyId=key.key_id)["AccessKeyLastUsed"]
    assert (used["LastUsedDate"], used["ServiceName"], used["Region"]) == (spring, "s3", "eu-west-1")
    empty_account.clear_last_used(key.key_id)
    assert "LastUsedDate" not in iam.get_access_key_last_used(AccessKeyId=key.key_id)["AccessKeyLastUsed"]


def test_lists_come_in_pages(empty_account: EmulatedAccount) -> None:
    iam = empty_account.client("iam")
    names = {new_user(empty_account) for _ in range(7)}
    listed = [
        user["UserName"]
        for page in iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 3})
        for user in page["Users"]
    ]
    assert names <= set(listed)
    assert len(listed) == len(set(listed))
    first = iam.list_users(MaxItems=3)
    assert (len(first["Users"]), first["IsTruncated"], bool(first["Marker"])) == (3, True, True)
    everyone = iam.list_users(MaxItems=1000)
    assert (everyone["IsTruncated"], "Marker" in everyone) == (False, False)


def test_pages_can_be_forced_smaller_and_are_counted(empty_account: EmulatedAccount) -> None:
    iam = empty_account.client("iam")
    names = {new_user(empty_account) for _ in range(7)}
    iam.tag_user(UserName=min(names), Tags=[{"Key": "owner", "Value": "data"}])
    total = len(iam.list_users(MaxItems=1000)["Users"])
    action = "GetAccountAuthorizationDetails"
    empty_account.forget()
    with empty_account.page_size(action, 3):
        details = [
            user
            for page in iam.get_paginator("get_account_authorization_details").paginate(
                Filter=["User"], PaginationConfig={"PageSize": 1000}
            )
            for user in page["UserDetailList"]
        ]
    assert names <= {user["UserName"] for user in details}
    tagged = next(user for user in details if user["UserName"] == min(names))
    assert tagged["Tags"] == [{"Key": "owner", "Value": "data"}]
    expected = {Page(action=action, user_name="", start=start): 1 for start in range(0, total, 3)}
    assert empty_account.pages() == expected


def test_the_keys_of_a_user_come_in_pages_too(empty_account: EmulatedAccount) -> None:
    name = new_user(empty_account)
    keys = [new_key(empty_account, name).key_id for _ in range(2)]
    empty_account.forget()
    with empty_account.page_size("ListAccessKeys", 1):
        pages = list(empty_account.client("iam").get_paginator("list_access_keys").paginate(UserName=name))
    assert [[key["AccessKeyId"] for key in page["AccessKeyMetadata"]] for page in pages] == [
        [key] for key in keys
    ]
    assert empty_account.pages() == {
        Page(action="ListAccessKeys", user_name=name, start=start): 1 for start in (0, 1)
    }


def test_an_action_fails_as_often_as_told_and_for_whom(empty_account: EmulatedAccount) -> None:
    iam = empty_account.client("iam")
    alice, bob = new_user(empty_account), new_user(empty_account)
    with empty_account.fail("iam:GetUser", code="Throttling", times=2, where={"UserName": alice}):
        for _ in range(2):
            with pytest.raises(ClientError) as error:
                iam.get_user(UserName=alice)
            assert refusal(error) == ("Throttling", 400)
            iam.get_user(UserName=bob)
        iam.get_user(UserName=alice)
    with empty_account.fail("iam:GetUser", code="ServiceFailure", status=500):
        pass
    iam.get_user(UserName=alice)


def test_actions_of_every_protocol_can_fail(empty_account: EmulatedAccount) -> None:
    secrets = empty_account.client("secretsmanager")
    where = {"SecretId": "some"}
    with (
        empty_account.fail(
            "secretsmanager:DescribeSecret", code="InternalServiceError", status=500, where=where
        ),
        pytest.raises(ClientError) as error,
    ):
        secrets.describe_secret(SecretId="some")
    assert refusal(error) == ("InternalServiceError", 500)
    with (
        empty_account.fail("sns:Publish", code="KMSAccessDenied", status=400),
        pytest.raises(ClientError) as error,
    ):
        empty_account.client("sns").publish(TopicArn="arn:aws:sns:us-east-1:111122223333:any", Message="any")
    assert refusal(error) == ("KMSAccessDenied", 400)


def test_an_action_can_take_effect_and_its_answer_be_an_error(empty_account: EmulatedAccount) -> None:
    iam = empty_account.client("iam")
    name = new_user(empty_account)
    with (
        empty_account.fail("iam:CreateAccessKey", code="ServiceFailure", status=500, takes_effect=True),
        pytest.raises(ClientError) as error,
    ):
        iam.create_access_key(UserName=name)
    assert refusal(error) == ("ServiceFailure", 500)
    assert len(iam.list_access_keys(UserName=name)["AccessKeyMetadata"]) == 1


def test_time_passes_for_users_keys_last_uses_and_messages(empty_account: EmulatedAccount) -> None:
    iam, sqs = empty_account.client("iam"), empty_account.client("sqs")
    name = new_user(empty_account)
    key = new_key(empty_account, name)
    empty_account.client("sts", key=key).get_caller_identity()
    queue = sqs.create_queue(
        QueueName=f"{uuid4().hex[:8]}.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "5400"}
    )["QueueUrl"]
    message: dict[str, str] = {
        "QueueUrl": queue,
        "MessageBody": "x",
        "MessageGroupId": "g",
        "MessageDeduplicationId": "d",
    }
    sqs.send_message(**message)  # type: ignore[arg-type]  # what the emulator gets is a str each
    assert len(sqs.receive_message(QueueUrl=queue)["Messages"]) == 1
    (made,) = iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
    used = iam.get_access_key_last_used(AccessKeyId=key.key_id)["AccessKeyLastUsed"]["LastUsedDate"]

    empty_account.let_pass(timedelta(seconds=5000))
    assert "Messages" not in sqs.receive_message(QueueUrl=queue)
    empty_account.let_pass(timedelta(seconds=400))

    (again,) = sqs.receive_message(QueueUrl=queue, AttributeNames=["All"])["Messages"]
    assert again["Attributes"]["ApproximateReceiveCount"] == "2"
    by = timedelta(seconds=5400)
    (listed,) = iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
    assert listed["CreateDate"] == made["CreateDate"] - by
    last_used = iam.get_access_key_last_used(AccessKeyId=key.key_id)["AccessKeyLastUsed"]["LastUsedDate"]
    assert last_used == used - by


def test_a_stacks_subscription_says_that_it_is_confirmed_and_has_no_filter(
    empty_account: EmulatedAccount,
) -> None:
    name = f"topic-{uuid4().hex[:8]}"
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}}
    email = {"TopicArn": {"Ref": "Topic"}, "Protocol": "email", "Endpoint": "a@example.com"}
    cloudformation, sns = empty_account.client("cloudformation"), empty_account.client("sns")
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=json.dumps(
            {"Resources": {"Topic": topic, "Email": {"Type": "AWS::SNS::Subscription", "Properties": email}}}
        ),
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    (made,) = (each for each in sns.list_subscriptions()["Subscriptions"] if each["TopicArn"].endswith(name))
    attributes = sns.get_subscription_attributes(SubscriptionArn=made["SubscriptionArn"])["Attributes"]
    assert (attributes["Endpoint"], attributes["PendingConfirmation"]) == ("a@example.com", "false")
    assert "FilterPolicy" not in attributes


def test_a_stacks_topic_says_which_key_encrypts_it(empty_account: EmulatedAccount) -> None:
    name = f"topic-{uuid4().hex[:8]}"
    topic = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name, "KmsMasterKeyId": "alias/aws/sns"}}
    cloudformation, sns = empty_account.client("cloudformation"), empty_account.client("sns")
    cloudformation.create_stack(StackName=name, TemplateBody=json.dumps({"Resources": {"Topic": topic}}))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    arn = f"arn:aws:sns:{empty_account.region}:{empty_account.account_id}:{name}"
    assert sns.get_topic_attributes(TopicArn=arn)["Attributes"]["KmsMasterKeyId"] == "alias/aws/sns"


def test_the_policy_simulator_knows_the_context_and_every_resource(empty_account: EmulatedAccount) -> None:
    iam, name = empty_account.client("iam"), f"role-{uuid4().hex[:8]}"
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    statements = [
        {
            "Effect": "Allow",
            "Action": "sqs:SendMessage",
            "Resource": "arn:aws:sqs:us-east-1:111122223333:ours",
            "Condition": {"ArnEquals": {"lambda:SourceFunctionArn": "arn:ours"}},
        },
        {"Effect": "Deny", "Action": "sqs:PurgeQueue", "Resource": "*"},
    ]
    role = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    iam.put_role_policy(
        RoleName=name,
        PolicyName="sends",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )

    def decisions(function: str) -> list[str]:
        answer = iam.simulate_principal_policy(
            PolicySourceArn=role,
            ActionNames=["sqs:SendMessage", "sqs:PurgeQueue"],
            ResourceArns=[f"arn:aws:sqs:us-east-1:111122223333:{queue}" for queue in ("theirs", "ours")],
            ContextEntries=[
                {
                    "ContextKeyName": "lambda:SourceFunctionArn",
                    "ContextKeyType": "string",
                    "ContextKeyValues": [function],
                }
            ],
        )
        return [each["EvalDecision"] for each in answer["EvaluationResults"]]

    assert decisions("arn:ours") == ["implicitDeny", "allowed", "explicitDeny", "explicitDeny"]
    assert decisions("arn:theirs") == ["implicitDeny", "implicitDeny", "explicitDeny", "explicitDeny"]


def test_an_alarm_on_an_expression_is_deployed_as_one_on_its_first_metric(
    empty_account: EmulatedAccount,
) -> None:
    name = f"alarm-{uuid4().hex[:8]}"
    metric = {"Namespace": "Ours", "MetricName": "Runs", "Dimensions": [{"Name": "service", "Value": "x"}]}
    properties = {
        "AlarmName": name,
        "ComparisonOperator": "LessThanThreshold",
        "Threshold": 1,
        "EvaluationPeriods": 26,
        "Metrics": [
            {"Id": "told", "Expression": "FILL(runs, 0)", "ReturnData": True},
            {
                "Id": "runs",
                "MetricStat": {"Metric": metric, "Period": 3600, "Stat": "Sum"},
                "ReturnData": False,
            },
        ],
    }
    cloudformation = empty_account.client("cloudformation")
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=json.dumps(
            {"Resources": {"Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": properties}}}
        ),
    )
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    (alarm,) = empty_account.client("cloudwatch").describe_alarms(AlarmNames=[name])["MetricAlarms"]
    assert {key: alarm[key] for key in metric} == metric  # type: ignore[literal-required]
    assert (alarm["Period"], alarm["Statistic"], alarm["EvaluationPeriods"]) == (3600, "Sum", 26)


def test_a_secret_names_its_first_version_by_the_token(empty_account: EmulatedAccount) -> None:
    secrets = empty_account.client("secretsmanager")
    token = uuid4().hex
    name = new_secret(empty_account, token=token, value="one")
    assert secrets.describe_secret(SecretId=name)["VersionIdsToStages"] == {token: ["AWSCURRENT"]}
    again = secrets.create_secret(Name=name, ClientRequestToken=token, SecretString="one")
    assert again["VersionId"] == token
    for other_token, value in ((token, "two"), (uuid4().hex, "one")):
        with pytest.raises(ClientError) as error:
            secrets.create_secret(Name=name, ClientRequestToken=other_token, SecretString=value)
        assert refusal(error)[0] == "ResourceExistsException"


def test_a_repeated_put_does_nothing_and_another_value_is_refused(empty_account: EmulatedAccount) -> None:
    secrets = empty_account.client("secretsmanager")
    name = new_secret(empty_account, token=uuid4().hex, value="placeholder")
    token = uuid4().hex
    secrets.put_secret_value(
        SecretId=name, ClientRequestToken=token, SecretString="one", VersionStages=["AWSPENDING"]
    )
    stages = secrets.describe_secret(SecretId=name)["VersionIdsToStages"]
    again = secrets.put_secret_value(
        SecretId=name, ClientRequestToken=token, SecretString="one", VersionStages=["AWSPENDING"]
    )
    assert (again["VersionId"], again["VersionStages"]) == (token, ["AWSPENDING"])
    with pytest.raises(ClientError) as error:
        secrets.put_secret_value(SecretId=name, ClientRequestToken=token, SecretString="two")
    assert refusal(error)[0] == "ResourceExistsException"
    assert secrets.describe_secret(SecretId=name)["VersionIdsToStages"] == stages
    assert secrets.get_secret_value(SecretId=name, VersionId=token)["SecretString"] == "one"


def test_a_policy_can_tell_a_deletion_at_once_from_one_with_a_waiting_time(
    empty_account: EmulatedAccount,
) -> None:
    secrets = empty_account.client("secretsmanager")
    name = new_secret(empty_account, token=str(uuid4()), value="x")
    statement = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "secretsmanager:DeleteSecret",
        "Resource": "*",
        "Condition": {"Bool": {"secretsmanager:ForceDeleteWithoutRecovery": "true"}},
    }
    secrets.put_resource_policy(
        SecretId=name, ResourcePolicy=json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    )
    somebody = empty_account.client(
        "secretsmanager", key=new_key(empty_account, new_user(empty_account, allow="secretsmanager:*"))
    )
    with pytest.raises(ClientError, match="AccessDenied"):
        somebody.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)
    somebody.delete_secret(SecretId=name, RecoveryWindowInDays=7)
    assert "DeletedDate" in secrets.describe_secret(SecretId=name)
    secrets.restore_secret(SecretId=name)
    somebody.delete_secret(SecretId=name)


def test_a_policy_knows_a_session_by_its_role(empty_account: EmulatedAccount) -> None:
    trust = {"AWS": f"arn:aws:iam::{empty_account.account_id}:root"}
    writer = new_role(empty_account, allow="secretsmanager:*", trust=trust)
    other = new_role(empty_account, allow="secretsmanager:*", trust=trust)
    name = new_secret(empty_account, token=uuid4().hex, value="one")
    deny = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "secretsmanager:PutSecretValue",
        "Resource": "*",
        "Condition": {"ArnNotEquals": {"aws:PrincipalArn": writer}},
    }
    empty_account.client("secretsmanager").put_resource_policy(
        SecretId=name, ResourcePolicy=json.dumps({"Version": "2012-10-17", "Statement": [deny]})
    )

    def put_as(role: str) -> None:
        session = empty_account.client("sts").assume_role(RoleArn=role, RoleSessionName="any")["Credentials"]
        key = Key(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
        empty_account.client("secretsmanager", key=key).put_secret_value(SecretId=name, SecretString="two")

    put_as(writer)
    with pytest.raises(ClientError) as error:
        put_as(other)
    assert refusal(error)[0] == "AccessDeniedException"


def new_table(account: EmulatedAccount) -> str:
    name = f"table-{uuid4().hex[:8]}"
    account.client("dynamodb").create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def test_a_tables_policy_counts(empty_account: EmulatedAccount) -> None:
    administrator = empty_account.client("dynamodb")
    name = new_table(empty_account)
    arn = administrator.describe_table(TableName=name)["Table"]["TableArn"]
    engineer, user = (
        empty_account.client("dynamodb", key=new_key(empty_account, new_user(empty_account, allow=allowed)))
        for allowed in ("dynamodb:*", "sts:GetCallerIdentity")
    )
    item = {"id": {"S": "one"}}
    engineer.put_item(TableName=name, Item=item)
    with pytest.raises(ClientError) as error:
        user.get_item(TableName=name, Key=item)
    assert refusal(error)[0] == "AccessDeniedException"
    deny, allow = (
        {"Effect": effect, "Principal": {"AWS": "*"}, "Action": f"dynamodb:{action}", "Resource": arn}
        for effect, action in (("Deny", "PutItem"), ("Allow", "GetItem"))
    )
    administrator.put_resource_policy(
        ResourceArn=arn, Policy=json.dumps({"Version": "2012-10-17", "Statement": [deny, allow]})
    )
    with pytest.raises(ClientError) as error:
        engineer.put_item(TableName=name, Item=item)
    assert refusal(error)[0] == "AccessDeniedException"
    with pytest.raises(ClientError) as error:
        engineer.transact_write_items(TransactItems=[{"Put": {"TableName": name, "Item": item}}])
    assert refusal(error)[0] == "AccessDeniedException"
    assert user.get_item(TableName=name, Key=item)["Item"] == item
    administrator.delete_resource_policy(ResourceArn=arn)
    engineer.put_item(TableName=name, Item=item)


def table_template(name: str, **properties: object) -> str:
    return json.dumps(
        {
            "Resources": {
                "Table": {
                    "Type": "AWS::DynamoDB::Table",
                    "DeletionPolicy": "Retain",
                    "Properties": {
                        "TableName": name,
                        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
                        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
                        "BillingMode": "PAY_PER_REQUEST",
                        **properties,
                    },
                }
            }
        }
    )


def test_a_stacks_table_is_made_whole_and_changed_and_never_over_another(
    empty_account: EmulatedAccount,
) -> None:
    dynamodb, cloudformation = empty_account.client("dynamodb"), empty_account.client("cloudformation")
    name = f"table-{uuid4().hex[:8]}"
    arn = f"arn:aws:dynamodb:{empty_account.region}:{empty_account.account_id}:table/{name}"
    deny = {"Effect": "Deny", "Principal": "*", "Action": "dynamodb:DeleteTable", "Resource": arn}
    policy = {"Version": "2012-10-17", "Statement": [deny]}
    whole: dict[str, object] = {
        "DeletionProtectionEnabled": True,
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "ResourcePolicy": {"PolicyDocument": policy},
    }

    def recovery() -> str:
        found = dynamodb.describe_continuous_backups(TableName=name)["ContinuousBackupsDescription"]
        return found["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]

    cloudformation.create_stack(StackName=name, TemplateBody=table_template(name, **whole))
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    assert json.loads(dynamodb.get_resource_policy(ResourceArn=arn)["Policy"]) == policy
    assert recovery() == "ENABLED"
    assert dynamodb.describe_table(TableName=name)["Table"]["DeletionProtectionEnabled"] is True

    dynamodb.put_item(TableName=name, Item={"id": {"S": "one"}})
    cloudformation.create_stack(StackName=f"{name}-2", TemplateBody=table_template(name))
    with pytest.raises(WaiterError):
        cloudformation.get_waiter("stack_create_complete").wait(
            StackName=f"{name}-2", WaiterConfig={"Delay": 1}
        )
    events = cloudformation.describe_stack_events(StackName=f"{name}-2")["StackEvents"]
    assert any("Table already exists" in each.get("ResourceStatusReason", "") for each in events)
    assert len(dynamodb.scan(TableName=name)["Items"]) == 1
    assert recovery() == "ENABLED"

    cloudformation.update_stack(StackName=name, TemplateBody=table_template(name))
    cloudformation.get_waiter("stack_update_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    with pytest.raises(ClientError) as error:
        dynamodb.get_resource_policy(ResourceArn=arn)
    assert refusal(error)[0] == "PolicyNotFoundException"
    assert recovery() == "DISABLED"
    assert len(dynamodb.scan(TableName=name)["Items"]) == 1


def test_a_statement_of_partiql_is_authorized_as_what_it_does_to_its_table(
    empty_account: EmulatedAccount,
) -> None:
    mine, other = new_table(empty_account), new_table(empty_account)
    reader = new_user(empty_account, allow="dynamodb:PartiQLSelect")
    dynamodb = empty_account.client("dynamodb", key=new_key(empty_account, reader))
    select, insert, update, delete = (
        f"SELECT * FROM \"{mine}\" WHERE id = 'one'",  # noqa: S608 - its own table
        f"INSERT INTO \"{other}\" VALUE {{'id': 'one'}}",
        f"UPDATE \"{other}\" SET name = 'any' WHERE id = 'one'",  # noqa: S608 - its own table
        f"DELETE FROM \"{other}\" WHERE id = 'one'",  # noqa: S608 - its own table
    )
    empty_account.forget()
    dynamodb.execute_statement(Statement=select)
    for write in (insert, update, delete):
        with pytest.raises(ClientError) as error:
            dynamodb.execute_statement(Statement=write)
        assert refusal(error)[0] == "AccessDeniedException"
    # A statement that is denied is not carried in by one that is not.
    with pytest.raises(ClientError) as error:
        dynamodb.batch_execute_statement(Statements=[{"Statement": select}, {"Statement": insert}])
    assert refusal(error)[0] == "AccessDeniedException"
    with pytest.raises(ClientError) as error:
        dynamodb.execute_transaction(TransactStatements=[{"Statement": select}, {"Statement": delete}])
    assert refusal(error)[0] == "AccessDeniedException"
    arn = f"arn:aws:iam::{empty_account.account_id}:user/{reader}"
    calls = [
        (call.action.removeprefix("dynamodb:PartiQL"), call.resource.rpartition("/")[2], call.allowed)
        for call in empty_account.calls(principal=arn)
    ]
    assert calls == [
        ("Select", mine, True),
        ("Insert", other, False),
        ("Update", other, False),
        ("Delete", other, False),
        ("Select", mine, True),
        ("Insert", other, False),
        ("Select", mine, True),
        ("Delete", other, False),
    ]


def test_asking_about_a_key_is_asking_about_its_user(empty_account: EmulatedAccount) -> None:
    team = f"arn:aws:iam::{empty_account.account_id}:user/team/*"
    statement = {"Effect": "Allow", "Action": "iam:Get*", "Resource": team}
    asker = new_user(empty_account)
    empty_account.client("iam").put_user_policy(
        UserName=asker,
        PolicyName="team",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )
    iam = empty_account.client("iam", key=new_key(empty_account, asker))
    member = new_user(empty_account, path="/team/")
    iam.get_user(UserName=member)
    iam.get_access_key_last_used(AccessKeyId=new_key(empty_account, member).key_id)
    with pytest.raises(ClientError) as error:
        iam.get_access_key_last_used(AccessKeyId=new_key(empty_account, new_user(empty_account)).key_id)
    assert refusal(error)[0] == "AccessDenied"


def test_a_schedule_says_who_fired_when(empty_account: EmulatedAccount) -> None:
    sqs = empty_account.client("sqs")
    queue = sqs.create_queue(QueueName=f"fired-{uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    at = (datetime.now(UTC) + timedelta(seconds=1)).replace(microsecond=0)
    attributes = ("execution-id", "scheduled-time", "schedule-arn", "attempt-number")
    schedule = empty_account.client("scheduler").create_schedule(
        Name=f"schedule-{uuid4().hex[:8]}",
        ScheduleExpression=f"at({at:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        Target={
            "Arn": arn,
            "RoleArn": new_role(empty_account, trust={"Service": "scheduler.amazonaws.com"}),
            "Input": json.dumps({name: f"<aws.scheduler.{name}>" for name in attributes}),
        },
    )
    (message,) = sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20)["Messages"]
    fired = json.loads(message["Body"])
    assert re.fullmatch("[0-9a-f]{16}", fired.pop("execution-id"))
    assert fired == {
        "scheduled-time": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "schedule-arn": schedule["ScheduleArn"],
        "attempt-number": "1",
    }


def test_mail_is_kept_as_its_reader_gets_it_and_a_queue_gets_its_own(empty_account: EmulatedAccount) -> None:
    sns = empty_account.client("sns")
    topic = sns.create_topic(Name=f"topic-{uuid4().hex[:8]}")["TopicArn"]
    address = f"{uuid4().hex[:8]}@example.com"
    sns.subscribe(
        TopicArn=topic,
        Protocol="email",
        Endpoint=address,
        Attributes={"FilterPolicy": json.dumps({"severity": ["critical"]})},
    )
    mailbox, inbox = empty_account.mailbox(topic), empty_account.inbox(address)
    for severity in ("info", "critical"):
        sns.publish(
            TopicArn=topic,
            Subject=severity,
            MessageStructure="json",
            Message=json.dumps({"default": "text", "email": "Dear all", "sqs": "{}"}),
            MessageAttributes={"severity": {"DataType": "String", "StringValue": severity}},
        )
    assert [(mail.subject, mail.body) for mail in (mailbox.next(), mailbox.next())] == [
        ("info", "{}"),
        ("critical", "{}"),
    ]
    mail = inbox.next()
    assert (mail.to, mail.subject, mail.body) == (address, "critical", "Dear all")
    assert mail.attributes == {"severity": "critical"}
    for box in (mailbox, inbox):
        with pytest.raises(TimeoutError, match="nothing came to"):
            box.next(within_seconds=0)


def test_requests_are_recorded_by_principal(empty_account: EmulatedAccount) -> None:
    user = new_user(empty_account, allow="iam:GetUser")
    key = new_key(empty_account, user)
    arn = f"arn:aws:iam::{empty_account.account_id}:user/{user}"
    empty_account.client("iam", key=key).get_user(UserName=user)
    with pytest.raises(ClientError):
        empty_account.client("iam", key=key).delete_user(UserName=user)
    calls = [(call.action, call.resource, call.allowed) for call in empty_account.calls(principal=arn)]
    assert calls == [("iam:GetUser", arn, True), ("iam:DeleteUser", arn, False)]
    empty_account.forget()
    assert empty_account.calls(principal=arn) == []


# Functions

ENVIRONMENT = """
import os, boto3
def handler(event, context):
    if "fail" in event:
        raise ValueError(event["fail"])
    print("was here")
    return {
        "arn": boto3.client("sts").get_caller_identity()["Arn"],
        "users": len(boto3.client("iam").list_users()["Users"]),
        "endpoint": os.environ["AWS_ENDPOINT_URL"],
        "names": sorted(os.environ),
    }
"""


def test_a_function_acts_as_its_role_over_tls_and_knows_nothing_of_mine(
    empty_account: EmulatedAccount,
) -> None:
    name = new_function(empty_account, ENVIRONMENT, allow="iam:ListUsers")
    answer = empty_account.invoke(name, {})
    role = empty_account.client("lambda").get_function_configuration(FunctionName=name)["Role"]
    assert answer["arn"].split(":assumed-role/")[1].startswith(role.split(":role/")[1] + "/")
    assert answer["endpoint"] == empty_account.emulator.endpoint
    assert urlsplit(answer["endpoint"]).scheme == "https"
    mine = set(os.environ) - {"HOME", "LANG", "PATH", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED", "TMPDIR"}
    assert {name for name in mine & set(answer["names"]) if not name.startswith(("AWS_", "LC_"))} <= {
        "NODE_EXTRA_CA_CERTS",
        "REQUESTS_CA_BUNDLE",
        "SSL_CERT_FILE",
        "TZ",
    }
    actions = [(call.action, call.allowed) for call in empty_account.calls(principal=role)]
    assert actions == [("sts:GetCallerIdentity", True), ("iam:ListUsers", True)]
    assert "was here" in empty_account.logs(name)


def test_a_function_is_denied_what_its_role_does_not_allow(empty_account: EmulatedAccount) -> None:
    name = new_function(empty_account, ENVIRONMENT, allow="iam:GetUser")
    with pytest.raises(FunctionFailed, match="not authorized to perform: iam:ListUsers"):
        empty_account.invoke(name, {})


WRITES_LATE = """
import sys, threading
def handler(event, context):
    print("first", file=sys.stderr, flush=True)
    threading.Timer(0.05, lambda: print("last", file=sys.stderr, flush=True)).start()
"""


def test_the_log_has_what_a_busy_machine_brings_late(empty_account: EmulatedAccount) -> None:
    name = new_function(empty_account, WRITES_LATE)
    empty_account.invoke(name, {})
    written = [line for line in empty_account.logs(name) if line in {"first", "last"}]
    assert written == ["first", "last"]


TAGS_TWICE = """
import boto3
def handler(event, context):
    for key in ("first", "second"):
        boto3.client("iam").tag_user(UserName=event["user"], Tags=[{"Key": key, "Value": "here"}])
    return "done"
"""


def test_the_code_of_a_function_comes_over_tls(empty_account: EmulatedAccount) -> None:
    name = new_function(empty_account, "def handler(event, context): pass")
    link = urlsplit(empty_account.client("lambda").get_function(FunctionName=name)["Code"]["Location"])
    assert link.scheme == "https"
    packed = empty_account.emulator.request("GET", f"{link.path}?{link.query}")
    with zipfile.ZipFile(io.BytesIO(packed)) as bundle:
        assert bundle.namelist() == ["main.py"]


@pytest.mark.parametrize(
    ("allowed", "denied"),
    [
        ("lambda:GetFunctionConcurrency", "lambda:PutFunctionConcurrency"),
        ("lambda:GetFunctionEventInvokeConfig", "lambda:PutFunctionEventInvokeConfig"),
    ],
)
def test_to_read_of_a_function_is_not_to_change_it(
    empty_account: EmulatedAccount, allowed: str, denied: str
) -> None:
    function = new_function(empty_account, "def handler(event, context): pass")
    reader = new_key(empty_account, new_user(empty_account, allow=allowed))
    options = {"FunctionName": function}
    more = {"ReservedConcurrentExecutions": 1} if "Concurrency" in denied else {"MaximumRetryAttempts": 1}
    reads, writes = (each.partition(":")[2] for each in (allowed, denied))
    as_reader: Any = empty_account.client("lambda", key=reader)
    as_administrator: Any = empty_account.client("lambda")
    getattr(as_administrator, xform_name(writes))(**options, **more)
    getattr(as_reader, xform_name(reads))(**options)
    with pytest.raises(ClientError) as error:
        getattr(as_reader, xform_name(writes))(**options, **more)
    assert refusal(error)[0] == "AccessDeniedException"


def test_a_function_can_be_killed_right_after_what_it_did_and_its_next_invocation_is_a_new_process(
    empty_account: EmulatedAccount,
) -> None:
    iam = empty_account.client("iam")
    name, user = new_function(empty_account, TAGS_TWICE, allow="iam:TagUser"), new_user(empty_account)

    def tags() -> set[str]:
        return {tag["Key"] for tag in iam.list_user_tags(UserName=user)["Tags"]}

    with (
        empty_account.kill_after("iam:TagUser", where={"UserName": user}),
        pytest.raises(FunctionFailed, match="died"),
    ):
        empty_account.invoke(name, {"user": user})
    assert tags() == {"first"}
    assert empty_account.invoke(name, {"user": user}) == "done"
    assert tags() == {"first", "second"}


def test_nobody_but_a_function_can_be_killed(empty_account: EmulatedAccount) -> None:
    name = f"secret-{uuid4().hex[:8]}"
    with (
        empty_account.kill_after("secretsmanager:CreateSecret", where={"Name": name}),
        pytest.raises(ClientError, match="only a function can be killed"),
    ):
        empty_account.client("secretsmanager").create_secret(Name=name, SecretString="any")


def test_the_error_of_a_function_is_raised(empty_account: EmulatedAccount) -> None:
    name = new_function(empty_account, ENVIRONMENT)
    with pytest.raises(FunctionFailed, match="no such thing"):
        empty_account.invoke(name, {"fail": "no such thing"})


# Nothing but this machine, nothing left behind


@pytest.mark.parametrize(
    "url",
    [
        "https://iam.amazonaws.com",
        "https://localhost.example.com",
        "https://127.0.0.1.example.com:443",
        "https://127.0.0.1@example.com",
        "https://10.0.0.1",
        "https://0.0.0.0",
        "https://[2001:db8::1]",
        "localhost:4566",
        "",
    ],
)
def test_an_endpoint_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="not on this machine"):
        require_loopback(url)


@pytest.mark.parametrize(
    "url", ["https://localhost:1", "https://127.0.0.1:1", "https://127.9.9.9", "http://[::1]:1"]
)
def test_an_endpoint_on_this_machine_is_accepted(url: str) -> None:
    require_loopback(url)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "example.com", "192.168.1.1"])  # noqa: S104 - refused
def test_the_emulator_listens_to_this_machine_only(host: str) -> None:
    with pytest.raises(SystemExit, match="BIND_HOST"):
        emulator.require_loopback_bind(host)


def test_the_emulator_takes_its_own_port_only(empty_account: EmulatedAccount) -> None:
    served = re.findall(r"Running on (\S+)", empty_account.emulator.log())
    assert set(served) == {empty_account.emulator.endpoint}


def test_another_version_of_ministack_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emulator, "version", lambda _name: "1.5.34")
    with pytest.raises(SystemExit, match=r"needs ministack 1\.5\.33, and 1\.5\.34 is"):
        emulator.main()
    assert f"ministack=={emulator.MINISTACK}" in (CHECKOUT / "requirements.txt").read_text().splitlines()


def test_an_emulator_that_does_not_start_says_why(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    taken = socket.create_server(("127.0.0.1", 0))
    monkeypatch.setattr("sandbox.launch._free_port", lambda: taken.getsockname()[1])
    with (
        taken,
        files_in(tmp_path),
        pytest.raises(CommandFailed, match=r"did not start(.|\n)*already in use"),
        EmulatedAccount.start(),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_app_that_fails_says_why(empty_account: EmulatedAccount, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("raise SystemExit('no stack today')\n")
    with pytest.raises(CommandFailed, match="no stack today"):
        empty_account.deploy({}, project=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["app.py"]


STUBBORN = """
import socket, threading, time
door = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=time.sleep, args=(600,)).start()  # keeps the process although its input ends
def handler(event, context):
    return f"http://127.0.0.1:{door.getsockname()[1]}"
"""


def test_an_exception_leaves_nothing(tmp_path: Path) -> None:
    with files_in(tmp_path), suppress(LookupError), EmulatedAccount.start() as account:
        door = account.invoke(new_function(account, STUBBORN), {})
        assert answers(door)
        raise LookupError
    assert not answers(door)
    assert not answers(account.emulator.endpoint)
    assert list(tmp_path.iterdir()) == []


def test_my_own_aws_settings_lead_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    mine = {
        "AWS_PROFILE": "production",
        "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "not-a-secret",
        "AWS_SESSION_TOKEN": "not-a-secret",
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ENDPOINT_URL": "https://example.com",
        "AWS_ENDPOINT_URL_STS": "https://example.com",
        "AWS_CA_BUNDLE": "/does/not/exist",
        "AWS_CONFIG_FILE": "/does/not/exist",
        "AWS_USE_FIPS_ENDPOINT": "true",
        "AWS_MAX_ATTEMPTS": "9",
        "REQUESTS_CA_BUNDLE": "/does/not/exist",
        "HTTPS_PROXY": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    for name, value in mine.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    before = dict(os.environ)
    with EmulatedAccount.start() as account:
        sts = account.client("sts")
        assert sts.get_caller_identity()["Arn"] == f"arn:aws:iam::{account.account_id}:root"
        assert sts.meta.region_name == account.region
        answer = account.invoke(new_function(account, ENVIRONMENT, allow="iam:ListUsers"), {})
        assert answer["endpoint"] == account.emulator.endpoint
        foreign = {"AWS_PROFILE", "AWS_CONFIG_FILE", "AWS_USE_FIPS_ENDPOINT", "HTTPS_PROXY", "https_proxy"}
        assert not foreign & set(answer["names"])
        # The CLI has bootstrapped the account when it comes to the app, which says what it was given.
        (tmp_path / "app.py").write_text(
            "import os\nraise SystemExit([(k, v) for k, v in os.environ.items() if k.startswith('AWS_')])\n"
        )
        with pytest.raises(CommandFailed) as failure:
            account.deploy({}, project=tmp_path)
        assert f"('AWS_ENDPOINT_URL', '{account.emulator.endpoint}')" in str(failure.value)
        for value in ("production", "AKIA", "eu-central-1", "example.com", "/does/not/exist"):
            assert value not in str(failure.value)
    assert dict(os.environ) == before


WAITING = """
import sys, time
from sandbox.account import EmulatedAccount
with EmulatedAccount.start() as account:
    print(account.emulator.endpoint, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_signal_leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WAITING],
        cwd=CHECKOUT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        endpoint = process.stdout.readline().strip()
        assert answers(endpoint)
        process.send_signal(number)
        assert process.wait(timeout=30) != 0
    for _ in range(100):
        if not answers(endpoint):
            break
        time.sleep(0.1)
    assert not answers(endpoint)
    # Nobody can clean up after having been killed; the processes go all the same.
    if number != signal.SIGKILL:
        assert list(tmp_path.iterdir()) == []
