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
from keyrotation.act.apply import Done, Outcome
from keyrotation.act.replacement import Issued
from keyrotation.decide.actions import Hold, Plan, Replace
from keyrotation.decide.plan import plan_user
from keyrotation.model import Use, User
from keyrotation.policy import Policy
from keyrotation.run.order import Order
from keyrotation.run.record import Run
from keyrotation.run.settings import Mode, Notify, RotatorSettings
from keyrotation.tell.digest import Digest, digest_of

from tests.unit.drawn import Case, Dice, anyone, drawn
from tests.unit.people import NEW, OCCASION, OLD, TODAY
from tests.unit.scenes import DUE, ENFORCE, MAILS, PREFIX, SCENES, run_of

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "report.schema.json").read_text())
Draft202012Validator.check_schema(SCHEMA)

TITLES = {
    "SWITCHED OFF WHILE IN USE",
    "FAILED",
    "THE ACCOUNT",
    "NEEDS SOMEONE",
    "WOULD BE DONE (Mode is Audit: nothing was changed)",
    "DONE TODAY",
    "DONE TODAY BY AN EARLIER ATTEMPT, WHICH COULD NOT TELL",
    "COMING UP",
    "EXEMPT",
    "NOT REACHED TODAY",
    "EXAMINED",
    "SETTINGS",
    "THIS RUN",
}


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
        f"not a line of the head: {line}" for line in head.splitlines() if not re.match(r"[A-Z0-9a-z]", line)
    ]
    titles = [re.sub(r": \d+, the first \d+$", "", section.partition("\n")[0]) for section in sections]
    found += [f"no title: {title}" for title in titles if title not in TITLES]
    if len(set(titles)) != len(titles) or titles[-3:] != ["EXAMINED", "SETTINGS", "THIS RUN"]:
        found.append(f"not these titles in this order: {titles}")
    for section in sections:
        found += _problems_of_lines(section.splitlines()[1:])
    return found


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
    """Blocks begin with `* `, text stands at 4, commands and links at 8, and nothing anywhere else."""
    found, goes_on = [], False
    for line in lines:
        command = re.fullmatch(r" {8}(aws [a-z]+ [a-z-]+( .*)?|https://\S+)", line)
        fine = re.match(r" {10}\S", line) if goes_on else command or re.match(r"\* \S| {4}\S", line)
        if not fine:
            found.append(f"a line of its own: {line!r}")
        goes_on = line.endswith(" \\") and (goes_on or command is not None)
    return found


def blocks(digest: Digest) -> list[str]:
    return [line.split()[1] for line in digest.body.splitlines() if line.startswith("* ")]


def commands(text: str) -> list[str]:
    """The commands of a mail as a shell sees them, in one line each."""
    joined = re.sub(r" \\\n *", " ", text)
    return [line.strip() for line in joined.splitlines() if re.match(r" {8}aws ", line)]


@pytest.mark.parametrize("name", sorted(SCENES))
def test_every_scene_keeps_the_shape(name: str) -> None:
    scene = SCENES[name]
    assert problems(digest_of(scene.run, scene.settings, redelivered=True)) == []


def test_five_thousand_users_fit_and_say_where_the_rest_is() -> None:
    scene = SCENES["five-thousand-users"]
    digest = digest_of(scene.run, scene.settings, redelivered=False)
    assert "NEEDS SOMEONE: 500, the first 25" in digest.body
    assert "and 475 more, all of them in the log of this run" in digest.body
    assert "and 4875 more, named in the log" in " ".join(digest.body.split())
    data = json.loads(digest.data)
    assert data["complete"] is False
    assert data["counts"]["attention"] == 500
    assert 1 <= len(data["sections"]["attention"]) <= 25


@pytest.mark.parametrize(("users", "complete"), [(25, True), (26, False)])
def test_a_report_says_whether_it_is_complete(users: int, *, complete: bool) -> None:
    run = run_of(*(replace(DUE, name=f"due{number}") for number in range(users)))
    data = json.loads(digest_of(run, ENFORCE, redelivered=False).data)
    assert data["complete"] is complete
    assert data["counts"]["done"] == users
    assert len(data["sections"]["done"]) == 25


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
    occasion = replace(OCCASION, listeners=dice.pick((1, 0, None)))
    plans = tuple(plan_user(user, policy, occasion) for user in users)
    mode, redelivered_uses = (
        dice.pick(tuple(Mode)),
        Use(source=dice.pick(FORGED), user_agent=dice.pick(FORGED), events=(dice.pick(FORGED),) * 9),
    )
    outcomes = tuple(_outcome(dice, plan) for plan in plans if plan.actions) if mode is Mode.ENFORCE else ()
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
        uses={OLD: (redelivered_uses,) * 3} if dice.once_in(2) else {},
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
    if dice.once_in(3):
        return Outcome(plan=plan, done=(), failure=dice.pick(FORGED) * dice.pick((1, 30)))
    issued = Issued(key_id=NEW, secret_name="x", secret_arn="x")
    done = tuple(
        Done(action=action, issued=issued if isinstance(action, Replace) else None)
        for action in plan.actions
        if not isinstance(action, Hold)
    )
    holds = tuple(action for action in plan.actions if isinstance(action, Hold))
    return Outcome(plan=plan, done=done, failure=None, once_told=holds)


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
    names = [f"{number:04}{'n' * 60}" for number in range(60)]
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
