"""What is told of a run: what stands first, what stands where, and that nobody can forge any of it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from keyrotation.digest import Digest, digest_of
from keyrotation.report import Severity
from keyrotation.rotation import Run

from tests.unit.people import NEW, OLD, TODAY, days_ago, key, off, user
from tests.unit.scenes import (
    AUDIT,
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


@pytest.mark.parametrize(
    ("run", "subject", "severity"),
    [
        (run_of(), "Nothing to do", Severity.INFO),
        (run_of(EXEMPT), "Nothing to do", Severity.INFO),
        (run_of(SOON), "Coming up: 1 change, the first on 2026-11-26", Severity.INFO),
        (run_of(DUE), "Done: replaced 1 access key", Severity.INFO),
        (run_of(DUE, QUIET), "Done: replaced 1, switched off 1 access keys", Severity.INFO),
        (run_of(UNREADABLE), "ATTENTION: 1 user needs someone", Severity.ATTENTION),
        (run_of(DUE, HELD, UNREADABLE), "ACT by 2026-12-06: 2 users need someone", Severity.ATTENTION),
        (run_of(DUE, root=True), "CRITICAL: the root user has access keys", Severity.CRITICAL),
        (run_of(root=None), "ATTENTION: the account needs someone", Severity.ATTENTION),
        (run_of(with_keys=2467), "ATTENTION: the account needs someone", Severity.ATTENTION),
        (run_of(with_keys=2466), "Nothing to do", Severity.INFO),
        (run_of(HELD, FORCED), "CRITICAL: 1 access key switched off while still in use", Severity.CRITICAL),
        (
            run_of(DUE, failure="no key was made"),
            "FAILED: changes to 1 user did not finish",
            Severity.CRITICAL,
        ),
    ],
)
def test_the_subject_says_the_most_important_first(run: Run, subject: str, severity: Severity) -> None:
    digest = digest_of(run, ENFORCE, redelivered=False)
    assert digest.subject == f"{subject} (123456789012 eu-west-1)"
    assert digest.severity is severity


@pytest.mark.parametrize(
    ("run", "sent"),
    [
        (run_of(), False),
        (run_of(EXEMPT), False),
        (run_of(SOON), True),
        (run_of(root=True), True),
        (run_of(root=None), True),
        (run_of(DUE), True),
        (run_of(HELD), True),
        (run_of(deferred=("zoe",)), True),
        (run_of(DUE, done=False, waiting=1), True),
    ],
)
def test_silence_when_nobody_is_asked_and_nothing_was_done(run: Run, sent: bool) -> None:  # noqa: FBT001
    assert digest_of(run, ENFORCE, redelivered=False).worth_sending is sent


def test_in_audit_the_mail_says_what_would_be_done_and_that_nothing_was() -> None:
    digest = digest_of(run_of(DUE, QUIET, done=False), AUDIT, redelivered=False)
    assert digest.subject == "AUDIT: would replace 1, switch off 1 access keys (123456789012 eu-west-1)"
    assert "WOULD BE DONE (Mode is Audit: nothing was changed)" in digest.body
    assert "DONE TODAY" not in digest.body


def flat(digest: Digest) -> str:
    return " ".join(digest.body.split())


def test_a_replaced_key_comes_with_its_secret_its_off_date_and_the_command_for_the_owner() -> None:
    body = flat(digest_of(run_of(DUE), ENFORCE, redelivered=False))
    assert f"the new key is {NEW}, in the secret access-keys/alice/credentials" in body
    assert "2026-12-06: in 14 days." in body
    assert "The owner, with the old key: aws secretsmanager get-secret-value --region eu-west-1" in body


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
    assert "* carol (owner: payments)" in body
    assert f"{OLD} (nightly export), 74 days old, last used 2026-11-19 on s3 in eu-west-1" in body


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
    assert "Mode=Enforce MaxKeyAgeDays=90 OverlapDays=14" in body
    assert body.endswith("run id run-1")


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


def test_a_mail_about_five_thousand_users_fits_what_sns_takes() -> None:
    crowd = [user(key(400, used=0), tags={f"{PREFIX}owner": "x" * 256}, name=f"{n:064}") for n in range(5000)]
    digest = digest_of(run_of(*crowd, waiting=2500), ENFORCE, redelivered=False)
    assert len(digest.body.encode()) < 100 * 1024
    assert "and 2475 more" in digest.body


SECTIONS = {"NEEDS SOMEONE", "DONE TODAY", "EXAMINED", "SETTINGS"}


COMMAND = (
    "aws iam attach-user-policy --user-name mallory --policy-arn arn:aws:iam::aws:policy/AdministratorAccess"
)


@given(text=st.text(max_size=256) | st.integers(0, 80).map(lambda width: " " * width + COMMAND))
def test_no_tag_can_start_a_line_of_its_own_or_break_the_width(text: str) -> None:
    forged = user(
        key(74, used=0), tags={f"{PREFIX}owner": text, OLD: text, f"{PREFIX}exempt": text}, name="mallory"
    )
    digest = digest_of(run_of(forged, DUE), ENFORCE, redelivered=False)
    lines = digest.body.splitlines()
    after_headline = lines[lines.index("") :]
    assert {line for line in after_headline if line and line[0] not in " *"} == SECTIONS
    assert [line.split()[1] for line in lines if line.startswith("*")] == ["mallory", "alice"]
    commands = [line for line in lines if line.startswith(" " * 5)]
    assert all(line.startswith((" " * 8 + "aws ", " " * 10 + "--")) for line in commands)
    assert max(len(line) for line in lines if "aws " not in line and "--" not in line) <= 72
    assert len(digest.subject) < 100
    assert digest.subject.isascii()
    assert digest.subject.isprintable()


def test_days_are_counted_from_the_day_of_the_run() -> None:
    assert f"{days_ago(-4)}: in 4 days." in flat(digest_of(run_of(SOON), ENFORCE, redelivered=False))
