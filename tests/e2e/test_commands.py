"""Every command that a golden mail, the code or the runbook prints, run as it stands there, by the principal that it names."""

import json
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from keyrotation.act.secret_policy import secret_policy
from keyrotation.decide import tags as tag
from keyrotation.model import secret_name, version_id
from keyrotation.tell import commands

from sandbox.account import EmulatedAccount
from sandbox.cast import Person
from sandbox.clients import ADMIN, Clients, Key
from sandbox.launch import CHECKOUT
from tests.e2e import aws
from tests.e2e.conftest import ADDRESS, Deployed
from tests.e2e.people import DUE, inhabited, secret_of
from tests.e2e.runbook import RUNBOOK, Runbook

MAILS = Path(__file__).parents[1] / "unit" / "mails"
OWNER, ADMINISTRATOR = "The owner, with the old key", "An administrator"
# No key works: whoever may read the secret by its policy.
READER = "The owner, signed in to the console, or a role of SecretReaderArns"
# bash reads the command; what it makes of it comes back word by word.
_SPELL = "aws() { printf '%s\\0' \"$@\" END; }\n"


def printed(mail: str) -> Iterator[tuple[str, str]]:
    """Who is to run it, and the command with its line breaks."""
    runner, command = "", ""
    for line in mail.splitlines():
        if found := re.match(rf"    ({OWNER}|{ADMINISTRATOR}|{READER}),( |$)", line):
            runner = found[1]
        if command or line.startswith("        aws "):
            command += line + "\n"
            if not line.endswith("\\"):
                yield runner, command
                command = ""


def words_of(commands: list[str]) -> list[list[str]]:
    script = _SPELL + "".join(commands)
    done = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True, env={})
    return [each.removeprefix("\0").split("\0")[:-1] for each in done.stdout.split("END\0") if each]


def options(words: list[str]) -> dict[str, str]:
    """By their names; several words of one are joined."""
    found: dict[str, list[str]] = {}
    for word in words[2:]:
        if word.startswith("--"):
            name, equals, value = word.partition("=")
            found[name] = [value] if equals else []
        else:
            found[list(found)[-1]].append(word)
    return {name: " ".join(given) for name, given in found.items()}


class Inhabitants:
    """Makes whom a command is about, as the mail found them: users, keys under the ids of the mail, secrets."""

    def __init__(self, account: EmulatedAccount) -> None:
        self.account = account
        self.iam = account.client("iam")
        self.users: set[str] = set()
        self.keys: dict[tuple[str, str], Key] = {}
        self.regions: dict[str, Clients] = {}

    def close(self) -> None:
        for clients in self.regions.values():
            clients.close()
        for name in self.users:
            for key in self.iam.list_access_keys(UserName=name)["AccessKeyMetadata"]:
                self.iam.delete_access_key(UserName=name, AccessKeyId=key["AccessKeyId"])
            self.iam.delete_user(UserName=name)

    def clients(self, region: str | None) -> Clients:
        region = region or self.account.region
        if region not in self.regions:
            emulator = self.account.emulator
            self.regions[region] = Clients(endpoint=emulator.endpoint, region=region, ca=emulator.ca)
        return self.regions[region]

    def user(self, name: str) -> None:
        """Without a key: IAM gives a user two, and the mail may name them both."""
        if name not in self.users:
            self.iam.create_user(UserName=name)
            self.users.add(name)

    def key(self, name: str, told_id: str = "") -> Key:
        """The user's key that the mail knows by this id; the old one without."""
        self.user(name)
        if (name, told_id) not in self.keys:
            made = self.iam.create_access_key(UserName=name)["AccessKey"]
            self.keys[name, told_id] = Key(key_id=made["AccessKeyId"], secret=made["SecretAccessKey"])
        return self.keys[name, told_id]

    def store(self, secret_id: str, region: str) -> tuple[Key, str]:
        """A secret as a replacement leaves it. The old key of its owner, and the value."""
        name = secret_id.split("/", 1)[1].removesuffix("/credentials").replace("/comma/", ",")
        assert secret_name(name) == secret_id
        owner = self.key(name)
        value = json.dumps({"UserName": name, "AccessKeyId": "AKIANEW"})
        secrets = self.clients(region).client("secretsmanager")
        secrets.create_secret(Name=secret_id)
        secrets.put_secret_value(
            SecretId=secret_id, ClientRequestToken=version_id("AKIANEWNEWNEWNEWNEW1"), SecretString=value
        )
        user = self.iam.get_user(UserName=name)["User"]
        arn = user["Arn"]
        policy = secret_policy(
            user_arn=arn,
            user_id=user["UserId"],
            reader_arns=(),
            rotator_role_arn=f"arn:aws:iam::{self.account.account_id}:role/r",
        )
        secrets.put_resource_policy(SecretId=secret_id, ResourcePolicy=policy)
        return owner, value

    def tags(self, name: str) -> dict[str, str]:
        return {each["Key"]: each["Value"] for each in self.iam.list_user_tags(UserName=name)["Tags"]}

    def statuses(self, name: str) -> dict[str, str]:
        metadata = self.iam.list_access_keys(UserName=name)["AccessKeyMetadata"]
        return {key["AccessKeyId"]: key["Status"] for key in metadata}

    def run(self, words: list[str], *, by: Key = ADMIN) -> str:
        return aws.run(words, client_of=lambda service, region: self.clients(region).client(service, key=by))  # type: ignore[call-overload]

    def check(self, words: list[str], runner: str) -> None:
        """Run it by the principal it names, and see that it did what it says."""
        option = options(words)
        name = option.get("--user-name", "")
        if runner in (OWNER, READER):
            assert words[:2] == ["secretsmanager", "get-secret-value"], words
            owner, value = self.store(option["--secret-id"], option["--region"])
            assert self.run(words, by=owner) == value
            secrets = self.clients(option["--region"]).client("secretsmanager")
            secrets.delete_secret(SecretId=option["--secret-id"], ForceDeleteWithoutRecovery=True)
            return
        assert runner == ADMINISTRATOR
        if not self._changed(words, option, name) and not self._read(words, option, name):
            raise AssertionError(f"no test knows what this does: {shlex.join(words)}")

    def _changed(self, words: list[str], option: dict[str, str], name: str) -> bool:
        match words[1]:
            case "update-access-key":
                key, status = self.key(name, option["--access-key-id"]), option["--status"]
                before = {"Active": "Inactive", "Inactive": "Active"}[status]
                self.iam.update_access_key(UserName=name, AccessKeyId=key.key_id, Status=before)  # type: ignore[arg-type]
                self.run([word.replace(option["--access-key-id"], key.key_id) for word in words])
                assert self.statuses(name)[key.key_id] == status
            case "tag-user":
                self.user(name)
                self.run(words)
                known = tag.parse(self.tags(name))
                assert known.malformed == ()
                if tag.EXEMPT in option["--tags"]:
                    assert known.exempt is not None
                    assert str(known.exempt.until) in option["--tags"]
                else:
                    assert known.replace_asked
                self.iam.untag_user(UserName=name, TagKeys=list(self.tags(name)))
            case "untag-user":
                self.user(name)
                keys = option["--tag-keys"].split(" ")
                self.iam.tag_user(UserName=name, Tags=[{"Key": key, "Value": "2027-01-01 x"} for key in keys])
                self.run(words)
                assert self.tags(name) == {}
            case "delete-access-key":
                key = self.key(name, option["--access-key-id"])
                del self.keys[name, option["--access-key-id"]]
                self.run([word.replace(option["--access-key-id"], key.key_id) for word in words])
                assert key.key_id not in self.statuses(name)
            case "detach-user-policy":
                self.user(name)
                self.iam.attach_user_policy(UserName=name, PolicyArn=option["--policy-arn"])
                self.run(words)
                assert self.iam.list_attached_user_policies(UserName=name)["AttachedPolicies"] == []
            case "delete-secret" | "restore-secret":
                self._delete_or_restore(words, option)
            case _:
                return False
        return True

    def _delete_or_restore(self, words: list[str], option: dict[str, str]) -> None:
        """Each of the two takes back what the other did."""
        secret_id, deletes = option["--secret-id"], words[1] == "delete-secret"
        self.store(secret_id, option["--region"])
        secrets = self.clients(option["--region"]).client("secretsmanager")
        if not deletes:
            secrets.delete_secret(SecretId=secret_id, RecoveryWindowInDays=30)
        self.run(words)
        assert ("DeletedDate" in secrets.describe_secret(SecretId=secret_id)) is deletes
        secrets.delete_secret(SecretId=secret_id, ForceDeleteWithoutRecovery=True)

    def _read(self, words: list[str], option: dict[str, str], name: str) -> bool:
        match words[1]:
            case "list-user-tags":
                self.user(name)
                self.iam.tag_user(UserName=name, Tags=[{"Key": "Team", "Value": "payments"}])
                assert "payments" in self.run(words)
            case "get-user":
                self.user(name)
                assert json.loads(self.run(words))["User"]["UserName"] == name
            case "list-access-keys":
                assert self.key(name).key_id in self.run(words)
            case "get-access-key-last-used":
                key = self.key("alice")
                assert "AccessKeyLastUsed" in self.run(
                    [word.replace(option["--access-key-id"], key.key_id) for word in words]
                )
            case "list-attached-user-policies":
                self.user(name)
                assert json.loads(self.run(words))["AttachedPolicies"] == []
            case "describe-secret":
                self.store(option["--secret-id"], option["--region"])
                assert json.loads(self.run(words))["Name"] == option["--secret-id"]
                secrets = self.clients(option["--region"]).client("secretsmanager")
                secrets.delete_secret(SecretId=option["--secret-id"], ForceDeleteWithoutRecovery=True)
            case "lookup-events":
                # The emulator takes it as AWS does, and keeps no trail.
                assert json.loads(self.run(words)) == {"Events": []}
            case "get-item":
                table = self.clients(option["--region"]).client("dynamodb")
                table.create_table(
                    TableName=option["--table-name"],
                    AttributeDefinitions=[{"AttributeName": "user_id", "AttributeType": "S"}],
                    KeySchema=[{"AttributeName": "user_id", "KeyType": "HASH"}],
                    BillingMode="PAY_PER_REQUEST",
                )
                remembered = {**json.loads(option["--key"]), "name": {"S": "alice"}}
                table.put_item(TableName=option["--table-name"], Item=remembered)
                assert json.loads(self.run(words))["Item"] == remembered
                table.delete_table(TableName=option["--table-name"])
            case "list-subscriptions-by-topic":
                region = option["--region"]
                arn = self.clients(region).client("sns").create_topic(Name="topic")["TopicArn"]
                assert arn == option["--topic-arn"].replace("123456789012", self.account.account_id)
                self.clients(region).client("sns").subscribe(
                    TopicArn=arn, Protocol="email", Endpoint="a@example.com"
                )
                assert "a@example.com" in self.run(
                    [word.replace(option["--topic-arn"], arn) for word in words]
                )
            case "filter-log-events":
                logs = self.clients(option["--region"]).client("logs")
                group = option["--log-group-name"]
                if not logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]:
                    logs.create_log_group(logGroupName=group)
                    logs.create_log_stream(logGroupName=group, logStreamName="s")
                    at = int(time.time() * 1000)
                    lines = ['{"run_id": "run-1", "user": "alice"}', '{"run_id": "run-2", "user": "bob"}']
                    logs.put_log_events(
                        logGroupName=group,
                        logStreamName="s",
                        logEvents=[{"timestamp": at, "message": line} for line in lines],
                    )
                said = self.run(words)
                assert "alice" in said
                assert "bob" not in said
            case _:
                return False
        return True


@pytest.mark.parametrize("mail", sorted(path.stem for path in MAILS.iterdir()))
def test_every_command_of_a_mail_does_what_it_says(empty_account: EmulatedAccount, mail: str) -> None:
    found = list(dict.fromkeys(printed((MAILS / f"{mail}.txt").read_text())))
    inhabitants = Inhabitants(empty_account)
    try:
        for words, (runner, _) in zip(words_of([command for _, command in found]), found, strict=True):
            inhabitants.check(words, runner)
    finally:
        inhabitants.close()


# What the golden mails, which show no such day, do not print.
NOT_IN_A_MAIL = {
    "to see what is remembered": commands.read_memory(
        "AIDAALICE", table_name="access-key-rotation", region="eu-west-1"
    ),
    "to see the keys": commands.list_keys("alice"),
    "to see a last use that could not be read": commands.read_last_use("AKIAALICE"),
    "to see policies that could not be read": commands.list_policies("alice"),
    "to see a secret that could not be read": commands.describe_secret(
        "access-keys/alice/credentials", region="eu-west-1"
    ),
    "to delete the secret of a user who is gone": commands.delete_secret(
        "access-keys/gone/credentials", region="eu-west-1"
    ),
}


@pytest.mark.parametrize("purpose", NOT_IN_A_MAIL)
def test_every_command_that_no_golden_mail_prints_does_what_it_says(
    empty_account: EmulatedAccount, purpose: str
) -> None:
    inhabitants = Inhabitants(empty_account)
    try:
        (words,) = words_of([NOT_IN_A_MAIL[purpose] + "\n"])
        inhabitants.check(words, ADMINISTRATOR)
    finally:
        inhabitants.close()


def test_the_command_that_has_a_program_follow_takes_its_key_over(
    empty_account: EmulatedAccount, tmp_path: Path
) -> None:
    """Of all mails the first: they differ in names only."""
    text = "".join(path.read_text() for path in sorted(MAILS.iterdir()))
    found = re.findall(r"^        (access-key-follow(?:.*\\\n)*.*)\n", text, re.MULTILINE)
    spelled = 'access-key-follow() { printf "%s\\0" "$@" END; }\n' + "\n".join(found)
    done = subprocess.run(["bash", "-euc", spelled], capture_output=True, text=True, check=True, env={})
    words = [each.removeprefix("\0").split("\0")[:-1] for each in done.stdout.split("END\0") if each]
    assert {tuple(word.partition("=")[0] for word in each if word.startswith("-")) for each in words} == {
        ("--profile", "--region", "--secret", "--take-over")
    }
    command, (_, store, *_, secret, _) = found[0], words[0]
    secret = secret.removeprefix("--secret=")
    inhabitants = Inhabitants(empty_account)
    key = inhabitants.key(secret.split("/")[1])
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text(
        f"[PROFILE]\naws_access_key_id = {key.key_id}\naws_secret_access_key = {key.secret}\n"
    )
    script = tmp_path / "access-key-follow"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m keyrotation.follow "$@"\n')
    script.chmod(0o755)
    emulator = empty_account.emulator
    environment = {
        "PATH": f"{tmp_path}{os.pathsep}{os.defpath}",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(CHECKOUT / "functions"),
        "AWS_ENDPOINT_URL": emulator.endpoint,
        "AWS_CA_BUNDLE": str(emulator.ca),
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    try:
        subprocess.run(["bash", "-euc", command], env=environment, cwd=tmp_path, check=True)
    finally:
        inhabitants.close()
    assert key.secret not in (tmp_path / ".aws" / "credentials").read_text()
    kept = json.loads((tmp_path / store).read_text())
    assert secret in kept.values()
    assert key.secret in json.dumps(kept)


def test_every_kind_of_command_that_there_is_is_run_here() -> None:
    """Else the tests above would not see it."""
    written = Path(commands.__file__).read_text()
    there_are = {
        (service, operation) for service, operation in re.findall(r'f"aws ([a-z]+) ([a-z-]+) ', written)
    }
    of_mails = "".join(path.read_text() for path in MAILS.iterdir())
    run = [command for _, command in printed(of_mails)] + [f"{line}\n" for line in NOT_IN_A_MAIL.values()]
    assert {tuple(words[:2]) for words in words_of(run)} == there_are
    assert len(there_are) == 18


# The runbook. The sections of the two dead-letter queues are followed in test_nothing_lost.py.

SECTIONS = re.findall(r"^## .*\((\w[\w ]*)\)$", RUNBOOK.read_text(), re.MULTILINE)
FOLLOWED_ELSEWHERE = {"OrderFailed", "RunNotStarted"}


def labels(section: str) -> list[str]:
    text = RUNBOOK.read_text().partition(f"({section})\n")[2].partition("\n## ")[0]
    return re.findall(r"^\*\*([^*]+)\.\*\*", text, re.MULTILINE)


@pytest.mark.parametrize("section", sorted(set(SECTIONS) - FOLLOWED_ELSEWHERE))
def test_every_command_of_the_runbook_runs_in_the_order_in_which_it_stands(
    stack: Deployed, section: str, tmp_path: Path
) -> None:
    """What is undone at the end is as it was before."""
    account, name = stack.account, "in-the-runbook"
    with inhabited(stack, Person(name=name, story="due", keys=DUE)) as keys:
        (old,) = keys[name]
        account.client("secretsmanager").create_secret(Name=secret_of(name), SecretString="{}")
        runbook = Runbook(account, section, binaries=tmp_path)
        runbook.given(
            NAME=name,
            KEY=old.key_id,
            SECRET=secret_of(name),
            UNTIL="2027-12-31",
            RUN="run-1",
            ADDRESS=ADDRESS,
        )
        told = {label: runbook.follow(label) for label in labels(section)}
        assert {"What it means", "How urgent"} <= told.keys()
        assert _wrong(section, told, account, name, old) == []


def _wrong(section: str, told: dict[str, str], account: EmulatedAccount, name: str, old: Key) -> list[str]:
    """What the section's commands did not do."""
    iam, did = account.client("iam"), told.get("What to do", "")
    tags = iam.list_user_tags(UserName=name)["Tags"]
    status = iam.list_access_keys(UserName=name)["AccessKeyMetadata"][0]["Status"]
    expected: dict[str, Callable[[], list[bool]]] = {
        "ACT": lambda: [did.startswith("{}"), old.key_id in told["Verify"], tags == []],
        "ATTENTION": lambda: ["SubscriptionArn" in did, old.key_id in did, status == "Active"],
        "FAILED": lambda: ["users" in told["Verify"]],
        "CRITICAL": lambda: ["{}" in did, "Active" in told["Verify"], status == "Inactive"],
        "RESUMED": lambda: ["What to do" in told],
        "INSTALL": lambda: [
            "{}" in did,
            old.key_id in told["Verify"],
            "LastUsed" in told["Verify"],
            len(tags) == 2,
        ],
        "Done": lambda: [old.key_id in told["Verify"], status == "Active", len(tags) == 1],
        "Coming up": lambda: [
            "rotation:exempt" in told["Verify"],
            "rotation:replace" in told["Verify"],
            tags == [],
        ],
        "AUDIT": lambda: [tags == []],
        "Nothing": lambda: [set(told) == {"What it means", "How urgent"}],
        "ScannerErrors": lambda: ["users" in told["Verify"]],
        "RotatorErrors": lambda: [told["Undo"].count("ScheduleArn") == 2],
        "OrderWaiting": lambda: [
            "Enabled" in did,
            "ApproximateNumberOfMessages" in told["Verify"],
            told["Undo"].split() == ["Disabled", "Enabled"],
        ],
        "NoCompletedRun": lambda: ["ENABLED" in did, "ScheduleArn" in did, "users" in did],
        # No commands of their own: they point to what stands elsewhere.
        "KeyChangeFailed": lambda: [{"What to do", "Verify"} <= told.keys()],
        "OldKeyUnexplained": lambda: [{"What to do", "Verify"} <= told.keys()],
        "NoSubscription": lambda: ["SubscriptionArn" in did, f"{ADDRESS}\tfalse\tNone" in told["Verify"]],
    }
    return [f"{section}: number {at}" for at, fine in enumerate(expected[section]()) if not fine]
