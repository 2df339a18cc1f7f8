"""an HTTP server -> one that answers in a thread of its own, until the test is over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class QuietServer(ThreadingHTTPServer):
    """A server that leaves no thread behind and says nothing."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class QuietHandler(BaseHTTPRequestHandler):
    """A handler whose fake records requests instead of printing them."""

    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are recorded instead."""


@contextmanager
def serving(server: ThreadingHTTPServer, closing: threading.Event) -> Iterator[None]:
    """Within it the server answers; at its end ``closing`` lets answers go that wait on purpose, and nothing is left."""
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.05), daemon=True)
    thread.start()
    try:
        yield
    finally:
        closing.set()
        server.shutdown()
        server.server_close()
        thread.join()
