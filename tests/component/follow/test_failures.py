"""Full and read-only disks, networks that are away, slow or never done, several at once, a clock that is wrong.

Each time: what an SDK is served, that it works, and what happens when the trouble is over.
"""

import os
import resource
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from tests.component.follow.endpoint import NEW, OLD, Account
from tests.component.follow.machine import Machine

# The program with less patience than it has, so that a test need not have it either.
HASTY = """
import sys
from keyrotation.follow import aws, cli
from keyrotation.follow.__main__ import run
cli.IN_TIME, aws.READ = 1.0, 600
sys.exit(run())
"""


@contextmanager
def small_disk(folder: Path, *, size: str) -> Iterator[None]:
    """A file system of its own below `folder`; skips where this user may not mount one."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("a file system can only be mounted by root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_on_a_full_disk_the_old_key_is_served_no_key_is_used_and_with_room_again_it_follows(
    machine: Machine, aws: Account
) -> None:
    disk = machine.home / "disk"
    with small_disk(disk, size="64k"):
        full = Machine(disk, aws)
        full.has()
        filling = disk / "filling"
        with pytest.raises(OSError, match="No space"):
            filling.write_bytes(bytes(100_000))
        assert full.served() == OLD.id
        code, out, err = full.run("refresh", "--print", "env")
        assert (code, out.splitlines()[0]) == (1, f"AWS_ACCESS_KEY_ID={OLD.id}")
        assert "No space left on device" in err
        assert aws.asked == []
        filling.unlink()
        assert full.served() == NEW.id


def test_where_no_file_may_grow_the_old_key_is_served(machine: Machine, aws: Account) -> None:
    """A quota, met in the middle of the write: as for everybody, root or not."""

    def no_room() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))

    assert machine.served(preexec_fn=no_room) == OLD.id
    assert aws.asked == []
    assert [path.name for path in machine.home.iterdir() if path.suffix == ".new"] == []
    assert machine.served() == NEW.id


def test_on_a_read_only_disk_the_old_key_is_served_and_later_it_follows(
    machine: Machine, aws: Account
) -> None:
    disk = machine.home / "disk"
    with small_disk(disk, size="64k"):
        sealed = Machine(disk, aws)
        sealed.has()
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        assert sealed.served() == OLD.id
        code, out, err = sealed.run("refresh")
        assert (code, out) == (1, "")
        assert "Read-only file system" in err
        assert aws.asked == []
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        assert sealed.served() == NEW.id


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_in_a_folder_that_may_not_be_written_the_old_key_is_served(machine: Machine, aws: Account) -> None:
    machine.home.chmod(0o500)
    try:
        assert machine.served() == OLD.id
        assert aws.asked == []
    finally:
        machine.home.chmod(0o700)


def test_without_a_network_the_old_key_is_served_and_ten_minutes_later_it_follows(
    machine: Machine, aws: Account
) -> None:
    machine.more["AWS_ENDPOINT_URL"] = "https://127.0.0.1:9"
    assert machine.served() == OLD.id
    waiting = machine.store.read()
    assert waiting.told == "the secret could not be read (EndpointConnectionError)"
    del machine.more["AWS_ENDPOINT_URL"]
    assert machine.served() == OLD.id
    assert aws.asked == []
    machine.has(next_look=waiting.next_look - 600)
    assert machine.served() == NEW.id


def test_on_a_slow_network_it_follows_all_the_same(machine: Machine, aws: Account) -> None:
    aws.delay = 1
    assert machine.served() == NEW.id


def test_an_answer_that_comes_a_byte_at_a_time_is_not_waited_for(machine: Machine, aws: Account) -> None:
    """Each byte in time, and the whole in an hour: no timeout of a library ends that."""
    aws.drips = True
    code, out, err = machine.run("serve", program=(sys.executable, "-c", HASTY))
    assert (code, OLD.id in out) == (0, True)
    assert err == "access-key-follow: no look for a new key: it did not end within 1 seconds\n"
    aws.drips = False
    machine.has()
    assert machine.served() == NEW.id


def test_of_twelve_at_once_one_looks_and_all_are_served_a_key_that_works(
    machine: Machine, aws: Account
) -> None:
    started = [machine.start("serve") for _ in range(12)]
    answers = [process.communicate()[0] for process in started]
    served = Counter(NEW.id if NEW.id in answer else OLD.id for answer in answers if "Version" in answer)
    assert served.total() == 12
    assert served[NEW.id] >= 1
    assert aws.asked == [(OLD.id, "secret"), (NEW.id, "owner")]
    assert machine.store.read().key == NEW


def test_of_four_refreshes_at_once_each_gets_its_turn_and_the_command_runs_once(
    machine: Machine, aws: Account
) -> None:
    command = "printf '%s ' $AWS_ACCESS_KEY_ID >> took"
    started = [machine.start("refresh", "--then", command) for _ in range(4)]
    for process in started:
        process.communicate()
        assert process.returncode == 0
    assert (machine.home / "took").read_text().split() == [NEW.id]
    assert Counter(aws.asked) == {(OLD.id, "secret"): 1, (NEW.id, "owner"): 1, (NEW.id, "secret"): 3}


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_is_an_hour_wrong_is_not_a_dead_key(machine: Machine, aws: Account, hours: int) -> None:
    machine.has(key=NEW, previous=OLD, changed=machine.store.path.stat().st_mtime)
    aws.ahead = timedelta(hours=hours)
    assert machine.served() == NEW.id
    # Neither the key before nor any other is tried: that would be a use of it.
    assert aws.asked == [(NEW.id, "secret")]
    assert machine.store.read().told == "the secret could not be read (InvalidSignatureException)"
    aws.ahead = timedelta()
    machine.has()
    assert machine.served() == NEW.id


def test_a_machine_that_was_off_for_longer_than_the_overlap_serves_what_it_has_and_says_what_to_do(
    machine: Machine, aws: Account
) -> None:
    aws.dead = (OLD,)
    assert machine.served() == OLD.id
    code, out, err = machine.run("refresh")
    assert (code, out) == (1, "")
    assert "have the current one handed over by other means, and adopt it" in err


def test_the_profile_that_asks_us_is_not_asked_for_the_keys_of_the_look(machine: Machine) -> None:
    """Otherwise the program would start itself for ever."""
    (machine.home / "config").write_text("[profile app]\ncredential_process = false\nregion = us-east-2\n")
    machine.more = {
        "AWS_PROFILE": "app",
        "AWS_SESSION_TOKEN": "of something else",
        "AWS_ACCESS_KEY_ID": "AKIAELSE",
    }
    assert machine.served() == NEW.id


def test_a_profile_that_is_not_there_stops_the_look_and_not_the_answer(machine: Machine) -> None:
    machine.more = {"AWS_PROFILE": "missing"}
    assert machine.served() == OLD.id
    assert machine.store.read().told == "the secret could not be read (ProfileNotFound)"
