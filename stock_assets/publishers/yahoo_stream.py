"""Yahoo's stream, Yahoo's minute history -> messages without a hole, for the publisher service.

Belongs here: one ``Connect`` over all connections, and noticing what was missed between two of them.
Does not belong here: a connection and its frames (``sources.yahoo_stream``), when to connect again (``service``), fetching
the minutes that were missed (``yahoo_gaps``).

What passed between the last frame of a connection and the first newer one of a later connection is a gap of that symbol.
Its whole minutes are fetched as bars under a source of their own, ``yahoo_gap``: they are pieces of sessions, which must
be taken neither for the vendor's history (``yahoo``) nor for what was seen live (``yahoo_stream``). Where the
stream stands is kept on disk, so that what passes between two processes is such a gap, too.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from stock_assets.domain.messages import Message, Tick
from stock_assets.publishers.stream_position import Position, PositionFile
from stock_assets.publishers.yahoo_gaps import Gap, GapFiller, gap_between
from stock_assets.sources.yahoo_session import stoppable_session
from stock_assets.sources.yahoo_stream import QUEUE_LIMIT, SILENCE, URL, StreamConnection, StreamCounts

log = logging.getLogger(__name__)


class YahooStream:
    """The ``Connect`` of Yahoo's stream.

    Args:
        http_session: makes the session that the minutes of gaps are fetched through; see ``stoppable_session``.
        refused: called with the reason of each frame or minute that could not be taken.
        kept: where the stream stands, over processes; without it, what passed before the first frame is not known.
    """

    def __init__(
        self,
        symbols: list[str],
        url: str = URL,
        *,
        proxy: str = "",
        ca_bundle: str = "",
        http_session: Callable[[threading.Event], Any] = stoppable_session,
        silence: timedelta = SILENCE,
        queue_limit: int = QUEUE_LIMIT,
        refused: Callable[[str], None] = lambda reason: None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        kept: PositionFile | None = None,
    ) -> None:
        self.counts = StreamCounts()
        self._filler = GapFiller(http_session, refused, now)
        self._kept = kept
        known = kept.read() if kept else Position()
        self._last = {symbol: at for symbol, at in known.last.items() if symbol in symbols}
        self.gaps.extend(gap for gap in known.gaps if gap.symbol in symbols)
        for gap in self.gaps:
            log.info("The gap of %s was not filled by the process before; it will be", gap)
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

    @property
    def gaps(self) -> list[Gap]:
        """What is not filled yet."""
        return self._filler.gaps

    def __call__(self, stop: threading.Event) -> Iterator[Message | None]:
        """Ticks of one connection, and the minutes of gaps when they are due and there."""
        awaited = dict(self._last)  # symbols of which this connection has brought nothing new yet
        connection = self._connect()
        try:
            for tick in connection.ticks(stop):
                if tick is not None:
                    self._note(tick, awaited)
                yield tick
                yield from self._filler.messages(stop)
        finally:
            connection.close()
            if stop.is_set():
                self._filler.join()

    def settled(self, ended: bool) -> None:
        """Keep where the stream stands; say which gaps stay open when nothing follows any more."""
        if self._kept:
            self._kept.write(Position(self._last, self.gaps), at_once=ended)
        if ended:
            self._filler.join()
            for gap in self.gaps:
                log.warning("Yahoo's stream ends before the gap of %s is filled", gap)

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
