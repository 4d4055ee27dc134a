"""What is told of a run: what stands first, what stands where, and that nobody can forge any of it."""

import re
from dataclasses import replace

import pytest
from keyrotation.memory import KeyMemory, OffReason, Vanished, Why
from keyrotation.run.record import Run
from keyrotation.run.settings import Notify, RotatorSettings
from keyrotation.tell.blocks import Part
from keyrotation.tell.digest import Digest, digest_of
from keyrotation.tell.headline import subject_of
from keyrotation.tell.report import Severity, report_of

from tests.unit.people import NEW, OLD, THIRD, TODAY, at, days_ago, key, known, notice, off
from tests.unit.scenes import (
    AUDIT,
    BACK_ON,
    DUE,
    ENFORCE,
    EXEMPT,
    EXTENDED,
    FORCED,
    HELD,
    LONG_OFF,
    PREFIX,
    QUIET,
    REMINDED,
    SCENES,
    SOON,
    UNREADABLE,
    pair,
    run_of,
    user,
)

TWO_APPLICATIONS = user("tina", key(200, used=0), key(74, used=1, id=NEW))
ROLLED_BACK = f"rolled back: the new key {NEW} was deleted (GetCallerIdentity: no answer)"
WHERE = "123456789012: "


@pytest.mark.parametrize(
    ("run", "subject", "severity"),
    [
        (run_of(), "Nothing to do", Severity.INFO),
        (run_of(EXEMPT), "Nothing to do", Severity.INFO),
        (run_of(SOON), "Coming up: 1 change, the first on 11-26", Severity.INFO),
        (run_of(DUE), "INSTALL by 12-06: 1 new key", Severity.INFO),
        (run_of(QUIET), "Done: 1 key switched off", Severity.INFO),
        (run_of(REMINDED), "Coming up: 1 change, the first on 11-25", Severity.INFO),
        (
            run_of(DUE, QUIET),
            "INSTALL by 12-06: 1 new key, 1 key switched off",
            Severity.INFO,
        ),
        (
            run_of(DUE, SOON, UNREADABLE, waiting=1),
            "ATTENTION: 1 user needs someone",
            Severity.ATTENTION,
        ),
        (run_of(UNREADABLE), "ATTENTION: 1 user needs someone", Severity.ATTENTION),
        (run_of(BACK_ON), "ACT by 12-06: 1 user needs someone", Severity.ATTENTION),
        (run_of(TWO_APPLICATIONS), "ATTENTION: 1 replacement blocked by two keys", Severity.ATTENTION),
        (
            run_of(DUE, HELD, UNREADABLE),
            "ACT by 12-06: 1 key in use goes off, +1 user",
            Severity.ATTENTION,
        ),
        (run_of(DUE, root=True), "CRITICAL: the root user has access keys", Severity.CRITICAL),
        (run_of(root=None), "ATTENTION: the account needs someone", Severity.ATTENTION),
        (
            run_of(DUE, listeners=0),
            "ATTENTION: confirm a subscription, no key goes off",
            Severity.ATTENTION,
        ),
        (
            run_of(DUE, listeners=None),
            "ATTENTION: subscriptions not read, no key goes off",
            Severity.ATTENTION,
        ),
        (run_of(with_keys=2466), "Nothing to do", Severity.INFO),
        (run_of(HELD, FORCED), "CRITICAL: 1 key in use was switched off", Severity.CRITICAL),
        (
            run_of(DUE, failure="nobody knows whether a key was made"),
            "FAILED: changes to 1 user did not finish",
            Severity.CRITICAL,
        ),
        (
            run_of(DUE, failure=ROLLED_BACK),
            "FAILED: 1 replacement rolled back, nothing lost",
            Severity.CRITICAL,
        ),
        (
            run_of(DUE, failure="no key was made (CreateAccessKey: AccessDenied)"),
            "FAILED: 1 replacement not made, nothing lost",
            Severity.CRITICAL,
        ),
    ],
)
def test_the_subject_says_the_most_important_first(run: Run, subject: str, severity: Severity) -> None:
    digest = digest_of(run, ENFORCE, redelivered=False)
    assert digest.subject == f"{WHERE}{subject}"
    assert digest.severity is severity


def test_who_waits_under_the_cap_stands_in_the_subject() -> None:
    digest = digest_of(run_of(DUE, SOON, waiting=1), ENFORCE, redelivered=False)
    assert digest.subject == f"{WHERE}INSTALL by 12-06: 1 new key, 1 waits"


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("prod", "prod: {} (123456789012)"),
        ("", "123456789012: {}"),
        ("a-company-with-a-long-name-production", "a-compan..oduction: {} (123456789012)"),
    ],
)
def test_a_long_alias_is_shortened_and_never_the_deadline(alias: str, name: str) -> None:
    run = run_of(*[replace(HELD, name=f"h{n}") for n in range(5)], alias=alias)
    subject = digest_of(run, ENFORCE, redelivered=False).subject
    assert subject == name.format("ACT by 12-06: 5 keys in use go off")
    assert len(subject.partition(" (")[0]) <= 60


@pytest.mark.parametrize(
    ("run", "settings", "subject"),
    [
        (
            run_of(HELD, UNREADABLE, alias="prod"),
            ENFORCE,
            "prod: ACT by 12-06: 5000 keys in use go off, +5000 users (123456789012)",
        ),
        (
            run_of(DUE, QUIET, LONG_OFF, alias="prod"),
            ENFORCE,
            "prod: INSTALL by 12-06: 5000 new keys, 5000 keys switched off, 5000 keys deleted (123456789012)",
        ),
        (
            run_of(DUE, QUIET, LONG_OFF, alias="prod", enforce=False),
            AUDIT,
            "prod: AUDIT: would replace 5000 access keys (123456789012)",
        ),
    ],
)
def test_the_largest_numbers_leave_room_for_the_deadline_and_the_account(
    run: Run, settings: RotatorSettings, subject: str
) -> None:
    """As many of each as one order can name."""
    report = report_of(run, settings, redelivered=False)
    many = {
        part: tuple(replace(entry, user=f"{entry.user}{n}") for entry in entries for n in range(5000))
        for part, entries in report.parts.items()
    }
    assert subject_of(replace(report, parts=many)) == subject


def test_in_audit_the_mail_says_what_would_be_done_and_that_nothing_was() -> None:
    """A key that was announced in Enforce is not switched off: its notice falls, and a new one would be given."""
    digest = digest_of(run_of(DUE, QUIET, enforce=False), AUDIT, redelivered=False)
    assert digest.subject == f"{WHERE}AUDIT: would replace 1 access key"
    assert "and announce what happens to 1 other key" in flat(digest)
    assert "WOULD BE DONE (Mode is Audit: nothing was changed)" in digest.body
    assert "In Enforce, this mail would give notice of its switch-off" in flat(digest)
    assert "it was switched off" not in digest.body.lower()
    assert digest.named == ()


def flat(digest: Digest) -> str:
    return " ".join(digest.body.split())


def test_a_replaced_key_comes_with_its_secret_its_off_date_and_the_command_for_the_owner() -> None:
    body = flat(digest_of(run_of(DUE), ENFORCE, redelivered=False))
    assert f"the new key {NEW} is in the secret access-keys/alice/credentials. Install it." in body
    assert f"On 2026-12-06, in 14 days, {OLD} is switched off (overlap: if nobody uses it by then)." in body
    assert (
        "The owner, with the old key, to fetch the new key: aws secretsmanager get-secret-value --region"
        in body
    )


def test_a_key_that_was_forced_off_comes_with_the_way_back() -> None:
    body = flat(digest_of(run_of(FORCED), ENFORCE, redelivered=False))
    assert "SWITCHED OFF WHILE IN USE * dave" in body
    command = f"aws iam update-access-key --user-name=dave --access-key-id={OLD} --status=Active"
    assert command in body.replace("\\ ", "")


def test_the_root_users_keys_and_a_cap_that_cannot_keep_up_are_told_before_everyone_elses() -> None:
    body = flat(digest_of(run_of(UNREADABLE, root=True, with_keys=5000), ENFORCE, redelivered=False))
    assert (
        "THE ACCOUNT The root user has access keys. No policy limits what they can do: delete them." in body
    )
    assert (
        "MaxUsersPerRun=100 keeps up with about 2466 users who have keys, and this account has 5000" in body
    )
    assert body.index("THE ACCOUNT") < body.index("NEEDS SOMEONE")


def test_a_failure_is_told_by_user_and_cause_before_everything_else() -> None:
    body = flat(
        digest_of(
            run_of(HELD, DUE, failure="replace failed (CreateAccessKey: AccessDenied)"),
            ENFORCE,
            redelivered=False,
        )
    )
    assert "FAILED * carol Replace failed (CreateAccessKey: AccessDenied)." in body


def test_a_key_forced_off_is_told_though_many_others_failed() -> None:
    failing = run_of(*(user(f"f{number:02}", key(74, used=0)) for number in range(30)), failure="no answer")
    forced = run_of(FORCED)
    both = replace(failing, plans=failing.plans + forced.plans, outcomes=failing.outcomes + forced.outcomes)
    digest = digest_of(both, ENFORCE, redelivered=False)
    assert digest.subject.startswith(f"{WHERE}CRITICAL: 1 key in use was switched off")
    assert "SWITCHED OFF WHILE IN USE * dave" in flat(digest)


def test_the_key_is_told_with_description_age_and_last_use() -> None:
    described = user("carol", key(74, used=3), tags={OLD: "nightly export", f"{PREFIX}owner": "payments"})
    body = flat(digest_of(run_of(described), ENFORCE, redelivered=False))
    assert '* carol (owner: "payments")' in body
    assert f'{OLD} "nightly export", 74 days old, last used 2026-11-19 on s3 in eu-west-1' in body


def test_who_is_exempt_and_until_when_stands_in_a_mail_that_is_sent() -> None:
    assert "EXEMPT * erin Exempt through 2027-03-01: vendor." in flat(
        digest_of(run_of(EXEMPT, DUE), ENFORCE, redelivered=False)
    )


def test_the_coverage_adds_up() -> None:
    run = run_of(DUE, EXEMPT, UNREADABLE, deferred=("zoe", "zack"))
    assert "examined 17 of 20 users, 1 exempt, 1 unreadable, 2 deferred" in flat(
        digest_of(run, ENFORCE, redelivered=False)
    )


def test_who_waits_under_the_cap_is_named_with_the_days_it_takes() -> None:
    run = run_of(DUE, QUIET, done=False, waiting=2)
    assert "2 users wait for a later run, about 1 day at MaxUsersPerRun=100: alice, bob" in flat(
        digest_of(run, ENFORCE, redelivered=False)
    )


def test_the_settings_in_force_and_the_run_id_close_the_mail() -> None:
    body = flat(digest_of(run_of(DUE), ENFORCE, redelivered=False))
    assert "THIS RUN Run run-1, access-key-rotation " in body
    assert (
        "Settings: Mode=Enforce. All other parameters of the stack have their defaults. Log: https://eu-west-1"
        in body
    )
    other = replace(ENFORCE, policy=replace(ENFORCE.policy, max_users_per_run=20), notify=Notify.ALWAYS)
    body = flat(digest_of(run_of(DUE), other, redelivered=False))
    assert "Settings: Mode=Enforce MaxUsersPerRun=20 Notify=Always. All other parameters" in body


def gone_off(reason: OffReason | None, days: int = 0) -> dict[str, KeyMemory]:
    return {OLD: replace(known(off=days), off_because=reason)}


OFF_TODAY = user("off-today", off(90), key(16, used=0, id=NEW), stored=NEW, memory=gone_off(OffReason.QUIET))


def test_what_an_earlier_delivery_did_is_read_from_memory_and_told_once() -> None:
    made_today = user("made-today", key(75, used=0), key(0, id=NEW), stored=NEW)
    long_off = user("long-off", off(90), memory=gone_off(OffReason.QUIET, 1))
    by_a_person = user("by-a-person", off(90), memory=gone_off(None))
    run = run_of(OFF_TODAY, made_today, long_off, by_a_person)
    body = flat(digest_of(run, ENFORCE, redelivered=True))
    section = body.partition("DONE TODAY BY AN EARLIER ATTEMPT, WHICH COULD NOT TELL")[2].partition(
        "DONE SINCE"
    )[0]
    assert "* off-today" in section
    assert "NEW KEYS TO INSTALL * made-today" in body
    assert "An earlier attempt made this new key, and may not have told of it" in body
    assert "* long-off" not in section
    # Nor with the command that switches it on again: it may be the one that leaked.
    assert "* by-a-person" not in section
    assert "EARLIER ATTEMPT" not in digest_of(run, ENFORCE, redelivered=False).body
    # What this very run did stands among what it did, and nowhere else.
    assert "EARLIER ATTEMPT" not in digest_of(run_of(DUE, QUIET), ENFORCE, redelivered=True).body


def test_a_key_that_an_earlier_delivery_forced_off_is_told_as_urgently_as_on_the_day() -> None:
    forced = user(
        "forced", off(102, used=1), key(28, used=0, id=NEW), stored=NEW, memory=gone_off(OffReason.FORCED)
    )
    digest = digest_of(run_of(forced, OFF_TODAY), ENFORCE, redelivered=True)

    assert digest.subject.startswith(f"{WHERE}CRITICAL: 1 key in use was switched off")
    urgent, _, rest = digest.body.partition("DONE TODAY BY AN EARLIER ATTEMPT")
    assert "* forced" in urgent
    assert "* off-today" not in urgent
    assert "* off-today" in rest


def test_an_interrupted_replacement_that_audit_cannot_settle_is_told() -> None:
    """Nothing but Enforce settles it, and until then there may be a key that nobody holds."""
    stranded = SCENES["interrupted"].run.plans[0].user
    digest = digest_of(run_of(stranded, enforce=False), AUDIT, redelivered=False)
    assert "waits for Mode=Enforce" in flat(digest)
    assert digest.severity is Severity.ATTENTION
    assert digest.worth_sending
    assert "waits for Mode=Enforce" not in flat(digest_of(run_of(stranded), ENFORCE, redelivered=False))


def test_a_deletion_that_no_mail_told_is_told_by_the_next_and_what_a_person_deleted_is_no_news() -> None:
    """An attempt of today that died, or a run of the days before whose mail was not due."""
    gone = user("gone", key(20, used=0))
    today = run_of(replace(gone, memory=replace(gone.memory, deleted={THIRD: TODAY})))
    assert f"{THIRD} was deleted on 2026-11-22, as announced" in flat(
        digest_of(today, ENFORCE, redelivered=False)
    )
    assert not digest_of(today, ENFORCE, redelivered=False).worth_sending
    assert (
        digest_of(today, ENFORCE, redelivered=True).subject
        == f"{WHERE}RESUMED: 1 change that may not have been told"
    )
    before = run_of(replace(gone, memory=replace(gone.memory, deleted={THIRD: days_ago(3)})))
    digest = digest_of(before, ENFORCE, redelivered=False)
    assert "DONE SINCE THE LAST MAIL * gone" in flat(digest)
    assert digest.subject == f"{WHERE}Done: 1 key deleted"
    assert digest.once == {("gone", THIRD)}
    # It was announced anew since then: what took it away was not this system.
    theirs = replace(gone.memory, deleted={THIRD: days_ago(3)}).with_key(
        THIRD, off_since=days_ago(40), notice=notice(Why.INACTIVE, 3)
    )
    assert THIRD not in digest_of(run_of(replace(gone, memory=theirs)), ENFORCE, redelivered=True).body


def test_a_day_at_the_end_of_the_calendar_in_one_users_tag_stops_nobodys_mail() -> None:
    vendor = user("vendor", key(400, used=0), tags={f"{PREFIX}exempt": "9999-12-31 vendor"})
    digest = digest_of(run_of(vendor, FORCED), ENFORCE, redelivered=False)
    assert digest.subject.startswith(f"{WHERE}CRITICAL: 1 key in use was switched off")
    assert "9999-12-31" in digest.body


def test_what_went_off_before_midnight_is_told_when_the_order_comes_again_after_it() -> None:
    forced = user(
        "forced", off(103, used=2), key(29, used=0, id=NEW), stored=NEW, memory=gone_off(OffReason.FORCED, 1)
    )
    run = run_of(forced)
    late = replace(run, order=replace(run.order, ordered_at=at(days_ago(1), 23)))
    assert digest_of(late, ENFORCE, redelivered=True).subject.startswith(
        f"{WHERE}CRITICAL: 1 key in use was switched off"
    )
    # Another day's work is another order's to tell.
    assert "EARLIER ATTEMPT" not in digest_of(run, ENFORCE, redelivered=True).body
    assert "WHILE IN USE" not in digest_of(run, ENFORCE, redelivered=True).body


def test_what_an_interrupted_replacement_left_is_told_whenever_it_is_settled() -> None:
    digest = digest_of(SCENES["interrupted"].run, ENFORCE, redelivered=False)
    assert digest.worth_sending
    assert "Install it." in flat(digest)


# What a mail must not say.


def test_a_mail_that_changed_something_never_begins_by_saying_that_nothing_was() -> None:
    for name, scene in SCENES.items():
        digest = digest_of(scene.run, scene.settings, redelivered=scene.redelivered)
        first = " ".join(digest.body.partition("\nAccount ")[0].split())
        changed = [each for outcome in scene.run.outcomes for each in outcome.done if outcome.changed]
        if changed:
            assert "nothing was" not in first.lower(), name
            assert "no key was changed" not in first.lower(), name


def test_a_key_that_went_quiet_during_its_extension_asks_nobody_and_its_notice_is_told_again() -> None:
    quiet = pair("dora", issued=24, used=9, due=notice(Why.IN_USE, 4))
    digest = digest_of(run_of(quiet), ENFORCE, redelivered=False)
    assert digest.subject == f"{WHERE}Coming up: 1 change, the first on 11-26"
    assert f"On 2026-11-26, in 4 days, switched off (in-use: even if it is still in use): {OLD} dora" in flat(
        digest
    )
    assert digest.severity is Severity.INFO


def test_whatever_the_headline_is_about_owners_of_new_keys_are_told_when_to_switch() -> None:
    for other in (UNREADABLE, HELD, FORCED):
        first = flat(digest_of(run_of(DUE, other), ENFORCE, redelivered=False)).partition(" Account ")[0]
        assert "The owner of the new key has to switch to it by 2026-12-06" in first


def test_no_owner_is_asked_to_hurry_for_a_day_that_is_not_his() -> None:
    """Nothing names a day for old keys that do not work, or that nobody could announce."""
    unheard = flat(digest_of(run_of(DUE, listeners=0), ENFORCE, redelivered=False))
    assert "The owner of the new key has to install it, as said below." in unheard
    assert "2026-12-06" not in unheard


def test_while_nobody_listens_no_day_is_said_to_be_the_last() -> None:
    body = flat(digest_of(run_of(EXTENDED, listeners=0), ENFORCE, redelivered=False))
    assert f"{OLD} would be switched off (in-use: even if it is still in use)" in body
    assert "is switched off" not in body.partition("NEEDS SOMEONE")[2]


@pytest.mark.parametrize("scene", ["secret-lost", "successor-not-stored"])
def test_the_key_to_delete_is_the_new_one_that_cannot_be_fetched_and_never_the_old_one(scene: str) -> None:
    body = flat(digest_of(SCENES[scene].run, ENFORCE, redelivered=False)).replace("\\ ", "")
    deleted = re.findall(r"delete-access-key --user-name=\S+ --access-key-id=(\S+)", body)
    assert deleted == [NEW]


def test_a_lost_secret_is_one_finding_and_not_two() -> None:
    counts = report_of(SCENES["secret-lost"].run, ENFORCE, redelivered=False).parts
    kinds = [entry.kind for entries in counts.values() for entry in entries if entry.user == "lisa"]
    assert kinds == ["secret-lost", "notice-fell"]


def test_the_commands_for_an_exposed_key_stand_in_their_order() -> None:
    report = report_of(SCENES["exposed-key"].run, ENFORCE, redelivered=False)
    (exposed,) = report.parts[Part.CRITICAL]
    steps = [command.line.split()[2] for command in exposed.commands]
    assert steps == [
        "update-access-key",
        "lookup-events",
        "lookup-events",
        "detach-user-policy",
        "tag-user",
    ]
    assert "--status=Inactive" in exposed.commands[0].line
    # Of a key that is off already, nothing is left to switch.
    assert OLD not in exposed.commands[0].line


def test_a_mended_policy_is_told_with_the_name_that_the_secret_keeps() -> None:
    body = flat(digest_of(SCENES["renamed-user"].run, ENFORCE, redelivered=False))
    assert "The policy of its secret, access-keys/name-of-before/credentials, was updated" in body
    assert "access-keys/renamed/" not in body


def test_a_replacement_after_another_tool_deleted_a_key_waits_for_a_person() -> None:
    vanished = user("ivan", key(80, used=0))
    memory = replace(vanished.memory, vanished=Vanished(key_id=THIRD, on=days_ago(1)))
    body = flat(digest_of(run_of(replace(vanished, memory=memory)), ENFORCE, redelivered=False))
    assert f"The key {THIRD}, which this system issued, was deleted by somebody else" in body
    assert "DONE TODAY" not in body


def test_a_user_who_is_gone_is_named_with_the_secret_that_is_left_and_how_to_delete_it() -> None:
    digest = digest_of(SCENES["secret-left-behind"].run, ENFORCE, redelivered=False)
    assert digest.worth_sending
    body = flat(digest)
    assert "The user gustav is gone, and the secret access-keys/gustav/credentials is still there" in body
    assert "delete-secret" in body
    assert "--force-delete-without-recovery" not in body


def test_a_reminder_that_asks_nothing_is_one_line_and_no_block() -> None:
    digest = digest_of(run_of(REMINDED), ENFORCE, redelivered=False)
    assert digest.body.count(OLD) == 1
    assert "COMING UP" not in digest.body


def test_an_old_key_in_use_before_its_day_is_told_to_its_owner_with_the_way() -> None:
    late = pair("lars", issued=12, used=1, due=notice(Why.OVERLAP, 2))
    digest = digest_of(run_of(late), ENFORCE, redelivered=False)
    body = flat(digest)
    assert (
        "1 of these keys is still in use though the new key is ready: its owner has to switch to it." in body
    )
    assert "COMING UP * lars" in body
    assert "The owner, with the old key, to fetch the new key:" in body


def test_a_secret_that_holds_something_else_is_no_place_from_which_a_key_is_fetched() -> None:
    digest = digest_of(SCENES["successor-not-stored"].run, ENFORCE, redelivered=False)
    assert "get-secret-value" not in digest.body


def test_nothing_that_people_wrote_ends_its_own_quotation() -> None:
    described = user("alice", key(74, used=0), tags={OLD: "ci\uff02 is done \u201c"})
    assert flat(digest_of(run_of(described), ENFORCE, redelivered=False)).count('"') % 2 == 0
