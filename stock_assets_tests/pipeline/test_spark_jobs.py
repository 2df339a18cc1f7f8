"""The stages on a lake: what is written, what is left alone, what is told."""

from __future__ import annotations

from datetime import date

import pytest
from deltalake import DeltaTable
from pyspark.sql import SparkSession

from spark import submit
from spark.jobs import build_daily_bars, build_daily_metrics, build_minute_bars
from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS, RAW_ACTIONS, RAW_BARS, RAW_TICKS
from stock_assets_tests.pipeline.raw_rows import Row, action, at, bar, days, land, tick

DAYS = days("2024-11-25", 30)
FIRST, LAST = DAYS[0], DAYS[-1]
SOURCES = ["yahoo"]


def version(lake: str, table: Table) -> int:
    return DeltaTable(f"{lake}/{table.path}").version()


def stored(lake: str, table: Table) -> dict[tuple[object, ...], Row]:
    rows = DeltaTable(f"{lake}/{table.path}").to_pyarrow_table().to_pylist()
    found = {tuple(row[name] for name in table.key): row for row in rows}
    assert len(found) == len(rows)
    return found


def land_history(lake: str) -> None:
    bars = [bar(day, 100.0 + n, symbol=symbol) for symbol in ("IBM", "F") for n, day in enumerate(DAYS)]
    land(lake, RAW_BARS, [*bars, bar(DAYS[3], 1.0, rejected_because="bad")])


def test_stages_of_an_empty_lake_do_nothing(spark: SparkSession, lake: str) -> None:
    for report in (
        build_minute_bars(spark, lake, FIRST, LAST),
        build_daily_bars(spark, lake, FIRST, LAST),
        build_daily_metrics(spark, lake, SOURCES),
        build_daily_metrics(spark, lake, SOURCES, FIRST, LAST),
    ):
        assert (report.rows, report.changed) == ({}, [])


def test_an_invented_market_ends_in_bars(spark: SparkSession, lake: str) -> None:
    land(lake, RAW_BARS, [bar(day, 100.0, symbol=symbol) for symbol in ("SIM0", "SIM12", "SIMO") for day in DAYS[:3]])
    assert {symbol for symbol, _ in build_daily_bars(spark, lake, FIRST, LAST).changed} == {"SIM0", "SIM12", "SIMO"}
    assert {symbol for symbol, _ in build_daily_metrics(spark, lake, SOURCES).changed} == {"SIMO"}


def test_a_correction_touches_its_symbol_from_its_session_on(spark: SparkSession, lake: str) -> None:
    land_history(lake)
    everything = sorted((symbol, day) for symbol in ("IBM", "F") for day in DAYS)
    first = build_daily_bars(spark, lake, FIRST, LAST)
    assert first.changed == everything and first.rows == dict.fromkeys(DAYS, 2)
    assert build_daily_metrics(spark, lake, SOURCES).changed == everything
    before = {table: stored(lake, table) for table in (DAILY_BARS, DAILY_METRICS)}
    assert {row["revision"] for rows in before.values() for row in rows.values()} == {1}

    # A statement that says the same, later, is no news, and a run without news commits nothing.
    land(lake, RAW_BARS, [bar(DAYS[5], 105.0, known_at=at(LAST, "23:00"))])
    versions = [version(lake, table) for table in (DAILY_BARS, DAILY_METRICS)]
    assert build_daily_bars(spark, lake, FIRST, LAST).changed == []
    assert build_daily_metrics(spark, lake, SOURCES).changed == []
    assert build_daily_metrics(spark, lake, SOURCES, FIRST, LAST).changed == []
    assert [version(lake, table) for table in (DAILY_BARS, DAILY_METRICS)] == versions

    land(lake, RAW_BARS, [bar(DAYS[20], 90.0, known_at=at(LAST, "23:00"))])
    assert build_daily_bars(spark, lake, DAYS[20], DAYS[20]).changed == [("IBM", DAYS[20])]
    report = build_daily_metrics(spark, lake, SOURCES)
    assert report.changed == [("IBM", day) for day in DAYS[20:]]
    after = {table: stored(lake, table) for table in (DAILY_BARS, DAILY_METRICS)}
    assert {k for k, row in after[DAILY_BARS].items() if row != before[DAILY_BARS][k]} == {("IBM", DAYS[20], "yahoo")}
    assert after[DAILY_BARS]["IBM", DAYS[20], "yahoo"]["revision"] == 2
    for (symbol, day), row in after[DAILY_METRICS].items():
        assert row["revision"] == (2 if (symbol, day) in report.changed else 1)
        assert (row == before[DAILY_METRICS][symbol, day]) == ((symbol, day) not in report.changed)
    assert build_daily_metrics(spark, lake, SOURCES).changed == []


def test_a_late_action_touches_the_metrics_from_its_ex_date_on(spark: SparkSession, lake: str) -> None:
    land_history(lake)
    build_daily_bars(spark, lake, FIRST, LAST)
    build_daily_metrics(spark, lake, SOURCES)
    land(lake, RAW_ACTIONS, [action(DAYS[25], "dividend", 2.0), action(date(2030, 1, 2), "split", 2.0)])
    assert build_daily_bars(spark, lake, FIRST, LAST).changed == []
    # 20 returns are needed before a dividend shows in the volatility, so all five sessions since changed.
    assert build_daily_metrics(spark, lake, SOURCES).changed == [("IBM", day) for day in DAYS[25:]]
    assert stored(lake, DAILY_METRICS)["IBM", LAST]["actions_used"] // 10**10 == 1
    assert build_daily_metrics(spark, lake, SOURCES).changed == []


def test_a_session_is_rebuilt_from_its_ticks_and_a_repeat_changes_no_value(spark: SparkSession, lake: str) -> None:
    ticks = [tick(at(day, clock), 10.0) for day in DAYS[:2] for clock in ("09:31", "09:32", "15:59")]
    land(lake, RAW_TICKS, ticks)
    land(lake, RAW_BARS, [bar(DAYS[0], 10.0, interval="1m", start_time=at(DAYS[0], "09:31"))])
    minutes = build_minute_bars(spark, lake, DAYS[0], DAYS[1])
    assert minutes.rows == {DAYS[0]: 4, DAYS[1]: 3}
    assert minutes.changed == [("IBM", DAYS[0]), ("IBM", DAYS[1])]
    assert build_daily_bars(spark, lake, DAYS[0], DAYS[1]).rows == {DAYS[0]: 2, DAYS[1]: 1}

    first = version(lake, RAW_TICKS)
    land(lake, RAW_TICKS, [ticks[0], tick(at(DAYS[1], "09:31:30"), 11.0, symbol="F")])
    assert build_daily_bars(spark, lake, DAYS[0], DAYS[1], raw_ticks_version=first).changed == []
    assert build_minute_bars(spark, lake, DAYS[0], DAYS[1]).changed == [("F", DAYS[1])]
    assert build_daily_bars(spark, lake, DAYS[0], DAYS[1]).changed == [("F", DAYS[1])]
    bars = stored(lake, DAILY_BARS)
    assert bars["IBM", DAYS[0], "simulator_ticks"]["repeats"] == 1
    assert bars["IBM", DAYS[0], "simulator_ticks"]["revision"] == 1
    # Another range leaves the rest alone.
    assert build_minute_bars(spark, lake, DAYS[1], DAYS[1]).rows == {DAYS[1]: 4}
    assert {day for _, day, _, _ in stored(lake, MINUTE_BARS)} == {DAYS[0], DAYS[1]}


def test_scattered_sessions_are_built_in_one_commit_and_those_between_are_left_alone(
    spark: SparkSession, lake: str
) -> None:
    built = [DAYS[0], DAYS[2], DAYS[3]]
    land(lake, RAW_TICKS, [tick(at(day, clock), 10.0) for day in DAYS[:5] for clock in ("09:31", "09:32")])
    minutes = build_minute_bars(spark, lake, DAYS[0], DAYS[4])
    build_daily_bars(spark, lake, DAYS[0], DAYS[4])
    before = version(lake, MINUTE_BARS), version(lake, DAILY_BARS)
    land(lake, RAW_TICKS, [tick(at(day, "12:30"), 11.0) for day in DAYS[:5]])
    again = build_minute_bars(spark, lake, DAYS[0], DAYS[3], days=built)
    assert again.rows == dict.fromkeys(built, 3) and {day for _, day in again.changed} == set(built)
    assert {day for _, day in build_daily_bars(spark, lake, DAYS[0], DAYS[3], days=built).changed} == set(built)
    assert (version(lake, MINUTE_BARS), version(lake, DAILY_BARS)) == (before[0] + 1, before[1] + 1)
    closes = {day: row["close"] for (_, day, _), row in stored(lake, DAILY_BARS).items()}
    assert minutes.rows[DAYS[1]] == 2 and {day for day, close in closes.items() if close == 11} == set(built)


def test_bars_without_raw_rows_vanish_and_another_source_takes_over(spark: SparkSession, lake: str) -> None:
    land_history(lake)
    land(lake, RAW_BARS, [bar(DAYS[1], 101.0, source="other")])
    land(lake, RAW_TICKS, [tick(at(DAYS[0], "09:31"), 10.0)])
    with_ticks = version(lake, RAW_BARS)
    build_minute_bars(spark, lake, FIRST, LAST)
    build_daily_bars(spark, lake, FIRST, LAST, raw_bars_version=with_ticks)
    build_daily_metrics(spark, lake, ["other", "yahoo"])
    assert stored(lake, DAILY_METRICS)["IBM", DAYS[1]]["source"] == "other"
    assert build_daily_metrics(spark, lake, ["yahoo"]).changed == [("IBM", day) for day in DAYS[1:]]

    emptied = DeltaTable(f"{lake}/{RAW_TICKS.path}")
    emptied.delete()
    emptied = DeltaTable(f"{lake}/{RAW_BARS.path}")
    emptied.delete("symbol = 'F'")
    assert build_minute_bars(spark, lake, FIRST, LAST).changed == [("IBM", DAYS[0])]
    gone = build_daily_bars(spark, lake, FIRST, DAYS[9])
    assert gone.changed == [*(("F", day) for day in DAYS[:10]), ("IBM", DAYS[0])]
    assert len(stored(lake, DAILY_BARS)) == 30 + 20 + 1
    changed = build_daily_metrics(spark, lake, SOURCES).changed
    assert changed[:10] == [("F", day) for day in DAYS[:10]]
    assert len(stored(lake, DAILY_METRICS)) == 30 + 20


def test_the_command_line_runs_each_stage(
    spark: SparkSession, lake: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    land_history(lake)
    monkeypatch.setattr(submit, "session", lambda _: spark)
    for stage, told in [
        ("minute_bars", "0 rows of 0 sessions, 0 changed"),
        ("daily_bars", "60 rows of 30 sessions, 60 changed"),
        ("daily_metrics", "60 rows of 30 sessions, 60 changed"),
    ]:
        submit.main(["--lake", lake, "--stage", stage, "--first", str(FIRST), "--last", str(LAST)])
        assert told in capsys.readouterr().out


def test_a_year_of_sessions_that_no_two_follow_each_other_is_built_at_once(spark: SparkSession, lake: str) -> None:
    scattered = days("2018-01-02", 250)[::2]
    land(lake, RAW_BARS, [bar(day, 100.0) for day in scattered])
    report = build_daily_bars(spark, lake, scattered[0], scattered[-1], days=scattered)
    assert report.rows == dict.fromkeys(scattered, 1)
    assert build_minute_bars(spark, lake, scattered[0], scattered[-1], days=scattered).rows == {}
