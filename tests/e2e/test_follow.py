"""Consumers that follow two rotations by themselves, and beside them one that nobody updates, with IAM enforced."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.exceptions import ClientError
from keyrotation.follow.store import State, Store
from keyrotation.memory import OffReason

from sandbox.account import EmulatedAccount
from sandbox.cast import Person, SeededKey, seed
from sandbox.clients import Key
from sandbox.controls import Mail
from sandbox.day import days_pass, run_day
from sandbox.launch import CHECKOUT
from tests.assembled import kept_assembly
from tests.e2e.people import memory_of, statuses

ADDRESS = "on-call@example.com"
# Used on the day on which it is due.
DUE = (SeededKey(age=75, used=0),)
PYTHON, NODE, NEGLECTED = "etl,nightly", "web", "slow"
HERE = Path(__file__).parent


class Rotation:
    """The one place that knows by which rules the deployed stack rotates: how many days each of its steps takes, how days pass
    for it, and how its mail is read.
    """

    TO_THE_OFF_DAY = timedelta(days=14)
    FROM_THERE_TO_THE_FORCED_DAY = timedelta(days=14)
    FROM_THERE_TO_THE_NEXT_REPLACEMENT = timedelta(days=46)
    # Often enough that a notice was told again within the last days before its day, without which it is not kept.
    _BETWEEN_RUNS = timedelta(days=3)

    def __init__(self, account: EmulatedAccount) -> None:
        self._account = account
        self._outputs = account.install(
            kept_assembly(), {"Mode": "Enforce", "AlertEmail": ADDRESS, "Notify": "Always"}
        )
        self._inbox = account.inbox(ADDRESS)
        self.asked: set[str] = set()

    def run(self) -> Mail:
        mail = self._inbox.next(run_id=run_day(self._account, self._outputs))
        self.asked |= self.asks_somebody_about(mail)
        return mail

    def let_pass(self, time: timedelta) -> None:
        """With the runs of the days between; the last day is there, and has not had its run."""
        while time > self._BETWEEN_RUNS:
            days_pass(self._account, self._BETWEEN_RUNS.days)
            self.run()
            time -= self._BETWEEN_RUNS
        days_pass(self._account, time.days)

    def went_off_because(self, user_name: str, key_id: str) -> OffReason | None:
        return memory_of(self._account, user_name).key(key_id).off_because

    @staticmethod
    def asks_somebody_about(mail: Mail) -> set[str]:
        """The users of whose keys somebody is asked something."""
        asked = mail.body.partition("NEEDS SOMEONE")[2].partition("\n\n")[0]
        return {line.removeprefix("* ").split(" ")[0] for line in asked.splitlines() if line.startswith("* ")}


@dataclass
class Log:
    calls: int = 0
    failed: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)


class Machine:
    """A consumer's machine, whose programs have a profile with a static key until it is adopted."""

    def __init__(self, home: Path, account: EmulatedAccount, key: Key) -> None:
        self.home = home
        (home / ".aws").mkdir(parents=True)
        self.credentials.write_text(
            f"[app]\naws_access_key_id = {key.key_id}\naws_secret_access_key = {key.secret}\n"
        )
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": str(CHECKOUT / "functions"),
            "AWS_PROFILE": "app",
            "AWS_REGION": account.region,
            "AWS_DEFAULT_REGION": account.region,
            "AWS_ENDPOINT_URL": account.emulator.endpoint,
            "AWS_CA_BUNDLE": str(account.emulator.ca),
            "AWS_EC2_METADATA_DISABLED": "true",
            "NODE_EXTRA_CA_CERTS": str(account.emulator.ca),
            "NODE_NO_WARNINGS": "1",
        }
        self._programs: list[tuple[Path, subprocess.Popen[bytes]]] = []

    @property
    def credentials(self) -> Path:
        return self.home / ".aws" / "credentials"

    @property
    def store(self) -> Store:
        return Store(self.home / "follow" / "app.json")

    def adopt(self, *, region: str, ahead: float) -> None:
        """And let it look and be asked every few seconds instead of hours: programs ask some time before `ahead` is over."""
        words = ["adopt", str(self.store.path), "--profile", "app", "--region", region, "--take-over"]
        subprocess.run([sys.executable, "-m", "keyrotation.follow", *words], env=self.environment, check=True)
        self.store.write(replace(self.store.read(), every=2, lifetime=ahead))

    @contextmanager
    def running(self, *commands: tuple[str, Path]) -> Iterator[None]:
        """Programs, each from here to the end of the block."""
        stop = self.home / "stop"
        with (self.home / "stderr").open("wb") as stderr:
            for number, command in enumerate(commands):
                log = self.home / f"log-{number}"
                words = [*map(str, command), str(log), str(stop)]
                self._programs.append((log, subprocess.Popen(words, env=self.environment, stderr=stderr)))
            try:
                self.wait_until(lambda: all(log.exists() for log, _ in self._programs))
                yield
            finally:
                stop.touch()
                for _, program in self._programs:
                    assert program.wait(60) == 0

    def logs(self) -> list[Log]:
        return [Log(**json.loads(log.read_text())) for log, _ in self._programs]

    def wait_until_all_use(self, key_id: str) -> None:
        self.wait_until(lambda: all(log.keys[-1] == key_id for log in self.logs()))

    def wait_until(self, seen: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not seen():
            assert time.monotonic() < deadline, (self.home / "stderr").read_text()
            time.sleep(0.1)

    def wait_for_calls(self) -> None:
        """Each program has called again, with whatever it uses now."""
        before = [log.calls for log in self.logs()]
        self.wait_until(
            lambda: all(log.calls > calls + 1 for log, calls in zip(self.logs(), before, strict=True))
        )

    def wait_for_looks(self, times: int) -> None:
        looks: set[float | None] = set()

        def enough() -> bool:
            looks.add(self.store.read().looked)
            return len(looks) > times

        self.wait_until(enough)

    def changed_from(self, before: State) -> State:
        self.wait_until(lambda: self.store.read().key != before.key)
        return self.store.read()


@dataclass(frozen=True)
class World:
    account: EmulatedAccount
    rotation: Rotation
    keys: Mapping[str, list[Key]]

    def works(self, name: str) -> None:
        """As a program does that nobody updates: with the key that it always had."""
        self.account.client("sqs", key=self.keys[name][0]).list_queues()

    def last_used(self, key_id: str) -> datetime:
        used = self.account.client("iam").get_access_key_last_used(AccessKeyId=key_id)
        return used["AccessKeyLastUsed"]["LastUsedDate"]


@pytest.fixture
def world(empty_account: EmulatedAccount) -> World:
    people = tuple(Person(name=name, story="its key is due", keys=DUE) for name in (PYTHON, NODE, NEGLECTED))
    rotation = Rotation(empty_account)
    keys = seed(empty_account, people, datetime.now(UTC))
    statement = {"Effect": "Allow", "Action": "sqs:ListQueues", "Resource": "*"}
    for name in keys:
        empty_account.client("iam").put_user_policy(
            UserName=name,
            PolicyName="works",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
        )
    return World(empty_account, rotation, keys)


def test_programs_that_never_heard_of_it_go_through_two_rotations_without_a_failed_call(
    world: World, tmp_path: Path
) -> None:
    """Three processes of boto3 and one of the JavaScript SDK, a client each for life; and a user whom nobody updates."""
    account, rotation = world.account, world.rotation
    machines = {name: Machine(tmp_path / name, account, world.keys[name][0]) for name in (PYTHON, NODE)}
    # boto3 asks 15 minutes before the end, the JavaScript SDK 5 minutes before: both after 4 seconds.
    machines[PYTHON].adopt(region=account.region, ahead=15 * 60 + 4)
    machines[NODE].adopt(region=account.region, ahead=5 * 60 + 4)
    for machine in machines.values():
        assert "aws_secret_access_key" not in machine.credentials.read_text()
    first = {name: machine.store.read() for name, machine in machines.items()}
    with (
        machines[PYTHON].running(*[(sys.executable, HERE / "program.py")] * 3),
        machines[NODE].running(("node", HERE / "program.mjs")),
    ):
        world.works(NEGLECTED)
        rotation.run()
        second = {}
        for name, machine in machines.items():
            assert statuses(account, name) == ["Active", "Active"]
            second[name] = machine.changed_from(first[name])
            machine.wait_until_all_use(second[name].key.id)
        left = {name: world.last_used(first[name].key.id) for name in machines}

        # After the change nothing is signed with the old key: neither by a program nor by the look.
        for name, machine in machines.items():
            machine.wait_for_looks(3)
            assert world.last_used(first[name].key.id) == left[name]

        rotation.let_pass(Rotation.TO_THE_OFF_DAY)
        world.works(NEGLECTED)
        for machine in machines.values():
            machine.wait_for_calls()
        mail = rotation.run()
        for name in machines:
            assert statuses(account, name) == ["Inactive", "Active"]
            assert rotation.went_off_because(name, first[name].key.id) is OffReason.QUIET
        assert statuses(account, NEGLECTED) == ["Active", "Active"]
        assert Rotation.asks_somebody_about(mail) == {NEGLECTED}

        rotation.let_pass(Rotation.FROM_THERE_TO_THE_FORCED_DAY)
        world.works(NEGLECTED)
        for machine in machines.values():
            machine.wait_for_calls()
        mail = rotation.run()
        assert statuses(account, NEGLECTED) == ["Inactive", "Active"]
        neglected = world.keys[NEGLECTED][0].key_id
        assert rotation.went_off_because(NEGLECTED, neglected) is OffReason.FORCED
        with pytest.raises(ClientError, match="InvalidClientTokenId"):
            world.works(NEGLECTED)
        assert Rotation.asks_somebody_about(mail).isdisjoint(machines)

        rotation.let_pass(Rotation.FROM_THERE_TO_THE_NEXT_REPLACEMENT)
        for machine in machines.values():
            machine.wait_for_calls()
        rotation.run()
        third = {}
        for name, machine in machines.items():
            third[name] = machine.changed_from(second[name])
            machine.wait_until_all_use(third[name].key.id)
            machine.wait_for_calls()
    assert rotation.asked == {NEGLECTED}, "nobody was asked anything of those who follow"
    for name, machine in machines.items():
        for log in machine.logs():
            assert log.failed == []
            assert log.keys == [first[name].key.id, second[name].key.id, third[name].key.id]
        told = (machine.home / "stderr").read_text()
        assert not [state for state in (first[name], second[name], third[name]) if state.key.secret in told]
    assert [len(machine.logs()) for machine in machines.values()] == [3, 1]
