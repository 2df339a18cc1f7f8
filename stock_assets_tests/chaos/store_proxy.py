"""Between the drain and its object store: passes requests on, or answers as a store in trouble does."""

from __future__ import annotations

import socket
import socketserver
import threading
import time
from collections import Counter
from contextlib import suppress

ANSWERS = {
    "500": (500, "InternalError"),
    "503": (503, "SlowDown"),
    "full": (507, "XMinioStorageFull"),
}
SLOW_S = 1.5


class StoreProxy:
    """Listens on loopback; ``mode`` is ``through``, ``stopped``, ``slow``, ``500``, ``503`` or ``full``.

    Attributes:
        met: connections per mode that met it.
    """

    def __init__(self, target_port: int) -> None:
        self.mode = "through"
        self.met: Counter[str] = Counter()
        self._target = ("127.0.0.1", target_port)
        self._open: set[socket.socket] = set()
        outer = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                outer._serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            request_queue_size = 128

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def switch(self, mode: str) -> None:
        """Change the mode; connections of the old one are cut."""
        self.mode = mode
        for connection in list(self._open):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _serve(self, client: socket.socket) -> None:
        mode = self.mode
        self.met[mode] += 1
        if mode == "stopped":
            return
        self._open.add(client)
        try:
            if mode in ANSWERS:
                self._answer(client, *ANSWERS[mode])
            else:
                if mode == "slow":
                    time.sleep(SLOW_S)
                self._pass_on(client)
        except OSError:
            pass  # either side is gone: the client tries again
        finally:
            self._open.discard(client)

    def _answer(self, client: socket.socket, status: int, code: str) -> None:
        """Read one request to its end, answer it, and hang up."""
        received = b""
        while b"\r\n\r\n" not in received:
            part = client.recv(65536)
            if not part:
                return
            received += part
        head, _, body = received.partition(b"\r\n\r\n")
        length = next(
            (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), 0
        )
        while len(body) < length:
            body += client.recv(65536)
        text = f"<Error><Code>{code}</Code><Message>injected</Message></Error>".encode()
        answer = f"HTTP/1.1 {status} {code}\r\nContent-Length: {len(text)}\r\nConnection: close\r\n\r\n".encode()
        client.sendall(answer + (b"" if head.startswith(b"HEAD") else text))

    def _pass_on(self, client: socket.socket) -> None:
        with socket.create_connection(self._target) as server:
            self._open.add(server)
            back = threading.Thread(target=_pump, args=(server, client), daemon=True)
            back.start()
            _pump(client, server)
            back.join()
            self._open.discard(server)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
    with suppress(OSError):
        target.shutdown(socket.SHUT_WR)
