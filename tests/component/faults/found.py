"""Cases lived through, and what was found in them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from tests.component.faults.case import Lived, Stage
from tests.component.faults.kinds import KINDS
from tests.component.faults.work import DAYS_OF_PAIRS, Case, Work
from tests.component.faults.worlds import WORLDS

_MOST_SHOWN = 20


@dataclass(kw_only=True)
class Found:
    """Cases by the kind of their last fault, one fault or two; cases by path; what was wrong."""

    single: Counter[str] = field(default_factory=Counter)
    paired: Counter[str] = field(default_factory=Counter)
    paths: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def add(self, other: "Found") -> None:
        self.single += other.single
        self.paired += other.paired
        self.paths += other.paths
        self.violations += other.violations

    def judge(self, case: Case, lived: Lived) -> None:
        world, strikes = case
        self.paths[world.name] += 1
        (self.single if len(strikes) == 1 else self.paired)[strikes[-1].kind.name] += 1
        if len(lived.struck) != len(strikes):
            raise AssertionError(
                f"{world.name}: {strikes} did not all meet a call; the recording is another run"
            )
        where = "; ".join(
            f"{strike.kind.name} at {strike.position} {lived.calls[strike.position].operation}"
            for strike in strikes
        )
        self.violations += [f"{world.name}: {where}: {each}" for each in (*lived.violations, *lived.astray)]


def do(share: Sequence[Work]) -> Found:
    """In a process of its own."""
    found = Found()
    with pytest.MonkeyPatch.context() as patch, Stage(patch).ready() as stage:
        for case in (case for work in share for case in work.cases(stage)):
            world, strikes = case
            found.judge(case, stage.live(world, strikes, days=DAYS_OF_PAIRS if len(strikes) > 1 else 3))
    return found


def lines(found: Found) -> Iterator[str]:
    yield f"{found.single.total()} single faults, {found.paired.total()} pairs of faults"
    yield f"  {'kind':<56}{'single':>8}{'second':>8}"
    for kind in KINDS:
        yield f"  {kind.name:<56}{found.single[kind.name]:>8}{found.paired[kind.name] or '':>8}"
    yield from (f"  {world.name:<56}{found.paths[world.name]:>8}" for world in WORLDS)
    yield f"  violations: {len(found.violations)}"
    yield from (f"    {each}" for each in found.violations[:_MOST_SHOWN])
