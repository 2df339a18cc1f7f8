"""A company that was renamed has one history: metrics look back across the rename, from the day on which we learn of it."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from pyspark.sql import SparkSession

from spark.daily_metrics import daily_metrics, preferred_bars
from spark.jobs import build_daily_bars, build_daily_metrics
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, RAW_ACTIONS, RAW_BARS
from stock_assets.domain.universe import Listing, Universe
from stock_assets.lake.staleness import daily_bars_state, stale_sessions
from stock_assets_tests.pipeline.oracle_metrics import daily_metrics as expected_metrics
from stock_assets_tests.pipeline.raw_rows import Row, action, assert_same, bar, days, frame, land
from stock_assets_tests.pipeline.test_spark_metrics import LAST_PLACE, SOURCES, daily_bar, random_history

DAYS = days("2022-05-23", 20)
RENAMED = DAYS[12]


def renames(first_day: date) -> Universe:
    """OLD until the day before, NEW from then on."""
    return Universe(
        (
            Listing("OLD", active_to=date.fromordinal(first_day.toordinal() - 1), renamed_to="NEW"),
            Listing("NEW", first_day),
        )
    )


def test_metrics_equal_those_of_a_company_that_kept_its_symbol(spark: SparkSession) -> None:
    bars, actions = random_history(5, "NEW", 330)
    first_day = sorted({row["trading_day"] for row in bars})[100]

    def as_then(row: Row, day: str) -> Row:
        return row | {"symbol": "OLD" if row[day] < first_day else "NEW"}

    stated = frame(spark, RAW_ACTIONS, [as_then(row, "ex_date") for row in actions])
    named = frame(spark, DAILY_BARS, [as_then(row, "trading_day") for row in bars])
    preferred = preferred_bars(named, stated, SOURCES, renames=renames(first_day).renames)
    expected = [as_then(row, "trading_day") for row in expected_metrics(bars, actions, SOURCES)]
    assert_same(daily_metrics(preferred), expected, DAILY_METRICS, slack=LAST_PLACE)


def test_one_row_of_a_session_that_vendors_state_under_both_names(spark: SparkSession) -> None:
    bars = [daily_bar(day, 10.0, symbol="NEW") for day in DAYS]
    bars += [daily_bar(day, 11.0, symbol="OLD", source="other") for day in DAYS[:12]]
    nothing = frame(spark, RAW_ACTIONS, [action(DAYS[0], "split", 2.0, symbol="OTHER")])
    rows = daily_metrics(
        preferred_bars(frame(spark, DAILY_BARS, bars), nothing, ["yahoo", "other"], renames=renames(RENAMED).renames)
    ).collect()
    assert sorted((row.trading_day, row.symbol, int(row.close)) for row in rows) == [(day, "NEW", 10) for day in DAYS]


def test_a_rename_that_is_learned_later_changes_the_sessions_after_it(spark: SparkSession, tmp_path: Path) -> None:
    lake = str(tmp_path / "lake")
    land(lake, RAW_BARS, [bar(day, 100.0 + n, symbol="OLD" if day < RENAMED else "NEW") for n, day in enumerate(DAYS)])
    land(lake, RAW_BARS, [bar(day, 50.0, symbol="OTHER") for day in DAYS])
    build_daily_bars(spark, lake, DAYS[0], DAYS[-1])
    build_daily_metrics(spark, lake, ["yahoo"])
    known = renames(RENAMED).renames
    assert stale_sessions(daily_bars_state(lake, (), known), daily_bars_state(lake)) == DAYS[12:]
    others = Universe((Listing("X", active_to=DAYS[0], renamed_to="Y"), Listing("Y", DAYS[1]))).renames
    assert daily_bars_state(lake, (), others) == daily_bars_state(lake)

    changed = build_daily_metrics(spark, lake, ["yahoo"], renames=known).changed
    assert changed == [("NEW", day) for day in DAYS[12:]]
    assert build_daily_metrics(spark, lake, ["yahoo"], renames=known).changed == []
    assert build_daily_metrics(spark, lake, ["yahoo"], DAYS[3], DAYS[4], renames=known).changed == []
    # and is given up again
    assert build_daily_metrics(spark, lake, ["yahoo"]).changed == changed


def test_a_symbol_that_another_company_took_over_keeps_both_histories(spark: SparkSession) -> None:
    listings = Universe((*renames(RENAMED).listings, Listing("OLD", DAYS[15])))
    bars = [daily_bar(day, 10.0 + n, symbol="OLD" if n < 12 or n >= 15 else "NEW") for n, day in enumerate(DAYS)]
    rows = daily_metrics(
        preferred_bars(
            frame(spark, DAILY_BARS, bars),
            frame(spark, RAW_ACTIONS, [action(DAYS[0], "split", 2.0, symbol="OTHER")]),
            [],
            renames=listings.renames,
        )
    ).collect()
    used = {row.trading_day: (row.symbol, row.bars_used) for row in rows}
    assert [used[day] for day in DAYS] == [
        *(("OLD", n + 1) for n in range(12)),
        *(("NEW", n + 1) for n in range(12, 15)),
        *(("OLD", n + 1) for n in range(5)),
    ]
