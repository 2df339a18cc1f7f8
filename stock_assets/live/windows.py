"""minute bars of a session -> windows over them, sliding by a minute.

Belongs here: what a window holds. A window exists for each length and minute between a symbol's first and last minute with a
trade, of a phase, as long as one of its own minutes has one. It depends on its minutes alone, so that some windows computed
now and the whole session computed tonight are equal, to the last digit.
Does not belong here: which minutes changed (``changes``), minute bars themselves (``spark.minute_bars``), storing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from stock_assets.domain.live_tables import BAR_MINUTES, INTRADAY_WINDOWS, LATENESS, WINDOW_MINUTES
from stock_assets.live.grid import MINUTE_US, Grid, as_decimals, grid_of

Newest = Mapping[tuple[str, int], datetime]
"""Per source (as in the minutes) and topic partition: the largest min(event_time, kafka_time) of the session's ticks."""

HOUR_US = 60 * MINUTE_US
LEAST_RETURNS = {15: 5, 60: 20}


def windows_of(minutes: pa.Table, newest: Newest, hours: Collection[int] | None = None) -> pa.Table:
    """INTRADAY_WINDOWS of one session, without order.

    Args:
        minutes: MINUTES of the whole session.
        newest: decides which windows are final.
        hours: only windows whose last minute starts in one of these hours since 1970; None for all.
    """
    schema = INTRADAY_WINDOWS.arrow_schema()
    if not minutes.num_rows:
        return schema.empty_table()
    first = pc.min(minutes["start_time"]).cast(pa.int64()).as_py() // HOUR_US
    last = pc.max(minutes["start_time"]).cast(pa.int64()).as_py() // HOUR_US
    wanted = sorted(range(first, last + 1) if hours is None else {hour for hour in hours if first <= hour <= last})
    longest = max(WINDOW_MINUTES)
    parts = [schema.empty_table()]
    for phase in pc.unique(minutes["phase"]).to_pylist():
        of_phase = minutes.filter(pc.equal(minutes["phase"], phase))
        for begin, end in _runs(wanted):
            grid = grid_of(of_phase, begin * 60 - longest + 1, (end + 1) * 60)
            if grid is not None:
                parts += [_rows(grid, length, longest - 1, newest) for length in (BAR_MINUTES, *WINDOW_MINUTES)]
    return pa.concat_tables(parts)


def _runs(hours: list[int]) -> Iterator[tuple[int, int]]:
    """First and last of each run of neighbouring hours."""
    if not hours:
        return
    begin = hours[0]
    for hour, following in pairwise([*hours, hours[-1] + 2]):
        if following != hour + 1:
            yield begin, hour
            begin = following


def _rows(grid: Grid, length: int, skipped: int, newest: Newest) -> pa.Table:
    """The windows of one length that end after the grid's first ``skipped`` minutes."""
    over = _Windows(grid, length, skipped)
    exist = (over.covered > 0) & (over.ends <= grid.last[:, None])
    if length == BAR_MINUTES:
        exist &= over.covered == 1
    group, at = np.nonzero(exist)
    end_us = (grid.first_minute + skipped + at + 1) * MINUTE_US
    column = {name: values[group, at] for name, values in over.figures().items()}
    text = {name: values.take(pa.array(group)) for name, values in grid.texts.items()}
    final_before = _final_before(grid, newest)[group]
    volumes, trades = over.volume()[group, at], over.trades()[group, at]
    unknown = {name: ~known[group, at] for name, known in (("volume", over.sized()), ("trade_count", over.counted()))}
    found: dict[str, Any] = {
        **text,
        "end_hour": ((end_us - MINUTE_US) // HOUR_US % 24).astype(np.int32),
        "window_minutes": np.full(len(group), length, np.int32),
        "start_time": pa.array(end_us - length * MINUTE_US, pa.timestamp("us", "UTC")),
        "end_time": pa.array(end_us, pa.timestamp("us", "UTC")),
        **{name: as_decimals(column[name], 18) for name in ("open", "high", "low", "close")},
        **{name: column[name] for name in ("average_price", "moving_average", "momentum_percent")},
        **{name: pa.array(column[name], mask=np.isnan(column[name])) for name in ("vwap", "volatility")},
        "volume": as_decimals(volumes, 25, unknown["volume"]),
        "trade_count": pa.array(trades, mask=unknown["trade_count"]),
        "minutes_covered": over.covered[group, at].astype(np.int32),
        "final": end_us <= final_before,
    }
    schema = INTRADAY_WINDOWS.arrow_schema()
    return pa.Table.from_arrays([pa.array(found[f.name]).cast(f.type) for f in schema], schema=schema)


def _final_before(grid: Grid, newest: Newest) -> npt.NDArray[np.int64]:
    """Per group of the grid, the instant up to which its windows are final."""
    sources, partitions = grid.texts["source"].to_pylist(), grid.texts["kafka_partition"].to_pylist()
    instants = [newest.get(place) for place in zip(sources, partitions, strict=True)]
    epoch = datetime.fromtimestamp(0, UTC)
    return np.array(
        [0 if i is None else round((i - LATENESS - epoch).total_seconds() * 1e6) for i in instants], np.int64
    )


class _Windows:
    """Figures over windows of one length, as arrays of groups x windows.

    Minutes are added one after the other, in their order: the sum of a window is the same wherever its grid begins.
    """

    def __init__(self, grid: Grid, length: int, skipped: int) -> None:
        self.grid, self.length = grid, length
        self.begin = skipped - length + 1
        self.count = grid.seen.shape[1] - skipped
        self.ends = grid.first_minute + skipped + np.arange(self.count)
        self.covered = self._sum(grid.seen.astype(np.int64))
        reach = np.where(grid.seen, np.arange(grid.seen.shape[1]), -1)
        self.newest = np.maximum.accumulate(reach, axis=1)[:, skipped:]
        ahead = np.where(grid.seen, np.arange(grid.seen.shape[1]), grid.seen.shape[1])
        following = np.minimum.accumulate(ahead[:, ::-1], axis=1)[:, ::-1]
        self.oldest = np.minimum(following[:, self.begin : self.begin + self.count], grid.seen.shape[1] - 1)

    def figures(self) -> dict[str, npt.NDArray[Any]]:
        """Prices in millionths, and what is derived from them in currency or percent; of a window without a trade, anything."""
        grid, rows = self.grid, np.arange(len(self.grid.seen))[:, None]
        opened, closed = grid.open[rows, self.oldest], grid.close[rows, np.maximum(self.newest, 0)]
        middle = np.where(grid.seen, (grid.high.astype(float) + grid.low + grid.close) / 3, 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            return {
                "open": opened,
                "high": self._extreme(grid.high, np.maximum, np.iinfo(np.int64).min),
                "low": self._extreme(grid.low, np.minimum, np.iinfo(np.int64).max),
                "close": closed,
                "average_price": self._sum(middle) / self.covered / 1e6,
                "vwap": self._sum(np.where(grid.weighed, grid.vwap * grid.shares, 0.0))
                / self._sum(np.where(grid.weighed, grid.shares, 0.0)),
                "moving_average": self._moving_average() / 1e6,
                "volatility": self._volatility(),
                "momentum_percent": (closed - opened) / opened * 100,
            }

    def volume(self) -> npt.NDArray[Any]:
        """Millionths of shares."""
        return self._sum(self.grid.volume)

    def trades(self) -> npt.NDArray[np.int64]:
        return self._sum(self.grid.trades)

    def sized(self) -> npt.NDArray[np.bool_]:
        """Where a minute tells its volume."""
        return self._sum(self.grid.sized.astype(np.int64)) > 0

    def counted(self) -> npt.NDArray[np.bool_]:
        """Where a minute tells its trades."""
        return self._sum(self.grid.counted.astype(np.int64)) > 0

    def _part(self, values: npt.NDArray[Any], offset: int) -> npt.NDArray[Any]:
        return values[:, self.begin + offset : self.begin + offset + self.count]

    def _sum(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        total = self._part(values, 0).copy()
        for offset in range(1, self.length):
            total += self._part(values, offset)
        return total

    def _extreme(self, values: npt.NDArray[np.int64], choose: np.ufunc, nothing: int) -> npt.NDArray[np.int64]:
        seen = np.where(self.grid.seen, values, nothing)
        found = self._part(seen, 0).copy()
        for offset in range(1, self.length):
            choose(found, self._part(seen, offset), out=found)
        return found

    def _moving_average(self) -> npt.NDArray[np.float64]:
        """Of millionths, over the minutes from the first with a trade on."""
        grid = self.grid
        rows, minutes = np.arange(len(grid.seen))[:, None], np.arange(grid.seen.shape[1])
        latest = np.maximum.accumulate(np.where(grid.seen, minutes, 0), axis=1)
        carried = grid.close[rows, latest].astype(float)
        total, count = np.zeros(self.covered.shape), np.zeros(self.covered.shape)
        for offset in range(self.length):
            inside = self.oldest <= np.arange(self.count) + self.begin + offset
            total += np.where(inside, self._part(carried, offset), 0.0)
            count += inside
        return total / np.maximum(count, 1)

    def _volatility(self) -> npt.NDArray[np.float64]:
        """NaN where there are too few returns, or too few minutes with a trade, to tell."""
        if self.length not in LEAST_RETURNS:
            return np.full(self.covered.shape, np.nan)
        grid = self.grid
        both = grid.seen[:, 1:] & grid.seen[:, :-1]
        with np.errstate(divide="ignore", invalid="ignore"):
            returns = np.where(both, np.log(grid.close[:, 1:] / grid.close[:, :-1]), 0.0)
        # a return belongs to the later of its minutes; that of a window's first minute reaches out of it
        both, returns = (np.pad(each, ((0, 0), (1, 0))) for each in (both, returns))
        count, total = np.zeros(self.covered.shape), np.zeros(self.covered.shape)
        for offset in range(1, self.length):
            count += self._part(both, offset)
            total += self._part(returns, offset)
        mean, squares = total / count, np.zeros(self.covered.shape)
        for offset in range(1, self.length):
            squares += np.where(self._part(both, offset), (self._part(returns, offset) - mean) ** 2, 0.0)
        enough = (count >= LEAST_RETURNS[self.length]) & (2 * self.covered >= self.length)
        return np.where(enough, np.sqrt(squares / (count - 1)), np.nan)
