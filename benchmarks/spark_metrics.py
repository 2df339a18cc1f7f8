"""synthetic daily bars -> seconds of the Spark stages, cold and warm.

Workloads: the reference one (10 symbols x 251 sessions through minute bars, daily bars and metrics), the backfill of
metrics (500 symbols x 250 sessions in one run), and 5 symbols x 3,300 sessions, whose folds are longest.

Run: python benchmarks/spark_metrics.py "sc://127.0.0.1:PORT/;session_id=UUID" (a session used before is a warm one)
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
from deltalake import write_deltalake
from pyspark.sql import SparkSession

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from spark.jobs import build_daily_bars, build_daily_metrics, build_minute_bars
from stock_assets.domain.sessions import sessions_between
from stock_assets.domain.table import Table
from stock_assets.domain.tables import RAW_ACTIONS, RAW_BARS

SOURCE = "yahoo"
LAST = date(2025, 6, 30)


@dataclass(frozen=True)
class Workload:
    """``limit_s`` is for the whole run with a warm server."""

    name: str
    symbols: int
    sessions: int
    limit_s: float


WORKLOADS = (
    Workload("reference, first time (cold)", 10, 251, 60),
    Workload("reference, warm", 10, 251, 5),
    Workload("backfill", 500, 250, 60),
    Workload("long history", 5, 3300, 60),
)


def main(remote: str) -> None:
    """Run every workload once and print a table."""
    spark = SparkSession.builder.remote(remote).getOrCreate()
    heads = ("rows", "minute", "daily", "metrics", "again", "total", "limit")
    print(f"{'workload':32}" + "".join(f"{head:>9}" for head in heads) + "   seconds")
    for workload in WORKLOADS:
        with tempfile.TemporaryDirectory() as lake:
            days = write_raw(lake, workload.symbols, workload.sessions)
            first, last = days[0], days[-1]
            minute = build_minute_bars(spark, lake, first, last)
            daily = build_daily_bars(spark, lake, first, last)
            metrics = build_daily_metrics(spark, lake, [SOURCE])
            again = build_daily_metrics(spark, lake, [SOURCE])
            assert len(metrics.changed) == workload.symbols * workload.sessions and not again.changed
            seconds = [stage.seconds for stage in (minute, daily, metrics)]
            shown = [*seconds, again.seconds, sum(seconds), workload.limit_s]
            print(
                f"{workload.name:32}{len(metrics.changed):>9}" + "".join(f"{value:>9.2f}" for value in shown),
                flush=True,
            )


def write_raw(lake: str, symbols: int, sessions: int) -> list[date]:
    """Fill raw bars and raw actions with random walks, quarterly dividends and a split; returns the sessions."""
    rng = np.random.default_rng(7)
    days = sessions_between(LAST - timedelta(days=sessions * 2), LAST)[-sessions:]
    shape = (symbols, sessions)
    close = 100 * np.exp(np.cumsum(rng.normal(0, 0.02, shape), axis=1)).round(2)
    spread = rng.uniform(0.001, 0.02, shape)
    names = np.repeat([f"S{n:04}" for n in range(symbols)], sessions)
    instant = datetime.combine(LAST, datetime.min.time(), UTC) + timedelta(days=1)
    rows = symbols * sessions
    bars = {
        "year": np.tile([day.year for day in days], symbols),
        "trading_day": days * symbols,
        "symbol": names,
        "interval": ["1d"] * rows,
        "start_time": [datetime.combine(day, datetime.min.time(), UTC) for day in days] * symbols,
        "open": (close * (1 + spread / 3)).ravel(),
        "high": (close * (1 + spread)).ravel(),
        "low": (close * (1 - spread)).ravel(),
        "close": close.ravel(),
        "volume": rng.integers(1e6, 1e8, rows).tolist(),
        "currency": ["USD"] * rows,
        "price_basis": ["split_adjusted"] * rows,
        "final": [True] * rows,
        "source": [SOURCE] * rows,
        "known_at": [instant] * rows,
    }
    ex_dates = days[sessions // 8 :: sessions // 4]
    stated = [
        (f"S{n:04}", day, kind, value)
        for n in range(symbols)
        for day, kind, value in [(days[sessions // 2], "split", 4.0), *((day, "dividend", 0.25) for day in ex_dates)]
    ]
    actions = {
        "year": [row[1].year for row in stated],
        "trading_day": [row[1] for row in stated],
        "symbol": [row[0] for row in stated],
        "ex_date": [row[1] for row in stated],
        "kind": [row[2] for row in stated],
        "value": [row[3] for row in stated],
        "currency": ["USD"] * len(stated),
        "source": [SOURCE] * len(stated),
        "known_at": [instant] * len(stated),
    }
    _write(lake, RAW_BARS, bars)
    _write(lake, RAW_ACTIONS, actions)
    return days


def _write(lake: str, table: Table, columns: dict[str, object]) -> None:
    rows = len(columns["symbol"])  # type: ignore[arg-type]
    landing = {
        "topic_id": ["benchmark"] * rows,
        "kafka_partition": [0] * rows,
        "kafka_offset": range(rows),
        "offset_span": [1] * rows,
        "landing_id": ["benchmark"] * rows,
    }
    schema = table.arrow_schema()
    given = {**columns, **landing}
    arrays = [pa.array(given.get(field.name, [None] * rows), field.type) for field in schema]
    write_deltalake(
        f"{lake}/{table.path}", pa.Table.from_arrays(arrays, schema=schema), partition_by=list(table.partition_by)
    )


if __name__ == "__main__":
    main(sys.argv[1])
