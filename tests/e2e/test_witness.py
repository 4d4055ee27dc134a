"""A second emulator as witness: the bundle's two handlers, as processes of their own, against moto's server.

What each of the two emulators shows that the other cannot: docs/design.md section 10. Nothing of the checkout is on these
processes' path, and none of its packages: the bundle, and what Lambda's runtime has beside it.
"""

import io
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError
from keyrotation.memory import OffReason
from keyrotation.model import OWNER_TAG_KEYS
from keyrotation.remember.table import TABLE_NAME, Table
from moto.backends import get_backend
from moto.cloudtrail.responses import CloudTrailResponse
from moto.iam.models import AccessKeyLastUsed, iam_backends
from moto.server import ThreadedMotoServer
from moto.sns.models import sns_backends

from sandbox.clients import Key
from sandbox.day import older
from tests.assembled import kept_assembly
from tests.e2e.people import secret_of

ACCOUNT, REGION, STACK = "123456789012", "us-east-1", "AccessKeyRotation"
# What Lambda's runtime has beside the function's own files. jmespath, which boto3 needs, is in the bundle.
OF_THE_RUNTIME = ("boto3", "botocore", "s3transfer", "dateutil", "six", "urllib3")
# The functions go to AWS's own endpoints, whatever their environment says: here botocore has no other than moto's.
LAMBDA = """
import importlib, json, sys
import botocore.session

def create_client(session, *names, create=botocore.session.Session.create_client, **options):
    return create(session, *names, **{**options, "endpoint_url": sys.argv[3]})

botocore.session.Session.create_client = create_client

class Context:
    function_name, memory_limit_in_mb, aws_request_id = sys.argv[2], 512, "request-1"
    invoked_function_arn = f"arn:aws:lambda:us-east-1:123456789012:function:{sys.argv[2]}"

    def get_remaining_time_in_millis(self):
        return 900_000

module, _, name = sys.argv[1].partition(".")
getattr(importlib.import_module(module), name)(json.load(sys.stdin), Context())
"""
DUE, ODD, ASKED, EXEMPT, FRESH = "ben", "data+etl,nightly@corp", "cleo", "june", "ava"
PREFIX = "access-key-rotation:"
TESTING = Key(key_id="testing", secret="testing")
# What moto's CloudFormation passes over: no part of this account. (A filter has no colon in its pattern.)
pytestmark = pytest.mark.filterwarnings(
    "ignore:Tried to parse AWS..(CloudWatch..Alarm|Lambda..EventInvokeConfig|SNS..Subscription|SNS..TopicPolicy|"
    "SQS..QueuePolicy|Scheduler..Schedule) but:UserWarning"
)


def fit_for_moto(template: dict[str, Any]) -> dict[str, Any]:
    """Without what it cannot do: name a FIFO queue, put an alarm's ARN into the dashboard, read SSM, run a container."""
    for resource in template["Resources"].values():
        if resource["Properties"].get("FifoQueue") and resource["Type"] == "AWS::SQS::Queue":
            path = resource["Metadata"]["aws:cdk:path"]
            resource["Properties"]["QueueName"] = path.replace("/", "-").removesuffix("-Resource") + ".fifo"
    without = {"AWS::CDK::Metadata", "AWS::CloudWatch::Dashboard", "AWS::Lambda::EventSourceMapping"}
    resources = {name: each for name, each in template["Resources"].items() if each["Type"] not in without}
    for each in resources.values():
        each.pop("DependsOn", None)
    parameters = {name: each for name, each in template["Parameters"].items() if name != "BootstrapVersion"}
    return {**template, "Resources": resources, "Parameters": parameters, "Rules": {}}


@dataclass(frozen=True, kw_only=True)
class Witness:
    """The stack in moto's account, and its functions."""

    endpoint: str
    bundle: Path
    runtime: Path
    outputs: dict[str, str]
    mailbox: str
    ids: dict[str, list[str]] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return client(service, self.endpoint)

    def invoke(self, output: str, event: object) -> str:
        """What the function writes: by the handler and in the environment that were deployed, from its files alone."""
        name = self.outputs[output]
        deployed = self.client("lambda").get_function_configuration(FunctionName=name)
        # As Lambda has them; moto gives numbers of the template back as numbers, and joins the letters of a list parameter.
        environment = {key: str(value) for key, value in deployed["Environment"]["Variables"].items()}
        if "OWNER_TAG_KEYS" in environment:
            environment["OWNER_TAG_KEYS"] = ",".join(OWNER_TAG_KEYS)
        run = subprocess.run(
            # No site-packages, no folder of the caller's.
            [sys.executable, "-S", "-P", "-c", LAMBDA, deployed["Handler"], name, self.endpoint],
            input=json.dumps(event),
            env={
                **environment,
                "AWS_ACCESS_KEY_ID": "testing",
                "AWS_SECRET_ACCESS_KEY": "testing",
                "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION,
                "AWS_LAMBDA_FUNCTION_NAME": name,
                "AWS_CONFIG_FILE": os.devnull,
                "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "PYTHONPATH": f"{self.bundle}{os.pathsep}{self.runtime}",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            cwd="/",
            text=True,
            capture_output=True,
            check=False,
            timeout=120,
        )
        assert run.returncode == 0, f"{run.stderr[-3000:]}\n{run.stdout[-1500:]}"
        return run.stdout

    def run(self) -> dict[str, Any]:
        """One day's run, each step as Lambda does it. What its mail says, for programs."""
        self.invoke("ScannerName", {"run_id": str(uuid4()), "scheduled_time": "2026-11-22T06:00:00Z"})
        sqs, url = self.client("sqs"), self.outputs["OrdersQueueUrl"]
        (order,) = sqs.receive_message(QueueUrl=url, AttributeNames=["All"])["Messages"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        record = {
            "messageId": order["MessageId"],
            "receiptHandle": order["ReceiptHandle"],
            "body": order["Body"],
            "attributes": order["Attributes"],
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
        }
        self.invoke("RotatorName", {"Records": [record]})
        # Otherwise the group stays locked, and no later order is handed out.
        sqs.delete_message(QueueUrl=url, ReceiptHandle=order["ReceiptHandle"])
        (mail,) = sqs.receive_message(QueueUrl=self.mailbox)["Messages"]
        sqs.delete_message(QueueUrl=self.mailbox, ReceiptHandle=mail["ReceiptHandle"])
        said: dict[str, Any] = json.loads(json.loads(mail["Body"])["Message"])
        return said

    def add(self, name: str, *, age: int, path: str = "/", **tags: str) -> None:
        """A user with one key of that age, in use until yesterday."""
        iam = self.client("iam")
        iam.create_user(
            UserName=name, Path=path, Tags=[{"Key": PREFIX + k, "Value": v} for k, v in tags.items()]
        )
        self.ids[name] = [iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"]]
        user = iam_backends[ACCOUNT]["aws"].users[name]
        user.create_date -= timedelta(days=age + 30)
        user.get_access_key_by_id(self.ids[name][0]).create_date -= timedelta(days=age)
        self.use(name, self.ids[name][0])

    def use(self, name: str, key_id: str) -> None:
        key = iam_backends[ACCOUNT]["aws"].users[name].get_access_key_by_id(key_id)
        yesterday = datetime.now(UTC).replace(tzinfo=None) - timedelta(days=1)
        key.last_used = AccessKeyLastUsed(timestamp=yesterday, service="s3", region=REGION)

    def days_pass(self, days: int) -> None:
        """For keys, their last uses, and what is remembered."""
        by = timedelta(days=days)
        for user in iam_backends[ACCOUNT]["aws"].users.values():
            for key in user.access_keys:
                key.create_date -= by
                if (used := key.last_used) is not None:
                    key.last_used = AccessKeyLastUsed(used.timestamp - by, used.service, used.region)
        table = self.table()
        for memory in table.read_all().memories.values():
            table.save(older(memory, by), run_id="days pass")

    def table(self) -> Table:
        return Table(client=self.client("dynamodb"), name=TABLE_NAME, fresh=lambda: str(uuid4()))

    def keys(self, name: str) -> dict[str, str]:
        """Statuses, the oldest key first."""
        listed = self.client("iam").list_access_keys(UserName=name)["AccessKeyMetadata"]
        return {
            each["AccessKeyId"]: each["Status"]
            for each in sorted(listed, key=lambda each: each["CreateDate"])
        }

    def stages(self, name: str) -> dict[str, list[str]]:
        found = self.client("secretsmanager").describe_secret(SecretId=secret_of(name))
        return {version: sorted(labels) for version, labels in found["VersionIdsToStages"].items()}

    def value(self, name: str) -> dict[str, str]:
        """What a consumer reads."""
        # Without a stage moto gives the version that was put last under that label, and not the one that it was moved to.
        found = self.client("secretsmanager").get_secret_value(
            SecretId=secret_of(name), VersionStage="AWSCURRENT"
        )
        value: dict[str, str] = json.loads(found["SecretString"])
        return value


def client(service: str, endpoint: str, key: Key = TESTING) -> Any:
    session = boto3.session.Session(
        aws_access_key_id=key.key_id, aws_secret_access_key=key.secret, region_name=REGION
    )
    return session.client(service, endpoint_url=endpoint)  # type: ignore[call-overload]  # any service


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """An account of moto's own, in this process, so that its days can pass."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        with pytest.MonkeyPatch.context() as patch:
            # moto records no events.
            patch.setattr(
                CloudTrailResponse, "lookup_events", lambda _: json.dumps({"Events": []}), raising=False
            )
            yield f"http://{host}:{port}"
    finally:
        server.stop()
        for service in ("cloudformation", "dynamodb", "iam", "lambda", "secretsmanager", "sns", "sqs"):
            get_backend(service).reset()


@pytest.fixture(scope="module")
def witness(endpoint: str, tmp_path_factory: pytest.TempPathFactory) -> Witness:
    """Deployed by moto's CloudFormation from the assembly that `cdk deploy` would take."""
    template = fit_for_moto(json.loads((kept_assembly() / f"{STACK}.template.json").read_text()))
    key = next(
        each["Properties"]["Code"]["S3Key"]
        for each in template["Resources"].values()
        if each["Type"] == "AWS::Lambda::Function"
    )
    bucket = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
    s3 = client("s3", endpoint)
    s3.create_bucket(Bucket=bucket)
    # Nobody runs it in there, but moto unpacks it.
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("rotator.py", "")
    s3.put_object(Bucket=bucket, Key=key, Body=packed.getvalue())
    cloudformation = client("cloudformation", endpoint)
    cloudformation.create_stack(
        StackName=STACK,
        TemplateBody=json.dumps(template),
        Capabilities=["CAPABILITY_NAMED_IAM"],
        Parameters=[
            {"ParameterKey": "Mode", "ParameterValue": "Enforce"},
            {"ParameterKey": "Notify", "ParameterValue": "Always"},
        ],
    )
    (stack,) = cloudformation.describe_stacks(StackName=STACK)["Stacks"]
    assert stack["StackStatus"] == "CREATE_COMPLETE"
    outputs = {each["OutputKey"]: each["OutputValue"] for each in stack["Outputs"]}
    runtime = tmp_path_factory.mktemp("runtime")
    for name in OF_THE_RUNTIME:
        found = find_spec(name)
        assert found is not None
        assert found.origin is not None
        place = Path(found.origin)
        place = place.parent if place.name == "__init__.py" else place
        (runtime / place.name).symlink_to(place)
    return Witness(
        endpoint=endpoint,
        bundle=kept_assembly() / f"asset.{key.removesuffix('.zip')}",
        runtime=runtime,
        outputs=outputs,
        mailbox=listening(endpoint, outputs["TopicArn"]),
    )


def listening(endpoint: str, topic_arn: str) -> str:
    """The URL of a queue that gets what the topic sends, its subscription confirmed."""
    sqs = client("sqs", endpoint)
    url: str = sqs.create_queue(QueueName="mailbox")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    subscribed = client("sns", endpoint).subscribe(TopicArn=topic_arn, Protocol="sqs", Endpoint=arn)
    kept = sns_backends[ACCOUNT][REGION].subscriptions[subscribed["SubscriptionArn"]]
    kept.attributes["PendingConfirmation"] = "false"
    return url


def test_the_two_handlers_replace_switch_off_and_delete_on_another_emulator_too(witness: Witness) -> None:
    witness.add(DUE, age=80)
    witness.add(ODD, age=88, path="/apps/x/")
    witness.add(ASKED, age=20, replace="asked")
    witness.add(EXEMPT, age=100, exempt=f"{datetime.now(UTC).date() + timedelta(days=99)} vendor")
    witness.add(FRESH, age=12)
    replaced = (DUE, ODD, ASKED)

    # Replaced: a second key, and the owner's way to it.
    witness.run()
    for name in (EXEMPT, FRESH):
        assert list(witness.keys(name)) == witness.ids[name]
    for name in replaced:
        (old,) = witness.ids[name]
        (first, new) = witness.keys(name)
        assert first == old
        witness.ids[name].append(new)
        value = witness.value(name.replace(",", "/comma/"))
        assert (value["UserName"], value["AccessKeyId"]) == (name, new)
        # The version's id names the key, and what was there at first is the one before.
        current = f"{new}-access-key-rotation"
        stages = witness.stages(name.replace(",", "/comma/"))
        assert stages.pop(current) == ["AWSCURRENT", "AWSPENDING"]
        assert list(stages.values()) == [["AWSPREVIOUS"]]
        own = Key(key_id=new, secret=value["SecretAccessKey"])
        identity = client("sts", witness.endpoint, own).get_caller_identity()
        assert identity["Arn"].endswith(f"/{name}")
    tags = witness.client("iam").list_user_tags(UserName=ASKED)["Tags"]
    assert tags == [], "the request was removed"
    before = [witness.stages(name.replace(",", "/comma/")) for name in replaced]

    # The same day again: nothing more.
    witness.run()
    assert [witness.stages(name.replace(",", "/comma/")) for name in replaced] == before
    assert [list(witness.keys(name)) for name in replaced] == [witness.ids[name] for name in replaced]

    # Everybody but ASKED installs the new key. A week before the day they are reminded, and nothing goes off yet.
    for old_key in ("Active", "Inactive"):
        witness.days_pass(7)
        for name in replaced:
            witness.use(name, witness.ids[name][0 if name == ASKED else 1])
        witness.run()
        for name in (DUE, ODD):
            assert tuple(witness.keys(name).values()) == (old_key, "Active")
        assert set(witness.keys(ASKED).values()) == {"Active"}, "in use: it has an extension"
    remembered = {memory.name: memory for memory in witness.table().read_all().memories.values()}
    assert remembered[DUE].key(witness.ids[DUE][0]).off_because is OffReason.QUIET

    # Deleted 30 days after that, with a notice a week before.
    for days, left in ((23, 2), (7, 1)):
        witness.days_pass(days)
        for name in (DUE, ODD):
            witness.use(name, witness.ids[name][1])
        witness.run()
        for name in (DUE, ODD):
            assert list(witness.keys(name)) == witness.ids[name][-left:]


def test_it_differs_from_aws_where_the_table_in_the_design_says(witness: Witness) -> None:
    rotator = witness.client("lambda").get_function_configuration(FunctionName=witness.outputs["RotatorName"])
    assert int in {type(value) for value in rotator["Environment"]["Variables"].values()}
    attributes = witness.client("sqs").get_queue_attributes(
        QueueUrl=witness.outputs["OrdersQueueUrl"], AttributeNames=["All"]
    )["Attributes"]
    assert "Policy" not in attributes
    assert witness.client("cloudwatch").describe_alarms()["MetricAlarms"] == []
    assert witness.client("scheduler").list_schedules()["Schedules"] == []
    secrets = witness.client("secretsmanager")
    secrets.create_secret(Name="moved", SecretString="old")
    (old,) = secrets.describe_secret(SecretId="moved")["VersionIdsToStages"]
    new = secrets.put_secret_value(SecretId="moved", SecretString="new", VersionStages=["AWSPENDING"])[
        "VersionId"
    ]
    secrets.update_secret_version_stage(
        SecretId="moved", VersionStage="AWSCURRENT", MoveToVersionId=new, RemoveFromVersionId=old
    )
    assert secrets.get_secret_value(SecretId="moved")["SecretString"] == "old"
    assert secrets.get_secret_value(SecretId="moved", VersionStage="AWSCURRENT")["SecretString"] == "new"


def test_it_refuses_what_aws_refuses(witness: Witness) -> None:
    """What the other emulator takes, or refuses only because the sandbox makes it."""
    sns, topic = witness.client("sns"), witness.outputs["TopicArn"]
    for wrong in (
        {"Message": "{}", "MessageStructure": "json", "Subject": "no default"},
        {"Message": "m", "Subject": "x" * 150},
    ):
        with pytest.raises(ClientError, match="InvalidParameter"):
            sns.publish(TopicArn=topic, **wrong)
    iam = witness.client("iam")
    iam.create_user(UserName="third")
    for _ in range(2):
        iam.create_access_key(UserName="third")
    with pytest.raises(ClientError, match="LimitExceeded"):
        iam.create_access_key(UserName="third")
