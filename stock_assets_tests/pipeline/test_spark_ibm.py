"""Two real days of IBM: bars from 57,000 recorded trade ticks against the recorded daily bars."""

from __future__ import annotations

import zipfile
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from spark.daily_bars import daily_bars_from_ticks
from spark.minute_bars import minute_bars_from_ticks
from spark.session_times import session_times
from spark.ticks import eligible_ticks
from stock_assets.domain.eligibility import SUSPICIOUS
from stock_assets.domain.tables import DAILY_BARS, MINUTE_BARS, RAW_TICKS
from stock_assets_tests.pipeline.raw_rows import NEW_YORK, Row, land, rows_of, tick

LEAN = Path(__file__).parents[3] / "shared" / "data" / "lean" / "usa"
FIRST, LAST = date(2013, 10, 7), date(2013, 10, 8)

pytestmark = pytest.mark.skipif(not LEAN.is_dir(), reason=f"no recording at {LEAN}")


def recorded_ticks(day: date) -> list[Row]:
    with zipfile.ZipFile(LEAN / "tick" / "ibm" / f"{day:%Y%m%d}_trade.zip") as archive:
        lines = archive.read(archive.namelist()[0]).decode().splitlines()
    midnight = datetime.combine(day, time(), NEW_YORK).astimezone(UTC)
    ticks = []
    for number, line in enumerate(lines):
        millis, price, size, exchange, flags, suspicious = line.split(",")
        word = int(flags, 16)
        codes = [f"{1 << bit:x}" for bit in range(word.bit_length()) if word >> bit & 1]
        ticks.append(
            tick(
                midnight + timedelta(milliseconds=int(millis)),
                int(price) / 10_000,
                int(size),
                exchange=exchange,
                conditions=codes + [SUSPICIOUS] * int(suspicious),
                sequence=number,
                source="algoseek",
                event_id=f"{day}#{number}",
            )
        )
    return ticks


def recorded_bars() -> dict[date, list[Decimal]]:
    """open, high, low, close, volume of each recorded day."""
    with zipfile.ZipFile(LEAN / "daily" / "ibm.zip") as archive:
        lines = archive.read(archive.namelist()[0]).decode().splitlines()
    fields = (line.split(",") for line in lines)
    return {
        datetime.strptime(row[0][:8], "%Y%m%d").date(): [*(Decimal(p) / 10_000 for p in row[1:5]), Decimal(row[5])]
        for row in fields
    }


def test_ibm_days_equal_the_recorded_bars(spark: SparkSession, tmp_path: Path) -> None:
    ticks = [t for day in (FIRST, LAST) for t in recorded_ticks(day)]
    land(str(tmp_path), RAW_TICKS, ticks)
    raw = spark.read.format("delta").load(f"{tmp_path}/{RAW_TICKS.path}")
    eligible = eligible_ticks(raw, session_times(spark, FIRST, LAST))
    built = rows_of(daily_bars_from_ticks(eligible), ("trading_day",))
    minutes = rows_of(minute_bars_from_ticks(eligible), MINUTE_BARS.key)
    for day in (FIRST, LAST):
        bar, (opened, highest, lowest, closed, volume) = built[day,], recorded_bars()[day]
        print(day, {name: str(bar[name]) for name in DAILY_BARS.names}, recorded_bars()[day])
        assert (bar["low"], bar["close"]) == (lowest, closed)
        assert abs(bar["open"] / opened - 1) < Decimal("0.0010")
        assert abs(bar["high"] / highest - 1) < Decimal("0.0005")
        assert abs(bar["volume"] / volume - 1) < Decimal("0.011")
        assert bar["low"] < bar["vwap"] < bar["high"]
        regular = [row for row in minutes.values() if row["trading_day"] == day and row["phase"] == "regular"]
        # What the minutes lack is the closing auction, after the bell; what they have more, extended-hours prints.
        assert Decimal("0.9") < sum(row["volume"] for row in regular) / volume < 1
        assert {row["phase"] for row in minutes.values()} == {"pre", "regular", "post"}
