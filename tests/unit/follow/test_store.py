"""The store's file: whole at every moment, for its owner alone, changed by one process at a time."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from keyrotation.follow.store import Busy, Store, Unusable, write_whole

from tests.unit.follow.world import NEW, NOW, OLD, SECRETS, state

FULL = state(
    NEW, previous=OLD, changed=NOW, offered=NEW, handed=OLD.id, looked=NOW, next_look=NOW + 5, told="changed"
)
# Writes the store, and dies at the step of the write whose number it is given: 0 is before the first.
DIES = """
import os, sys
from pathlib import Path
from keyrotation.follow.store import Store
from tests.unit.follow.world import NEW, state
left = int(sys.argv[2])
STEPS = {"open", "unlink", "chmod", "fsync", "mkdir", "rename", "link", "truncate"}
def audit(event, _):
    global left
    if event.startswith("os.") and event[3:] in STEPS or event == "open":
        left -= 1
        if left < 0:
            os._exit(9)
store = Store(Path(sys.argv[1]))
real = os.fsync
def fsync(handle):
    audit("os.fsync", ())
    real(handle)
os.fsync = fsync
sys.addaudithook(audit)
store.write(state(NEW))
print("wrote")
"""

HOLDS = """
import sys
from keyrotation.follow.store import Store
with Store.at(sys.argv[1]).alone(wait=0):
    print("mine", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store.at(str(tmp_path / "follow.json"))
    store.write(state(OLD))
    return store


def test_what_was_written_is_read(store: Store) -> None:
    for each in (state(OLD), FULL):
        store.write(each)
        assert store.read() == each


def test_only_its_owner_may_read_it_whatever_the_umask(store: Store) -> None:
    before = os.umask(0)
    try:
        store.path.chmod(0o644)
        assert store.open_to_others()
        store.write(FULL)
    finally:
        os.umask(before)
    assert stat.S_IMODE(store.path.stat().st_mode) == 0o600
    assert not store.open_to_others()


def test_killed_at_any_step_of_a_write_it_is_whole_and_the_next_write_leaves_nothing_else(
    store: Store,
) -> None:
    """Each step in turn, until there is none left to die at."""
    found = []
    for step in range(100):
        store.write(state(OLD))
        died = subprocess.run(
            [sys.executable, "-c", DIES, str(store.path), str(step)],
            env={"PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            check=False,
        )
        found.append(store.read().key)
        assert died.returncode in (0, 9), died.stderr
        if died.stdout == "wrote\n":
            break
    store.write(FULL)
    assert [path.name for path in store.path.parent.iterdir()] == [store.path.name]
    # First only the old one, then only the new one.
    assert found == sorted(found, key=[OLD, NEW].index)
    # Unlink, open, chmod, flush, move; and after the move the directory is opened and flushed.
    assert (found.count(OLD), found.count(NEW)) == (5, 3)


def test_the_file_is_flushed_before_it_is_moved_and_the_move_after_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a power cut can leave an empty file under the store's name."""
    steps = []
    flush, move = os.fsync, Path.replace

    def flushed(handle: int) -> None:
        steps.append("directory" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        flush(handle)

    def moved(self: Path, target: Path) -> Path:
        steps.append("move")
        return move(self, target)

    monkeypatch.setattr(os, "fsync", flushed)
    monkeypatch.setattr(Path, "replace", moved)
    store.write(FULL)
    assert steps == ["file", "move", "directory"]


def test_a_write_that_fails_leaves_the_store_as_it_was_and_no_half_file(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.write(FULL)
    assert store.read() == state(OLD)
    assert [path.name for path in store.path.parent.iterdir()] == [store.path.name]


def test_what_a_killed_process_left_goes_with_the_next_write_even_a_link_to_elsewhere(
    store: Store, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("")
    (tmp_path / "follow.json.new").symlink_to(elsewhere)
    store.write(FULL)
    assert (store.read(), elsewhere.read_text()) == (FULL, "")


def test_a_store_behind_a_link_stays_behind_it(store: Store, tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to(store.path)
    Store.at(str(link)).write(FULL)
    assert link.is_symlink()
    assert store.read() == FULL


def test_a_store_belongs_to_one_process_at_a_time(store: Store) -> None:
    holding = subprocess.Popen(
        [
            sys.executable,
            "-c",
            HOLDS,
            str(store.path),
        ],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holding:
        assert holding.stdout is not None
        assert holding.stdout.readline() == "mine\n"
        with pytest.raises(Busy, match="another process has had"), store.alone(wait=0):
            pytest.fail("two at once")
        # Whoever is killed has it no more.
        holding.kill()
        holding.wait()
        with store.alone(wait=0):
            store.write(FULL)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_root_changes_nobodys_store_as_its_owner_could_not_read_it_any_more(store: Store) -> None:
    os.chown(store.path, 12345, 12345)
    with pytest.raises(Unusable, match="belongs to another user"), store.alone(wait=0):
        pytest.fail("taken")
    assert store.read() == state(OLD)


WRITTEN = {"version": 1, "region": "r", "arn": "a", "secret": "s", "key": OLD.named()}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '"text"',
        json.dumps(WRITTEN)[:-9],
        json.dumps({**WRITTEN, "version": 2}),
        json.dumps({**WRITTEN, "of a later version": 1}),
        json.dumps({**WRITTEN, "key": {"AccessKeyId": OLD.id}}),
        json.dumps({**WRITTEN, "key": {**OLD.named(), "SecretAccessKey": "two\nlines"}}),
        json.dumps({**WRITTEN, "key": {**OLD.named(), "AccessKeyId": "$(id)"}}),
        json.dumps({**WRITTEN, "lifetime": 0}),
        json.dumps({**WRITTEN, "every": "6"}),
        json.dumps({**WRITTEN, "arn": None}),
    ],
)
def test_what_is_no_store_is_refused_and_not_quoted(tmp_path: Path, text: str) -> None:
    path = tmp_path / "follow.json"
    path.write_text(text)
    with pytest.raises(Unusable) as refused:
        Store(path).read()
    assert str(refused.value) == f"{path} is not a store of access-key-follow"
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__


def test_the_least_store_is_one(tmp_path: Path) -> None:
    path = tmp_path / "follow.json"
    path.write_text(json.dumps(WRITTEN))
    assert Store(path).read().key == OLD


def test_no_secret_is_in_what_python_prints_of_a_key_or_a_state() -> None:
    for text in (repr(OLD), repr(FULL), json.dumps(FULL.without_secrets())):
        assert OLD.id in text
        assert not [secret for secret in SECRETS if secret in text]


@pytest.mark.parametrize(
    ("now", "next_look", "due"),
    [
        (NOW, 0, True),
        (NOW, NOW, True),
        (NOW, NOW + 1, False),
        (NOW, NOW + 6 * 3600, False),
        # Looked at while the clock was a year ahead: otherwise no new key would be found for a year.
        (NOW, NOW + 6 * 3600 + 1, True),
    ],
)
def test_a_look_is_due_when_its_time_has_come_or_lies_further_ahead_than_it_can(
    now: float, next_look: float, *, due: bool
) -> None:
    assert state(next_look=next_look).due(now) is due


def test_a_file_of_people_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "credentials"
    path.write_text("before")
    write_whole(path, "after\r\n", mode=0o640)
    assert path.read_bytes() == b"after\r\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
