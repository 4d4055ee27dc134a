"""What a simulation found, as a table to print: rules that fired, faults, repairs, refused calls, violations."""

from collections.abc import Iterator

from keyrotation.decide.rules import RULES, interrupted

from tests.simulation.faults import Fault
from tests.simulation.fleet import Fleet

REPAIRS = ("promoted", "orphan deleted", "pending only removed", "told")


def never_met(fleet: Fleet) -> list[str]:
    """What should have happened at least once: a run that met no fault proves nothing about them."""
    rules = [rule for rule in RULES if fleet.faults or rule is not interrupted]
    never = [rule.__name__ for rule in rules if not fleet.fired[rule.__name__]]
    if fleet.faults:
        never += [fault for fault in Fault if not fleet.line.met[fault]]
        never += [f"repair: {each}" for each in REPAIRS if not fleet.watch.repairs[each]]
    return never


def lines(fleet: Fleet) -> Iterator[str]:
    yield f"{fleet.users} users, seed {fleet.seed}, {len(fleet.watch.missed)} runs missed"
    for rule in RULES:
        yield f"  {rule.__name__:<36}{fleet.fired[rule.__name__]:>9}"
    if fleet.faults:
        yield f"  faults met, at {fleet.faults} a call: {fleet.line.met.total()}"
        yield from (f"    {fault:<34}{fleet.line.met[fault]:>9}" for fault in Fault)
        yield "  at these calls"
        yield from (f"    {name:<34}{times:>9}" for name, times in sorted(fleet.line.met_at.items()))
        yield "  repairs by rule 2"
        yield from (f"    {each:<34}{fleet.watch.repairs[each]:>9}" for each in REPAIRS)
    for why, times in sorted(fleet.watch.forgiven.items()):
        yield f"  refused call: {why}: {times}"
    if never := never_met(fleet):
        yield f"  NEVER MET: {', '.join(never)}"
    yield f"  violations: {len(fleet.watch.violations)}"
    yield from (f"    {each}" for each in fleet.watch.violations[:20])
