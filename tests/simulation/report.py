"""What a simulation found, as a table to print: rules that fired, deeds, events, faults, refused calls, violations."""

from collections.abc import Iterator, Mapping

from keyrotation.decide.rules import RULES

from tests.simulation.faults import Fault
from tests.simulation.fleet import Fleet
from tests.simulation.watch import Deed

# User-days from which on everything has to have happened at least once.
BIG = 150 * 365


def never_met(fleet: Fleet) -> list[str]:
    """What should have happened at least once: a run that met no fault proves nothing about them."""
    by_fault = {Deed.ORPHAN, Deed.ROLLED_BACK}
    never = [
        rule.__name__
        for rule in RULES
        if not fleet.fired[rule.__name__] and (fleet.faults or rule.__name__ != "interrupted")
    ]
    never += [deed for deed in Deed if not fleet.watch.deeds[deed] and (fleet.faults or deed not in by_fault)]
    if fleet.faults:
        never += [fault for fault in Fault if not fleet.line.met[fault]]
    never += sorted({deed.__name__ for deed in fleet.people.deeds if not fleet.people.did[deed.__name__]})
    return never


def too_small(fleet: Fleet) -> bool:
    """Not everything can be met."""
    return fleet.users * fleet.days < BIG


def lines(fleet: Fleet) -> Iterator[str]:
    yield f"{fleet.users} users, {fleet.days} days, seed {fleet.seed}, {len(fleet.watch.missed)} runs missed"
    tables: dict[str, Mapping[str, int]] = {
        "decisions by rule": {rule.__name__: fleet.fired[rule.__name__] for rule in RULES},
        "what was done": {str(deed): fleet.watch.deeds[deed] for deed in Deed},
        "what was heard": fleet.watch.told,
        "what happened to the account": fleet.events.did,
        "what people did": fleet.people.did,
        "what attackers did": fleet.attackers.did,
        "refused calls of programs": fleet.watch.refusals,
    }
    if fleet.faults:
        tables[f"faults, at {fleet.faults} a call of a wild day"] = {
            str(fault): times for fault, times in fleet.line.met.items()
        }
        tables["at these calls"] = fleet.line.met_at
    for title, counts in tables.items():
        yield f"  {title}"
        yield from (f"    {name:<58}{times:>9}" for name, times in sorted(counts.items()))
    if never := never_met(fleet):
        yield f"  NEVER MET: {', '.join(never)}"
    yield f"  violations: {len(fleet.watch.violations)}"
    yield from (f"    {each}" for each in fleet.watch.violations[:40])
