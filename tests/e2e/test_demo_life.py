"""`make demo-life`: what it shows is true."""

from pathlib import Path

import pytest

from sandbox.account import EmulatedAccount
from sandbox.demo_life import FOLLOWS, LATE, NEVER, SHOWN, checks, play
from sandbox.screen import ON_CALL
from tests.assembled import kept_assembly


def test_three_owners_and_their_keys_from_day_67_to_day_132(
    empty_account: EmulatedAccount, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outputs = empty_account.install(
        kept_assembly(), {"Mode": "Enforce", "AlertEmail": ON_CALL, "Notify": "Always"}
    )
    film = play(empty_account, outputs, tmp_path)
    found = {sentence: list(problems) for sentence, problems in checks(film).items()}
    assert {sentence: problems for sentence, problems in found.items() if problems} == {}
    # Not by the checks of the demo itself:
    assert film.seen[74][FOLLOWS] == ["active", "active"]
    assert film.seen[88] == {FOLLOWS: ["inactive", "active"], LATE: ["active"] * 2, NEVER: ["active"] * 2}
    assert [day for day, worked in film.worked.items() if not worked[NEVER]] == [115, 118, 128, 132]
    screens = capsys.readouterr().out.split("=== DAY ")[1:]
    assert [int(screen.split()[0]) for screen in screens] == list(SHOWN)
    assert max(screen.count("\n") for screen in screens) <= 24
    assert "off on day 88" in screens[1]
    assert "CALL FAILS" in screens[-1]
