"""The pictures of the README and of docs/design.md say what is deployed and what the policy computes."""

import re
from collections.abc import Iterator

from keyrotation.policy import Policy

from tests.infra.synthesized import ROOT, Template, of_type, text

README = (ROOT / "README.md").read_text()
(LIFE,) = re.findall(r"```mermaid\n(.*?)```", README, re.DOTALL)
(STACK,) = re.findall(r"```mermaid\n(.*?)```", (ROOT / "docs" / "design.md").read_text(), re.DOTALL)
DRAWN = ("AWS::Lambda::Function", "AWS::SQS::Queue", "AWS::SNS::Topic", "AWS::Scheduler::Schedule")


def arrows_of_the_picture() -> set[tuple[str, str]]:
    """Between what the template has, which is named by its construct path."""
    paths = dict(re.findall(r'^    (\w+)\["([A-Z]\w+/\w+)', STACK, re.MULTILINE))
    arrows = re.findall(r"^    (\w+)\S* (?:-->|-\.->)(?:\|[^|]+\|)? (\w+)", STACK, re.MULTILINE)
    return {(paths[start], paths[end]) for start, end in arrows if {start, end} <= paths.keys()}


def arrows_of_the_template(template: Template) -> Iterator[tuple[str, str]]:
    def path(value: object) -> str:
        return re.sub(r"^\$\{|\.Arn\}$|\}$", "", text(template, value))

    for start, schedule in of_type(template, "AWS::Scheduler::Schedule").items():
        target = schedule["Properties"]["Target"]
        yield start, path(target["Arn"])
        yield start, path(target["DeadLetterConfig"]["Arn"])
    for config in of_type(template, "AWS::Lambda::EventInvokeConfig").values():
        failures = config["Properties"]["DestinationConfig"]["OnFailure"]
        yield path(config["Properties"]["FunctionName"]), path(failures["Destination"])
    for start, queue in of_type(template, "AWS::SQS::Queue").items():
        if "RedrivePolicy" in queue["Properties"]:
            yield start, path(queue["Properties"]["RedrivePolicy"]["deadLetterTargetArn"])
    for mapping in of_type(template, "AWS::Lambda::EventSourceMapping").values():
        yield path(mapping["Properties"]["EventSourceArn"]), path(mapping["Properties"]["FunctionName"])
    for start, variable in (
        ("Scanner/Function", "ORDERS_QUEUE_URL"),
        ("Rotator/Function", "TOPIC_ARN"),
        ("Rotator/Function", "OWNERS_TOPIC_ARN"),
        ("Rotator/Function", "CHAT_TOPIC_ARN"),
    ):
        function = of_type(template, "AWS::Lambda::Function")[start]
        yield start, path(function["Properties"]["Environment"]["Variables"][variable])


def test_the_picture_of_the_stack_has_every_function_queue_topic_and_schedule(template: Template) -> None:
    drawn = set(re.findall(r'\["([A-Z]\w+/\w+)', STACK))
    assert drawn == {path for kind in DRAWN for path in of_type(template, kind)}
    assert f"{len(of_type(template, 'AWS::CloudWatch::Alarm'))} alarms" in STACK


def test_the_picture_of_the_stack_has_its_arrows(template: Template) -> None:
    assert arrows_of_the_picture() == set(arrows_of_the_template(template))


def test_the_picture_of_a_keys_life_has_the_days_of_the_default_policy() -> None:
    policy = Policy()
    off = policy.issue_age + policy.overlap_days
    days = {
        "the key is made": 0,
        "a mail says what is coming": policy.issue_age - policy.warn_days,
        "a new key is in the secret": policy.issue_age,
        "deactivated": off,
        "still on,": off,
        "deactivated anyway": off + policy.in_use_extension_days,
    }
    drawn = re.findall(r'"day (\d+)<br>([^"<]+)', LIFE)
    assert {what: int(day) for day, what in drawn} == days
    spans = re.findall(r"-- ([a-z ]*?)(\d+) days --> (\w+)", LIFE)
    assert {(to, int(span)) for _, span, to in spans} == {
        ("deleted", policy.delete_after_days),
        ("forced", policy.in_use_extension_days),
        ("retired", policy.unused_days),
    }
    # The table below it says the same.
    table = re.findall(r"^\| (\d+)(?:\W(\d+))?(?: days after it went off)? \|", README, re.MULTILINE)
    told = {int(day) for row in table for day in row if day}
    assert told == {*days.values(), policy.delete_after_days} - {0}
