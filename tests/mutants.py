"""`make mutate`: named mutants of the rules, each of which a test in tests/unit/decide must notice."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
CORE = Path("functions/keyrotation")
# The quick ones first: most mutants are noticed there.
DECIDE = Path("tests/unit/decide")
_SLOW = ("test_properties.py", "test_walk.py")
TESTS = (
    # One test compares the list of rules: it would notice that one is missing, and not what that does.
    (
        str(DECIDE),
        *(f"--ignore={DECIDE / each}" for each in _SLOW),
        f"--deselect={DECIDE}/test_plan.py::test_the_rules_stand_in_the_order_of_the_design",
    ),
    *((str(DECIDE / each),) for each in _SLOW),
)


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
            "audit",
            "tags_to_mend",
            "tags_of_version_0_1",
            "exposed",
            "moved",
            "secret_lost",
            "gone_keys",
            "first_seen_inactive",
            "inactive",
            "switched_back_on",
            "fallen",
            "overlap_over",
            "made_by_hand",
            "unused",
            "replacement_due",
            "replacement_blocked",
            "vanished",
            "upcoming",
        ),
    ),
    # Notice first.
    mutant(
        "a notice for a day sooner than WarnDays",
        "decide/notices",
        "day=max(day, state.ahead(state.policy.warn_days))",
        "day=max(day, state.ahead(state.policy.warn_days - 1))",
    ),
    mutant(
        "a notice is given while nobody listens",
        "decide/notices",
        "    if not state.occasion.heard:\n        return _unheard(key) if day <= state.today else None\n",
        "",
    ),
    mutant(
        "a notice is kept while nobody listens",
        "decide/notices",
        "return Ripe(notice=notice) if state.occasion.heard else _unheard(key)",
        "return Ripe(notice=notice)",
    ),
    mutant(
        "a notice is kept a day early",
        "decide/notices",
        "if state.today < notice.day:",
        "if state.today < notice.day - timedelta(days=1):",
    ),
    mutant(
        "a notice is kept though its rule acts later",
        "decide/notices",
        "if day > state.today:\n        return give",
        "if day is None:\n        return give",
    ),
    mutant(
        "a notice is kept that nobody was reminded of",
        "decide/notices",
        "if not told_lately(notice, state.policy, state.today):",
        "if False:",
    ),
    mutant(
        "no run may be missed",
        "decide/notices",
        "return (today - notice.told).days <= policy.warn_days + 1",
        "return (today - notice.told).days <= policy.warn_days",
    ),
    mutant(
        "two runs may be missed",
        "decide/notices",
        "return (today - notice.told).days <= policy.warn_days + 1",
        "return (today - notice.told).days <= policy.warn_days + 2",
    ),
    mutant(
        "a notice of another reason is kept",
        "decide/notices",
        "if notice is None or notice.why is not why:",
        "if notice is None:",
    ),
    mutant("no weekly reminder", "decide/notices", "_WEEK = 7", "_WEEK = 70"),
    mutant(
        "reminded of from the last day only",
        "decide/notices",
        "horizon = max(LAST_DAYS, policy.warn_days)",
        "horizon = 1",
    ),
    mutant("told twice a day", "decide/notices", "    if notice.told >= today:\n        return False\n", ""),
    mutant(
        "in Audit notices stay",
        "decide/rules",
        "if not state.occasion.enforce:",
        "if state.occasion.enforce is None:",
    ),
    # What ends a notice.
    mutant(
        "an overlap notice outlives its pair",
        "decide/rules",
        "if not state.is_elder(key) or not state.issued:",
        "if False:",
    ),
    mutant(
        "an overlap notice outlives its secret",
        "decide/rules",
        "if looks_after_secret(state) and not state.stored:",
        "if False:",
    ),
    mutant(
        "a by-hand notice outlives a use",
        "decide/rules",
        '            if not successor_took_over(state, key):\n                return "it was used again"\n',
        "",
    ),
    mutant(
        "a by-hand notice of a stored pair",
        "decide/rules",
        '            if state.issued and state.stored:\n                return "the newer key is',
        '            if False:\n                return "the newer key is',
    ),
    mutant(
        "an unused notice outlives a use",
        "decide/rules",
        "if day is None or day > max(notice.day, state.ahead(state.policy.warn_days)):",
        "if day is None:",
    ),
    mutant(
        "an unused notice beside a replacement",
        "decide/rules",
        "if _replaced_today(state, key):",
        "if False:",
    ),
    mutant(
        "the notice of who is left alone stays",
        "decide/rules",
        "if state.left_alone_until(key):\n        return",
        "if False:\n        return",
    ),
    mutant(
        "a deletion announced for a key that is on",
        "decide/rules",
        "if key.active == (notice.what is What.DELETE):",
        "if False:",
    ),
    mutant(
        "a rename leaves switch-offs as they were",
        "decide/rules",
        "if key.notice is not None and key.notice.what is What.SWITCH_OFF:",
        "if False:",
    ),
    # The overlap.
    mutant("issued a day late", "policy", "- self.overlap_days - 2", "- self.overlap_days - 1"),
    mutant(
        "off at the threshold", "policy", "return self.max_key_age_days - 2", "return self.max_key_age_days"
    ),
    mutant("quiet a day early", "decide/state", "timedelta(days=days + 1)", "timedelta(days=days)"),
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
        "a secret of that name counts as stored",
        "decide/state",
        " or known.secret_arn != self.memory.secret_arn",
        "",
    ),
    mutant(
        "whatever AWSCURRENT holds counts as issued",
        "decide/state",
        "if known.issued_on is None or known.secret_arn is None or",
        "if known.secret_arn is not None and",
    ),
    mutant(
        "the overlap ends a day early",
        "decide/conditions",
        "return issued_on + timedelta(days=state.policy.overlap_days) if issued_on",
        "return issued_on + timedelta(days=state.policy.overlap_days - 1) if issued_on",
    ),
    mutant(
        "OverlapDays raised moves nothing",
        "decide/rules",
        "yield from _kept(state, key, Why.OVERLAP, OffReason.QUIET, why, day=ends)",
        "yield from _kept(state, key, Why.OVERLAP, OffReason.QUIET, why)",
    ),
    mutant(
        "an extension without a chance to change over",
        "decide/rules",
        "elif used_since_successor(state, key):",
        "elif True:",
    ),
    mutant(
        "used on the successor's day is a chance",
        "decide/conditions",
        "elder.used_on > state.pair[1].created_on",
        "elder.used_on >= state.pair[1].created_on",
    ),
    mutant(
        "the extension is WarnDays",
        "decide/rules",
        "extension = max(state.policy.in_use_extension_days, state.policy.warn_days)",
        "extension = state.policy.warn_days",
    ),
    mutant(
        "an extension ends by being quiet",
        "decide/rules",
        "if notice is not None and notice.why is Why.IN_USE:\n        yield",
        "if notice is not None and notice.why is Why.IN_USE and state.in_use(key):\n        yield",
    ),
    # Pairs by hand.
    mutant(
        "by hand off before the threshold is near",
        "decide/conditions",
        "return max(threshold, made_on",
        "return max(made_on, made_on",
    ),
    mutant(
        "by hand off before an overlap is over",
        "decide/conditions",
        "made_on + timedelta(days=state.policy.overlap_days))",
        "made_on)",
    ),
    mutant(
        "by hand off though nobody took over",
        "decide/conditions",
        "return used_on is not None and (elder.used_on is None or used_on > elder.used_on)",
        "return True",
    ),
    mutant(
        "by hand used on the same day is later",
        "decide/conditions",
        "elder.used_on is None or used_on > elder.used_on",
        "elder.used_on is None or used_on >= elder.used_on",
    ),
    mutant(
        "by hand off though in use",
        "decide/conditions",
        "if state.pair is None or state.in_use(elder):",
        "if state.pair is None:",
    ),
    # Inactive keys.
    mutant(
        "an elder is deleted while it may be needed back",
        "decide/rules",
        "    day = max(day, protected_until(state, key))\n    step",
        "    step",
    ),
    mutant(
        "a newer inactive key protects none",
        "decide/conditions",
        "other.seniority <= key.seniority and may_be",
        "other is key and may_be",
    ),
    mutant(
        "used on the day the older went off is used since",
        "decide/conditions",
        "newest.used_on <= off_since",
        "newest.used_on < off_since",
    ),
    mutant(
        "a slot is not looked for early",
        "decide/rules",
        "if (sooner := _needed_sooner(state, key, notice)) is not None:",
        "if (sooner := None) is not None:",
    ),
    mutant(
        "a deletion is told sooner though it is protected",
        "decide/rules",
        "    day = max(slot, protected_until(state, key))\n",
        "    day = slot\n",
    ),
    mutant(
        "a slot freed a day early",
        "decide/conditions",
        "timedelta(days=state.policy.quiet_days))\n    newest",
        "timedelta(days=state.policy.quiet_days - 1))\n    newest",
    ),
    mutant(
        "the newer of two inactive keys frees the slot", "decide/conditions", "or key is not oldest or", "or"
    ),
    mutant(
        "a slot for who may get no key",
        "decide/conditions",
        "return None if state.user.exposed is not None else day",
        "return day",
    ),
    mutant(
        "a slot while another tool manages the keys",
        "decide/conditions",
        "if state.memory.vanished or newest is None:",
        "if newest is None:",
    ),
    mutant(
        "a slot only for who uses it until the day",
        "decide/conditions",
        "on=state.today):\n            return None",
        "on=max(wanted_on, state.today)):\n            return None",
    ),
    mutant(
        "DeleteAfterDays 0 deletes",
        "decide/conditions",
        "* bool(\n        state.policy.delete_after_days\n    )",
        "",
    ),
    mutant(
        "a switch-off's mail says nothing of the deletion",
        "decide/rules",
        "notice = notice_of(then, what=What.DELETE, why=Why.INACTIVE, day=deleted_on) if deleted_on else None",
        "notice = None",
    ),
    mutant(
        "a switch-off's notice is one of a deletion",
        "decide/rules",
        "    if notice is not None and notice.what is not What.DELETE:\n        notice = None\n",
        "",
    ),
    mutant(
        "left alone a day less",
        "decide/state",
        "return until if until > self.today else None",
        "return until if until > self.today + timedelta(days=1) else None",
    ),
    mutant(
        "left alone for the extension only",
        "decide/state",
        "timedelta(days=max(self.policy.in_use_extension_days, self.policy.quiet_days))",
        "timedelta(days=self.policy.quiet_days)",
    ),
    # Unused keys.
    mutant(
        "an asked-for key is retired",
        "decide/conditions",
        "policy.unused_days == 0 or state.tags.replace_asked or not key.active",
        "policy.unused_days == 0 or not key.active",
    ),
    mutant(
        "retired though it was switched back on",
        "decide/conditions",
        "not key.active or state.left_alone_until(key):\n        return None\n    day",
        "not key.active:\n        return None\n    day",
    ),
    mutant(
        "never used reaches the threshold",
        "decide/conditions",
        "day = min(day, safe)",
        "day = max(day, safe)",
    ),
    mutant(
        "an elder is retired beside a stored successor",
        "decide/conditions",
        "if state.issued and state.stored:\n            return None\n        day",
        "if False:\n            return None\n        day",
    ),
    mutant("an elder by hand is retired early", "decide/conditions", "day = max(day, safe)\n", "pass\n"),
    mutant(
        "a successor is retired with its elder",
        "decide/conditions",
        "        if elder.active:\n            return None\n",
        "",
    ),
    mutant(
        "a successor is retired just after its elder",
        "decide/conditions",
        "day = max(day, state.off_since(elder) + timedelta(days=policy.quiet_days_before_first_use))",
        "pass",
    ),
    mutant(
        "a retirement is told on its day",
        "decide/rules",
        "if day <= state.ahead(state.policy.warn_days):",
        "if day <= state.today:",
    ),
    # Replacements.
    mutant(
        "unused keys are replaced",
        "decide/state",
        "return newest.used_on is not None and",
        "return newest.used_on is None or",
    ),
    mutant("a third key", "decide/state", "return len(self.keys) < 2", "return len(self.keys) < 3"),
    mutant(
        "a new key for who holds an exposed one",
        "decide/state",
        "        if self.user.exposed is not None:\n            return None\n",
        "",
    ),
    mutant("a vanished key is replaced", "decide/state", " or self.memory.vanished):", "):"),
    mutant(
        "a replacement is announced by no notice",
        "decide/rules",
        "day=off_on) if heard else None,",
        "day=off_on) if None else None,",
    ),
    mutant(
        "a looser threshold of one's own",
        "decide/state",
        "tags.max_age_days < policy.max_key_age_days",
        "tags.max_age_days > 0",
    ),
    # Keys that are gone.
    mutant(
        "a key that was off vanished",
        "decide/rules",
        "if newest is not None and issued[newest].off_since is None and state.keys:",
        "if newest is not None and state.keys:",
    ),
    mutant(
        "the last key of a user vanished",
        "decide/rules",
        "issued[newest].off_since is None and state.keys:",
        "issued[newest].off_since is None:",
    ),
    mutant(
        "a key that was not the newest vanished",
        "decide/rules",
        "if all(other <= made_on for other in others):",
        "if True:",
    ),
    mutant(
        "an exemption does not end the stop",
        "decide/rules",
        "    if state.memory.vanished is not None:\n        yield ForgetVanished()\n",
        "",
    ),
    mutant(
        "gone during an exemption has vanished",
        "decide/rules",
        "    if gone := _gone(state):\n        yield ForgetKeys(key_ids=gone)\n",
        "    yield from gone_keys(state)\n",
    ),
    mutant(
        "off during an exemption is not remembered",
        "decide/rules",
        "    yield from first_seen_inactive(state)\n",
        "",
    ),
    mutant(
        "a day's exemption less",
        "decide/rules",
        "exemption.until < state.today",
        "exemption.until <= state.today",
    ),
    # What is remembered.
    mutant(
        "a run that dies leaves the notice of a switch-off",
        "decide/remembering",
        "off_because=reason, back_on=None, notice=None)",
        "off_because=reason, back_on=None)",
    ),
    mutant(
        "what another notice replaces is not forgotten first",
        "decide/remembering",
        "        case GiveNotice(key_id=key_id, instead_of=instead_of) if instead_of is not None:\n            return memory.with_key(key_id, notice=None)\n",
        "",
    ),
    mutant(
        "a person's switch-off keeps the notice",
        "decide/remembering",
        "kept = notice if notice is not None and notice.what is What.DELETE else None",
        "kept = notice",
    ),
    mutant(
        "back on keeps its notice",
        "decide/remembering",
        "off_since=None, off_because=None, back_on=on, notice=None)",
        "off_since=None, off_because=None, back_on=on)",
    ),
    # Interrupted replacements.
    mutant(
        "a person's key taken for an orphan",
        "decide/rules",
        "return of_that_run and key.use is None",
        "return of_that_run",
    ),
    mutant(
        "an orphan of any time",
        "decide/rules",
        "return of_that_run and key.use is None",
        "return key.use is None",
    ),
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
    # The order, and what is asked.
    mutant(
        "replacements before work in flight",
        "decide/plan",
        "return 0 if in_flight else 1, oldest",
        "return 1 if in_flight else 0, oldest",
    ),
    mutant(
        "what is only remembered takes a place",
        "decide/plan",
        "isinstance(action, OnlyRemembered)",
        'isinstance(action, OnlyRemembered) and not hasattr(action, "instead_of")',
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
        "a later day is named before the slot's",
        "decide/conditions",
        "if far and not newest.asked and not _first_named(state, key, before=day):",
        "if far and not newest.asked:",
    ),
    mutant(
        "nobody looks for a secret that goes", "decide/conditions", "days > 0 and days % 3 == 0", "days < 0"
    ),
    mutant(
        "a replacement is announced on its day",
        "decide/rules",
        "return state.today < day <= state.ahead(state.policy.warn_days)",
        "return state.today < day <= state.today",
    ),
    mutant(
        "exempt without a day",
        "decide/tags",
        "exempt = read(EXEMPT, _exemption,",
        "exempt = None and read(EXEMPT, _exemption,",
    ),
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
        return all(_passes(checkout, tests) for tests in TESTS)
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
        if not all(_passes(checkout, tests) for tests in TESTS):
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
