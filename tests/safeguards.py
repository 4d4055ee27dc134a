"""`make mutate`: each safeguard of a replacement taken out, and the test that must then fail.

`python -m tests.safeguards --table` prints the table of docs/design.md.
"""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, kw_only=True)
class Safeguard:
    """Without it, `old`, which occurs once in the module, is `new`; then `test` of tests/component fails."""

    name: str
    module: str
    old: str
    new: str
    test: str

    @property
    def file(self) -> Path:
        return Path("functions") / self.module

    @property
    def node(self) -> str:
        return f"tests/component/{self.test}"


def without(name: str, module: str, old: str, new: str, *, test: str) -> Safeguard:
    return Safeguard(name=name, module=module, old=old, new=new, test=test)


STORE, ISSUER = "keyrotation/act/secret_store.py", "keyrotation/act/replacement.py"
APPLIER, LEDGER = "keyrotation/act/apply.py", "keyrotation/act/ledger.py"
SAFEGUARDS = (
    without(
        "`pending` before a key is made",
        ISSUER,
        "                    pending=pending,\n",
        "",
        test="act/test_crashes.py::test_a_key_that_nobody_can_hold_is_deleted_before_pending_is_forgotten_and_then_replaced",
    ),
    without(
        "its list of the keys that existed",
        APPLIER,
        "key_ids=tuple(key.id for key in user.keys)",
        "key_ids=()",
        test="act/test_replacement.py::test_pending_says_when_where_which_run_and_which_keys_there_were_before_a_key_is_made",
    ),
    without(
        "one rotator alone goes on from a memory",
        "keyrotation/remember/table.py",
        '_AS_READ = "#revision = :was AND #schema <= :schema"',
        '_AS_READ = "#revision >= :was AND #schema <= :schema"',
        test="act/test_replacement.py::test_no_key_is_made_when_memory_was_changed_after_it_was_read",
    ),
    without(
        "what could not be written is not written a moment later",
        LEDGER,
        "            self.memory = collected\n",
        "",
        test="act/test_apply.py::test_what_was_not_done_is_not_remembered_when_only_its_own_write_failed",
    ),
    without(
        "roll-back",
        ISSUER,
        "            delete_key(self.iam, user, key.id)\n",
        "            pass\n",
        test="act/test_replacement.py::test_a_key_that_cannot_be_handed_over_is_deleted_again",
    ),
    without(
        "describe before roll-back",
        ISSUER,
        "            secret = describe(self.secrets.client, arn)\n",
        "            secret = user.the_secret\n",
        test="act/test_replacement.py::test_the_secret_is_looked_at_before_the_key_is_deleted_and_pending_goes_last",
    ),
    without(
        "no roll-back of a key that is AWSCURRENT",
        ISSUER,
        "if secret is not None and CURRENT_STAGE in secret.stages_of(key.id):",
        "if secret is None:",
        test="act/test_replacement.py::test_a_lost_answer_to_the_promotion_is_a_success",
    ),
    without(
        "proof before promotion",
        ISSUER,
        "            self._prove(user, key)\n",
        "",
        test="act/test_replacement.py::test_a_key_that_never_authenticates_is_rolled_back_after_bounded_patience",
    ),
    without(
        "a failure that does not chain the error which may quote the key",
        ISSUER,
        "        raise ReplacementFailed(what) from None\n",
        "        raise ReplacementFailed(what)\n",
        test="act/test_replacement.py::test_a_failure_does_not_show_the_secret_half_that_aws_quotes",
    ),
    without(
        "`issued` before `pending` goes",
        APPLIER,
        "                self._recall(user, key_id, issued.secret_arn, ledger)\n",
        "",
        test="act/test_crashes.py::test_a_key_that_is_stored_is_promoted_once_its_policy_is_made_sure_of_and_no_other_is_made",
    ),
    without(
        "policy read-back",
        STORE,
        "if not self._has_policy(arn, ours):",
        "if False:",
        test="act/test_secret_store.py::test_a_policy_that_is_not_ours_on_read_back_is_refused",
    ),
    without(
        "the secret that memory knows",
        STORE,
        "        arn = None if known is None else self._found(known, user)\n",
        "        arn = None\n",
        test="act/test_secret_store.py::test_the_secret_of_a_user_who_was_renamed_keeps_its_name",
    ),
    without(
        "the secret by its ARN",
        STORE,
        "            SecretId=arn,\n            ClientRequestToken",
        '            SecretId=arn.split(":secret:")[1][:-7],\n            ClientRequestToken',
        test="act/test_secret_store.py::test_what_comes_after_goes_by_the_arn_and_never_by_the_name",
    ),
    without(
        "a description that says who made the secret",
        STORE,
        '    if not found.get("Description", "").endswith(_MADE_BY):\n',
        "    if False:\n",
        test="act/test_secret_store.py::test_a_secret_that_somebody_else_made_anew_under_the_name_is_refused",
    ),
    without(
        "restore",
        STORE,
        '            self.client.restore_secret(SecretId=found["ARN"])\n',
        "            pass\n",
        test="act/test_secret_store.py::test_a_secret_scheduled_for_deletion_is_restored",
    ),
    without(
        "placeholder in a new secret",
        STORE,
        "                SecretString=_placeholder(user),\n",
        "",
        test="act/test_secret_store.py::test_a_new_secret_holds_a_placeholder_and_no_key",
    ),
    without(
        "placeholder in a secret without a value",
        STORE,
        "            put = self.client.put_secret_value(SecretId=arn, SecretString=_placeholder(user))\n"
        '            current = put["VersionId"]\n',
        '            current = ""\n',
        test="act/test_secret_store.py::test_a_secret_without_a_value_gets_a_placeholder_and_the_key_is_not_current_before_it_is_promoted",
    ),
    without(
        "memory before a switch-off",
        APPLIER,
        "        ledger.write(replace(remembering.before(known, action), changed=self.occasion.today))\n",
        "",
        test="act/test_apply.py::test_memory_knows_a_key_as_off_before_it_is_off",
    ),
    without(
        "a look before memory is put back",
        APPLIER,
        "if refused_before_effect(error) and self._is_on(user, action.key_id):",
        "if refused_before_effect(error):",
        test="act/test_apply.py::test_a_refusal_of_a_later_try_leaves_known_as_off_what_went_off_in_an_earlier_one",
    ),
    without(
        "memory before a deletion",
        APPLIER,
        "                ledger.write(replace(begun, deleted={**begun.deleted, key_id: today}))\n",
        "",
        test="act/test_apply.py::test_a_key_that_another_rotator_looks_after_is_not_deleted",
    ),
    without(
        "a notice forgotten before another is told",
        APPLIER,
        "            to_give = to_give if cause is None else []\n",
        "",
        test="act/test_apply.py::test_a_notice_is_not_given_while_the_one_that_it_replaces_could_not_be_forgotten",
    ),
    without(
        "a notice that counts once its message went out",
        "keyrotation/run/record.py",
        "        if self.message_id is None:\n            return Heard()\n",
        "",
        test="act/test_crashes.py::test_what_no_message_told_is_not_remembered",
    ),
    without(
        "a report that went out, and no other, gives notices",
        "keyrotation/decide/remembering.py",
        "    if on is None or offer.report != hearing.report:\n        return memory\n",
        "    if on is None:\n        return memory\n",
        test="run/test_member.py::test_a_notice_that_the_mail_did_not_hold_is_given_anew_for_another_day",
    ),
    without(
        "the centre's word counts for 50 hours",
        "keyrotation/tell/reports.py",
        "        if self.now() - at > FRESH:\n            return Hearing(listeners=0)\n",
        "",
        test="run/test_member.py::test_while_the_centre_is_dead_for_three_days_nothing_goes_off_and_then_it_goes_on",
    ),
    without(
        "the centre's mail before its word",
        "digest.py",
        "    for page in digest.pages:\n        send(page, to=settings.topic_arn)\n",
        "",
        test="centre/test_digest_function.py::test_the_mail_goes_out_before_any_word_is_left",
    ),
    without(
        "the centre's word says that nobody listens to it",
        "digest.py",
        "listeners=day.listeners)",
        "listeners=1)",
        test="centre/test_digest_function.py::test_when_nobody_is_subscribed_any_more_the_accounts_hear_that_instead_of_yesterdays_word",
    ),
    without(
        "nothing goes off while nobody listens",
        "keyrotation/decide/notices.py",
        "    return Ripe(notice=notice) if state.occasion.heard else _unheard(key)\n",
        "    return Ripe(notice=notice)\n",
        test="run/test_cycle.py::test_while_nobody_is_known_to_listen_nothing_goes_off_or_away_and_no_notice_is_given_but_keys_are_replaced",
    ),
    without(
        "notices that fall before the owner is let in",
        APPLIER,
        "                ledger.flush()\n                self.issuer",
        "                self.issuer",
        test="act/test_apply.py::test_the_policy_is_put_anew_on_the_secret_that_memory_knows_and_then_remembered",
    ),
    without(
        "the cap of a day, whatever the number of its runs",
        "keyrotation/run/rotation.py",
        " | set(changed_today)",
        "",
        test="run/test_rotation.py::test_the_cap_counts_whom_earlier_runs_of_the_day_changed",
    ),
    without(
        "notices that fall in Audit, whoever can be read",
        "keyrotation/decide/rules.py",
        "    if not state.occasion.enforce:\n",
        "    if False:\n",
        test="run/test_cycle.py::test_audit_drops_the_notices_also_of_a_user_who_cannot_be_read",
    ),
    without(
        "what nobody listened to was not told",
        "rotator.py",
        "message_id if run.listeners else None",
        "message_id",
        test="run/test_cycle.py::test_while_nobody_is_known_to_listen_nothing_goes_off_or_away_and_no_notice_is_given_but_keys_are_replaced",
    ),
    without(
        "a request whose tag is still there stays pending",
        "keyrotation/act/replacement.py",
        "pending = None if finished else known.pending",
        "pending = None",
        test="run/test_surroundings.py::test_a_tag_that_may_never_be_removed_is_told_every_day_and_makes_no_second_key",
    ),
    without(
        "a look right before acting",
        "keyrotation/run/rotation.py",
        "            anew = plan(eyes.look, name)\n",
        "            anew = plan(eyes.glance, name)\n",
        test="run/test_cycle.py::test_a_tag_that_comes_after_the_listing_counts_before_anything_is_done",
    ),
    without(
        "no retry of CreateAccessKey",
        "rotator.py",
        'iam_once = session.client("iam", config=ONCE)',
        'iam_once = boto3.client("iam", config=CONFIG)',
        test="run/test_cycle.py::test_a_lost_answer_to_the_creation_is_not_sent_again_by_the_handlers_own_clients",
    ),
)


def table() -> str:
    """Markdown: each safeguard and the test that fails without it."""
    rows = [f"| {each.name} | `{each.test.replace('::', '` `')}` |" for each in SAFEGUARDS]
    return "\n".join(["| without | fails |", "|---|---|", *rows])


def fails(each: Safeguard, checkout: Path) -> bool:
    """True when the named test notices. Raises when the code has moved on and the safeguard is not where it was."""
    module = checkout / each.file
    original = module.read_text()
    if original.count(each.old) != 1:
        raise ValueError(
            f"{each.name}: {each.old!r} occurs {original.count(each.old)} times in {each.module}"
        )
    module.write_text(original.replace(each.old, each.new))
    try:
        return not _passes(checkout, each.node)
    finally:
        module.write_text(original)


def _passes(checkout: Path, *nodes: str) -> bool:
    command = [sys.executable, "-m", "pytest", "--exitfirst", "--quiet", "-p", "no:cacheprovider", *nodes]
    return subprocess.run(command, cwd=checkout, capture_output=True, check=False).returncode == 0


def main(arguments: list[str]) -> int:
    """Exit status 1 when a test does not miss its safeguard, or when the tests fail with all of them."""
    if arguments == ["--table"]:
        print(table())
        return 0
    with TemporaryDirectory() as name:
        checkout = Path(name)
        for part in ("functions", "tests", "sandbox", "infra"):
            shutil.copytree(ROOT / part, checkout / part, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", checkout)
        if not _passes(checkout, *sorted({each.node for each in SAFEGUARDS})):
            print("the tests fail with every safeguard in its place")
            return 1
        unmissed = []
        for each in SAFEGUARDS:
            noticed = fails(each, checkout)
            print(f"  {'noticed ' if noticed else 'UNMISSED'}  without {each.name}", flush=True)
            unmissed += [] if noticed else [each.name]
    print(f"{len(SAFEGUARDS) - len(unmissed)} of {len(SAFEGUARDS)} safeguards missed by their tests")
    return 1 if unmissed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
