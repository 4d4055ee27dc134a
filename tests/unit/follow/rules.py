"""`make mutate`: each rule that makes access-key-follow safe taken out, and the test that must then fail."""

import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.safeguards import ROOT, Safeguard, fails


class Rule(Safeguard):
    """Of `functions/keyrotation/follow`; its test is beside this file."""

    @property
    def file(self) -> Path:
        return Path("functions/keyrotation/follow") / self.module

    @property
    def node(self) -> str:
        return f"tests/unit/follow/{self.test}"


def rule(name: str, module: str, old: str, new: str, *, test: str) -> Rule:
    return Rule(name=name, module=module, old=old, new=new, test=test)


RULES = (
    rule(
        "nothing is signed with the old key",
        "look.py",
        "    begun = replace(state, previous=previous, handed=handed)\n",
        "    begun = replace(state, previous=previous, handed=handed)\n    previous and aws.owner(previous)\n",
        test="test_look.py::test_after_the_change_nothing_is_signed_with_the_old_key",
    ),
    rule(
        "no proof before the command",
        "look.py",
        "        handed_over = self._hand_over(found)\n",
        "        self._aws.owner(found)\n        handed_over = self._hand_over(found)\n",
        test="test_look.py::test_with_a_command_nothing_is_signed_with_the_new_key_before_the_command_took_it",
    ),
    rule(
        "no change without the command",
        "look.py",
        "        if why is not None:\n",
        "        if why == '':\n",
        test="test_look.py::test_while_the_command_fails_nothing_at_all_is_signed_with_the_new_key",
    ),
    rule(
        "no look of a serve where a command hands over",
        "serve.py",
        "state.handed is None and ",
        "",
        test="test_serve.py::test_a_key_that_a_command_hands_over_is_served_and_never_changed",
    ),
    rule(
        "the new key is kept before the command gets it",
        "look.py",
        "            self._keep(replace(self.state, offered=key))\n",
        "            pass\n",
        test="test_look.py::test_a_new_key_is_kept_before_the_command_gets_it_and_outlives_the_old_one",
    ),
    rule(
        "a key that the command took is not fetched with the old one again",
        "look.py",
        "offered.id == self.state.handed",
        "offered.id == ''",
        test="test_look.py::test_after_a_crash_right_after_the_command_it_is_not_run_again_and_the_old_key_signs_nothing",
    ),
    rule(
        "the same user",
        "look.py",
        "if arn != self.state.arn:",
        "if arn == '':",
        test="test_look.py::test_a_new_key_that_belongs_to_somebody_else_is_never_served",
    ),
    rule(
        "the user whom the secret names",
        "look.py",
        "if offer.user_name != self.state.user_name:",
        "if offer.user_name == '':",
        test="test_look.py::test_a_secret_that_names_another_user_is_not_followed_and_its_key_not_even_tried",
    ),
    rule(
        "a wrong clock is not a dead key",
        "look.py",
        '"InvalidAccessKeyId"})',
        '"InvalidAccessKeyId", "SignatureDoesNotMatch"})',
        test="test_look.py::test_a_wrong_clock_or_any_other_failure_is_not_a_dead_key",
    ),
    rule(
        "the key before is forgotten",
        "look.py",
        "if now - state.changed <= KEPT else None",
        "if now else None",
        test="test_look.py::test_the_key_before_is_kept_for_three_days_and_then_forgotten",
    ),
    rule(
        "the key before is kept",
        "look.py",
        "if now - state.changed <= KEPT else None",
        "if not now else None",
        test="test_look.py::test_the_key_before_is_asked_when_aws_says_that_the_new_one_is_dead",
    ),
    rule(
        "the store is written before AWS is asked",
        "refresh.py",
        "        self.store.write(begun(state))\n",
        "",
        test="test_serve.py::test_where_the_disk_takes_nothing_no_key_is_used_and_the_old_one_is_served",
    ),
    rule(
        "one process at a time",
        "store.py",
        "            lock.acquire()\n",
        "            pass\n",
        test="test_store.py::test_a_store_belongs_to_one_process_at_a_time",
    ),
    rule(
        "the file is flushed",
        "store.py",
        "            os.fsync(file.fileno())\n",
        "",
        test="test_store.py::test_the_file_is_flushed_before_it_is_moved_and_the_move_after_it",
    ),
    rule(
        "the move is flushed",
        "store.py",
        "    _flush(path.parent)\n",
        "",
        test="test_store.py::test_the_file_is_flushed_before_it_is_moved_and_the_move_after_it",
    ),
    rule(
        "written beside it and moved",
        "store.py",
        "        fresh.replace(path)\n",
        "        path.write_text(text)\n",
        test="test_store.py::test_killed_at_any_step_of_a_write_it_is_whole_and_the_next_write_leaves_nothing_else",
    ),
    rule(
        "for its owner alone",
        "store.py",
        "            fresh.chmod(mode)\n",
        "            fresh.chmod(0o644)\n",
        test="test_store.py::test_only_its_owner_may_read_it_whatever_the_umask",
    ),
    rule(
        "an error quotes nothing",
        "told.py",
        "    return type(error).__name__",
        "    return str(error)",
        test="test_serve.py::test_an_error_that_nobody_thought_of_is_told_by_its_kind_alone",
    ),
    rule(
        "a key's secret is in no repr",
        "store.py",
        "field(repr=False)",
        "field()",
        test="test_store.py::test_no_secret_is_in_what_python_prints_of_a_key_or_a_state",
    ),
    rule(
        "an answer has an end",
        "serve.py",
        ', "Expiration": f"{expires:%Y-%m-%dT%H:%M:%SZ}"',
        "",
        test="test_serve.py::test_the_answer_is_the_contracts_and_good_for_an_hour",
    ),
    rule(
        "no two consumers",
        "cli.py",
        "    if not options.take_over:",
        "    if options.take_over is None:",
        test="test_cli.py::test_adopt_leaves_no_two_consumers_behind_and_does_nothing_unless_it_may_take_over",
    ),
)


def main() -> int:
    """Exit status 1 when a test does not miss its rule."""
    with TemporaryDirectory() as name:
        checkout = Path(name)
        for part in ("functions", "tests"):
            shutil.copytree(ROOT / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", checkout)
        unmissed = []
        for each in RULES:
            noticed = fails(each, checkout)
            print(f"  {'noticed ' if noticed else 'UNMISSED'}  without {each.name}", flush=True)  # noqa: T201
            unmissed += [] if noticed else [each.name]
    print(f"{len(RULES) - len(unmissed)} of {len(RULES)} rules of access-key-follow missed by their tests")  # noqa: T201
    return 1 if unmissed else 0


if __name__ == "__main__":
    sys.exit(main())
