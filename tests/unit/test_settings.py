"""The environment: complete and understood, or refused by name."""

import pytest
from keyrotation.policy import Policy
from keyrotation.settings import Mode, Notify, RotatorSettings, ScannerSettings, SettingsError

ENVIRONMENT = {
    "MODE": "Audit",
    "MAX_KEY_AGE_DAYS": "90",
    "OVERLAP_DAYS": "14",
    "WARN_DAYS": "7",
    "QUIET_DAYS": "7",
    "QUIET_DAYS_BEFORE_FIRST_USE": "35",
    "IN_USE_EXTENSION_DAYS": "14",
    "UNUSED_DAYS": "90",
    "DELETE_AFTER_DAYS": "30",
    "MAX_USERS_PER_RUN": "100",
    "AWS_REGION": "eu-west-1",
    "ORDERS_QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/123456789012/orders.fifo",
    "ORDERS_QUEUE_ARN": "arn:aws:sqs:eu-west-1:123456789012:orders.fifo",
    "TOPIC_ARN": "arn:aws:sns:eu-west-1:123456789012:topic",
    "ROTATOR_ROLE_ARN": "arn:aws-us-gov:iam::123456789012:role/access-key-rotation-rotator",
    "FUNCTION_TIMEOUT_SECONDS": "900",
    "NOTIFY": "Changes",
    "RUNBOOK_URL": "docs/runbook.md",
    "LOG_GROUP_NAME": "rotator-logs",
}
SCANNER_READS = {name for name in ENVIRONMENT if name.endswith(("_DAYS", "_RUN", "QUEUE_URL", "_USE"))}
ROTATOR_READS = set(ENVIRONMENT) - {"ORDERS_QUEUE_URL"}


def test_a_complete_environment_is_understood() -> None:
    rotator = RotatorSettings.parse(ENVIRONMENT)
    assert rotator.mode is Mode.AUDIT
    assert rotator.policy == Policy()
    assert rotator.account == "123456789012"
    assert rotator.partition == "aws-us-gov"
    assert rotator.notify is Notify.CHANGES
    assert ScannerSettings.parse(ENVIRONMENT).policy == Policy()


@pytest.mark.parametrize("name", sorted(SCANNER_READS))
def test_the_scanner_refuses_an_environment_without(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} is missing$"):
        ScannerSettings.parse({key: value for key, value in ENVIRONMENT.items() if key != name})


@pytest.mark.parametrize("name", sorted(ROTATOR_READS))
def test_the_rotator_refuses_an_environment_without(name: str) -> None:
    with pytest.raises(SettingsError, match=rf"^{name} is missing$"):
        RotatorSettings.parse({key: value for key, value in ENVIRONMENT.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("MODE", "enforce", "MODE is 'enforce': not one of Audit, Enforce"),
        ("NOTIFY", "Never", "NOTIFY is 'Never': not one of Changes, Problems, Always"),
        ("WARN_DAYS", "a week", r"WARN_DAYS \(parameter WarnDays\) is 'a week': not a whole number"),
        ("WARN_DAYS", "7.5", "not a whole number"),
        ("WARN_DAYS", "-7", "WarnDays is -7: it cannot be negative"),
        ("OVERLAP_DAYS", "41", "MaxKeyAgeDays=90, OverlapDays=41"),
        ("TOPIC_ARN", "topic", "TOPIC_ARN is 'topic': not an ARN"),
        ("AWS_REGION", "", "AWS_REGION is '': empty"),
    ],
)
def test_a_value_that_is_not_understood_is_refused_by_name(name: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        RotatorSettings.parse({**ENVIRONMENT, name: value})


def test_every_problem_is_told_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        RotatorSettings.parse({"MODE": "?"})
    told = str(refused.value)
    assert all(name in told for name in ROTATOR_READS)


def test_a_number_as_cloudformation_may_hand_it_on_is_taken() -> None:
    assert ScannerSettings.parse({**ENVIRONMENT, "WARN_DAYS": "7.0"}).policy.warn_days == 7
