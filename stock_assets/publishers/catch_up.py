"""calendar, universe, lake -> what a vendor's history lacks, fetched and published.

Belongs here: which (symbol, session) cells have no final daily bar of a vendor, and asking for those alone.
Does not belong here: how a vendor is asked (``sources``), landing.

After an outage as after a new symbol: what is asked for is decided by what the lake holds, never by when something ran.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from stock_assets.domain.messages import Action, Bar, Message
from stock_assets.domain.sessions import session
from stock_assets.domain.tables import RAW_BARS
from stock_assets.domain.universe import Universe
from stock_assets.lake.tables import read_sessions
from stock_assets.publishers.each_symbol import fetch_each
from stock_assets.raw.known import Known
from stock_assets.settings.kafka import Broker
from stock_assets.sources.fetched import Fetched
from stock_assets.topic.publish import publish

Cells = dict[str, list[date]]
"""Sessions per symbol, ascending."""
LAST_MINUTES = timedelta(minutes=15)
"""Not every stock trades in the very last minute."""


@dataclass
class CaughtUp:
    """What became of one symbol: sessions asked for, records the vendor gave and those published, and what was refused.

    Attributes:
        lacking: sessions that the vendor had no bar of either.
    """

    symbol: str
    asked: int
    fetched: int = 0
    published: int = 0
    lacking: list[date] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def missing_cells(
    lake_root: str, source: str, symbols: Iterable[str], days: Sequence[date], universe: Universe | None = None
) -> Cells:
    """The cells of which the lake holds no final daily bar of the source; days outside of a symbol's life are none."""
    if not days:
        return {}
    held = set(_final_bars(lake_root, source, days[0], days[-1]))
    found: Cells = {}
    for symbol in symbols:
        lacking = [
            day for day in days if (symbol, day) not in held and (universe is None or universe.accepts(symbol, day))
        ]
        if lacking:
            found[symbol] = lacking
    return found


def newest_sessions(lake_root: str, source: str) -> dict[str, date]:
    """Per symbol the newest session of which the lake holds a final daily bar of the source."""
    return _newest(_final_bars(lake_root, source, date.min, date.max))


def newest_minute_sessions(lake_root: str, source: str, since: date) -> dict[str, date]:
    """Per symbol the newest session from ``since`` on of which the lake holds final minute bars to the close."""
    rows = _rows(lake_root, source, "1m", since, date.max, "start_time")
    return _newest(
        (row["symbol"], row["trading_day"]) for row in rows if closes_session(row["trading_day"], row["start_time"])
    )


def closes_session(day: date, start: int | datetime) -> bool:
    """Whether a minute (UTC; or an instant, in microseconds) begins in the last quarter hour of the regular session."""
    began = datetime.fromtimestamp(start / 1e6, UTC) if isinstance(start, int) else start
    closed = session(day).close_time
    return closed - LAST_MINUTES <= began < closed


def catch_up(
    lake_root: str, broker: Broker, cells: Cells, fetch: Callable[[str, date, date], Fetched]
) -> Iterator[CaughtUp]:
    """Ask for each symbol's sessions in one call, and publish the bars of exactly these, and actions that are new.

    A symbol that fails is reported and the others go on.

    Raises:
        VendorThrottled, ServiceUnavailable, InvalidKey: the vendor answers no more; symbols already reported are published.
    """
    known = Known(lake_root)
    for symbol, fetched in fetch_each(cells, lambda symbol: fetch(symbol, cells[symbol][0], cells[symbol][-1])):
        days = cells[symbol]
        done = CaughtUp(symbol, asked=len(days))
        wanted = list(_of_cells(fetched.messages, set(days)))
        done.fetched, done.refused = len(fetched.messages), fetched.refused
        got = {message.trading_day for message in wanted if isinstance(message, Bar)}
        done.lacking = [day for day in days if day not in got]
        done.published = publish(broker, known.new(wanted)).total
        yield done


def _final_bars(lake_root: str, source: str, first: date, last: date) -> Iterator[tuple[str, date]]:
    """Symbol and session of each final daily bar that the lake holds of the source."""
    for row in _rows(lake_root, source, "1d", first, last):
        yield row["symbol"], row["trading_day"]


def _rows(lake_root: str, source: str, interval: str, first: date, last: date, *more: str) -> list[dict[str, Any]]:
    """Symbol, session and ``more`` of each final bar of an interval that the lake holds of the source."""
    import pyarrow.compute as pc

    columns = ["symbol", "trading_day", "source", "interval", "final", *more]
    wanted = (pc.field("source") == source) & (pc.field("interval") == interval) & pc.field("final")
    table = read_sessions(lake_root, RAW_BARS, columns, first, last, accepted_only=True)
    found: list[dict[str, Any]] = table.filter(wanted).select(["symbol", "trading_day", *more]).to_pylist()
    return found


def _newest(cells: Iterable[tuple[str, date]]) -> dict[str, date]:
    found: dict[str, date] = {}
    for symbol, day in cells:
        found[symbol] = max(day, found.get(symbol, date.min))
    return found


def _of_cells(messages: Iterable[Message], days: Collection[date]) -> Iterator[Message]:
    for message in messages:
        if isinstance(message, Action) or (isinstance(message, Bar) and message.trading_day in days):
            yield message
