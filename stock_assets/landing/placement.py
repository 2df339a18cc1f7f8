"""columns of good records -> the session of each, and the reasons of those that belong to none.

Belongs here: placing rows on the exchange's calendar, and comparing them with the universe of their day.
Does not belong here: decoding (``decode``), the calendar itself (``domain.sessions``).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pyarrow as pa

from stock_assets.domain import sessions
from stock_assets.domain.messages import Action, Bar, Message, Tick
from stock_assets.domain.session_index import Int64s, place
from stock_assets.domain.universe import Universe

_DAY_US = 24 * 3600 * 1_000_000
LONGEST_AHEAD_US = _DAY_US
"""Nothing may have happened later than this after the broker got its record: clocks differ, by hours where zones are confused."""
_EPOCH = date(1970, 1, 1)
_DAY_OF = {Bar: "trading_day", Action: "ex_date"}

Columns = dict[str, pa.ChunkedArray]


def place_rows(kind: type[Message], columns: Columns, times_ms: Int64s | None) -> dict[int, str]:
    """Add to the columns what derives from a row's day; the reason of each row that has no session.

    Args:
        times_ms: when the broker got each; without it, or where it is not positive, no event is too late.
    """
    return _place_ticks(columns, times_ms) if kind is Tick else _place_dated(kind, columns, times_ms)


def _place_ticks(columns: Columns, times_ms: Int64s | None) -> dict[int, str]:
    event_time = _integers(columns["event_time"])
    placement = place(event_time)
    columns["trading_day"] = pa.chunked_array([pa.array(placement.epoch_day.astype(np.int32)).view(pa.date32())])
    phases = pa.DictionaryArray.from_arrays(placement.phase, list(sessions.PHASES))
    columns["phase"] = pa.chunked_array([phases])
    outside = {
        int(position): f"closed session: event_time {_instant(event_time[position])} is on a day without a session"
        for position in np.flatnonzero(~placement.has_session)
    }
    first = sessions.calendar().first
    for position in np.flatnonzero(event_time < _midnight_us(first)).tolist():
        outside[position] = f"absurd time: event_time {_instant(event_time[position])} is before {first}"
    return outside | _ahead("event_time", event_time, times_ms)


def _place_dated(kind: type[Message], columns: Columns, times_ms: Int64s | None) -> dict[int, str]:
    days: list[date] = columns[_DAY_OF[kind]].to_pylist()
    columns["trading_day"] = pa.chunked_array([pa.array(days, pa.date32())])
    columns["year"] = pa.chunked_array([pa.array([day.year for day in days], pa.int32())])
    outside = {
        position: f"closed session: trading_day {day} has no session"
        for position, day in enumerate(days)
        if not sessions.is_session(day)
    }
    if kind is Bar:
        # an action is announced before its day, a bar is not
        midnights = np.array([(day - _EPOCH).days for day in days], dtype=np.int64) * _DAY_US
        outside |= _ahead("trading_day", midnights, times_ms)
        outside |= _ahead("start_time", _integers(columns["start_time"]), times_ms)
    return outside | _ahead("known_at", _integers(columns["known_at"]), times_ms)


def _ahead(name: str, instants: Int64s, times_ms: Int64s | None) -> dict[int, str]:
    """The reason of each row of which something happened long after the broker got it."""
    if times_ms is None:
        return {}
    got = times_ms * 1000
    return {
        at: f"absurd time: {name} {_instant(instants[at])} is more than a day after the broker got it, {_instant(got[at])}"
        for at in np.flatnonzero((got > 0) & (instants > got + LONGEST_AHEAD_US)).tolist()
    }


def _integers(column: pa.ChunkedArray) -> Int64s:
    found: Int64s = np.concatenate([part.view(pa.int64()).to_numpy() for part in column.chunks])
    return found


def strangers(universe: Universe | None, columns: Columns) -> dict[int, str]:
    """The reason of each row whose symbol is not in the universe on its day; none without a universe."""
    if universe is None:
        return {}
    symbols = columns["symbol"].combine_chunks().dictionary_encode()
    names, rows = symbols.dictionary.to_pylist(), symbols.indices.to_numpy()
    days = columns["trading_day"].combine_chunks().view(pa.int32()).to_numpy()
    accepted = np.zeros(len(rows), dtype=bool)
    for number, name in enumerate(names):
        mine = rows == number
        for first, last in universe.spans_of(name):
            accepted |= mine & (days >= (first - _EPOCH).days) & (days <= (last - _EPOCH).days)
    return {
        int(at): f"unknown symbol: {names[rows[at]]} is not in the universe on {_EPOCH + timedelta(int(days[at]))}"
        for at in np.flatnonzero(~accepted)
    }


def _midnight_us(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1_000_000


def _instant(microseconds: int) -> str:
    try:
        return datetime.fromtimestamp(int(microseconds) / 1e6, UTC).isoformat()
    except (OverflowError, ValueError, OSError):
        return f"{microseconds} us"
