"""Rules of meaning, one small case each: sessions, prints, snapshot feeds, repeats, splits."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

from pyspark.sql import SparkSession

from spark.adjusted import adjusted_to
from spark.daily_bars import daily_bars_from_minutes, daily_bars_from_ticks, daily_bars_from_vendors
from spark.minute_bars import minute_bars_from_ticks, minute_bars_from_vendors
from spark.session_times import session_times
from spark.ticks import eligible_ticks
from stock_assets.domain.tables import DAILY_BARS, MINUTE_BARS, RAW_ACTIONS, RAW_BARS, RAW_TICKS
from stock_assets_tests.pipeline.raw_rows import Row, action, at, bar, frame, rows_of, tick

DAY = date(2024, 11, 27)
HALF_DAY = date(2024, 11, 29)


def daily(spark: SparkSession, ticks: list[Row]) -> dict[date, Row]:
    eligible = eligible_ticks(frame(spark, RAW_TICKS, ticks), session_times(spark, DAY, HALF_DAY))
    return {day: row for (day,), row in rows_of(daily_bars_from_ticks(eligible), ("trading_day",)).items()}


def test_a_closing_print_after_the_bell_decides_the_close_until_the_grace_ends(spark: SparkSession) -> None:
    ticks = []
    for day, close in ((DAY, "16:00"), (HALF_DAY, "13:00")):
        bell = at(day, close)
        ticks += [
            tick(at(day, "09:31"), 10.0),
            tick(bell - timedelta(microseconds=1), 11.0),
            tick(bell, 50.0),  # after the bell and no closing print
            tick(bell + timedelta(minutes=1), 12.0, 500, conditions=["6"]),
            tick(bell + timedelta(minutes=15), 60.0, 900, conditions=["6"]),
        ]
    bars = daily(spark, ticks)
    for day in (DAY, HALF_DAY):
        values = [bars[day][name] for name in ("open", "high", "low", "close", "volume", "half_day", "final")]
        assert values == [10, 12, 10, 12, 700, day == HALF_DAY, True]


def test_prints_decide_open_and_close_whatever_came_first_or_last(spark: SparkSession) -> None:
    row = daily(
        spark,
        [
            tick(at(DAY, "09:30"), 10.0),
            tick(at(DAY, "09:30:17"), 10.5, 1000, conditions=["O"]),
            tick(at(DAY, "15:59:58"), 11.0, 1000, conditions=["6"]),
            tick(at(DAY, "15:59:59"), 11.5),
            tick(at(DAY, "09:35"), 1.0, 50, conditions=["Z"]),  # late: volume only, and no part of vwap
            tick(at(DAY, "12:00"), 2.0, 7, conditions=["M"]),  # repeats a trade: nothing
            tick(at(DAY, "12:01"), 3.0, 7, conditions=["T"]),  # extended hours: minute bars only
        ],
    )[DAY]
    assert [row[name] for name in ("open", "high", "low", "close", "volume", "trade_count")] == [
        *(Decimal("10.5"), Decimal("11.5"), 10, 11, 2250, 5)
    ]
    assert row["vwap"] == Decimal("10.75")
    assert row["final"] is False


def test_a_minute_without_an_eligible_price_gives_no_bar(spark: SparkSession) -> None:
    ticks = [
        tick(at(DAY, "10:00"), 10.0, 5, conditions=["Z"]),
        tick(at(DAY, "10:01"), 10.0, 5, conditions=["6"]),
        tick(at(DAY, "08:00"), 10.0, None, conditions=["T"]),
    ]
    eligible = eligible_ticks(frame(spark, RAW_TICKS, ticks), session_times(spark, DAY, DAY))
    rows = rows_of(minute_bars_from_ticks(eligible), MINUTE_BARS.key).values()
    assert sorted((row["start_time"], row["phase"], row["open"], row["volume"]) for row in rows) == [
        (at(DAY, "08:00"), "pre", 10, None),
        (at(DAY, "10:01"), "regular", 10, 5),
    ]


def test_snapshot_frames_count_growth_of_the_days_volume(spark: SparkSession) -> None:
    def frame_at(clock: str, price: float, day_volume: int | None) -> Row:
        return tick(at(DAY, clock), price, 77, source="yahoo", day_volume=day_volume)

    row = daily(
        spark,
        [
            frame_at("09:31", 10.0, 1_000_000),  # a baseline only
            frame_at("09:32", 10.0, 1_000_400),
            frame_at("09:33", 12.0, 1_000_300),  # a stale frame
            frame_at("09:34", 12.0, 1_000_500),
            frame_at("17:00", 13.0, None),  # extended hours: unknown
        ],
    )[DAY]
    assert [row[name] for name in ("volume", "vwap", "trade_count", "close")] == [500, Decimal("10.4"), None, 12]
    eligible = eligible_ticks(frame(spark, RAW_TICKS, [frame_at("17:00", 13.0, None)]), session_times(spark, DAY, DAY))
    (minute,) = rows_of(minute_bars_from_ticks(eligible), MINUTE_BARS.key).values()
    assert minute["volume"] is None


def test_repeats_of_an_event_are_dropped_and_identical_trades_are_not(spark: SparkSession) -> None:
    instant = at(DAY, "10:00")
    trades = [tick(instant, 10.0, 100, event_id=str(n)) for n in range(3)]
    row = daily(spark, [*trades, trades[0], trades[0] | {"price": 9.0}])[DAY]
    assert [row[name] for name in ("volume", "trade_count", "repeats", "low")] == [300, 3, 2, 9]


def test_minutes_that_fill_a_hole_give_minute_bars_and_no_daily_bar(spark: SparkSession) -> None:
    pieces = [
        bar(DAY, 10.0, interval="1m", start_time=at(DAY, "10:00"), source=source) for source in ("yahoo", "yahoo_gap")
    ]
    elsewhere = [action(DAY, "split", 2.0, symbol="MSFT")]
    raw = frame(spark, RAW_BARS, pieces), frame(spark, RAW_ACTIONS, elsewhere), session_times(spark, DAY, DAY)
    assert {source for (source,) in rows_of(minute_bars_from_vendors(*raw), ("source",))} == {"yahoo", "yahoo_gap"}
    assert {source for (source,) in rows_of(daily_bars_from_minutes(*raw), ("source",))} == {"yahoo_minutes"}


def test_yahoos_prices_are_brought_back_to_those_traded(spark: SparkSession) -> None:
    day, fetched = date(2021, 7, 19), at(date(2025, 2, 1), "12:00")
    splits = [
        action(date(2021, 7, 20), "split", 4.0, symbol="NVDA", known_at=fetched),
        action(date(2021, 7, 20), "split", 4.0, symbol="NVDA", known_at=fetched + timedelta(days=9)),
        action(date(2021, 7, 20), "split", 4.0, symbol="NVDA", source="other"),
        action(date(2024, 6, 10), "split", 10.0, symbol="NVDA", known_at=fetched),
        action(date(2025, 2, 2), "split", 3.0, symbol="NVDA", known_at=fetched),  # not yet in the fetched prices
    ]
    raw = bar(day, 18.77975, symbol="NVDA", volume=749_060_000, price_basis="split_adjusted", known_at=fetched)
    actions = frame(spark, RAW_ACTIONS, splits)
    bars = daily_bars_from_vendors(frame(spark, RAW_BARS, [raw]), actions, session_times(spark, day, day))
    (row,) = rows_of(bars, DAILY_BARS.key).values()
    assert (row["close"], row["volume"]) == (Decimal("751.19"), 18_726_500)
    (today,) = rows_of(adjusted_to(bars, actions, date(2024, 12, 31)), DAILY_BARS.key).values()
    assert (today["close"], today["volume"]) == (Decimal("18.77975"), 749_060_000)
    (same,) = rows_of(adjusted_to(bars, actions, day), DAILY_BARS.key).values()
    assert same == row
