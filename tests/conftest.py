"""For all tests: which files begin, and how large the one is that comes in two sizes."""

from pathlib import Path

import pytest

TESTS = Path(__file__).parent
# The longest, so that no worker is left alone with one at the end; then as pytest finds them.
FIRST = (
    "component/test_fault_program.py",
    "e2e/test_cycle.py",
    "test_simulated_years.py",
    "e2e/test_commands.py",
    "e2e/test_nothing_lost.py",
    "e2e/test_update.py",
    "e2e/test_lockdown.py",
    "component/run/test_surroundings.py",
    "unit/decide/test_properties.py",
    "e2e/test_emulator.py",
    "infra/test_synth.py",
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--throttled-users",
        type=int,
        default=200,
        help="how many are due in test_throttling.py (make bench: 1000)",
    )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    first = [TESTS / name for name in FIRST]
    if missing := [path for path in first if not path.exists()]:
        raise pytest.UsageError(f"tests/conftest.py names what is not there: {missing}")
    items.sort(key=lambda item: first.index(item.path) if item.path in first else len(first))
