"""Values at the ends of what a landing accepts, and older ones beyond: no row keeps all others of a session from being built."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from pyspark.sql import SparkSession

from spark.adjusted import adjusted_to
from spark.daily_bars import daily_bars_from_minutes, daily_bars_from_ticks, daily_bars_from_vendors
from spark.daily_metrics import daily_metrics, preferred_bars
from spark.minute_bars import minute_bars_from_ticks
from spark.session_times import session_times
from spark.ticks import eligible_ticks
from stock_assets.domain.tables import DAILY_BARS, RAW_ACTIONS, RAW_BARS, RAW_TICKS
from stock_assets_tests.pipeline.raw_rows import action, at, bar, days, frame, rows_of, tick
from stock_assets_tests.pipeline.test_spark_metrics import daily_bar

DAY, NEXT, LATER = days("2025-03-03", 3)
MOST = 10**12 - 1
OLD_MOST = 2**53 - 1
"""Shares that were accepted before there was a bound."""


def test_the_largest_trades_are_added_up_exactly(spark: SparkSession) -> None:
    ticks = [
        tick(at(DAY, "10:00") + timedelta(seconds=n), 99_999_999_999.0, MOST, event_id=str(n)) for n in range(1100)
    ]
    eligible = eligible_ticks(frame(spark, RAW_TICKS, ticks), session_times(spark, DAY, DAY))
    (built,) = daily_bars_from_ticks(eligible).collect()
    assert (built["volume"], built["vwap"]) == (1100 * MOST, Decimal("99999999999.000000"))
    assert sum(row["volume"] for row in minute_bars_from_ticks(eligible).collect()) == 1100 * MOST


def test_a_sum_that_no_column_can_hold_is_unknown_and_other_symbols_have_their_bars(spark: SparkSession) -> None:
    ticks = [tick(at(DAY, "10:00") + timedelta(seconds=n), 1.5, OLD_MOST, event_id=str(n)) for n in range(1200)]
    ticks.append(tick(at(DAY, "10:00"), 2.5, 7, symbol="F"))
    eligible = eligible_ticks(frame(spark, RAW_TICKS, ticks), session_times(spark, DAY, DAY))
    built = {row["symbol"]: row for row in daily_bars_from_ticks(eligible).collect()}
    assert (built["IBM"]["volume"], built["IBM"]["vwap"]) == (None, Decimal("1.5"))
    assert (built["F"]["volume"], built["F"]["vwap"]) == (7, Decimal("2.5"))


def test_minutes_of_the_largest_volume_are_added_up(spark: SparkSession) -> None:
    minutes = [
        bar(DAY, 2.0, interval="1m", start_time=at(DAY, "10:00") + timedelta(minutes=n), volume=OLD_MOST)
        for n in range(300)
    ]
    minutes.append(bar(DAY, 3.0, symbol="F", interval="1m", start_time=at(DAY, "10:00")))
    raw = frame(spark, RAW_BARS, minutes), frame(spark, RAW_ACTIONS, [action(NEXT, "dividend", 1.0)])
    built = {row["symbol"]: row for row in daily_bars_from_minutes(*raw, session_times(spark, DAY, DAY)).collect()}
    assert built["IBM"]["volume"] == 300 * OLD_MOST and built["F"]["volume"] == 1000


def test_a_statement_that_a_split_makes_absurd_gives_way_to_the_one_before(spark: SparkSession) -> None:
    known, corrected = at(LATER, "20:00"), at(LATER, "21:00")
    adjusted = {"price_basis": "split_adjusted", "known_at": known}
    bars = [
        bar(DAY, 9e10, symbol="UP", **adjusted),
        bar(DAY, 1e-6, symbol="DOWN", **adjusted),
        bar(DAY, 5.0, symbol="MANY", volume=MOST, **adjusted),
        bar(DAY, 5.0, symbol="IBM", **adjusted),
        bar(DAY, 6.0, symbol="UP2"),
        bar(DAY, 9e10, symbol="UP2", **adjusted | {"known_at": corrected}),
    ]
    splits = [
        action(NEXT, "split", value, symbol=symbol)
        for symbol, value in (("UP", 1000.0), ("UP2", 1000.0), ("DOWN", 0.001), ("MANY", 1e-9), ("IBM", 2.0))
    ]
    raw = frame(spark, RAW_BARS, bars), frame(spark, RAW_ACTIONS, splits)
    built = daily_bars_from_vendors(*raw, session_times(spark, DAY, DAY)).collect()
    assert {row["symbol"]: row["close"] for row in built} == {"IBM": Decimal(10), "UP2": Decimal(6)}


def test_figures_that_no_column_can_hold_are_null_and_the_others_are_there(spark: SparkSession) -> None:
    sessions = days("2024-01-02", 60)
    bars = [daily_bar(day, 1e-6 if n % 2 else 9e10, symbol="WILD") for n, day in enumerate(sessions)]
    bars += [daily_bar(day, 10.0, symbol="IBM") for day in sessions]
    # of different ratios, as those of one ratio are one split; they multiply to less than the least double, and to infinity
    splits = [action(day, "split", 1e-9 * 1.1**n, symbol="WILD") for n, day in enumerate(sessions[:40])]
    splits += [action(day, "split", 9e8 / 1.1**n, symbol="HUGE") for n, day in enumerate(sessions[:40])]
    bars += [daily_bar(day, 10.0, symbol="HUGE") for day in sessions]
    actions = frame(spark, RAW_ACTIONS, splits)
    metrics = daily_metrics(preferred_bars(frame(spark, DAILY_BARS, bars), actions, ["yahoo"]))
    built = rows_of(metrics, ("symbol", "trading_day"))
    assert len(built) == 180
    assert built["IBM", sessions[-1]]["sma_50"] == Decimal(10)
    assert built["WILD", sessions[-1]]["close"] == Decimal("0.000001")
    assert built["WILD", sessions[-2]]["change_percent"] is None
    assert built["HUGE", sessions[-1]]["sma_20"] is None
    assert adjusted_to(metrics, actions, sessions[-1]).count() == 180


def test_fractions_of_shares_are_added_up_exactly(spark: SparkSession) -> None:
    least = Decimal("0.000001")
    ticks = [tick(at(DAY, "10:00") + timedelta(seconds=n), 182.123456, least, event_id=str(n)) for n in range(3)]
    ticks.append(tick(at(DAY, "10:01"), 2.0, Decimal("0.35"), symbol="F"))
    ticks.append(tick(at(DAY, "10:02"), 3.0, Decimal("99.65"), symbol="F"))
    eligible = eligible_ticks(frame(spark, RAW_TICKS, ticks), session_times(spark, DAY, DAY))
    built = {row["symbol"]: row for row in daily_bars_from_ticks(eligible).collect()}
    assert (built["IBM"]["volume"], built["IBM"]["vwap"]) == (3 * least, Decimal("182.123456"))
    assert (built["F"]["volume"], built["F"]["vwap"]) == (Decimal(100), Decimal("2.996500"))
    assert {row["volume"] for row in minute_bars_from_ticks(eligible).where("symbol = 'F'").collect()} == {
        Decimal("0.35"),
        Decimal("99.65"),
    }


def test_a_vendor_s_fractions_of_shares_stay_and_what_it_rounded_is_whole(spark: SparkSession) -> None:
    adjusted = {"price_basis": "split_adjusted", "known_at": at(LATER, "20:00")}
    bars = [
        bar(DAY, 9.0, symbol="AS_IS", volume=Decimal("1000.25")),
        bar(DAY, 9.0, symbol="PART", volume=Decimal("30.75"), **adjusted),
        bar(DAY, 9.0, symbol="WHOLE", volume=100, **adjusted),
    ]
    splits = [action(NEXT, "split", 3.0, symbol=symbol) for symbol in ("PART", "WHOLE")]
    raw = frame(spark, RAW_BARS, bars), frame(spark, RAW_ACTIONS, splits)
    built = {r["symbol"]: r["volume"] for r in daily_bars_from_vendors(*raw, session_times(spark, DAY, DAY)).collect()}
    assert built == {"AS_IS": Decimal("1000.25"), "PART": Decimal("10.25"), "WHOLE": Decimal(33)}
