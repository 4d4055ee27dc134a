"""What no emulator shows: subscriptions that nobody confirmed, lists that AWS leaves out, a bucket of somebody else's."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from infra.doctor import (
    alarms,
    bootstrap,
    deployment,
    functions,
    listeners,
    memory,
    queues,
    roles,
    runs,
    schedule,
    topic,
    who,
)
from infra.doctor.examine import findings
from infra.doctor.findings import Finding, Level, fail, ok
from infra.doctor.stack import NoStack, read
from infra.version import VERSION
from tests.unit.doctor.answers import NOW, TOPIC, Client, as_json, refuses, role_with, stack_of, told

ON_CALL = "on-call@example.com"


def levels(found: list[Finding]) -> list[Level]:
    return [each.level for each in found]


# Listeners


def subscribed(*subscriptions: dict[str, Any], address: str = "") -> list[Finding]:
    """By the protocol email; `arn` and whatever attributes a test gives."""
    listed = [
        {
            "SubscriptionArn": each.get("arn", f"arn:{number}"),
            "Protocol": each.get("protocol", "email"),
            "Endpoint": each.get("endpoint", ON_CALL),
        }
        for number, each in enumerate(subscriptions)
    ]
    by_arn = {listed[number]["SubscriptionArn"]: each for number, each in enumerate(subscriptions)}
    sns = Client(
        {
            "ListSubscriptionsByTopic": {"Subscriptions": listed} if listed else {},
            "GetSubscriptionAttributes": lambda **request: {"Attributes": by_arn[request["SubscriptionArn"]]},
        }
    )
    return told(listeners.looks(stack_of(("sns", sns), parameters={"AlertEmail": address})))


CONFIRMED = {"PendingConfirmation": "false", "ConfirmationWasAuthenticated": "true"}


def test_two_who_are_confirmed_and_cannot_be_unsubscribed_by_a_link_are_fine() -> None:
    found = subscribed(CONFIRMED, CONFIRMED, address=ON_CALL)
    assert levels(found) == [Level.OK, Level.OK]


def test_one_alone_is_a_note() -> None:
    found = subscribed(CONFIRMED, address=ON_CALL)
    assert levels(found) == [Level.OK, Level.NOTE]
    assert "--notification-endpoint ANOTHER_ADDRESS" in found[1].mend


def test_a_link_that_ends_a_subscription_is_a_note_by_email_and_not_for_a_queue() -> None:
    by_link = {"PendingConfirmation": "false", "ConfirmationWasAuthenticated": "false"}
    found = subscribed(by_link, {**by_link, "protocol": "sqs"}, address=ON_CALL)
    assert levels(found) == [Level.NOTE, Level.OK]
    assert "--authenticate-on-unsubscribe" in found[0].mend


@pytest.mark.parametrize(
    ("subscription", "words"),
    [
        ({"arn": "PendingConfirmation"}, "has not confirmed"),
        ({"PendingConfirmation": "true"}, "has not confirmed"),
        ({}, "has not confirmed"),
        ({**CONFIRMED, "FilterPolicy": '{"severity": ["critical"]}'}, "filter policy"),
        ({"arn": "Deleted"}, "has not confirmed"),
    ],
)
def test_who_does_not_count_leaves_nobody_to_listen(subscription: dict[str, str], words: str) -> None:
    found = subscribed(subscription, address=ON_CALL)
    assert levels(found) == [Level.NOTE, Level.FAIL]
    assert words in found[0].detail
    assert "nobody listens" in found[1].detail
    assert found[1].mend.startswith(
        f"aws sns subscribe --region eu-west-1 --topic-arn {TOPIC} --protocol email"
    )


def test_an_address_that_is_gone_is_told_also_where_others_listen() -> None:
    found = subscribed(
        {**CONFIRMED, "endpoint": "a@example.com"},
        {**CONFIRMED, "endpoint": "b@example.com"},
        address=ON_CALL,
    )
    assert levels(found) == [Level.OK, Level.OK, Level.FAIL]
    assert ON_CALL in found[2].mend


def test_a_topic_without_any_subscription_has_no_list() -> None:
    assert levels(subscribed()) == [Level.FAIL]


# The schedule

CRON = {"ScheduleExpression": "cron(00 06 * * ? *)", "ScheduleExpressionTimezone": "Europe/Berlin"}


def scheduled(**found: Any) -> Finding:
    wanted = {**CRON, "Target": {"Arn": "scanner", "RetryPolicy": {"MaximumRetryAttempts": 10}}}
    scheduler = Client({"GetSchedule": {**wanted, "State": "ENABLED", **found}})
    stack = stack_of(
        ("scheduler", scheduler),
        resources={"Daily": {"Type": "AWS::Scheduler::Schedule", "Properties": wanted}},
    )
    (one,) = told(schedule.looks(stack, now=NOW))
    return one


def test_the_next_run_is_tomorrow_when_todays_time_is_over_there() -> None:
    # Noon in UTC is one o'clock in Berlin.
    assert "2026-11-28 06:00 CET" in scheduled().detail
    later = {**CRON, "ScheduleExpressionTimezone": "America/Los_Angeles"}
    assert scheduled(**later).level is Level.FAIL


def test_what_scheduler_adds_by_itself_is_no_difference() -> None:
    target = {"Arn": "scanner", "RetryPolicy": {"MaximumRetryAttempts": "10", "More": 1}, "Added": True}
    assert scheduled(Target=target, GroupName="default").level is Level.OK


@pytest.mark.parametrize("more", ["StartDate", "EndDate"])
def test_a_schedule_that_begins_late_or_ends_is_not_the_templates(more: str) -> None:
    assert more in scheduled(**{more: NOW}).detail


# Runs


def ran(*lines: tuple[timedelta, dict[str, Any] | str], **described: Any) -> Finding:
    """These lines of the rotator's log, so long ago. The log gives every line whatever it is asked."""

    def filter_log_events(**request: Any) -> Any:
        found = [
            {
                "timestamp": int((NOW - ago).timestamp() * 1000),
                "message": said if isinstance(said, str) else json.dumps(said),
            }
            for ago, said in lines
        ]
        return (
            {"events": [each for each in found if each["timestamp"] >= request["startTime"]]} if found else {}
        )

    stack = stack_of(
        ("lambda", Client({"GetFunctionConfiguration": {"LoggingConfig": {"LogGroup": "log"}}})),
        ("logs", Client({"FilterLogEvents": filter_log_events})),
        **described,
    )
    (one,) = told(runs.looks(stack, now=NOW))
    return one


def completed(run_id: str) -> dict[str, Any]:
    return {"message": "run completed", "run_id": run_id}


def measured(**counts: int) -> dict[str, Any]:
    return {"RunsCompleted": [1.0], **{name: [float(count)] for name, count in counts.items()}}


def test_the_last_run_is_told_with_its_own_counts() -> None:
    hour = timedelta(hours=1)
    found = ran(
        (26 * hour, completed("yesterday")),
        (26 * hour, measured(Replaced=9)),
        (2 * hour, completed("today")),
        (2 * hour, "START RequestId: no JSON"),
        (2 * hour, measured(UsersExamined=40, Replaced=3, Failed=1)),
        (1 * hour, {"message": "somebody's words: run completed"}),
    )
    assert found.level is Level.OK
    assert found.detail == "today, completed 2026-11-27 10:00 UTC: 40 users, 3 replaced, 1 failed"


def test_a_run_that_is_too_long_ago_fails() -> None:
    found = ran((timedelta(hours=27), completed("late")))
    assert (found.level, found.mend) == (Level.FAIL, "run now")
    assert found.detail.startswith("27 hours ago (late, ")
    assert "its counts are not in the log" in found.detail


def test_no_run_fails_but_on_the_first_day() -> None:
    assert ran().level is Level.FAIL
    assert ran(CreationTime=NOW - timedelta(hours=25)).level is Level.NOTE


# Alarms


def alarm(*, wants: dict[str, Any] | None = None, **found: Any) -> list[Finding]:
    wanted = {
        "AlarmActions": [TOPIC],
        "Threshold": 1,
        "Dimensions": [{"Name": "a", "Value": "b"}],
        **(wants or {}),
    }
    there = {
        **wanted,
        "AlarmName": "alarm",
        "ActionsEnabled": True,
        "StateValue": "OK",
        "Threshold": 1.0,
        **found,
    }
    cloudwatch = Client({"DescribeAlarms": {"MetricAlarms": [there]} if found.get("there", True) else {}})
    stack = stack_of(
        ("cloudwatch", cloudwatch),
        resources={"Alarm": {"Type": "AWS::CloudWatch::Alarm", "Properties": wanted}},
    )
    return told(alarms.looks(stack))


EXPRESSION = [
    {"Id": "all", "Expression": "FILL(runs, 0)", "ReturnData": True},
    {"Id": "runs", "MetricStat": {"Period": 3600, "Stat": "Sum"}, "ReturnData": False},
]


def test_an_expression_is_compared_by_all_that_the_template_says_of_it() -> None:
    """CloudWatch adds what was left out, and has an order of its own."""
    there = [{**each, "AccountId": "1"} for each in reversed(EXPRESSION)]
    assert levels(alarm(wants={"Metrics": EXPRESSION}, Metrics=there)) == [Level.OK]
    others = [{**EXPRESSION[0], "Expression": "FILL(runs, 1)"}, EXPRESSION[1]]
    (one,) = alarm(wants={"Metrics": EXPRESSION}, Metrics=others)
    assert one.level is Level.FAIL
    assert "Metrics" in one.detail


def test_an_alarm_as_it_should_be_is_fine_and_without_data_a_note() -> None:
    assert levels(alarm()) == [Level.OK]
    assert levels(alarm(StateValue="INSUFFICIENT_DATA")) == [Level.OK, Level.NOTE]


@pytest.mark.parametrize(
    ("found", "words", "mend"),
    [
        ({"StateValue": "ALARM"}, "is in ALARM", "# docs/runbook.md, alarm"),
        ({"ActionsEnabled": False}, "nobody hears", "enable-alarm-actions"),
        ({"AlarmActions": []}, "AlarmActions", "put-metric-alarm"),
        ({"Threshold": 1000.0}, "Threshold", "put-metric-alarm"),
        ({"Dimensions": []}, "Dimensions", "put-metric-alarm"),
        ({"there": False}, "is gone", "put-metric-alarm"),
    ],
)
def test_an_alarm_that_is_wrong_is_told(found: dict[str, Any], words: str, mend: str) -> None:
    (one,) = alarm(**found)
    assert one.level is Level.FAIL
    assert words in one.detail
    assert mend in one.mend


# Roles


def role(**answers: Any) -> list[Finding]:
    made = role_with({"Effect": "Allow", "Action": "a:B", "Resource": "*"})
    properties = made["Properties"]
    described = {"AssumeRolePolicyDocument": properties["AssumeRolePolicyDocument"]}
    iam = Client(
        {
            "ListRolePolicies": {"PolicyNames": ["does"]},
            "GetRolePolicy": {"PolicyDocument": properties["Policies"][0]["PolicyDocument"]},
            "ListAttachedRolePolicies": {},
            "GetRole": {"Role": described},
            **answers,
        }
    )
    return told(roles.looks(stack_of(("iam", iam), resources={"Role": made})))


def test_a_role_without_attached_policies_has_no_list_of_them() -> None:
    assert levels(role()) == [Level.OK]


def test_a_role_whose_policies_are_all_gone_has_no_list_either() -> None:
    (one,) = role(ListRolePolicies={})
    assert one.level is Level.FAIL
    assert "missing: Allow a:B on *" in one.detail
    assert one.mend.startswith(
        "aws iam put-role-policy --region eu-west-1 --role-name role --policy-name does"
    )


def test_the_policies_beside_a_role_count_when_they_are_its_own_and_their_condition_holds() -> None:
    def policy(name: str, *, of: str, **more: Any) -> dict[str, Any]:
        document = {"Statement": {"Effect": "Allow", "Action": f"a:{name}", "Resource": "*"}}
        properties = {"PolicyName": name, "PolicyDocument": document, "Roles": [{"Ref": of}]}
        return {"Type": "AWS::IAM::Policy", "Properties": properties, **more}

    stack = stack_of(
        resources={
            "Role": role_with(),
            "Other": role_with(),
            "Ours": policy("ours", of="Role"),
            "Theirs": policy("theirs", of="Other"),
            "Never": policy("never", of="Role", Condition="Never"),
        },
        conditions={"Never": {"Fn::Equals": ["a", "b"]}},
    )
    assert roles.wanted_policies(stack.deployed, "Role").keys() == {"does", "ours"}
    assert roles.wanted_policies(stack.deployed, "Other").keys() == {"does", "theirs"}


def test_a_boundary_is_a_note_beside_the_rest() -> None:
    trust = role_with()["Properties"]["AssumeRolePolicyDocument"]
    boundary = {"PermissionsBoundaryArn": "arn:boundary"}
    found = role(GetRole={"Role": {"AssumeRolePolicyDocument": trust, "PermissionsBoundary": boundary}})
    assert levels(found) == [Level.OK, Level.NOTE]
    assert "arn:boundary" in found[1].detail


def test_a_role_that_is_gone_is_told_as_gone() -> None:
    (one,) = role(ListRolePolicies=refuses("NoSuchEntity"))
    assert (one.level, one.what) == (Level.FAIL, "role Role")
    assert "is gone" in one.detail


# Queues, key, table


def queue(**attributes: str) -> list[Finding]:
    sqs = Client({"GetQueueAttributes": {"Attributes": attributes}})
    properties = {
        "VisibilityTimeout": 5400,
        "SqsManagedSseEnabled": True,
        "RedrivePolicy": {"deadLetterTargetArn": "dead", "maxReceiveCount": 3},
    }
    return told(
        queues.looks(
            stack_of(("sqs", sqs), resources={"Queue": {"Type": "AWS::SQS::Queue", "Properties": properties}})
        )
    )


AS_SQS_SAYS = {
    "VisibilityTimeout": "5400",
    "SqsManagedSseEnabled": "true",
    "RedrivePolicy": '{"maxReceiveCount":"3","deadLetterTargetArn":"dead"}',
}


def test_a_queue_says_all_its_settings_as_texts() -> None:
    (one,) = queue(**AS_SQS_SAYS, ApproximateNumberOfMessages="1")
    assert (one.level, one.detail) == (Level.OK, "about 1 message; 0 statements, each the template's")


@pytest.mark.parametrize("name", AS_SQS_SAYS)
def test_a_setting_of_a_queue_that_is_gone_is_told(name: str) -> None:
    (one,) = queue(**{each: value for each, value in AS_SQS_SAYS.items() if each != name})
    assert one.level is Level.FAIL
    assert name in one.detail


@pytest.mark.parametrize(
    ("path", "alarm"), [("Orders/DeadLetters", "OrderFailed"), ("Daily/DeadLetters", "RunNotStarted")]
)
def test_a_dead_letter_is_told_with_its_section_of_the_runbook_and_an_order_is_not(
    path: str, alarm: str
) -> None:
    sqs = Client({"GetQueueAttributes": {"Attributes": {"ApproximateNumberOfMessagesNotVisible": "2"}}})

    def at(place: str) -> Finding:
        made = {"Type": "AWS::SQS::Queue", "Metadata": {"aws:cdk:path": f"Stack/{place}/Resource"}}
        (one,) = told(queues.looks(stack_of(("sqs", sqs), resources={"Queue": made})))
        return one

    assert (at(path).level, at(path).mend) == (Level.FAIL, f"# docs/runbook.md, {alarm}")
    assert at("Orders/Queue").level is Level.OK


def test_a_policy_that_the_template_does_not_have_is_told() -> None:
    (one,) = queue(**AS_SQS_SAYS, Policy=as_json({"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}))
    assert "not the template's: Allow sqs:* on *" in one.detail


def mapped(**said: Any) -> list[Finding]:
    mapping = {"UUID": "uuid", "EventSourceArn": "orders", "State": "Enabled", **said}
    found = {"EventSourceMappings": [mapping]} if said.get("there", True) else {}
    properties = {"FunctionName": "rotator", "EventSourceArn": "orders", "BatchSize": 1}
    return told(
        queues.looks(
            stack_of(
                ("lambda", Client({"ListEventSourceMappings": found})),
                resources={"M": {"Type": "AWS::Lambda::EventSourceMapping", "Properties": properties}},
            )
        )
    )


@pytest.mark.parametrize(
    ("said", "words", "mend"),
    [
        (
            {"State": "Disabled"},
            "orders wait",
            "update-event-source-mapping --region eu-west-1 --uuid uuid --enabled",
        ),
        ({"FilterCriteria": {"Filters": [{"Pattern": "{}"}]}}, "drop orders", "--filter-criteria"),
        ({"there": False}, "no order reaches", "create-event-source-mapping"),
    ],
)
def test_orders_that_do_not_reach_the_rotator_are_told(said: dict[str, Any], words: str, mend: str) -> None:
    assert levels(mapped()) == [Level.OK]
    (one,) = mapped(**said)
    assert one.level is Level.FAIL
    assert words in one.detail
    assert mend in one.mend


def test_a_queue_of_somebody_elses_that_feeds_the_rotator_is_told() -> None:
    theirs, ours = mapped(EventSourceArn="theirs")
    assert "from theirs" in theirs.detail
    assert "is gone" in ours.detail


def test_a_key_that_waits_for_its_deletion_is_kept_by_two_commands() -> None:
    kms = Client(
        {
            "DescribeKey": {"KeyMetadata": {"KeyState": "PendingDeletion"}},
            "GetKeyPolicy": {"Policy": as_json()},
        }
    )
    key = {"Type": "AWS::KMS::Key", "Properties": {"KeyPolicy": {"Statement": []}}}
    (one,) = told(topic.looks(stack_of(("kms", kms), resources={"Key": key})))
    assert one.mend == (
        "aws kms cancel-key-deletion --region eu-west-1 --key-id key && aws kms enable-key --region eu-west-1 --key-id key"
    )


def table(**answers: Any) -> list[Finding]:
    dynamodb = Client(
        {
            "DescribeTable": {"Table": {"TableStatus": "ACTIVE", "DeletionProtectionEnabled": True}},
            "GetResourcePolicy": {"Policy": as_json({"Effect": "Deny", "Action": "a"})},
            "DescribeContinuousBackups": {
                "ContinuousBackupsDescription": {
                    "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED"}
                }
            },
            "DescribeTimeToLive": {},
            **answers,
        }
    )
    policy = {"PolicyDocument": {"Statement": [{"Effect": "Deny", "Action": "a"}]}}
    resources = {"Table": {"Type": "AWS::DynamoDB::Table", "Properties": {"ResourcePolicy": policy}}}
    return told(memory.looks(stack_of(("dynamodb", dynamodb), resources=resources)))


def test_a_table_says_little_of_what_it_has_not() -> None:
    assert levels(table()) == [Level.OK] * 4


def test_a_copy_in_another_region_is_told() -> None:
    copied = {
        "TableStatus": "ACTIVE",
        "DeletionProtectionEnabled": True,
        "Replicas": [{"RegionName": "us-east-2"}],
    }
    assert levels(table(DescribeTable={"Table": copied})) == [Level.FAIL, Level.OK, Level.OK, Level.OK]


def test_no_policy_is_no_error_but_a_policy_that_is_missing() -> None:
    found = table(GetResourcePolicy=refuses("PolicyNotFoundException"))
    assert levels(found) == [Level.OK, Level.FAIL, Level.OK, Level.OK]


def test_what_may_not_be_read_stops_nothing_else() -> None:
    found = table(
        GetResourcePolicy=refuses("AccessDeniedException"), DescribeTimeToLive=refuses("Throttling")
    )
    assert levels(found) == [Level.OK, Level.NOT_SEEN, Level.OK, Level.NOT_SEEN]
    assert found[1].mend == "# needs dynamodb:GetResourcePolicy: docs/permissions.md"
    assert "DescribeTimeToLive: Throttling" in found[3].detail


# The functions


def function(**found: Any) -> list[Finding]:
    settings = {
        "Handler": "rotator.handler",
        "MemorySize": 512,
        "Role": "role",
        "Runtime": "p",
        "Timeout": 900,
    }
    properties = {
        **settings,
        "Environment": {"Variables": {"DAYS": 7}},
        "LoggingConfig": {"LogFormat": "JSON", "LogGroup": "log"},
    }
    there = {**properties, "Environment": {"Variables": {"DAYS": "7"}}, **found}
    answers = {
        "GetFunctionConfiguration": there,
        "GetFunctionConcurrency": {},
        "GetPolicy": refuses("ResourceNotFoundException"),
    }
    stack = stack_of(
        ("lambda", Client(answers)),
        resources={"Function": {"Type": "AWS::Lambda::Function", "Properties": properties}},
    )
    looks = functions.looks(stack, fetch=lambda _: b"")
    return told((what, look) for what, look in looks if not what.startswith("code"))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({}, [Level.OK]),
        ({"State": "Pending"}, [Level.NOTE]),
        ({"State": "Inactive"}, [Level.NOTE]),
        ({"State": "Failed"}, [Level.FAIL]),
        ({"Environment": {}}, [Level.FAIL]),
        ({"Layers": [{"Arn": "theirs"}]}, [Level.FAIL]),
        ({"LoggingConfig": {"LogFormat": "Text", "LogGroup": "log"}}, [Level.FAIL]),
        ({"LoggingConfig": {"LogFormat": "JSON", "LogGroup": "log", "SystemLogLevel": "INFO"}}, [Level.OK]),
    ],
    ids=str,
)
def test_a_function_is_as_it_should_be_or_told(found: dict[str, Any], expected: list[Level]) -> None:
    assert levels(function(**found)) == expected


# The bootstrap


@pytest.fixture
def assembly(tmp_path: Path) -> Path:
    role = "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/"
    properties = {
        "assumeRoleArn": f"{role}deploy",
        "cloudFormationExecutionRoleArn": f"{role}exec",
        "lookupRole": {"arn": f"{role}lookup"},
        "requiresBootstrapStackVersion": 6,
        "bootstrapStackVersionSsmParameter": "/version",
    }
    (tmp_path / "manifest.json").write_text(
        json.dumps({"artifacts": {"AccessKeyRotation": {"properties": properties}}})
    )
    where = {"bucketName": "assets-${AWS::AccountId}", "assumeRoleArn": f"{role}publish"}
    (tmp_path / "AccessKeyRotation.assets.json").write_text(
        json.dumps({"files": {"template": {"destinations": {"here": where}}}})
    )
    return tmp_path


BLOCKED = dict.fromkeys(
    ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets"), True
)


def bootstrapped(
    assembly: Path, *, principal: Any = "111122223333", toolkit: Any = None, **s3: Any
) -> list[Finding]:
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}]}
    return told(
        bootstrap.looks(
            stack_of(
                ("ssm", Client({"GetParameter": {"Parameter": {"Value": "21"}}})),
                (
                    "s3",
                    Client(
                        {
                            "HeadBucket": {},
                            "GetPublicAccessBlock": {"PublicAccessBlockConfiguration": BLOCKED},
                            "GetBucketPolicy": refuses("NoSuchBucketPolicy"),
                            **s3,
                        }
                    ),
                ),
                ("iam", Client({"GetRole": {"Role": {"AssumeRolePolicyDocument": trust}}})),
                ("cloudformation", Client({"DescribeStacks": toolkit or refuses("ValidationError")})),
                assembly=assembly,
            )
        )
    )


def test_a_bootstrap_as_it_is_made_is_fine(assembly: Path) -> None:
    assert levels(bootstrapped(assembly)) == [Level.OK] * 3
    root = "arn:aws:iam::111122223333:root"
    assert levels(bootstrapped(assembly, principal=[root])) == [Level.OK] * 3


def test_a_bucket_of_somebody_else_is_told_apart_from_one_that_may_not_be_read(assembly: Path) -> None:
    """S3 answers both with 403 and no reason."""

    def of_another(**request: Any) -> Any:
        if "ExpectedBucketOwner" in request:
            raise refuses("403")("HeadBucket")
        return {}

    found = bootstrapped(assembly, HeadBucket=of_another)
    assert levels(found) == [Level.OK, Level.FAIL, Level.OK]
    assert "somebody else's" in found[1].detail
    found = bootstrapped(assembly, HeadBucket=refuses("403"))
    assert levels(found) == [Level.OK, Level.NOT_SEEN, Level.OK]
    found = bootstrapped(assembly, HeadBucket=refuses("404"))
    assert "is gone" in found[1].detail


@pytest.mark.parametrize("principal", ["*", {"AWS": "arn:aws:iam::999999999999:root"}])
def test_a_bucket_that_lets_others_in_is_told(assembly: Path, principal: Any) -> None:
    policy = as_json({"Effect": "Allow", "Principal": principal, "Action": "s3:*", "Resource": "*"})
    found = bootstrapped(assembly, GetBucketPolicy={"Policy": policy})
    assert levels(found) == [Level.OK, Level.FAIL, Level.OK]


def test_a_bucket_without_its_block_is_told(assembly: Path) -> None:
    for answer in (
        refuses("NoSuchPublicAccessBlockConfiguration"),
        {"PublicAccessBlockConfiguration": {**BLOCKED, "IgnorePublicAcls": False}},
    ):
        assert levels(bootstrapped(assembly, GetPublicAccessBlock=answer))[1] is Level.FAIL


def test_another_account_that_the_bootstrap_was_told_to_trust_is_a_note_and_any_other_fails(
    assembly: Path,
) -> None:
    pipeline = "arn:aws:iam::999999999999:root"
    parameters = [{"ParameterKey": "TrustedAccounts", "ParameterValue": "888888888888,999999999999"}]
    toolkit = {"Stacks": [{"Parameters": parameters}]}
    assert levels(bootstrapped(assembly, principal=pipeline, toolkit=toolkit))[2:] == [Level.NOTE] * 4
    assert levels(bootstrapped(assembly, principal=pipeline))[2:] == [Level.FAIL] * 4
    assert levels(bootstrapped(assembly, principal="*", toolkit=toolkit))[2:] == [Level.FAIL] * 4


# The stack, and who looks


def test_no_alias_and_no_list_of_aliases_are_the_same() -> None:
    stack = stack_of(
        ("sts", Client({"GetCallerIdentity": {"Arn": "arn:aws:iam::111122223333:root"}})),
        ("iam", Client({"ListAccountAliases": {}})),
    )
    root, account = told(who.looks(stack))
    assert (root.level, account.level) == (Level.NOTE, Level.OK)
    assert "no alias" in account.detail


@pytest.mark.parametrize(
    ("status", "level"),
    [
        ("CREATE_COMPLETE", Level.OK),
        ("IMPORT_COMPLETE", Level.OK),
        ("UPDATE_ROLLBACK_COMPLETE", Level.NOTE),
        ("UPDATE_IN_PROGRESS", Level.NOTE),
        ("ROLLBACK_COMPLETE", Level.FAIL),
        ("UPDATE_ROLLBACK_FAILED", Level.FAIL),
    ],
)
def test_the_status_says_how_urgent_it_is(status: str, level: Level) -> None:
    (one,) = [each for each in deployed(StackStatus=status) if each.what == "stack"]
    assert one.level is level


def deployed(assembly: Path | None = None, **described: Any) -> list[Finding]:
    stack = stack_of(assembly=assembly or Path("nowhere"), **described)
    return told(deployment.looks(stack))


def test_termination_protection_that_is_off_or_not_said_is_told() -> None:
    (on,) = [each for each in deployed(EnableTerminationProtection=True) if each.what == "protection"]
    (off,) = [each for each in deployed() if each.what == "protection"]
    assert (on.level, off.level) == (Level.OK, Level.FAIL)


def test_another_version_is_told_with_both() -> None:
    outputs = [{"OutputKey": "Version", "OutputValue": "0.1.7"}]
    (one,) = [each for each in deployed(Outputs=outputs) if each.what == "version"]
    assert one.level is Level.FAIL
    assert "0.1.7" in one.detail
    assert VERSION in one.detail
    outputs = [{"OutputKey": "Version", "OutputValue": VERSION}]
    (one,) = [each for each in deployed(Outputs=outputs) if each.what == "version"]
    assert one.level is Level.OK


def test_a_template_that_is_not_this_checkouts_is_told_by_what_differs(tmp_path: Path) -> None:
    ours = {"Resources": {"New": {"Type": "T"}}, "Conditions": {}, "Outputs": {"Version": {"Value": "2"}}}
    (tmp_path / "AccessKeyRotation.template.json").write_text(json.dumps(ours))
    (one,) = [each for each in deployed(tmp_path) if each.what == "template"]
    assert one.level is Level.FAIL
    assert ": New, Outputs." in one.detail
    (tmp_path / "AccessKeyRotation.template.json").write_text('{"Resources": {}, "Conditions": {}}')
    (one,) = [each for each in deployed(tmp_path) if each.what == "template"]
    assert one.level is Level.OK


def test_where_there_is_no_stack_there_is_nothing_to_look_at() -> None:
    with pytest.raises(NoStack):
        read(client=lambda _: Client({"DescribeStacks": {}}), assembly=Path("nowhere"))


# Looking itself


def test_a_look_that_breaks_off_keeps_what_it_saw_and_the_next_goes_on() -> None:
    def first() -> Any:
        yield ok("a", "seen")
        raise EndpointConnectionError(endpoint_url="https://there")

    def second() -> Any:
        yield fail("b", "wrong", "mend it")

    assert [(each.level, each.what) for each in findings([("a", first), ("b", second)])] == [
        (Level.OK, "a"),
        (Level.NOT_SEEN, "a"),
        (Level.FAIL, "b"),
    ]
