"""Contracts between the template and the functions, checked with the functions' own code."""

import json
import re

import pytest
from keyrotation.policy import Policy
from keyrotation.remember import table
from keyrotation.run.settings import Mode, Notify, RotatorSettings, ScannerSettings, SettingsError

from infra import memory
from tests.infra.roles import ROTATOR, allowed
from tests.infra.synthesized import Template, of_type, parameters_of, properties, text, with_parameters

# What CloudFormation and Lambda put in place of what the template refers to.
DEPLOYED = {
    "Orders/Queue": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo",
    "Orders/Queue.Arn": "arn:aws:sqs:eu-west-1:123456789012:orders.fifo",
    "Alerts/Topic": "arn:aws:sns:eu-west-1:123456789012:topic",
    "Bulletins/Owners": "arn:aws:sns:eu-west-1:123456789012:owners",
    "Bulletins/Chat": "arn:aws:sns:eu-west-1:123456789012:chat",
    "Rotator/Logs": "AccessKeyRotation-RotatorLogs-1",
    "Rotator/Role.Arn": "arn:aws:iam::123456789012:role/access-key-rotation-rotator",
}
OF_LAMBDA = {"AWS_REGION": "eu-west-1"}


def environment(template: Template, function: str, **parameters: str) -> dict[str, str]:
    """The function's environment once deployed, with these parameters and the others at their defaults."""
    deployed = with_parameters(template, **parameters)
    variables = properties(deployed, "AWS::Lambda::Function", f"{function}/Function")["Environment"][
        "Variables"
    ]
    return OF_LAMBDA | {
        name: re.sub(r"\$\{([^}]+)\}", lambda found: DEPLOYED[found[1]], text(deployed, value))
        for name, value in variables.items()
    }


def test_the_functions_understand_the_environment_they_are_given(template: Template) -> None:
    assert ScannerSettings.parse(environment(template, "Scanner")).policy == Policy()
    rotator = RotatorSettings.parse(environment(template, "Rotator"))
    assert rotator.policy == Policy()
    assert rotator.account == "123456789012"
    assert rotator.function_timeout_seconds == 900
    assert rotator.log_group_name == "AccessKeyRotation-RotatorLogs-1"


def behaviour(template: Template, **parameters: str) -> dict[str, object]:
    """What a deployment with these parameters does, as the functions' own parsers and its resources have it."""
    scanner = ScannerSettings.parse(environment(template, "Scanner", **parameters))
    rotator = RotatorSettings.parse(environment(template, "Rotator", **parameters))
    deployed = with_parameters(template, **parameters)
    may = allowed(deployed, ROTATOR, mode=parameters.get("Mode", "Audit"))
    schedule = properties(deployed, "AWS::Scheduler::Schedule", "Daily/Schedule")
    (dashboard,) = of_type(deployed, "AWS::CloudWatch::Dashboard").values()
    told = next(
        widget["properties"]["markdown"]
        for widget in json.loads(text(deployed, dashboard["Properties"]["DashboardBody"]))["widgets"]
    )
    previewed = re.findall(
        r"--([a-z-]+) (\S+?)(?= |'$)", text(deployed, deployed["Outputs"]["Preview"]["Value"])
    )
    return {
        **{f"scanner: {name}": value for name, value in vars(scanner.policy).items()},
        **{f"rotator: {name}": value for name, value in vars(rotator.policy).items()},
        **{f"preview: {option.replace('-', '_')}": value for option, value in previewed},
        "scanner: user_path_prefix": scanner.user_path_prefix,
        "rotator: user_path_prefix": rotator.user_path_prefix,
        "rotator may make keys": "iam:CreateAccessKey" in may,
        "rotator may look at": [arn.rpartition(":")[2] for arn in may["iam:GetAccessKeyLastUsed"]],
        "rotator: mode": rotator.mode,
        "secrets: readers": rotator.secret_reader_arns,
        "secrets: key": rotator.secrets_kms_key_arn,
        "mail: which": rotator.notify,
        "mail: owners by": rotator.owner_tag_keys,
        "mail: runbook": rotator.runbook_url,
        "mail: to": [
            each["Properties"]["Endpoint"] for each in of_type(deployed, "AWS::SNS::Subscription").values()
        ],
        "alarms: runbook": {
            text(deployed, alarm["Properties"]["AlarmDescription"])
            .rpartition(" The steps: ")[2]
            .split(",")[0]
            for alarm in of_type(deployed, "AWS::CloudWatch::Alarm").values()
        },
        "alarms: second topic": {
            text(deployed, action)
            for alarm in of_type(deployed, "AWS::CloudWatch::Alarm").values()
            for action in alarm["Properties"]["AlarmActions"][1:]
        },
        "dead letters: for": [
            statement["Condition"]["StringNotEquals"]["aws:PrincipalArn"]
            for policy in of_type(deployed, "AWS::SQS::QueuePolicy").values()
            for statement in policy["Properties"]["PolicyDocument"]["Statement"]
            if statement.get("Sid") == "OnlyOperatorsTake"
        ],
        "dashboard: threshold": re.findall(r"MaxKeyAgeDays = (\S+)\.", told),
        "logs: days": [
            each["Properties"]["RetentionInDays"]
            for each in of_type(deployed, "AWS::Logs::LogGroup").values()
        ],
        "runs": text(deployed, schedule["ScheduleExpression"]),
        "runs: zone": schedule["ScheduleExpressionTimezone"],
    }


def of_all(field: str, value: object) -> dict[str, object]:
    """Both functions, and the command that says what they would do."""
    return {f"scanner: {field}": value, f"rotator: {field}": value, f"preview: {field}": str(value)}


READER, KEY = "arn:aws:iam::123456789012:role/reader", "arn:aws:kms:eu-west-1:123456789012:key/mine"
PAGER = "arn:aws:sns:eu-west-1:123456789012:pager"
WIKI = "https://wiki.example.com/keys"
# parameter: another value, and what a deployment with it does otherwise
CHANGES: dict[str, tuple[str, dict[str, object]]] = {
    "Mode": ("Enforce", {"rotator: mode": Mode.ENFORCE, "rotator may make keys": True}),
    "UserPathPrefix": (
        "/apps/",
        {**of_all("user_path_prefix", "/apps/"), "rotator may look at": ["user/apps/*"]},
    ),
    "SecretReaderArns": (f"{READER},{READER}2", {"secrets: readers": (READER, f"{READER}2")}),
    "SecretsKmsKeyArn": (KEY, {"secrets: key": KEY}),
    "MaxKeyAgeDays": ("120", {**of_all("max_key_age_days", 120), "dashboard: threshold": ["120"]}),
    "OverlapDays": ("20", of_all("overlap_days", 20)),
    "WarnDays": ("5", of_all("warn_days", 5)),
    "QuietDays": ("9", of_all("quiet_days", 9)),
    "QuietDaysBeforeFirstUse": ("40", of_all("quiet_days_before_first_use", 40)),
    "InUseExtensionDays": ("20", of_all("in_use_extension_days", 20)),
    "UnusedDays": ("0", of_all("unused_days", 0)),
    "DeleteAfterDays": ("60", of_all("delete_after_days", 60)),
    "MaxUsersPerRun": ("5", of_all("max_users_per_run", 5)),
    "AlertEmail": ("on-call@example.com", {"mail: to": ["on-call@example.com"]}),
    "AlarmTopicArn": (PAGER, {"alarms: second topic": {PAGER}}),
    "OperatorArns": (READER, {"dead letters: for": [READER, READER]}),
    "OwnerTagKeys": ("Team,owner", {"mail: owners by": ("Team", "owner")}),
    "Notify": ("Problems", {"mail: which": Notify.PROBLEMS}),
    "RunbookUrl": (WIKI, {"mail: runbook": WIKI, "alarms: runbook": {WIKI}}),
    "LogRetentionDays": ("90", {"logs: days": ["90", "90"]}),
    "RunAt": ("19:45", {"runs": "cron(45 19 * * ? *)"}),
    "TimeZone": ("Europe/Berlin", {"runs: zone": "Europe/Berlin"}),
}


def test_every_parameter_is_changed_by_the_test_below(template: Template) -> None:
    assert CHANGES.keys() == parameters_of(template).keys()


@pytest.mark.parametrize("name", CHANGES)
def test_a_parameter_that_is_changed_changes_what_is_done_and_nothing_else(
    template: Template, name: str
) -> None:
    value, otherwise = CHANGES[name]
    before, after = behaviour(template), behaviour(template, **{name: value})
    assert {what: after[what] for what in after if after[what] != before[what]} == otherwise


def test_an_order_is_hidden_for_exactly_as_long_as_its_queue_hides_one(template: Template) -> None:
    queue = properties(template, "AWS::SQS::Queue", "Orders/Queue")
    rotator = RotatorSettings.parse(environment(template, "Rotator"))
    assert rotator.order_hidden_seconds == queue["VisibilityTimeout"]


@pytest.mark.parametrize("function", ["Scanner", "Rotator"])
def test_a_variable_that_the_template_forgot_is_missed_by_name(template: Template, function: str) -> None:
    """And every variable but the libraries' own is read by the function that has it."""
    given = environment(template, function)
    settings = ScannerSettings if function == "Scanner" else RotatorSettings
    for name in given:
        if name.startswith("POWERTOOLS_") or (function, name) == ("Scanner", "AWS_REGION"):
            continue
        with pytest.raises(SettingsError, match=f"^{name} is missing$"):
            settings.parse({key: value for key, value in given.items() if key != name})


@pytest.mark.parametrize("name", ["MaxKeyAgeDays", "OverlapDays", "QuietDays", "WarnDays", "UnusedDays"])
def test_what_the_template_lets_through_is_still_refused_when_it_does_not_fit_together(
    template: Template, name: str
) -> None:
    parameter = template["Parameters"][name]
    extreme = {"MaxKeyAgeDays": "MinValue", "UnusedDays": None}.get(name, "MaxValue")
    value = str(parameter[extreme]) if extreme else "30"
    if name == "WarnDays":
        value = "0"  # below the template's own bound, as an API caller of the function's configuration could
    with pytest.raises(SettingsError, match=name):
        RotatorSettings.parse(environment(template, "Rotator", **{name: value}))


def test_the_table_has_one_name_in_the_stack_and_in_the_preview() -> None:
    """The preview reads it without asking the stack for its name."""
    assert memory.TABLE_NAME == table.TABLE_NAME
