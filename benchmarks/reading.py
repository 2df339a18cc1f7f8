"""a lake of daily metrics -> CPU-milliseconds of reading one symbol of it.

500 symbols x 10 years of random metrics, a year a file, written with delta-rs in the two orders in which builds leave them: by symbol
(one build of all sessions; so are the corrections of a symbol) and by session (a build for each). Groups have as many rows as in what
Spark writes of them, and no dictionaries, which Spark gives up for such numbers. Read: one symbol's ten years by ``stock_assets.read``,
the first time in a process, which opens the files, and later; beside pandas, which reads the whole Parquet, and the limit.

Run: python benchmarks/reading.py [SYMBOLS [YEARS]]
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
import pyarrow as pa
from deltalake import ColumnProperties, WriterProperties, write_deltalake

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from stock_assets.domain.sessions import sessions_between
from stock_assets.domain.shares import share_column
from stock_assets.domain.tables import DAILY_METRICS
from stock_assets.lake.engine import connect
from stock_assets.reading.frames import read
from stock_assets.settings.platform import Settings

LAST = date(2024, 12, 31)
LIMIT_MS = 60
REPEATS = 9
ROW_GROUP = 4000
ORDERS = {"one build of all": ("symbol", "trading_day"), "a build a session": ("trading_day", "symbol")}


def main(symbols: int = 500, years: int = 10) -> None:
    """Write both lakes, read each, and print a table."""
    rows = metrics(symbols, sessions_between(date(LAST.year - years + 1, 1, 1), LAST))
    wanted = f"S{symbols // 2:04}"
    print(f"{rows.num_rows:,} rows of {symbols} symbols, {years} years; one symbol's rows")
    print(f"{'':44}{'CPU-ms':>10}{'wall ms':>10}{'limit':>8}")
    with tempfile.TemporaryDirectory() as folder:
        connect().close()  # nor is DuckDB's start a part of the first read
        for name, order in ORDERS.items():
            lake = f"{folder}/{order[0]}"
            write_deltalake(
                f"{lake}/{DAILY_METRICS.path}",
                rows.sort_by([(column, "ascending") for column in order]),
                partition_by=list(DAILY_METRICS.partition_by),
                writer_properties=WriterProperties(
                    compression="SNAPPY",
                    max_row_group_size=ROW_GROUP,
                    default_column_properties=ColumnProperties(dictionary_enabled=False),
                ),
            )
            settings = Settings({"LAKE_ROOT": lake})

            def ours(settings: Settings = settings) -> int:
                return len(read("daily_metrics", wanted, settings=settings))

            def peer(lake: str = lake) -> int:
                # without this each decimal is an object, and the table takes gigabytes
                whole = pd.read_parquet(f"{lake}/{DAILY_METRICS.path}", dtype_backend="pyarrow")
                return len(whole[whole["symbol"] == wanted].sort_values("trading_day"))

            show(f"ours, {name}, first", ours, 1)
            show(f"ours, {name}, later", ours, REPEATS, str(LIMIT_MS))
            show(f"pandas, whole Parquet, {name}", peer, 1)


def show(name: str, work: Callable[[], int], repeats: int, limit: str = "") -> None:
    """The median of so many runs."""
    spent = []
    for _ in range(repeats):
        cpu, wall = time.process_time(), time.perf_counter()
        assert work() > 0
        spent.append((time.process_time() - cpu, time.perf_counter() - wall))
    cpu, wall = (median(each) for each in zip(*spent, strict=True))
    print(f"{name:44}{cpu * 1000:>10.0f}{wall * 1000:>10.0f}{limit:>8}", flush=True)


def metrics(symbols: int, days: list[date]) -> pa.Table:
    """DAILY_METRICS as it is stored, sorted by symbol, prices of random walks."""
    rng, rows = np.random.default_rng(7), symbols * len(days)
    walks = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, (symbols, len(days))), axis=1)).ravel().clip(0.01, 1e6)
    schema = DAILY_METRICS.stored.arrow_schema()
    known = {
        "symbol": pa.array(np.repeat([f"S{n:04}" for n in range(symbols)], len(days))),
        "trading_day": pa.array(days * symbols, pa.date32()),
        "year": pa.array([day.year for day in days] * symbols, pa.int32()),
        "withheld_because": pa.nulls(rows, pa.string()),
    }

    def column(field: pa.Field) -> pa.Array:
        if pa.types.is_decimal(field.type):
            prices = share_column((walks * rng.uniform(0.9, 1.1)).round(6))
            return prices.cast(field.type)
        if pa.types.is_boolean(field.type):
            return pa.array(np.zeros(rows, bool))
        return pa.array(["yahoo"] * rows) if field.type == pa.string() else pa.array(np.arange(rows))

    return pa.table({f.name: known[f.name] if f.name in known else column(f) for f in schema}, schema=schema)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
