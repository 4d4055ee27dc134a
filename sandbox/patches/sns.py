"""SNS: mail is kept, as its reader would get it, and a stack's subscription says what every other says."""

from typing import Any

from ministack.services import sns
from ministack.services.cloudformation import provisioners

from sandbox.controls import Controls, Mail
from sandbox.patches.answers import Parameters


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


def tell_the_key_of_a_stacks_topic() -> None:
    """CloudFormation here forgets which KMS key a topic is encrypted with."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::SNS::Topic"]
    create = handlers["create"]

    def create_topic(logical_id: str, properties: Parameters, stack_name: str) -> tuple[str, Parameters]:
        arn, attributes = create(logical_id, properties, stack_name)
        if key := properties.get("KmsMasterKeyId"):
            sns._topic_by_arn_any_scope(arn)["attributes"]["KmsMasterKeyId"] = key
        return arn, attributes

    handlers["create"] = create_topic


def tell_all_of_a_stacks_subscription() -> None:
    """One that CloudFormation makes here has no PendingConfirmation, no Endpoint, and an empty filter; in AWS it is as any other."""
    handlers = provisioners._RESOURCE_HANDLERS["AWS::SNS::Subscription"]
    create = handlers["create"]

    def create_subscription(
        logical_id: str, properties: Parameters, stack_name: str
    ) -> tuple[str, Parameters]:
        arn, attributes = create(logical_id, properties, stack_name)
        made = sns._find_subscription(properties["TopicArn"], arn)
        if made is None:
            raise LookupError(f"{arn} was made of a topic that is not there")
        kept = {name: value for name, value in made["attributes"].items() if value != ""}
        made["attributes"] = {
            **kept,
            "SubscriptionArn": arn,
            "TopicArn": made["topic_arn"],
            "Protocol": made["protocol"],
            "Endpoint": made["endpoint"],
            "Owner": made["owner"],
            "PendingConfirmation": "false" if made["confirmed"] else "true",
        }
        return arn, attributes

    handlers["create"] = create_subscription
