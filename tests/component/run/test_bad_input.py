"""What is not what this system sends or is given: an error that names the field, and nothing changed."""

import json
from typing import Any, Literal

import pytest
from botocore.exceptions import ClientError
from keyrotation.run.order import BadInput
from keyrotation.run.settings import RotatorSettings, ScannerSettings, SettingsError

from tests.component.account import REGION, RUN_ID, Account
from tests.component.calls import Calls
from tests.component.deployment import SCHEDULED, Deployment

# powertools warns of a run without metrics, and a run that was refused has none.
pytestmark = pytest.mark.filterwarnings("ignore:No application metrics to publish:UserWarning")

Function = Literal["scanner", "rotator"]
FUNCTIONS: tuple[Function, ...] = ("scanner", "rotator")
ORDER = {
    "version": 1,
    "run_id": RUN_ID,
    "total": 1,
    "with_keys": 1,
    "root_has_keys": False,
    "user_names": ["carol"],
}
NUMBERS = {
    "MAX_KEY_AGE_DAYS": "MaxKeyAgeDays",
    "OVERLAP_DAYS": "OverlapDays",
    "WARN_DAYS": "WarnDays",
    "QUIET_DAYS": "QuietDays",
    "QUIET_DAYS_BEFORE_FIRST_USE": "QuietDaysBeforeFirstUse",
    "IN_USE_EXTENSION_DAYS": "InUseExtensionDays",
    "UNUSED_DAYS": "UnusedDays",
    "DELETE_AFTER_DAYS": "DeleteAfterDays",
    "MAX_USERS_PER_RUN": "MaxUsersPerRun",
}


@pytest.fixture(autouse=True)
def _carol(account: Account) -> None:
    account.add_carol()


def without(*names: str, **changes: object) -> str:
    return json.dumps({name: value for name, value in (ORDER | changes).items() if name not in names})


# The rotator's event.


@pytest.mark.parametrize(
    ("event", "named"),
    [
        ({}, "Records"),
        (None, "Records"),
        ([], "Records"),
        ("order", "Records"),
        (SCHEDULED, "Records"),
        (ORDER, "Records"),
        ({"Records": []}, "Records"),
        ({"Records": {}}, "Records"),
        ({"Records": ["order"]}, "Records"),
        ({"Records": [{}]}, "eventSourceARN"),
    ],
    ids=str,
)
def test_a_rotator_that_is_invoked_directly_or_with_nothing_refuses(
    calls: Calls, deployment: Deployment, event: object, named: str
) -> None:
    with pytest.raises(BadInput, match=named):
        deployment.rotate(event)

    assert calls.made == []


def test_a_delivery_of_two_orders_is_refused(calls: Calls, deployment: Deployment) -> None:
    event = deployment.order("carol")
    event["Records"] *= 2

    with pytest.raises(BadInput, match="exactly one order"):
        deployment.rotate(event)

    assert calls.made == []


@pytest.mark.parametrize(
    "change",
    [
        {"eventSourceARN": f"arn:aws:sqs:{REGION}:210987654321:orders.fifo"},
        {"eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:other.fifo"},
        {"eventSourceARN": None},
        {"eventSource": "aws:sns"},
        {"eventSource": None},
    ],
    ids=str,
)
def test_an_order_from_elsewhere_than_the_queue_is_refused(
    calls: Calls, deployment: Deployment, change: dict[str, Any]
) -> None:
    event = deployment.order("carol")
    event["Records"][0].update(change)

    with pytest.raises(BadInput, match="eventSourceARN"):
        deployment.rotate(event)

    assert calls.made == []


MALFORMED = {
    "": "not JSON",
    "carol": "not JSON",
    without()[:-1]: "not JSON",
    "[]": "not a JSON object",
    '"carol"': "not a JSON object",
    "null": "not a JSON object",
    "{}": "version",
    without("version"): "version",
    without(version=2): "version",
    without(version="1"): "version",
    without("run_id"): "run_id",
    without(run_id=""): "run_id",
    without(run_id=7): "run_id",
    without(run_id="two words"): "run_id",
    without(run_id="line\nbreak"): "run_id",
    without(run_id="x" * 65): "run_id",
    without("total"): "total",
    without(total="1"): "total",
    without(total=-1): "total",
    without(total=True): "total",
    without(total=1.5): "total",
    without(total=None): "total",
    without("with_keys"): "with_keys",
    without("root_has_keys"): "root_has_keys",
    without(total=0): "total",
    without("user_names"): "user_names",
    without(user_names="carol"): "user_names",
    without(user_names=[["carol"]]): "user_names",
    without(user_names=[7]): "user_names",
    without(user_names=[""]): "user_names",
    without(user_names=["carol dan"]): "user_names",
    without(user_names=["carol\n"]): "user_names",
    without(user_names=["../carol"]): "user_names",
    without(user_names=["x" * 65]): "user_names",
    without(user_names=["carol", "carol"], total=9): "user_names",
    without(user_names=["carol", "dan"]): "user_names",
}


@pytest.mark.parametrize(("body", "named"), MALFORMED.items())
def test_a_malformed_order_is_refused_by_the_name_of_its_field(
    calls: Calls, deployment: Deployment, body: str, named: str
) -> None:
    with pytest.raises(BadInput, match=named):
        deployment.rotate(deployment.delivery(body))

    assert calls.made == []


def test_an_order_without_a_body_is_refused(calls: Calls, deployment: Deployment) -> None:
    event = deployment.order("carol")
    del event["Records"][0]["body"]

    with pytest.raises(BadInput, match="body"):
        deployment.rotate(event)

    assert calls.made == []


# What is not in flight is forged: who may invoke the function may write anything into its event but a receipt.


@pytest.mark.parametrize("receipt", ["", "forged", None])
def test_an_order_with_a_forged_receipt_is_refused_and_nothing_is_done(
    calls: Calls, deployment: Deployment, receipt: str | None
) -> None:
    event = deployment.order("carol")
    event["Records"][0]["receiptHandle"] = receipt

    with pytest.raises(BadInput, match="receiptHandle"):
        deployment.rotate(event)

    assert set(calls.operations) <= {"ChangeMessageVisibility"}
    assert deployment.mails() == []


@pytest.mark.parametrize(
    "code",
    [
        "ReceiptHandleIsInvalid",
        "MessageNotInflight",
        "AWS.SimpleQueueService.MessageNotInflight",
        "InvalidParameterValue",
    ],
)
def test_an_order_whose_receipt_the_queue_does_not_know_any_more_is_refused(
    calls: Calls, deployment: Deployment, code: str
) -> None:
    calls.refuse("ChangeMessageVisibility", code, status=400)

    with pytest.raises(BadInput, match="not handing this order out"):
        deployment.rotate(deployment.order("carol"))

    assert calls.operations == ["ChangeMessageVisibility"]


@pytest.mark.parametrize("code", ["AccessDenied", "RequestThrottled", "ServiceUnavailable"])
def test_a_queue_that_cannot_be_asked_has_the_order_delivered_again(
    calls: Calls, deployment: Deployment, code: str
) -> None:
    calls.refuse("ChangeMessageVisibility", code)

    with pytest.raises(ClientError, match=code):
        deployment.rotate(deployment.order("carol"))

    assert calls.operations == ["ChangeMessageVisibility"]


def test_a_real_order_is_hidden_for_as_long_as_the_queue_hides_one(
    calls: Calls, deployment: Deployment
) -> None:
    event = deployment.order(total=1)
    deployment.rotate(event)

    (asked,) = calls.of("ChangeMessageVisibility")
    assert asked.params == {
        "QueueUrl": deployment.queue_url,
        "ReceiptHandle": event["Records"][0]["receiptHandle"],
        "VisibilityTimeout": 6 * 900,
    }


def test_a_refused_order_does_not_count_as_a_completed_run(
    deployment: Deployment, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(BadInput):
        deployment.rotate(deployment.delivery("{}"))

    assert "RunsCompleted" not in capsys.readouterr().out


# The scanner's event.


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "run",
        {},
        {"scheduled_time": "2026-11-22T06:00:00Z"},
        {"run_id": ""},
        {"run_id": 7},
        {"run_id": None},
        {"run_id": "two words"},
        {"run_id": "x" * 65},
        # What the schedule's context attribute looks like when nobody filled it in.
        {"run_id": "<aws.scheduler.execution-id>"},
    ],
    ids=str,
)
def test_a_scanner_that_is_not_told_its_run_refuses(
    calls: Calls, deployment: Deployment, event: object
) -> None:
    with pytest.raises(BadInput, match="run_id"):
        deployment.scan(event)

    assert calls.made == []
    assert deployment.orders() == []


# The environment: complete and understood, or the function does not start.


def refused(calls: Calls, deployment: Deployment, function: Function, **overrides: str | None) -> str:
    """The message with which the import fails; nothing was called by then."""
    with pytest.raises(SettingsError) as refusal:
        deployment.load(function, **overrides)
    assert calls.made == []
    return str(refusal.value)


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize("variable", NUMBERS)
def test_a_missing_number_keeps_a_function_from_starting(
    calls: Calls, deployment: Deployment, function: Function, variable: str
) -> None:
    assert f"{variable} is missing" in refused(calls, deployment, function, **{variable: None})


@pytest.mark.parametrize(
    ("function", "variable"),
    [
        ("scanner", "ORDERS_QUEUE_URL"),
        ("scanner", "TABLE_NAME"),
        ("scanner", "MODE"),
        ("rotator", "TABLE_NAME"),
        ("rotator", "MODE"),
        ("rotator", "ORDERS_QUEUE_URL"),
        ("rotator", "AWS_REGION"),
        ("rotator", "ORDERS_QUEUE_ARN"),
        ("rotator", "TOPIC_ARN"),
        ("rotator", "ROTATOR_ROLE_ARN"),
        ("rotator", "FUNCTION_TIMEOUT_SECONDS"),
    ],
)
def test_any_other_missing_or_empty_variable_keeps_a_function_from_starting(
    calls: Calls, deployment: Deployment, function: Function, variable: str
) -> None:
    assert f"{variable} is missing" in refused(calls, deployment, function, **{variable: None})
    assert f"{variable} is ''" in refused(calls, deployment, function, **{variable: ""})


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_missing_or_empty_path_is_not_taken_for_the_whole_account(
    calls: Calls, deployment: Deployment, function: Function
) -> None:
    assert "USER_PATH_PREFIX is missing" in refused(calls, deployment, function, USER_PATH_PREFIX=None)
    empty = refused(calls, deployment, function, USER_PATH_PREFIX="")
    assert "USER_PATH_PREFIX (parameter UserPathPrefix) is ''" in empty


@pytest.mark.parametrize("variable", ["SECRET_READER_ARNS", "SECRETS_KMS_KEY_ARN"])
def test_what_may_be_empty_may_not_be_missing(calls: Calls, deployment: Deployment, variable: str) -> None:
    assert f"{variable} is missing" in refused(calls, deployment, "rotator", **{variable: None})


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("variable", "parameter"), NUMBERS.items())
def test_a_negative_number_is_refused_by_the_name_of_its_parameter(
    *, calls: Calls, deployment: Deployment, function: Function, variable: str, parameter: str
) -> None:
    told = refused(calls, deployment, function, **{variable: "-1"})

    assert f"{parameter} is -1: it cannot be negative" in told


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(
    "value", ["", " ", "ninety", "9 0", "90d", "90.5", "1e2", "0x5a", "nan", "inf", "٩٠"]
)
def test_what_is_not_a_whole_number_is_refused_by_the_name_of_its_variable(
    calls: Calls, deployment: Deployment, function: Function, value: str
) -> None:
    told = refused(calls, deployment, function, MAX_KEY_AGE_DAYS=value)

    assert "MAX_KEY_AGE_DAYS" in told
    assert "MaxKeyAgeDays" in told
    assert "not a whole number" in told


@pytest.mark.parametrize("value", ["enforce", "AUDIT", "On", "Enforce "])
def test_an_unknown_mode_is_refused_with_those_that_there_are(
    calls: Calls, deployment: Deployment, value: str
) -> None:
    told = refused(calls, deployment, "rotator", MODE=value)

    assert f"MODE is '{value}'" in told
    assert "Audit, Enforce" in told


@pytest.mark.parametrize("variable", ["ORDERS_QUEUE_ARN", "TOPIC_ARN", "ROTATOR_ROLE_ARN"])
@pytest.mark.parametrize("value", ["orders", "arn:aws:sqs", "arn:aws:sns:eu-central-1::alerts"])
def test_what_is_not_an_arn_is_refused_by_the_name_of_its_variable(
    calls: Calls, deployment: Deployment, variable: str, value: str
) -> None:
    assert f"{variable} is '{value}': not an ARN" in refused(
        calls, deployment, "rotator", **{variable: value}
    )


@pytest.mark.parametrize("value", ["0", "-900", "fifteen minutes"])
def test_a_function_timeout_that_is_none_is_refused(calls: Calls, deployment: Deployment, value: str) -> None:
    # With it, a replacement that is still running would look like one that was interrupted.
    assert "FUNCTION_TIMEOUT_SECONDS" in refused(calls, deployment, "rotator", FUNCTION_TIMEOUT_SECONDS=value)


def test_every_problem_is_named_at_once(calls: Calls, deployment: Deployment) -> None:
    told = refused(calls, deployment, "rotator", MODE="on", TOPIC_ARN=None, WARN_DAYS="soon")

    for variable in ("MODE", "TOPIC_ARN", "WARN_DAYS"):
        assert variable in told


# Each inequality of docs/design.md section 3, broken by one; beside it the last value that holds.
INEQUALITIES: list[tuple[dict[str, str], dict[str, str], set[str]]] = [
    ({"WARN_DAYS": "0"}, {"WARN_DAYS": "1"}, {"WarnDays"}),
    ({"QUIET_DAYS": "1"}, {"QUIET_DAYS": "2"}, {"QuietDays"}),
    ({"OVERLAP_DAYS": "7"}, {"OVERLAP_DAYS": "8"}, {"OverlapDays", "QuietDays"}),
    ({"QUIET_DAYS": "14"}, {"QUIET_DAYS": "13"}, {"OverlapDays", "QuietDays"}),
    (
        {"QUIET_DAYS_BEFORE_FIRST_USE": "6"},
        {"QUIET_DAYS_BEFORE_FIRST_USE": "7"},
        {"QuietDaysBeforeFirstUse", "QuietDays"},
    ),
    ({"WARN_DAYS": "15", "IN_USE_EXTENSION_DAYS": "20"}, {"WARN_DAYS": "14"}, {"OverlapDays", "WarnDays"}),
    ({"IN_USE_EXTENSION_DAYS": "6"}, {"IN_USE_EXTENSION_DAYS": "7"}, {"InUseExtensionDays", "WarnDays"}),
    (
        {"MAX_KEY_AGE_DAYS": "64"},
        {"MAX_KEY_AGE_DAYS": "65"},
        {"MaxKeyAgeDays", "OverlapDays", "QuietDaysBeforeFirstUse", "WarnDays"},
    ),
    (
        {"MAX_KEY_AGE_DAYS": "43", "QUIET_DAYS_BEFORE_FIRST_USE": "7", "WARN_DAYS": "14"},
        {"MAX_KEY_AGE_DAYS": "44", "QUIET_DAYS_BEFORE_FIRST_USE": "7", "WARN_DAYS": "14"},
        {"MaxKeyAgeDays", "OverlapDays", "QuietDaysBeforeFirstUse", "WarnDays"},
    ),
    (
        {"UNUSED_DAYS": "35"},
        {"UNUSED_DAYS": "36"},
        {"UnusedDays", "QuietDaysBeforeFirstUse", "WarnDays"},
    ),
    (
        {"UNUSED_DAYS": "14", "QUIET_DAYS_BEFORE_FIRST_USE": "7", "WARN_DAYS": "14"},
        {"UNUSED_DAYS": "15", "QUIET_DAYS_BEFORE_FIRST_USE": "7", "WARN_DAYS": "14"},
        {"UnusedDays", "QuietDaysBeforeFirstUse", "WarnDays"},
    ),
    (
        {"UNUSED_DAYS": "1"},
        {"UNUSED_DAYS": "0"},
        {"UnusedDays", "QuietDaysBeforeFirstUse", "WarnDays"},
    ),
    ({"MAX_USERS_PER_RUN": "0"}, {"MAX_USERS_PER_RUN": "1"}, {"MaxUsersPerRun"}),
    ({"MAX_USERS_PER_RUN": "5001"}, {"MAX_USERS_PER_RUN": "5000"}, {"MaxUsersPerRun"}),
]


def _in_order(value: dict[str, str] | set[str]) -> str:
    """The same name in every process: a set's own order is not."""
    return str(sorted(value.items()) if isinstance(value, dict) else sorted(value))


@pytest.mark.parametrize("function", FUNCTIONS)
@pytest.mark.parametrize(("broken", "_holds", "parameters"), INEQUALITIES, ids=_in_order)
def test_a_broken_inequality_is_refused_by_the_names_of_its_parameters(
    *,
    calls: Calls,
    deployment: Deployment,
    function: Function,
    broken: dict[str, str],
    _holds: dict[str, str],
    parameters: set[str],
) -> None:
    told = refused(calls, deployment, function, **broken)

    assert len(told.splitlines()) == 1
    assert {name for name in NUMBERS.values() if f"{name}=" in told} == parameters


@pytest.mark.parametrize(("_broken", "holds", "_parameters"), INEQUALITIES, ids=_in_order)
def test_an_inequality_that_just_holds_is_taken(
    deployment: Deployment, _broken: dict[str, str], holds: dict[str, str], _parameters: set[str]
) -> None:
    scanner = ScannerSettings.parse(deployment.environment("scanner", **holds))
    rotator = RotatorSettings.parse(deployment.environment("rotator", **holds))

    assert scanner.policy == rotator.policy
    for variable, value in holds.items():
        assert getattr(rotator.policy, variable.lower()) == int(value)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_complete_environment_starts_a_function_without_a_single_call(
    calls: Calls, deployment: Deployment, function: Function
) -> None:
    deployment.load(function)

    assert calls.made == []


def test_a_number_as_cloudformation_hands_it_on_is_taken(deployment: Deployment) -> None:
    environment = deployment.environment("rotator", MAX_KEY_AGE_DAYS="70.0")

    assert RotatorSettings.parse(environment).policy.max_key_age_days == 70
