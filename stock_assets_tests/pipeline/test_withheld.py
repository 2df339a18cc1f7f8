"""Rows that break a critical rule, through Spark's stages: stored with their reason, and in nobody's sight."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from spark import delta_tables
from spark.jobs import build_daily_bars, build_daily_metrics, build_minute_bars
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.table import WITHHELD, Table
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS, RAW_BARS
from stock_assets.lake.tables import open_table, read_sessions, read_withheld
from stock_assets.quality.withheld import withheld_texts
from stock_assets_tests.pipeline.daily_rows import daily
from stock_assets_tests.pipeline.raw_rows import Row, at, bar, days, land

DAYS = days("2024-11-25", 3)
FIRST, LAST = DAYS[0], DAYS[-1]
SOURCES = ["yahoo", "other"]


def broken(day: date, close: float, **given: Any) -> Row:
    """A bar whose high is half a basis point below its close."""
    return bar(day, close, **{"symbol": "ZZZ", "high": close * 0.99995, **given})


def seen(lake: str, table: Table) -> dict[tuple[str, date], Decimal]:
    rows = read_sessions(lake, table, ["symbol", "trading_day", "close"]).to_pylist()
    return {(row["symbol"], row["trading_day"]): row["close"] for row in rows}


def build(spark: SparkSession, lake: str, first: date = FIRST, last: date = LAST) -> int:
    report = build_daily_bars(spark, lake, first, last)
    build_daily_metrics(spark, lake, SOURCES)
    return report.withheld


def test_a_bad_bar_is_withheld_until_it_is_right_and_a_bad_correction_replaces_nothing(
    spark: SparkSession, lake: str
) -> None:
    good = {("IBM", day): Decimal(100) for day in DAYS}
    land(lake, RAW_BARS, [*(bar(day, 100.0) for day in DAYS), broken(DAYS[1], 50.0)])
    land(lake, RAW_BARS, [broken(DAYS[1], 50.0, interval="1m", start_time=at(DAYS[1], "10:00"))])
    land(lake, RAW_BARS, [bar(DAYS[1], 51.0, symbol="ZZZ", interval="1m", start_time=at(DAYS[1], "10:01"))])
    assert build_minute_bars(spark, lake, FIRST, LAST).withheld == 1 and seen(lake, MINUTE_BARS).keys() == {
        ("ZZZ", DAYS[1])
    }
    assert build(spark, lake) == 1
    version = DeltaTable(f"{lake}/{DAILY_BARS.path}").version()
    assert version == 1  # created, then all rows in one commit
    # what is built from minutes leaves the bad one out, and stands in
    assert seen(lake, DAILY_BARS) == seen(lake, DAILY_METRICS) == good | {("ZZZ", DAYS[1]): Decimal(51)}
    assert delta_tables.read(spark, lake, DAILY_BARS).columns == list(DAILY_BARS.names)
    assert delta_tables.read(spark, lake, DAILY_BARS).where("high < close").isEmpty()
    (row,) = read_withheld(lake, DAILY_BARS).to_pylist()
    assert row == {
        "trading_day": DAYS[1],
        "symbol": "ZZZ",
        "source": "yahoo",
        "withheld_because": "; ".join(f"high 49.997500 is below {name} 50.000000" for name in ("low", "open", "close")),
    }
    texts = withheld_texts(lake)
    assert len(texts) == 2 and texts[1].startswith(f"bars/daily_bars ZZZ {DAYS[1]} yahoo: high 49.997500 is below")

    # the next trusted source stands in, and the vendor's own takes its place again when it is right
    land(lake, RAW_BARS, [bar(DAYS[1], 49.0, symbol="ZZZ", source="other")])
    assert build(spark, lake, DAYS[1], DAYS[1]) == 1
    assert seen(lake, DAILY_METRICS)["ZZZ", DAYS[1]] == Decimal(49)
    land(lake, RAW_BARS, [bar(DAYS[1], 50.0, symbol="ZZZ", known_at=at(LAST, "21:00"))])
    assert build(spark, lake, DAYS[1], DAYS[1]) == 0
    assert seen(lake, DAILY_METRICS)["ZZZ", DAYS[1]] == Decimal(50)
    assert read_withheld(lake, DAILY_BARS).num_rows == 0

    versions = [DeltaTable(f"{lake}/{table.path}").version() for table in (DAILY_BARS, DAILY_METRICS)]
    land(lake, RAW_BARS, [broken(DAYS[1], 60.0, known_at=at(LAST, "22:00"))])
    assert build(spark, lake) == 0
    assert [DeltaTable(f"{lake}/{table.path}").version() for table in (DAILY_BARS, DAILY_METRICS)] == versions
    (text,) = [text for text in withheld_texts(lake) if "does not count" in text]
    assert text.startswith(f"ZZZ {DAYS[1]}: what yahoo said on") and "high 59.997000 is below" in text


def test_a_table_from_before_there_were_marks_gets_them_with_the_next_write(spark: SparkSession, lake: str) -> None:
    def old(day: date, symbol: str, **given: Any) -> Row:
        return {name: None for name in DAILY_BARS.names} | daily(day, "yahoo", symbol=symbol) | given

    rows = [old(day, symbol) for day in DAYS for symbol in ("F", "IBM")]
    rows.append(old(DAYS[1], "ZZZ", high=Decimal("99.995")))
    stored = pa.Table.from_pylist(rows, schema=DAILY_BARS.arrow_schema())
    write_deltalake(f"{lake}/{DAILY_BARS.path}", stored, partition_by=["year"])
    assert read_withheld(lake, DAILY_BARS).num_rows == 0 and len(seen(lake, DAILY_BARS)) == 7
    assert delta_tables.read(spark, lake, DAILY_BARS).where("symbol = 'ZZZ'").isEmpty()
    build_daily_metrics(spark, lake, SOURCES)
    assert {symbol for symbol, _ in seen(lake, DAILY_METRICS)} == {"F", "IBM"}

    land(lake, RAW_BARS, [bar(DAYS[0], 100.0)])  # another session is written
    build_daily_bars(spark, lake, DAYS[0], DAYS[0])
    marked = DeltaTable(f"{lake}/{DAILY_BARS.path}").to_pyarrow_table()
    assert WITHHELD.name in marked.column_names
    (row,) = [row for row in marked.to_pylist() if row[WITHHELD.name]]
    assert (row["symbol"], row["revision"]) == ("ZZZ", 2)
    assert ("ZZZ", DAYS[1]) not in seen(lake, DAILY_BARS)


def test_two_rows_of_one_key_stop_the_build_before_the_commit(spark: SparkSession, lake: str) -> None:
    land(lake, RAW_BARS, [bar(FIRST, 100.0)])
    build_daily_bars(spark, lake, FIRST, LAST)
    rows = delta_tables.read(spark, lake, DAILY_BARS)
    for write in (
        lambda: delta_tables.merge_changed(rows.union(rows), lake, DAILY_BARS, F.col("year") == FIRST.year),
        lambda: delta_tables.replace_sessions(spark, rows.union(rows), lake, DAILY_BARS, [(FIRST, LAST)]),
    ):
        with pytest.raises(PermanentError, match=f"more than one row for the same .*IBM {FIRST}"):
            write()
    assert DeltaTable(f"{lake}/{DAILY_BARS.path}").version() == 1


@pytest.mark.parametrize("table", [MINUTE_BARS, DAILY_BARS, DAILY_METRICS], ids=lambda table: table.path)
def test_a_derived_table_is_not_opened_past_its_reader(lake: str, table: Table) -> None:
    with pytest.raises(ValueError, match="read it with read_sessions"):
        open_table(lake, table)
