"""The emulated AWS account: ministack, patched where it differs from AWS in what this project depends on.

Run it as `python -m sandbox.emulator` with ministack's variables in the environment (account.py sets them).
It lives as long as its standard input stays open.
"""

import ipaddress
import json
import os
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from importlib.metadata import version
from typing import Any

from sandbox.controls import Controls

MINISTACK = "1.5.33"
CONTROL_PATH = "/_sandbox/"

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


def require_pinned(installed: str) -> None:
    """The patches reach into private names: on any other version they might silently do nothing."""
    if installed != MINISTACK:
        raise SystemExit(f"sandbox/patches needs ministack {MINISTACK}, and {installed} is installed")


def require_loopback_bind(host: str) -> None:
    """Whoever reaches the port can change every clock and permission here."""
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise SystemExit(f"BIND_HOST must be a loopback address, not {host!r}")


def with_controls(application: Application, controls: Controls) -> Application:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(CONTROL_PATH):
            await application(scope, receive, send)
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        try:
            status, reply = 200, controls.answer(scope["path"].removeprefix(CONTROL_PATH), json.loads(body))
        except (KeyError, TypeError, ValueError) as error:
            status, reply = 400, {"error": repr(error)}
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": json.dumps(reply).encode()})

    return serve


def end_with_parent() -> None:
    """A killed parent cannot clean up, but its end of the pipe closes with it."""
    sys.stdin.buffer.read()
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)  # the functions' processes are in the same group
    os._exit(1)


def main() -> None:
    require_pinned(version("ministack"))
    require_loopback_bind(os.environ.get("BIND_HOST", ""))
    # Only now: another version may not even have what the patches import.
    from ministack import app  # noqa: PLC0415

    from sandbox import patches  # noqa: PLC0415

    controls = Controls()
    patches.install(controls)
    app.app = with_controls(app.app, controls)
    threading.Thread(target=end_with_parent, daemon=True).start()
    app.main()


if __name__ == "__main__":
    main()
