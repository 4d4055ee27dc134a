"""Every parameter starts with the design's default, refuses what cannot be meant, and stands in the console's form."""

import re

import pytest
from keyrotation.policy import LIMITS, Policy, parameter_name

from infra.parameters_page import page
from tests.infra.synthesized import ROOT, Template, parameters_of

# name: default, least, most
NUMBERS = {
    "MaxKeyAgeDays": (90, 10, 3650),
    "OverlapDays": (14, 3, 3650),
    "WarnDays": (7, 1, 3650),
    "QuietDays": (7, 2, 3650),
    "QuietDaysBeforeFirstUse": (35, 2, 3650),
    "InUseExtensionDays": (14, 1, 3650),
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
    "AlarmTopicArn": "",
    "OperatorArns": "",
    "OwnerTagKeys": "access-key-rotation:owner,owner,Owner",
    "Notify": "Changes",
    "RunbookUrl": "docs/runbook.md",
    "RunAt": "06:00",
    "TimeZone": "UTC",
}


def test_the_parameters_are_those_of_the_design(template: Template) -> None:
    assert set(parameters_of(template)) == {*NUMBERS, *TEXTS}


def test_the_preview_takes_the_numbers_that_the_stack_takes() -> None:
    """Its options say what they may be without a template at hand."""
    stack = {name: (least, most) for name, (_, least, most) in NUMBERS.items()}
    assert {parameter_name(field): both for field, both in LIMITS.items()} == stack


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
            ["/", "/apps/", "/a/b/c/", "/a.b,c+d=e@f_g-h/"],
            [
                "",
                "apps/",
                "/apps",
                "apps",
                "/a*/",
                "/a?/",
                "/${aws:username}/",
                "/x;id;/",
                "/a'b/",
                "/team(a)/",
                "/a b/",
                "/é/",
            ],
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


def test_logs_are_kept_for_a_month_at_least(template: Template) -> None:
    allowed = [int(each) for each in template["Parameters"]["LogRetentionDays"]["AllowedValues"]]
    assert (min(allowed), max(allowed)) == (30, 3653)


def test_every_parameter_says_what_it_means_and_what_it_refuses_by_its_name(template: Template) -> None:
    silent = [name for name, each in parameters_of(template).items() if len(each.get("Description", "")) < 20]
    unexplained = [
        name
        for name, each in parameters_of(template).items()
        if not each.get("ConstraintDescription", "").startswith(f"{name} must be ")
    ]
    assert (silent, unexplained) == ([], [])


def test_a_refusal_names_every_value_that_is_allowed(template: Template) -> None:
    words = {
        name: re.findall(r"\w+", each["ConstraintDescription"])
        for name, each in parameters_of(template).items()
    }
    unnamed = {
        (name, value)
        for name, each in parameters_of(template).items()
        for value in each.get("AllowedValues", [])
        if str(value) not in words[name]
    }
    assert unnamed == set()


def test_every_parameter_stands_in_one_group_of_the_consoles_form_with_a_label_of_its_own(
    template: Template,
) -> None:
    form = template["Metadata"]["AWS::CloudFormation::Interface"]
    grouped = [name for group in form["ParameterGroups"] for name in group["Parameters"]]
    assert sorted(grouped) == sorted(parameters_of(template))
    labels = {name: each["default"] for name, each in form["ParameterLabels"].items()}
    assert labels.keys() == parameters_of(template).keys()
    assert len(set(labels.values())) == len(labels)
    assert [label for name, label in labels.items() if label == name or not 8 <= len(label) <= 40] == []


PAGE = (ROOT / "docs" / "parameters.md").read_text()


def test_the_page_of_the_parameters_is_what_the_command_makes() -> None:
    assert page() == PAGE, "make parameters"


@pytest.mark.parametrize("rule", Policy().rules())
def test_the_page_tells_what_must_fit_together(rule: str) -> None:
    assert f"- {rule}\n" in PAGE
