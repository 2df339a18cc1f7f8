"""Minute and daily bars against the oracle, on seeded random ticks and vendors' bars."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest
from pyspark.sql import SparkSession

from spark.daily_bars import daily_bars_from_minutes, daily_bars_from_ticks, daily_bars_from_vendors
from spark.minute_bars import minute_bars_from_ticks, minute_bars_from_vendors
from spark.session_times import session_times
from spark.ticks import eligible_ticks
from stock_assets.domain.sessions import session
from stock_assets.domain.tables import DAILY_BARS, MINUTE_BARS, RAW_ACTIONS, RAW_BARS, RAW_TICKS
from stock_assets_tests.pipeline import oracle
from stock_assets_tests.pipeline.raw_rows import Row, action, assert_same, at, bar, frame, tick

FIRST, LAST = date(2024, 11, 1), date(2025, 3, 11)
# A day before and one after each change of the clocks, a half day, an ordinary day.
DAYS = [date(2024, 11, 1), date(2024, 11, 4), date(2024, 11, 29), date(2025, 3, 7), date(2025, 3, 10)]
# Seconds from an opening or a close: few, so that trades tie, and the ends of the closing print's grace.
AROUND = (-60, -1, 0, 0, 17, 61, 899, 900)
CODES = {
    "simulator": ["O", "6", "M", "Q", "T", "U", "C", "Z", "I", "suspicious"],
    "algoseek": ["40", "80", "1", "20", "400", "100000", "1000000", "800"],
    "yahoo": [],
}


def random_ticks(seed: int) -> list[Row]:
    """Trades of three sources around the clock, with ties, repeats, late and rejected ones."""
    rng = random.Random(seed)
    ticks = []
    for day in DAYS:
        hours = session(day)
        for symbol, source in (("IBM", "simulator"), ("IBM", "algoseek"), ("IBM", "yahoo"), ("F", "simulator")):
            volume = 0
            for number in range(rng.choice([0, 1, 30, 120])):
                start = rng.choice([hours.open_time, hours.close_time, hours.pre_open_time, hours.post_close_time])
                instant = start + timedelta(seconds=rng.choice(AROUND), microseconds=rng.choice([0, 0, 1]))
                volume += rng.randrange(-50, 400)
                codes = rng.sample(CODES[source], k=rng.choice([0, 0, 1, 1, 2])) if CODES[source] else None
                given: Row = {
                    "symbol": symbol,
                    "source": source,
                    "conditions": codes,
                    "event_id": f"{number}",
                    "currency": "EUR" if rng.random() < 0.02 else "USD",
                    "sequence": rng.choice([None, 1, 2]),
                    "day_volume": rng.choice([None, max(volume, 0)]) if source == "yahoo" else None,
                }
                price = round(rng.uniform(99, 101), rng.choice([2, 7]))
                trade = tick(instant, price, rng.choice([None, 0, 1, 100, 12_345]), **given)
                if trade["trading_day"] != day:
                    continue
                ticks.append(trade)
                if rng.random() < 0.1:
                    later = {"event_time": instant + timedelta(seconds=5)}
                    changed = rng.choice([{}, {"price": 98.5}, later, later | {"price": 98.0}])
                    ticks += [trade | changed] * rng.choice([1, 2])
                if rng.random() < 0.05:
                    ticks.append({**trade, "event_id": f"r{number}", "price": 1.0, "rejected_because": "bad"})
    return ticks


@pytest.mark.parametrize("seed", range(3))
def test_bars_from_ticks_equal_the_oracle(spark: SparkSession, seed: int) -> None:
    ticks = random_ticks(seed)
    eligible = eligible_ticks(frame(spark, RAW_TICKS, ticks), session_times(spark, FIRST, LAST))
    assert_same(daily_bars_from_ticks(eligible), oracle.daily_bars_from_ticks(ticks), DAILY_BARS)
    assert_same(minute_bars_from_ticks(eligible), oracle.minute_bars_from_ticks(ticks), MINUTE_BARS)


def test_any_interleaving_gives_the_same_bars(spark: SparkSession) -> None:
    ticks = random_ticks(7)
    expected = oracle.daily_bars_from_ticks(ticks)
    for seed in range(2):
        shuffled = random.Random(seed).sample(ticks, k=len(ticks))
        rows = frame(spark, RAW_TICKS, [t | {"kafka_offset": n} for n, t in enumerate(shuffled)])
        eligible = eligible_ticks(rows.repartition(3), session_times(spark, FIRST, LAST))
        assert_same(daily_bars_from_ticks(eligible), expected, DAILY_BARS)


def random_bars(seed: int) -> tuple[list[Row], list[Row]]:
    """Daily and minute bars of two vendors, several statements each, and the splits two of three vendors state."""
    rng = random.Random(seed)
    actions = [
        action(date(2024, 11, 4), "split", 4.0),
        action(date(2024, 11, 4), "split", 4.0, known_at=at(date(2025, 1, 2), "08:00")),
        action(date(2025, 3, 7), "split", 0.1),
        action(date(2025, 3, 10), "split", 3.0, known_at=at(date(2025, 3, 1), "08:00")),
        action(date(2024, 11, 29), "dividend", 0.25),
        action(date(2024, 11, 4), "split", 5.0, source="other", known_at=at(date(2025, 2, 2), "08:00")),
        action(date(2024, 11, 4), "split", 7.0, rejected_because="bad", known_at=at(date(2025, 2, 3), "08:00")),
    ]
    bars = []
    for day in DAYS:
        hours = session(day)
        for source in ("yahoo", "other", "third"):
            minutes = [hours.open_time + timedelta(minutes=n) for n in (-1, 0, 1, 90, 209, 210, 389, 390)]
            for interval, start in [("1d", hours.open_time), *(("1m", minute) for minute in minutes)]:
                for known in rng.sample(["03:00", "21:00", "23:30"], k=rng.choice([0, 1, 2])):
                    low, high = sorted(round(rng.uniform(90, 110), 4) for _ in range(2))
                    bars.append(
                        bar(
                            day,
                            high,
                            low=low,
                            open=low,
                            interval=interval,
                            start_time=start,
                            source=source,
                            volume=rng.choice([None, 0, rng.randrange(10**7)]),
                            final=rng.random() < 0.8,
                            price_basis=rng.choice(["as_traded", "split_adjusted"]),
                            known_at=at(rng.choice([day, date(2025, 3, 9)]), known),
                        )
                    )
    return bars, actions


@pytest.mark.parametrize("seed", range(3))
def test_bars_from_vendors_equal_the_oracle(spark: SparkSession, seed: int) -> None:
    bars, actions = random_bars(seed)
    raw = frame(spark, RAW_BARS, bars), frame(spark, RAW_ACTIONS, actions), session_times(spark, FIRST, LAST)
    assert_same(daily_bars_from_vendors(*raw), oracle.daily_bars_from_vendors(bars, actions), DAILY_BARS)
    assert_same(daily_bars_from_minutes(*raw), oracle.daily_bars_from_minutes(bars, actions), DAILY_BARS)
    minutes = oracle.minute_bars_from_vendors(bars, actions)
    assert_same(minute_bars_from_vendors(*raw), minutes, MINUTE_BARS)
