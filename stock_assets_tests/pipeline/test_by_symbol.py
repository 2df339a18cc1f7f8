"""A year that was built session by session, brought into the order that readers of one symbol want."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet
import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from spark.by_symbol import sort_year
from spark.jobs import build_daily_bars
from spark.vacuum import vacuum
from stock_assets.domain.table import WITHHELD
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, RAW_BARS
from stock_assets.lake.order import unordered_years
from stock_assets_tests.pipeline.raw_rows import bar, days, land

DAYS = days("2024-12-30", 4)
SYMBOLS = ("C", "A", "B")


@pytest.fixture(scope="module")
def built(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Daily bars of two years, one build for each session."""
    lake = tmp_path_factory.mktemp("by-session")
    for number, day in enumerate(DAYS):
        land(str(lake), RAW_BARS, [bar(day, 100.0 + number, symbol=symbol) for symbol in SYMBOLS])
        build_daily_bars(spark, str(lake), day, day)
    return lake


@pytest.fixture
def by_session(built: Path, lake: str) -> str:
    """A lake of the test's own with those."""
    shutil.copytree(built, lake)
    return lake


def rows_of(lake: str) -> pa.Table:
    table = DeltaTable(f"{lake}/{DAILY_BARS.path}").to_pyarrow_table()
    assert WITHHELD.name in table.column_names
    return table.sort_by([("symbol", "ascending"), ("trading_day", "ascending")]).select(sorted(table.column_names))


def test_a_year_is_sorted_without_changing_a_row_and_again_when_it_gets_a_session(
    spark: SparkSession, by_session: str
) -> None:
    before, years = rows_of(by_session), sorted({day.year for day in DAYS})
    assert len(years) == 2 and unordered_years(by_session, DAILY_BARS) == years
    for year in years:
        sort_year(spark, by_session, DAILY_BARS, year)
    assert rows_of(by_session).equals(before)
    assert unordered_years(by_session, DAILY_BARS) == []
    handle = DeltaTable(f"{by_session}/{DAILY_BARS.path}")
    assert handle.get_add_actions().num_rows == len(years)
    order = [
        (row["symbol"], row["trading_day"])
        for file in handle.file_uris()
        for row in pa.parquet.read_table(file).to_pylist()
    ]
    halves = [[place for place in order if (place[1].year == year)] for year in years]
    assert all(half == sorted(half) for half in halves)
    later = date(2025, 2, 3)
    land(by_session, RAW_BARS, [bar(later, 1.0, symbol="A")])
    assert build_daily_bars(spark, by_session, later, later).changed == [("A", later)]
    assert unordered_years(by_session, DAILY_BARS) == [2025]


def test_a_vacuum_leaves_what_recent_versions_need(spark: SparkSession, by_session: str) -> None:
    before = rows_of(by_session)
    assert vacuum(spark, by_session, DAILY_BARS, 7)
    assert rows_of(by_session).equals(before)
    assert DeltaTable(f"{by_session}/{DAILY_BARS.path}", version=1).to_pyarrow_table().num_rows
    assert not vacuum(spark, by_session, DAILY_METRICS, 7)


def test_a_lake_without_the_table_has_no_year_to_sort(lake: str) -> None:
    assert unordered_years(lake, DAILY_BARS) == []
