"""An organization, with IAM enforced: three accounts that were never bootstrapped, one healthy, one silent, one hostile."""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from keyrotation.memory import Why

from sandbox.account import EmulatedAccount
from sandbox.cast import Person, SeededKey
from sandbox.cdk import CDK
from sandbox.clients import Key
from sandbox.controls import Mail
from sandbox.day import run_day
from sandbox.launch import CHECKOUT, REGION
from tests.e2e.conftest import Deployed
from tests.e2e.organizations import (
    ADDRESS,
    CENTRE,
    CODE,
    REPORTS,
    Account,
    Templates,
    bundled,
    create_stack,
    days_pass,
    templates,
)
from tests.e2e.people import DUE, inhabited, memory_of, statuses
from tests.e2e.sessions import document, session_of

HEALTHY, SILENT, HOSTILE = "222233334444", "333344445555", "444455556666"
STACK = "StackSet-AccessKeyRotation-0"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """`members`: each account's stack, in Enforce."""

    centre: Account
    outputs: dict[str, str]
    made_of: Templates
    members: dict[str, Deployed]

    def digest(self) -> Mail:
        """The centre's daily run, and what its subscriber got of it."""
        before = len(self.centre.mails(to=ADDRESS))
        self.centre.invoke(self.outputs["DigestName"], {})
        return self.centre.mails(to=ADDRESS)[before]

    def rotator(self, account_id: str) -> Key:
        account = self.members[account_id].account
        return session_of(account, f"arn:aws:iam::{account_id}:role/access-key-rotation-rotator")

    def digest_role(self) -> Key:
        function = self.centre.client("lambda").get_function_configuration(
            FunctionName=self.outputs["DigestName"]
        )
        return session_of(self.centre, function["Role"])


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with EmulatedAccount.start() as first:
        centre = Account(first.emulator, CENTRE)
        known = centre.client("organizations").describe_organization()["Organization"]["Id"]
        made_of = templates(tmp_path_factory.mktemp("organization"))
        release, _ = create_stack(
            centre, "AccessKeyRotationRelease", made_of.release, {"OrganizationId": known}
        )
        assert release == "CREATE_COMPLETE"
        centre.client("s3").put_object(Bucket=CODE, Key=made_of.code_key, Body=bundled())
        status, outputs = create_stack(
            centre,
            "AccessKeyRotationOrganization",
            made_of.centre,
            {"OrganizationId": known, "OrganizationalUnitIds": "ou-ab12-cdefgh34", "AlertEmail": ADDRESS},
        )
        assert status == "CREATE_COMPLETE"
        members = {}
        for account_id in (HEALTHY, SILENT, HOSTILE):
            account = Account(first.emulator, account_id)
            status, told = create_stack(
                account, STACK, made_of.member, {"CentreAccountId": CENTRE, "Mode": "Enforce"}
            )
            assert status == "CREATE_COMPLETE", account_id
            members[account_id] = Deployed(account=account, outputs=told)
        yield Scene(centre=centre, outputs=outputs, made_of=made_of, members=members)
        for each in (centre, *(member.account for member in members.values())):
            each.close()


def denied(act: Callable[[], Any]) -> bool:
    try:
        act()
    except ClientError as error:
        return error.response["Error"]["Code"] in {
            "AccessDenied",
            "AccessDeniedException",
            "AuthorizationError",
        }
    return False


def test_without_the_organizations_policy_on_the_code_no_stack_is_made(scene: Scene) -> None:
    """Of an account that is not in the organization the same is true: nobody else may read the code."""
    s3 = scene.centre.client("s3")
    policy = s3.get_bucket_policy(Bucket=CODE)["Policy"]
    tls_only = [each for each in json.loads(policy)["Statement"] if each["Effect"] == "Deny"]
    s3.put_bucket_policy(Bucket=CODE, Policy=document(*tls_only))
    try:
        stranger = Account(scene.centre.emulator, "555566667777")
        status, _ = create_stack(stranger, "Stranger", scene.made_of.member, {"CentreAccountId": CENTRE})
        stranger.close()
    finally:
        s3.put_bucket_policy(Bucket=CODE, Policy=policy)
    assert status.startswith("ROLLBACK")


def test_a_notice_is_given_through_the_centre_and_kept_and_while_the_centre_is_dead_nothing_goes_off(
    scene: Scene,
) -> None:
    healthy = scene.members[HEALTHY]
    account = healthy.account
    # An overlap that is over, and of which nobody was told yet.
    elder = Person(
        name="quiet",
        story="elder past its off date",
        keys=(SeededKey(age=95, used=20), SeededKey(age=15, used=0, stored=True)),
    )
    with inhabited(healthy, elder, Person(name="due", story="due", keys=DUE)) as keys:
        old = keys["quiet"][0].key_id

        # The first run: nobody is known to hear, so nothing is offered; keys are replaced all the same.
        run_day(account, healthy.outputs)
        assert statuses(account, "due") == ["Active", "Active"]
        assert memory_of(account, "quiet").offer is None

        hostile = scene.members[HOSTILE].account.client("s3", key=scene.rotator(HOSTILE))
        lie = {"version": 1, "account": HEALTHY, "text": "https://evil.example"}
        hostile.put_object(
            Bucket=REPORTS, Key=f"reports/{HOSTILE}/latest.json", Body=json.dumps(lie).encode()
        )
        mail = scene.digest()
        assert f"{SILENT}: has never reported" in mail.body
        assert f"{HOSTILE}: it names another account than the one that left it" in mail.body
        assert "evil" not in mail.body

        # The second: offered, told by the centre, and not given before the third.
        days_pass(scene.centre, scene.members)
        run_day(account, healthy.outputs)
        assert memory_of(account, "quiet").offer is not None
        assert memory_of(account, "quiet").key(old).notice is None
        assert f'user "quiet", key {old} is switched off' in scene.digest().body
        days_pass(scene.centre, scene.members)
        run_day(account, healthy.outputs)
        given = memory_of(account, "quiet").key(old).notice
        today = datetime.now(UTC).date()
        assert given is not None
        assert (given.why, given.day, given.told) == (
            Why.OVERLAP,
            today + timedelta(days=6),
            today - timedelta(days=1),
        )

        # Its day has come, and the centre has been dead for six days: the key stays on, and so does the notice.
        days_pass(scene.centre, scene.members, 6)
        run_day(account, healthy.outputs)
        assert statuses(account, "quiet") == ["Active", "Active"]
        assert memory_of(account, "quiet").key(old).notice is not None

        # It is alive again.
        assert f"{HEALTHY}" in scene.digest().body
        run_day(account, healthy.outputs)
        assert statuses(account, "quiet") == ["Inactive", "Active"]


def test_an_account_may_write_its_own_report_and_read_its_own_word_and_nothing_else(scene: Scene) -> None:
    s3 = scene.members[HOSTILE].account.client("s3", key=scene.rotator(HOSTILE))
    own, body = f"reports/{HOSTILE}/latest.json", b"{}"
    s3.put_object(Bucket=REPORTS, Key=own, Body=body)
    forbidden: dict[str, Callable[[], Any]] = {
        "another account's report": lambda: s3.put_object(
            Bucket=REPORTS, Key=f"reports/{HEALTHY}/latest.json", Body=body
        ),
        "another object of its own": lambda: s3.put_object(
            Bucket=REPORTS, Key=f"reports/{HOSTILE}/other.json", Body=body
        ),
        "its own word": lambda: s3.put_object(Bucket=REPORTS, Key=f"heard/{HOSTILE}.json", Body=body),
        "the table": lambda: s3.put_object(Bucket=REPORTS, Key="table.csv", Body=body),
        "reading its report back": lambda: s3.get_object(Bucket=REPORTS, Key=own),
        "reading another's report": lambda: s3.get_object(
            Bucket=REPORTS, Key=f"reports/{HEALTHY}/latest.json"
        ),
        "reading another's word": lambda: s3.get_object(Bucket=REPORTS, Key=f"heard/{HEALTHY}.json"),
        "listing": lambda: s3.list_objects_v2(Bucket=REPORTS),
        "deleting its report": lambda: s3.delete_object(Bucket=REPORTS, Key=own),
        "the code": lambda: s3.put_object(Bucket=CODE, Key=scene.made_of.code_key, Body=body),
        "the bucket's policy": lambda: s3.put_bucket_policy(Bucket=REPORTS, Policy="{}"),
    }
    assert [what for what, act in forbidden.items() if not denied(act)] == []


def test_the_root_of_an_account_is_not_its_rotator(scene: Scene) -> None:
    s3 = scene.members[HOSTILE].account.client("s3")
    assert denied(lambda: s3.put_object(Bucket=REPORTS, Key=f"reports/{HOSTILE}/latest.json", Body=b"{}"))


def test_the_centre_acts_in_no_account(scene: Scene) -> None:
    """No role of an account trusts it, and its own role may assume none that did."""
    role = f"arn:aws:iam::{HEALTHY}:role/access-key-rotation-rotator"
    iam = scene.members[HEALTHY].account.client("iam")
    for each in iam.list_roles()["Roles"]:
        assert CENTRE not in json.dumps(each["AssumeRolePolicyDocument"])
    digest = scene.digest_role()
    sts = scene.centre.client("sts", key=digest)
    assert denied(lambda: sts.assume_role(RoleArn=role, RoleSessionName="hub"))
    trusting = {"Effect": "Allow", "Principal": {"AWS": CENTRE}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="trusts-the-centre", AssumeRolePolicyDocument=document(trusting))
    trusted = f"arn:aws:iam::{HEALTHY}:role/trusts-the-centre"
    assert denied(lambda: sts.assume_role(RoleArn=trusted, RoleSessionName="hub"))


def test_the_digest_may_read_reports_and_leave_words_and_nothing_else_of_the_buckets(scene: Scene) -> None:
    s3 = scene.centre.client("s3", key=scene.digest_role())
    forbidden: dict[str, Callable[[], Any]] = {
        "a report": lambda: s3.put_object(Bucket=REPORTS, Key=f"reports/{HEALTHY}/latest.json", Body=b"{}"),
        "the code": lambda: s3.put_object(Bucket=CODE, Key=scene.made_of.code_key, Body=b""),
        "deleting a report": lambda: s3.delete_object(Bucket=REPORTS, Key=f"reports/{HEALTHY}/latest.json"),
        "the bucket's policy": lambda: s3.delete_bucket_policy(Bucket=REPORTS),
    }
    assert [what for what, act in forbidden.items() if not denied(act)] == []


def test_the_stock_cdk_cli_deploys_both_stacks_where_nothing_was_bootstrapped_and_publishes_the_code_that_accounts_ask_for() -> (
    None
):
    """As `make organization` does it; but for the StackSet, which the emulator does not have."""
    with EmulatedAccount.start() as account:
        cdk = CDK(
            directory=account.emulator.directory,
            endpoint=account.emulator.endpoint,
            account_id=CENTRE,
            region=REGION,
            ca=account.emulator.ca,
        )
        assembly = cdk.synthesize("infra.organization", project=CHECKOUT)
        path = assembly / "AccessKeyRotationOrganization.template.json"
        template = json.loads(path.read_text())
        template["Resources"].pop("Members")
        path.write_text(json.dumps(template))
        known = (
            Account(account.emulator, CENTRE)
            .client("organizations")
            .describe_organization()["Organization"]["Id"]
        )

        cdk.deploy_one("AccessKeyRotationRelease", {"OrganizationId": known})
        cdk.deploy_one(
            "AccessKeyRotationOrganization",
            {"OrganizationId": known, "OrganizationalUnitIds": "ou-ab12-cdefgh34"},
        )

        member = (assembly / "member" / "member.template.json").read_text()
        (code_key,) = set(re.findall(r"[0-9a-f]{64}\.zip", member))
        published = [each["Key"] for each in account.client("s3").list_objects_v2(Bucket=CODE)["Contents"]]
        assert code_key in published
        assert [each for each in published if each.endswith(".json")] != []
        (stack,) = account.client("cloudformation").describe_stacks(
            StackName="AccessKeyRotationOrganization"
        )["Stacks"]
        assert stack["StackStatus"] == "CREATE_COMPLETE"
        assert "CDKToolkit" not in [
            each["StackName"] for each in account.client("cloudformation").list_stacks()["StackSummaries"]
        ]
