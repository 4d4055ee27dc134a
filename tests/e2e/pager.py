"""A pager: an endpoint on this machine, to which SNS posts."""

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Pager:
    """What it was sent, in order."""

    posted: "queue.Queue[dict[str, Any]]" = field(default_factory=queue.Queue)

    def next(self) -> dict[str, Any]:
        return self.posted.get(timeout=60)

    @contextmanager
    def listening(self) -> Iterator[str]:
        """Its URL."""
        posted = self.posted

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:  # the library's name
                posted.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """What was posted is what the tests look at."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/"
            finally:
                server.shutdown()
                thread.join()
