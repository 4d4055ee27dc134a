"""Every parameter starts with the design's default, refuses what cannot be meant, and stands in the console's form."""

import re
from typing import Any

import pytest
from keyrotation.policy import Policy

from infra.parameters_page import page
from tests.infra.synthesized import ROOT, Template, of_type

# name: default, least, most
NUMBERS = {
    "MaxKeyAgeDays": (90, 10, 3650),
    "OverlapDays": (14, 3, 3650),
    "WarnDays": (7, 1, 3650),
    "QuietDays": (7, 2, 3650),
    "QuietDaysBeforeFirstUse": (35, 2, 3650),
    "InUseExtensionDays": (14, 0, 3650),
    "UnusedDays": (90, 0, 3650),
    "DeleteAfterDays": (30, 0, 3650),
    "MaxUsersPerRun": (100, 1, 5000),
}
TEXTS = {
    "LogRetentionDays": "365",
    "Mode": "Audit",
    "UserPathPrefix": "/",
    "SecretReaderArns": "",
    "SecretsKmsKeyArn": "",
    "AlertEmail": "",
    "Notify": "Changes",
    "RunbookUrl": "docs/runbook.md",
    "RunAt": "06:00",
    "TimeZone": "UTC",
}
# The CDK's own; the template's Rules read it.
BOOTSTRAP = "BootstrapVersion"


def own(template: Template) -> dict[str, Any]:
    return {name: each for name, each in template["Parameters"].items() if name != BOOTSTRAP}


def references(value: Any) -> set[str]:
    if isinstance(value, dict):
        here = {value["Ref"]} if set(value) == {"Ref"} else set()
        return here.union(*(references(each) for each in value.values()))
    if isinstance(value, list):
        return set().union(*(references(each) for each in value))
    return set()


def test_the_parameters_are_those_of_the_design(template: Template) -> None:
    assert set(own(template)) == {*NUMBERS, *TEXTS}


def test_every_parameter_is_read_by_a_resource_or_by_a_condition_that_a_resource_has(
    template: Template,
) -> None:
    resources = template["Resources"].values()
    used = {resource["Condition"] for resource in resources if "Condition" in resource}
    read = references(list(resources)) | references([template["Conditions"][name] for name in used])
    assert set(own(template)) - read == set()
    assert used == set(template["Conditions"])


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_has_its_default_and_its_bounds(template: Template, name: str) -> None:
    parameter = template["Parameters"][name]
    assert parameter["Type"] == "Number"
    assert (parameter["Default"], parameter["MinValue"], parameter["MaxValue"]) == NUMBERS[name]
    assert f"from {parameter['MinValue']} to {parameter['MaxValue']}" in parameter["ConstraintDescription"]


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_has_its_default(template: Template, name: str) -> None:
    assert template["Parameters"][name]["Default"] == TEXTS[name]


def test_the_mode_is_audit_or_enforce_and_nothing_else(template: Template) -> None:
    assert template["Parameters"]["Mode"]["AllowedValues"] == ["Audit", "Enforce"]


@pytest.mark.parametrize(
    ("name", "accepted", "refused"),
    [
        (
            "UserPathPrefix",
            ["/", "/apps/", "/a/b/c/", "/a.b,c+d=e@f_g-h!/"],
            ["", "apps/", "/apps", "apps", "/a*/", "/a?/", "/${aws:username}/", "/a b/", "/é/"],
        ),
        (
            # Each member of the list.
            "SecretReaderArns",
            [
                "",
                "arn:aws:iam::123456789012:role/reader",
                "arn:aws-cn:iam::123456789012:user/people/ann",
                "arn:aws-us-gov:iam::123456789012:role/service-role/sync_1",
            ],
            [
                "*",
                "123456789012",
                "arn:aws:iam::123456789012:root",
                "arn:aws:iam::123456789012:role/*",
                "arn:aws:iam::123456789012:role/re?der",
                "arn:aws:iam::123456789012:role/apps/",
                "arn:aws:sts::123456789012:assumed-role/reader/session",
            ],
        ),
        (
            "SecretsKmsKeyArn",
            [
                "",
                "arn:aws:kms:eu-west-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef",
                "arn:aws-cn:kms:cn-north-1:123456789012:key/mrk-0123456789abcdef",
            ],
            [
                "alias/mine",
                "arn:aws:kms:eu-west-1:123456789012:alias/mine",
                "arn:aws:kms:eu-west-1:123456789012:key/*",
                "*",
            ],
        ),
        (
            "RunAt",
            ["00:00", "06:00", "19:59", "23:59"],
            ["6:00", "24:00", "12:60", "0600", "06:00:00", "noon", ""],
        ),
        (
            "AlertEmail",
            ["", "on-call@example.com", "a.b+c@mail.example.co.uk"],
            ["on-call", "@example.com", "a@b", "a@example.com, b@example.com", "a b@example.com", " "],
        ),
        (
            "RunbookUrl",
            ["docs/runbook.md", "https://wiki.example.com/keys?x=1#on-call"],
            ["", "two words", "https://wiki.example.com/schlüssel", "x" * 201],
        ),
        (
            "TimeZone",
            ["UTC", "Europe/Berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+5", "America/Port-au-Prince"],
            ["", "+01:00", "Europe/", "/Berlin", "Europe Berlin"],
        ),
    ],
)
def test_a_text_takes_what_is_meant_and_refuses_the_rest(
    template: Template, name: str, accepted: list[str], refused: list[str]
) -> None:
    parameter = template["Parameters"][name]
    pattern = re.compile(parameter["AllowedPattern"])
    assert [value for value in accepted if not pattern.fullmatch(value)] == []
    assert [value for value in refused if pattern.fullmatch(value)] == []
    assert pattern.fullmatch(parameter["Default"])
    assert name in parameter["ConstraintDescription"]


def test_the_logs_of_both_functions_are_kept_as_long_as_is_said(template: Template) -> None:
    kept = [
        each["Properties"]["RetentionInDays"] for each in of_type(template, "AWS::Logs::LogGroup").values()
    ]
    assert kept == [{"Ref": "LogRetentionDays"}] * 2
    allowed = template["Parameters"]["LogRetentionDays"]["AllowedValues"]
    assert {"30", "365", "3653"} <= {str(each) for each in allowed}
    assert "7" not in allowed


def test_every_parameter_says_what_it_means_and_what_it_refuses_by_its_name(template: Template) -> None:
    silent = [name for name, each in own(template).items() if len(each.get("Description", "")) < 20]
    unexplained = [
        name
        for name, each in own(template).items()
        if not each.get("ConstraintDescription", "").startswith(f"{name} must be ")
    ]
    assert (silent, unexplained) == ([], [])


def test_a_refusal_names_every_value_that_is_allowed(template: Template) -> None:
    words = {name: re.findall(r"\w+", each["ConstraintDescription"]) for name, each in own(template).items()}
    unnamed = {
        (name, value)
        for name, each in own(template).items()
        for value in each.get("AllowedValues", [])
        if str(value) not in words[name]
    }
    assert unnamed == set()


def test_every_parameter_stands_in_one_group_of_the_consoles_form_with_a_label_of_its_own(
    template: Template,
) -> None:
    form = template["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in form["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(own(template))
    labels = {name: each["default"] for name, each in form["ParameterLabels"].items()}
    assert labels.keys() == own(template).keys()
    assert len(set(labels.values())) == len(labels)
    assert [label for name, label in labels.items() if label == name or not 8 <= len(label) <= 40] == []


PAGE = (ROOT / "docs" / "parameters.md").read_text()


def test_the_page_of_the_parameters_is_what_the_command_makes() -> None:
    assert page() == PAGE, "make parameters"


@pytest.mark.parametrize("rule", Policy().rules())
def test_the_page_tells_what_must_fit_together(rule: str) -> None:
    assert f"- {rule}\n" in PAGE


@pytest.mark.parametrize("function", ["Scanner", "Rotator"])
def test_both_functions_get_every_policy_parameter_under_its_own_name(
    template: Template, function: str
) -> None:
    environment = of_type(template, "AWS::Lambda::Function")[f"{function}/Function"]["Properties"][
        "Environment"
    ]
    passed = {
        name: value["Ref"] for name, value in environment["Variables"].items() if name in POLICY_VARIABLES
    }
    assert passed == POLICY_VARIABLES


POLICY_VARIABLES = {
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
