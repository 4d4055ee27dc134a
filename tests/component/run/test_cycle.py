"""From the schedule's payload to the mail: both handlers, the queue between them and the topic behind."""

import json
import logging
from collections import Counter
from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from keyrotation.model import version_id

from tests.component.account import ACCOUNT, PREFIX, REGION, RUN_ID, Account
from tests.component.calls import Call, Calls, error_answer, unanswered
from tests.component.deployment import SCHEDULED, Deployment

READS = {
    "ChangeMessageVisibility",
    "GetUser",
    "ListAccessKeys",
    "GetAccessKeyLastUsed",
    "DescribeSecret",
    "LookupEvents",
}


@pytest.fixture
def people(account: Account) -> dict[str, str]:
    """Users in several states; the id of each one's oldest key by name."""
    ids = {}
    for name, age, used in (("fresh", 3, 1), ("due", 80, 1), ("far-over", 400, 2), ("unused", 120, None)):
        account.add_user(name)
        ids[name] = account.add_key(name, age=age, used=used)
    for name, elder_used in (("quiet", 20), ("held", 0)):
        account.add_user(name)
        ids[name] = account.add_key(name, age=92, used=elder_used)
        account.store(name, account.add_key(name, age=16, used=1))
    account.add_user("left", tags={f"{PREFIX}owner": "Ann"})
    ids["left"] = account.add_key("left", age=200, used=100, status="Inactive")
    account.iam.tag_user(
        UserName="left", Tags=[{"Key": f"{PREFIX}inactive-since:{ids['left']}", "Value": "2026-10-01"}]
    )
    account.add_user("exempt", tags={f"{PREFIX}exempt": "2027-01-31 migration"})
    ids["exempt"] = account.add_key("exempt", age=100, used=1)
    account.add_user("console")
    return ids


@pytest.mark.usefixtures("people")
def test_the_scanner_orders_who_is_due_and_nobody_else(deployment: Deployment) -> None:
    summary = deployment.scan()

    (body,) = deployment.orders()
    named = ["due", "exempt", "far-over", "held", "left", "quiet", "unused"]
    assert json.loads(body) == {
        "version": 1,
        "run_id": RUN_ID,
        "total": 9,
        "with_keys": 7,
        "root_has_keys": False,
        "user_names": named,
        "account_alias": "",
        "ordered_at": "2026-11-22T06:00:00Z",
    }
    assert summary == {"run_id": RUN_ID, "users": 9, "named": 7, "unread": 0}


@pytest.mark.usefixtures("people")
def test_the_scanner_reads_users_and_keys_sends_one_order_and_does_nothing_else(
    calls: Calls, deployment: Deployment
) -> None:
    deployment.scan()

    assert set(calls.operations) == {
        "GetAccountAuthorizationDetails",
        "GetAccountSummary",
        "ListAccountAliases",
        "ListAccessKeys",
        "SendMessage",
    }
    (sent,) = calls.of("SendMessage")
    assert sent.params["MessageDeduplicationId"] == RUN_ID


@pytest.mark.usefixtures("people")
def test_the_accounts_alias_stands_in_the_order_and_in_the_subject(
    account: Account, deployment: Deployment
) -> None:
    account.iam.create_account_alias(AccountAlias="prod-eu")
    deployment.scan()
    (body,) = deployment.orders()
    deployment.rotate(deployment.delivery(body))
    (mail,) = deployment.mails()
    assert mail.subject.endswith(f"(prod-eu {ACCOUNT})")


@pytest.mark.usefixtures("people")
def test_an_alias_that_cannot_be_read_holds_nothing_up(calls: Calls, deployment: Deployment) -> None:
    calls.refuse("ListAccountAliases", "AccessDenied")
    deployment.scan()
    (body,) = deployment.orders()
    assert json.loads(body)["account_alias"] == ""
    assert len(json.loads(body)["user_names"]) == 7


@pytest.mark.parametrize("notify", ["Changes", "Problems", "Always"])
def test_a_hold_begins_whatever_notify_says_and_its_mail_goes_out_before(
    *, calls: Calls, deployment: Deployment, people: dict[str, str], notify: str
) -> None:
    deployment.rotate(deployment.order("held"), NOTIFY=notify)

    assert calls.writes == ["Publish", "TagUser", "PutEvents"]
    assert calls.of("TagUser")[0].params["Tags"][0]["Key"] == f"{PREFIX}held-until:{people['held']}"


@pytest.mark.usefixtures("people")
def test_notify_problems_tells_of_no_replacement(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    deployment.rotate(deployment.order("due"), NOTIFY="Problems")

    assert account.current_works("due")
    assert "Publish" not in calls.operations


@pytest.mark.usefixtures("people")
def test_queues_get_the_report_as_json(deployment: Deployment) -> None:
    deployment.rotate(deployment.order("due", "held"))

    (mail,) = deployment.mails()
    report = json.loads(mail.data)
    assert (report["version"], report["run_id"], report["severity"]) == (1, RUN_ID, "attention")
    assert [entry["user"] for entry in report["sections"]["attention"]] == ["held"]
    assert report["subject"] == mail.subject


@pytest.mark.usefixtures("people")
def test_a_schedule_that_fires_twice_makes_one_order(deployment: Deployment) -> None:
    deployment.scan()
    deployment.scan()

    assert len(deployment.orders()) == 1


@pytest.mark.usefixtures("people")
def test_two_runs_that_find_the_same_are_two_orders(deployment: Deployment) -> None:
    deployment.scan()
    deployment.scan({**SCHEDULED, "run_id": "another-run"})

    assert len(deployment.orders()) == 2


def test_a_run_of_the_whole_account_does_what_is_planned_and_tells_it_in_one_mail(
    account: Account, deployment: Deployment, people: dict[str, str]
) -> None:
    untouched = {name: account.keys(name) for name in ("fresh", "held", "exempt", "console")}
    deployment.scan()
    (body,) = deployment.orders()

    deployment.rotate(deployment.delivery(body))

    for name in ("due", "far-over"):
        new = account.new_key(name, people[name])
        assert account.keys(name) == {people[name]: "Active", new: "Active"}
        assert account.current(name)["AccessKeyId"] == new
        assert account.current_works(name)
        assert account.tags(name) == {}
    assert account.keys("quiet")[people["quiet"]] == "Inactive"
    assert account.tags("quiet") == {f"{PREFIX}inactive-since:{people['quiet']}": "2026-11-22"}
    assert account.tags("held") == {f"{PREFIX}held-until:{people['held']}": "2026-12-06 in-use"}
    assert account.keys("left") == {}
    assert account.tags("left") == {f"{PREFIX}owner": "Ann"}
    assert account.keys("unused") == {people["unused"]: "Inactive"}
    assert {name: account.keys(name) for name in untouched} == untouched

    (mail,) = deployment.mails()
    assert len(mail.subject) < 100
    assert mail.subject.isascii()
    assert mail.subject.startswith("ACT by 2026-12-06: 1 access key still in use will be switched off (")
    assert mail.attributes == {"severity": "attention", "account": ACCOUNT, "mode": "Enforce"}
    for name in ("due", "far-over", "quiet", "held", "left", "unused", "exempt"):
        assert f"* {name}" in mail.body
    assert '(owner: "Ann")' in mail.body
    assert "fresh" not in mail.body
    assert "examined 9 of 9 users, 1 exempt, 0 unreadable, 0 deferred" in mail.text
    assert f"run id {RUN_ID}" in mail.text
    assert all(line.isprintable() for line in mail.body.splitlines())


@pytest.mark.usefixtures("people")
def test_the_same_order_again_changes_nothing_more(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    deployment.scan()
    (body,) = deployment.orders()
    deployment.rotate(deployment.delivery(body))
    assert calls.writes
    names = ("due", "far-over", "quiet", "held", "left", "unused")
    keys = {name: account.keys(name) for name in names}
    calls.clear()

    deployment.rotate(deployment.delivery(body))

    others = {
        "GetAccountAuthorizationDetails",
        "ListSubscriptionsByTopic",
        "GetSubscriptionAttributes",
        "Publish",
    }
    assert set(calls.operations) - READS <= others
    assert {name: account.keys(name) for name in names} == keys


@pytest.mark.usefixtures("people")
def test_audit_tells_what_would_be_done_and_writes_nothing(calls: Calls, deployment: Deployment) -> None:
    deployment.scan(MODE="Audit")
    (body,) = deployment.orders()
    calls.clear()

    deployment.rotate(deployment.delivery(body), MODE="Audit", NOTIFY="Always")

    assert set(calls.operations) == {
        *READS,
        "GetAccountAuthorizationDetails",
        "ListSubscriptionsByTopic",
        "GetSubscriptionAttributes",
        "Publish",
    } - {"GetUser"}
    (mail,) = deployment.mails()
    assert mail.subject.startswith("AUDIT: would replace 2, switch off 2, delete 1 access keys")
    assert mail.attributes["mode"] == "Audit"
    assert "WOULD BE DONE (Mode is Audit: nothing was changed)" in mail.text
    assert "DONE TODAY" not in mail.text


@pytest.mark.usefixtures("people")
def test_a_full_run_makes_no_other_calls_than_those_that_the_role_is_meant_to_have(
    calls: Calls, deployment: Deployment
) -> None:
    deployment.scan()
    (body,) = deployment.orders()
    calls.clear()

    deployment.rotate(deployment.delivery(body))

    writes = {
        "CreateAccessKey",
        "UpdateAccessKey",
        "DeleteAccessKey",
        "TagUser",
        "UntagUser",
        "CreateSecret",
        "PutResourcePolicy",
        "PutSecretValue",
        "UpdateSecretVersionStage",
        "Publish",
        "PutEvents",
    }
    assert set(calls.operations) == READS | writes | {
        "GetAccountAuthorizationDetails",
        "GetResourcePolicy",
        "GetCallerIdentity",
        "ListSubscriptionsByTopic",
        "GetSubscriptionAttributes",
    }


def test_nothing_is_published_when_there_is_nothing_to_say(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_user("fresh")
    account.add_key("fresh", age=3, used=1)
    account.add_user("exempt", tags={f"{PREFIX}exempt": "2027-01-31 migration"})
    account.add_key("exempt", age=100, used=1)

    for names in ((), ("fresh",), ("fresh", "exempt")):
        deployment.rotate(deployment.order(*names, total=2))

    assert "Publish" not in calls.operations
    assert calls.writes == []
    assert deployment.mails() == []


def test_a_run_without_a_mail_counts_as_completed(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment.rotate(deployment.order(total=2))

    metrics = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line]
    assert [line["RunsCompleted"] for line in metrics] == [[1.0]]


def test_a_publish_that_fails_raises_so_that_the_order_comes_again(
    account: Account, calls: Calls, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    account.add_carol()
    calls.refuse("Publish", "AuthorizationError")

    with pytest.raises(Exception, match=r"AuthorizationError.*Publish"):
        deployment.rotate(deployment.order("carol"))

    assert "RunsCompleted" not in capsys.readouterr().out


def test_what_an_attempt_did_that_could_not_tell_is_told_when_the_order_comes_again(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_user("alice")
    elder = account.add_key("alice", age=92, used=20)
    account.store("alice", account.add_key("alice", age=16, used=1))
    order = deployment.order("alice")
    calls.refuse("Publish", "AuthorizationError")
    with pytest.raises(Exception, match=r"AuthorizationError.*Publish"):
        deployment.rotate(order)
    assert account.keys("alice")[elder] == "Inactive"
    calls.clear()

    order["Records"][0]["attributes"]["ApproximateReceiveCount"] = "2"
    deployment.rotate(order)

    assert {"UpdateAccessKey", "TagUser"}.isdisjoint(calls.operations)
    (mail,) = deployment.mails()
    assert mail.subject.startswith("RESUMED: 1 change of an earlier attempt may not have been told")
    assert "DONE TODAY BY AN EARLIER ATTEMPT" in mail.body
    assert elder in mail.body


def test_an_order_that_cannot_be_sent_raises_so_that_the_schedule_tries_again(
    calls: Calls, deployment: Deployment
) -> None:
    calls.refuse("SendMessage", "AccessDenied")

    with (
        pytest.warns(UserWarning, match="No application metrics"),
        pytest.raises(Exception, match=r"AccessDenied.*SendMessage"),
    ):
        deployment.scan()


@pytest.mark.parametrize(("keys_present", "root_has_keys"), [(0, False), (1, True)])
def test_the_order_says_whether_the_root_user_has_access_keys(
    calls: Calls,
    deployment: Deployment,
    keys_present: int,
    root_has_keys: bool,  # noqa: FBT001
) -> None:
    def present(_call: Call, answer: dict[str, Any]) -> None:
        answer["SummaryMap"]["AccountAccessKeysPresent"] = keys_present

    calls.change_answer("GetAccountSummary", present)
    deployment.scan()
    (body,) = deployment.orders()
    assert json.loads(body)["root_has_keys"] is root_has_keys


def test_what_cannot_be_read_of_the_root_user_is_unknown_and_the_order_is_sent(
    calls: Calls, deployment: Deployment
) -> None:
    calls.refuse("GetAccountSummary", "AccessDenied")
    deployment.scan()
    (body,) = deployment.orders()
    assert json.loads(body)["root_has_keys"] is None


@pytest.mark.filterwarnings("ignore:No application metrics to publish:UserWarning")
def test_a_listing_that_fails_sends_no_order(account: Account, calls: Calls, deployment: Deployment) -> None:
    account.add_carol()
    calls.refuse("GetAccountAuthorizationDetails", "AccessDenied")

    with pytest.raises(Exception, match=r"AccessDenied.*GetAccountAuthorizationDetails"):
        deployment.scan()

    assert "SendMessage" not in calls.operations


def test_a_user_whom_the_scanner_cannot_read_is_ordered_and_the_cause_is_in_its_log(
    account: Account, calls: Calls, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("alice", "bob"):
        account.add_user(name)
        account.add_key(name, age=3, used=1)
    calls.refuse("ListAccessKeys", "AccessDenied", UserName="bob")

    summary = deployment.scan()

    (body,) = deployment.orders()
    assert json.loads(body)["user_names"] == ["bob"]
    assert (summary["users"], summary["unread"]) == (2, 1)
    warnings = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if line.get("user")]
    assert [(each["level"], each["user"]) for each in warnings] == [("WARNING", "bob")]
    assert "AccessDenied" in warnings[0]["cause"]


def test_a_lost_answer_to_the_creation_is_not_sent_again_by_the_handlers_own_clients(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    _, old = account.add_carol()
    calls.lose_answer("CreateAccessKey")

    deployment.rotate(deployment.order("carol"))

    assert calls.sent.count("CreateAccessKey") == 1
    assert len(account.keys("carol")) == 2
    assert account.tags("carol")[f"{PREFIX}pending"].endswith(f" {old}")
    (mail,) = deployment.mails()
    assert mail.subject.startswith("FAILED: changes to 1 user did not finish")
    assert mail.attributes["severity"] == "critical"


def test_the_handlers_own_clients_try_a_read_without_an_answer_again(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_user("fresh")
    account.add_key("fresh", age=3, used=1)
    lost = 0

    def lose_two(call: Call) -> None:
        nonlocal lost
        if call.operation == "ListAccessKeys" and lost < 2:
            lost += 1
            unanswered(call)

    calls.meet(lose_two, lost=True)

    deployment.rotate(deployment.order("fresh"))

    assert calls.sent.count("ListAccessKeys") == 3
    assert deployment.mails() == []


def test_a_new_key_that_never_works_is_rolled_back_and_told(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    _, old = account.add_carol()
    calls.refuse("GetCallerIdentity", "InvalidClientTokenId")

    deployment.rotate(deployment.order("carol"))

    assert account.keys("carol") == {old: "Active"}
    assert account.tags("carol") == {}
    (mail,) = deployment.mails()
    assert "rolled back" in mail.text.lower()
    assert 0 < sum(deployment.slept) < 180


def test_the_proof_is_signed_with_the_new_key_alone(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    arn, old = account.add_carol()
    seen = []
    calls.change_answer("GetCallerIdentity", lambda _call, answer: seen.append(answer["Arn"]))

    deployment.rotate(deployment.order("carol"))

    assert seen == [arn]
    assert account.used_with_sts(account.new_key("carol", old))


def test_near_the_time_limit_users_are_deferred_by_name(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_carol()

    deployment.rotate(deployment.order("carol"), remaining=lambda: 120_000)

    assert calls.writes == ["Publish"]
    (mail,) = deployment.mails()
    assert "1 user deferred to the next run because the time was nearly up: carol" in mail.text


def test_users_who_cannot_be_listed_are_each_read_for_themselves(
    account: Account, calls: Calls, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    ids = {}
    for name in ("ann", "bob"):
        account.add_user(name)
        ids[name] = account.add_key(name, age=80, used=1)
    calls.refuse("GetAccountAuthorizationDetails", "AccessDenied")

    deployment.rotate(deployment.order("ann", "bob"))

    assert all(account.new_key(name, old) for name, old in ids.items())
    assert calls.operations.count("GetUser") == 4
    assert "users could not be listed" in capsys.readouterr().out


def test_an_order_that_names_nobody_asks_iam_nothing(calls: Calls, deployment: Deployment) -> None:
    deployment.rotate(deployment.order(total=5))

    assert set(calls.operations) == {
        "ChangeMessageVisibility",
        "ListSubscriptionsByTopic",
        "GetSubscriptionAttributes",
    }


def test_a_replacement_takes_sixteen_calls_beside_the_proof(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    """docs/benchmark.md says what each is for."""
    for name in ("ann", "bob"):
        account.add_user(name)
        account.add_key(name, age=80, used=1)

    deployment.rotate(deployment.order("ann", "bob"))

    aside = {
        "ChangeMessageVisibility",
        "GetAccountAuthorizationDetails",
        "ListSubscriptionsByTopic",
        "GetSubscriptionAttributes",
        "Publish",
    }
    made = Counter(each for each in calls.operations if each not in {*aside, "GetCallerIdentity"})
    of_one = Counter(
        [
            *("ListAccessKeys", "GetAccessKeyLastUsed"),
            *("GetUser", "ListAccessKeys", "GetAccessKeyLastUsed"),
            *("DescribeSecret", "CreateSecret", "PutResourcePolicy", "GetResourcePolicy", "DescribeSecret"),
            *("TagUser", "CreateAccessKey", "PutSecretValue", "UpdateSecretVersionStage", "PutEvents"),
            "UntagUser",
        ]
    )
    assert of_one.total() == 16
    assert made == Counter({operation: 2 * times for operation, times in of_one.items()})


def test_the_next_days_work_follows_from_what_a_run_left(account: Account, deployment: Deployment) -> None:
    _, old = account.add_carol()
    deployment.rotate(deployment.order("carol"))
    new = account.new_key("carol", old)
    deployment.mails()
    # The overlap is over, the new key in use and the old one quiet.
    account.make_older(new, days=14)
    account.use(new, days=1)
    account.use(old, days=8)

    deployment.rotate(deployment.order("carol"))

    assert account.keys("carol") == {old: "Inactive", new: "Active"}
    assert "AWSCURRENT" in account.stages("carol")[version_id(new)]
    (mail,) = deployment.mails()
    assert mail.subject == f"Done: switched off 1 access key ({ACCOUNT})"
    assert mail.attributes["severity"] == "info"


@pytest.mark.usefixtures("people")
def test_no_secret_half_is_in_a_mail_a_log_or_on_standard_output(
    calls: Calls,
    deployment: Deployment,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    # The root logger too: at DEBUG botocore writes whole requests and answers.
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, logger="rotator")
    deployment.scan(POWERTOOLS_LOG_LEVEL="DEBUG")
    (body,) = deployment.orders()

    # One succeeds, one is rolled back after it was stored.
    def refuse(call: Call) -> tuple[AWSResponse, dict[str, Any]] | None:
        refused = (
            call.operation == "UpdateSecretVersionStage" and "access-keys/due/" in call.params["SecretId"]
        )
        return error_answer(call, "AccessDenied", 403, "said no") if refused else None

    calls.meet(refuse)

    deployment.rotate(deployment.delivery(body), POWERTOOLS_LOG_LEVEL="DEBUG")

    printed = capsys.readouterr()
    logged = "\n".join(f"{record.getMessage()} {vars(record)!r}" for record in caplog.records)
    (mail,) = deployment.mails()
    text = "\n".join([printed.out, printed.err, logged, mail.subject, mail.body, repr(mail.attributes)])
    assert calls.made_keys == 2
    assert "rolled back" in text
    assert "run completed" in printed.out
    leaks = calls.leaks(text)
    assert leaks == 0


@pytest.mark.usefixtures("people")
def test_the_log_holds_the_full_report(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    deployment.scan()
    (body,) = deployment.orders()
    capsys.readouterr()

    deployment.rotate(deployment.delivery(body), MAX_USERS_PER_RUN="2")

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    by_message: dict[str, list[dict[str, object]]] = {}
    for line in lines:
        by_message.setdefault(line.get("message", "metrics"), []).append(line)
    assert {line["user"] for line in by_message["planned"]} >= {"due", "held", "left", "quiet"}
    # As it happens: what was done before the mail, and for one what was done after it.
    assert sorted(bool(line["once_told"]) for line in by_message["applied"]) == [False, False, True]
    assert len(by_message["not reached"]) == 1
    (digest,) = by_message["digest"]
    assert (digest["run_id"], digest["sent"]) == (RUN_ID, True)
    (completed,) = by_message["run completed"]
    assert (completed["run_id"], completed["service"]) == (RUN_ID, "rotator")


def test_a_mail_of_a_large_account_stays_within_what_sns_takes(
    account: Account, deployment: Deployment
) -> None:
    names = [f"{number:03}-{'long-name' * 6}" for number in range(120)]
    for name in names:
        account.add_user(name, tags={f"{PREFIX}owner": "An Owner With A Very Long Name " * 7})
        account.add_key(name, age=120, used=None)

    deployment.rotate(deployment.order(*names), MAX_USERS_PER_RUN="120")

    (mail,) = deployment.mails()
    assert len(mail.body.encode()) < 200 * 1024
    assert len(mail.subject) < 100
    assert "switched off 120" in mail.subject


def test_users_outside_the_path_are_neither_ordered_nor_changed_when_an_order_names_them(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_user("inside", path="/apps/")
    account.add_user("outside", path="/people/")
    keys = {name: account.add_key(name, age=80, used=1) for name in ("inside", "outside")}

    assert deployment.scan(USER_PATH_PREFIX="/apps/")["users"] == 1
    (body,) = deployment.orders()
    assert json.loads(body)["user_names"] == ["inside"]
    deployment.rotate(deployment.order("inside", "outside"), USER_PATH_PREFIX="/apps/")

    assert len(account.keys("inside")) == 2
    assert account.keys("outside") == {keys["outside"]: "Active"}
    assert {call.operation for call in calls.made if call.params.get("UserName") == "outside"} == {"GetUser"}
    (mail,) = deployment.mails()
    assert "its path is /people/, and UserPathPrefix is /apps/" in mail.text
    assert mail.subject.startswith("ATTENTION: 1 user needs someone")


def test_the_parameters_about_secrets_reach_the_secret(account: Account, deployment: Deployment) -> None:
    account.add_carol()
    reader, key = f"arn:aws:iam::{ACCOUNT}:role/reader", f"arn:aws:kms:{REGION}:{ACCOUNT}:key/mine"

    deployment.rotate(deployment.order("carol"), SECRET_READER_ARNS=reader, SECRETS_KMS_KEY_ARN=key)

    found = account.secrets.describe_secret(SecretId="access-keys/carol/credentials")
    policy = account.secrets.get_resource_policy(SecretId="access-keys/carol/credentials")["ResourcePolicy"]
    assert found["KmsKeyId"] == key
    assert policy.count(reader) == 2


# What is told, to whom, and what waits until it is.


@pytest.mark.usefixtures("people")
def test_no_hold_begins_that_could_not_be_told(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    calls.refuse("Publish", "AuthorizationError")

    with pytest.raises(Exception, match=r"AuthorizationError.*Publish"):
        deployment.rotate(deployment.order("held"))

    assert account.tags("held") == {}


@pytest.mark.usefixtures("people")
def test_a_hold_that_could_not_be_written_is_told_in_a_mail_of_its_own(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    calls.refuse("TagUser", "AccessDenied")

    deployment.rotate(deployment.order("held"))

    assert account.tags("held") == {}
    first, second = deployment.mails()
    assert first.subject.startswith("ACT by 2026-12-06")
    assert second.subject.startswith("FAILED: changes to 1 user did not finish")
    assert "Hold failed (TagUser: AccessDenied" in second.text


@pytest.mark.parametrize("how", ["nobody has confirmed", "it cannot be read"])
def test_while_nobody_is_known_to_listen_nothing_goes_off_or_away_and_no_hold_begins_but_keys_are_replaced(
    *,
    account: Account,
    calls: Calls,
    deployment: Deployment,
    people: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    how: str,
) -> None:
    if how == "nobody has confirmed":
        deployment.subscribers(0)
    else:
        calls.refuse("ListSubscriptionsByTopic", "AuthorizationError")
    waiting = {name: account.keys(name) for name in ("quiet", "held", "left", "unused")}
    tags = {name: account.tags(name) for name in waiting}

    deployment.rotate(deployment.order(*people))

    assert {name: account.keys(name) for name in waiting} == waiting
    assert {name: account.tags(name) for name in waiting} == tags
    for name in ("due", "far-over"):
        assert account.current_works(name)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["ConfirmedSubscribers"] for line in lines if "_aws" in line] == [[0.0]]
    assert [line["level"] for line in lines if "subscription" in str(line.get("message"))] == ["WARNING"]
    (mail,) = deployment.mails()
    assert how.rpartition(" ")[2] in mail.text.partition("THE ACCOUNT")[2].partition("NEEDS")[0]
    assert mail.text.count("Switching it off waits") == 2
    assert mail.text.count("Deleting it waits") == 1
    assert mail.text.count("Its hold waits") == 1


@pytest.mark.usefixtures("people")
def test_the_number_of_confirmed_subscribers_is_a_metric_also_when_the_run_fails(
    calls: Calls, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment.subscribers(3)
    calls.refuse("Publish", "AuthorizationError")

    with pytest.raises(Exception, match=r"AuthorizationError.*Publish"):
        deployment.rotate(deployment.order("held"))

    metrics = [line for line in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in line]
    assert [line["ConfirmedSubscribers"] for line in metrics] == [[3.0]]


def test_a_tag_that_comes_after_the_listing_counts_before_anything_is_done(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    """The listing is a while old when it comes to acting."""
    for name in ("ann", "bob"):
        account.add_user(name)
        account.add_key(name, age=80, used=1)

    def exempt(call: Call) -> None:
        if call.operation == "ListAccessKeys" and call.params["UserName"] == "bob":
            account.tag("bob", exempt="2027-01-31 migration")

    calls.meet(exempt)

    deployment.rotate(deployment.order("ann", "bob"))

    assert "GetAccountAuthorizationDetails" in calls.operations
    assert (len(account.keys("ann")), len(account.keys("bob"))) == (2, 1)
    (mail,) = deployment.mails()
    assert "EXEMPT * bob" in mail.text


def test_one_user_of_a_large_account_is_read_without_listing_all(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    account.add_carol()

    deployment.rotate(deployment.order("carol", total=5000))

    assert "GetAccountAuthorizationDetails" not in calls.operations
    assert calls.operations.count("GetUser") == 2


def test_a_last_use_that_only_a_mail_wants_stops_nothing_when_it_cannot_be_had(
    account: Account, calls: Calls, deployment: Deployment
) -> None:
    """A person switched a key on again that is to be replaced: the replacement hangs on no last use."""
    account.add_user("carol", tags={f"{PREFIX}replace": "leaked"})
    old = account.add_key("carol", age=30, used=1)
    account.mark("carol", "inactive-since", old, "2026-11-20")
    calls.refuse("GetAccessKeyLastUsed", "AccessDenied")

    deployment.rotate(deployment.order("carol"))

    assert account.new_key("carol", old)
    (mail,) = deployment.mails()
    assert f"{old}, 30 days old It was replaced" in mail.text
    assert "never used" not in mail.text
