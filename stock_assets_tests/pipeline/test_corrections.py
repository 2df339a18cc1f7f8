"""A corrected action: which sessions it makes stale, and that a build then changes just those."""

from __future__ import annotations

from datetime import date

from pyspark.sql import SparkSession

from spark.jobs import build_daily_bars, build_daily_metrics
from stock_assets.domain.tables import DAILY_BARS, RAW_ACTIONS, RAW_BARS
from stock_assets.lake import staleness
from stock_assets.lake.fingerprints import Fingerprints, fingerprints
from stock_assets_tests.pipeline.raw_rows import action, at, bar, days, land


def test_a_corrected_action_makes_the_metrics_stale(spark: SparkSession, lake: str) -> None:
    sessions = days("2024-11-25", 30)
    land(
        lake,
        RAW_BARS,
        [bar(day, 100.0 + n % 5, symbol=symbol) for symbol in ("IBM", "F") for n, day in enumerate(sessions)],
    )
    land(lake, RAW_ACTIONS, [action(sessions[25], "dividend", 2.0)])
    build_daily_bars(spark, lake, sessions[0], sessions[-1])
    build_daily_metrics(spark, lake, ["yahoo"])
    before = {stage: state(lake) for stage, state in _STATES.items()}
    assert build_daily_metrics(spark, lake, ["yahoo"]).changed == []

    land(lake, RAW_ACTIONS, [action(sessions[25], "dividend", 2.0, known_at=at(sessions[29], "20:00"))])
    assert build_daily_metrics(spark, lake, ["yahoo"]).changed == []
    land(lake, RAW_ACTIONS, [action(sessions[25], "dividend", 9.0, known_at=at(sessions[29], "21:00"))])
    assert _stale(lake, before, "metrics") == [sessions[25]]
    assert build_daily_metrics(spark, lake, ["yahoo"]).changed == [("IBM", day) for day in sessions[25:]]
    assert _stale(lake, before, "warehouse") == sessions[25:]
    assert build_daily_metrics(spark, lake, ["yahoo"]).changed == []


def test_what_changes_no_value_still_reaches_the_warehouse(spark: SparkSession, lake: str) -> None:
    """Long after a dividend, its correction shows in ``actions_used`` alone; the warehouse compares that too."""
    sessions = days("2024-11-25", 30)
    land(lake, RAW_BARS, [bar(day, 100.0 + n % 5) for n, day in enumerate(sessions)])
    land(lake, RAW_ACTIONS, [action(sessions[1], "dividend", 2.0)])
    build_daily_bars(spark, lake, sessions[0], sessions[-1])
    build_daily_metrics(spark, lake, ["yahoo"])
    before = {stage: state(lake) for stage, state in _STATES.items()}
    land(lake, RAW_ACTIONS, [action(sessions[1], "dividend", 9.0, known_at=at(sessions[29], "21:00"))])
    assert build_daily_metrics(spark, lake, ["yahoo"]).changed == [("IBM", sessions[20])]
    assert _stale(lake, before, "warehouse") == sessions[1:]


def test_a_corrected_split_makes_bars_before_it_stale(spark: SparkSession, lake: str) -> None:
    sessions = days("2024-11-25", 6)
    land(
        lake,
        RAW_BARS,
        [bar(d, 10.0, price_basis="split_adjusted", known_at=at(sessions[5], "20:00")) for d in sessions],
    )
    land(lake, RAW_ACTIONS, [action(sessions[3], "split", 2.0)])
    before = {stage: state(lake) for stage, state in _STATES.items()}
    assert build_daily_bars(spark, lake, sessions[0], sessions[-1]).changed == [("IBM", day) for day in sessions]
    land(lake, RAW_ACTIONS, [action(sessions[3], "split", 4.0, known_at=at(sessions[5], "21:00"))])
    assert _stale(lake, before, "bars") == sessions[:3]
    assert build_daily_bars(spark, lake, sessions[0], sessions[-1]).changed == [("IBM", day) for day in sessions[:3]]


_STATES = {
    "bars": lambda lake: fingerprints(DAILY_BARS.path, staleness.raw_state(lake).inputs),
    "metrics": staleness.daily_bars_state,
    "warehouse": staleness.metrics_state,
}


def _stale(lake: str, before: dict[str, Fingerprints], stage: str) -> list[date]:
    return staleness.stale_sessions(_STATES[stage](lake), before[stage])
