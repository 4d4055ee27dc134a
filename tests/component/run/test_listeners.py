"""Who counts as somebody who hears of a notice: the topic's subscriptions as moto keeps them."""

import json

import pytest
from moto.sns.models import sns_backends

from tests.component.account import ACCOUNT, REGION, Account
from tests.component.calls import Calls
from tests.component.deployment import Deployment


def said(capsys: pytest.CaptureFixture[str]) -> list[float]:
    """The metric that the alarm NoSubscription reads."""
    (line,) = (each for each in map(json.loads, capsys.readouterr().out.splitlines()) if "_aws" in each)
    found: list[float] = line["ConfirmedSubscribers"]
    return found


@pytest.fixture
def nobody_due(account: Account, deployment: Deployment) -> Deployment:
    account.add_user("console")
    return deployment


@pytest.mark.parametrize("confirmed", [1, 3])
def test_each_confirmed_subscription_without_a_filter_listens(
    nobody_due: Deployment, capsys: pytest.CaptureFixture[str], confirmed: int
) -> None:
    nobody_due.subscribers(confirmed)
    nobody_due.rotate(nobody_due.order("console"))
    assert said(capsys) == [confirmed]


def test_one_that_nobody_confirmed_does_not(
    nobody_due: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    nobody_due.subscribers(0)
    nobody_due.rotate(nobody_due.order("console"))
    assert said(capsys) == [0]


def test_one_with_a_filter_policy_does_not_whatever_it_lets_through(
    nobody_due: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    """An insider subscribes a queue with a filter that nothing passes, and unsubscribes those on call."""
    kept = sns_backends[ACCOUNT][REGION].subscriptions[nobody_due.subscription_arn]
    kept.attributes["FilterPolicy"] = json.dumps({"severity": ["never"]})
    nobody_due.rotate(nobody_due.order("console"))
    assert said(capsys) == [0]


@pytest.mark.parametrize("call", ["ListSubscriptionsByTopic", "GetSubscriptionAttributes"])
def test_what_cannot_be_read_is_nobody(
    nobody_due: Deployment, calls: Calls, capsys: pytest.CaptureFixture[str], call: str
) -> None:
    calls.refuse(call, "AuthorizationError")
    nobody_due.rotate(nobody_due.order("console"))
    assert said(capsys) == [0]
