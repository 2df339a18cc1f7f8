"""listings in memory -> a Yahoo on loopback, for the real yfinance.

Belongs here: an HTTP proxy on loopback that ends TLS itself and answers for Yahoo's hosts, faults on demand, and a record
of what was asked. Give a client ``proxy`` and ``ca_bundle``.
Does not belong here: the answers (``yahoo_answers``).
"""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from stock_assets_tests.fakes.certificates import make_authority
from stock_assets_tests.fakes.serving import QuietHandler, QuietServer, serving
from stock_assets_tests.fakes.yahoo_answers import Listing, chart, quotes, refusal

HOSTS = ["query2.finance.yahoo.com", "query1.finance.yahoo.com", "fc.yahoo.com", "guce.yahoo.com", "finance.yahoo.com"]
CRUMB = "fake.crumb"
Kind = Literal["429", "500", "html", "timeout", "reset", "garbage", "empty", "held"]


@dataclass(frozen=True)
class Request:
    """What a client asked: ``query`` has the first value of each name."""

    host: str
    path: str
    query: dict[str, str]

    @property
    def is_history(self) -> bool:
        """A chart of an explicit period, not the look-up of a symbol's time zone."""
        return "/chart/" in self.path and "period1" in self.query

    @property
    def is_quote(self) -> bool:
        """Quotes of many symbols."""
        return self.path == "/v7/finance/quote"


@dataclass
class _Fault:
    kind: Kind
    times: int
    history_only: bool


class FakeYahoo:
    """A running proxy; ``listings`` may be changed at any time."""

    def __init__(self, proxy: str, ca_bundle: Path) -> None:
        self.proxy = proxy
        self.ca_bundle = ca_bundle
        self.listings: dict[str, Listing] = {}
        self.descriptions: dict[str, dict[str, Any]] = {}  # modules of a symbol's summary
        self.literal: dict[str, tuple[int, Any]] = {}  # status and body of a symbol's charts, before its listing
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self.released = threading.Event()
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()

    def fail(self, kind: Kind, times: int = 1_000_000, *, history_only: bool = False) -> None:
        """Let the next charts and quotes fail; the charts before ``history`` look up the symbol's time zone.

        ``held`` ones are answered as usual once ``released`` is set.
        """
        with self._lock:
            self._faults.append(_Fault(kind, times, history_only))

    def recover(self) -> None:
        """No faults any more."""
        with self._lock:
            self._faults.clear()

    def reset(self) -> None:
        """No listings, no faults, nothing recorded."""
        with self._lock:
            self.released.clear()
            self.listings.clear()
            self.literal.clear()
            self.descriptions.clear()
            self.requests.clear()
            self._faults.clear()

    def asked_history(self) -> list[Request]:
        """The recorded requests for history."""
        with self._lock:
            return [request for request in self.requests if request.is_history]

    def asked_quotes(self) -> list[Request]:
        """The recorded requests for quotes."""
        with self._lock:
            return [request for request in self.requests if request.is_quote]

    def record(self, request: Request) -> Kind | None:
        """Note a request; the fault it shall meet, if any."""
        with self._lock:
            self.requests.append(request)
            for fault in self._faults:
                meant = request.is_history if fault.history_only else "/chart/" in request.path or request.is_quote
                if fault.times and meant:
                    fault.times -= 1
                    return fault.kind
        return None


@contextmanager
def fake_yahoo(folder: Path) -> Iterator[FakeYahoo]:
    """A fake on a free port of 127.0.0.1; its certificates are in ``folder``."""
    ca_bundle, tls = make_authority(folder, HOSTS)
    server = _Server(("127.0.0.1", 0), _Handler, bind_and_activate=False)
    server.tls = tls
    server.server_bind()
    server.server_activate()
    server.fake = FakeYahoo(f"http://127.0.0.1:{server.server_address[1]}", ca_bundle)
    with serving(server, server.fake.closing):
        yield server.fake


class _Server(QuietServer):
    tls: Any
    fake: FakeYahoo


class _Handler(QuietHandler):
    server: _Server
    host = ""

    def do_CONNECT(self) -> None:
        """Answer for the wanted host ourselves."""
        self.host = self.path.rsplit(":", 1)[0]
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        self.connection = self.request = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb")
        self.close_connection = False

    def finish(self) -> None:
        super().finish()
        self.connection.close()

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        request = Request(self.host, asked.path, query)
        fault = self.server.fake.record(request)
        if fault == "held":
            self.server.fake.released.wait(60)
        elif fault is not None and fault != "empty":
            self._fail(fault)
            return
        if "/chart/" in asked.path:
            self._chart(asked.path.rsplit("/", 1)[1].upper(), query, empty=fault == "empty")
        elif request.is_quote:
            self._quotes(query, empty=fault == "empty")
        elif "/quoteSummary/" in asked.path and (
            told := self.server.fake.descriptions.get(asked.path.rsplit("/", 1)[1])
        ):
            self._send(200, json.dumps({"quoteSummary": {"result": [told], "error": None}}))
        elif asked.path == "/v1/test/getcrumb":
            self._send(200, CRUMB, "text/plain")
        elif self.host == "fc.yahoo.com":
            self._send(404, "<html></html>", "text/html", "A3=fake; Domain=.yahoo.com; Path=/; Secure; Max-Age=86400")
        elif self.host == "guce.yahoo.com":
            self._send(200, "<html>no form</html>", "text/html")
        else:
            missing = {
                "code": "Not Found",
                "description": f"Quote not found for symbol: {asked.path.rsplit('/', 1)[1]}",
            }
            self._send(404, json.dumps({"quoteSummary": {"result": None, "error": missing}}))

    def _chart(self, symbol: str, query: dict[str, str], *, empty: bool) -> None:
        listing = self.server.fake.listings.get(symbol)
        if symbol in self.server.fake.literal:
            status, body = self.server.fake.literal[symbol]
        elif listing is None:
            status, body = refusal(404, "Not Found", "No data found, symbol may be delisted")
        else:
            status, body = chart(listing, symbol, query, empty=empty)
        self._send(status, json.dumps(body))

    def _quotes(self, query: dict[str, str], *, empty: bool) -> None:
        if query.get("crumb") != CRUMB:
            error = {"code": "Unauthorized", "description": "Invalid Crumb"}
            self._send(401, json.dumps({"finance": {"result": None, "error": error}}))
            return
        status, body = quotes({} if empty else self.server.fake.listings, query)
        self._send(status, json.dumps(body))

    def _fail(self, fault: Kind) -> None:
        if fault == "429":
            self._send(429, "Edge: Too Many Requests", "text/html")
        elif fault == "500":
            self._send(500, "<html><body>500</body></html>", "text/html")
        elif fault == "html":
            self._send(200, "<html><body>Will be right back...</body></html>", "text/html")
        elif fault == "garbage":
            self._send(200, '{"chart":{"result":[{"meta"')
        else:
            if fault == "timeout":
                self.server.fake.closing.wait(30)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True

    def _send(self, status: int, text: str, kind: str = "application/json;charset=utf-8", cookie: str = "") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        if cookie:
            self.send_header("set-cookie", cookie)
        self.end_headers()
        self.wfile.write(body)
