"""Mails as files, read as on-call reads them; and the shape that every mail and every JSON of a run keeps.

After a change on purpose: `python -m tests.unit.scenes`, then read the difference.
"""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from keyrotation.act.apply import Outcome
from keyrotation.decide.actions import Plan
from keyrotation.decide.notices import runs_out
from keyrotation.decide.plan import plan_user
from keyrotation.memory import Why
from keyrotation.model import Use, User
from keyrotation.policy import Policy
from keyrotation.run.order import Order
from keyrotation.run.record import Announcement, Run, announcements
from keyrotation.run.settings import Mode, Notify, RotatorSettings
from keyrotation.tell.digest import Digest, digest_of

from tests.unit.drawn import Case, Dice, anyone, drawn
from tests.unit.people import NEW, OCCASION, OLD, TODAY, key, notice, off
from tests.unit.scenes import DUE, ENFORCE, MAILS, PREFIX, SCENES, acted, pair, run_of, user

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "report.schema.json").read_text())
Draft202012Validator.check_schema(SCHEMA)

TITLES = {
    "SWITCHED OFF WHILE IN USE",
    "CRITICAL",
    "FAILED",
    "THE ACCOUNT",
    "NEEDS SOMEONE",
    "WOULD BE DONE (Mode is Audit: nothing was changed)",
    "NEW KEYS TO INSTALL",
    "DONE TODAY",
    "DONE TODAY BY AN EARLIER ATTEMPT, WHICH COULD NOT TELL",
    "DONE SINCE THE LAST MAIL",
    "COMING UP",
    "EXEMPT",
    "NOTICES",
    "NOT REACHED TODAY",
    "THIS RUN",
}
# A line of a table: a key and its user, a long name on a line of its own.
ROW = re.compile(r" {6}[A-Z0-9]{16,}( \S+)?| {6}\S+")
REST_OF_ROW = re.compile(r" {8}\S+")


@pytest.mark.parametrize("name", sorted(SCENES))
def test_a_mail_reads_as_it_stands_in_its_file(name: str) -> None:
    assert SCENES[name].mail() == (MAILS / f"{name}.txt").read_text()


def test_every_file_is_some_scenes() -> None:
    assert {path.stem for path in MAILS.iterdir()} == set(SCENES)


def problems(digest: Digest) -> list[str]:
    """What is wrong with the shape of a message."""
    found = [
        str(error.message) for error in Draft202012Validator(SCHEMA).iter_errors(json.loads(digest.data))
    ]
    if not (len(digest.subject) < 100 and digest.subject.isascii() and digest.subject.isprintable()):
        found.append(f"SNS refuses the subject {digest.subject!r}")
    if len(digest.message.encode()) >= 200 * 1024:
        found.append(f"{len(digest.message.encode())} bytes in all")
    found += [
        f"not printable: {text!r}" for text in _texts(json.loads(digest.data)) if not text.isprintable()
    ]
    head, *sections = digest.body.rstrip("\n").split("\n\n")
    lines = digest.body.splitlines()
    wide = [line for line in lines if len(line) > 72 and not re.fullmatch(r" {8}https://\S+", line)]
    found += [f"wider than 72: {line}" for line in wide]
    found += [f"not ASCII: {line}" for line in lines if not (line.isascii() and line.isprintable())]
    found += [
        f"not a line of the head: {line}"
        for line in head.splitlines()
        if not re.match(r"[A-Z0-9a-z]| {8}https://| {4}docs/runbook.md#", line)
    ]
    titles = [re.sub(r": \d+ users?$", "", section.partition("\n")[0]) for section in sections]
    found += [f"no title: {title}" for title in titles if title not in TITLES]
    if len(set(titles)) != len(titles) or titles[-1:] != ["THIS RUN"]:
        found.append(f"not these titles in this order: {titles}")
    for section in sections:
        found += _problems_of_lines(section.splitlines()[1:])
    of_users = [line for line in digest.body.splitlines() if line.startswith("* ")]
    if len(set(of_users)) != len(of_users):
        found.append(f"a user with two blocks: {of_users}")
    in_mail, in_json = named_in_mail(digest), named_in_json(digest)
    if not sorted(in_mail) == sorted(in_json) == sorted(map(_named, digest.named)):
        found.append(f"mail, JSON and `named` differ in their notices: {in_mail} {in_json}")
    return found


def _named(each: Announcement) -> tuple[str, ...]:
    return each.user.name, each.key_id, each.notice.what, each.notice.why, str(each.notice.day)


def named_in_json(digest: Digest) -> list[tuple[str, ...]]:
    return [
        (each["user"], each["key"], each["what"], each["why"], each["day"])
        for each in json.loads(digest.data)["notices"]
    ]


def named_in_mail(digest: Digest) -> list[tuple[str, ...]]:
    """As a reader finds them: in the block of a user, or in a table below the day, what happens and the reason."""
    found: list[tuple[str, ...]] = []
    heading = user = ""
    for line in _unwrapped(digest.body):
        if line.startswith("* "):
            user = line.split()[1]
        elif about := re.match(
            r" {4}(?:On|Due on) (\S+?),.* (switched off|deleted) \(([a-z-]+)[:)].*:$", line
        ):
            heading = " ".join(about.groups())
        elif line.startswith(" " * 6) and heading:
            key_id, name = line.split()
            day, what, why = re.fullmatch(r"(\S+) (.*) (\S+)", heading).groups()  # type: ignore[union-attr]
            found.append((name, key_id, WHAT[what], why, day))
        else:
            heading = ""
        if one := _one_notice(line):
            found.append((user, *one))
    return found


WHAT = {"switched off": "switch-off", "deleted": "delete"}


def _one_notice(line: str) -> tuple[str, ...] | None:
    words = r"(switched off|deleted)"
    ahead = re.fullmatch(
        rf" {{4}}On (\S+), in \d+ days?, (\S+) (?:is|would be) {words} \(([a-z-]+).*\)\.", line
    )
    if ahead is not None:
        day, key_id, what, why = ahead.groups()
        return key_id, WHAT[what], why, day
    late = re.fullmatch(rf" {{4}}(\S+) was to be {words} on (\S+), and is not yet \(([a-z-]+).*\)\.", line)
    if late is not None:
        key_id, what, day, why = late.groups()
        return key_id, WHAT[what], why, day
    return None


def _unwrapped(body: str) -> Iterator[str]:
    """Each sentence that begins a paragraph at column 4, and each line of a table, in one line."""
    lines: list[str] = []
    begins = re.compile(r" {4}(On|Due on) \d|\* | {6}\S| {4}[A-Z0-9]{16,} was to be ")
    for line in body.splitlines():
        ended = not lines or lines[-1].endswith((".", ":")) or lines[-1].startswith("* ")
        in_table = bool(lines) and lines[-1].startswith(" " * 6)
        text_goes_on = line[:4].isspace() and line[4:5].strip() and not in_table and not ended
        row_goes_on = in_table and REST_OF_ROW.fullmatch(line) and len(lines[-1].split()) == 1
        if row_goes_on or (text_goes_on and not begins.match(line)):
            lines[-1] += f" {line.strip()}"
        else:
            lines.append(line)
    yield from lines


def _texts(data: object) -> Iterator[str]:
    match data:
        case str():
            yield data
        case dict():
            for value in data.values():
                yield from _texts(value)
        case list():
            for value in data:
                yield from _texts(value)


def _problems_of_lines(lines: list[str]) -> list[str]:
    """Blocks begin with `* `, text stands at 4, tables at 6, commands and links at 8, and nothing anywhere else."""
    found, goes_on, row = [], False, False
    for line in lines:
        command = re.fullmatch(r" {8}((aws [a-z]+ [a-z-]+|access-key-follow adopt)( .*)?|https://\S+)", line)
        of_table = ROW.fullmatch(line) or (row and REST_OF_ROW.fullmatch(line))
        fine = (
            re.match(r" {10}\S", line) if goes_on else command or of_table or re.match(r"\* \S| {4}\S", line)
        )
        if not fine:
            found.append(f"a line of its own: {line!r}")
        goes_on = line.endswith(" \\") and (goes_on or command is not None)
        row = bool(of_table)
    return found


def blocks(digest: Digest) -> list[str]:
    return [line.split()[1] for line in digest.body.splitlines() if line.startswith("* ")]


def commands(text: str) -> list[str]:
    """The commands of a mail as a shell sees them, in one line each."""
    joined = re.sub(r" \\\n *", " ", text)
    return [line.strip() for line in joined.splitlines() if re.match(r" {8}aws ", line)]


def all_to_tell(run: Run, settings: RotatorSettings) -> list[Announcement]:
    return list(announcements(run, settings.policy))


@pytest.mark.parametrize("name", sorted(SCENES))
def test_every_scene_keeps_the_shape(name: str) -> None:
    scene = SCENES[name]
    assert problems(digest_of(scene.run, scene.settings, redelivered=True)) == []


def test_five_thousand_users_fit_and_say_where_the_rest_is() -> None:
    scene = SCENES["five-thousand-users"]
    digest = digest_of(scene.run, scene.settings, redelivered=False)
    assert "\nNEEDS SOMEONE: 500 users\n" in digest.body
    assert re.search(r"and \d+ more, all of them in the log of this run", digest.body)
    assert digest.body.count("\n") <= 400
    data = json.loads(digest.data)
    assert data["complete"] is False
    assert data["counts"]["attention"] == 500
    assert 1 <= len(data["sections"]["attention"]) <= 25


def test_a_notice_that_finds_no_room_is_not_given_and_the_mail_says_how_many_wait() -> None:
    scene = SCENES["five-thousand-users"]
    digest = digest_of(scene.run, scene.settings, redelivered=False)
    to_tell = all_to_tell(scene.run, scene.settings)
    left = json.loads(digest.data)["notices_left"]
    assert len(to_tell) == 5000
    assert len(digest.named) + left == len(to_tell)
    # So many at least: a hundred users a day can be replaced, each with a notice.
    assert len(digest.named) > 100
    assert f"{left} notices did not fit into this mail" in " ".join(digest.body.split())


def test_short_names_leave_room_for_hundreds_of_notices() -> None:
    scene = SCENES["hundred-replaced"]
    digest = digest_of(scene.run, scene.settings, redelivered=False)
    assert len(digest.named) == 100
    many = run_of(*(user(f"robot-{each}", off(40, id=f"AKIAROBOT{each:011}")) for each in range(1000)))
    assert len(digest_of(many, ENFORCE, redelivered=False).named) > 250


def crowded(*, reminders: int, late: int, new: int) -> Run:
    """Reminders that can wait, notices that run out today, and new ones, more than a message can name."""
    waits = [pair(f"a{n}", issued=9, used=12, due=notice(Why.OVERLAP, 5)) for n in range(reminders)]
    ends = [pair(f"b{n}", issued=11, used=12, due=notice(Why.OVERLAP, 3, told=8)) for n in range(late)]
    fresh = [user(f"c{n}", off(40)) for n in range(new)]
    return run_of(*waits, *ends, *fresh)


def test_what_runs_out_of_time_comes_first_then_what_is_new_and_reminders_take_the_room_that_is_left() -> (
    None
):
    """Otherwise an account with many reminders would never get to give a notice."""
    run = crowded(reminders=600, late=20, new=30)
    named = {each.user.name[0]: 0 for each in all_to_tell(run, ENFORCE)}
    for each in digest_of(run, ENFORCE, redelivered=False).named:
        named[each.user.name[0]] += 1
    assert (named["b"], named["c"]) == (20, 30)
    assert 0 < named["a"] < 600


def test_within_each_of_these_the_soonest_comes_first_and_the_mail_lists_by_day() -> None:
    soon = [user(f"c{n}", off(40, id=f"AKIASOON{n:012}"), key(80, used=0, id=NEW)) for n in range(3)]
    far = [user(f"a{n}", off(40, id=f"AKIAFARFAR{n:010}")) for n in range(400)]
    digest = digest_of(run_of(*far, *soon), ENFORCE, redelivered=False)
    days = [each.notice.day for each in digest.named]
    assert days == sorted(days)
    assert json.loads(digest.data)["notices_left"] > 0
    assert {each.name for each in soon} <= {each.user.name for each in digest.named}


def test_a_run_that_could_not_reach_everyone_keeps_the_notices_alive_that_it_should_have_kept() -> None:
    waits = pair("wanda", issued=14, used=13, due=notice(Why.OVERLAP, 0))
    digest = digest_of(run_of(waits, waiting=1), ENFORCE, redelivered=False)
    assert named_in_mail(digest) == [("wanda", OLD, "switch-off", "overlap", str(TODAY))]
    assert "Due on 2026-11-22, and not yet switched off" in " ".join(digest.body.split())


@pytest.mark.parametrize(("users", "complete"), [(25, True), (26, False)])
def test_a_report_says_whether_it_is_complete(users: int, *, complete: bool) -> None:
    run = run_of(*(replace(DUE, name=f"due{number}") for number in range(users)))
    data = json.loads(digest_of(run, ENFORCE, redelivered=False).data)
    assert data["complete"] is complete
    assert data["counts"]["done"] == users
    assert len(data["sections"]["done"]) == 25


def test_a_hundred_replacements_are_a_table_with_a_line_for_each_and_the_commands_once() -> None:
    body = SCENES["hundred-replaced"].mail()
    assert body.count("\n") <= 200
    assert len(re.findall(r"\n {6}AKIANEGLECTED\d{7} service-\d\d(?=\n)", body)) == 100
    assert body.count("get-secret-value") == 1
    assert "--secret-id=access-keys/NAME/credentials" in body


def test_a_small_report_is_complete() -> None:
    data = json.loads(digest_of(run_of(DUE), ENFORCE, redelivered=False).data)
    assert data["complete"] is True
    (done,) = data["sections"]["done"]
    assert (done["kind"], done["user"], done["key"]["id"], done["by"]) == (
        "replaced",
        "alice",
        OLD,
        "2026-12-06",
    )
    assert data["counts"]["done"] == 1


def test_the_message_has_a_text_for_people_and_json_for_queues_and_functions() -> None:
    digest = digest_of(run_of(DUE), ENFORCE, redelivered=False)
    message = json.loads(digest.message)
    assert set(message) == {"default", "sqs", "lambda"}
    assert message["default"] == digest.body
    assert message["sqs"] == message["lambda"] == digest.data


# Whatever people write.

FORGED = (
    "x / DONE / nothing to do",
    "x\nDONE TODAY\n* root",
    "x\n\nNEEDS SOMEONE\n* root",
    " " * 68 + "aws iam attach-user-policy --user-name mallory --policy-arn AdministratorAccess",
    "https://evil.example.com/" + "a" * 200,
    "An administrator, to undo this: aws iam delete-user --user-name alice",
    "Zahlungsverkehr Zürich, 東京, \u202eevil",
    "\x85\u2028\u2029\x0b\x0c\r",
    "`$(reboot)` \\",
    "* " * 100,
    "\N{FULLWIDTH ASTERISK} root",
)
MALLORYS = ("mallory", "m" * 64, "," * 64, "a+b=c,d.e@f-g_h", "DONE", "aws")


def forged(dice: Dice) -> tuple[Run, RotatorSettings]:
    """A few drawn users with names, tags and causes that somebody chose with care; any of them may fail."""
    cases: list[Case] = [anyone(dice) for _ in range(1 + dice.pick((0, 1, 2)))]
    policy = cases[0].policy
    users = [_disguised(dice, case.user, number) for number, case in enumerate(cases)]
    mode = dice.pick(tuple(Mode))
    occasion = replace(OCCASION, listeners=dice.pick((1, 0, None)), enforce=mode is Mode.ENFORCE)
    plans = tuple(plan_user(user, policy, occasion) for user in users)
    callers = Use(source=dice.pick(FORGED), user_agent=dice.pick(FORGED), events=(dice.pick(FORGED),) * 9)
    outcomes = tuple(_outcome(dice, plan) for plan in plans if plan.actions and not dice.once_in(6))
    run = Run(
        order=Order(
            run_id="run-1",
            total=len(users) + 3,
            with_keys=dice.pick((3, 5000)),
            root_has_keys=dice.pick((False, True, None)),
            user_names=tuple(user.name for user in users),
            account_alias=dice.pick(("", "prod", "a" * 63)),
        ),
        today=TODAY,
        listeners=occasion.listeners,
        plans=plans,
        outcomes=outcomes,
        waiting=plans[1:2] if dice.once_in(3) else (),
        deferred=("m" * 64, "zoe") if dice.once_in(3) else (),
        uses={OLD: (callers,) * 3} if dice.once_in(2) else {},
    )
    runbook = dice.pick(("docs/runbook.md", "https://wiki.example.com/" + "x" * 150))
    return run, replace(
        ENFORCE, mode=mode, policy=policy, runbook_url=runbook, notify=dice.pick(tuple(Notify))
    )


def _disguised(dice: Dice, user: User, number: int) -> User:
    tags = dict(user.tags)
    for tag in (f"{PREFIX}owner", OLD, NEW, f"{PREFIX}exempt", f"{PREFIX}{dice.pick(FORGED)}"):
        if dice.once_in(3):
            tags[tag] = dice.pick(FORGED)
    unread = (dice.pick(FORGED) * 9,) if dice.once_in(8) else user.unread
    return replace(user, name=f"{dice.pick(MALLORYS)[:62]}{number}", tags=tags, unread=unread)


def _outcome(dice: Dice, plan: Plan) -> Outcome:
    failure = dice.pick(FORGED) * dice.pick((1, 30)) if dice.once_in(3) else None
    return acted(plan, failure)


@given(drawn(forged))
def test_every_notice_is_named_or_left_and_none_is_new_or_late_in_a_mail_that_does_not_go(
    drawn_run: tuple[Run, RotatorSettings],
) -> None:
    run, settings = drawn_run
    digest = digest_of(run, settings, redelivered=False)
    to_tell = all_to_tell(run, settings)
    assert {_named(each) for each in digest.named} == {_named(each) for each in to_tell}
    assert len(digest.named) == len(to_tell)
    if any(each.new or runs_out(each.notice, settings.policy, run.today) for each in to_tell):
        assert digest.worth_sending
    # One a key, whatever happened.
    assert len({(each.user.name, each.key_id) for each in to_tell}) == len(to_tell)


@given(drawn_run=drawn(forged), redelivered=st.booleans())
def test_whatever_people_write_the_shape_stays(
    *, drawn_run: tuple[Run, RotatorSettings], redelivered: bool
) -> None:
    run, settings = drawn_run
    digest = digest_of(run, settings, redelivered=redelivered)
    assert problems(digest) == []
    names = {plan.user.name for plan in run.plans}
    assert set(blocks(digest)) <= names
    for command in commands(digest.body):
        words = shlex.split(
            re.sub(r'"\$\(printf %s ([^)]*)\)"', lambda found: found[1].replace(" ", ""), command)
        )
        assert not {"AdministratorAccess", "delete-user"} & set(words)
        if "--user-name" in words:
            assert words[words.index("--user-name") + 1] in names


@given(drawn(forged))
def test_forged_tags_change_no_line_but_those_that_show_them(drawn_run: tuple[Run, RotatorSettings]) -> None:
    """The same run with plain words in place of the forged ones has the same sections, blocks and commands."""
    run, settings = drawn_run
    plain = replace(
        run,
        plans=tuple(replace(plan, owner="x") for plan in run.plans),
        outcomes=tuple(replace(each, plan=replace(each.plan, owner="x")) for each in run.outcomes),
    )
    told, plainly = (digest_of(each, settings, redelivered=False) for each in (run, plain))
    assert told.subject == plainly.subject
    assert blocks(told) == blocks(plainly)
    assert commands(told.body) == commands(plainly.body)


def test_a_report_of_the_longest_everything_fits() -> None:
    names = [f"{number:04}{'n' * 60}" for number in range(200)]
    long = '\N{GREEK SMALL LETTER OMEGA}"' * 4000
    users = tuple(replace(DUE, name=name, tags={f"{PREFIX}owner": long, OLD: long}) for name in names)
    unread = tuple(User(name=f"u{name[1:]}", unread=(long,)) for name in names)
    failing = run_of(*users, failure=long)
    asked = run_of(
        *users, *unread, total=500, uses={OLD: (Use(source=long, user_agent=long, events=(long,) * 9),) * 3}
    )
    run = replace(
        asked, outcomes=(*failing.outcomes, *asked.outcomes), deferred=tuple(names), waiting=asked.plans
    )
    digest = digest_of(run, replace(ENFORCE, policy=Policy()), redelivered=True)
    assert problems(digest) == []
