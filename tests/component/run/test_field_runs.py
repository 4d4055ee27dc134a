"""Situations that people reported of other tools (docs/field-cases.md), in one run of both functions."""

import json
from datetime import timedelta
from typing import Any

import moto.iam.models
import pytest
from keyrotation.decide.actions import Kind
from keyrotation.memory import Why
from keyrotation.model import secret_name
from keyrotation.run.settings import SettingsError
from moto.cloudtrail.responses import CloudTrailResponse

from tests.component.account import ACCOUNT, NOW, TODAY, Account
from tests.component.calls import Call, Calls
from tests.component.deployment import Deployment, Mail


def a_run(deployment: Deployment, *, path: str = "/") -> list[Mail]:
    """Of scanner and rotator, with the mails that it sent."""
    deployment.scan(USER_PATH_PREFIX=path)
    (order,) = deployment.orders()
    event = deployment.delivery(order)
    deployment.rotate(event, USER_PATH_PREFIX=path)
    deployment.done_with(event)
    return deployment.mails()


def entries(mail: Mail, section: str = "attention") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(mail.data)["sections"][section]
    return found


def commands(mail: Mail) -> list[str]:
    """All that it prints."""
    sections = json.loads(mail.data)["sections"].values()
    printed = [each["command"] for entries in sections for entry in entries for each in entry["commands"]]
    return [line.replace("=", " ") for line in printed]


def test_a_user_with_more_than_two_keys_is_left_alone_and_told_with_the_command_that_lists_them(
    account: Account, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IAM's limit of two is reached late when several are made at once."""
    monkeypatch.setattr(moto.iam.models, "LIMIT_KEYS_PER_USER", 9)
    account.add_user("carl")
    keys = [account.add_key("carl", age=400, used=0) for _ in range(4)]

    (mail,) = a_run(deployment)

    assert account.keys("carl") == dict.fromkeys(keys, "Active")
    assert "there are 4 keys, and IAM allows two" in mail.text
    assert "aws iam list-access-keys --user-name carl" in commands(mail)


def test_a_last_use_that_may_not_be_read_comes_with_the_command_that_reads_it(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_user("carl")
    key = account.add_key("carl", age=400, used=0)
    calls.refuse("GetAccessKeyLastUsed", "AccessDenied")

    (mail,) = a_run(deployment)

    assert account.keys("carl") == {key: "Active"}
    assert f"aws iam get-access-key-last-used --access-key-id {key}" in commands(mail)


def test_nobody_is_asked_to_install_a_key_that_is_in_use_already(
    account: Account, deployment: Deployment
) -> None:
    """A person made the newer key in the console, and the program moved to it long ago."""
    account.add_user("carl")
    account.add_key("carl", age=120, used=50)
    account.add_key("carl", age=40, used=0)

    (mail,) = a_run(deployment)

    (entry,) = entries(mail)
    assert entry["kind"] == Kind.BY_HAND_QUIET
    assert "get-secret-value" not in mail.text
    assert "to the new key" not in str(entry["text"])


def test_an_order_of_a_user_who_was_deleted_meanwhile_alarms_nobody(
    account: Account, deployment: Deployment
) -> None:
    """Days may lie between, when the queue hands an order out again."""
    account.add_user("gone")
    account.add_key("gone", age=400, used=0)
    account.add_user("here")
    deployment.scan()
    (order,) = deployment.orders()
    account.delete_user("gone")

    deployment.rotate(deployment.delivery(order))

    assert deployment.mails() == []


@pytest.mark.parametrize(
    "operation",
    ["ListAccessKeys", "CreateAccessKey", "CreateSecret", "PutSecretValue", "UpdateSecretVersionStage"],
)
def test_a_user_who_is_deleted_in_the_middle_of_a_replacement_alarms_nobody(
    account: Account, calls: Calls, deployment: Deployment, operation: str
) -> None:
    account.add_user("gone")
    account.add_key("gone", age=80, used=0)
    event = deployment.order("gone")
    begun = False

    def deleted(call: object, _error: str | None) -> None:
        nonlocal begun
        if getattr(call, "operation", "") == operation and not begun:
            begun = True
            account.delete_user("gone")

    calls.tell(deleted)

    deployment.rotate(event)

    assert begun
    assert [mail.subject for mail in deployment.mails() if "FAILED" in mail.subject] == []


def test_a_user_made_anew_under_the_old_name_is_somebody_else_whose_keys_are_young(
    account: Account, deployment: Deployment
) -> None:
    """Whatever was told of the keys of the one before, and wherever the new one lives."""
    account.add_user("anna")
    old = account.add_key("anna", age=90, used=0)
    account.store("anna", account.add_key("anna", age=14, used=0))
    account.notice("anna", old, Why.OVERLAP, days=0)
    account.delete_user("anna")
    account.add_user("anna", path="/team/")
    keys = [account.add_key("anna", age=3, used=0), account.add_key("anna", age=2, used=0)]

    mails = a_run(deployment)

    assert account.keys("anna") == dict.fromkeys(keys, "Active")
    # Of the one before there is a secret, and nothing else to say.
    (mail,) = mails
    assert [each["kind"] for each in entries(mail, "account")] == [Kind.LEFT_BEHIND]
    assert entries(mail) == []


def test_a_user_made_anew_gets_the_secret_of_the_name_with_a_policy_of_its_own(
    account: Account, deployment: Deployment
) -> None:
    account.add_user("anna")
    account.store("anna", account.add_key("anna", age=80, used=0))
    account.delete_user("anna")
    account.add_user("anna", path="/team/")
    key = account.add_key("anna", age=80, used=0)

    a_run(deployment)

    assert account.current("anna")["AccessKeyId"] == account.new_key("anna", key)
    assert account.current_works("anna")
    policy = account.secrets.get_resource_policy(SecretId=secret_name("anna"))["ResourcePolicy"]
    assert f"arn:aws:iam::{ACCOUNT}:user/team/anna" in policy
    assert f"arn:aws:iam::{ACCOUNT}:user/anna" not in policy


def test_whoever_is_renamed_in_an_overlap_is_told_the_secrets_real_name_and_loses_no_key(
    account: Account, deployment: Deployment
) -> None:
    account.add_user("ines")
    old = account.add_key("ines", age=90, used=0)
    new = account.add_key("ines", age=14, used=None)
    account.store("ines", new)
    account.notice("ines", old, Why.OVERLAP, days=0)
    account.rename("ines", "inez")

    (mail,) = a_run(deployment)

    assert account.keys("inez") == {old: "Active", new: "Active"}
    assert secret_name("ines") in mail.text
    assert secret_name("inez") not in mail.text
    policy = account.secrets.get_resource_policy(SecretId=secret_name("ines"))["ResourcePolicy"]
    assert f"arn:aws:iam::{ACCOUNT}:user/inez" in policy


def test_a_user_who_moves_out_of_the_path_is_left_alone_and_no_day_is_kept(
    account: Account, deployment: Deployment
) -> None:
    account.add_user("otto", path="/apps/")
    old = account.add_key("otto", age=90, used=30)
    account.store("otto", account.add_key("otto", age=14, used=0))
    account.notice("otto", old, Why.OVERLAP, days=0)
    account.add_user("somebody", path="/apps/")
    account.iam.update_user(UserName="otto", NewPath="/people/")

    a_run(deployment, path="/apps/")

    assert account.keys("otto")[old] == "Active"


@pytest.mark.parametrize("empty", ["a path with another capital letter", "an account without users"])
def test_a_path_below_which_nobody_is_and_an_account_without_users_are_told_each_week(
    account: Account, deployment: Deployment, empty: str
) -> None:
    if "path" in empty:
        account.add_user("sven", path="/apps/")
        account.add_key("sven", age=400, used=0)
    mails = []
    for day in range(8):
        deployment.now = NOW + timedelta(days=day)
        mails += a_run(deployment, path="/Apps/")

    (mail,) = mails
    assert "There is no IAM user below UserPathPrefix=/Apps/" in mail.text
    assert mail.attributes["severity"] == "attention"


def test_an_exposed_key_gets_no_successor_and_its_mail_is_critical_every_day(
    account: Account, deployment: Deployment
) -> None:
    """AWS found it in public, and attached its policy: whoever holds the key could fetch the next one."""
    account.add_user("adam")
    key = account.add_key("adam", age=80, used=0)
    account.quarantine("adam")

    for day in range(3):
        deployment.now = NOW + timedelta(days=day)
        (mail,) = a_run(deployment)
        assert mail.attributes["severity"] == "critical"
        printed = " | ".join(commands(mail))
        assert printed.index("--status Inactive") < printed.index("detach-user-policy")
    assert account.keys("adam") == {key: "Active"}


@pytest.mark.parametrize("before", ["no key", "a leaked key, switched off"])
def test_a_new_key_for_whom_no_old_key_works_asks_for_somebody_who_can_fetch_it(
    account: Account, deployment: Deployment, before: str
) -> None:
    account.add_user("gwen", tags={"access-key-rotation:replace": "on call"})
    if before != "no key":
        account.add_key("gwen", age=50, used=0, status="Inactive")

    (mail,) = a_run(deployment)

    assert "Active" in account.keys("gwen").values()
    assert "obody has to do anything" not in mail.text
    assert "The owner, with the old key" not in mail.text
    assert "SecretReaderArns" in mail.text


def test_an_inactive_key_of_years_ago_is_no_key_over_the_threshold(
    account: Account, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    account.add_user("nils")
    account.add_key("nils", age=900, used=800, status="Inactive")
    account.add_key("nils", age=20, used=0)

    deployment.scan()

    said = [
        json.loads(line) for line in capsys.readouterr().out.splitlines() if '"KeysOverThreshold"' in line
    ]
    assert [each["KeysOverThreshold"] for each in said] == [[0.0]]


def test_a_key_made_days_ago_and_not_yet_used_is_nobodys_business(
    account: Account, deployment: Deployment
) -> None:
    account.add_user("new")
    account.add_key("new", age=3)

    deployment.scan()

    (order,) = deployment.orders()
    assert json.loads(order)["user_names"] == []


def test_a_secret_that_a_team_had_under_the_name_keeps_its_value_and_its_policy(
    account: Account, deployment: Deployment
) -> None:
    account.add_carol()
    account.secrets.create_secret(Name=secret_name("carol"), SecretString="theirs")

    (mail,) = a_run(deployment)

    assert account.secrets.get_secret_value(SecretId=secret_name("carol"))["SecretString"] == "theirs"
    assert len(account.keys("carol")) == 1
    assert secret_name("carol") in mail.text


def test_a_user_without_room_for_another_tag_is_rotated_all_the_same(
    account: Account, deployment: Deployment
) -> None:
    """IAM takes 50; what is remembered stands in a table."""
    account.add_user("full", tags={f"theirs-{number}": "x" for number in range(50)})
    old = account.add_key("full", age=80, used=0)

    a_run(deployment)

    assert account.current("full")["AccessKeyId"] == account.new_key("full", old)
    assert len(account.tags("full")) == 50
    assert account.memory("full").changed == TODAY


def test_a_listed_reader_who_does_not_exist_is_told_by_the_name_of_the_parameter(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    """AWS says only that a principal is not supported. moto takes any."""
    account.add_carol()
    calls.refuse("PutResourcePolicy", "MalformedPolicyDocumentException", status=400)

    deployment.rotate(
        deployment.order("carol"), SECRET_READER_ARNS=f"arn:aws:iam::{ACCOUNT}:role/deleted-years-ago"
    )

    (mail,) = deployment.mails()
    assert len(account.keys("carol")) == 1
    assert "See whether each user and role of SecretReaderArns exists" in mail.text


def test_every_users_mail_names_the_account_by_its_number(account: Account, deployment: Deployment) -> None:
    account.iam.create_account_alias(
        AccountAlias="a-name-that-is-longer-than-any-subject-of-sns-could-ever-take"
    )
    account.add_carol()

    (mail,) = a_run(deployment)

    assert ACCOUNT in mail.subject
    assert len(mail.subject) < 100
    assert mail.attributes["account"] == ACCOUNT


@pytest.mark.parametrize("age", [67, 80])
def test_whose_key_sends_mail_is_told_what_smtp_needs_a_week_before_and_with_the_new_key(
    account: Account, deployment: Deployment, age: int
) -> None:
    """An SMTP client holds a password that is derived from the secret half, and neither fetches nor installs a key."""
    account.add_user("mailer")
    account.add_key("mailer", age=age, used=0, service="ses")

    # What only comes up waits for a Monday; this is a Sunday.
    deployment.now += timedelta(days=age == 67)
    (mail,) = a_run(deployment)

    assert "access-key-follow smtp" in mail.text
    (section,) = {"upcoming", "done"} & {
        name for name, each in json.loads(mail.data)["sections"].items() if each
    }
    (entry,) = entries(mail, section)
    assert [hint["sign"] for hint in entry["hints"]] == ["ses-smtp"]


def test_who_runs_with_an_old_key_is_told_by_its_program_and_who_manages_the_user_by_its_tags(
    account: Account, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    account.add_user("ci", tags={"ManagedBy": "Terraform"})
    old = account.add_key("ci", age=95, used=0)
    account.store("ci", account.add_key("ci", age=20))
    account.notice("ci", old, Why.IN_USE, days=3)
    agent = "configure-aws-credentials-for-github-actions"
    record = {"sourceIPAddress": "192.0.2.1", "userAgent": f"aws-sdk-nodejs/2 {agent}"}
    event = {"EventName": "PutObject", "CloudTrailEvent": json.dumps(record)}
    monkeypatch.setattr(
        CloudTrailResponse, "lookup_events", lambda _: json.dumps({"Events": [event]}), raising=False
    )

    (mail,) = a_run(deployment)

    (entry,) = entries(mail)
    assert [hint["sign"] for hint in entry["hints"]] == ["terraform", "github-actions"]
    assert "ignore_tags" in mail.text
    assert "GitHub Actions uses a key of this user" in mail.text
    assert account.keys("ci")[old] == "Active"


def test_hints_cost_no_call(account: Account, calls: Calls, deployment: Deployment) -> None:
    """The same calls for a user of whom much is known and for one of whom nothing is."""
    made = []
    for name, tags in (("plain", {}), ("known", {"terraform": "true", "aws-cloudformation": "x"})):
        account.add_user(name, tags=tags)
        account.add_key(name, age=67, used=0, service="s3" if name == "plain" else "ses")
        calls.made.clear()
        deployment.rotate(deployment.order(name))
        made.append(list(calls.operations))
        deployment.mails()

    assert made[0] == made[1]


def test_a_new_key_that_iam_does_not_list_yet_has_not_vanished(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    """Its listing may be behind for a while, and somebody starts a second run by hand."""
    account.add_user("lena")
    old = account.add_key("lena", age=80, used=0)
    a_run(deployment)
    new = account.new_key("lena", old)

    def behind(_call: Call, answer: dict[str, Any]) -> None:
        answer["AccessKeyMetadata"] = [
            each for each in answer["AccessKeyMetadata"] if each["AccessKeyId"] == old
        ]

    calls.change_answer("ListAccessKeys", behind)
    mails = a_run(deployment)

    memory = account.memory("lena")
    assert (memory.vanished, memory.key(new).issued_on) == (None, TODAY)
    assert account.keys("lena") == {old: "Active", new: "Active"}
    assert not any("was deleted by somebody else" in mail.text for mail in mails)


def test_a_key_that_is_old_and_another_that_was_never_used_are_not_taken_for_one(
    account: Account, deployment: Deployment
) -> None:
    account.add_user("reader")
    young = account.add_key("reader", age=10)
    old = account.add_key("reader", age=85, used=0)

    a_run(deployment)

    assert account.keys("reader") == {young: "Active", old: "Active"}


def test_a_stack_that_rotates_daily_is_refused_before_it_looks_at_anybody(deployment: Deployment) -> None:
    """Of another tool, a period of one day deleted keys instead of rotating them."""
    with pytest.raises(SettingsError, match="MaxKeyAgeDays"):
        deployment.load("rotator", MAX_KEY_AGE_DAYS="1")
    with pytest.raises(SettingsError, match="MaxKeyAgeDays"):
        deployment.load("scanner", MAX_KEY_AGE_DAYS="1")


def test_a_secret_that_holds_its_users_key_in_another_form_gets_no_key_and_the_old_key_stays(
    account: Account, deployment: Deployment
) -> None:
    """A stack of the team made it, with names of their own in it: neither they nor we would find what the other wrote."""
    _, old = account.add_carol()
    account.secrets.create_secret(
        Name=secret_name("carol"), SecretString=json.dumps({"aws_key": old, "aws_secret": "theirs"})
    )

    (mail,) = a_run(deployment)

    assert account.keys("carol") == {old: "Active"}
    assert mail.attributes["severity"] == "critical"
    assert "its description does not say that this system made it" in mail.text


@pytest.mark.parametrize(
    "operation",
    [
        "GetUser",
        "CreateSecret",
        "PutResourcePolicy",
        "UpdateItem",
        "CreateAccessKey",
        "PutSecretValue",
        "GetCallerIdentity",
        "UpdateSecretVersionStage",
    ],
)
def test_whoever_is_renamed_in_the_middle_of_a_replacement_has_a_key_that_works_and_one_secret_in_the_end(
    account: Account, calls: Calls, deployment: Deployment, operation: str
) -> None:
    account.add_user("ines")
    old = account.add_key("ines", age=80, used=0)
    event = deployment.order("ines")
    begun = False

    def renamed(call: Call, _error: str | None) -> None:
        nonlocal begun
        if call.operation == operation and not begun:
            begun = True
            account.rename("ines", "inez")

    calls.tell(renamed)
    deployment.rotate(event)
    deployment.done_with(event)
    assert begun
    told = deployment.mails()
    for day in (1, 2, 3):
        deployment.now = NOW + timedelta(days=day)
        told += a_run(deployment)

    keys = account.keys("inez")
    assert keys.pop(old) == "Active"
    assert list(keys.values()) == ["Active"]
    assert account.memory("inez").pending is None
    (name,) = account.secret_names()
    found = account.secrets.get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
    value = json.loads(found["SecretString"])
    assert value["AccessKeyId"] in keys
    policy = account.secrets.get_resource_policy(SecretId=name)["ResourcePolicy"]
    assert f"arn:aws:iam::{ACCOUNT}:user/inez" in policy
    # Owners are told the name that the secret has.
    fetching = [line for mail in told for line in commands(mail) if "get-secret-value" in line]
    assert fetching
    assert f"--secret-id {name} " in fetching[-1]


def test_whoever_is_renamed_while_the_old_key_goes_off_has_it_as_it_was_and_nobody_is_said_to_have_switched_it_on(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_user("ines")
    old = account.add_key("ines", age=90, used=40)
    account.store("ines", account.add_key("ines", age=14, used=0))
    account.notice("ines", old, Why.OVERLAP, days=0)
    event = deployment.order("ines")
    begun = False

    def renamed(call: Call, _error: str | None) -> None:
        nonlocal begun
        if call.operation == "UpdateItem" and not begun:
            begun = True
            account.rename("ines", "inez")

    calls.tell(renamed)
    deployment.rotate(event)
    deployment.done_with(event)
    assert begun
    assert deployment.mails() == []
    assert account.memory("inez").key(old).off_since is None

    deployment.now = NOW + timedelta(days=1)
    (mail,) = a_run(deployment)

    assert account.keys("inez")[old] == "Active"
    assert account.memory("inez").key(old).back_on is None
    assert Kind.BACK_ON not in {entry["kind"] for entry in entries(mail)}
