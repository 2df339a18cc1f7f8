"""minute bars, actions -> live/anomalies.

Belongs here: what is usual for a minute of a symbol and source, and which minutes are far from it.
Does not belong here: kinds and constants (``domain.anomalies``), which sessions are stale (``finding_state``).

A row depends on its session and the BASELINE_SESSIONS before: whatever range is built, it comes out the same.

- Regular phase, closes and shares of each minute. A return is that of two minutes that follow each other in a session.
- Recent volatility: DEVIATION_OF_MAD x the median of the absolute returns of the RECENT_MINUTES before, at least one tick; a return is
  judged in units of it.
- Usual are the median of all minutes of the same slot in the sessions before, and their median absolute deviation; shares before a
  split count in the shares of the session judged.
- Not judged: the first and the last slot of a session (auctions), a symbol on its ex-dates, a slot that fewer than LEAST_SESSIONS of
  the sessions before have.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from stock_assets.domain.anomalies import (
    BASELINE_SESSIONS,
    DEVIATION_OF_MAD,
    LEAST_RECENT_RETURNS,
    LEAST_SESSIONS,
    LEAST_VOLUME_DEVIATION,
    RECENT_MINUTES,
    SLOT_MINUTES,
    TAKEN_BACK,
    THRESHOLD,
    TICK,
)
from stock_assets.domain.sessions import all_sessions, session

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

    Array = np.ndarray[Any, np.dtype[Any]]

Row = dict[str, Any]
COLUMNS = ("trading_day", "symbol", "source", "start_time", "phase", "close", "volume")
DAY_MINUTES = 390
_SLOTS = DAY_MINUTES // SLOT_MINUTES


def find_anomalies(
    bars: pa.Table,
    days: Collection[date],
    ex_dates: Collection[tuple[str, date]] = (),
    splits: Mapping[tuple[str, str], Sequence[tuple[date, float]]] | None = None,
) -> list[Row]:
    """The anomalies of these sessions, by symbol, source and minute.

    Args:
        bars: COLUMNS of these sessions and of BASELINE_SESSIONS before each, in any order; each minute of a source once.
        ex_dates: symbols and sessions that are not judged.
        splits: per symbol and source ex-date and new shares per old share, ascending.
    """
    known = all_sessions()
    if not bars.num_rows or not days:
        return []
    first = known.index(min(days)) - BASELINE_SESSIONS
    axis = known[max(0, first) : known.index(max(days)) + 1]
    skipped, found = set(ex_dates), []
    for symbol, source, closes, shares, places, rows in _groups(bars, axis):
        measured = _Measured(axis, closes, shares, (splits or {}).get((symbol, source), ()))
        for day in sorted(days):
            if (symbol, day) not in skipped:
                for minute, judged in measured.judge(axis.index(day)):
                    row = rows.slice(int(places[axis.index(day), minute]), 1).to_pylist()[0]
                    shown = {name: row[name] for name in ("trading_day", "symbol", "source", "start_time")}
                    found.append({"year": day.year, **shown, **judged, "close": row["close"], "volume": row["volume"]})
    return sorted(found, key=lambda row: (row["symbol"], row["source"], row["start_time"]))


class _Measured:
    """Returns and shares of one symbol and source: a row per session, a column per minute; NaN for what there is not."""

    def __init__(self, axis: list[date], closes: Array, shares: Array, splits: Sequence[tuple[date, float]]) -> None:
        import numpy as np

        self._axis, self._splits = axis, splits
        self._returns, self._tick = np.full_like(closes, np.nan), np.full_like(closes, np.nan)
        self._returns[:, 1:] = np.log(closes[:, 1:] / closes[:, :-1])
        self._tick[:, 1:] = TICK / closes[:, :-1]
        self._volatility = np.maximum(_recent(np.abs(self._returns)), self._tick)
        self._scaled = self._returns / self._volatility
        self._shares = shares

    def judge(self, place: int) -> Iterator[tuple[int, Row]]:
        """The minutes of the session at this place that are anomalies, ascending, and what is stored of each."""
        import numpy as np

        before = slice(max(0, place - BASELINE_SESSIONS), place)
        length = _minutes(self._axis[place])
        jumps = _usual(self._scaled[before], self._scaled[place], self._tick[place] / self._volatility[place])
        factors = [_factor(self._splits, day, self._axis[place]) for day in self._axis[before]]
        logs = np.log1p(self._shares[before] * np.array(factors)[:, None]), np.log1p(self._shares[place])
        blocks = _usual(*logs, np.full(DAY_MINUTES, LEAST_VOLUME_DEVIATION))
        jumped, blocked = np.abs(jumps["z"]) >= THRESHOLD, blocks["z"] >= THRESHOLD
        inner = np.zeros(DAY_MINUTES, bool)
        inner[SLOT_MINUTES : length - SLOT_MINUTES] = True
        taken_back = -1
        for minute in map(int, np.flatnonzero((jumped | blocked) & inner)):
            if jumped[minute] and minute != taken_back:
                if self._is_taken_back(place, minute):
                    taken_back = minute + 1
                kind = "suspect_print" if taken_back == minute + 1 else "jump"
                yield minute, self._row(kind, jumps, place, minute)
            elif blocked[minute]:
                yield minute, self._row("block", blocks, place, minute)

    def _is_taken_back(self, place: int, minute: int) -> bool:
        """False, too, when the next minute is not there."""
        if minute + 1 == DAY_MINUTES:
            return False
        moved, after = self._returns[place, minute], self._returns[place, minute + 1]
        return bool(abs(moved + after) <= (1 - TAKEN_BACK) * abs(moved))

    def _row(self, kind: str, usual: dict[str, Array], place: int, minute: int) -> Row:
        import numpy as np

        moved = self._returns[place, minute]
        numbers = {name: round(float(usual[name][minute]), 6) for name in ("z", "value", "median", "mad", "deviation")}
        change = None if np.isnan(moved) else round(100 * float(np.expm1(moved)), 6)
        return {"kind": kind, **numbers, "n": int(usual["n"][minute]), "change_percent": change}


def _usual(before: Array, now: Array, floor: Array) -> dict[str, Array]:
    """Per minute of ``now`` its robust z and what that is made of; z is NaN where nothing can be judged."""
    import numpy as np

    slots = before.reshape(len(before), _SLOTS, SLOT_MINUTES)
    n = np.repeat((~np.isnan(slots)).any(axis=2).sum(axis=0), SLOT_MINUTES)
    values = slots.transpose(1, 0, 2).reshape(_SLOTS, -1)
    median = _median(values)
    mad = np.repeat(_median(np.abs(values - median[:, None])), SLOT_MINUTES)
    median = np.repeat(median, SLOT_MINUTES)
    deviation = np.maximum(DEVIATION_OF_MAD * mad, floor)
    z = np.where(n >= LEAST_SESSIONS, np.round((now - median) / deviation, 6), np.nan)
    return {"z": z, "value": now, "median": median, "mad": mad, "deviation": deviation, "n": n}


def _recent(moves: Array) -> Array:
    """Per minute the volatility of the minutes before it in its session; NaN after fewer than LEAST_RECENT_RETURNS."""
    import numpy as np

    before = np.full((len(moves), RECENT_MINUTES + DAY_MINUTES - 1), np.nan)
    before[:, RECENT_MINUTES:] = moves[:, :-1]
    windows = np.lib.stride_tricks.sliding_window_view(before, RECENT_MINUTES, axis=1)
    enough = (~np.isnan(windows)).sum(axis=2) >= LEAST_RECENT_RETURNS
    return np.where(enough, DEVIATION_OF_MAD * _median(windows), np.nan)


def _median(values: Array) -> Array:
    """Along the last axis, without NaN; NaN of nothing. numpy's own takes a hundred times as long."""
    import numpy as np

    ordered = np.sort(values, axis=-1)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=-1)[..., None]
    if not ordered.shape[-1]:
        return np.full(ordered.shape[:-1], np.nan)
    lower, upper = (np.take_along_axis(ordered, np.maximum(at, 0), -1)[..., 0] for at in ((count - 1) // 2, count // 2))
    return np.where(count[..., 0] > 0, (lower + upper) / 2, np.nan)


def _minutes(day: date) -> int:
    """Of the regular session."""
    times = session(day)
    return (times.close_time - times.open_time) // timedelta(minutes=1)


def _factor(splits: Sequence[tuple[date, float]], day: date, until: date) -> float:
    """Shares on ``until`` of one share on ``day``."""
    factor = 1.0
    for ex_date, value in splits:
        if day < ex_date <= until:
            factor *= value
    return factor


def _groups(bars: pa.Table, axis: list[date]) -> Iterator[tuple[str, str, Array, Array, Array, pa.Table]]:
    """Per symbol and source closes and shares by session and minute, the place of each in its rows, and these."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = bars.filter(pc.equal(bars["phase"], "regular"))
    rows = rows.sort_by([(name, "ascending") for name in ("symbol", "source", "start_time")])
    dates = rows["trading_day"].to_numpy().astype("datetime64[D]")
    days = np.array(axis, "datetime64[D]")
    at = np.searchsorted(days, dates)
    opens = np.array([session(day).open_time.replace(tzinfo=None) for day in axis], "datetime64[us]")
    within = (at < len(axis)) & (days[np.minimum(at, len(axis) - 1)] == dates)
    rows, at = rows.filter(pa.array(within)), at[within]
    if not rows.num_rows:
        return
    times = rows["start_time"].cast(pa.int64()).to_numpy().astype("datetime64[us]")
    minutes = (times - opens[at]) // np.timedelta64(1, "m")
    lengths = np.array([_minutes(day) for day in axis])
    usable = (minutes >= 0) & (minutes < lengths[at])  # closing prints come after the bell
    closes, shares = (rows[name].cast(pa.float64()).to_numpy() for name in ("close", "volume"))
    names = [rows[name].combine_chunks().dictionary_encode() for name in ("symbol", "source")]
    codes = names[0].indices.to_numpy().astype(np.int64) * len(names[1].dictionary) + names[1].indices.to_numpy()
    starts = np.concatenate([[0], np.flatnonzero(np.diff(codes)) + 1, [len(codes)]])
    for begin, end in pairwise(starts):
        taken = np.flatnonzero(usable[begin:end]) + begin
        where = at[taken], minutes[taken].astype(np.int64)
        placed = []
        for numbers in (closes[taken], shares[taken], taken - begin):
            matrix = np.full((len(axis), DAY_MINUTES), np.nan)
            matrix[where] = numbers
            placed.append(matrix)
        own = rows.slice(int(begin), int(end - begin))
        yield rows["symbol"][int(begin)].as_py(), rows["source"][int(begin)].as_py(), *placed, own
