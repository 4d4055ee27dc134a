"""Who gets the mails and the alarms: nothing is switched off or deleted while nobody does."""

from collections.abc import Iterator, Mapping
from typing import Any

from infra.doctor.examine import Look
from infra.doctor.findings import Finding, fail, note, ok
from infra.doctor.mend import aws
from infra.doctor.stack import Stack

# SNS puts a link "unsubscribe" into what it sends there, and whoever opens it ends the subscription.
_WITH_A_LINK = ("email", "email-json")


def looks(stack: Stack) -> Iterator[Look]:
    yield "listeners", lambda: _listeners(stack)


def _listeners(stack: Stack) -> Iterator[Finding]:
    sns, topic = stack.client("sns"), stack.outputs["TopicArn"]
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=topic)
    subscriptions = [each for page in pages for each in page.get("Subscriptions", [])]
    heard = 0
    for each in subscriptions:
        arn, who = each["SubscriptionArn"], f"{each.get('Protocol')} {each.get('Endpoint')}"
        attributes: Mapping[str, Any] = {}
        if arn.startswith("arn:"):
            attributes = sns.get_subscription_attributes(SubscriptionArn=arn)["Attributes"]
        # As the rotator counts them (keyrotation/tell/publish.py).
        confirmed = str(attributes.get("PendingConfirmation", "true")).lower() == "false"
        if confirmed and not attributes.get("FilterPolicy"):
            heard += 1
        yield _listener(stack, who, each, attributes, confirmed=confirmed)
    address = stack.deployed.parameters.get("AlertEmail", "")
    if address and address not in [each.get("Endpoint") for each in subscriptions]:
        yield fail(
            "listeners",
            f"AlertEmail {address} is not subscribed any more: somebody, or a mail scanner, opened a link to unsubscribe",
            _invite(stack, "email", address),
        )
    if not heard:
        yield fail(
            "listeners",
            "nobody listens: no key is switched off or deleted. A subscription counts when it is confirmed and has no filter",
            _invite(stack, "email", address or "ADDRESS"),
        )
    elif heard == 1:
        yield note(
            "listeners",
            "only one counts: when it is lost, nobody hears of that",
            _invite(stack, "email", "ANOTHER_ADDRESS"),
        )


def _listener(
    stack: Stack, who: str, subscription: Mapping[str, Any], attributes: Mapping[str, Any], *, confirmed: bool
) -> Finding:
    protocol, endpoint = subscription.get("Protocol", ""), subscription.get("Endpoint", "")
    if not confirmed:
        return note(
            "listeners",
            f"{who} has not confirmed; the link that was mailed works for two days",
            _invite(stack, protocol, endpoint),
        )
    if attributes.get("FilterPolicy"):
        return note("listeners", f"{who} is confirmed, and does not count: it has a filter policy")
    may_end = str(attributes.get("ConfirmationWasAuthenticated", "false")).lower() != "true"
    if protocol in _WITH_A_LINK and may_end:
        return note(
            "listeners",
            f"{who} is confirmed, and ends when somebody, or a mail scanner, opens the link to unsubscribe",
            "# docs/runbook.md, NoSubscription: confirm with --authenticate-on-unsubscribe",
        )
    return ok("listeners", f"{who} is confirmed, and no link ends it")


def _invite(stack: Stack, protocol: str, endpoint: str) -> str:
    """Has SNS send a link to confirm, also once more."""
    return aws(
        "sns subscribe",
        region=stack.region,
        topic_arn=stack.outputs["TopicArn"],
        protocol=protocol,
        notification_endpoint=endpoint,
    )
