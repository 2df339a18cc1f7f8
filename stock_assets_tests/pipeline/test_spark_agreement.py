"""Metrics leave out the cells they are told to, and take them back."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from spark import submit
from spark.jobs import build_daily_bars, build_daily_metrics
from stock_assets.domain.quality_tables import RECONCILIATION
from stock_assets.domain.tables import DAILY_METRICS, RAW_BARS
from stock_assets.lake.session_rows import replace_rows
from stock_assets.quality.judging import Judging
from stock_assets.quality.reconciliation import reconcile
from stock_assets.quality.state import refused
from stock_assets_tests.pipeline.raw_rows import bar, days, land

DAYS = days("2024-11-25", 7)
REFUSED = {("IBM", DAYS[2]), ("IBM", DAYS[3])}


def closes(lake: str) -> dict[tuple[str, object], float]:
    rows = DeltaTable(f"{lake}/{DAILY_METRICS.path}").to_pyarrow_table().to_pylist()
    return {(row["symbol"], row["trading_day"]): float(row["previous_close"] or 0) for row in rows}


@pytest.mark.parametrize(("required", "left_out"), [("true", {("IBM", DAYS[2])}), ("", set())])
def test_spark_submit_leaves_out_what_the_dagster_asset_does(
    spark: SparkSession,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    required: str,
    left_out: set[tuple[str, date]],
) -> None:
    lake = str(tmp_path / "lake")
    sources = ("yahoo", "alpha_vantage")
    land(lake, RAW_BARS, [bar(day, 100.0, symbol="F", source=source) for day in DAYS for source in sources])
    land(lake, RAW_BARS, [bar(day, 100.0 + (day == DAYS[2]), source="yahoo") for day in DAYS])
    land(lake, RAW_BARS, [bar(day, 100.0, source="alpha_vantage") for day in DAYS])
    monkeypatch.setattr(submit, "session", lambda _: spark)
    monkeypatch.setenv("REQUIRE_AGREEMENT", required)

    def run(stage: str) -> None:
        asked = ["--lake", lake, "--stage", stage, "--first", str(DAYS[0]), "--last", str(DAYS[-1])]
        submit.main([*asked, "--bar-sources", *sources])

    run("daily_bars")
    run("daily_metrics")
    everything = {(symbol, day) for symbol in ("F", "IBM") for day in DAYS}
    assert closes(lake).keys() == everything  # nothing is reconciled yet
    replace_rows(lake, RECONCILIATION, reconcile(lake, DAYS, Judging(sources)), DAYS)
    run("daily_metrics")
    assert closes(lake).keys() == everything - left_out
    assert refused(lake, Judging(sources, require_agreement=required == "true")) == left_out


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
