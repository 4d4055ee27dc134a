"""SNS: mail is kept, as its reader would get it."""

from typing import Any

from ministack.services import sns

from sandbox.controls import Controls, Mail


def keep_mail(controls: Controls) -> None:
    """The emulator drops mail; kept here as the subscriber would get it, so that people can be shown it."""
    fan_out = sns._fanout

    def fanout(topic_arn: str, message_id: str, message: str, subject: str, *rest: Any, **fifo: str) -> None:
        fan_out(topic_arn, message_id, message, subject, *rest, **fifo)
        structure, attributes = rest or ("", {})  # an alarm publishes plain text
        topic = sns._topic_by_arn_any_scope(topic_arn) or {"subscriptions": []}
        for subscription in topic["subscriptions"]:
            if subscription["protocol"] != "email" or not subscription["confirmed"]:
                continue
            body = sns._resolve_message_for_protocol(message, structure, "email")
            if sns._matches_filter_policy(subscription, attributes, body):
                named = {name: value["StringValue"] for name, value in attributes.items()}
                controls.mails.append(
                    Mail(to=subscription["endpoint"], subject=subject, body=body, attributes=named)
                )

    sns._fanout = fanout
