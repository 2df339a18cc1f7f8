"""minute bars of the lake -> hourly bars.

Belongs here: summing up regular minutes of the most trusted source of each symbol and session.
Does not belong here: where a bar begins (``domain.bar_sizes``), loading (load.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from stock_assets.domain.bar_sizes import HOUR_MINUTES, bar_starts
from stock_assets.domain.reconciliation import trust_rank
from stock_assets.domain.tables import MINUTE_BARS
from stock_assets.domain.warehouse_tables import HOURLY_BARS
from stock_assets.lake.tables import read_sessions

if TYPE_CHECKING:
    import pyarrow as pa

_READ = [
    "trading_day", "symbol", "source", "start_time", "phase", "open", "high", "low", "close", "volume", "currency"
]  # fmt: skip


def hourly_bars(lake_root: str, bar_sources: Sequence[str], first: date, last: date) -> pa.Table:
    """HOURLY_BARS of the sessions from ``first`` to ``last``, of regular trading.

    Args:
        bar_sources: most trusted first; others come last, by name. A symbol's session has one source, that of ``first``.
    """
    minutes = read_sessions(lake_root, MINUTE_BARS, _READ, first, last)
    return sum_up(minutes, bar_sources)


def sum_up(minutes: pa.Table, bar_sources: Sequence[str]) -> pa.Table:
    """HOURLY_BARS from rows of MINUTE_BARS."""
    import pandas as pd
    import pyarrow as pa
    import pyarrow.compute as pc

    regular = minutes.filter(pc.equal(minutes["phase"], "regular")).drop_columns(["phase"])
    schema = HOURLY_BARS.arrow_schema()
    if not regular.num_rows:
        return schema.empty_table()
    sources = sorted(regular["source"].unique().to_pylist(), key=lambda name: trust_rank(name, bar_sources))
    rank = pc.cast(pc.index_in(regular["source"], pa.array(sources)), pa.int32())
    ranked = regular.append_column("rank", rank)
    best = (
        ranked.group_by(["trading_day", "symbol"])
        .aggregate([("rank", "min")])
        .rename_columns(["trading_day", "symbol", "best"])
    )
    joined = ranked.join(best, ["trading_day", "symbol"])
    kept = joined.filter(pc.equal(joined["rank"], joined["best"])).sort_by(
        [("trading_day", "ascending"), ("symbol", "ascending"), ("start_time", "ascending")]
    )
    starts = [
        start for day in sorted(kept["trading_day"].unique().to_pylist()) for start in bar_starts(day, HOUR_MINUTES)
    ]
    edges = pd.DatetimeIndex(starts).as_unit("us").asi8
    times = kept["start_time"].cast(pa.int64()).to_numpy()
    hour = edges[edges.searchsorted(times, side="right") - 1]
    bars = kept.append_column("hour", pa.array(hour, pa.int64()).cast(pa.timestamp("us", tz="UTC")))
    bars = bars.append_column("row", pa.array(range(bars.num_rows), pa.int64()))
    summed = bars.group_by(["trading_day", "symbol", "hour"], use_threads=False).aggregate(
        [
            ("row", "min"), ("row", "max"), ("high", "max"), ("low", "min"), ("volume", "sum"), ("volume", "count"),
            ("row", "count"),
        ]
    )  # fmt: skip
    first, last = bars.take(summed["row_min"]), bars.take(summed["row_max"])
    told = pc.equal(summed["volume_count"], summed["row_count"])
    columns = {
        "trading_day": summed["trading_day"],
        "symbol": summed["symbol"],
        "start_time": summed["hour"],
        "source": first["source"],
        "open": first["open"],
        "high": summed["high_max"],
        "low": summed["low_min"],
        "close": last["close"],
        "volume": pc.if_else(told, summed["volume_sum"], None).cast(schema.field("volume").type),
        "minutes": summed["row_count"],
        "currency": first["currency"],
    }
    return pa.table(columns).cast(schema)
