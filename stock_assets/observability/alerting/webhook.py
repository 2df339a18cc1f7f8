"""an address of a webhook on this machine -> the next message sent there.

Belongs here: a server that takes one message of Apprise's ``json://``, for trying alerts out without any account.
Does not belong here: sending (``channel``).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import urlsplit

LOOPBACK = {"127.0.0.1", "localhost"}


def local_port(url: str) -> int | None:
    """The port of a webhook on this machine at which nobody listens; None for any other address."""
    try:
        parts = urlsplit(url)
        if parts.scheme != "json" or parts.hostname not in LOOPBACK:
            return None
        port = parts.port or 80
    except ValueError:
        return None
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    return None


class Webhook:
    """A server on loopback that keeps what was sent to it; to be closed."""

    def __init__(self, port: int) -> None:
        self.messages: list[tuple[str, str]] = []
        received = self.messages

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                with suppress(ValueError, AttributeError):
                    told = json.loads(body)
                    received.append((str(told.get("title", "")), str(told.get("message", ""))))
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Nothing: who asked is this machine."""

        self._server = HTTPServer(("127.0.0.1", port), Handler)
        self.port = self._server.server_port

    def wait(self, left_s: Callable[[], float]) -> tuple[str, str] | None:
        """Title and body of the next message; None when no seconds are left."""
        while not self.messages and (left := left_s()) > 0:
            self._server.timeout = min(left, 0.5)
            self._server.handle_request()
        return self.messages.pop(0) if self.messages else None

    def close(self) -> None:
        """Stop listening."""
        self._server.server_close()
