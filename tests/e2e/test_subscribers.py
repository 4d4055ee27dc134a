"""Who subscribes to the topic, over which protocol and with which filter, gets what: digests and alarms.

The emulator asks no key: that the topic is encrypted, and that alarms may use its key, tests/infra/test_topic.py asserts.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.cast import Person
from sandbox.day import run_day
from sandbox.launch import CHECKOUT
from sandbox.mailbox import Mailbox
from tests.e2e.conftest import ADDRESS, Deployed
from tests.e2e.pager import Pager
from tests.e2e.people import DUE, ELDER_IN_USE, inhabited
from tests.e2e.runbook import Shell, commands


def subscribing_a_pager() -> str:
    """The commands of docs/notifications.md, over http: nobody vouches for a certificate of this machine."""
    text = Path(CHECKOUT, "docs/notifications.md").read_text()
    section = text.partition("For a pager that only rings when somebody is needed:")[2].partition(
        "\n(`$TOPIC`"
    )[0]
    return commands(section).replace("--protocol https", "--protocol http")


@pytest.fixture
def topic(stack: Deployed) -> Iterator[str]:
    """The stack's, which keeps none of a test's subscriptions."""
    sns, arn = stack.account.client("sns"), stack.outputs["TopicArn"]

    def subscriptions() -> set[str]:
        listed = sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
        return {each["SubscriptionArn"] for each in listed}

    before = subscriptions()
    yield arn
    for each in subscriptions() - before:
        sns.unsubscribe(SubscriptionArn=each)


@pytest.fixture
def pager(stack: Deployed, topic: str, tmp_path: Path) -> Iterator[Pager]:
    """Subscribed as docs/notifications.md says, and confirmed as its owner would, with the tokens that SNS posts."""
    sns, pager, shell = stack.account.client("sns"), Pager(), Shell(stack.account, binaries=tmp_path)
    with pager.listening() as url:
        shell.environment |= {"TOPIC": topic, "PAGER": url}
        shell.run(subscribing_a_pager())
        for _ in range(2):
            asked = pager.next()
            assert asked["Type"] == "SubscriptionConfirmation"
            sns.confirm_subscription(TopicArn=topic, Token=asked["Token"])
        yield pager


def only(stack: Deployed, topic: str, **attribute: list[str]) -> Mailbox:
    return stack.account.mailbox(topic, FilterPolicy=json.dumps(attribute))


def nothing_came(mailbox: Mailbox) -> bool:
    try:
        mailbox.next(within_seconds=0)
    except TimeoutError:
        return True
    return False


def test_one_digest_is_json_for_a_queue_text_for_a_pager_and_nothing_for_whom_it_does_not_concern(
    stack: Deployed, topic: str, pager: Pager
) -> None:
    everything, inbox = stack.account.mailbox(topic), stack.account.inbox(ADDRESS)
    audit, critical = only(stack, topic, mode=["Audit"]), only(stack, topic, severity=["critical"])

    with inhabited(stack, Person(name="calm", story="due", keys=DUE)):
        calm = run_day(stack.account, stack.outputs)
    with inhabited(stack, Person(name="asks", story="elder in use past its off date", keys=ELDER_IN_USE)):
        asks = run_day(stack.account, stack.outputs)

    for run_id, severity, user in ((calm, "info", "calm"), (asks, "attention", "asks")):
        digest, mail = everything.next(run_id=run_id), inbox.next(run_id=run_id)
        report = json.loads(digest.body)
        told = {entry["user"] for section in report["sections"].values() for entry in section}
        assert (report["run_id"], report["severity"], told) == (run_id, severity, {user})
        assert digest.attributes == {
            "severity": severity,
            "account": stack.account.account_id,
            "mode": "Enforce",
        }
        assert f"Run {run_id}" in mail.body
    # The first that is posted is the second digest, and it is the mail.
    posted = pager.next()
    assert (posted["Type"], posted["Subject"], posted["Message"]) == ("Notification", mail.subject, mail.body)
    assert pager.posted.empty()
    assert nothing_came(audit)
    assert nothing_came(critical)


def test_an_alarm_reaches_the_mail_the_queue_and_the_pager_and_says_where_the_steps_are(
    stack: Deployed, topic: str, pager: Pager
) -> None:
    cloudwatch = stack.account.client("cloudwatch")
    everything, inbox = stack.account.mailbox(topic), stack.account.inbox(ADDRESS)
    critical = only(stack, topic, severity=["critical"])
    (name,) = (
        each["AlarmName"]
        for each in cloudwatch.describe_alarms()["MetricAlarms"]
        if "OrderFailed" in each["AlarmName"]
    )
    try:
        cloudwatch.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="an order was put aside")
        told = [everything.next().body, inbox.next().body, pager.next()["Message"]]
    finally:
        cloudwatch.set_alarm_state(
            AlarmName=name, StateValue="INSUFFICIENT_DATA", StateReason="as it was before"
        )
    for each in map(json.loads, told):
        assert (each["AlarmName"], each["NewStateValue"]) == (name, "ALARM")
        assert each["AlarmDescription"].endswith(" The steps: docs/runbook.md, OrderFailed.")
    assert pager.posted.empty()
    # It bears no attributes, and a filter on attributes keeps out what has none.
    assert nothing_came(critical)


def test_an_owners_team_gets_its_own_users_and_a_chat_gets_cards(stack: Deployed) -> None:
    """Subscribed by the command of docs/notifications.md, but for the address: a queue of a test's."""
    owners, chat = stack.outputs["OwnersTopicArn"], stack.outputs["ChatTopicArn"]
    payments = stack.account.mailbox(owners, FilterPolicy=json.dumps({"owner": ["team-payments"]}))
    cards = stack.account.mailbox(chat)
    everything = only(stack, stack.outputs["TopicArn"], severity=["info"])
    people = (
        Person(name="theirs", story="due", keys=DUE, tags={"owner": "team-payments"}),
        Person(name="others", story="due", keys=DUE, tags={"owner": "team-web"}),
    )
    with inhabited(stack, *people):
        run_id = run_day(stack.account, stack.outputs)

    letter = payments.next(run_id=run_id)
    assert letter.attributes["owner"] == "team-payments"
    assert "theirs" in letter.body
    assert "others" not in letter.body
    assert nothing_came(payments)
    card = json.loads(cards.next(run_id=run_id).body)
    assert (card["version"], card["source"]) == ("1.0", "custom")
    report = json.loads(everything.next(run_id=run_id).body)
    assert report["owners_without_subscription"] == ["team-web"]
