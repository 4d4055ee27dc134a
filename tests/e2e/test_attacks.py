"""What attackers tried against version 0.1, tried again on the deployed stack, with IAM enforced: what happens now."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from botocore.exceptions import ClientError
from keyrotation.memory import Notice, OffReason, Why

from sandbox.account import EmulatedAccount
from sandbox.cast import Person, SeededKey, overlap
from sandbox.clients import Key
from sandbox.controls import Mail
from sandbox.day import days_pass, run_day, wait_until_idle
from tests.assembled import kept_assembly
from tests.e2e.conftest import ADDRESS, Deployed
from tests.e2e.people import (
    DUE,
    FRESH,
    OUR_DESCRIPTION,
    inhabited,
    memory_of,
    secret_of,
    statuses,
)
from tests.e2e.runbook import Shell
from tests.e2e.sessions import document, session_of
from tests.e2e.test_nothing_lost import start, until_it_failed, until_it_is_handed_out_again

PREFIX = "access-key-rotation:"
# May do anything to secrets and queues.
MALLORY = "mallory"
REMADE, SCHEDULED, LEAKED = "remade", "scheduled", "leaked"
# A user of whom something was forged, and one of whom nothing was.
TWINS = {"forged-version": "two-apps", "forged-off": "off", "forged-pending": "due", "forged-held": "held"}
TWO_APPLICATIONS = (SeededKey(age=60, used=0), SeededKey(age=40, used=0))
OFF_FOR_A_DAY = (SeededKey(age=200, used=20, active=False, inactive_for=1), SeededKey(age=20, used=0))
OVERLAPPING = (SeededKey(age=78, used=0, notice=overlap(10)), SeededKey(age=4, stored=True))
LONG_AGO, NEVER = "2000-01-01", "9999-12-31"
DAYS = 29


@pytest.fixture(scope="module")
def stack() -> Iterator[Deployed]:
    """An account of its own: days pass in it."""
    with EmulatedAccount.start() as account:
        outputs = account.install(
            kept_assembly(), {"Mode": "Enforce", "AlertEmail": ADDRESS, "Notify": "Always"}
        )
        yield Deployed(account=account, outputs=outputs)


def one_day(stack: Deployed) -> Mail:
    inbox = stack.account.inbox(ADDRESS)
    return inbox.next(run_id=run_day(stack.account, stack.outputs))


def text_of(mail: Mail) -> str:
    return " ".join(f"{mail.subject} {mail.body}".replace("\\\n", " ").split())


def refused(attempt: Any, **parameters: Any) -> bool:
    """By what its principal is allowed; any other failure is raised."""
    try:
        attempt(**parameters)
    except ClientError as error:
        if not error.response["Error"]["Code"].startswith("AccessDenied"):
            raise
        return True
    return False


@dataclass(frozen=True, kw_only=True)
class Day:
    """After its run: the mail as one line, and of each user the keys' statuses and notices, the oldest key first."""

    told: str
    keys: Mapping[str, list[str]]
    notices: Mapping[str, list[Notice | None]]

    def seen(self, name: str) -> tuple[list[str], list[tuple[Why, date] | None]]:
        """What there is to compare of two users whose keys are alike."""
        notices = [None if each is None else (each.why, each.day) for each in self.notices[name]]
        return self.keys[name], notices


@dataclass(frozen=True, kw_only=True)
class Month:
    """What happened to everybody. `keys`: by user, those that were there at first; `off_because`: at the end."""

    account: EmulatedAccount
    days: list[Day]
    keys: Mapping[str, list[Key]]
    forged_order: str
    off_because: Mapping[str, OffReason | None]

    def statuses(self, name: str) -> list[list[str]]:
        return [day.keys[name] for day in self.days]


def as_mallory(account: EmulatedAccount, keys: Mapping[str, list[Key]]) -> Any:
    return account.client("secretsmanager", key=keys[MALLORY][0])


def new_key_of(account: EmulatedAccount, name: str, old: Key) -> str:
    listed = account.client("iam").list_access_keys(UserName=name)["AccessKeyMetadata"]
    (new,) = {key["AccessKeyId"] for key in listed} - {old.key_id}
    return new


def forge_secret(account: EmulatedAccount, mallory: Any, name: str, key_id: str) -> None:
    """As this system would leave it, with mallory's own credentials in it."""
    user_arn = account.client("iam").get_user(UserName=name)["User"]["Arn"]
    mallory.create_secret(
        Name=secret_of(name),
        Description=OUR_DESCRIPTION,
        ClientRequestToken=f"{key_id}-access-key-rotation",
        SecretString=json.dumps({"AccessKeyId": "AKIAMALLORY", "UserName": name}),
    )
    owner_reads = {
        "Effect": "Allow",
        "Principal": {"AWS": user_arn},
        "Action": "secretsmanager:GetSecretValue",
        "Resource": "*",
    }
    mallory.put_resource_policy(SecretId=secret_of(name), ResourcePolicy=document(owner_reads))


def forge_tags(account: EmulatedAccount, name: str, **tags: str) -> None:
    pairs: Any = [{"Key": PREFIX + key, "Value": value} for key, value in tags.items()]
    account.client("iam").tag_user(UserName=name, Tags=pairs)


def send_forged_order(stack: Deployed, mallory: Key, name: str) -> str:
    """One of days ago, as if it had come again. What its run tells. The queue takes it only once its policy is loosened."""
    inbox, run_id = stack.account.inbox(ADDRESS), f"forged-{uuid4()}"
    order = {
        "version": 1,
        "run_id": run_id,
        "total": 1,
        "with_keys": 1,
        "root_has_keys": False,
        "user_names": [name],
        "ordered_at": f"{datetime.now(UTC) - timedelta(days=3):%Y-%m-%dT%H:%M:%SZ}",
    }
    message: dict[str, Any] = {
        "QueueUrl": stack.outputs["OrdersQueueUrl"],
        "MessageBody": json.dumps(order),
        "MessageGroupId": "account",
        "MessageDeduplicationId": run_id,
    }
    url, admin = stack.outputs["OrdersQueueUrl"], stack.account.client("sqs")
    forger = stack.account.client("sqs", key=mallory)
    assert refused(forger.send_message, **message)
    policy = admin.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])["Attributes"]["Policy"]
    kept = [each for each in json.loads(policy)["Statement"] if each.get("Sid") != "OnlyTheScannerSends"]
    admin.set_queue_attributes(QueueUrl=url, Attributes={"Policy": document(*kept)})
    try:
        forger.send_message(**message)
    finally:
        admin.set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    mail = inbox.next(run_id=run_id)
    wait_until_idle(stack.account, stack.outputs)
    return text_of(mail)


@pytest.fixture(scope="module")
def month(stack: Deployed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Month]:
    """Everybody's old key is used every day, but that of SCHEDULED once its owner could install the new one."""
    account, iam = stack.account, stack.account.client("iam")
    people = (
        Person(name=MALLORY, story="secretsmanager:*", keys=FRESH, reads_all_secrets=True),
        Person(name=REMADE, story="due; then the secret is made anew", keys=DUE),
        Person(name=SCHEDULED, story="due; then somebody deletes the secret", keys=DUE),
        Person(name=LEAKED, story="a person switches the key off", keys=(SeededKey(age=20, used=0),)),
        *(
            Person(name=each, story="two by hand", keys=TWO_APPLICATIONS)
            for each in ("forged-version", "two-apps")
        ),
        *(Person(name=each, story="off for a day", keys=OFF_FOR_A_DAY) for each in ("forged-off", "off")),
        *(Person(name=each, story="due", keys=DUE) for each in ("forged-pending", "due")),
        *(Person(name=each, story="overlapping", keys=OVERLAPPING) for each in ("forged-held", "held")),
    )
    with inhabited(stack, *people) as keys:
        mallory, admin = as_mallory(account, keys), account.client("secretsmanager")
        orders = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
        iam.put_user_policy(UserName=MALLORY, PolicyName="orders", PolicyDocument=document(orders))
        forge_secret(account, mallory, "forged-version", keys["forged-version"][1].key_id)
        forge_tags(account, "forged-off", **{f"inactive-since:{keys['forged-off'][0].key_id}": LONG_AGO})
        forge_tags(account, "forged-pending", pending="2999-01-01T00:00:00Z mars-1 run")
        for at, day in enumerate((LONG_AGO, NEVER)):
            forge_tags(
                account, "forged-held", **{f"held-until:{keys['forged-held'][at].key_id}": f"{day} in-use"}
            )
        days: list[Day] = []
        forged_order = ""
        for number in range(DAYS + 1):
            if number:
                days_pass(account)
            for name, held in keys.items():
                for at, key in enumerate(held):
                    follows = name == SCHEDULED and number > 16
                    if statuses(account, name)[at] == "Active" and not follows:
                        account.set_last_used(key.key_id, at=datetime.now(UTC), region="eu-west-1")
            mail = one_day(stack)
            remembered = {name: memory_of(account, name) for name in keys}
            days.append(
                Day(
                    told=text_of(mail),
                    keys={name: statuses(account, name) for name in keys},
                    notices={
                        name: [remembered[name].key(key.key_id).notice for key in held]
                        for name, held in keys.items()
                    },
                )
            )
            if number == 0:
                # Only whom no policy binds can do this, or who waits for a week: see the test below.
                admin.delete_secret(SecretId=secret_of(REMADE), ForceDeleteWithoutRecovery=True)
                forge_secret(account, mallory, REMADE, new_key_of(account, REMADE, keys[REMADE][0]))
            if number == 1:
                mallory.delete_secret(SecretId=secret_of(SCHEDULED), RecoveryWindowInDays=30)
            if number == 5:
                iam.update_access_key(UserName=LEAKED, AccessKeyId=keys[LEAKED][0].key_id, Status="Inactive")
            if number == 6:
                forged_order = send_forged_order(stack, keys[MALLORY][0], LEAKED)
            if number == 16:
                # By the command of the mail; then the owner installs the new key.
                shell = Shell(account, binaries=tmp_path_factory.mktemp("shell"))
                (restore,) = set(re.findall(r"aws secretsmanager restore-secret [^\n]*\\\n[^\n]*", mail.body))
                shell.run(restore)
                owner = account.client("secretsmanager", key=keys[SCHEDULED][0])
                value = json.loads(owner.get_secret_value(SecretId=secret_of(SCHEDULED))["SecretString"])
                new = Key(key_id=value["AccessKeyId"], secret=value["SecretAccessKey"])
                account.client("sts", key=new).get_caller_identity()
            if number > 16:
                account.set_last_used(
                    new_key_of(account, SCHEDULED, keys[SCHEDULED][0]),
                    at=datetime.now(UTC),
                    region="eu-west-1",
                )
        yield Month(
            account=account,
            days=days,
            keys=keys,
            forged_order=forged_order,
            off_because={
                name: memory_of(account, name).key(held[0].key_id).off_because for name, held in keys.items()
            },
        )


def test_no_key_goes_off_over_a_secret_that_was_made_anew_and_nobody_is_sent_there(month: Month) -> None:
    """F1: an attacker's secret in the place of ours, with our words on it and the version's own name."""
    assert month.statuses(REMADE) == [["Active", "Active"]] * len(month.days)
    new = new_key_of(month.account, REMADE, month.keys[REMADE][0])
    told = [
        number
        for number, day in enumerate(month.days)
        if f"{secret_of(REMADE)}, is gone or was made anew" in day.told
    ]
    # Looked at every third day of the overlap, and daily from three days before its end.
    assert told[0] == 3
    assert set(told) >= {3, 6, 9, 12, 14, 21, 28}
    for number in told:
        assert ": CRITICAL" in month.days[number].told[:60], number
        assert new in month.days[number].told
    assert month.days[2].notices[REMADE] != [None]
    for day in month.days[3:]:
        assert day.notices[REMADE] == [None]
        assert f"get-secret-value --region=us-east-1 --secret-id={secret_of(REMADE)}" not in day.told


def test_after_that_the_way_of_the_mail_leads_to_a_new_key_that_is_ours(
    month: Month, stack: Deployed
) -> None:
    account, iam = month.account, month.account.client("iam")
    (old,) = month.keys[REMADE]
    lost = new_key_of(account, REMADE, old)
    last = month.days[-1].told
    assert f"aws iam delete-access-key --user-name={REMADE} --access-key-id={lost}" in last
    iam.delete_access_key(UserName=REMADE, AccessKeyId=lost)
    iam.tag_user(UserName=REMADE, Tags=[{"Key": f"{PREFIX}replace", "Value": "on call"}])

    one_day(stack)

    owner = account.client("secretsmanager", key=old)
    value = json.loads(owner.get_secret_value(SecretId=secret_of(REMADE))["SecretString"])
    assert value["AccessKeyId"] == new_key_of(account, REMADE, old) != lost
    new = Key(key_id=value["AccessKeyId"], secret=value["SecretAccessKey"])
    assert account.client("sts", key=new).get_caller_identity()["Arn"].endswith(f"/{REMADE}")
    mallory = as_mallory(account, month.keys)
    assert refused(mallory.get_secret_value, SecretId=secret_of(REMADE))


def test_a_forged_version_of_a_pair_made_by_hand_changes_nothing(month: Month) -> None:
    """F2."""
    assert month.statuses("forged-version") == [["Active", "Active"]] * len(month.days)
    for number, day in enumerate(month.days):
        assert day.seen("forged-version") == day.seen("two-apps") == (["Active", "Active"], [None, None]), (
            number
        )
        assert secret_of("forged-version") not in day.told
    # As of every such pair: from WarnDays before the older one is 88 days old.
    told = [number for number, day in enumerate(month.days) if "these may be two applications" in day.told]
    assert told == list(range(21, len(month.days)))


def test_a_secret_that_is_deleted_in_the_overlap_is_told_and_its_owner_waited_for(month: Month) -> None:
    """F3: with a waiting time, since nobody can delete one at once. It is restored on day 16."""
    told = [number for number, day in enumerate(month.days) if "is scheduled for deletion" in day.told]
    assert told[0] == 3
    assert set(told) >= {3, 6, 9, 12, 14, 15, 16}
    assert max(told) == 16
    for number in told:
        assert secret_of(SCHEDULED) in month.days[number].told
        assert month.days[number].notices[SCHEDULED] == [None], number
    # Its day was the 14th. Notice is given anew when the owner can fetch the key, WarnDays ahead.
    off = next(number for number, each in enumerate(month.statuses(SCHEDULED)) if each[0] == "Inactive")
    assert off == 24
    assert [month.days[number].notices[SCHEDULED][0] is not None for number in (16, 17, 23)] == [
        False,
        True,
        True,
    ]
    assert month.off_because[SCHEDULED] is OffReason.QUIET


def test_forged_tags_of_version_0_1_say_nothing(month: Month) -> None:
    """F14: since when a key is off, that a replacement is pending, until when a key is held."""
    for number, day in enumerate(month.days):
        for forged, control in TWINS.items():
            assert day.seen(forged) == day.seen(control), (number, forged)
    # And what happened to both is what the rules say.
    assert month.statuses("forged-off")[-2] == ["Inactive", "Active"], "off for 30 days on the last day"
    assert month.statuses("forged-off")[-1] == ["Active"]
    assert month.statuses("forged-pending")[0] == ["Active", "Active"], "replaced at once"
    off = next(number for number, each in enumerate(month.statuses("forged-held")) if each[0] == "Inactive")
    assert off == 10 + 14
    assert month.off_because["forged-held"] is OffReason.FORCED
    told = [number for number, day in enumerate(month.days) if "ags of version 0.1 are ignored" in day.told]
    assert told == [0], "told once"
    for name in ("forged-off", "forged-pending", "forged-held"):
        assert f"aws iam untag-user --user-name={name} --tag-keys {PREFIX}" in month.days[0].told


SWITCH_ON = r"update-access-key --user-name={} --access-key-id=\w+ --status=Active"


def test_a_forged_old_order_offers_no_key_back_on_that_a_person_switched_off(month: Month) -> None:
    """F5; nor does any mail of these weeks."""
    assert month.statuses(LEAKED)[5:7] == [["Active"], ["Inactive"]]
    assert "CRITICAL" not in month.forged_order
    assert "in use was switched off" not in month.forged_order
    for told in (month.forged_order, *(day.told for day in month.days)):
        assert not re.search(SWITCH_ON.format(LEAKED), told)
    # What this system switched off is offered back as ever.
    assert any(re.search(SWITCH_ON.format(SCHEDULED), day.told) for day in month.days)


def test_an_order_that_comes_again_offers_no_key_back_on_that_a_person_switched_off(stack: Deployed) -> None:
    account, person = (
        stack.account,
        Person(name="rotten", story="leaked, in use", keys=(SeededKey(age=90, used=0),)),
    )
    with inhabited(stack, person) as keys:
        account.client("iam").update_access_key(
            UserName="rotten", AccessKeyId=keys["rotten"][0].key_id, Status="Inactive"
        )
        inbox, before = account.inbox(ADDRESS), _failures(stack)
        with account.fail("sns:Publish", code="KMSDisabled", times=1):
            run_id = start(stack)
            until_it_failed(stack, before=before)
        until_it_is_handed_out_again(stack)

        told = text_of(inbox.next(run_id=run_id))

    assert keys["rotten"][0].key_id in told
    assert "CRITICAL" not in told
    assert not re.search(SWITCH_ON.format("rotten"), told)


def _failures(stack: Deployed) -> int:
    return stack.account.emulator.log().count(
        f"Lambda {stack.outputs['RotatorName']} failed processing SQS batch"
    )


def test_nobody_deletes_a_secret_at_once_not_even_its_owner_or_the_rotator(stack: Deployed) -> None:
    """F1, F3. What the account's root can do, no policy says here."""
    account = stack.account
    people = (
        Person(name="holder", story="due", keys=DUE, reads_all_secrets=True),
        Person(name="cleaner", story="secretsmanager:*", keys=FRESH, reads_all_secrets=True),
    )
    with inhabited(stack, *people) as keys:
        one_day(stack)
        name = secret_of("holder")
        rotator = session_of(account, stack.outputs["RotatorRoleArn"])
        for key in (keys["cleaner"][0], keys["holder"][0], rotator):
            secrets = account.client("secretsmanager", key=key)
            assert refused(secrets.delete_secret, SecretId=name, ForceDeleteWithoutRecovery=True)
        admin = account.client("secretsmanager")
        cleaner = account.client("secretsmanager", key=keys["cleaner"][0])
        policy = json.loads(admin.get_resource_policy(SecretId=name)["ResourcePolicy"])
        kept = [each for each in policy["Statement"] if each["Sid"] != "NobodyDeletesAtOnce"]
        assert len(kept) == len(policy["Statement"]) - 1
        assert refused(cleaner.put_resource_policy, SecretId=name, ResourcePolicy=document(*kept))
        admin.put_resource_policy(SecretId=name, ResourcePolicy=document(*kept))
        assert not refused(cleaner.delete_secret, SecretId=name, ForceDeleteWithoutRecovery=True)


@dataclass(frozen=True, kw_only=True)
class Renamed:
    """A user with a rotated key was renamed, and a newcomer has the name; `owner` and `newcomer`: keys of theirs."""

    name: str
    owner: Key
    newcomer: Key

    def reads(self, account: EmulatedAccount, key: Key, *, version: str = "AWSCURRENT") -> bool:
        secrets = account.client("secretsmanager", key=key)
        return not refused(secrets.get_secret_value, SecretId=secret_of(self.name), VersionStage=version)


@pytest.fixture
def renamed(stack: Deployed) -> Iterator[Renamed]:
    iam, name = stack.account.client("iam"), "svc"
    with inhabited(stack, Person(name=name, story="due", keys=DUE)) as keys:
        one_day(stack)
        iam.update_user(UserName=name, NewUserName=f"{name}-2")
        newcomer = Person(
            name=name, story="takes the name, with secretsmanager:*", keys=DUE, reads_all_secrets=True
        )
        with inhabited(stack, newcomer) as new:
            yield Renamed(name=name, owner=keys[name][0], newcomer=new[name][0])
        iam.update_user(UserName=f"{name}-2", NewUserName=name)


def test_who_takes_the_name_of_a_renamed_owner_cannot_read_the_secret(
    stack: Deployed, renamed: Renamed
) -> None:
    """F9: the same ARN, another user. It hangs on the statement about the id."""
    account, admin = stack.account, stack.account.client("secretsmanager")
    assert not renamed.reads(account, renamed.newcomer)

    name = secret_of(renamed.name)
    before = admin.get_resource_policy(SecretId=name)["ResourcePolicy"]
    statements = json.loads(before)["Statement"]
    kept = [each for each in statements if each["Sid"] != "NobodyReadsInTheOwnersName"]
    assert len(kept) == len(statements) - 1
    admin.put_resource_policy(SecretId=name, ResourcePolicy=document(*kept))
    assert renamed.reads(account, renamed.newcomer)
    admin.put_resource_policy(SecretId=name, ResourcePolicy=before)


def test_the_next_run_gives_the_secret_back_to_its_owner_and_a_newcomer_who_is_due_does_not_get_it(
    stack: Deployed, renamed: Renamed
) -> None:
    """The newcomer's own key is due, and its secret would have the name of this one."""
    account, admin = stack.account, stack.account.client("secretsmanager")
    name = secret_of(renamed.name)
    before = admin.describe_secret(SecretId=name)["VersionIdsToStages"]

    mail = text_of(one_day(stack))

    assert f"The policy of its secret, {name}, was updated, so that the owner can read it" in mail
    assert renamed.reads(account, renamed.owner)
    for version in ("AWSCURRENT", "AWSPREVIOUS"):
        assert not renamed.reads(account, renamed.newcomer, version=version)
    assert admin.describe_secret(SecretId=name)["VersionIdsToStages"] == before
    assert statuses(account, f"{renamed.name}-2") == ["Active", "Active"]
    assert statuses(account, renamed.name) == ["Active"], "no key was made for whom there is no secret"
    assert f"the secret {name} is another user's" in mail
