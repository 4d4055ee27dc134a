"""Beside on-call's mail: a message to each owner, and cards for a chat. No run fails over them."""

import json

import pytest

from tests.component.account import Account
from tests.component.calls import Calls
from tests.component.deployment import Deployment


def metric(output: str, name: str) -> list[float]:
    (told,) = [line[name] for line in map(json.loads, output.splitlines()) if "_aws" in line]
    values: list[float] = told
    return values


def test_each_owner_gets_a_message_and_a_chat_gets_a_card(account: Account, deployment: Deployment) -> None:
    account.add_carol()
    account.tag("carol", owner="payments")

    deployment.rotate(deployment.order("carol"))

    ((letter, attributes),) = deployment.sent_beside(deployment.owners_topic_arn)
    assert attributes["owner"] == "payments"
    assert "carol" in json.loads(letter)["default"]
    ((card, _),) = deployment.sent_beside(deployment.chat_topic_arn)
    assert json.loads(card)["source"] == "custom"
    (mail,) = deployment.mails()
    assert 'No subscription to the Owners topic is for "payments"' in mail.text


def test_what_owners_and_chat_cannot_be_sent_is_counted_and_the_mail_goes_out(
    account: Account, deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    account.add_carol()
    account.tag("carol", owner="payments")
    owners, chat = deployment.owners_topic_arn, deployment.chat_topic_arn

    deployment.rotate(
        deployment.order("carol"), OWNERS_TOPIC_ARN=f"{owners}-gone", CHAT_TOPIC_ARN=f"{chat}-gone"
    )

    assert len(deployment.mails()) == 1
    output = capsys.readouterr().out
    assert metric(output, "BulletinsUnsent") == [2.0]
    assert "bulletin not sent" in output
    assert "NotFound" in output


def test_once_the_time_is_nearly_up_nothing_more_is_sent_beside_the_mail_and_the_run_completes(
    account: Account, deployment: Deployment, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    account.add_carol()
    account.add_user("sara")
    account.add_key("sara", age=70, used=1)

    def remaining() -> int:
        return 900_000 if "Publish" not in calls.operations else 1_000

    deployment.rotate(deployment.order("carol", "sara"), remaining=remaining)

    sent = [entry["DetailType"] for call in calls.of("PutEvents") for entry in call.params["Entries"]]
    assert sent == ["Access Key Replaced", "Access Key Notice Given"]
    assert len(deployment.mails()) == calls.operations.count("Publish") == 1
    output = capsys.readouterr().out
    assert metric(output, "EventsUnsent") == [1.0]
    assert metric(output, "RunsCompleted") == [1.0]
