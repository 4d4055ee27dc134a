"""Who cannot do what, with IAM enforced: each denial beside what it hangs on, without which it would be no denial."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError

from sandbox.account import EmulatedAccount, FunctionFailed
from sandbox.cast import Person, SeededKey, seed
from sandbox.clients import Key
from sandbox.day import run_day
from sandbox.launch import ACCOUNT_ID
from tests.assembled import kept_assembly
from tests.e2e.conftest import ADDRESS, Deployed
from tests.e2e.people import OUR_DESCRIPTION
from tests.e2e.sessions import document, session_of
from tests.infra.roles import ROTATOR, allowed
from tests.infra.synthesized import synthesize

PREFIX = "access-key-rotation:"
READER = "key-reader"
READER_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/{READER}"
OWNER, OUTSIDER, SQUATTED, INSIDER = "owner", "outsider", "squatted", "insider"
DUE = (SeededKey(age=80, used=1),)
DENIED = {"AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException"}
PEOPLE = (
    Person(name=OWNER, story="due, below the path", keys=DUE, path="/apps/"),
    Person(name=OUTSIDER, story="due, but outside the path", keys=DUE, path="/people/"),
    Person(name=SQUATTED, story="due, somebody made the secret first", keys=DUE, path="/apps/"),
    Person(
        name=INSIDER, story="may do anything to secrets, queues and topics", keys=(SeededKey(age=3, used=0),)
    ),
)

Policy = dict[str, Any]


def secret_of(user_name: str) -> str:
    return f"access-keys/{user_name}/credentials"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """The stack after its first day, and the keys of whoever tries something."""

    stack: Deployed
    scanner: Key
    rotator: Key
    elsewhere: Key
    reader: Key
    insider: Key
    owner: Key
    mail: str

    @property
    def account(self) -> EmulatedAccount:
        return self.stack.account

    @property
    def rotator_role(self) -> str:
        return self.stack.outputs["RotatorRoleArn"].rpartition("/")[2]

    @property
    def scanner_role(self) -> str:
        function = self.account.client("lambda").get_function_configuration(
            FunctionName=self.stack.outputs["ScannerName"]
        )
        return function["Role"].rpartition("/")[2]


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    """An account of its own: path and readers are not what the other tests want."""
    with EmulatedAccount.start() as account:
        iam = account.client("iam")
        trust = {"Effect": "Allow", "Principal": {"AWS": ACCOUNT_ID}, "Action": "sts:AssumeRole"}
        iam.create_role(RoleName=READER, AssumeRolePolicyDocument=document(trust))
        outputs = account.install(
            kept_assembly(),
            {
                "Mode": "Enforce",
                "AlertEmail": ADDRESS,
                "UserPathPrefix": "/apps/",
                "SecretReaderArns": READER_ARN,
            },
        )
        stack = Deployed(account=account, outputs=outputs)
        keys = seed(account, PEOPLE, datetime.now(UTC))
        anything = {
            "Effect": "Allow",
            "Action": ["secretsmanager:*", "sqs:*", "sns:*", "lambda:InvokeFunction"],
            "Resource": "*",
        }
        iam.put_user_policy(UserName=INSIDER, PolicyName="anything", PolicyDocument=document(anything))
        insider = keys[INSIDER][0]
        squat(account, insider)
        inbox = account.inbox(ADDRESS)
        mail = inbox.next(run_id=run_day(account, outputs))
        scanner_arn = account.client("lambda").get_function_configuration(
            FunctionName=outputs["ScannerName"]
        )["Role"]
        yield Scene(
            stack=stack,
            scanner=session_of(account, scanner_arn),
            rotator=session_of(account, outputs["RotatorRoleArn"], name=outputs["RotatorName"]),
            elsewhere=session_of(account, outputs["RotatorRoleArn"]),
            reader=session_of(account, READER_ARN),
            insider=insider,
            owner=keys[OWNER][0],
            mail=" ".join(mail.body.split()),
        )


def squat(account: EmulatedAccount, key: Key) -> None:
    """Make somebody's secret first, open to oneself and with a copy in another Region."""
    secrets = account.client("secretsmanager", key=key)
    secrets.create_secret(Name=secret_of(SQUATTED), SecretString="mine")
    secrets.replicate_secret_to_regions(
        SecretId=secret_of(SQUATTED), AddReplicaRegions=[{"Region": "eu-west-1"}]
    )


# What is loosened: a policy is changed for the length of a block, by the account's administrator.


@contextmanager
def loosened_role(scene: Scene, role: str, change: Callable[[Policy], None]) -> Iterator[None]:
    """Every statement of the role's policies goes through `change`."""
    iam = scene.account.client("iam")
    before = {
        name: iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        for name in iam.list_role_policies(RoleName=role)["PolicyNames"]
    }
    for name, policy in before.items():
        changed = json.loads(json.dumps(policy))
        for statement in changed["Statement"]:
            change(statement)
        iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(changed))
    try:
        yield
    finally:
        for name, policy in before.items():
            iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(policy))


@contextmanager
def allowed_also(scene: Scene, role: str, action: str) -> Iterator[None]:
    """For what hangs on no statement, but on there being none."""
    iam, allow = scene.account.client("iam"), {"Effect": "Allow", "Action": action, "Resource": "*"}
    iam.put_role_policy(RoleName=role, PolicyName="also", PolicyDocument=document(allow))
    try:
        yield
    finally:
        iam.delete_role_policy(RoleName=role, PolicyName="also")


@contextmanager
def without_in_secret(scene: Scene, sid: str) -> Iterator[None]:
    secrets = scene.account.client("secretsmanager")
    before = secrets.get_resource_policy(SecretId=secret_of(OWNER))["ResourcePolicy"]
    secrets.put_resource_policy(SecretId=secret_of(OWNER), ResourcePolicy=without(before, sid))
    try:
        yield
    finally:
        secrets.put_resource_policy(SecretId=secret_of(OWNER), ResourcePolicy=before)


@contextmanager
def without_in_queue(scene: Scene, sid: str, *, queue: str = "OrdersQueueUrl") -> Iterator[None]:
    sqs, url = scene.account.client("sqs"), scene.stack.outputs[queue]
    before = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": without(before, sid)})
    try:
        yield
    finally:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": before})


@contextmanager
def without_in_topic(scene: Scene, sid: str) -> Iterator[None]:
    sns, arn = scene.account.client("sns"), scene.stack.outputs["TopicArn"]
    before = sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"]
    sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=without(before, sid))
    try:
        yield
    finally:
        sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=before)


def without(policy: str, sid: str) -> str:
    parsed = json.loads(policy)
    kept = [each for each in parsed["Statement"] if each.get("Sid") != sid]
    assert len(kept) == len(parsed["Statement"]) - 1, f"there is no statement {sid}"
    return json.dumps({**parsed, "Statement": kept})


def any_user(statement: Policy) -> None:
    if "user/apps/" in str(statement["Resource"]):
        statement["Resource"] = f"arn:aws:iam::{ACCOUNT_ID}:user/*"


def any_function(statement: Policy) -> None:
    statement.get("Condition", {}).pop("ArnEquals", None)


def any_tag(statement: Policy) -> None:
    if "aws:TagKeys" in str(statement.get("Condition")):
        del statement["Condition"]


def no_denial(statement: Policy) -> None:
    if statement["Effect"] == "Deny":
        statement["Action"] = "secretsmanager:GetRandomPassword"  # which it never asks for


# What is tried.


def create_key(user_name: str) -> Callable[[Scene, Key], object]:
    def attempt(scene: Scene, key: Key) -> None:
        made = scene.account.client("iam", key=key).create_access_key(UserName=user_name)["AccessKey"]
        scene.account.client("iam").delete_access_key(UserName=user_name, AccessKeyId=made["AccessKeyId"])

    return attempt


def last_use_of(user_name: str) -> Callable[[Scene, Key], object]:
    def attempt(scene: Scene, key: Key) -> object:
        (listed,) = scene.account.client("iam").list_access_keys(UserName=user_name)["AccessKeyMetadata"]
        return scene.account.client("iam", key=key).get_access_key_last_used(
            AccessKeyId=listed["AccessKeyId"]
        )

    return attempt


def tag(*keys: str) -> Callable[[Scene, Key], object]:
    def attempt(scene: Scene, key: Key) -> None:
        tags = [{"Key": each, "Value": "x"} for each in keys]
        scene.account.client("iam", key=key).tag_user(UserName=OWNER, Tags=tags)  # type: ignore[arg-type]
        scene.account.client("iam").untag_user(UserName=OWNER, TagKeys=list(keys))

    return attempt


def untag(*keys: str) -> Callable[[Scene, Key], object]:
    return lambda scene, key: scene.account.client("iam", key=key).untag_user(
        UserName=OWNER, TagKeys=list(keys)
    )


def put_user_policy(scene: Scene, key: Key) -> None:
    allow = document({"Effect": "Allow", "Action": "*", "Resource": "*"})
    iam = scene.account.client("iam", key=key)
    iam.put_user_policy(UserName=OWNER, PolicyName="root", PolicyDocument=allow)
    scene.account.client("iam").delete_user_policy(UserName=OWNER, PolicyName="root")


def read(scene: Scene, key: Key) -> object:
    return scene.account.client("secretsmanager", key=key).get_secret_value(SecretId=secret_of(OWNER))


def overwrite(scene: Scene, key: Key) -> object:
    return scene.account.client("secretsmanager", key=key).put_secret_value(
        SecretId=secret_of(OWNER), SecretString="mine", VersionStages=[f"mine-{uuid4()}"]
    )


def update(scene: Scene, key: Key) -> object:
    return scene.account.client("secretsmanager", key=key).update_secret(
        SecretId=secret_of(OWNER), Description="mine"
    )


def move_stages(scene: Scene, key: Key) -> object:
    (current,) = current_versions(scene)
    return scene.account.client("secretsmanager", key=key).update_secret_version_stage(
        SecretId=secret_of(OWNER), VersionStage=f"mine-{uuid4()}", MoveToVersionId=current
    )


def current_versions(scene: Scene) -> list[str]:
    found = scene.account.client("secretsmanager").describe_secret(SecretId=secret_of(OWNER))
    return [version for version, stages in found["VersionIdsToStages"].items() if "AWSCURRENT" in stages]


def put_policy(scene: Scene, key: Key) -> object:
    open_to_all = {"Effect": "Allow", "Principal": "*", "Action": "secretsmanager:*", "Resource": "*"}
    return scene.account.client("secretsmanager", key=key).put_resource_policy(
        SecretId=secret_of(OWNER), ResourcePolicy=document(open_to_all)
    )


def delete_policy(scene: Scene, key: Key) -> object:
    return scene.account.client("secretsmanager", key=key).delete_resource_policy(SecretId=secret_of(OWNER))


def copy(scene: Scene, key: Key) -> object:
    return scene.account.client("secretsmanager", key=key).replicate_secret_to_regions(
        SecretId=secret_of(OWNER), AddReplicaRegions=[{"Region": "eu-west-1"}]
    )


def take(queue: str) -> Callable[[Scene, Key], object]:
    return lambda scene, key: scene.account.client("sqs", key=key).receive_message(
        QueueUrl=scene.stack.outputs[queue], VisibilityTimeout=0
    )


def purge(queue: str) -> Callable[[Scene, Key], object]:
    return lambda scene, key: scene.account.client("sqs", key=key).purge_queue(
        QueueUrl=scene.stack.outputs[queue]
    )


def send_order(scene: Scene, key: Key) -> object:
    """One that knows of nobody; where it is taken, the rotator refuses it."""
    order = {"version": 1, "run_id": "forged", "total": 0, "with_keys": 0, "root_has_keys": False}
    return scene.account.client("sqs", key=key).send_message(
        QueueUrl=scene.stack.outputs["OrdersQueueUrl"],
        MessageBody=json.dumps({**order, "user_names": []}),
        MessageGroupId="forged",
        MessageDeduplicationId=str(uuid4()),
    )


def publish(scene: Scene, key: Key) -> object:
    return scene.account.client("sns", key=key).publish(
        TopicArn=scene.stack.outputs["TopicArn"], Subject="CRITICAL", Message="run this command at once"
    )


@dataclass(frozen=True, kw_only=True)
class Case:
    """`who` is a key of the scene; `hangs_on` takes away what stops it."""

    who: str
    tries: Callable[[Scene, Key], object]
    hangs_on: Callable[[Scene], AbstractContextManager[None]]


def for_the_scanner(action: str) -> Callable[[Scene], AbstractContextManager[None]]:
    return lambda scene: allowed_also(scene, scene.scanner_role, action)


def for_the_rotator(action: str) -> Callable[[Scene], AbstractContextManager[None]]:
    return lambda scene: allowed_also(scene, scene.rotator_role, action)


def in_the_secret(sid: str) -> Callable[[Scene], AbstractContextManager[None]]:
    return lambda scene: without_in_secret(scene, sid)


WRITES = in_the_secret("OnlyTheRotatorWrites")
CASES = {
    "the scanner cannot make a key": Case(
        who="scanner", tries=create_key(INSIDER), hangs_on=for_the_scanner("iam:CreateAccessKey")
    ),
    "the scanner cannot tag": Case(
        who="scanner", tries=tag(f"{PREFIX}exempt"), hangs_on=for_the_scanner("iam:TagUser")
    ),
    "the rotator cannot make a key for a user outside the path": Case(
        who="rotator",
        tries=create_key(OUTSIDER),
        hangs_on=lambda scene: loosened_role(scene, scene.rotator_role, any_user),
    ),
    "the rotator cannot look at what a key outside the path was used for": Case(
        who="rotator",
        tries=last_use_of(OUTSIDER),
        hangs_on=lambda scene: loosened_role(scene, scene.rotator_role, any_user),
    ),
    "the rotator's role cannot make a key but as the rotator's own code": Case(
        who="elsewhere",
        tries=create_key(SQUATTED),
        hangs_on=lambda scene: loosened_role(scene, scene.rotator_role, any_function),
    ),
    "the rotator cannot exempt anybody": Case(
        who="rotator", tries=tag(f"{PREFIX}exempt"), hangs_on=for_the_rotator("iam:TagUser")
    ),
    "the rotator cannot ask for a replacement itself": Case(
        who="rotator", tries=tag(f"{PREFIX}replace"), hangs_on=for_the_rotator("iam:TagUser")
    ),
    "the rotator cannot take another tag away beside the one that it may": Case(
        who="rotator",
        tries=untag(f"{PREFIX}replace", f"{PREFIX}owner"),
        hangs_on=lambda scene: loosened_role(scene, scene.rotator_role, any_tag),
    ),
    "the rotator cannot take an exemption away": Case(
        who="rotator",
        tries=untag(f"{PREFIX}exempt"),
        hangs_on=lambda scene: loosened_role(scene, scene.rotator_role, any_tag),
    ),
    "the rotator cannot give anybody a policy": Case(
        who="rotator", tries=put_user_policy, hangs_on=for_the_rotator("iam:PutUserPolicy")
    ),
    "an insider with secretsmanager:* cannot read": Case(
        who="insider", tries=read, hangs_on=in_the_secret("NobodyElseReads")
    ),
    "an insider with secretsmanager:* cannot overwrite": Case(
        who="insider", tries=overwrite, hangs_on=WRITES
    ),
    "an insider with secretsmanager:* cannot update": Case(who="insider", tries=update, hangs_on=WRITES),
    "an insider with secretsmanager:* cannot move stages": Case(
        who="insider", tries=move_stages, hangs_on=WRITES
    ),
    "an insider with secretsmanager:* cannot put a policy": Case(
        who="insider", tries=put_policy, hangs_on=WRITES
    ),
    "an insider with secretsmanager:* cannot delete the policy": Case(
        who="insider", tries=delete_policy, hangs_on=WRITES
    ),
    "an insider with secretsmanager:* cannot copy it to another Region": Case(
        who="insider", tries=copy, hangs_on=WRITES
    ),
    "an insider with sqs:* cannot take an order": Case(
        who="insider",
        tries=take("OrdersQueueUrl"),
        hangs_on=lambda scene: without_in_queue(scene, "OnlyTheRotatorTakes"),
    ),
    "an insider with sqs:* cannot send an order": Case(
        who="insider",
        tries=send_order,
        hangs_on=lambda scene: without_in_queue(scene, "OnlyTheScannerSends"),
    ),
    "an insider with sqs:* cannot purge the orders": Case(
        who="insider",
        tries=purge("OrdersQueueUrl"),
        hangs_on=lambda scene: without_in_queue(scene, "NobodyPurges"),
    ),
    **{
        f"an insider with sqs:* cannot {verb} {queue}": Case(
            who="insider",
            tries=tries(queue),
            hangs_on=lambda scene, queue=queue: without_in_queue(scene, "OnlyOperatorsTake", queue=queue),  # type: ignore[misc]
        )
        for verb, tries in (("read", take), ("purge", purge))
        for queue in ("DeadLetterQueueUrl", "DeadFiringsQueueUrl")
    },
    "an insider with sns:* cannot send a digest": Case(
        who="insider",
        tries=publish,
        hangs_on=lambda scene: without_in_topic(scene, "NobodyElseSpeaks"),
    ),
}


def refused(attempt: Callable[[Scene, Key], object], scene: Scene, key: Key) -> bool:
    """False: it worked. Any other failure than a denial is raised."""
    try:
        attempt(scene, key)
    except ClientError as error:
        if error.response["Error"]["Code"] not in DENIED:
            raise
        return True
    return False


@pytest.mark.parametrize("name", CASES)
def test_it_is_denied_and_would_not_be_without_what_it_hangs_on(scene: Scene, name: str) -> None:
    case = CASES[name]
    key: Key = getattr(scene, case.who)
    assert refused(case.tries, scene, key)
    with case.hangs_on(scene):
        assert not refused(case.tries, scene, key)
    assert refused(case.tries, scene, key)


def test_the_rotator_cannot_read_a_secret_for_three_reasons_each_of_which_is_enough(scene: Scene) -> None:
    """Its role has no such permission; if it had, the role's own Deny stands; and the secret's policy denies it."""
    reasons = (
        for_the_rotator("secretsmanager:GetSecretValue"),
        lambda scene: loosened_role(scene, scene.rotator_role, no_denial),
        in_the_secret("NobodyElseReads"),
    )
    for enough in reasons:
        with ExitStack() as gone:
            for reason in reasons:
                if reason is not enough:
                    gone.enter_context(reason(scene))
            assert refused(read, scene, scene.rotator)
    with ExitStack() as gone:
        for reason in reasons:
            gone.enter_context(reason(scene))
        assert not refused(read, scene, scene.rotator)
    assert refused(read, scene, scene.rotator)


@pytest.mark.parametrize("who", ["owner", "reader"])
def test_the_owner_and_the_listed_reader_read_with_no_policy_of_their_own(scene: Scene, who: str) -> None:
    key: Key = getattr(scene, who)
    assert not refused(read, scene, key)
    for write in (overwrite, move_stages, put_policy):
        assert refused(write, scene, key)
    with without_in_secret(scene, "OwnerReads"):
        assert refused(read, scene, key)


def test_a_user_outside_the_path_keeps_its_key_and_is_not_even_counted(scene: Scene) -> None:
    keys = scene.account.client("iam").list_access_keys(UserName=OUTSIDER)["AccessKeyMetadata"]
    assert [key["Status"] for key in keys] == ["Active"]
    assert OUTSIDER not in scene.mail
    assert "examined 2 of 2 users" in scene.mail


def test_a_secret_squatted_beforehand_gets_no_key_and_is_told_with_what_to_do(scene: Scene) -> None:
    iam = scene.account.client("iam")
    assert len(iam.list_access_keys(UserName=SQUATTED)["AccessKeyMetadata"]) == 1
    assert f"the secret {secret_of(SQUATTED)} is not as this system makes them: it is copied" in scene.mail
    assert "its description does not say that this system made it" in scene.mail
    assert "Find out who did that, and undo it: the next run then goes on" in scene.mail
    secrets = scene.account.client("secretsmanager")
    assert secrets.get_secret_value(SecretId=secret_of(SQUATTED))["SecretString"] == "mine"
    # As the runbook says (the emulator cannot remove a copy, and does not ask for that first).
    secrets.delete_secret(SecretId=secret_of(SQUATTED), ForceDeleteWithoutRecovery=True)
    run_day(scene.account, scene.stack.outputs)
    assert len(iam.list_access_keys(UserName=SQUATTED)["AccessKeyMetadata"]) == 2
    assert refused(
        lambda scene, key: scene.account.client("secretsmanager", key=key).get_secret_value(
            SecretId=secret_of(SQUATTED)
        ),
        scene,
        scene.insider,
    )


def test_a_forged_order_changes_nothing_though_it_bears_the_queues_name(scene: Scene) -> None:
    """Whoever may invoke the rotator can write its event, but no receipt of an order that is in flight."""
    name = f"forged-{uuid4().hex[:8]}"
    seed(
        scene.account,
        (Person(name=name, story="due", keys=DUE, path="/apps/"),),
        datetime.now(UTC),
    )
    arn = scene.account.client("sqs").get_queue_attributes(
        QueueUrl=scene.stack.outputs["OrdersQueueUrl"], AttributeNames=["QueueArn"]
    )["Attributes"]["QueueArn"]
    order = {"version": 1, "run_id": "forged", "total": 9, "with_keys": 9, "root_has_keys": False}
    event = {
        "Records": [
            {
                "messageId": str(uuid4()),
                "receiptHandle": str(uuid4()),
                "body": json.dumps({**order, "user_names": [name]}),
                "attributes": {"ApproximateReceiveCount": "1"},
                "eventSource": "aws:sqs",
                "eventSourceARN": arn,
            }
        ]
    }
    scene.account.forget()
    with pytest.raises(FunctionFailed, match="receiptHandle"):
        scene.account.invoke(scene.stack.outputs["RotatorName"], event)
    calls = {call.action for call in scene.account.calls(principal=scene.stack.outputs["RotatorRoleArn"])}
    assert calls == {"sqs:ChangeMessageVisibility"}
    assert len(scene.account.client("iam").list_access_keys(UserName=name)["AccessKeyMetadata"]) == 1


def test_with_a_key_for_the_secrets_a_run_asks_for_exactly_what_the_role_is_allowed_besides(
    scene: Scene, tmp_path: Path
) -> None:
    """UpdateSecret moves an existing secret to the key; the emulator asks KMS for nothing."""
    name, account = f"moved-{uuid4().hex[:8]}", scene.account
    seed(account, (Person(name=name, story="due", keys=DUE, path="/apps/"),), datetime.now(UTC))
    secrets = account.client("secretsmanager")
    secrets.create_secret(Name=secret_of(name), Description=OUR_DESCRIPTION, SecretString="{}")
    key = f"arn:aws:kms:{account.region}:{ACCOUNT_ID}:key/{uuid4()}"
    outputs = account.update({"SecretsKmsKeyArn": key})
    account.forget()
    run_day(account, outputs)
    calls = account.calls(principal=outputs["RotatorRoleArn"])
    assert {call.action for call in calls if not call.allowed} == set()
    template = synthesize(tmp_path)
    besides = set(allowed(template, ROTATOR, mode="Enforce", kms_key=key)) - set(
        allowed(template, ROTATOR, mode="Enforce")
    )
    assert besides - {"kms:GenerateDataKey", "kms:Decrypt", "kms:Encrypt"} <= {call.action for call in calls}
    assert secrets.describe_secret(SecretId=secret_of(name))["KmsKeyId"] == key
    assert len(account.client("iam").list_access_keys(UserName=name)["AccessKeyMetadata"]) == 2
