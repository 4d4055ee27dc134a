"""The queues: what waits in them, their policies and settings; and what feeds the rotator."""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

from infra.doctor.compared import is_so
from infra.doctor.examine import Look
from infra.doctor.findings import Finding, fail, ok
from infra.doctor.mend import as_json, aws
from infra.doctor.policies import differences, statements
from infra.doctor.stack import Stack

# As the template has them and as SQS does.
_SETTINGS = (
    "MaximumMessageSize",
    "MessageRetentionPeriod",
    "RedriveAllowPolicy",
    "RedrivePolicy",
    "SqsManagedSseEnabled",
    "VisibilityTimeout",
)
_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)
# Whose alarm tells of a message, by the queue's path: the section of the runbook has its name.
_DEAD_LETTERS = {"Orders/DeadLetters": "OrderFailed", "Daily/DeadLetters": "RunNotStarted"}


def looks(stack: Stack) -> Iterator[Look]:
    for logical_id in stack.deployed.resources("AWS::SQS::Queue"):
        yield f"queue {stack.deployed.path(logical_id)}", partial(_queue, stack, logical_id)
    for logical_id in stack.deployed.resources("AWS::Lambda::EventSourceMapping"):
        yield "orders to rotator", partial(_mapping, stack, logical_id)


def _queue(stack: Stack, logical_id: str) -> Iterator[Finding]:
    url, path = stack.deployed.physical_id(logical_id), stack.deployed.path(logical_id)
    what = f"queue {path}"
    attributes = stack.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    wanted = _wanted_policy(stack, url)
    wrong = []
    if different := differences(wanted, attributes.get("Policy")):
        wrong.append(
            fail(
                what,
                f"its policy is not the template's: {'; '.join(different)}",
                _set(stack, url, Policy="" if wanted is None else as_json(wanted)),
            )
        )
    changed = _changed(stack.deployed.properties(logical_id), attributes)
    if changed:
        wrong.append(
            fail(what, f"its settings were changed: {', '.join(changed)}", _set(stack, url, **changed))
        )
    waiting = sum(int(attributes.get(each, "0")) for each in _COUNTS)
    messages = f"about {waiting} message{'' if waiting == 1 else 's'}"
    if waiting and path in _DEAD_LETTERS:
        alarm = _DEAD_LETTERS[path]
        wrong.append(
            fail(what, f"{messages}: each is a run that was not completed", f"# docs/runbook.md, {alarm}")
        )
    yield from wrong
    if not wrong:
        yield ok(what, f"{messages}; {len(statements(wanted))} statements, each the template's")


def _wanted_policy(stack: Stack, url: str) -> Any:
    """None: the template gives it none."""
    for logical_id in stack.deployed.resources("AWS::SQS::QueuePolicy"):
        properties = stack.deployed.properties(logical_id)
        if url in properties["Queues"]:
            return properties["PolicyDocument"]
    return None


def _changed(wanted: Mapping[str, Any], attributes: Mapping[str, str]) -> dict[str, str]:
    """The settings that are not the template's, as they should be. SQS says everything as a text."""
    return {
        name: as_json(wanted[name]) if isinstance(wanted[name], dict) else str(wanted[name]).lower()
        for name in _SETTINGS
        if name in wanted and not is_so(wanted[name], _said(attributes.get(name)))
    }


def _said(attribute: str | None) -> Any:
    return json.loads(attribute) if attribute is not None and attribute.startswith("{") else attribute


def _set(stack: Stack, url: str, **attributes: str) -> str:
    return aws("sqs set-queue-attributes", region=stack.region, queue_url=url, attributes=attributes)


def _mapping(stack: Stack, logical_id: str) -> Iterator[Finding]:
    """What hands each order to the rotator: this one, enabled, and no other."""
    wanted = stack.deployed.properties(logical_id)
    found = stack.client("lambda").list_event_source_mappings(FunctionName=wanted["FunctionName"])
    mappings = found.get("EventSourceMappings", [])
    others = [each for each in mappings if each.get("EventSourceArn") != wanted["EventSourceArn"]]
    for each in others:
        yield fail(
            "orders to rotator",
            f"somebody feeds the rotator from {each.get('EventSourceArn')}",
            aws("lambda delete-event-source-mapping", region=stack.region, uuid=each["UUID"]),
        )
    ours = [each for each in mappings if each not in others]
    if not ours:
        yield fail(
            "orders to rotator",
            "the queue's event source mapping is gone: no order reaches the rotator",
            aws(
                "lambda create-event-source-mapping",
                region=stack.region,
                function_name=wanted["FunctionName"],
                event_source_arn=wanted["EventSourceArn"],
                batch_size=str(wanted["BatchSize"]),
            ),
        )
    for each in ours:
        if filters := each.get("FilterCriteria", {}).get("Filters"):
            yield fail(
                "orders to rotator",
                f"somebody has it drop orders, by the filters {json.dumps(filters)}",
                aws(
                    "lambda update-event-source-mapping",
                    region=stack.region,
                    uuid=each["UUID"],
                    filter_criteria={"Filters": []},
                ),
            )
        elif each["State"] == "Enabled":
            yield ok("orders to rotator", "the event source mapping is enabled")
        else:
            yield fail(
                "orders to rotator",
                f"the event source mapping is {each['State']}: orders wait",
                aws(
                    "lambda update-event-source-mapping", region=stack.region, uuid=each["UUID"], enabled=True
                ),
            )
