"""`make deploy` ends by comparing what runs with what was put together: the CLI uploads nothing that the bucket has."""

import base64
import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from infra.after_deploy import Stack, bundle_in, differences, next_steps
from tests.assembled import Assembly
from tests.infra.test_make import would_run

FILES = {"rotator.py": b"ours", "keyrotation/model.py": b"ours too"}


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    for name, content in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
    return tmp_path


class Deployed:
    """A function that runs these files."""

    def __init__(self, files: dict[str, bytes], **configuration: Any) -> None:
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        self.archive = packed.getvalue()
        digest = base64.b64encode(hashlib.sha256(self.archive).digest()).decode()
        self.configuration = {"CodeSha256": digest, **configuration}

    def get_function(self, *, FunctionName: str) -> dict[str, Any]:  # noqa: N803  # as boto3 has it
        assert FunctionName == "rotator"
        return {"Code": {"Location": "https://there"}, "Configuration": self.configuration}


def told(deployed: Deployed, bundle: Path) -> list[str]:
    lambdas: Any = deployed
    return list(differences("rotator", bundle, lambdas=lambdas, fetch=lambda _: deployed.archive))


def test_the_same_files_are_the_same_code_however_they_were_packed(bundle: Path) -> None:
    assert told(Deployed(FILES), bundle) == []
    assert told(Deployed(dict(reversed(FILES.items()))), bundle) == []


@pytest.mark.parametrize(
    ("files", "name"),
    [
        ({**FILES, "rotator.py": b"theirs"}, "rotator.py"),
        ({**FILES, "sitecustomize.py": b"theirs"}, "sitecustomize.py"),
        ({"rotator.py": b"ours"}, "keyrotation/model.py"),
    ],
    ids=["changed", "more", "less"],
)
def test_a_file_that_is_another_is_told_by_name(bundle: Path, files: dict[str, bytes], name: str) -> None:
    (one,) = told(Deployed(files), bundle)
    assert name in one


def test_what_lambda_hands_out_must_be_what_it_runs(bundle: Path) -> None:
    (one,) = told(Deployed(FILES, CodeSha256="another"), bundle)
    assert "CodeSha256" in one


def test_a_layer_is_told_too(bundle: Path) -> None:
    (one,) = told(Deployed(FILES, Layers=[{"Arn": "theirs"}]), bundle)
    assert "layers" in one


def test_the_bundle_is_the_one_that_the_assembly_uploads(assembly: Assembly) -> None:
    folder = bundle_in(assembly.directory)
    assert (folder / "rotator.py").is_file()
    template = json.loads((assembly.directory / "AccessKeyRotation.template.json").read_text())
    keys = {
        each["Properties"]["Code"]["S3Key"]
        for each in template["Resources"].values()
        if each["Type"] == "AWS::Lambda::Function"
    }
    assert keys == {folder.name.removeprefix("asset.") + ".zip"}


STACK = Stack(
    parameters={"AlertEmail": "on-call@example.com", "Mode": "Audit"},
    outputs={"TopicArn": "arn:aws:sns:eu-west-1:123456789012:topic", "RunNow": "aws lambda invoke scanner"},
)


class Topic:
    """Who is subscribed, with what SNS says instead of an ARN while it is not confirmed."""

    def __init__(self, **subscriptions: str) -> None:
        self.subscriptions = subscriptions

    def get_paginator(self, operation: str) -> "Topic":
        assert operation == "list_subscriptions_by_topic"
        return self

    def paginate(self, *, TopicArn: str) -> list[dict[str, Any]]:  # noqa: N803  # as boto3 has it
        assert TopicArn == STACK.outputs["TopicArn"]
        listed = [{"Endpoint": who, "SubscriptionArn": arn} for who, arn in self.subscriptions.items()]
        return [{"Subscriptions": listed}]


def first_step(stack: Stack, **subscriptions: str) -> str:
    topic: Any = Topic(**subscriptions)
    return next(next_steps(stack, sns=topic))


def test_the_first_next_step_is_to_confirm_the_mail_until_that_is_done() -> None:
    address = STACK.parameters["AlertEmail"]
    assert first_step(STACK).startswith("Subscribe somebody")
    assert first_step(STACK, **{address: "PendingConfirmation"}).startswith("Confirm the subscription")
    assert first_step(STACK, **{address: "arn:aws:sns:..."}).startswith("Start a run now")
    assert first_step(STACK, somebody="arn:aws:sns:...").startswith("Start a run now")


def test_the_next_steps_are_a_run_the_doctor_and_in_audit_the_way_to_enforce() -> None:
    topic: Any = Topic(somebody="arn:aws:sns:...")
    audit = list(next_steps(STACK, sns=topic))
    enforce = list(next_steps(replace(STACK, parameters={**STACK.parameters, "Mode": "Enforce"}), sns=topic))
    assert "    aws lambda invoke scanner" in audit
    assert audit[:-1] == enforce
    assert "make doctor" in enforce[-1]
    assert "docs/rollout.md" in audit[-1]


def test_it_is_the_last_that_make_deploy_does() -> None:
    assert would_run("deploy").rstrip().endswith("-m infra.after_deploy")
