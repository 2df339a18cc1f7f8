"""Bars of any size against plain Python, which adds them up one by one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Any

import pyarrow as pa
import pytest
from duckdb import DuckDBPyConnection
from hypothesis import given, settings
from hypothesis import strategies as st

from stock_assets.domain.bar_sizes import BarSize, bar_size, bar_starts
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.reconciliation import trust_rank
from stock_assets.domain.sessions import session, sessions_between
from stock_assets.domain.tables import DAILY_BARS, MINUTE_BARS
from stock_assets.lake.engine import connect
from stock_assets.lake.longer_bars import sum_minutes, sum_sessions

Row = dict[str, Any]
TRUSTED = ["yahoo", "alpha_vantage"]
DAYS = sessions_between(date(2024, 11, 20), date(2024, 12, 4))
"""With Thanksgiving, a half day and the turn of a month."""
HALF_DAY = date(2024, 11, 29)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("5min", BarSize(5, "minutes")),
        ("65min", BarSize(65, "minutes")),
        ("1h", BarSize(60, "minutes")),
        ("1w", BarSize(1, "weeks")),
        ("3mo", BarSize(3, "months")),
    ],
)
def test_sizes_are_read(text: str, size: BarSize) -> None:
    assert bar_size(text) == size


@pytest.mark.parametrize("text", ["", "0min", "5", "5m", "17h", "2w", "5mo", "1d", "-5min", "1h30min"])
def test_what_is_no_size_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(PermanentError, match="is no size of bars"):
        bar_size(text)


def decimals(least: int, most: int) -> st.SearchStrategy[Decimal]:
    return st.integers(least, most).map(lambda number: Decimal(number).scaleb(-2).quantize(Decimal("0.000001")))


def amounts(**given_: Any) -> Row:
    return {"symbol": "A", "traded_as": "A", "currency": "USD", **given_}


parts = {
    "source": st.sampled_from(["yahoo", "alpha_vantage", "other", "z_ticks"]),
    "open": decimals(100, 999),
    "high": decimals(100, 999),
    "low": decimals(100, 999),
    "close": decimals(100, 999),
    "volume": st.one_of(st.none(), decimals(0, 99)),
    "vwap": st.one_of(st.none(), decimals(100, 999)),
}


@st.composite
def minutes(draw: st.DrawFn) -> list[Row]:
    rows = {}
    for _ in range(draw(st.integers(1, 25))):
        day, symbol = draw(st.sampled_from(DAYS)), draw(st.sampled_from("AB"))
        hours = session(day)
        phase, begins, ends = draw(
            st.sampled_from(
                [
                    ("pre", hours.pre_open_time, hours.open_time),
                    ("regular", hours.open_time, hours.close_time),
                    ("post", hours.close_time, hours.post_close_time),
                ]
            )
        )
        start = begins + timedelta(minutes=draw(st.integers(0, int((ends - begins).total_seconds()) // 60 - 1)))
        row = amounts(**draw(st.fixed_dictionaries(parts)), trading_day=day, start_time=start, phase=phase)
        row |= {"symbol": symbol, "traded_as": symbol}
        rows[symbol, start, row["source"]] = row
    return list(rows.values())


def summed(rows: list[Row], order: str) -> Row:
    ordered = sorted(rows, key=lambda row: row[order])
    volumes = [row["volume"] for row in ordered]
    known = all(v is not None and (v == 0 or row["vwap"] is not None) for v, row in zip(volumes, ordered, strict=True))
    shares = sum(volumes) if None not in volumes else None
    weighted = None
    if known and shares:
        weighted = sum(row["vwap"] * row["volume"] for row in ordered if row["vwap"] is not None) / shares
    return {
        "open": ordered[0]["open"],
        "high": max(row["high"] for row in ordered),
        "low": min(row["low"] for row in ordered),
        "close": ordered[-1]["close"],
        "volume": shares,
        "vwap": weighted,
        "source": ordered[0]["source"],
    }


def oracle_minutes(rows: list[Row], size: int, phases: tuple[str, ...]) -> dict[tuple[str, datetime], Row]:
    sessions = defaultdict(list)
    for row in rows:
        if row["phase"] in phases:
            sessions[row["symbol"], row["trading_day"]].append(row)
    bars = defaultdict(list)
    for (symbol, day), of_session in sessions.items():
        best = min((row["source"] for row in of_session), key=lambda source: trust_rank(source, TRUSTED))
        hours = session(day)
        anchor = {"pre": hours.pre_open_time, "regular": hours.open_time, "post": hours.close_time}
        for row in of_session:
            if row["source"] == best:
                begins = anchor[row["phase"]]
                while begins + timedelta(minutes=size) <= row["start_time"]:
                    begins += timedelta(minutes=size)
                bars[symbol, begins].append(row)
    return {key: {**summed(of_bar, "start_time"), "minutes": len(of_bar)} for key, of_bar in bars.items()}


def assert_same(found: Row, expected: Row) -> None:
    for name, value in expected.items():
        if name == "vwap" and value is not None:
            assert found[name] is not None and abs(found[name] - value) <= Decimal("0.000001")
        else:
            assert found[name] == value, name


def arrow(rows: list[Row], names: set[str]) -> pa.Table:
    fields = {f.name: f for table in (MINUTE_BARS, DAILY_BARS) for f in table.arrow_schema()}
    wanted = [fields[name].with_nullable(True) for name in sorted(names)]
    return pa.Table.from_pylist(rows, schema=pa.schema([*wanted, pa.field("traded_as", pa.string())]))


@pytest.fixture(scope="module")
def connection() -> Iterator[DuckDBPyConnection]:
    with connect() as opened:
        yield opened


@settings(max_examples=40)
@given(
    rows=minutes(),
    size=st.sampled_from([1, 5, 60, 65, 400]),
    phases=st.sampled_from([("regular",), ("pre", "regular", "post")]),
)
def test_minutes_become_bars_as_one_by_one(
    connection: DuckDBPyConnection, rows: list[Row], size: int, phases: tuple[str, ...]
) -> None:
    connection.register("minutes", arrow(rows, rows[0].keys() - {"traded_as"}))
    found = sum_minutes(connection, "minutes", BarSize(size, "minutes"), TRUSTED, phases).to_arrow_table()
    told = {(row["symbol"], row["start_time"].astimezone(UTC)): row for row in found.to_pylist()}
    expected = oracle_minutes(rows, size, phases)
    assert told.keys() == expected.keys()
    for key, row in expected.items():
        assert_same(told[key], row)
        if told[key]["phase"] == "regular":
            assert key[1] in bar_starts(told[key]["trading_day"], size)


@st.composite
def dailies(draw: st.DrawFn) -> list[Row]:
    rows = {}
    for _ in range(draw(st.integers(1, 25))):
        row = amounts(**draw(st.fixed_dictionaries(parts)), trading_day=draw(st.sampled_from(DAYS)))
        rows[row["trading_day"], row["source"]] = row
    return list(rows.values())


def oracle_sessions(rows: list[Row], unit: str) -> dict[date, Row]:
    def bar(row: Row) -> tuple[int, int]:
        day = row["trading_day"]
        return day.isocalendar()[:2] if unit == "weeks" else (day.year, day.month)

    bars = {}
    for _, group in groupby(sorted(rows, key=bar), key=bar):
        of_bar = list(group)
        counts = {source: sum(row["source"] == source for row in of_bar) for source in {r["source"] for r in of_bar}}
        best = min(counts, key=lambda source: (-counts[source], trust_rank(source, TRUSTED)))
        chosen = [row for row in of_bar if row["source"] == best]
        first = min(row["trading_day"] for row in chosen)
        bars[first] = {**summed(chosen, "trading_day"), "sessions": len(chosen)}
    return bars


@settings(max_examples=40)
@given(rows=dailies(), unit=st.sampled_from(["weeks", "months"]))
def test_sessions_become_weeks_and_months_as_one_by_one(
    connection: DuckDBPyConnection, rows: list[Row], unit: Any
) -> None:
    connection.register("sessions", arrow(rows, rows[0].keys() - {"traded_as"}))
    found = sum_sessions(connection, "sessions", BarSize(1, unit), TRUSTED).to_arrow_table().to_pylist()
    told = {row["trading_day"]: row for row in found}
    expected = oracle_sessions(rows, unit)
    assert told.keys() == expected.keys()
    for day, row in expected.items():
        assert_same(told[day], row)


def test_the_last_bar_of_a_half_day_is_shorter_and_takes_what_comes_after_the_bell(
    connection: DuckDBPyConnection,
) -> None:
    hours = session(HALF_DAY)
    exact = dict.fromkeys(("open", "high", "low", "close"), Decimal(1))
    starts = [hours.open_time, hours.close_time - timedelta(minutes=1), hours.close_time]
    rows = [
        amounts(
            **exact, volume=Decimal(1), vwap=None, source="yahoo", trading_day=HALF_DAY, start_time=at, phase="regular"
        )
        for at in starts
    ]
    connection.register("minutes", arrow(rows, rows[0].keys() - {"traded_as"}))
    bars = sum_minutes(connection, "minutes", BarSize(65, "minutes"), TRUSTED).to_arrow_table().to_pylist()
    assert [bar["start_time"].astimezone(UTC) for bar in bars] == [hours.open_time, bar_starts(HALF_DAY, 65)[-1]]
    assert [bar["minutes"] for bar in bars] == [1, 2]
