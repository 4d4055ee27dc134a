"""The answer to an SDK that asks by `credential_process`: the key that is there, whatever else fails."""

from __future__ import annotations

import json
import threading
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from keyrotation.follow.told import described

if TYPE_CHECKING:
    from collections.abc import Callable

    from keyrotation.follow.look import Look
    from keyrotation.follow.refresh import Follower
    from keyrotation.follow.store import State

# Seconds for which a look may keep the program waiting; the Go SDK gives us a minute.
IN_TIME = 25.0


def serve(follower: Follower, *, in_time: float, say: Callable[[str], None]) -> str:
    """JSON. Raises OSError and Unusable when the store cannot be read: there is no key then."""
    state = follower.store.read()
    # A key that a command hands over changes when that command succeeded, and not before.
    if state.handed is None and state.due(follower.clock()):
        looked = _looked(follower, in_time=in_time, say=say)
        if looked is not None:
            if not looked.fine or looked.state.key != state.key:
                say(looked.state.told)
            state = looked.state
    return answer(state, follower.clock())


def answer(state: State, now: float) -> str:
    """Always with an Expiration: without one every SDK keeps the key for as long as the program lives."""
    expires = datetime.fromtimestamp(now + state.lifetime, timezone.utc)
    return json.dumps({"Version": 1, **state.key.named(), "Expiration": f"{expires:%Y-%m-%dT%H:%M:%SZ}"})


def _looked(follower: Follower, *, in_time: float, say: Callable[[str], None]) -> Look | None:
    """None: what was there is to be served."""
    ended: list[Look | None] = []

    def look() -> None:
        try:
            ended.append(follower.look_if_due())
        except Exception as error:  # noqa: BLE001  # nothing that a look meets may keep a program from its key
            say(f"no look for a new key: {described(error)}")
            ended.append(None)

    # In a thread, as no timeout of a library ends everything: a name that does not resolve, a byte now and then. It may
    # be cut off anywhere: the store is whole at every moment.
    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    thread.join(in_time)
    if not ended:
        say(f"no look for a new key: it did not end within {in_time:g} seconds")
        return None
    return ended[0]
