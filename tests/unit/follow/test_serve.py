"""What an SDK gets that asks by credential_process: valid JSON with the key that is there, whatever else fails."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest
from keyrotation.follow import serve as serving
from keyrotation.follow.refresh import Follower
from keyrotation.follow.serve import serve
from keyrotation.follow.store import Store, Unusable

from tests.unit.follow.world import NEW, NOW, OLD, World, state

if TYPE_CHECKING:
    from pathlib import Path


class Program:
    """A program on a machine with a clock; `said` is our stderr."""

    def __init__(self, path: Path, world: World) -> None:
        self.store = Store(path)
        self.world = world
        self.now = NOW
        self.said: list[str] = []
        self.store.write(state(OLD))

    def asks(self, *, in_time: float = 60) -> dict[str, object]:
        follower = Follower(store=self.store, clock=lambda: self.now, aws_in=lambda _: self.world)
        answer = json.loads(serve(follower, in_time=in_time, say=self.said.append))
        assert isinstance(answer, dict)
        return answer


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def program(tmp_path: Path, world: World) -> Program:
    return Program(tmp_path / "follow.json", world)


def test_the_answer_is_the_contracts_and_good_for_an_hour(program: Program) -> None:
    assert program.asks() == {
        "Version": 1,
        "AccessKeyId": NEW.id,
        "SecretAccessKey": NEW.secret,
        "Expiration": "2027-01-15T09:00:00Z",  # NOW is 08:00
    }


def test_it_looks_every_six_hours_and_not_in_between(program: Program, world: World) -> None:
    program.asks()
    world.asked.clear()
    for minutes in (1, 45, 359):
        program.now = NOW + minutes * 60
        program.asks()
    assert world.asked == []
    program.now = NOW + 6 * 3600
    program.asks()
    assert world.asked == [(NEW.id, "secret")]


def test_a_change_is_told_once_and_a_look_that_found_nothing_is_not(program: Program) -> None:
    program.asks()
    program.now += 6 * 3600
    program.asks()
    assert program.said == [f"changed from {OLD.id} to {NEW.id}"]


def test_a_key_that_a_command_hands_over_is_served_and_never_changed(program: Program, world: World) -> None:
    program.store.write(state(OLD, handed=""))
    assert program.asks()["AccessKeyId"] == OLD.id
    assert world.asked == []


def test_a_look_is_planned_before_aws_is_asked(program: Program) -> None:
    """A look that hangs or is killed is made again in ten minutes, not by every program that asks."""
    planned = []

    class Watched(World):
        def _ask(self, *_: object) -> None:
            planned.append(program.store.read().next_look)

    program.world = Watched()
    program.asks()
    assert planned == [NOW + 600, NOW + 600]


def test_where_the_disk_takes_nothing_no_key_is_used_and_the_old_one_is_served(
    program: Program, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "follow.json.new")

    monkeypatch.setattr("keyrotation.follow.store.write_whole", full)
    assert program.asks()["AccessKeyId"] == OLD.id
    assert world.asked == []
    assert program.said == ["no look for a new key: No space left on device (follow.json.new)"]


def test_a_disk_that_fills_up_during_the_look_leaves_the_old_key(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Served from memory it would be lost at the next question."""

    class Filling(World):
        def _ask(self, *_: object) -> None:
            monkeypatch.setattr("keyrotation.follow.store.write_whole", full)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "follow.json.new")

    program.world = Filling()
    assert program.asks()["AccessKeyId"] == OLD.id
    assert program.store.read().key == OLD


def test_an_error_that_nobody_thought_of_is_told_by_its_kind_alone(program: Program) -> None:
    class Broken(World):
        def _ask(self, *_: object) -> None:
            raise RuntimeError(OLD.secret)

    program.world = Broken()
    assert program.asks()["AccessKeyId"] == OLD.id
    assert program.said == ["no look for a new key: RuntimeError"]


def test_a_look_that_does_not_end_is_not_waited_for(program: Program) -> None:
    over = threading.Event()

    class Hanging(World):
        def _ask(self, *_: object) -> None:
            over.wait(20)

    program.world = Hanging()
    assert program.asks(in_time=0.05)["AccessKeyId"] == OLD.id
    assert program.said == ["no look for a new key: it did not end within 0.05 seconds"]
    program.now += 599
    assert program.asks(in_time=0.05)["AccessKeyId"] == OLD.id
    over.set()
    assert len(program.said) == 1


def test_the_go_sdk_would_wait_for_longer_than_we_do() -> None:
    assert serving.IN_TIME < 60


def test_while_another_process_looks_the_key_that_is_there_is_served_at_once(
    program: Program, world: World
) -> None:
    with program.store.alone(wait=0):
        assert program.asks()["AccessKeyId"] == OLD.id
    assert (world.asked, program.said) == ([], [])


def test_without_a_store_there_is_no_answer(program: Program) -> None:
    program.store.path.write_text("{")
    with pytest.raises(Unusable):
        program.asks()
    program.store.path.unlink()
    with pytest.raises(FileNotFoundError):
        program.asks()
