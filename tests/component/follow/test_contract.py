"""The contract of credential_process, as boto3 keeps it: how often it asks, with and without Expiration.

And what the rotation stores, as access-key-follow reads it.
"""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from botocore.credentials import RefreshableCredentials
from botocore.session import Session
from keyrotation.act.secret_store import NewKey
from keyrotation.follow.aws import Aws
from keyrotation.follow.serve import answer
from keyrotation.follow.store import EVERY, AccessKey, State
from keyrotation.model import CURRENT_STAGE, User

from tests.component.account import ACCOUNT, NOW, REGION
from tests.component.conftest import Clients
from tests.component.follow.machine import state

DAY = 24 * 60
# Answers with the moment that the test says it is, and counts that it was asked.
PROCESS = """
import sys
from pathlib import Path
folder = Path(sys.argv[1])
with (folder / "asked").open("a") as file:
    file.write(".")
print((folder / "answer").read_text())
"""


class Program:
    """One boto3 session for its whole life, on a machine whose clock the test moves."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.now = datetime(2026, 11, 26, 6, tzinfo=UTC)
        (folder / "process.py").write_text(PROCESS)
        (folder / "config").write_text(
            f"[profile app]\ncredential_process = {sys.executable} {folder / 'process.py'} {folder}\n"
        )
        monkeypatch.setenv("AWS_CONFIG_FILE", str(folder / "config"))
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)

    def answers(self, lifetime: float | None, now: datetime) -> None:
        """From here on; None: without an Expiration."""
        served = json.loads(answer(state(lifetime=lifetime or 1), now.timestamp()))
        if lifetime is None:
            del served["Expiration"]
        (self.folder / "answer").write_text(json.dumps(served))

    def times_asked(self, *, lifetime: float | None, uses: int, every: timedelta) -> int:
        """How often the process ran, for so many uses of the key at such a distance."""
        session = Session(profile="app")
        for _ in range(uses):
            self.answers(lifetime, self.now)
            credentials = session.get_credentials()
            assert credentials is not None
            if isinstance(credentials, RefreshableCredentials):
                credentials._time_fetcher = lambda: self.now  # type: ignore[attr-defined]  # it is private
            credentials.get_frozen_credentials()
            self.now += every
        return self.asked()

    def asked(self) -> int:
        return len((self.folder / "asked").read_text())


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    return Program(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("lifetime", "uses", "minutes", "asked"),
    [
        # Without Expiration: once in the life of the program. It would go on with a key that is off.
        pytest.param(None, DAY, 1, 1, id="without Expiration, a day"),
        # As we answer: fifteen minutes before the end of the hour.
        pytest.param(State.lifetime, DAY, 1, DAY // 45, id="an hour ahead, a day"),
        pytest.param(State.lifetime, 12, 0.01, 1, id="an hour ahead, twelve uses at once"),
        # Less than fifteen minutes ahead: at each use, and once to begin with.
        pytest.param(14 * 60, 12, 0.01, 1 + 12, id="14 minutes ahead, twelve uses at once"),
    ],
)
def test_boto3_asks_again_fifteen_minutes_before_the_end_and_never_without_one(
    program: Program, lifetime: float | None, uses: int, minutes: float, asked: int
) -> None:
    assert program.times_asked(lifetime=lifetime, uses=uses, every=timedelta(minutes=minutes)) == asked


@pytest.mark.parametrize("lifetime", [None, State.lifetime], ids=["without Expiration", "an hour ahead"])
def test_the_javascript_sdk_asks_once_as_long_as_the_end_is_far(
    program: Program, lifetime: float | None
) -> None:
    program.answers(lifetime, datetime.now(UTC))
    subprocess.run(
        ["node", Path(__file__).with_name("count.mjs"), "12"],
        env={**os.environ, "AWS_PROFILE": "app", "NODE_NO_WARNINGS": "1"},
        check=True,
    )
    assert program.asked() == 1


def test_a_program_has_a_new_key_long_before_the_shortest_overlap_is_over() -> None:
    """It asks within the hour, and every six hours that is a look."""
    assert timedelta(seconds=EVERY + State.lifetime) < timedelta(days=1)


def test_it_reads_what_the_rotation_stores(clients: Clients) -> None:
    user = User(name="etl,nightly", arn=f"arn:aws:iam::{ACCOUNT}:user/team/etl,nightly")
    reader, name = Aws(REGION), "access-keys/etl/comma/nightly/credentials"
    mine = AccessKey("AKIAMINE", "mine")
    ready = clients.secrets.make_ready(user)
    placeholder = reader.current(mine, name)
    assert (placeholder.user_name, placeholder.key) == ("etl,nightly", None)
    clients.secrets.stage(
        ready.arn, user.name, NewKey(id="AKIANEWNEWNEWNEW", secret="new/secret+half", created=NOW)
    )
    assert reader.current(mine, name).key is None
    clients.secrets.promote(ready, "AKIANEWNEWNEWNEW")
    assert CURRENT_STAGE == "AWSCURRENT"
    assert reader.current(mine, name).key == AccessKey("AKIANEWNEWNEWNEW", "new/secret+half")
