"""A look, with the store locked around it and written before and after."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from keyrotation.follow.look import AGAIN, Asks, HandOver, Look, look
from keyrotation.follow.store import Busy, State, Store

if TYPE_CHECKING:
    from collections.abc import Callable

# Seconds for which a `refresh` waits for another process that has the store.
PATIENCE = 60


@dataclass(frozen=True)
class Follower:
    """Looks for a new key. `aws_in` makes what asks AWS in a Region."""

    store: Store
    clock: Callable[[], float]
    aws_in: Callable[[str], Asks]

    def look(self, hand_over: HandOver | None) -> Look:
        """Raises OSError and Unusable."""
        with self.store.alone(wait=PATIENCE):
            return self._look(self.store.read(), hand_over)

    def look_if_due(self) -> Look | None:
        """None: another process looks just now, or has. Raises OSError and Unusable."""
        try:
            with self.store.alone(wait=0):
                state = self.store.read()
                return self._look(state, None) if state.due(self.clock()) else None
        except Busy:
            return None

    def _look(self, state: State, hand_over: HandOver | None) -> Look:
        now = self.clock()

        def begun(state: State) -> State:
            return replace(
                state, next_look=now + min(AGAIN, state.every), told="a look began, and did not end"
            )

        # Before AWS is asked. A disk that takes nothing is found out while no key was used yet; and a look that hangs or is
        # killed is made again in ten minutes, and not by every program that asks for its key.
        self.store.write(begun(state))
        done = look(
            state,
            now,
            aws=self.aws_in(state.region),
            hand_over=hand_over,
            keep=lambda kept: self.store.write(begun(kept)),
        )
        self.store.write(done.state)
        return done
