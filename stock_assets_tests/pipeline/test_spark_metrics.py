"""Daily metrics against the oracle, which rewrites each session's whole history in that session's own basis."""

from __future__ import annotations

import random
from datetime import date
from decimal import Decimal

from pyspark.sql import SparkSession

from spark.adjusted import adjusted_to
from spark.daily_metrics import daily_metrics, preferred_bars
from stock_assets.domain.sessions import session
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, RAW_ACTIONS
from stock_assets_tests.pipeline.oracle import six
from stock_assets_tests.pipeline.oracle_metrics import daily_metrics as expected_metrics
from stock_assets_tests.pipeline.raw_rows import Row, action, assert_same, at, days, frame, rows_of

LAST_PLACE = Decimal("0.000001")
SOURCES = ["yahoo", "algoseek_ticks"]


def daily_bar(day: date, close: float, **given: object) -> Row:
    price = six(close)
    return {
        "year": day.year,
        "trading_day": day,
        "symbol": "IBM",
        "source": "yahoo",
        **dict.fromkeys(("open", "high", "low", "close"), price),
        "volume": 1000,
        "vwap": None,
        "vwap_from": None,
        "repeats": 0,
        "currency": "USD",
        "half_day": session(day).half_day,
        "no_auction": False,
        "final": True,
        "known_at": at(day, "20:00"),
        "revision": 1,
        **given,
    }


def random_history(seed: int, symbol: str, count: int) -> tuple[list[Row], list[Row]]:
    """Bars with gaps, several sources, unknown volumes and revisions; splits and dividends, one pair on one day."""
    rng = random.Random(seed)
    sessions = days("2023-01-03", count)
    actions, bars = [], []
    shares, value = 1.0, 100.0
    for number, day in enumerate(sessions):
        if count > 50 and number in (60, count - 40):
            factor = rng.choice([4.0, 0.1, 1.5])
            shares *= factor
            actions += [
                action(day, "split", factor, symbol=symbol),
                action(day, "split", factor + 1, symbol=symbol, source="other"),
                action(day, "dividend", round(value / shares / 100, 4), symbol=symbol),
            ]
        if number % 63 == 30:
            actions.append(action(day, "dividend", round(value / shares / 200, 4), symbol=symbol))
        value *= rng.uniform(0.96, 1.042)
        if rng.random() < 0.03:
            continue  # the symbol did not trade
        close = value / shares
        for source in rng.choice([["yahoo"]] * 8 + [["algoseek_ticks", "other"], ["yahoo", "algoseek_ticks"]]):
            spread = rng.uniform(0, 0.02)
            bars.append(
                daily_bar(
                    day,
                    close,
                    symbol=symbol,
                    source=source,
                    high=six(close * (1 + spread)),
                    low=six(close * (1 - spread)),
                    vwap=rng.choice([None, six(close)]),
                    volume=rng.choice([None] + [rng.randrange(1, 10**8)] * 40),
                    revision=rng.randrange(1, 5),
                )
            )
    return bars, actions


def test_metrics_equal_the_oracle(spark: SparkSession) -> None:
    bars: list[Row] = []
    actions: list[Row] = []
    for seed, (symbol, count) in enumerate([("A", 330), ("B", 20), ("C", 40), ("D", 1), ("E", 15)]):
        more_bars, more_actions = random_history(seed, symbol, count)
        bars, actions = bars + more_bars, actions + more_actions
    flat = [daily_bar(day, 10.0, symbol="FLAT") for day in days("2023-01-03", 20)]
    # One switch of sources, and then 252 sessions and more without another.
    switched = [
        daily_bar(day, 10.0 + n % 7, symbol="SWITCHED", source="yahoo" if n >= 3 else "other")
        for n, day in enumerate(days("2023-01-03", 258))
    ]
    bars += flat + switched
    preferred = preferred_bars(frame(spark, DAILY_BARS, bars), frame(spark, RAW_ACTIONS, actions), SOURCES)
    expected = expected_metrics(bars, actions, SOURCES)
    assert any(row["high_52_week"] is not None and row["mixed_sources"] for row in expected)
    assert_same(daily_metrics(preferred), expected, DAILY_METRICS, slack=LAST_PLACE)


def test_a_later_split_changes_nothing_stored_before_it(spark: SparkSession) -> None:
    bars, actions = random_history(3, "A", 120)
    split_day = bars[-30]["trading_day"]
    cut = [
        b | {name: six(float(b[name]) / 7) for name in ("open", "high", "low", "close")}
        if b["trading_day"] >= split_day
        else b
        for b in bars
    ]
    later = [*actions, action(split_day, "split", 7.0, symbol="A")]

    def before(some_bars: list[Row], some_actions: list[Row]) -> dict[tuple[object, ...], Row]:
        preferred = preferred_bars(
            frame(spark, DAILY_BARS, some_bars), frame(spark, RAW_ACTIONS, some_actions), SOURCES
        )
        rows = rows_of(daily_metrics(preferred), DAILY_METRICS.key)
        return {key: row for key, row in rows.items() if row["trading_day"] < split_day}

    assert before(bars, actions) == before(cut, later)


def test_metrics_are_adjusted_when_read(spark: SparkSession) -> None:
    sessions = days("2023-01-03", 6)
    bars = [daily_bar(day, 100.0 if day < sessions[4] else 25.0) for day in sessions]
    actions = frame(spark, RAW_ACTIONS, [action(sessions[4], "split", 4.0)])
    metrics = daily_metrics(preferred_bars(frame(spark, DAILY_BARS, bars), actions, []))
    stored = rows_of(metrics, ("trading_day",))
    assert [stored[day,]["close"] for day in sessions] == [100, 100, 100, 100, 25, 25]
    assert stored[sessions[4],]["change"] == 0 and stored[sessions[4],]["sma_5"] == 25
    read = rows_of(adjusted_to(metrics, actions, sessions[-1]), ("trading_day",))
    assert {(row["close"], row["volume"]) for row in read.values()} == {(25, 4000), (25, 1000)}
    assert {row["previous_close"] for row in read.values()} == {None, 25}
