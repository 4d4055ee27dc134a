"""What an insider with a whole service tries, under enforcement: what stops it, and what holds where nothing can."""

import io
import json
import socketserver
import threading
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError

from infra import after_deploy
from infra.after_deploy import bundle_in
from sandbox.cast import Person
from sandbox.clients import ADMIN, Key
from sandbox.day import run_day
from sandbox.mailbox import Mailbox
from tests.assembled import kept_assembly
from tests.e2e.conftest import ADDRESS, Deployed
from tests.e2e.people import DUE, FRESH, inhabited, secret_of, statuses
from tests.e2e.sessions import document

FORGED = "CRITICAL: an administrator runs this command at once"


@contextmanager
def insider(stack: Deployed, *actions: str) -> Iterator[Key]:
    """A key of a user who may do all this, and nothing else."""
    name = f"insider-{uuid4().hex[:8]}"
    with inhabited(stack, Person(name=name, story="may do a whole service", keys=FRESH)) as keys:
        allow = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        stack.account.client("iam").put_user_policy(
            UserName=name, PolicyName="anything", PolicyDocument=document(allow)
        )
        yield keys[name][0]


def one_day(stack: Deployed) -> str:
    """Its mail."""
    inbox = stack.account.inbox(ADDRESS)
    return inbox.next(run_id=run_day(stack.account, stack.outputs)).body


def alarms(stack: Deployed) -> dict[str, dict[str, Any]]:
    """Those of the stack, by name."""
    described = stack.account.client("cloudwatch").describe_alarms()["MetricAlarms"]
    return {
        each["AlarmName"]: dict(each)
        for each in described
        if stack.outputs["TopicArn"] in each["AlarmActions"]
    }


# What cloudwatch:* can.


def rings(stack: Deployed, key: Key, alarm: str) -> None:
    stack.account.client("cloudwatch", key=key).set_alarm_state(
        AlarmName=alarm, StateValue="ALARM", StateReason=FORGED
    )


def heard(mailbox: Mailbox, stack: Deployed) -> list[str]:
    """The alarms that spoke, up to one of ours that rings last."""
    ours = next(each for each in alarms(stack) if "OrderFailed" in each)
    cloudwatch = stack.account.client("cloudwatch")
    cloudwatch.set_alarm_state(AlarmName=ours, StateValue="ALARM", StateReason="a test")
    cloudwatch.set_alarm_state(AlarmName=ours, StateValue="INSUFFICIENT_DATA", StateReason="as it was before")
    names = [json.loads(mailbox.next().body)["AlarmName"]]
    while names[-1] != ours:
        names.append(json.loads(mailbox.next().body)["AlarmName"])
    return names[:-1]


@contextmanager
def topic_that_lets_any_alarm_in(stack: Deployed) -> Iterator[None]:
    sns, topic = stack.account.client("sns"), stack.outputs["TopicArn"]
    before = sns.get_topic_attributes(TopicArn=topic)["Attributes"]["Policy"]
    statements = json.loads(before)["Statement"]
    (ours,) = (each for each in statements if each.get("Sid") == "AlarmsOfThisStack")
    del ours["Condition"]["ArnEquals"]
    sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=document(*statements))
    try:
        yield
    finally:
        sns.set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=before)


def test_an_alarm_of_an_insiders_own_does_not_speak_through_our_topic(stack: Deployed) -> None:
    """F6. It hangs on aws:SourceArn: any alarm of the account has the right aws:SourceAccount."""
    name = f"AccessKeyRotation: {FORGED}"
    with insider(stack, "cloudwatch:*") as key:
        mailbox = stack.account.mailbox(stack.outputs["TopicArn"])
        stack.account.client("cloudwatch", key=key).put_metric_alarm(
            AlarmName=name,
            AlarmDescription=FORGED,
            AlarmActions=[stack.outputs["TopicArn"]],
            Namespace="Any",
            MetricName="Any",
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=1,
            Threshold=1,
            ComparisonOperator="GreaterThanThreshold",
        )
        try:
            rings(stack, key, name)
            assert heard(mailbox, stack) == []
            with topic_that_lets_any_alarm_in(stack):
                stack.account.client("cloudwatch").set_alarm_state(
                    AlarmName=name, StateValue="INSUFFICIENT_DATA", StateReason="again"
                )
                rings(stack, key, name)
                assert heard(mailbox, stack) == [name]
        finally:
            stack.account.client("cloudwatch").delete_alarms(AlarmNames=[name])


def test_an_insider_who_silences_the_alarms_does_not_silence_the_mail(stack: Deployed) -> None:
    """Nothing stops that: CloudWatch knows no policy of an alarm. docs/security.md says so."""
    account, names = stack.account, list(alarms(stack))
    with insider(stack, "cloudwatch:*") as key:
        account.client("cloudwatch", key=key).disable_alarm_actions(AlarmNames=names)
        try:
            mailbox = account.mailbox(stack.outputs["TopicArn"])
            rings(stack, key, names[0])
            with (
                account.fail("secretsmanager:PutSecretValue", code="AccessDeniedException", times=99),
                inhabited(stack, Person(name="due", story="due", keys=DUE)),
            ):
                told = one_day(stack)
            assert "rolled back" in told, "a replacement failed, and who reads the mail knows"
            assert "AlarmName" not in mailbox.next().body
        finally:
            account.client("cloudwatch").enable_alarm_actions(AlarmNames=names)


# What events:* can.


def test_an_insider_with_the_bus_reaches_neither_queue_nor_topic_by_a_rule_of_their_own(
    stack: Deployed,
) -> None:
    """EventBridge asks the target's policy, as the service that it is; the emulator does not, so the policies are asked here."""
    sns, sqs = stack.account.client("sns"), stack.account.client("sqs")
    topic = sns.get_topic_attributes(TopicArn=stack.outputs["TopicArn"])["Attributes"]["Policy"]
    queue = sqs.get_queue_attributes(QueueUrl=stack.outputs["OrdersQueueUrl"], AttributeNames=["Policy"])
    for policy in (topic, queue["Attributes"]["Policy"]):
        allowed = [each for each in json.loads(policy)["Statement"] if each["Effect"] == "Allow"]
        assert "events.amazonaws.com" not in document(*allowed)
        assert all(each["Principal"] != "*" for each in allowed)


def test_a_forged_event_is_sent_and_nothing_of_ours_listens(stack: Deployed) -> None:
    """F15. Nothing stops it: docs/security.md and the README tell pipelines to take the user's name and nothing else."""
    events = stack.account.client("events")
    with insider(stack, "events:*") as key:
        forged = stack.account.client("events", key=key).put_events(
            Entries=[
                {
                    "Source": "access-key-rotation",
                    "DetailType": "Access Key Replaced",
                    "Detail": json.dumps({"user": "victim", "secretArn": "arn:aws:secretsmanager:::theirs"}),
                }
            ]
        )
    assert forged["FailedEntryCount"] == 0
    for function in ("ScannerName", "RotatorName"):
        arn = stack.account.client("lambda").get_function_configuration(FunctionName=stack.outputs[function])
        assert events.list_rule_names_by_target(TargetArn=arn["FunctionArn"])["RuleNames"] == []


# What lambda:UpdateFunctionConfiguration can.


class Listener(socketserver.ThreadingTCPServer):
    """What an insider would have requests go to; it answers nothing."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.callers = 0

    def process_request(self, request: Any, client_address: Any) -> None:
        self.callers += 1
        super().process_request(request, client_address)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def configured(stack: Deployed, key: Key, variables: Mapping[str, str]) -> Iterator[None]:
    """By whoever holds this key, and undone by the account's administrator."""
    name, admin = stack.outputs["RotatorName"], stack.account.client("lambda")
    before = admin.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    stack.account.client("lambda", key=key).update_function_configuration(
        FunctionName=name, Environment={"Variables": before | dict(variables)}
    )
    try:
        yield
    finally:
        admin.update_function_configuration(FunctionName=name, Environment={"Variables": before})


@contextmanager
def changed_code(stack: Deployed, change: Callable[[str], str]) -> Iterator[None]:
    """The rotator's own code with straight.py changed by hand, put there by the account's administrator."""
    bundle, name, admin = (
        bundle_in(kept_assembly()),
        stack.outputs["RotatorName"],
        stack.account.client("lambda"),
    )
    admin.update_function_code(FunctionName=name, ZipFile=packed(bundle, change))
    try:
        yield
    finally:
        admin.update_function_code(FunctionName=name, ZipFile=packed(bundle, lambda source: source))


def packed(bundle: Path, change: Callable[[str], str]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as into:
        for path in sorted(bundle.rglob("*")):
            if path.is_file() and path.name == "straight.py":
                into.writestr(str(path.relative_to(bundle)), change(path.read_text()))
            elif path.is_file():
                into.write(path, path.relative_to(bundle))
    return archive.getvalue()


def as_configured(source: str) -> str:
    """Clients that believe what the function's environment says."""
    changed = source.replace("ignore_configured_endpoint_urls=True, proxies={}", "")
    assert changed != source
    return changed


def test_no_request_goes_to_a_server_that_the_environment_names(stack: Deployed, listener: Listener) -> None:
    """F10. It hangs on the clients, which know AWS's own endpoints and no proxy."""
    with insider(stack, "lambda:UpdateFunctionConfiguration", "lambda:GetFunctionConfiguration") as key:
        aside = {
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": listener.url,
            "HTTPS_PROXY": listener.url,
            "NO_PROXY": "",
        }
        with configured(stack, key, aside):
            with inhabited(stack, Person(name="straight", story="due", keys=DUE)):
                one_day(stack)
                assert statuses(stack.account, "straight") == ["Active", "Active"]
            assert listener.callers == 0
        with (
            changed_code(stack, as_configured),
            configured(stack, key, {"AWS_ENDPOINT_URL_SECRETS_MANAGER": listener.url}),
        ):
            with inhabited(stack, Person(name="astray", story="due", keys=DUE)):
                one_day(stack)
                assert statuses(stack.account, "astray") == ["Active"]
            assert listener.callers > 0


def test_an_insider_who_may_set_the_environment_becomes_a_reader_of_new_keys_and_of_no_old_one(
    stack: Deployed,
) -> None:
    """Nothing here stops that: docs/security.md says so. Secrets that were there keep their policy until they are next due."""
    account = stack.account
    with inhabited(stack, Person(name="before", story="due", keys=DUE)):
        one_day(stack)
        with insider(stack, "lambda:UpdateFunctionConfiguration") as key:
            arn = account.client("sts", key=key).get_caller_identity()["Arn"]
            secrets = account.client("secretsmanager", key=key)
            with (
                configured(stack, key, {"SECRET_READER_ARNS": arn}),
                inhabited(stack, Person(name="after", story="due", keys=DUE)),
            ):
                one_day(stack)
                assert "SecretString" in secrets.get_secret_value(SecretId=secret_of("after"))
                with pytest.raises(ClientError, match="AccessDenied"):
                    secrets.get_secret_value(SecretId=secret_of("before"))


# lambda:UpdateFunctionCode: nothing stops it, and the last step of `make deploy` sees it.


def test_code_that_was_replaced_by_hand_is_an_error_after_a_deployment(
    stack: Deployed, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    emulator = stack.account.emulator
    for name, value in {
        "AWS_ENDPOINT_URL": emulator.endpoint,
        "AWS_CA_BUNDLE": str(emulator.ca),
        "SSL_CERT_FILE": str(emulator.ca),
        "AWS_ACCESS_KEY_ID": ADMIN.key_id,
        "AWS_SECRET_ACCESS_KEY": ADMIN.secret,
        "AWS_REGION": stack.account.region,
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(after_deploy, "CLOUD_ASSEMBLY", kept_assembly())

    assert after_deploy.main() == 0
    assert "Both functions run the code that was put together here.\n" in capsys.readouterr().err
    with changed_code(stack, as_configured):
        assert after_deploy.main() == 1
        told = capsys.readouterr().err
        assert (
            f"NOT OUR CODE: {stack.outputs['RotatorName']}: keyrotation/straight.py is not as it was" in told
        )
        assert told.count("NOT OUR CODE") == 1
    assert after_deploy.main() == 0
