"""What is told of a run: what stands first, what stands where, and that nobody can forge any of it."""

from dataclasses import replace

import pytest
from keyrotation.run.record import Run
from keyrotation.run.settings import RotatorSettings
from keyrotation.tell.digest import Digest, digest_of
from keyrotation.tell.headline import subject_of
from keyrotation.tell.report import Severity, report_of

from tests.unit.people import NEW, OLD, THIRD, TODAY, at, days_ago, key, off, user
from tests.unit.scenes import (
    AUDIT,
    BACK_ON,
    DUE,
    ENFORCE,
    EXEMPT,
    FORCED,
    HELD,
    PREFIX,
    QUIET,
    SOON,
    UNREADABLE,
    run_of,
)

TWO_APPLICATIONS = user(key(200, used=0), key(74, used=1, id=NEW), name="tina")
ROLLED_BACK = f"rolled back: the new key {NEW} was deleted (GetCallerIdentity: no answer)"
WHERE = " (123456789012)"


@pytest.mark.parametrize(
    ("run", "subject", "severity"),
    [
        (run_of(), "Nothing to do", Severity.INFO),
        (run_of(EXEMPT), "Nothing to do", Severity.INFO),
        (run_of(SOON), "Coming up: 1 change, the first on 2026-11-26", Severity.INFO),
        (run_of(DUE), "Done: 1 access key replaced, install by 2026-12-06", Severity.INFO),
        (run_of(QUIET), "Done: switched off 1 access key", Severity.INFO),
        (
            run_of(DUE, QUIET),
            "Done: replaced 1, switched off 1 access keys, install by 2026-12-06",
            Severity.INFO,
        ),
        (
            run_of(DUE, SOON, UNREADABLE, waiting=1),
            "ATTENTION: 1 user needs someone",
            Severity.ATTENTION,
        ),
        (run_of(UNREADABLE), "ATTENTION: 1 user needs someone", Severity.ATTENTION),
        (run_of(BACK_ON), "ACT by 2026-12-06: 1 user needs someone", Severity.ATTENTION),
        (run_of(TWO_APPLICATIONS), "ATTENTION: 1 replacement blocked by two keys", Severity.ATTENTION),
        (
            run_of(DUE, HELD, UNREADABLE),
            "ACT by 2026-12-06: 1 access key still in use will be switched off, +1 user",
            Severity.ATTENTION,
        ),
        (run_of(DUE, root=True), "CRITICAL: the root user has access keys", Severity.CRITICAL),
        (run_of(root=None), "ATTENTION: the account needs someone", Severity.ATTENTION),
        (
            run_of(DUE, listeners=0),
            "ATTENTION: nobody is known to get this mail, so no key is switched off",
            Severity.ATTENTION,
        ),
        (run_of(with_keys=2466), "Nothing to do", Severity.INFO),
        (run_of(HELD, FORCED), "CRITICAL: 1 access key switched off while still in use", Severity.CRITICAL),
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
    assert digest.subject == f"{subject}{WHERE}"
    assert digest.severity is severity


def test_who_waits_under_the_cap_stands_in_the_subject() -> None:
    digest = digest_of(run_of(DUE, SOON, waiting=1), ENFORCE, redelivered=False)
    assert digest.subject == f"Done: 1 access key replaced, install by 2026-12-06, 1 waits{WHERE}"


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("prod", "prod 123456789012"),
        ("", "123456789012"),
        ("a-company-with-a-long-name-production", "a-company-with-.. 123456789012"),
    ],
)
def test_a_long_alias_is_shortened_and_never_the_deadline(alias: str, name: str) -> None:
    run = run_of(*[replace(HELD, name=f"h{n}") for n in range(5)], alias=alias)
    subject = digest_of(run, ENFORCE, redelivered=False).subject
    assert subject.startswith("ACT by 2026-12-06: 5 access keys still in use will be switched off (")
    assert subject.endswith(f"({name})")


MARKED = {f"{PREFIX}inactive-since:{OLD}": str(days_ago(30))}
LONG_OFF = user(off(200), key(40, used=0, id=NEW), tags=MARKED, name="vera")


@pytest.mark.parametrize(
    ("run", "settings", "subject"),
    [
        (
            run_of(HELD, UNREADABLE, alias="prod"),
            ENFORCE,
            "ACT by 2026-12-06: 5000 access keys still in use will be switched off, +5000 users (123456789012)",
        ),
        (
            run_of(DUE, QUIET, LONG_OFF, alias="prod"),
            ENFORCE,
            "Done: replaced 5000, switched off 5000, deleted 5000 keys, install by 2026-12-06 (123456789012)",
        ),
        (
            run_of(DUE, QUIET, LONG_OFF, alias="prod", done=False),
            AUDIT,
            "AUDIT: would replace 5000, switch off 5000, delete 5000 access keys (prod 123456789012)",
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
    digest = digest_of(run_of(DUE, QUIET, done=False), AUDIT, redelivered=False)
    assert digest.subject == f"AUDIT: would replace 1, switch off 1 access keys{WHERE}"
    assert "WOULD BE DONE (Mode is Audit: nothing was changed)" in digest.body
    assert "DONE TODAY" not in digest.body


def flat(digest: Digest) -> str:
    return " ".join(digest.body.split())


def test_a_replaced_key_comes_with_its_secret_its_off_date_and_the_command_for_the_owner() -> None:
    body = flat(digest_of(run_of(DUE), ENFORCE, redelivered=False))
    assert f"the new key {NEW} is in the secret access-keys/alice/credentials. Install it." in body
    assert "On 2026-12-06, in 14 days, it is switched off once nobody uses it." in body
    assert (
        "The owner, with the old key, to fetch the new key: aws secretsmanager get-secret-value --region"
        in body
    )


def test_a_key_that_was_forced_off_comes_with_the_way_back() -> None:
    body = flat(digest_of(run_of(FORCED), ENFORCE, redelivered=False))
    assert "SWITCHED OFF WHILE IN USE * dave" in body
    command = f"aws iam update-access-key --user-name dave --access-key-id {OLD} --status Active"
    assert command in body.replace("\\ ", "")


def test_the_root_users_keys_and_a_cap_that_cannot_keep_up_are_told_before_everyone_elses() -> None:
    body = flat(digest_of(run_of(UNREADABLE, root=True, with_keys=5000), ENFORCE, redelivered=False))
    assert "THE ACCOUNT The root user has access keys: delete them" in body
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
    failing = run_of(
        *(user(key(74, used=0), name=f"f{number:02}") for number in range(30)), failure="no answer"
    )
    forced = run_of(FORCED)
    both = replace(failing, plans=failing.plans + forced.plans, outcomes=failing.outcomes + forced.outcomes)
    digest = digest_of(both, ENFORCE, redelivered=False)
    assert digest.subject.startswith("CRITICAL: 1 access key switched off while still in use")
    assert "SWITCHED OFF WHILE IN USE * dave" in flat(digest)


def test_the_key_is_told_with_description_age_and_last_use() -> None:
    described = user(key(74, used=3), tags={OLD: "nightly export", f"{PREFIX}owner": "payments"})
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
    assert "SETTINGS Mode=Enforce MaxKeyAgeDays=90 OverlapDays=14" in body
    assert "Notify=Changes" in body
    assert "THIS RUN run id run-1 Log: https://eu-west-1.console.aws.amazon.com/cloudwatch/home" in body


def test_what_an_earlier_delivery_did_is_read_from_the_state_and_told_once() -> None:
    today = f"{PREFIX}inactive-since:{OLD}"
    off_today = user(off(90), key(16, used=0, id=NEW), tags={today: str(TODAY)}, stored=NEW, name="off-today")
    made_today = user(key(75, used=0), key(0, id=NEW), stored=NEW, name="made-today")
    long_off = user(off(90), tags={today: str(days_ago(1))}, name="long-off")
    run = run_of(off_today, made_today, long_off)
    body = flat(digest_of(run, ENFORCE, redelivered=True))
    section = body.partition("DONE TODAY BY AN EARLIER ATTEMPT, WHICH COULD NOT TELL")[2].partition(
        "COMING UP"
    )[0]
    assert "* off-today" in section
    assert "* made-today" in section
    assert "* long-off" not in section
    assert "EARLIER ATTEMPT" not in digest_of(run, ENFORCE, redelivered=False).body
    # What this very run did stands among what it did, and nowhere else.
    assert "EARLIER ATTEMPT" not in digest_of(run_of(DUE, QUIET), ENFORCE, redelivered=True).body


def test_a_key_that_an_earlier_delivery_forced_off_is_told_as_urgently_as_on_the_day() -> None:
    today = {f"{PREFIX}inactive-since:{OLD}": str(TODAY)}
    forced = user(off(102, used=1), key(28, used=0, id=NEW), tags=today, stored=NEW, name="forced")
    nobody_moved = user(off(102, used=20), key(28, id=NEW), tags=today, stored=NEW, name="nobody-moved")
    quiet = user(off(102, used=20), key(28, used=0, id=NEW), tags=today, stored=NEW, name="quiet")

    digest = digest_of(run_of(forced, nobody_moved, quiet), ENFORCE, redelivered=True)

    assert digest.subject.startswith("CRITICAL: 2 access keys switched off while still in use")
    urgent, _, rest = digest.body.partition("DONE TODAY BY AN EARLIER ATTEMPT")
    assert "* forced" in urgent
    assert "* nobody-moved" in urgent
    assert "* quiet" in rest


@pytest.mark.parametrize(
    ("listeners", "said"),
    [(0, "Nobody has confirmed"), (None, "could not be read"), (1, None)],
)
def test_a_topic_to_which_nobody_listens_is_told(listeners: int | None, said: str | None) -> None:
    digest = digest_of(run_of(listeners=listeners), ENFORCE, redelivered=False)
    assert (said in flat(digest)) if said else not digest.worth_sending


def test_a_mark_alone_is_told_as_such() -> None:
    assert digest_of(run_of(user(off(50))), ENFORCE, redelivered=False).subject.startswith("Done: marks only")


def test_days_are_counted_from_the_day_of_the_run() -> None:
    assert f"On {days_ago(-4)}, in 4 days, it is replaced;" in flat(
        digest_of(run_of(SOON), ENFORCE, redelivered=False)
    )


def test_in_audit_an_interrupted_replacement_is_told_to_wait_for_enforce() -> None:
    """Mode went back to Audit while it was in flight: it must not be stranded without a word."""
    stranded = user(
        key(80, used=1),
        key(0, id=NEW),
        tags={f"{PREFIX}pending": f"2026-11-20T06:00:00Z eu-west-1 run-1 {OLD}"},
        staged=NEW,
    )
    digest = digest_of(run_of(stranded, done=False), AUDIT, redelivered=False)
    assert "waits for Mode=Enforce" in flat(digest)
    assert digest.severity is Severity.ATTENTION
    assert digest.worth_sending
    assert "waits for Mode=Enforce" not in flat(digest_of(run_of(stranded), ENFORCE, redelivered=False))


def test_a_key_that_a_dead_attempt_deleted_is_told_by_its_marks_and_tidying_up_is_no_news() -> None:
    left = {f"{PREFIX}inactive-since:{THIRD}": str(days_ago(40))}
    run = run_of(user(key(20, used=0), tags=left, name="gone"))
    assert not digest_of(run, ENFORCE, redelivered=False).worth_sending
    assert THIRD in digest_of(run, ENFORCE, redelivered=True).body


def test_a_day_at_the_end_of_the_calendar_in_one_users_tag_stops_nobodys_mail() -> None:
    vendor = user(key(400, used=0), tags={f"{PREFIX}exempt": "9999-12-31 vendor"}, name="vendor")
    digest = digest_of(run_of(vendor, FORCED), ENFORCE, redelivered=False)
    assert digest.subject.startswith("CRITICAL: 1 access key switched off while still in use")
    assert "9999-12-31" in digest.body


def test_what_went_off_before_midnight_is_told_when_the_order_comes_again_after_it() -> None:
    yesterday = {f"{PREFIX}inactive-since:{OLD}": str(days_ago(1))}
    forced = user(off(103, used=2), key(29, used=0, id=NEW), tags=yesterday, stored=NEW, name="forced")
    run = run_of(forced)
    late = replace(run, order=replace(run.order, ordered_at=at(days_ago(1), 23)))
    assert digest_of(late, ENFORCE, redelivered=True).subject.startswith("CRITICAL: 1 access key")
    # Another day's work is another order's to tell.
    assert not digest_of(run, ENFORCE, redelivered=True).worth_sending


def test_what_an_interrupted_replacement_left_is_told_whenever_it_is_settled() -> None:
    promoted = user(
        key(80, used=1),
        key(3, id=NEW),
        tags={f"{PREFIX}pending": f"{days_ago(3)}T06:00:00Z eu-west-1 run-1 {OLD}"},
        stored=NEW,
    )
    digest = digest_of(run_of(promoted), ENFORCE, redelivered=False)
    assert digest.worth_sending
    assert "install it" in flat(digest)


def test_a_hold_that_is_only_cut_is_no_reason_for_a_mail() -> None:
    far = user(key(10, used=0), tags={f"{PREFIX}held-until:{OLD}": "2206-01-01 in-use"})
    assert not digest_of(run_of(far, done=False), ENFORCE, redelivered=False).worth_sending


def test_nothing_that_people_wrote_ends_its_own_quotation() -> None:
    described = user(key(74, used=0), tags={OLD: "ci\uff02 is done \u201c"}, name="alice")
    assert flat(digest_of(run_of(described), ENFORCE, redelivered=False)).count('"') % 2 == 0
