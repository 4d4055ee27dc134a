"""The policy that security teams set: days and a cap, complete and consistent or not at all."""

from dataclasses import dataclass, fields, replace

_LONGEST = 3650
# The least and the most that the stack's parameters take, by field. CloudFormation enforces them there (infra/parameters.py; a
# test compares them): the functions need no more than what fits together.
LIMITS = {
    "max_key_age_days": (10, _LONGEST),
    "overlap_days": (3, _LONGEST),
    "warn_days": (1, _LONGEST),
    "quiet_days": (2, _LONGEST),
    "quiet_days_before_first_use": (2, _LONGEST),
    "in_use_extension_days": (1, _LONGEST),
    "unused_days": (0, _LONGEST),
    "delete_after_days": (0, _LONGEST),
    "max_users_per_run": (1, 5000),
}


class PolicyError(ValueError):
    """The policy is refused; the message names the parameters, one problem a line."""


def parameter_name(field_name: str) -> str:
    """`max_key_age_days` as the stack parameter is spelled: `MaxKeyAgeDays`."""
    return "".join(word.capitalize() for word in field_name.split("_"))


@dataclass(frozen=True, kw_only=True)
class Policy:
    """docs/design.md section 3, in whole days by UTC date; the defaults are the stack's."""

    max_key_age_days: int = 90
    overlap_days: int = 14
    warn_days: int = 7
    quiet_days: int = 7
    quiet_days_before_first_use: int = 35
    in_use_extension_days: int = 14
    unused_days: int = 90
    delete_after_days: int = 30
    max_users_per_run: int = 100

    def __post_init__(self) -> None:
        if problems := self._problems():
            raise PolicyError("\n".join(problems))

    def _problems(self) -> list[str]:
        negative = [
            f"{parameter_name(each.name)} is {getattr(self, each.name)}: it cannot be negative"
            for each in fields(self)
            if getattr(self, each.name) < 0
        ]
        return negative + [
            f"{rule} ({self._values(rule)})" for rule, broken in self.rules().items() if broken
        ]

    def rules(self) -> dict[str, bool]:
        """What must hold, in words, and whether this policy breaks it.

        Each inequality was found by simulation: break one and some user is blocked, flaps or is cut off.
        """
        return {
            "WarnDays must be 1 or more": self.warn_days < 1,
            "QuietDays must be 2 or more": self.quiet_days < 2,
            "MaxUsersPerRun must be from 1 to 5000": not 1 <= self.max_users_per_run <= 5000,
            "OverlapDays must be more than QuietDays": self.overlap_days <= self.quiet_days,
            "OverlapDays must be WarnDays or more": self.warn_days > self.overlap_days,
            "InUseExtensionDays must be WarnDays or more": self.in_use_extension_days < self.warn_days,
            "QuietDaysBeforeFirstUse must be QuietDays or more": self.quiet_days_before_first_use
            < self.quiet_days,
            # A slot is announced WarnDays before it is freed, and an elder that went off may be needed back for
            # QuietDaysBeforeFirstUse days: both have to fit before the successor comes due.
            "MaxKeyAgeDays must be 2 x OverlapDays + 2 or more above QuietDaysBeforeFirstUse and WarnDays": 2
            * self.overlap_days
            + max(self.quiet_days_before_first_use, self.warn_days)
            + 2
            > self.max_key_age_days,
            "UnusedDays must be 0, or more than QuietDaysBeforeFirstUse and than WarnDays": 0
            < self.unused_days
            <= max(self.quiet_days_before_first_use, self.warn_days),
        }

    def _values(self, rule: str) -> str:
        """The values of the parameters that a rule names: `OverlapDays=14, QuietDays=20`."""
        names = {parameter_name(each.name): each.name for each in fields(self)}
        words = rule.replace(",", " ").split()
        return ", ".join(f"{word}={getattr(self, names[word])}" for word in words if word in names)

    @property
    def issue_age(self) -> int:
        """The age at which a replacement is issued: anchored at the deadline, with a day to spare for a missed run."""
        return self.max_key_age_days - self.overlap_days - 2

    @property
    def last_safe_age(self) -> int:
        """The age at which a key goes off so that it never reaches the threshold, even after one missed run."""
        return self.max_key_age_days - 2

    @property
    def sustained_users(self) -> int:
        """About how many users of evenly spread ages the cap keeps up with (docs/design.md section 5)."""
        return self.max_users_per_run * self.issue_age // 3

    def tightened(self, max_key_age_days: int) -> "Policy":
        """This policy with a user's own threshold; raises PolicyError when the inequalities do not hold for it."""
        return replace(self, max_key_age_days=max_key_age_days)
