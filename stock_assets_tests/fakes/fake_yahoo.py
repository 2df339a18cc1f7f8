"""listings in memory -> Yahoo's chart answers, for the real yfinance.

Belongs here: an HTTP proxy on loopback that ends TLS itself and answers for Yahoo's hosts, faults on demand, and a record
of what was asked. Give a client ``proxy`` and ``ca_bundle``. Only daily bars are answered.

Listings say what happened: prices as traded, dividends as paid. The answers are Yahoo's view of it: prices, volumes and
dividends adjusted for every split up to now, also for splits outside of the asked range.
"""

from __future__ import annotations

import json
import math
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from stock_assets.domain.sessions import EXCHANGE_ZONE, OPEN
from stock_assets_tests.fakes.certificates import make_authority

HOSTS = ["query2.finance.yahoo.com", "query1.finance.yahoo.com", "fc.yahoo.com", "guce.yahoo.com", "finance.yahoo.com"]
CRUMB = "fake.crumb"
RANGES = {"1d": 1, "5d": 5, "1mo": 21, "3mo": 63, "6mo": 126, "1y": 252, "2y": 504, "5y": 1260, "max": 100_000}
"""Sessions per range; the last ones that the listing has."""

Kind = Literal["429", "500", "html", "timeout", "reset", "garbage", "empty"]


@dataclass(frozen=True)
class DailyBar:
    """One session as traded; None is what Yahoo answers as ``null``."""

    day: date
    open: float | None
    high: float | None
    low: float | None
    close: float | None
    volume: int | None


@dataclass
class Listing:
    """One symbol; bars ascending. ``live_since`` stamps the last bar with the time of its last trade, as Yahoo does."""

    bars: list[DailyBar]
    splits: dict[date, float] = field(default_factory=dict)
    dividends: dict[date, float] = field(default_factory=dict)
    currency: str = "USD"
    live_since: datetime | None = None

    def factor(self, day: date) -> float:
        """Shares of now per share of ``day``."""
        return math.prod(ratio for ex_date, ratio in self.splits.items() if ex_date > day)


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
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._faults: list[_Fault] = []
        self._lock = threading.Lock()

    def fail(self, kind: Kind, times: int = 1_000_000, *, history_only: bool = False) -> None:
        """Let the next chart requests fail; those before ``history`` look up the symbol's time zone."""
        with self._lock:
            self._faults.append(_Fault(kind, times, history_only))

    def reset(self) -> None:
        """No listings, no faults, nothing recorded."""
        with self._lock:
            self.listings.clear()
            self.requests.clear()
            self._faults.clear()

    def asked_history(self) -> list[Request]:
        """The recorded requests for history."""
        with self._lock:
            return [request for request in self.requests if request.is_history]

    def record(self, request: Request) -> Kind | None:
        """Note a request; the fault it shall meet, if any."""
        with self._lock:
            self.requests.append(request)
            for fault in self._faults:
                if fault.times and "/chart/" in request.path and (request.is_history or not fault.history_only):
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
    thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.05), daemon=True)
    thread.start()
    try:
        yield server.fake
    finally:
        server.fake.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


def chart(listing: Listing, symbol: str, query: dict[str, str], *, empty: bool = False) -> tuple[int, dict[str, Any]]:
    """Status and body of ``/v8/finance/chart/SYMBOL``."""
    if query.get("interval") != "1d":
        return _refusal(400, "Bad Request", f"Invalid input - interval={query.get('interval')} is not supported.")
    if "range" in query:
        if query["range"] not in RANGES:
            return _refusal(400, "Bad Request", f"Invalid input - range={query['range']} is not supported.")
        bars = listing.bars[-RANGES[query["range"]] :]
        first, following = 0, 2**40
    else:
        first, following = int(query["period1"]), int(query["period2"])
        bars = [bar for bar in listing.bars if first <= _opened(bar.day) < following]
        if not bars and not empty:
            asked = f"startDate = {first}, endDate = {following}"
            return _refusal(400, "Bad Request", f"Data doesn't exist for {asked}")
    meta = {
        "currency": listing.currency,
        "symbol": symbol,
        "instrumentType": "EQUITY",
        "exchangeTimezoneName": str(EXCHANGE_ZONE),
        "priceHint": 2,
        "dataGranularity": "1d",
        "range": query.get("range", ""),
        "validRanges": list(RANGES),
    }
    if empty or not bars:
        return 200, _result({"meta": meta, "indicators": {"quote": [{}], "adjclose": [{}]}})
    stamps = [_opened(bar.day) for bar in bars]
    if listing.live_since and bars[-1] is listing.bars[-1]:
        stamps[-1] = int(listing.live_since.timestamp())
    result: dict[str, Any] = {"meta": meta, "timestamp": stamps}
    events = _events(listing, query.get("events", ""), max(first, _opened(bars[0].day)), following)
    if events:
        result["events"] = events
    quote = {name: [_adjusted(listing, bar, name) for bar in bars] for name in ("open", "high", "low", "close")}
    volumes = [None if bar.volume is None else round(bar.volume * listing.factor(bar.day)) for bar in bars]
    result["indicators"] = {"quote": [{**quote, "volume": volumes}], "adjclose": [{"adjclose": quote["close"]}]}
    return 200, _result(result)


def _result(result: dict[str, Any]) -> dict[str, Any]:
    return {"chart": {"result": [result], "error": None}}


def _refusal(status: int, code: str, description: str) -> tuple[int, dict[str, Any]]:
    return status, {"chart": {"result": None, "error": {"code": code, "description": description}}}


def _opened(day: date) -> int:
    return int(datetime.combine(day, OPEN, EXCHANGE_ZONE).timestamp())


def _adjusted(listing: Listing, bar: DailyBar, name: str) -> float | None:
    price: float | None = getattr(bar, name)
    return None if price is None else price / listing.factor(bar.day)


def _events(listing: Listing, asked: str, first: int, following: int) -> dict[str, Any]:
    dividends = {
        str(_opened(day)): {"amount": paid / listing.factor(day), "date": _opened(day)}
        for day, paid in listing.dividends.items()
        if "div" in asked and first <= _opened(day) < following
    }
    splits = {
        str(_opened(day)): {"date": _opened(day), "numerator": ratio, "denominator": 1.0, "splitRatio": f"{ratio:g}:1"}
        for day, ratio in listing.splits.items()
        if "split" in asked and first <= _opened(day) < following
    }
    return {name: found for name, found in (("dividends", dividends), ("splits", splits)) if found}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    tls: Any
    fake: FakeYahoo

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no news."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    host = ""

    def log_message(self, format: str, *args: Any) -> None:
        """Requests are recorded instead."""

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
        fault = self.server.fake.record(Request(self.host, asked.path, query))
        if asked.path.startswith("/v8/finance/chart/"):
            self._chart(asked.path.rsplit("/", 1)[1].upper(), query, fault)
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

    def _chart(self, symbol: str, query: dict[str, str], fault: Kind | None) -> None:
        listing = self.server.fake.listings.get(symbol)
        if fault == "429":
            self._send(429, "Edge: Too Many Requests", "text/html")
        elif fault == "500":
            self._send(500, "<html><body>500</body></html>", "text/html")
        elif fault == "html":
            self._send(200, "<html><body>Will be right back...</body></html>", "text/html")
        elif fault == "garbage":
            self._send(200, '{"chart":{"result":[{"meta"')
        elif fault in ("timeout", "reset"):
            if fault == "timeout":
                self.server.fake.closing.wait(30)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
        elif listing is None:
            status, body = _refusal(404, "Not Found", "No data found, symbol may be delisted")
            self._send(status, json.dumps(body))
        else:
            status, body = chart(listing, symbol, query, empty=fault == "empty")
            self._send(status, json.dumps(body))

    def _send(self, status: int, text: str, kind: str = "application/json;charset=utf-8", cookie: str = "") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        if cookie:
            self.send_header("set-cookie", cookie)
        self.end_headers()
        self.wfile.write(body)
