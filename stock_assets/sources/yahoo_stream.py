"""Yahoo's stream of prices -> ticks.

Belongs here: one connection of yfinance's own client, what a frame means, and noticing that a connection is dead.
Does not belong here: connecting again and the gap between two connections (``publishers``).

A frame is a snapshot: the newest price, and the shares traded since the open. ``last_size`` is ignored: frames skip
trades. Frames have no identity of their own, and two equal ones may both be meant, so ``event_id`` is when the
connection was opened (microseconds) and the frame's ordinal in it: never twice the same, whatever Yahoo sends again after
a reconnect, and in text order the order of arrival. Repeats do no harm: they add no ``day_volume``.
"""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from stock_assets.domain.errors import (
    BadRecord,
    PermanentError,
    ServiceUnavailable,
    StockAssetsError,
    UnsupportedExchange,
    VendorThrottled,
)
from stock_assets.domain.messages import Tick, instant
from stock_assets.domain.sessions import EXCHANGE_ZONE, is_session, session
from stock_assets.sources.yahoo_snapshots import Phase, snapshot

SOURCE = "yahoo_stream"
URL = "wss://streamer.finance.yahoo.com/?version=2"
SILENCE = timedelta(seconds=60)
QUEUE_LIMIT = 10_000
RENEW_EVERY = timedelta(seconds=15)
"""Yahoo lets subscriptions lapse; yfinance's asynchronous client renews them as often, its synchronous one never."""
GARBAGE_LIMIT = 50
"""Unreadable frames in a row after which this is no stream of prices."""
_MOMENT_S = 0.5
_PHASES: dict[int, Phase] = {0: "pre", 1: "regular", 2: "post", 3: "extended", 4: "overnight"}

log = logging.getLogger(__name__)


@dataclass
class StreamCounts:
    """What happened on all connections; ``waited``: frames that found the queue full and waited in the connection."""

    frames: int = 0
    refused: int = 0
    waited: int = 0


@dataclass(frozen=True)
class _Lost:
    because: str


class StreamConnection:
    """One connection, from its opening to its end; yfinance's client is new each time, as it cannot connect twice.

    A thread reads frames into a bounded queue. When the consumer is slower, frames wait in the connection, none is
    dropped; that is counted and said.

    Raises:
        VendorThrottled: Yahoo refuses with 429.
        ServiceUnavailable: no connection.
        PermanentError: the URL cannot be one.
    """

    def __init__(
        self,
        symbols: list[str],
        url: str = URL,
        *,
        proxy: str = "",
        ca_bundle: str = "",
        silence: timedelta = SILENCE,
        queue_limit: int = QUEUE_LIMIT,
        counts: StreamCounts | None = None,
        refused: Callable[[str], None] = lambda reason: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.counts = counts or StreamCounts()
        self._symbols, self._silence, self._refused, self._now = symbols, silence, refused, now
        self._queue: queue.Queue[dict[str, Any] | BadRecord | _Lost] = queue.Queue(queue_limit)
        self._closing = threading.Event()
        self._opened = self._heard = self._renewed = now()
        self._received = self._ordinal = 0
        self._client = _client(url, proxy, ca_bundle)
        try:
            self._client.subscribe(symbols)
        except Exception as broken:
            raise _refusal(url, broken, now()) from broken
        self._thread = threading.Thread(target=self._listen, name="yahoo-stream", daemon=True)
        self._thread.start()

    def ticks(self, stop: threading.Event) -> Iterator[Tick | None]:
        """Ticks in the order of their arrival, None when nothing came for a moment; ends when ``stop`` is set.

        Raises:
            ServiceUnavailable: the connection is lost, or silent while the exchange is open.
        """
        yield None
        while not stop.is_set():
            self._renew()
            try:
                arrived = self._queue.get(timeout=_MOMENT_S)
            except queue.Empty:
                self._check_silence()
                yield None
                continue
            if isinstance(arrived, _Lost):
                raise ServiceUnavailable(f"Yahoo's stream ended: {arrived.because}")
            self._heard = self._now()
            self._ordinal += 1
            try:
                if isinstance(arrived, BadRecord):
                    raise arrived
                tick = tick_of(arrived, f"{instant(self._opened)}/{self._ordinal:09}")
            except (BadRecord, UnsupportedExchange, ValueError, TypeError) as broken:
                self.counts.refused += 1
                self._refused(str(broken))
                log.warning("Yahoo's stream: refused: %s", broken)
                yield None
            else:
                self.counts.frames += 1
                yield tick

    def close(self) -> None:
        """End the connection and its thread."""
        self._closing.set()
        self._client.close()
        self._thread.join(timeout=15)

    def _listen(self) -> None:
        because = "the thread that listens failed"
        try:
            because = self._hear_out()
        finally:
            self._put(_Lost(because))

    def _hear_out(self) -> str:
        """Take frames until the connection ends; why it did."""
        from google.protobuf.message import DecodeError
        from websockets.exceptions import WebSocketException

        heard, unreadable = 0, 0
        while unreadable < GARBAGE_LIMIT:
            try:
                self._client.listen(self._receive)
                return "the client stopped listening"
            except (WebSocketException, OSError) as broken:
                return f"{type(broken).__name__}: {broken}"
            except (DecodeError, ValueError, AttributeError, TypeError) as broken:
                # What one frame holds; listening again goes on with the next one of the same connection.
                unreadable = unreadable + 1 if self._received == heard else 1
                heard = self._received
                self._put(BadRecord(f"a frame is not readable: {type(broken).__name__}: {broken}"))
        return f"{unreadable} frames in a row are not readable"

    def _receive(self, frame: dict[str, Any]) -> None:
        self._received += 1
        self._put(frame)

    def _put(self, arrived: dict[str, Any] | BadRecord | _Lost) -> None:
        try:
            self._queue.put_nowait(arrived)
            return
        except queue.Full:
            self.counts.waited += 1
            if self.counts.waited == 1 or self.counts.waited % self._queue.maxsize == 0:
                log.warning("Yahoo's stream is faster than its consumer: %s frames had to wait", self.counts.waited)
        while not self._closing.is_set():
            try:
                self._queue.put(arrived, timeout=_MOMENT_S)
                return
            except queue.Full:
                continue

    def _renew(self) -> None:
        if self._now() - self._renewed >= RENEW_EVERY:
            self._renewed = self._now()
            from websockets.exceptions import WebSocketException

            try:
                self._client.subscribe(self._symbols)
            except (WebSocketException, OSError) as broken:  # the listening thread says what became of the connection
                log.info("Yahoo's stream: the subscription was not renewed: %s", broken)

    def _check_silence(self) -> None:
        now = self._now()
        day = now.astimezone(EXCHANGE_ZONE).date()
        if not is_session(day):
            return
        held = session(day)
        # Before the open and after the close a stock may rest; what died meanwhile is seen by the client's pings.
        if held.open_time <= now < held.close_time and now - max(self._heard, held.open_time) >= self._silence:
            raise ServiceUnavailable(
                f"Yahoo's stream was silent for {self._silence.total_seconds():.0f} s while the exchange is open"
            )


def tick_of(frame: dict[str, Any], event_id: str) -> Tick:
    """One frame, as yfinance decodes it.

    Raises:
        BadRecord: it cannot be a tick; the text says why.
        UnsupportedExchange: as ``snapshot``.
    """
    if "error" in frame:
        raise BadRecord(f"a frame is not readable: {frame['error']}")
    symbol, hours = str(frame.get("id", "")), int(frame.get("market_hours", 0))
    if "price" not in frame or hours not in _PHASES:
        raise BadRecord(f"{symbol}: price {frame.get('price')}, market_hours {hours}")
    volume = int(frame.get("day_volume", 0))
    return snapshot(
        source=SOURCE,
        event_id=event_id,
        symbol=symbol,
        price=float(frame["price"]),
        time_ms=int(frame.get("time", 0)),
        phase=_PHASES[hours],
        day_volume=volume or None,  # a zero is not sent
        exchange=frame.get("exchange"),
        zone=None,  # a frame has none
        currency=frame.get("currency"),
        price_hint=int(frame.get("price_hint", 0)),
        bid=frame.get("bid"),
        ask=frame.get("ask"),
    )


def _client(url: str, proxy: str, ca_bundle: str) -> Any:
    """yfinance's client; through a proxy or with certificates of one's own, which yfinance has no words for."""
    import yfinance as yf

    yf.config.debug.hide_exceptions = False  # else it logs what ends a connection, and returns
    logging.getLogger("yfinance").setLevel(logging.CRITICAL)  # it logs the traceback of what it raises, too
    if not proxy and not ca_bundle:
        return yf.WebSocket(url=url, verbose=False)

    class Through(yf.WebSocket):
        _ws: Any

        def _connect(self) -> None:
            import ssl

            from websockets.sync.client import connect

            if self._ws is None:
                trusted = ssl.create_default_context(cafile=ca_bundle or None) if url.startswith("wss:") else None
                self._ws = connect(url, ssl=trusted, proxy=proxy or True)

    return Through(url=url, verbose=False)


def _refusal(url: str, broken: Exception, now: datetime) -> StockAssetsError:
    from websockets.exceptions import InvalidStatus, InvalidURI

    if isinstance(broken, InvalidURI):
        return PermanentError(f"{url} cannot be the URL of a stream: {broken}")
    if isinstance(broken, InvalidStatus) and broken.response.status_code == 429:
        wait = broken.response.headers.get("Retry-After", "")
        retry_at = now + timedelta(seconds=int(wait)) if wait.isdigit() else None
        return VendorThrottled("Yahoo refuses its stream: too many requests (HTTP 429)", retry_at)
    return ServiceUnavailable(f"Yahoo's stream does not answer: {type(broken).__name__}: {broken}")
