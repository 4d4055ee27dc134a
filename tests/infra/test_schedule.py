"""The schedule: daily, at the time and in the time zone that were asked for, with the run's id."""

import json
from typing import Any

from tests.infra.synthesized import Template, of_type, path_of, properties, text


def schedule(template: Template) -> dict[str, Any]:
    assert list(of_type(template, "AWS::Scheduler::Schedule")) == ["Daily/Schedule"]
    return properties(template, "AWS::Scheduler::Schedule", "Daily/Schedule")


def test_it_fires_daily_at_the_minute_and_hour_of_run_at(template: Template) -> None:
    expression = text(template, schedule(template)["ScheduleExpression"])
    assert expression == "cron(${RunAt}.split(':')[1] ${RunAt}.split(':')[0] * * ? *)"


def test_it_fires_at_that_time_in_the_time_zone_asked_for_and_not_around_it(template: Template) -> None:
    assert schedule(template)["ScheduleExpressionTimezone"] == {"Ref": "TimeZone"}
    assert schedule(template)["FlexibleTimeWindow"] == {"Mode": "OFF"}


def test_it_invokes_the_scanner_as_its_own_role(template: Template) -> None:
    target = schedule(template)["Target"]
    assert text(template, target["Arn"]) == "${Scanner/Function.Arn}"
    assert text(template, target["RoleArn"]) == "${Daily/Role.Arn}"


def test_it_passes_the_id_and_the_time_of_the_firing(template: Template) -> None:
    assert json.loads(schedule(template)["Target"]["Input"]) == {
        "run_id": "<aws.scheduler.execution-id>",
        "scheduled_time": "<aws.scheduler.scheduled-time>",
    }


def test_it_tries_again_and_leaves_a_dead_letter_on_the_same_day(template: Template) -> None:
    target = schedule(template)["Target"]
    assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
    assert target["RetryPolicy"]["MaximumEventAgeInSeconds"] == 2 * 60 * 60
    assert text(template, target["DeadLetterConfig"]["Arn"]) == "${Daily/DeadLetters.Arn}"


def failures(template: Template) -> dict[str, Any]:
    """What Lambda does with an asynchronous invocation of the scanner that fails."""
    assert list(of_type(template, "AWS::Lambda::EventInvokeConfig")) == ["Daily/Failures"]
    return properties(template, "AWS::Lambda::EventInvokeConfig", "Daily/Failures")


def test_a_firing_that_the_scanner_fails_on_is_tried_twice_more_and_lies_beside_those_that_never_got_through(
    template: Template,
) -> None:
    found = failures(template)
    assert text(template, found["FunctionName"]) == "${Scanner/Function}"
    # What Scheduler invokes: its target names no version and no alias.
    assert found["Qualifier"] == "$LATEST"
    assert found["MaximumRetryAttempts"] == 2
    assert text(template, found["DestinationConfig"]["OnFailure"]["Destination"]) == (
        "${Daily/DeadLetters.Arn}"
    )
    assert "OnSuccess" not in found["DestinationConfig"]


def test_scheduler_and_lambda_give_up_after_the_same_time(template: Template) -> None:
    schedulers = schedule(template)["Target"]["RetryPolicy"]["MaximumEventAgeInSeconds"]
    assert failures(template)["MaximumEventAgeInSeconds"] == schedulers


def test_the_scanner_may_write_to_the_destination_before_it_is_one(template: Template) -> None:
    """Lambda refuses a destination that the function's role cannot write to at that moment."""
    config = of_type(template, "AWS::Lambda::EventInvokeConfig")["Daily/Failures"]["Properties"]
    function = template["Resources"][config["FunctionName"]["Ref"]]
    granting = {
        path_of(template, logical_id)
        for logical_id in function["DependsOn"]
        if "Daily" in str(template["Resources"][logical_id]["Properties"])
    }
    assert granting == {"Scanner/Role/DefaultPolicy"}


def test_its_dead_letter_queue_is_a_standard_one_that_waits_two_weeks(template: Template) -> None:
    """EventBridge Scheduler and Lambda write to standard queues only."""
    dead_letters = properties(template, "AWS::SQS::Queue", "Daily/DeadLetters")
    assert "FifoQueue" not in dead_letters
    assert dead_letters["MessageRetentionPeriod"] == 14 * 24 * 60 * 60


def test_it_is_enabled(template: Template) -> None:
    assert schedule(template).get("State", "ENABLED") == "ENABLED"


def test_it_is_made_when_its_role_has_had_time_to_be_known(template: Template) -> None:
    """Scheduler refuses a schedule whose role it cannot assume yet: the queue's mapping and the alarms come before it."""
    (schedule,) = of_type(template, "AWS::Scheduler::Schedule").values()
    after = {path_of(template, each) for each in schedule["DependsOn"]}
    alarms = set(of_type(template, "AWS::CloudWatch::Alarm"))
    assert alarms | set(of_type(template, "AWS::Lambda::EventSourceMapping")) <= after
