"""The alarms: everything that can go wrong unseen reaches the topic, and a fresh deployment pages nobody."""

from typing import Any

import pytest

from tests.infra.synthesized import (
    ROOT,
    Template,
    of_type,
    path_of,
    properties,
    text,
    with_parameters,
)

RUNBOOK = ROOT / "docs" / "runbook.md"
HOUR = 60 * 60

# alarm: metric, statistic, dimension, comparison, threshold
WATCHED = {
    "ScannerErrors": ("AWS/Lambda/Errors", "Sum", "FunctionName=${Scanner/Function}", ">=", 1),
    "RotatorErrors": ("AWS/Lambda/Errors", "Sum", "FunctionName=${Rotator/Function}", ">=", 1),
    "OrderFailed": (
        "AWS/SQS/ApproximateNumberOfMessagesVisible",
        "Maximum",
        "QueueName=${Orders/DeadLetters.QueueName}",
        ">=",
        1,
    ),
    "RunNotStarted": (
        "AWS/SQS/ApproximateNumberOfMessagesVisible",
        "Maximum",
        "QueueName=${Daily/DeadLetters.QueueName}",
        ">=",
        1,
    ),
    "OrderWaiting": (
        "AWS/SQS/ApproximateAgeOfOldestMessage",
        "Maximum",
        "QueueName=${Orders/Queue.QueueName}",
        ">=",
        2 * HOUR,
    ),
    "NoSubscription": ("AccessKeyRotation/ConfirmedSubscribers", "Minimum", "service=rotator", "<", 1),
    "KeyChangeFailed": ("AccessKeyRotation/Failed", "Maximum", "service=rotator", ">=", 1),
    "OldKeyUnexplained": ("AccessKeyRotation/KeysUnexplained", "Maximum", "service=rotator", ">=", 1),
}
NAMES = [*WATCHED, "NoCompletedRun"]
SAID_BY_RUNS = ["KeyChangeFailed", "NoSubscription", "OldKeyUnexplained"]
SIGNS = {"GreaterThanOrEqualToThreshold": ">=", "LessThanThreshold": "<"}


def alarms(template: Template) -> dict[str, dict[str, Any]]:
    return {
        path.removeprefix("Alarms/"): alarm["Properties"]
        for path, alarm in of_type(template, "AWS::CloudWatch::Alarm").items()
    }


def alarm(template: Template, name: str) -> dict[str, Any]:
    return properties(template, "AWS::CloudWatch::Alarm", f"Alarms/{name}")


def logical_id(template: Template, name: str) -> str:
    found: str
    (found,) = (each for each in template["Resources"] if path_of(template, each) == f"Alarms/{name}")
    return str(found)


def described(template: Template, name: str, *, runbook: str) -> str:
    """As the stack says it with this RunbookUrl."""
    return text(template, alarm(template, name)["AlarmDescription"]).replace("${RunbookUrl}", runbook)


def test_what_is_watched_is_the_functions_the_queues_and_the_silence(template: Template) -> None:
    watched = {
        name: (
            f"{each['Namespace']}/{each['MetricName']}",
            each["Statistic"],
            ", ".join(f"{by['Name']}={text(template, by['Value'])}" for by in each["Dimensions"]),
            SIGNS[each["ComparisonOperator"]],
            each["Threshold"],
        )
        for name, each in alarms(template).items()
        if name != "NoCompletedRun"
    }
    assert watched == WATCHED
    assert set(alarms(template)) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_an_alarm_goes_to_the_topic(template: Template, name: str) -> None:
    actions = with_parameters(template, AlarmTopicArn="")["Resources"][logical_id(template, name)][
        "Properties"
    ]
    assert [text(template, action) for action in actions["AlarmActions"]] == ["${Alerts/Topic}"]
    assert alarm(template, name).get("ActionsEnabled", True) is True


@pytest.mark.parametrize("name", NAMES)
def test_an_alarm_goes_to_a_second_topic_when_there_is_one(template: Template, name: str) -> None:
    """In case the first is what broke."""
    given = with_parameters(template, AlarmTopicArn="arn:aws:sns:eu-west-1:111122223333:pager")
    actions = given["Resources"][logical_id(template, name)]["Properties"]["AlarmActions"]
    assert [text(template, each) for each in actions] == [
        "${Alerts/Topic}",
        "arn:aws:sns:eu-west-1:111122223333:pager",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_an_alarm_bears_the_stacks_name_before_its_own(template: Template, name: str) -> None:
    assert text(template, alarm(template, name)["AlarmName"]) == "${AWS::StackName}-" + name


@pytest.mark.parametrize("name", NAMES)
def test_an_alarm_says_what_it_means_and_what_to_do_first(template: Template, name: str) -> None:
    description = described(template, name, runbook="x" * 200)
    meaning, _, first = description.partition(" First: ")
    assert len(meaning) > 30
    assert len(first) > 30
    # CloudWatch's own limit, with the longest RunbookUrl.
    assert len(description) <= 1024


@pytest.mark.parametrize("name", NAMES)
def test_a_fresh_deployment_pages_nobody(template: Template, name: str) -> None:
    """There is no data yet, and no data is not a breach; what only a run says keeps its state until the next one."""
    assert alarm(template, name)["TreatMissingData"] == ("ignore" if name in SAID_BY_RUNS else "notBreaching")


@pytest.mark.parametrize("name", SAID_BY_RUNS)
def test_it_is_read_from_what_the_rotator_says_in_every_run(template: Template, name: str) -> None:
    found = alarm(template, name)
    said_by = properties(template, "AWS::Lambda::Function", "Rotator/Function")["Environment"]["Variables"]
    assert found["Namespace"] == said_by["POWERTOOLS_METRICS_NAMESPACE"]
    assert found["Dimensions"] == [{"Name": "service", "Value": said_by["POWERTOOLS_SERVICE_NAME"]}]


@pytest.mark.parametrize("name", NAMES)
def test_an_alarm_links_the_runbook_and_names_its_section(template: Template, name: str) -> None:
    link = "https://wiki.example.com/keys"
    assert described(template, name, runbook=link).endswith(f" The steps: {link}, {name}.")
    sections = [line for line in RUNBOOK.read_text().splitlines() if line.startswith("## ")]
    assert len([section for section in sections if section.endswith(f"({name})")]) == 1


@pytest.mark.parametrize("name", WATCHED)
def test_what_is_wrong_is_told_within_minutes(template: Template, name: str) -> None:
    found = alarm(template, name)
    assert found["Period"] * found["EvaluationPeriods"] == 5 * 60
    assert found["DatapointsToAlarm"] == found["EvaluationPeriods"]


def silence(template: Template) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The alarm, and by its name each series that its expression is made of."""
    found = alarm(template, "NoCompletedRun")
    return found, {each["Id"]: each for each in found["Metrics"]}


def test_silence_is_26_hours_in_a_row_in_which_the_rotator_completed_no_run(template: Template) -> None:
    """Fewer than 26 zeros, as after a deployment, are no breach; 26 of them are, also if no run ever came."""
    found, series = silence(template)
    (told,) = (each for each in found["Metrics"] if each.get("ReturnData", True))
    assert told["Expression"] == "FILL(completed, 0) + 0 * polled"
    assert SIGNS[found["ComparisonOperator"]] == "<"
    assert (found["Threshold"], found["EvaluationPeriods"], found["DatapointsToAlarm"]) == (1, 26, 26)
    completed = series["completed"]["MetricStat"]
    assert (completed["Period"], completed["Stat"]) == (HOUR, "Sum")
    assert (completed["Metric"]["Namespace"], completed["Metric"]["MetricName"]) == (
        "AccessKeyRotation",
        "RunsCompleted",
    )
    assert completed["Metric"]["Dimensions"] == [{"Name": "service", "Value": "rotator"}]


def test_silence_has_no_past_before_the_deployment_and_rests_on_no_zeros_of_deletions(
    template: Template,
) -> None:
    """FILL alone would make zeros of the 26 hours before the deployment too."""
    _, series = silence(template)
    polled = series["polled"]["MetricStat"]
    assert (polled["Period"], polled["Metric"]["MetricName"]) == (HOUR, "ApproximateNumberOfMessagesVisible")
    assert [text(template, by["Value"]) for by in polled["Metric"]["Dimensions"]] == [
        "${Orders/Queue.QueueName}"
    ]
    assert "NumberOfMessagesDeleted" not in str(series)


def test_the_oldest_order_is_told_while_silence_still_counts(template: Template) -> None:
    """A disabled mapping ends the zeros that silence counts, so the waiting order must be told well before."""
    found, _ = silence(template)
    assert alarm(template, "OrderWaiting")["Threshold"] < HOUR * found["EvaluationPeriods"]


def test_one_failure_that_the_queue_repeats_is_not_yet_an_old_order(template: Template) -> None:
    queue = properties(template, "AWS::SQS::Queue", "Orders/Queue")
    timeout = properties(template, "AWS::Lambda::Function", "Rotator/Function")["Timeout"]
    assert alarm(template, "OrderWaiting")["Threshold"] > queue["VisibilityTimeout"] + timeout
