"""`make doctor` on the deployed stack: healthy; each thing that somebody breaks, and its mend, run as it is printed; what it may not see."""

import io
import json
import zipfile
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from infra.after_deploy import STACK, bundle_in
from infra.doctor.__main__ import main
from infra.doctor.findings import Exit
from infra.doctor.reads import READS
from sandbox.account import EmulatedAccount
from sandbox.clients import Key
from sandbox.day import run_day
from tests.assembled import kept_assembly
from tests.e2e.conftest import ADDRESS, OPERATOR_ARN, Deployed, make_operator
from tests.e2e.runbook import Shell
from tests.e2e.sessions import document, session_of

DOCTOR = "doctor"
# What the emulator cannot show otherwise: its alarms have no data, and the one address confirmed by a link.
NOTES = {"alarms", "listeners"}


@pytest.fixture(scope="module")
def stack() -> Iterator[Deployed]:
    """A deployment of its own, which is broken and mended all the time; one run was completed."""
    with EmulatedAccount.start() as account:
        make_operator(account)
        outputs = account.install(
            kept_assembly(), {"Mode": "Enforce", "AlertEmail": ADDRESS, "OperatorArns": OPERATOR_ARN}
        )
        run_day(account, outputs)
        yield Deployed(account=account, outputs=outputs)


@dataclass(frozen=True)
class Said:
    """What the doctor says: its findings, and how it ends."""

    exit: int
    findings: list[dict[str, str]]
    stderr: str

    def at(self, level: str) -> list[dict[str, str]]:
        return [each for each in self.findings if each["level"] == level]


@pytest.fixture
def doctor(stack: Deployed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Said]:
    """As a person runs it: by the variables of a shell, in a role that may do what reads.py says and nothing else."""
    make_doctor(stack.account)

    def run(*, key: Key | None = None, region: str | None = None) -> Said:
        whose = key or session_of(stack.account, f"arn:aws:iam::{stack.account.account_id}:role/{DOCTOR}")
        environment = Shell(stack.account, binaries=tmp_path, key=whose).environment
        for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            if name.startswith("AWS_"):
                monkeypatch.setenv(name, value)
        # For the link to a function's code.
        monkeypatch.setenv("SSL_CERT_FILE", environment["AWS_CA_BUNDLE"])
        if region is not None:
            monkeypatch.setenv("AWS_DEFAULT_REGION", region)
        stdout, stderr = io.StringIO(), io.StringIO()
        ends = main(
            ["--format", "json"],
            now=datetime.now(UTC),
            assembly=kept_assembly(),
            stdout=stdout,
            stderr=stderr,
        )
        said = json.loads(stdout.getvalue() or '{"findings": []}')
        return Said(int(ends), said["findings"], stderr.getvalue())

    return run


def make_doctor(account: EmulatedAccount, *, without: Collection[str] = ()) -> None:
    """The role, with everything that docs/permissions.md asks of the doctor's caller, or all but these actions."""
    iam = account.client("iam")
    trust = {"Effect": "Allow", "Principal": {"AWS": account.account_id}, "Action": "sts:AssumeRole"}
    with suppress(iam.exceptions.EntityAlreadyExistsException):
        iam.create_role(RoleName=DOCTOR, AssumeRolePolicyDocument=document(trust))
    actions = [each for each in READS.values() if each not in without]
    may = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    iam.put_role_policy(RoleName=DOCTOR, PolicyName="reads", PolicyDocument=document(may))


@pytest.fixture
def shell(stack: Deployed, tmp_path: Path) -> Shell:
    return Shell(stack.account, binaries=tmp_path)


def test_a_healthy_stack_is_healthy_and_nothing_but_what_is_documented_was_asked(
    stack: Deployed, doctor: Callable[..., Said]
) -> None:
    stack.account.forget()
    said = doctor()
    assert said.at("FAIL") == []
    assert said.at("NOT SEEN") == []
    assert {each["what"] for each in said.at("NOTE")} == NOTES
    assert said.exit == Exit.HEALTHY
    calls = stack.account.calls(principal=f"arn:aws:iam::{stack.account.account_id}:role/{DOCTOR}")
    assert {each.action for each in calls} - {"sts:GetCallerIdentity"} == set(READS.values())
    (run,) = (each["detail"] for each in said.findings if each["what"] == "last run")
    assert run.startswith("day-")
    assert " 0 failed" in run


# What somebody does to the stack, the line that fails for it, and a word that it says.


def physical(stack: Deployed, kind: str, path: str) -> str:
    """The physical id of the resource at a construct's path."""
    template = json.loads((kept_assembly() / f"{STACK}.template.json").read_text())
    (logical_id,) = (
        name
        for name, each in template["Resources"].items()
        if each["Type"] == kind and f"{STACK}/{path}/" in f"{each['Metadata']['aws:cdk:path']}/"
    )
    found = stack.account.client("cloudformation").describe_stack_resource(
        StackName=STACK, LogicalResourceId=logical_id
    )
    return found["StackResourceDetail"]["PhysicalResourceId"]


def schedule_off(stack: Deployed) -> None:
    scheduler: Any = stack.account.client("scheduler")
    found = scheduler.get_schedule(Name=stack.outputs["ScheduleName"])
    kept = ("Name", "ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "Target")
    scheduler.update_schedule(**{name: found[name] for name in kept}, State="DISABLED")


def schedule_of_another_function(stack: Deployed) -> None:
    scheduler: Any = stack.account.client("scheduler")
    found = scheduler.get_schedule(Name=stack.outputs["ScheduleName"])
    kept = ("Name", "ScheduleExpression", "ScheduleExpressionTimezone", "FlexibleTimeWindow", "State")
    target = {**found["Target"], "Arn": f"{found['Target']['Arn']}-of-theirs"}
    scheduler.update_schedule(**{name: found[name] for name in kept}, Target=target)


def listener_gone(stack: Deployed) -> None:
    sns = stack.account.client("sns")
    for each in sns.list_subscriptions_by_topic(TopicArn=stack.outputs["TopicArn"])["Subscriptions"]:
        sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])


def one_policy_more(stack: Deployed) -> None:
    everything = {"Effect": "Allow", "Action": "iam:*", "Resource": "*"}
    stack.account.client("iam").put_role_policy(
        RoleName="access-key-rotation-rotator", PolicyName="more", PolicyDocument=document(everything)
    )


def another_word_in_a_policy(stack: Deployed) -> None:
    """The rotator may read what it wrote: its own Deny is gone."""
    iam, role = stack.account.client("iam"), "access-key-rotation-rotator"
    for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
        policy: Any = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        kept = [each for each in policy["Statement"] if each["Effect"] == "Allow"]
        if len(kept) < len(policy["Statement"]):
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=document(*kept))


def managed_policy(stack: Deployed) -> None:
    stack.account.client("iam").attach_role_policy(
        RoleName="access-key-rotation-rotator", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess"
    )


def trusted_by_more(stack: Deployed) -> None:
    anybody = {"Effect": "Allow", "Principal": {"AWS": stack.account.account_id}, "Action": "sts:AssumeRole"}
    stack.account.client("iam").update_assume_role_policy(
        RoleName="access-key-rotation-rotator", PolicyDocument=document(anybody)
    )


def alarm_actions_off(stack: Deployed) -> None:
    stack.account.client("cloudwatch").disable_alarm_actions(AlarmNames=[f"{STACK}-OrderFailed"])


def alarm_gone(stack: Deployed) -> None:
    stack.account.client("cloudwatch").delete_alarms(AlarmNames=[f"{STACK}-NoSubscription"])


def code_replaced(stack: Deployed) -> None:
    archive, bundle = io.BytesIO(), bundle_in(kept_assembly())
    with zipfile.ZipFile(archive, "w") as packed:
        for path in (each for each in bundle.rglob("*") if each.is_file()):
            name = path.relative_to(bundle).as_posix()
            packed.writestr(name, path.read_bytes() + (b"# theirs" if name == "rotator.py" else b""))
    stack.account.client("lambda").update_function_code(
        FunctionName=stack.outputs["RotatorName"], ZipFile=archive.getvalue()
    )


def environment_changed(stack: Deployed) -> None:
    functions = stack.account.client("lambda")
    found = functions.get_function_configuration(FunctionName=stack.outputs["RotatorName"])
    changed = {
        **found["Environment"]["Variables"],
        "WARN_DAYS": "1",
        "AWS_LAMBDA_EXEC_WRAPPER": "/opt/theirs",
    }
    functions.update_function_configuration(
        FunctionName=stack.outputs["RotatorName"], Environment={"Variables": changed}
    )


def role_of_another(stack: Deployed) -> None:
    stack.account.client("lambda").update_function_configuration(
        FunctionName=stack.outputs["ScannerName"], Role=OPERATOR_ARN
    )


def stopped_by_its_concurrency(stack: Deployed) -> None:
    stack.account.client("lambda").put_function_concurrency(
        FunctionName=stack.outputs["RotatorName"], ReservedConcurrentExecutions=0
    )


def invoked_by_others(stack: Deployed) -> None:
    stack.account.client("lambda").add_permission(
        FunctionName=stack.outputs["ScannerName"],
        StatementId="theirs",
        Action="lambda:InvokeFunction",
        Principal="999999999999",
    )


def mapping_off(stack: Deployed) -> None:
    functions = stack.account.client("lambda")
    (mapping,) = functions.list_event_source_mappings(FunctionName=stack.outputs["RotatorName"])[
        "EventSourceMappings"
    ]
    functions.update_event_source_mapping(UUID=mapping["UUID"], Enabled=False)


def failed_starts_go_nowhere(stack: Deployed) -> None:
    stack.account.client("lambda").delete_function_event_invoke_config(
        FunctionName=stack.outputs["ScannerName"], Qualifier="$LATEST"
    )


def queue_policy_changed(stack: Deployed) -> None:
    """Everybody may send an order."""
    sqs, url = stack.account.client("sqs"), stack.outputs["OrdersQueueUrl"]
    policy = json.loads(
        sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    )
    kept = [each for each in policy["Statement"] if each.get("Sid") != "OnlyTheScannerSends"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document(*kept)})


def queue_settings_changed(stack: Deployed) -> None:
    stack.account.client("sqs").set_queue_attributes(
        QueueUrl=stack.outputs["OrdersQueueUrl"], Attributes={"VisibilityTimeout": "1"}
    )


def topic_policy_changed(stack: Deployed) -> None:
    """Everybody may speak in the digest's name."""
    stack.account.client("sns").set_topic_attributes(
        TopicArn=stack.outputs["TopicArn"],
        AttributeName="Policy",
        AttributeValue=document(
            {
                "Effect": "Allow",
                "Principal": "*",
                "Action": "sns:Publish",
                "Resource": stack.outputs["TopicArn"],
            }
        ),
    )


def key_off(stack: Deployed) -> None:
    stack.account.client("kms").disable_key(KeyId=physical(stack, "AWS::KMS::Key", "Alerts/Key"))


def key_policy_changed(stack: Deployed) -> None:
    key = physical(stack, "AWS::KMS::Key", "Alerts/Key")
    anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:*", "Resource": "*"}
    stack.account.client("kms").put_key_policy(KeyId=key, PolicyName="default", Policy=document(anybody))


def table_policy_gone(stack: Deployed) -> None:
    dynamodb = stack.account.client("dynamodb")
    arn = dynamodb.describe_table(TableName=stack.outputs["MemoryTableName"])["Table"]["TableArn"]
    dynamodb.delete_resource_policy(ResourceArn=arn)


def table_unprotected(stack: Deployed) -> None:
    stack.account.client("dynamodb").update_table(
        TableName=stack.outputs["MemoryTableName"], DeletionProtectionEnabled=False
    )


def recovery_off(stack: Deployed) -> None:
    stack.account.client("dynamodb").update_continuous_backups(
        TableName=stack.outputs["MemoryTableName"],
        PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": False},
    )


def expiry_on(stack: Deployed) -> None:
    """Its policy denies that, and was put back afterwards."""
    dynamodb, name = stack.account.client("dynamodb"), stack.outputs["MemoryTableName"]
    arn = dynamodb.describe_table(TableName=name)["Table"]["TableArn"]
    policy = dynamodb.get_resource_policy(ResourceArn=arn)["Policy"]
    dynamodb.delete_resource_policy(ResourceArn=arn)
    dynamodb.update_time_to_live(
        TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "revision"}
    )
    dynamodb.put_resource_policy(ResourceArn=arn, Policy=policy)


def unprotected(stack: Deployed) -> None:
    stack.account.client("cloudformation").update_termination_protection(
        StackName=STACK, EnableTerminationProtection=False
    )


def bucket_open_to_others(stack: Deployed) -> None:
    s3, bucket = stack.account.client("s3"), f"cdk-hnb659fds-assets-{stack.account.account_id}-us-east-1"
    s3.delete_public_access_block(Bucket=bucket)


ROTATOR, SCANNER = "Rotator", "Scanner"
# The break, and the lines that fail for it: all of them, and no other.
BROKEN: dict[Callable[[Deployed], None], dict[str, str]] = {
    schedule_off: {"schedule": "DISABLED"},
    schedule_of_another_function: {"schedule": "Target"},
    listener_gone: {"listeners": "is not subscribed any more"},
    one_policy_more: {"role Rotator": "Allow iam:* on *"},
    another_word_in_a_policy: {
        "role Rotator": "missing: Deny secretsmanager",
        "may Rotator": "its policies do not deny secretsmanager:BatchGetSecretValue",
    },
    managed_policy: {"role Rotator": "AdministratorAccess"},
    trusted_by_more: {"role Rotator": "who may assume it"},
    alarm_actions_off: {"alarms": "the actions of AccessKeyRotation-OrderFailed are off"},
    alarm_gone: {"alarms": "AccessKeyRotation-NoSubscription is gone"},
    code_replaced: {"code of Rotator": "rotator.py"},
    environment_changed: {"function Rotator": "AWS_LAMBDA_EXEC_WRAPPER, WARN_DAYS"},
    role_of_another: {"function Scanner": "Role"},
    stopped_by_its_concurrency: {"function Rotator": "concurrency is 0"},
    invoked_by_others: {"function Scanner": "999999999999"},
    mapping_off: {"orders to rotator": "Disabled"},
    failed_starts_go_nowhere: {"failed starts": "go nowhere"},
    queue_policy_changed: {"queue Orders/Queue": "OnlyTheScannerSends"},
    queue_settings_changed: {"queue Orders/Queue": "VisibilityTimeout"},
    topic_policy_changed: {"topic": "NobodyElseSpeaks"},
    key_off: {"topic's key": "Disabled"},
    key_policy_changed: {"topic's key": "Allow kms:*"},
    table_policy_gone: {"memory's policy": "OnlyTheRotatorWrites"},
    table_unprotected: {"memory": "deletion protection"},
    recovery_off: {"memory's recovery": "DISABLED"},
    expiry_on: {"memory's expiry": "revision"},
    unprotected: {"protection": "termination protection is off"},
    bucket_open_to_others: {"bootstrap bucket": "public access"},
}


# The next one shows that this one was mended, and the last of all what the last of these did.
@pytest.mark.parametrize("break_it", BROKEN, ids=lambda each: each.__name__)
def test_what_is_broken_is_told_on_its_own_line_and_its_command_mends_it(
    stack: Deployed, doctor: Callable[..., Said], shell: Shell, break_it: Callable[[Deployed], None]
) -> None:
    break_it(stack)
    said = doctor()
    try:
        told: dict[str, str] = {}
        for each in said.at("FAIL"):
            told[each["what"]] = f"{told.get(each['what'], '')} {each['detail']}"
        assert told.keys() == BROKEN[break_it].keys(), told
        for what, words in BROKEN[break_it].items():
            assert words in told[what]
        assert said.exit == Exit.WRONG
    finally:
        shell.run(*(each["mend"] for each in said.at("FAIL") if not each["mend"].startswith("#")))


def test_a_dead_letter_is_told_with_the_section_of_the_runbook(
    stack: Deployed, doctor: Callable[..., Said]
) -> None:
    sqs, url = stack.account.client("sqs"), stack.outputs["DeadFiringsQueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    (found,) = doctor().at("FAIL")
    assert (found["what"], found["mend"]) == (
        "queue Daily/DeadLetters",
        "# docs/runbook.md, RunNotStarted",
    )
    assert "about 1 message:" in found["detail"]
    operator = session_of(stack.account, OPERATOR_ARN)
    stack.account.client("sqs", key=operator).purge_queue(QueueUrl=url)
    assert doctor().at("FAIL") == []


def test_without_some_permissions_the_rest_is_looked_at_and_each_is_named(
    stack: Deployed, doctor: Callable[..., Said]
) -> None:
    missing = {
        "dynamodb:GetResourcePolicy",
        "iam:SimulatePrincipalPolicy",
        "kms:GetKeyPolicy",
        "lambda:GetFunction",
        "lambda:GetFunctionConcurrency",
        "logs:FilterLogEvents",
        "s3:ListBucket",
        "sqs:GetQueueAttributes",
        "ssm:GetParameter",
    }
    make_doctor(stack.account, without=missing)
    said = doctor()
    assert said.at("FAIL") == []
    assert said.exit == Exit.NOT_ALL_SEEN
    assert {each["mend"] for each in said.at("NOT SEEN")} == {
        f"# needs {action}: docs/permissions.md" for action in missing
    }
    assert len(said.at("OK")) > 15


def test_whoever_may_not_see_the_stack_could_not_look(stack: Deployed, doctor: Callable[..., Said]) -> None:
    make_doctor(stack.account, without={"cloudformation:DescribeStacks"})
    said = doctor()
    assert said.exit == Exit.COULD_NOT_LOOK
    assert said.findings == []
    assert "DescribeStacks: AccessDenied" in said.stderr


def test_where_there_is_no_stack_it_could_not_look(doctor: Callable[..., Said]) -> None:
    said = doctor(region="eu-west-1")
    assert said.exit == Exit.COULD_NOT_LOOK
    assert said.findings == []
    assert "there is no stack AccessKeyRotation" in said.stderr


def test_a_key_that_nobody_has_could_not_look(doctor: Callable[..., Said]) -> None:
    said = doctor(key=Key(key_id="AKIAIOSFODNN7EXAMPLE", secret="no"))
    assert said.exit == Exit.COULD_NOT_LOOK
    assert "could not look" in said.stderr


def test_after_all_that_the_stack_is_healthy(doctor: Callable[..., Said]) -> None:
    assert doctor().exit == Exit.HEALTHY
