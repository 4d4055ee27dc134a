"""Contracts between the template and the functions, checked with the functions' own code."""

import dataclasses
import re

import pytest
from keyrotation.policy import Policy, parameter_name
from keyrotation.settings import RotatorSettings, ScannerSettings, SettingsError

from tests.infra.synthesized import Template, properties, text

# What CloudFormation and Lambda put in place of what the template refers to.
DEPLOYED = {
    "Orders/Queue": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo",
    "Orders/Queue.Arn": "arn:aws:sqs:eu-west-1:123456789012:orders.fifo",
    "Alerts/Topic": "arn:aws:sns:eu-west-1:123456789012:topic",
    "Rotator/Logs": "AccessKeyRotation-RotatorLogs-1",
    "Rotator/Role.Arn": "arn:aws:iam::123456789012:role/access-key-rotation-rotator",
}
OF_LAMBDA = {"AWS_REGION": "eu-west-1"}


def environment(template: Template, function: str, **parameters: str) -> dict[str, str]:
    """The function's environment once deployed, with these parameters and the others at their defaults."""
    defaults = {
        name: str(each["Default"]) for name, each in template["Parameters"].items() if "Default" in each
    }
    known = {**DEPLOYED, **defaults, **parameters}
    variables = properties(template, "AWS::Lambda::Function", f"{function}/Function")["Environment"][
        "Variables"
    ]
    return OF_LAMBDA | {
        name: re.sub(r"\$\{([^}]+)\}", lambda found: known[found[1]], text(template, value))
        for name, value in variables.items()
    }


def test_the_functions_understand_the_environment_they_are_given(template: Template) -> None:
    assert ScannerSettings.parse(environment(template, "Scanner")).policy == Policy()
    rotator = RotatorSettings.parse(environment(template, "Rotator"))
    assert rotator.policy == Policy()
    assert rotator.account == "123456789012"
    assert rotator.function_timeout_seconds == 900


@pytest.mark.parametrize("name", [each.name for each in dataclasses.fields(Policy)])
def test_each_parameter_reaches_the_setting_of_its_name(template: Template, name: str) -> None:
    changed = getattr(Policy(), name) + 1
    for function, settings in (("Scanner", ScannerSettings), ("Rotator", RotatorSettings)):
        given = environment(template, function, **{parameter_name(name): str(changed)})
        assert getattr(settings.parse(given).policy, name) == changed


def test_the_mode_reaches_the_rotator(template: Template) -> None:
    assert RotatorSettings.parse(environment(template, "Rotator", Mode="Enforce")).mode == "Enforce"
    assert RotatorSettings.parse(environment(template, "Rotator")).mode == "Audit"


def test_where_it_works_and_who_reads_reaches_the_functions(template: Template) -> None:
    reader, key = "arn:aws:iam::123456789012:role/reader", "arn:aws:kms:eu-west-1:123456789012:key/mine"
    given = {
        "UserPathPrefix": "/apps/",
        "SecretReaderArns": f"{reader},{reader}2",
        "SecretsKmsKeyArn": key,
    }
    assert ScannerSettings.parse(environment(template, "Scanner", **given)).user_path_prefix == "/apps/"
    rotator = RotatorSettings.parse(environment(template, "Rotator", **given))
    assert rotator.user_path_prefix == "/apps/"
    assert rotator.secret_reader_arns == (reader, f"{reader}2")
    assert rotator.secrets_kms_key_arn == key


def test_an_order_is_hidden_for_exactly_as_long_as_its_queue_hides_one(template: Template) -> None:
    queue = properties(template, "AWS::SQS::Queue", "Orders/Queue")
    rotator = RotatorSettings.parse(environment(template, "Rotator"))
    assert rotator.order_hidden_seconds == queue["VisibilityTimeout"]


def test_what_is_told_and_where_reaches_the_rotator(template: Template) -> None:
    told = RotatorSettings.parse(
        environment(template, "Rotator", Notify="Problems", RunbookUrl="https://wiki.example.com/keys")
    )
    assert told.notify == "Problems"
    assert told.runbook_url == "https://wiki.example.com/keys"
    assert told.log_group_name == "AccessKeyRotation-RotatorLogs-1"


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
