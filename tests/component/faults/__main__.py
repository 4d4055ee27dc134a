"""`python -m tests.component.faults`: exit 1 on a violation, or when a kind or a path had no case.

Single faults and a sample of pairs; with `--every` each call of each path meets each kind, and so does each pair.
"""

import argparse
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

# As pytest's `pythonpath` does it for the tests.
sys.path.insert(0, str(Path(__file__).parents[3] / "functions"))

from tests.component.faults.found import Found, do, lines
from tests.component.faults.kinds import KINDS
from tests.component.faults.work import IN_PAIRS, REPLACING, Pairs, Sample, Singles, Work
from tests.component.faults.worlds import WORLDS

_SAMPLES = 25


def _all(*, every: bool) -> Iterator[Work]:
    if every:
        for world, kind in (
            (world, kind) for world in range(len(REPLACING)) for kind in range(len(IN_PAIRS))
        ):
            yield Pairs(world=world, kind=kind)
    else:
        yield from (Sample(seed=seed) for seed in range(_SAMPLES))
    for world, kind in ((world, kind) for world in range(len(WORLDS)) for kind in range(len(KINDS))):
        yield Singles(world=world, kind=kind, every=every)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.component.faults", description=__doc__)
    parser.add_argument(
        "--every", action="store_true", help="every case, and every pair on a replacement's path"
    )
    parser.add_argument("--processes", type=int, default=2)
    asked = parser.parse_args()
    found = Found()
    with ProcessPoolExecutor(asked.processes, mp_context=multiprocessing.get_context("spawn")) as pool:
        work = list(_all(every=asked.every))
        for part in pool.map(do, [work[start :: asked.processes] for start in range(asked.processes)]):
            found.add(part)
    sys.stdout.write("\n".join(lines(found)) + "\n")
    missing = [kind.name for kind in KINDS if not found.single[kind.name]]
    missing += [world.name for world in WORLDS if not found.paths[world.name]]
    sys.stdout.write("".join(f"  no case: {each}\n" for each in missing))
    return 1 if found.violations or missing else 0


if __name__ == "__main__":
    sys.exit(main())
