"""minute bars of a phase -> arrays of groups x minutes.

Belongs here: laying bars out by time, a group for each symbol and source, and the exact numbers between decimals and arrays.
Does not belong here: what is computed from them (``windows``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

MINUTE_US = 60_000_000
_GROUP = ("trading_day", "symbol", "source", "phase")
_INT64_SHARES = 1 << 56
"""Millionths of shares of a minute up to which an hour's sum fits 64 bits."""


@dataclass(frozen=True)
class Grid:
    """Bars of the minutes from ``first_minute`` (since 1970) on; prices, shares and their sums in millionths.

    Attributes:
        texts: per group its trading_day, symbol, source, phase, currency and kafka_partition.
        last: per group its last minute with a trade in the whole phase.
        seen: where there is a bar; ``sized`` where it tells its volume, ``counted`` its trades, ``weighed`` volume and price.
        shares: as ``volume``, as doubles.
        vwap: in currency.
    """

    first_minute: int
    texts: dict[str, pa.Array]
    last: npt.NDArray[np.int64]
    seen: npt.NDArray[np.bool_]
    open: npt.NDArray[np.int64]
    high: npt.NDArray[np.int64]
    low: npt.NDArray[np.int64]
    close: npt.NDArray[np.int64]
    vwap: npt.NDArray[np.float64]
    volume: npt.NDArray[Any]
    shares: npt.NDArray[np.float64]
    trades: npt.NDArray[np.int64]
    sized: npt.NDArray[np.bool_]
    counted: npt.NDArray[np.bool_]
    weighed: npt.NDArray[np.bool_]


def grid_of(minutes: pa.Table, begin: int, end: int) -> Grid | None:
    """The bars of ``minutes`` (MINUTES of one phase) from minute ``begin`` to ``end``, excluded; None when there is none."""
    number = numbered(minutes)
    minute = minutes["start_time"].cast(pa.int64()).to_numpy() // MINUTE_US
    inside = (minute >= begin) & (minute < end)
    if not inside.any():
        return None
    kept, group = np.unique(number[inside], return_inverse=True)
    last = np.full(number.max() + 1, -1, np.int64)
    np.maximum.at(last, number, minute)
    rows = minutes.filter(pa.array(inside))
    # the newest bar speaks for its group
    order = np.argsort(minute[inside], kind="stable")
    speaker = np.zeros(len(kept), np.int64)
    speaker[group[order]] = order
    named = rows.take(pa.array(speaker))
    shape, place = (len(kept), end - begin), (group, minute[inside] - begin)

    def laid_out(values: npt.NDArray[Any], nothing: Any = 0) -> npt.NDArray[Any]:
        laid = np.full(shape, nothing, values.dtype)
        laid[place] = values
        return laid

    sized, counted = (rows[name].is_valid().to_numpy() for name in ("volume", "trade_count"))
    volume, vwap = as_millionths(rows["volume"]), as_millionths(rows["vwap"]) / 1e6
    weighed = sized & rows["vwap"].is_valid().to_numpy() & (volume > 0)
    return Grid(
        begin,
        {name: named[name].combine_chunks() for name in (*_GROUP, "currency", "kafka_partition")},
        last[kept],
        laid_out(np.ones(rows.num_rows, bool)),
        laid_out(as_millionths(rows["open"])),
        laid_out(as_millionths(rows["high"])),
        laid_out(as_millionths(rows["low"])),
        laid_out(as_millionths(rows["close"])),
        laid_out(vwap),
        laid_out(volume),
        laid_out(volume.astype(float)),
        laid_out(pc.fill_null(rows["trade_count"], 0).to_numpy()),
        laid_out(sized),
        laid_out(counted),
        laid_out(weighed),
    )


def numbered(minutes: pa.Table, by: Sequence[str] = ("symbol", "source")) -> npt.NDArray[np.int64]:
    """A number for each row, the same for rows that are alike by these columns."""
    number = np.zeros(minutes.num_rows, np.int64)
    for name in by:
        codes = minutes[name].combine_chunks().dictionary_encode()
        number = number * len(codes.dictionary) + codes.indices.to_numpy()
    return number


def as_millionths(values: pa.ChunkedArray) -> npt.NDArray[Any]:
    """Decimals with six places as whole numbers; 0 for null. Of 64 bits, unless a sum of an hour's might not fit."""
    exact = values.type if pa.types.is_decimal(values.type) else pa.decimal128(25, 6)
    filled = pc.fill_null(values.cast(exact), 0)
    if not len(filled) or pc.max(pc.abs(filled)).as_py() * 10**6 < _INT64_SHARES:
        # the digits of a decimal are 16 bytes, of which the lower eight hold them all
        buffer = filled.combine_chunks()
        words = np.frombuffer(buffer.buffers()[1], np.int64)[2 * buffer.offset : 2 * (buffer.offset + len(buffer))]
        return words[::2].copy()
    return np.array([int(value.scaleb(6)) for value in filled.to_pylist()], object)


def as_decimals(values: npt.NDArray[Any], digits: int, unknown: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Whole millionths as decimals of so many digits; null where ``unknown``."""
    if values.dtype == object:
        wide = [divmod(value + (1 << 127), 1 << 64) for value in values]
        low = np.array([rest for _, rest in wide], np.uint64).view(np.int64)
        high = np.array([(upper - (1 << 63)) for upper, _ in wide], np.int64)
    else:
        low, high = values.astype(np.int64), np.where(values < 0, -1, 0)
    words = np.empty(2 * len(low), np.int64)
    words[::2], words[1::2] = low, high
    exact = pa.Array.from_buffers(pa.decimal128(digits, 6), len(low), [None, pa.py_buffer(words)])
    return exact if unknown is None else pc.if_else(pa.array(~unknown), exact, pa.scalar(None, exact.type))
