"""Yahoo's stream, Yahoo's minute history -> messages without a hole, for the publisher service.

Belongs here: one ``Connect`` over all connections, and filling what was missed between two of them.
Does not belong here: a connection and its frames (``sources.yahoo_stream``), when to connect again (``service``).

What passed between the last frame of a connection and the first newer one of a later connection is a gap of that symbol.
Its whole minutes are fetched as bars under a source of their own, ``yahoo_gap``: they are pieces of sessions, which must
be taken neither for the vendor's history (``yahoo``) nor for what was seen live (``yahoo_stream``). What a process missed
before it started is not known to it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from stock_assets.domain.errors import NothingFetched, ServiceUnavailable, UnknownSymbol, VendorThrottled
from stock_assets.domain.messages import Action, Bar, Message, Tick
from stock_assets.domain.sessions import EXCHANGE_ZONE, session, sessions_between
from stock_assets.sources.yahoo_minutes import MINUTE, MINUTE_GRACE, fetch_minutes
from stock_assets.sources.yahoo_stream import QUEUE_LIMIT, SILENCE, URL, StreamConnection, StreamCounts

GAP_SOURCE = "yahoo_gap"
RETRY_AFTER = timedelta(minutes=1)
_MINUTE_US = 60_000_000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Gap:
    """Minutes of one symbol that no connection covered whole: starts from ``first`` to before ``after``."""

    symbol: str
    first: datetime
    after: datetime
    due: datetime

    def __str__(self) -> str:
        return f"{self.symbol} from {self.first:%Y-%m-%d %H:%M} to {self.after:%Y-%m-%d %H:%M} UTC"


def gap_between(symbol: str, last: int, following: int) -> Gap | None:
    """The gap between two frames (instants), if a session has whole minutes in it; due when the last one is final."""
    first = datetime.fromtimestamp(-(-last // _MINUTE_US) * 60, UTC)
    after = datetime.fromtimestamp(following // _MINUTE_US * 60, UTC)
    days = sessions_between(first.astimezone(EXCHANGE_ZONE).date(), after.astimezone(EXCHANGE_ZONE).date())
    held = [session(day) for day in days]
    if any(max(first, one.pre_open_time) < min(after, one.post_close_time) for one in held):
        return Gap(symbol, first, after, due=after + MINUTE_GRACE)
    return None


class YahooStream:
    """The ``Connect`` of Yahoo's stream.

    Args:
        http_session: for the minutes of gaps, as ``sources.yahoo.http_session`` makes it.
        refused: called with the reason of each frame or minute that could not be taken.
    """

    def __init__(
        self,
        symbols: list[str],
        url: str = URL,
        *,
        proxy: str = "",
        ca_bundle: str = "",
        http_session: Any = None,
        silence: timedelta = SILENCE,
        queue_limit: int = QUEUE_LIMIT,
        refused: Callable[[str], None] = lambda reason: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.counts = StreamCounts()
        self.gaps: list[Gap] = []
        self._http_session, self._refused, self._now = http_session, refused, now
        self._last: dict[str, int] = {}
        self._connect = partial(
            StreamConnection,
            symbols,
            url,
            proxy=proxy,
            ca_bundle=ca_bundle,
            silence=silence,
            queue_limit=queue_limit,
            counts=self.counts,
            refused=refused,
            now=now,
        )

    def __call__(self, stop: threading.Event) -> Iterator[Message | None]:
        """Ticks of one connection, and the minutes of gaps when they are due."""
        awaited = dict(self._last)  # symbols of which this connection has brought nothing new yet
        connection = self._connect()
        try:
            for tick in connection.ticks(stop):
                if tick is not None:
                    self._note(tick, awaited)
                yield tick
                yield from self._fill()
            for gap in self.gaps:
                log.warning("Yahoo's stream ends before the gap of %s is filled", gap)
        finally:
            connection.close()

    def _note(self, tick: Tick, awaited: dict[str, int]) -> None:
        last = awaited.get(tick.symbol)
        # Yahoo begins with the newest price it has, often one that is known: it tells nothing of what was missed.
        if last is not None and tick.event_time > last:
            del awaited[tick.symbol]
            gap = gap_between(tick.symbol, last, tick.event_time)
            if gap:
                self.gaps.append(gap)
                log.warning("Yahoo's stream missed %s; it will be filled from minute history", gap)
        self._last[tick.symbol] = max(tick.event_time, self._last.get(tick.symbol, 0))

    def _fill(self) -> Iterator[Message]:
        """The minutes of one due gap. Frames wait in the queue meanwhile, so Yahoo is asked once, and again later."""
        gap = next((gap for gap in self.gaps if gap.due <= self._now()), None)
        if gap is None:
            return
        try:
            messages = self._minutes(gap)
        except (VendorThrottled, ServiceUnavailable) as broken:
            later = (isinstance(broken, VendorThrottled) and broken.retry_at) or self._now() + RETRY_AFTER
            # one gap refused, all refused: the others would only be asked for in vain
            self.gaps = [replace(one, due=max(one.due, later)) for one in self.gaps]
            log.warning(
                "The gap of %s stays for now: %s; again at %s", gap, broken, later.isoformat(timespec="seconds")
            )
            return
        except (UnknownSymbol, NothingFetched) as broken:
            log.warning("The gap of %s cannot be filled: %s", gap, broken)
            messages = []
        yield from messages
        self.gaps.remove(gap)

    def _minutes(self, gap: Gap) -> list[Message]:
        fetched = fetch_minutes(
            gap.symbol, gap.first, gap.after, self._http_session, self._now, source=GAP_SOURCE, attempts=1
        )
        for reason in fetched.refused:
            self._refused(reason)
        bars = [bar for bar in fetched.messages if isinstance(bar, Bar)]
        # Without the splits since, nobody could tell as-traded prices from the bars.
        day = gap.first.astimezone(EXCHANGE_ZONE).date()
        splits = [it for it in fetched.messages if isinstance(it, Action) and it.kind == "split" and it.ex_date > day]
        missed = round((gap.after - gap.first) / MINUTE)
        log.info("The gap of %s: %d bars for %d minutes", gap, len(bars), missed)
        return [*splits, *bars]
