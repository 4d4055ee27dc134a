"""Which cases there are: shares of them, small enough to be divided among processes.

Each is enumerated from a recording of the run without faults, or with the first of two: a call that is added to
the product is broken from that day on.
"""

import functools
import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.component.calls import READS
from tests.component.faults.case import Stage, Strike
from tests.component.faults.kinds import KINDS, Kind
from tests.component.faults.worlds import WORLDS, World

# The next day's repair may be struck too, and two clean days are to follow.
DAYS_OF_PAIRS = 4
# Of so many calls, one meets a kind: in the first world, and in the others.
_WRITES_SHARE, _READS_SHARE = (1, 4), (3, 8)
_PAIRS_WITH_THE_SAME_FIRST = 3
# The scanner's last: up to it, a run is the same in every world.
_ORDERS = "SendMessage"
# What pairs are made of: one kind for each thing that the code can be told, and for each that can be left behind.
IN_PAIRS = tuple(
    kind
    for kind in KINDS
    if kind.name in ("access denied", "service failure", "answer lost", "dies after", "slow, 5 s left")
)
REPLACING = tuple(world for world in WORLDS if world.in_pairs)

Case = tuple[World, tuple[Strike, ...]]


@dataclass(frozen=True, kw_only=True)
class Singles:
    """One kind met by the calls of one world's first day.

    Without `every`: by each write of the first world, and by a share of the other calls, other ones for each
    kind. Most of them are the same calls on the same way.
    """

    world: int
    kind: int
    every: bool

    def cases(self, stage: Stage) -> Iterator[Case]:
        world, kind = WORLDS[self.world], KINDS[self.kind]
        operations = _of_first_day(stage, world)
        first = 0 if self.every or self.world == 0 else operations.index(_ORDERS) + 1
        for position in range(first, len(operations)):
            read = operations[position].startswith(READS)
            share = 1 if self.every else _READS_SHARE[first > 0] if read else _WRITES_SHARE[first > 0]
            if kind.concerns(operations[position]) and (position + self.kind) % share == 0:
                yield world, (Strike(position=position, kind=kind),)


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """One kind met by each call of a replacement, and then every kind by every call until the end of the next day."""

    world: int
    kind: int

    def cases(self, stage: Stage) -> Iterator[Case]:
        world = REPLACING[self.world]
        for first in _first_faults(stage, world, IN_PAIRS[self.kind]):
            yield from _seconds(stage, world, first)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A few of those pairs, drawn anew for each seed."""

    seed: int

    def cases(self, stage: Stage) -> Iterator[Case]:
        draw = random.Random(self.seed)
        world = draw.choice(REPLACING)
        first = draw.choice(list(_first_faults(stage, world, draw.choice(IN_PAIRS))))
        yield from draw.sample(list(_seconds(stage, world, first)), _PAIRS_WITH_THE_SAME_FIRST)


Work = Singles | Pairs | Sample


@functools.cache
def _of_first_day(stage: Stage, world: World) -> list[str]:
    lived = stage.live(world)
    if wrong := [*lived.violations, *lived.astray]:
        raise AssertionError(f"{world.name}, without any fault: {wrong}")
    return [call.operation for call in lived.calls[: lived.ends[0]]]


def _first_faults(stage: Stage, world: World, kind: Kind) -> Iterator[Strike]:
    """From the first change on: what fails before it leaves the next day's run the only one."""
    operations = _of_first_day(stage, world)
    start = operations.index(_ORDERS) + 1
    first = next(at for at in range(start, len(operations)) if not operations[at].startswith(READS))
    for position in range(first, len(operations)):
        if kind.concerns(operations[position]):
            yield Strike(position=position, kind=kind)


def _seconds(stage: Stage, world: World, first: Strike) -> Iterator[Case]:
    lived = stage.live(world, (first,), days=DAYS_OF_PAIRS)
    for position in sorted(lived.sent & set(range(first.position + 1, lived.ends[1]))):
        for kind in IN_PAIRS:
            if kind.concerns(lived.calls[position].operation):
                yield world, (first, Strike(position=position, kind=kind))
