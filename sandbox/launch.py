"""Starts the emulator in a directory of its own and ends it, however the program ends."""

import http.client
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

import trustme

from sandbox.processes import CommandFailed, last_lines, running

CHECKOUT = Path(__file__).resolve().parent.parent
ACCOUNT_ID = "111122223333"
REGION = "us-east-1"

_START_WITHIN_SECONDS = 60
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Emulator:
    """A running one: its files are below `directory`, and `ca` vouches for its certificate."""

    directory: Path
    endpoint: str
    ca: Path

    def request(
        self, method: str, path: str, body: bytes | None = None, *, within_seconds: float = 30
    ) -> bytes:
        """What it answers over HTTPS, beside the AWS protocols. Raises OSError, also when it refuses."""
        url = urlsplit(self.endpoint)
        tls = ssl.create_default_context(cafile=str(self.ca))
        connection = http.client.HTTPSConnection(
            url.hostname or "", url.port, context=tls, timeout=within_seconds
        )
        try:
            connection.request(method, path, body)
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status != http.HTTPStatus.OK:
            raise OSError(f"{method} {path} answered {response.status}: {answer.decode(errors='replace')}")
        return answer

    def log(self) -> str:
        return (self.directory / "emulator.log").read_text(errors="replace")


@contextmanager
def launched() -> Iterator[Emulator]:
    with (
        _signals_as_interrupts() as ignore_signals,
        tempfile.TemporaryDirectory(prefix="access-key-rotation-") as name,
    ):
        directory = Path(name)
        for part in ("home", "tmp", "state", "tls"):
            (directory / part).mkdir()
        ca = _certify(directory / "tls")
        port = _free_port()
        with running(
            (sys.executable, "-m", "sandbox.emulator"),
            env=_environment(directory=directory, port=port, ca=ca),
            # Here -m finds the package without a PYTHONPATH, which the functions would inherit.
            cwd=CHECKOUT,
            log=directory / "emulator.log",
        ) as process:
            emulator = Emulator(directory=directory, endpoint=f"https://127.0.0.1:{port}", ca=ca)
            try:
                _wait_until_healthy(emulator, process)
                yield emulator
            finally:
                ignore_signals()


@contextmanager
def _signals_as_interrupts() -> Iterator[Callable[[], None]]:
    """SIGTERM and SIGHUP end the program as Ctrl-C does, by an exception that cleans up on its way.

    Yields a function that makes it deaf to all three, for the clean-up itself.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None  # only the main thread may set handlers, and only it gets the exception
        return

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    def ignore() -> None:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield ignore
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _certify(directory: Path) -> Path:
    """A certificate for this machine's names, from an authority that only this run trusts."""
    authority = trustme.CA()
    server = authority.issue_cert("localhost", "127.0.0.1")
    server.private_key_pem.write_to_path(str(directory / "server.key"))
    for pem in server.cert_chain_pems:
        pem.write_to_path(str(directory / "server.pem"), append=True)
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    return directory / "ca.pem"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _environment(*, directory: Path, port: int, ca: Path) -> dict[str, str]:
    """All that the emulator knows, and with it the functions: nothing of the person's but where programs are."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "HOME": str(directory / "home"),
        "TMPDIR": str(directory / "tmp"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "STATE_DIR": str(directory / "state"),
        "S3_DATA_DIR": str(directory / "state" / "s3"),
        "MINISTACK_ACCOUNT_ID": ACCOUNT_ID,
        "MINISTACK_REGION": REGION,
        "MINISTACK_HOST": "localhost",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        # It would tidy up the containers of other emulators.
        "DOCKER_HOST": f"unix://{directory}/no-docker",
        # IAM enforced; without TLS every policy that asks for it would deny.
        "AUTH": "true",
        "USE_SSL": "1",
        "MINISTACK_SSL_CERT": str(directory / "tls" / "server.pem"),
        "MINISTACK_SSL_KEY": str(directory / "tls" / "server.key"),
        # For the functions' clients; everything else of AWS_* the emulator sets for each function.
        "AWS_CA_BUNDLE": str(ca),
    }


def _wait_until_healthy(emulator: Emulator, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_WITHIN_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            emulator.request("GET", "/_ministack/health", within_seconds=2)
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise CommandFailed(f"the emulator did not start:\n{last_lines(emulator.log())}")
