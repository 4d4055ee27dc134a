"""Secrets Manager and STS on this machine, as far as access-key-follow asks them, and what was asked with which key.

Beside what a real account does it can be slow, hang, answer a byte now and then, and have another time than its caller.
"""

import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from keyrotation.follow.store import AccessKey

USER = "arn:aws:iam::111122223333:user/team/etl"
REGION = "eu-west-1"
OLD, NEW = (
    AccessKey("AKIAOLDOLDOLDOLDOLD1", "old/secret+half"),
    AccessKey("AKIANEWNEWNEWNEWNEW2", "new/secret+half"),
)
SECRETS = [OLD.secret, NEW.secret]
# As AWS: a request that is signed for another time than this far from its own is not looked at.
SKEW = timedelta(minutes=5)

_KEY_ID = re.compile(r"Credential=(\w+)/")


@dataclass
class Account:
    """`asked`: key id and question. `answered`: one more for each answer, to wait for."""

    current: AccessKey = NEW
    dead: tuple[AccessKey, ...] = ()
    ahead: timedelta = timedelta()
    delay: float = 0
    drips: bool = False
    asked: list[tuple[str, str]] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def answer(self, question: str, key_id: str, signed_at: datetime) -> tuple[int, bytes]:
        self.asked.append((key_id, question))
        of_secret = question == "secret"
        if abs(datetime.now(UTC) + self.ahead - signed_at) > SKEW:
            return 403, _error(
                of_secret, "InvalidSignatureException" if of_secret else "SignatureDoesNotMatch"
            )
        if key_id in {key.id for key in self.dead}:
            return 403, _error(
                of_secret, "UnrecognizedClientException" if of_secret else "InvalidClientTokenId"
            )
        if of_secret:
            value = json.dumps({"UserName": "etl", **self.current.named()})
            return 200, json.dumps({"SecretString": value}).encode()
        return 200, (
            "<GetCallerIdentityResponse><GetCallerIdentityResult>"
            f"<Arn>{USER}</Arn></GetCallerIdentityResult></GetCallerIdentityResponse>"
        ).encode()


def _error(of_secret: bool, code: str) -> bytes:  # noqa: FBT001  # which of the two protocols
    if of_secret:
        return json.dumps({"__type": code, "message": "no"}).encode()
    return f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>".encode()


@contextmanager
def serving() -> Iterator[Account]:
    account = Account()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:  # http.server's name
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found = _KEY_ID.search(self.headers["Authorization"])
            assert found is not None
            signed_at = datetime.strptime(self.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            question = "owner" if b"GetCallerIdentity" in body else "secret"
            if account.delay:
                account.over.wait(account.delay)
            status, answer = account.answer(question, found[1], signed_at)
            self.send_response(status)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if account.drips:
                for byte in answer:
                    self.wfile.write(bytes([byte]))
                    if account.over.wait(1):
                        return
            else:
                self.wfile.write(answer)

        def log_message(self, *_: Any) -> None:
            """Nothing on the terminal."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: Any) -> None:
            """Callers are killed here: a broken connection is no news."""

    server = Server(("127.0.0.1", 0), Handler)
    account.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield account
    finally:
        account.over.set()
        server.shutdown()
        thread.join()
        server.server_close()
