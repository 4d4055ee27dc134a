"""`make mutate`: named mutants of the policy, each of which some unit or property test must notice."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
# It sees that the text which is broken here is there: it would notice every mutant, and no mistake.
_NOT_OF_THE_CODE = ("--ignore=tests/unit/test_safeguards.py",)
CORE = Path("functions/keyrotation")


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """`old`, which occurs once in the module, becomes `new`."""

    name: str
    module: str
    old: str
    new: str


def without_rule(rule: str) -> Mutant:
    return Mutant(name=f"no rule {rule}", module="decide/rules.py", old=f"\n    {rule},\n", new="\n")


def mutant(name: str, module: str, old: str, new: str) -> Mutant:
    return Mutant(name=name, module=f"{module}.py", old=old, new=new)


MUTANTS = (
    mutant(
        "no rule not_understood",
        "decide/rules",
        "(not_understood, interrupted, exempt)",
        "(interrupted, exempt)",
    ),
    mutant(
        "no rule interrupted",
        "decide/rules",
        "(not_understood, interrupted, exempt)",
        "(not_understood, exempt)",
    ),
    mutant(
        "no rule exempt",
        "decide/rules",
        "(not_understood, interrupted, exempt)",
        "(not_understood, interrupted)",
    ),
    *map(
        without_rule,
        (
            "tags_to_mend",
            "secret_goes",
            "marks_of_gone_keys",
            "holds_too_long",
            "first_seen_inactive",
            "inactive_long_enough",
            "switched_back_on",
            "quiet_elder",
            "held_elder",
            "extension_over",
            "unused",
            "replacement_due",
            "replacement_blocked",
            "upcoming",
        ),
    ),
    mutant("nobody needs to listen", "decide/plan", "if not occasion.heard:", "if False:"),
    mutant(
        "keys go off unheard",
        "decide/plan",
        'what = "switching it off"',
        "yield step\n                continue",
    ),
    mutant("holds begin unheard", "decide/plan", 'what = "its hold"', "yield step\n                continue"),
    mutant("a third key while nobody listens", "decide/plan", " if deletion_waits and keys > 1", " if False"),
    mutant("issued a day late", "policy", "- self.overlap_days - 2", "- self.overlap_days - 1"),
    mutant(
        "off at the threshold", "policy", "return self.max_key_age_days - 2", "return self.max_key_age_days"
    ),
    mutant("quiet a day early", "decide/state", "timedelta(days=days + 1)", "timedelta(days=days)"),
    mutant(
        "off a day late", "decide/conditions", "state.today >= state.off_on", "state.today > state.off_on"
    ),
    mutant(
        "a monthly job has a week",
        "decide/state",
        "self.policy.quiet_days if moved_on else self.policy.quiet_days_before_first_use",
        "self.policy.quiet_days",
    ),
    mutant("our own proof is a use", "model", 'use.service == "sts" and', 'use.service == "none" and'),
    mutant(
        "a secret scheduled for deletion counts as stored",
        "model",
        "return not self.deleted and CURRENT_STAGE",
        "return CURRENT_STAGE",
    ),
    mutant(
        "a day's exemption less",
        "decide/rules",
        "exemption.until < state.today",
        "exemption.until <= state.today",
    ),
    mutant(
        "a day's hold less",
        "decide/conditions",
        "until is not None and until <= state.today",
        "until is not None",
    ),
    mutant(
        "a hold of another successor counts",
        "decide/state",
        "return held.until if held.until >= earliest else None",
        "return held.until",
    ),
    mutant(
        "forced off without a chance to change over",
        "decide/conditions",
        "    if not used_since_successor(state, key):\n        return False\n",
        "",
    ),
    mutant(
        "by hand off though nobody holds the newer key",
        "decide/rules",
        "if someone_holds_successor(state) and announced",
        "if announced",
    ),
    mutant(
        "by hand off unannounced",
        "decide/rules",
        "and announced is not None and announced <= state.today",
        "",
    ),
    mutant(
        "an elder is deleted while it may be needed back",
        "decide/rules",
        "    if state.today < protected_until(state, key):\n        return\n",
        "",
    ),
    mutant(
        "deleted a day late",
        "decide/rules",
        "0 < state.policy.delete_after_days <= off",
        "0 < state.policy.delete_after_days < off",
    ),
    mutant(
        "a slot freed a day early",
        "decide/rules",
        "off >= state.policy.quiet_days and",
        "off >= state.policy.quiet_days - 1 and",
    ),
    mutant(
        "DeleteAfterDays 0 deletes at once",
        "decide/rules",
        "if 0 < state.policy.delete_after_days <= off",
        "if state.policy.delete_after_days <= off",
    ),
    mutant(
        "unused keys are replaced",
        "decide/state",
        "self.newest.used_on is not None or self.policy",
        "True or self.policy",
    ),
    mutant("a third key", "decide/state", "return len(self.keys) < 2", "return len(self.keys) < 3"),
    mutant(
        "an asked-for key is retired",
        "decide/conditions",
        "policy.unused_days == 0 or state.tags.replace_asked or not key.active",
        "policy.unused_days == 0 or not key.active",
    ),
    mutant(
        "a successor retired with its elder",
        "decide/rules",
        "if (elder := elder_of_late(state, key)) is None:",
        "if (elder := elder_of_late(state, key)) is None or elder:",
    ),
    mutant(
        "a looser threshold of one's own",
        "decide/state",
        "tags.max_age_days < policy.max_key_age_days",
        "tags.max_age_days > 0",
    ),
    mutant(
        "a person's key taken for an orphan",
        "decide/rules",
        "of_that_run and recent and key.use is None",
        "of_that_run and recent",
    ),
    mutant("an orphan of any age", "decide/rules", "return of_that_run and recent", "return of_that_run"),
    mutant(
        "another Region's replacement settled",
        "decide/rules",
        "if pending.region != state.occasion.region:",
        "if not pending.region:",
    ),
    mutant(
        "a running replacement settled",
        "decide/rules",
        "pending.since < state.occasion.function_timeout:",
        "pending.since < state.occasion.function_timeout * 0:",
    ),
    mutant(
        "replacements before work in flight",
        "decide/plan",
        "rank = 0 if kinds & {Deactivate, Hold} else 1 if",
        "rank = 2 if kinds & {Deactivate, Hold} else 1 if",
    ),
    mutant(
        "the scanner passes over what hangs on a fact",
        "decide/plan",
        "except NotLookedUp:\n        return True",
        "except NotLookedUp:\n        return False",
    ),
    mutant(
        "the scanner leaves keys over the threshold to the plan",
        "decide/plan",
        "if over_threshold(user.keys, policy, now",
        "if not user.name and over_threshold(user.keys, policy, now",
    ),
    mutant("what nobody asked for is none", "model", "raise NotLookedUp(what)", "return None"),
    mutant(
        "the end of an overlap comes near on its day",
        "decide/conditions",
        "state.today >= day - timedelta(days=state.policy.warn_days)",
        "state.today >= day",
    ),
    mutant(
        "a horizon a day short",
        "decide/rules",
        "horizon = state.today + timedelta(days=state.policy.warn_days)",
        "horizon = state.today + timedelta(days=state.policy.warn_days - 1)",
    ),
    mutant(
        "a deletion for its slot never comes near",
        "decide/rules",
        "yield max(due_on(state) or state.today, off_on + timedelta(days=policy.quiet_days))",
        "yield date.max",
    ),
    mutant(
        "unused only at the threshold",
        "decide/conditions",
        "if not long_enough and not too_old:",
        "if not too_old:",
    ),
    mutant(
        "used in a month is not in use",
        "decide/state",
        "not self.within(self.policy.quiet_days_before_first_use, elder.used_on)",
        "not self.within(self.policy.quiet_days, elder.used_on)",
    ),
    mutant(
        "nobody looks for a secret that goes", "decide/conditions", "days > 0 and days % 3 == 0", "days < 0"
    ),
    mutant(
        "exempt without a day",
        "decide/tags",
        "exempt=read(EXEMPT, _exemption,",
        "exempt=None and read(EXEMPT, _exemption,",
    ),
    mutant("a mark of tomorrow", "decide/tags", "if day > today:", "if day is None:"),
)


def survives(each: Mutant, checkout: Path) -> bool:
    """True when every test passes all the same. Raises when the code has moved on and the mutant is none."""
    module = checkout / CORE / each.module
    original = module.read_text()
    if original.count(each.old) != 1:
        raise ValueError(
            f"{each.name}: {each.old!r} occurs {original.count(each.old)} times in {each.module}"
        )
    module.write_text(original.replace(each.old, each.new))
    try:
        return all(
            _passes(checkout, tests)
            for tests in (
                ("tests/unit", "--ignore=tests/unit/decide/test_properties.py", *_NOT_OF_THE_CODE),
                ("tests/unit/decide/test_properties.py",),
            )
        )
    finally:
        module.write_text(original)


def _passes(checkout: Path, tests: tuple[str, ...]) -> bool:
    command = [sys.executable, "-m", "pytest", "--exitfirst", "--quiet", "-p", "no:cacheprovider", *tests]
    return subprocess.run(command, cwd=checkout, capture_output=True, check=False).returncode == 0


def main() -> int:
    """Exit status 1 when a mutant survives, or when the tests fail without one."""
    with TemporaryDirectory() as name:
        checkout = Path(name)
        for part in ("functions", "tests", "docs"):
            shutil.copytree(ROOT / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", checkout / "pyproject.toml")
        if not _passes(checkout, ("tests/unit", *_NOT_OF_THE_CODE)):
            print("the tests fail without a mutant")
            return 1
        survivors = []
        for each in MUTANTS:
            alive = survives(each, checkout)
            print(f"  {'SURVIVES' if alive else 'killed  '}  {each.name}", flush=True)
            survivors += [each.name] if alive else []
    print(f"{len(MUTANTS) - len(survivors)} of {len(MUTANTS)} mutants killed")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
