"""What a simulation found, as a table to print: rules that fired, calls that could not be saved, violations."""

from collections.abc import Iterator

from keyrotation.plan import RULES

from tests.simulation.fleet import Fleet


def never_fired(fleet: Fleet) -> list[str]:
    return [rule.__name__ for rule in RULES if not fleet.fired[rule.__name__]]


def lines(fleet: Fleet) -> Iterator[str]:
    yield f"{fleet.users} users, seed {fleet.seed}, {len(fleet.watch.missed)} runs missed"
    for rule in RULES:
        yield f"  {rule.__name__:<22}{fleet.fired[rule.__name__]:>9}"
    for why, times in sorted(fleet.watch.forgiven.items()):
        yield f"  refused call: {why}: {times}"
    yield f"  violations: {len(fleet.watch.violations)}"
    yield from (f"    {each}" for each in fleet.watch.violations[:20])
