"""Metrics leave out the cells they are told to, and take them back."""

from __future__ import annotations

from pathlib import Path

from deltalake import DeltaTable
from pyspark.sql import SparkSession

from spark.jobs import build_daily_bars, build_daily_metrics
from stock_assets.domain.tables import DAILY_METRICS, RAW_BARS
from stock_assets_tests.pipeline.raw_rows import bar, days, land

DAYS = days("2024-11-25", 7)
REFUSED = {("IBM", DAYS[2]), ("IBM", DAYS[3])}


def closes(lake: str) -> dict[tuple[str, object], float]:
    rows = DeltaTable(f"{lake}/{DAILY_METRICS.path}").to_pyarrow_table().to_pylist()
    return {(row["symbol"], row["trading_day"]): float(row["previous_close"] or 0) for row in rows}


def test_refused_cells_are_as_if_there_were_no_bar(spark: SparkSession, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    land(lake, RAW_BARS, [bar(day, 100.0 + n, symbol=symbol) for symbol in ("IBM", "F") for n, day in enumerate(DAYS)])
    build_daily_bars(spark, lake, DAYS[0], DAYS[-1])
    build_daily_metrics(spark, lake, ["yahoo"])
    everything = closes(lake)

    changed = build_daily_metrics(spark, lake, ["yahoo"], refused=REFUSED).changed
    assert {symbol for symbol, _ in changed} == {"IBM"} and set(changed) >= REFUSED
    without = closes(lake)
    assert without.keys() == everything.keys() - REFUSED
    assert without["IBM", DAYS[4]] == 101.0  # the last bar before those that are left out
    assert without["F", DAYS[4]] == 103.0
    assert build_daily_metrics(spark, lake, ["yahoo"], refused=REFUSED).changed == []

    assert set(build_daily_metrics(spark, lake, ["yahoo"]).changed) >= REFUSED
    assert closes(lake) == everything
