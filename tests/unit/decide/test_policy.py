"""The policy: what security teams may set, and what is refused."""

import pytest
from keyrotation.policy import Policy, PolicyError


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"warn_days": 0}, "WarnDays"),
        ({"quiet_days": 1}, "QuietDays"),
        ({"overlap_days": 7}, "OverlapDays=7, QuietDays=7"),
        ({"quiet_days_before_first_use": 6}, "QuietDaysBeforeFirstUse"),
        ({"max_key_age_days": 36}, "MaxKeyAgeDays=36, OverlapDays=14, QuietDays=7"),
        ({"in_use_extension_days": 74}, "MaxKeyAgeDays=90, OverlapDays=14, InUseExtensionDays=74"),
        ({"unused_days": 35}, "UnusedDays=35"),
        ({"unused_days": 28, "quiet_days_before_first_use": 20}, "UnusedDays=28"),
        ({"max_users_per_run": 0}, "MaxUsersPerRun"),
        ({"max_users_per_run": 5001}, "MaxUsersPerRun"),
        ({"delete_after_days": -1}, "DeleteAfterDays is -1"),
    ],
)
def test_each_broken_inequality_is_refused_by_the_names_of_its_parameters(
    changes: dict[str, int], named: str
) -> None:
    with pytest.raises(PolicyError, match=named):
        Policy(**changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"warn_days": 1},
        {"quiet_days": 2},
        {"overlap_days": 8},
        {"quiet_days_before_first_use": 7},
        {"max_key_age_days": 37, "in_use_extension_days": 14},
        {"in_use_extension_days": 73, "unused_days": 0},
        {"unused_days": 36},
        {"unused_days": 0},
        {"max_users_per_run": 1},
        {"max_users_per_run": 5000},
        {"delete_after_days": 0},
        {"in_use_extension_days": 0},
    ],
)
def test_the_value_next_to_a_refused_one_is_taken(changes: dict[str, int]) -> None:
    Policy(**changes)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(PolicyError) as refused:
        Policy(warn_days=0, quiet_days=1, overlap_days=1)
    assert [line.split()[0] for line in str(refused.value).splitlines()] == [
        "WarnDays",
        "QuietDays",
        "OverlapDays",
    ]


def test_the_calendar_is_anchored_at_the_deadline() -> None:
    policy = Policy()
    assert policy.issue_age == 74
    assert policy.last_safe_age == 88


def test_the_default_cap_sustains_what_the_design_says() -> None:
    assert Policy().sustained_users == 100 * 74 // 3
