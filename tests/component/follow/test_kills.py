"""`kill -9` at random moments of a change: the store is whole each time, and its key is one that works."""

import os
import random
import signal
import time
from collections.abc import Iterator

from tests.component.follow.endpoint import NEW, OLD, Account
from tests.component.follow.machine import Machine, state

TIMES = 40


def moments(longest: float, seed: int) -> Iterator[float | None]:
    """How long after its start a process is killed: at once, at random, and (None) when it is over."""
    chance = random.Random(seed)
    yield 0
    for _ in range(TIMES - 2):
        yield chance.uniform(0, longest * 1.1)
    yield None


def killed(machine: Machine, seed: int, *words: str) -> Iterator[int]:
    machine.has()
    begun = time.monotonic()
    assert machine.run(*words)[0] == 0
    longest = time.monotonic() - begun
    for number, moment in enumerate(moments(longest, seed)):
        machine.has(handed="" if len(words) > 1 else None)
        with machine.start(*words) as process:
            if moment is None:
                process.wait()
            else:
                time.sleep(moment)
                process.kill()
        yield number


def test_killed_at_40_moments_of_a_change_the_store_is_whole_and_serves_a_key_that_works(
    machine: Machine, aws: Account
) -> None:
    found = []
    for _ in killed(machine, 17, "refresh"):
        now = machine.store.read()
        assert now in (
            state(),
            state(next_look=now.next_look, told="a look began, and did not end"),
            state(
                key=NEW,
                previous=OLD,
                changed=now.changed,
                looked=now.looked,
                next_look=now.next_look,
                told=f"changed from {OLD.id} to {NEW.id}",
            ),
        )
        found.append(now.key)
    assert len(found) == TIMES
    assert set(found) == {OLD, NEW}
    # Nothing is in the way of the next one, and nothing is left of those before.
    machine.has()
    assert machine.run("refresh")[0] == 0
    assert {path.name for path in machine.home.iterdir()} <= {"follow.json", "follow.json.lock"}
    assert aws.asked[-1] == (NEW.id, "owner")


def test_killed_at_40_moments_the_new_key_signs_nothing_before_its_consumer_has_it(
    machine: Machine, aws: Account
) -> None:
    consumer = machine.home / "consumer"
    command = f"printf %s $AWS_ACCESS_KEY_ID > {consumer}.part && mv {consumer}.part {consumer}"
    found = []
    for _ in killed(machine, 23, "refresh", "--then", command):
        has = consumer.read_text() if consumer.exists() else OLD.id
        now = machine.store.read()
        # The one may have it while the other does not know yet, and never the other way round.
        assert (now.key.id, has) in {(OLD.id, OLD.id), (OLD.id, NEW.id), (NEW.id, NEW.id)}
        if (NEW.id, "owner") in aws.asked:
            assert has == NEW.id
        found.append(now.key)
        aws.asked.clear()
        consumer.unlink(missing_ok=True)
    assert len(found) == TIMES
    assert set(found) == {OLD, NEW}


def test_a_command_whose_parent_is_killed_gets_the_same_key_again(machine: Machine, aws: Account) -> None:
    command = "printf '%s ' $AWS_ACCESS_KEY_ID >> took; test -e mended || exit 3; sleep 60"
    machine.has(handed=OLD.id)
    assert machine.run("refresh", "--then", command)[0] == 1
    (machine.home / "mended").touch()
    with machine.start("refresh", "--then", command, start_new_session=True) as process:
        while (machine.home / "took").read_text().count(NEW.id) < 2:  # another process's file
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)  # its command with it
    assert machine.store.read().offered == NEW
    aws.dead = (OLD,)
    assert machine.run("refresh", "--then", command.replace("; sleep 60", ""))[0] == 0
    assert (machine.home / "took").read_text().split() == [NEW.id] * 3
    assert machine.store.read().key == NEW
