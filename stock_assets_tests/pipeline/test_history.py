"""What was known when: the lake's and Spark's reads against the oracle, and the command and check over them."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
import typer
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from typer.testing import CliRunner

from spark.actions import actions_by_symbol, actions_of_vendor
from spark.daily_bars import daily_bars_from_minutes, daily_bars_from_vendors
from spark.daily_metrics import daily_metrics, preferred_bars
from spark.session_times import session_times
from spark.vendor_bars import known_by
from stock_assets.commands.history import as_of as as_of_command
from stock_assets.defs.state_checks import find_split_faults
from stock_assets.domain.splits import Stated, actions_that_count
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, RAW_ACTIONS, RAW_BARS
from stock_assets.lake.as_of import actions_as_of, bars_as_of, split_histories, statements
from stock_assets_tests.pipeline import oracle
from stock_assets_tests.pipeline.oracle_metrics import daily_metrics as expected_metrics
from stock_assets_tests.pipeline.raw_rows import Row, action, assert_same, at, bar, days, frame, land, rows_of
from stock_assets_tests.pipeline.test_spark_bars import FIRST, LAST, random_bars

LAST_PLACE = Decimal("0.000001")


def until(rows: Sequence[Row], instant: datetime) -> list[Row]:
    return [row for row in rows if row["known_at"] <= instant]


INSTANTS = [at(date(2024, 11, 4), "23:00"), at(date(2025, 3, 1), "08:00"), at(date(2025, 3, 9), "22:00")]


@pytest.mark.parametrize("instant", INSTANTS)
def test_bars_as_of_an_instant_equal_the_oracle_s_of_what_was_said_by_then(
    spark: SparkSession, instant: datetime
) -> None:
    bars, actions = random_bars(11)
    then = until(bars, instant), until(actions, instant)
    assert 0 < len(then[0]) < len(bars)
    raw = frame(spark, RAW_BARS, bars), frame(spark, RAW_ACTIONS, actions), session_times(spark, FIRST, LAST)
    assert_same(daily_bars_from_vendors(*raw, as_of=instant), oracle.daily_bars_from_vendors(*then), DAILY_BARS)
    assert_same(daily_bars_from_minutes(*raw, as_of=instant), oracle.daily_bars_from_minutes(*then), DAILY_BARS)


def test_the_lake_s_bars_as_of_an_instant_are_spark_s(spark: SparkSession, lake: str) -> None:
    bars, actions = random_bars(12)
    land(lake, RAW_BARS, bars)
    land(lake, RAW_ACTIONS, actions)
    names = ("source", "interval", "start_time", "open", "close", "volume", "known_at", "final")
    for instant in (*INSTANTS, None):
        found = [tuple(row[name] for name in names) for row in bars_as_of(lake, instant).to_pylist()]
        newest: dict[tuple[object, ...], Row] = {}
        for row in bars if instant is None else until(bars, instant):
            key = (row["source"], row["interval"], row["start_time"])
            if key not in newest or _rank(row) > _rank(newest[key]):
                newest[key] = row
        assert found == [tuple(row[name] for name in names) for _, row in sorted(newest.items(), key=lambda kv: kv[0])]
    assert {row["value"] for row in actions_as_of(lake, INSTANTS[0]).to_pylist()} == {4.0}
    assert sorted(row["value"] for row in actions_as_of(lake).to_pylist()) == [0.1, 0.25, 3.0, 4.0, 5.0]
    assert bars_as_of(lake, symbol="F").num_rows == 0 == bars_as_of(f"{lake}/none").num_rows


def _rank(row: Row) -> tuple[object, ...]:
    volume = -1 if row["volume"] is None else row["volume"]
    return (
        oracle.is_whole(row),
        *(row[name] for name in ("known_at", "final", "open", "high", "low", "close")),
        volume,
        row["price_basis"],
    )


def test_metrics_can_be_had_as_they_were_known(spark: SparkSession) -> None:
    sessions = days("2024-01-02", 40)
    bars = [bar(day, 100.0 + n, known_at=at(day, "20:00")) for n, day in enumerate(sessions)]
    bars.append(bar(sessions[30], 90.0, known_at=at(sessions[35], "12:00")))
    actions = [
        action(sessions[15], "dividend", 1.0),
        action(sessions[15], "dividend", 3.0, known_at=at(sessions[36], "12:00")),
    ]
    raw, stated = frame(spark, RAW_BARS, bars), frame(spark, RAW_ACTIONS, actions)
    times = session_times(spark, sessions[0], sessions[-1])
    seen = []
    for instant in (at(sessions[32], "21:00"), at(sessions[35], "13:00"), at(sessions[39], "23:00")):
        built = daily_bars_from_vendors(raw, stated, times, as_of=instant)
        metrics = daily_metrics(preferred_bars(built, known_by(stated, instant), ["yahoo"]))
        then = until(bars, instant), until(actions, instant)
        expected = expected_metrics(oracle.daily_bars_from_vendors(*then), then[1], ["yahoo"])
        assert_same(metrics, expected, DAILY_METRICS, slack=LAST_PLACE)
        row = next(row for row in expected if row["trading_day"] == sessions[30])
        seen.append((row["close"], row["volatility_20"]))
    assert [close for close, _ in seen] == [130, 90, 90] and len(set(seen)) == 3


@pytest.mark.parametrize("seed", range(2))
def test_spark_and_plain_python_agree_on_which_actions_count(spark: SparkSession, seed: int) -> None:
    rng = random.Random(seed)
    start = days("2024-01-02", 1)[0]
    rows = [
        action(
            start + timedelta(days=rng.randrange(40)),
            rng.choice(["split", "split", "dividend"]),
            rng.choice([2.0, 2.01, 7.0]),
            symbol=f"S{n % 30}",
            source=rng.choice(["a", "b"]),
            known_at=at(start, "08:00") + timedelta(days=rng.randrange(4)),
        )
        for n in range(200)
    ]
    by_symbol = actions_by_symbol(frame(spark, RAW_ACTIONS, rows))
    merged = 0
    for vendor in ("a", "c"):
        chosen = by_symbol.select("symbol", actions_of_vendor(F.lit(vendor)).alias("chosen"))
        for symbol, found in chosen.collect():
            stated = [
                Stated(*(row[name] for name in ("ex_date", "kind", "value", "source", "known_at")))
                for row in rows
                if row["symbol"] == symbol
            ]
            expected = actions_that_count(stated, vendor)
            assert [(a.ex_date, a.kind, a.value, a.source) for a in found] == [tuple(a[:4]) for a in expected]
            merged += len({(a.ex_date, a.kind) for a in stated}) - len(expected)
    assert merged > 10


def test_a_split_placed_on_two_days_divides_once(spark: SparkSession) -> None:
    sessions = days("2024-06-03", 10)
    actions = [
        action(sessions[4], "split", 10.0, source="a"),
        action(sessions[6], "split", 10.0, source="b", known_at=at(sessions[3], "08:00")),
    ]
    raw = [bar(day, 12.0, price_basis="split_adjusted", known_at=at(sessions[9], "20:00")) for day in sessions]
    bars = daily_bars_from_vendors(
        frame(spark, RAW_BARS, raw), frame(spark, RAW_ACTIONS, actions), session_times(spark, sessions[0], sessions[9])
    )
    closes = [row["close"] for _, row in sorted(rows_of(bars, ("trading_day",)).items())]
    assert closes == [Decimal(120)] * 4 + [Decimal(12)] * 6


def test_the_command_shows_every_statement_and_which_one_counted(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    day, after = date(2014, 6, 6), date(2014, 6, 10)
    given = {"symbol": "AAPL", "price_basis": "split_adjusted"}
    land(
        lake,
        RAW_BARS,
        [
            bar(day, 92.0, **given, known_at=at(after, "20:00")),
            bar(day, 645.0, **given, known_at=at(day, "20:00")),
            bar(day, 645.5, symbol="AAPL", source="other", known_at=at(day, "20:00")),
            bar(day, 1.0, symbol="AAPL", rejected_because="bad"),
        ],
    )
    land(lake, RAW_ACTIONS, [action(date(2014, 6, 9), "split", 7.0, symbol="AAPL")])
    monkeypatch.setenv("LAKE_ROOT", lake)
    monkeypatch.setenv("COLUMNS", "250")
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(as_of_command)

    def shown(*words: str) -> list[list[str]]:
        done = CliRunner().invoke(app, ["AAPL", "--day", "2014-06-06", *words])
        assert done.exit_code == 0, done.output
        lines = [line for line in done.output.splitlines() if "2014-06-06 13:30:00" in line]
        return [re.split(" {2,}", line.strip()) for line in lines]

    # counted, source, close, close as traded, partition and offset
    picked = [[(r[0], r[2], r[8], r[12], r[13]) for r in rows] for rows in (shown(), shown("--at", "2014-06-09T12:00"))]
    other = ("yes", "other", "645.5", "645.5", "0 2")
    assert picked[0] == [other, ("no", "yahoo", "645.0", "645", "0 1"), ("yes", "yahoo", "92.0", "644", "0 0")]
    assert picked[1] == [
        other,
        ("yes", "yahoo", "645.0", "645", "0 1"),
        ("not yet known", "yahoo", "92.0", "644", "0 0"),
    ]
    assert {row[0] for row in shown("--at", "2014-06-01")} == {"not yet known"}
    assert [s.factor for s in statements(lake, "AAPL", day, "1d")] == [1.0, 1.0, 7.0]
    for words, told in (
        (["--day", "2014-06-07"], "not a trading session"),
        (["--day", "2014-06-05"], "the lake holds no 1d bar of AAPL for 2014-06-05"),
        (["--day", "2014-06-06", "--at", "noon"], "'noon' is not an instant"),
        (["--day", "2014-06-06", "--interval", "1h"], "'1h' is none of 1d, 1m"),
    ):
        refused = CliRunner().invoke(app, ["AAPL", *words])
        assert refused.exit_code == 1 and told in str(refused.exception)


def test_statements_are_found_under_each_name_of_the_company(lake: str, monkeypatch: pytest.MonkeyPatch) -> None:
    day = date(2022, 1, 3)
    land(lake, RAW_BARS, [bar(day, 338.5, symbol="FB"), bar(day, 338.6, symbol="META", source="other")])
    land(lake, RAW_BARS, [bar(date(2023, 1, 3), 124.7, symbol="META")])
    monkeypatch.setenv("LAKE_ROOT", lake)
    monkeypatch.setenv("COLUMNS", "250")
    app = typer.Typer(pretty_exceptions_enable=False)
    app.command()(as_of_command)

    def closes(symbol: str, day: str) -> list[str]:
        done = CliRunner().invoke(app, [symbol, "--day", day])
        assert done.exit_code == 0, done.output
        cells = [re.split(" {2,}", line.strip()) for line in done.output.splitlines()]
        return [f"{row[1]} {row[8]}" for row in cells if row[0] == "yes"]

    assert closes("META", "2022-01-03") == ["META 338.6", "FB 338.5"]
    assert closes("FB", "2022-01-03") == ["FB 338.5", "META 338.6"]
    assert closes("FB", "2023-01-03") == ["META 124.7"]


def test_the_check_reads_only_what_it_needs(lake: str) -> None:
    assert find_split_faults(lake).passed
    day = date(2014, 6, 9)
    minute = {"interval": "1m", "start_time": at(day, "09:31")}
    land(lake, RAW_BARS, [bar(day, 1.0), bar(day, 1.0, **minute), bar(day, 1.0, symbol="F")])
    land(lake, RAW_BARS, [bar(date(2014, 6, 6), 1.0, **minute)])
    assert split_histories(lake)[0].num_rows == 0
    land(lake, RAW_ACTIONS, [action(day, "split", 2.0), action(day, "dividend", 2.0, symbol="F")])
    bars, actions = split_histories(lake)
    assert (bars.num_rows, actions.num_rows) == (2, 2)
    assert set(bars["trading_day"].to_pylist()) == {day} and find_split_faults(lake).passed
