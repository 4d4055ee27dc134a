"""docs/first-day.md, from the first step to the last: its commands, run by bash as they stand there; `make` only says what it would do."""

import re
import subprocess
from pathlib import Path

import pytest

from sandbox.cast import table_of
from sandbox.day import wait_until_idle
from sandbox.launch import CHECKOUT
from tests.e2e.conftest import Deployed
from tests.e2e.pager import Pager
from tests.e2e.people import secret_of
from tests.e2e.runbook import Shell, commands
from tests.e2e.sessions import document, session_of
from tests.infra.test_make import would_run

PAGE = CHECKOUT / "docs" / "first-day.md"
# Beside the commands for AWS: their words are kept, and what they do is another test's.
RECORDED = ("make", "npx", "python")
STEPS = dict(re.findall(r"^## (\d)\. (.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL))


class Visitor:
    """Follows one step after the other in one shell, as an administrator who is no root user."""

    def __init__(self, stack: Deployed, binaries: Path) -> None:
        self.stack = stack
        iam = stack.account.client("iam")
        trust = {
            "Effect": "Allow",
            "Principal": {"AWS": stack.account.account_id},
            "Action": "sts:AssumeRole",
        }
        everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        role = iam.create_role(RoleName="visitor", AssumeRolePolicyDocument=document(trust))["Role"]
        iam.put_role_policy(RoleName="visitor", PolicyName="all", PolicyDocument=document(everything))
        self.shell = Shell(stack.account, binaries=binaries, key=session_of(stack.account, role["Arn"]))
        self.asked = binaries / "asked"
        for name in RECORDED:
            command = binaries / name
            command.write_text(f'#!/bin/sh\necho {name} "$@" >> "{self.asked}"\n')
            command.chmod(0o755)

    def given(self, **variables: str) -> None:
        self.shell.environment |= variables

    def blocks(self, step: str) -> list[str]:
        found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", STEPS[step], re.MULTILINE)
        return [commands(block).replace(".deploy/bin/python", "python") for block in found]

    def follow(self, step: str) -> list[str]:
        """What each of its blocks prints, and the run that one may have started is over."""
        printed = []
        for text in self.blocks(step):
            printed.append(self.shell.run(text))
            wait_until_idle(self.stack.account, self.stack.outputs)
        return printed


@pytest.fixture(scope="module")
def visitor(stack: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Visitor:
    return Visitor(stack, tmp_path_factory.mktemp("binaries"))


def test_the_steps_are_those_that_are_followed_here() -> None:
    assert list(STEPS) == [str(number) for number in range(1, 10)]


def test_it_is_deployed_and_the_shell_is_ready(visitor: Visitor) -> None:
    visitor.follow("1")
    assert visitor.shell.environment["TOPIC"] == visitor.stack.outputs["TopicArn"]
    assert visitor.shell.environment["LOGS"]


def test_the_doctor_is_asked_by_make_and_by_a_script(visitor: Visitor) -> None:
    """What it says is in test_doctor.py."""
    visitor.follow("2")
    # make, what make runs, and the same for a script.
    ran = [line for line in would_run("doctor", "ARGS=--format json").splitlines() if "infra.doctor" in line]
    assert ran == ["PYTHONPATH=functions .deploy/bin/python -m infra.doctor --format json"]
    assert ran[0] in STEPS["2"]


def test_a_subscription_is_confirmed_and_another_asked_for(visitor: Visitor) -> None:
    """With the token that a pager was sent: the emulator confirms an address at once."""
    sns, topic, pager = visitor.stack.account.client("sns"), visitor.stack.outputs["TopicArn"], Pager()

    def subscribed() -> dict[str, str]:
        listed = sns.list_subscriptions_by_topic(TopicArn=topic)["Subscriptions"]
        return {each["Endpoint"]: each["SubscriptionArn"] for each in listed}

    before = subscribed()
    with pager.listening() as url:
        sns.subscribe(TopicArn=topic, Protocol="http", Endpoint=url)
        visitor.given(TOKEN=pager.next()["Token"], ADDRESS="second@example.com")
        try:
            visitor.follow("3")
            now = subscribed()
            assert now.keys() - before.keys() == {url, "second@example.com"}
            attributes = sns.get_subscription_attributes(SubscriptionArn=now[url])["Attributes"]
            assert attributes["ConfirmationWasAuthenticated"] == "true"
        finally:
            for endpoint, arn in subscribed().items():
                if endpoint not in before:
                    sns.unsubscribe(SubscriptionArn=arn)


def test_an_alarm_is_raised_and_ended(visitor: Visitor) -> None:
    visitor.follow("4")
    (alarm,) = visitor.stack.account.client("cloudwatch").describe_alarms(
        AlarmNames=["AccessKeyRotation-OrderFailed"]
    )["MetricAlarms"]
    assert (alarm["StateValue"], alarm["StateReason"]) == ("OK", "first day")


def test_the_first_run_is_started_and_nothing_was_denied(visitor: Visitor) -> None:
    _, look = visitor.blocks("5")
    # What tests before this one were denied on purpose stands in the log of the day.
    before = visitor.shell.run(look)
    started, denied = visitor.follow("5")
    assert '"run_id": "by-hand-' in started
    assert denied == before


def test_an_error_is_found_in_the_log(visitor: Visitor) -> None:
    (printed,) = visitor.follow("6")
    assert '"message":"failed"' in printed.replace(" ", "")


def test_one_user_is_replaced_and_only_the_owner_reads_the_new_key(visitor: Visitor) -> None:
    """This deployment is in Enforce already."""
    account = visitor.stack.account
    _, owner, administrator, _ = visitor.follow("7")
    assert "AWSCURRENT" in owner
    assert owner.count("Active") == 2
    assert administrator.strip() == "refused, as it should be"
    # Nothing of it stays for the other tests, which share this deployment; root is no principal whom a policy stops here.
    account.client("secretsmanager").delete_secret(
        SecretId=secret_of("first-day"), ForceDeleteWithoutRecovery=True
    )
    table = table_of(account)
    table.forget(table.read_all().named("first-day"))
    users = account.client("iam").list_users()["Users"]
    assert "first-day" not in {each["UserName"] for each in users}


def test_the_schedule_is_stopped_and_started_and_otherwise_the_same(visitor: Visitor) -> None:
    (printed,) = visitor.follow("8")
    said = ["DISABLED", "ENABLED", "the same but for its state"]
    assert [line for line in printed.splitlines() if line in said] == said


def test_the_next_day_is_looked_at(visitor: Visitor) -> None:
    (printed,) = visitor.follow("9")
    assert printed.count("AccessKeyRotation-") == 9


def test_what_make_was_asked_for_is_what_it_has(visitor: Visitor) -> None:
    """In the order of the page."""
    asked = [line.split()[1:] for line in visitor.asked.read_text().splitlines() if line.startswith("make ")]
    targets = ["bootstrap", "deploy", "doctor", "deploy", "deploy", "doctor"]
    assert [words[0] for words in asked] == targets
    for target in set(targets):
        known = subprocess.run(["make", "--dry-run", target], cwd=CHECKOUT, capture_output=True, check=False)
        assert known.returncode == 0, target
