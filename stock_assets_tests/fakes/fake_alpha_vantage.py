"""recorded answers -> Alpha Vantage, for the real HTTP client.

Belongs here: a server on loopback that answers ``/query``, the messages that come with HTTP 200, faults on demand, and a
record of what was asked. Give a client ``url``.

Recordings are read where they lie; a test that needs them is skipped where they are not.
"""

from __future__ import annotations

import csv
import json
import socket
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, urlsplit

from stock_assets_tests.fakes.serving import QuietHandler, QuietServer, serving

RECORDINGS = Path(__file__).parents[3] / "shared" / "data"
COMPACT_ROWS = 100
RECORDED_KEY = "YOURKEY00000000"

INVALID_CALL = "Invalid API call. Please retry or visit the documentation for {function}."
NO_KEY = "the parameter apikey is invalid or missing. Please claim your free API key."

Fault = Literal["500", "429", "html", "garbage", "list", "binary", "redirect", "reset", "timeout"]
Row = Mapping[str, str]


def recorded_messages() -> dict[str, dict[str, Any]]:
    """The bodies of the recorded messages, by name."""
    stored = json.loads((RECORDINGS / "alpha_vantage_messages" / "messages.json").read_text())
    return {name: recording["body"] for name, recording in stored.items()}


def recorded_quote() -> dict[str, Any]:
    """MSFT, 2018-10-05."""
    body: dict[str, Any] = json.loads((RECORDINGS / "alpha_vantage_py" / "global_quote").read_text())
    return body


def recorded_daily(symbol: str) -> dict[str, Row]:
    """Rows of 2018-01-02 to 2019-02-15, newest first."""
    return _rows(RECORDINGS / "eqker" / f"{symbol}_daily.csv", "datetime")


def recorded_minutes(symbol: str) -> dict[str, Row]:
    """Regular hours of 2019-02-11 to 15; labels are the END of a bar."""
    return _rows(RECORDINGS / "eqker" / f"{symbol}_1min.csv", "datetime")


def recorded_extended_minutes() -> dict[str, Row]:
    """MSFT, 2020-11-23 to 12-18, with extended hours; labels are the END of a bar."""
    return _rows(RECORDINGS / "alpha_vantage_py" / "mock_time_series_extended", "time")


def recorded_intraday() -> dict[str, Any]:
    """A whole answer: MSFT, 100 minutes of 2017-12-18."""
    body: dict[str, Any] = json.loads((RECORDINGS / "alpha_vantage_py" / "mock_time_series").read_text())
    return body


def row(opened: float, high: float, low: float, close: float, volume: int) -> Row:
    """One row, as the vendor writes it."""
    prices = [f"{price:.4f}" for price in (opened, high, low, close)]
    return dict(zip(("1. open", "2. high", "3. low", "4. close", "5. volume"), [*prices, str(volume)], strict=True))


def quote(symbol: str, day: str, price: float, volume: int) -> dict[str, Any]:
    """An answer of GLOBAL_QUOTE."""
    figures = {"02. open": price - 1, "03. high": price + 1, "04. low": price - 2, "05. price": price}
    written = {name: f"{figure:.4f}" for name, figure in figures.items()}
    return {"Global Quote": {"01. symbol": symbol, **written, "06. volume": str(volume), "07. latest trading day": day}}


def intraday(symbol: str, rows: Mapping[str, Row], zone: str = "US/Eastern") -> dict[str, Any]:
    """An answer of TIME_SERIES_INTRADAY."""
    meta = {"1. Information": "Intraday (1min) prices and volumes", "2. Symbol": symbol, "4. Interval": "1min"}
    return {"Meta Data": {**meta, "6. Time Zone": zone}, "Time Series (1min)": dict(rows)}


@dataclass
class FakeAlphaVantage:
    """A running server; everything may be changed at any time. ``keys`` are those it takes.

    Attributes:
        daily: rows per symbol, newest first; ``compact`` gets the newest 100.
        minutes: rows per symbol, of all months.
        bodies: whole answers per function and symbol, before anything else.
    """

    url: str = ""
    keys: set[str] = field(default_factory=set)
    daily: dict[str, Mapping[str, Row]] = field(default_factory=dict)
    minutes: dict[str, Mapping[str, Row]] = field(default_factory=dict)
    bodies: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    requests: list[dict[str, str]] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)
    _faults: list[Fault | dict[str, Any]] = field(default_factory=list)

    def fail(self, fault: Fault | dict[str, Any], times: int = 1) -> None:
        """Let the next requests meet a fault, or a message in place of data."""
        self._faults += [fault] * times

    def asked(self, name: str) -> list[str]:
        """One parameter of each request, in order."""
        return [request.get(name, "") for request in self.requests]

    def next_fault(self) -> Fault | dict[str, Any] | None:
        return self._faults.pop(0) if self._faults else None

    def answer(self, query: dict[str, str]) -> dict[str, Any]:
        """The body of an answer without a fault."""
        function, symbol = query.get("function", ""), query.get("symbol", "")
        if query.get("apikey") not in self.keys:
            return {"Error Message": NO_KEY}
        if (function, symbol) in self.bodies:
            return self.bodies[function, symbol]
        if function == "GLOBAL_QUOTE":
            return {"Global Quote": {}}
        if function == "TIME_SERIES_DAILY" and symbol in self.daily:
            count = COMPACT_ROWS if query.get("outputsize") != "full" else len(self.daily[symbol])
            meta = {"1. Information": "Daily Prices (open, high, low, close) and Volumes", "2. Symbol": symbol}
            return {"Meta Data": meta, "Time Series (Daily)": dict(list(self.daily[symbol].items())[:count])}
        if function == "TIME_SERIES_INTRADAY" and symbol in self.minutes:
            rows = {label: row for label, row in self.minutes[symbol].items() if label.startswith(query["month"])}
            if rows:
                return intraday(symbol, rows)
        return {"Error Message": INVALID_CALL.format(function=function)}


@contextmanager
def fake_alpha_vantage(keys: Iterable[str]) -> Iterator[FakeAlphaVantage]:
    """A fake on a free port of 127.0.0.1."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.fake = FakeAlphaVantage(f"http://127.0.0.1:{server.server_address[1]}", set(keys))
    with serving(server, server.fake.closing):
        yield server.fake


def _rows(file: Path, label: str) -> dict[str, Row]:
    with file.open(newline="") as lines:
        return {
            line[label]: {
                f"{number}. {name}": line[name]
                for number, name in enumerate(("open", "high", "low", "close", "volume"), start=1)
            }
            for line in csv.DictReader(lines)
        }


class _Server(QuietServer):
    fake: FakeAlphaVantage


class _Handler(QuietHandler):
    server: _Server

    def do_GET(self) -> None:
        fake, query = self.server.fake, {name: v[0] for name, v in parse_qs(urlsplit(self.path).query).items()}
        fake.requests.append(query)
        fault = fake.next_fault()
        if fault is None:
            self._send(200, json.dumps(fake.answer(query)).encode())
        elif isinstance(fault, dict):
            self._send(200, json.dumps(fault).replace(RECORDED_KEY, query.get("apikey", "")).encode())
        elif fault in ("500", "429"):
            self._send(int(fault), f"<html>{self.path}</html>".encode(), "text/html")
        elif fault == "html":
            self._send(200, f"<html>{self.path}</html>".encode(), "text/html")
        elif fault == "garbage":
            self._send(200, b'{"Meta Data": {"1. Inf')
        elif fault == "list":
            self._send(200, b"[]")
        elif fault == "binary":
            self._send(200, b"\xff\xfe\x00")
        elif fault == "redirect":
            self._send(302, b"", location=f"{fake.url}{self.path}")
        else:
            if fault == "timeout":
                fake.closing.wait(30)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True

    def _send(self, status: int, body: bytes, kind: str = "application/json", location: str = "") -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        if location:
            self.send_header("location", location)
        self.end_headers()
        self.wfile.write(body)
