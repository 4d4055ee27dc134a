"""The policy: what security teams may set, and what is refused."""

import pytest
from keyrotation.policy import Policy, PolicyError


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"warn_days": 0}, "WarnDays must be 1"),
        ({"quiet_days": 1}, "QuietDays must be 2"),
        ({"overlap_days": 7}, "OverlapDays=7, QuietDays=7"),
        ({"warn_days": 15, "in_use_extension_days": 15}, "OverlapDays=14, WarnDays=15"),
        ({"in_use_extension_days": 6}, "InUseExtensionDays=6, WarnDays=7"),
        ({"quiet_days_before_first_use": 6}, "QuietDaysBeforeFirstUse=6, QuietDays=7"),
        ({"max_key_age_days": 64}, "MaxKeyAgeDays=64, OverlapDays=14, QuietDaysBeforeFirstUse=35"),
        ({"quiet_days_before_first_use": 61, "unused_days": 0}, "MaxKeyAgeDays=90"),
        (
            {"max_key_age_days": 43, "quiet_days_before_first_use": 7, "warn_days": 14},
            "MaxKeyAgeDays=43, OverlapDays=14, QuietDaysBeforeFirstUse=7, WarnDays=14",
        ),
        ({"unused_days": 35}, "UnusedDays=35, QuietDaysBeforeFirstUse=35"),
        ({"unused_days": 7, "quiet_days_before_first_use": 7, "quiet_days": 6}, "UnusedDays=7"),
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
        {"warn_days": 14},
        {"in_use_extension_days": 7},
        {"in_use_extension_days": 300},
        {"quiet_days_before_first_use": 7},
        {"max_key_age_days": 65},
        {"quiet_days_before_first_use": 60, "unused_days": 0},
        {"max_key_age_days": 44, "quiet_days_before_first_use": 7, "warn_days": 14},
        {"unused_days": 36},
        {"unused_days": 0},
        {"max_users_per_run": 1},
        {"max_users_per_run": 5000},
        {"delete_after_days": 0},
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


def test_a_threshold_of_ones_own_has_to_fit_the_other_days_too() -> None:
    assert Policy().tightened(65).max_key_age_days == 65
    with pytest.raises(PolicyError, match="MaxKeyAgeDays=64"):
        Policy().tightened(64)
