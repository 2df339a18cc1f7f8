"""``stock_assets.read`` on lakes whose rows are known."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest

import stock_assets
from stock_assets.domain.catalog import READABLE, table_named
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.sessions import session, sessions_between
from stock_assets.domain.table import WITHHELD
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, DERIVED_TABLES, RAW_ACTIONS, RAW_BARS, RAW_TABLES
from stock_assets_tests.checkout import loaded_by
from stock_assets_tests.pipeline.daily_rows import daily
from stock_assets_tests.pipeline.raw_rows import action, bar, land
from stock_assets_tests.pipeline.readable_lake import minute, settings_of, store, store_metrics, store_minutes
from stock_assets_tests.services.test_adjusted_prices import NVDA_CLOSES, NVDA_DAYS, answer, recorded

SPLIT = date(2024, 6, 10)
NVDA = {("NVDA", day): Decimal(close) for day, close in zip(NVDA_DAYS, NVDA_CLOSES, strict=True)}


def read(lake: str, table: str, *given: Any, **named: Any) -> Any:
    return stock_assets.read(table, *given, **named, settings=settings_of(lake))


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert not {"duckdb", "pandas", "pyarrow", "numpy", "deltalake"} & loaded_by(
        "import stock_assets, stock_assets.cli"
    )


def test_tables_have_the_names_of_their_declarations() -> None:
    assert {*RAW_TABLES.values(), *DERIVED_TABLES} <= set(READABLE.values())
    assert all(table.path.endswith(f"/{name}") for name, table in READABLE.items())
    assert table_named("metrics") is table_named("Daily_Metrics") is DAILY_METRICS


def test_rows_of_some_symbols_and_sessions_in_the_table_s_columns(lake: str) -> None:
    days = sessions_between(date(2023, 12, 27), date(2024, 1, 5))
    store_metrics(lake, {(symbol, day): Decimal(number) for number, symbol in enumerate("ABC", 1) for day in days})
    rows = read(lake, "metrics", ["C", "A"], "2023-12-29", date(2024, 1, 3))
    assert list(rows.columns) == list(DAILY_METRICS.names)
    assert [*zip(rows["symbol"], rows["trading_day"].dt.date, rows["close"], strict=True)] == [
        (symbol, day, price) for symbol, price in (("A", 1.0), ("C", 3.0)) for day in days[2:5]
    ]
    assert rows["close"].dtype == "float64"
    exact = read(lake, "metrics", "B", as_arrow=True)
    assert exact["close"].to_pylist() == [Decimal(2)] * len(days)
    assert exact.schema.types == DAILY_METRICS.arrow_schema().types
    nothing = read(lake, "metrics", "B", "1999-01-04", "1999-12-31")
    assert nothing.empty and list(nothing.columns) == list(DAILY_METRICS.names)
    pd.testing.assert_series_equal(nothing.dtypes, rows.dtypes)
    assert len(read(lake, "metrics")) == 3 * len(days)


def test_withheld_rows_are_not_read(lake: str) -> None:
    days = sessions_between(date(2024, 1, 2), date(2024, 1, 5))
    store_metrics(lake, {("A", day): Decimal(1) for day in days}, withheld=[days[1]])
    assert [*read(lake, "metrics", "A")["trading_day"].dt.date] == [days[0], *days[2:]]
    assert WITHHELD.name not in read(lake, "metrics").columns
    store(lake, DAILY_BARS, [daily(days[0], "yahoo"), daily(days[1], "yahoo", 5.0) | {WITHHELD.name: "because"}])
    (week,) = read(lake, "daily_bars", every="1w", as_arrow=True).to_pylist()
    assert (week["sessions"], week["low"]) == (1, Decimal(100))


def test_a_split_is_no_fall_when_adjusted(lake: str) -> None:
    store_metrics(lake, NVDA, [("NVDA", SPLIT, "split", 10.0)])
    asked = ("metrics", "NVDA", "2024-06-03", "2024-06-14")
    assert read(lake, *asked)["close"].pct_change().abs().max() > 0.85
    rows = read(lake, *asked, adjusted="splits")
    assert rows["close"].pct_change().abs().max() < 0.1
    before = rows[rows["trading_day"] == "2024-06-07"].iloc[0]
    assert (before["close"], before["high"]) == (120.888, 120.988)
    assert read(lake, "actions", "NVDA")["value"].tolist() == [10.0]
    eve = read(lake, *asked, adjusted="splits", adjusted_to=SPLIT - timedelta(days=1), as_arrow=True)
    assert dict(zip(eve["trading_day"].to_pylist(), eve["close"].to_pylist(), strict=True)) == {
        day: close for (_, day), close in NVDA.items() if day < SPLIT
    }


@recorded
@pytest.mark.parametrize(
    ("symbol", "pattern", "later_splits", "sessions"),
    [
        ("MSFT", "node_yahoo_finance2/fixtures/http/historical-via-chart-MSFT-dividends-*", 1, 252),
        ("AAPL", "yfinance_rs/history_chart_AAPL.json", 1, 127),
        ("NVDA", "node_yahoo_finance2/fixtures/http/historical-via-chart-NVDA-split-*", 10, 252),
        ("AAPL", "node_yahoo_finance2/fixtures/http/chart-AAPL-2020-08-31-*", 1, 49),
    ],
)
def test_adjusted_closes_are_yahoo_s(lake: str, symbol: str, pattern: str, later_splits: float, sessions: int) -> None:
    """As the warehouse's views, by the same recordings and to the same millionth."""
    stated, actions = answer(pattern)
    assert len(stated) == sessions
    splits = [(day, value) for day, kind, value in actions if kind == "split"]

    def as_traded(day: date, close: float) -> Decimal:
        factor = later_splits
        for ex_date, value in splits:
            factor *= value if ex_date > day else 1
        return Decimal(str(round(close * factor, 6)))

    closes = {(symbol, day): as_traded(day, close) for day, (close, _) in stated.items()}
    told = [(symbol, day, kind, value * later_splits if kind == "dividend" else value) for day, kind, value in actions]
    store_metrics(lake, closes, told)
    found = {
        kind: read(lake, "metrics", symbol, adjusted=kind).set_index("trading_day")["close"].to_dict()
        for kind in ("splits", "all")
    }
    found = {kind: {stamp.date(): close for stamp, close in rows.items()} for kind, rows in found.items()}
    last = max(stated)
    scale, unit = found["splits"][last] / stated[last][0], found["all"][last] / stated[last][1]
    worst = max(abs(found["all"][day] / (stated[day][1] * unit) - 1) for day in stated)
    # the answer on NVDA was asked for without dividends, which its adjusted closes hold
    assert worst < (1e-6 if any(kind == "dividend" for _, kind, _ in actions) else 1e-3)
    for day, (close, _) in stated.items():
        assert found["splits"][day] == pytest.approx(close * scale, rel=1e-6)


def test_a_renamed_company_has_one_history(lake: str) -> None:
    days = sessions_between(date(2022, 6, 3), date(2022, 6, 15))
    renamed, split = date(2022, 6, 9), date(2022, 6, 14)
    closes = {("FB" if day < renamed else "META", day): Decimal(200 if day < split else 100) for day in days}
    store_metrics(lake, closes | {("AAPL", days[0]): Decimal(1)}, [("META", split, "split", 2.0)])
    for asked in ("META", "FB"):
        rows = read(lake, "metrics", asked, "2022-01-01", "2022-12-31", adjusted="splits")
        assert [*zip(rows["symbol"], rows["trading_day"].dt.date, strict=True)] == list(closes)
        assert set(rows["close"]) == {100.0}
    store(
        lake,
        DAILY_BARS,
        [daily(day, "yahoo", 1.0 if day < renamed else 2.0, symbol=symbol) for symbol, day in closes],
    )
    weeks = read(lake, "daily_bars", "META", every="1w")
    assert weeks["symbol"].unique().tolist() == ["META"]
    assert [*zip(weeks["open"], weeks["close"], weeks["sessions"], strict=True)] == [(1, 1, 1), (1, 2, 5), (2, 2, 3)]


def test_what_a_vendor_had_said_by_an_instant(lake: str) -> None:
    day, later = date(2024, 1, 2), datetime(2024, 1, 3, 12, tzinfo=UTC)
    land(lake, RAW_BARS, [bar(day, 100.0), bar(day, 101.0, known_at=later), bar(day, 7.0, symbol="MSFT")])
    land(lake, RAW_ACTIONS, [action(day, "split", 2.0), action(day, "split", 3.0, known_at=later)])

    def values(at: Any, table: str, column: str) -> list[float]:
        told = read(lake, table, "IBM", day, day, as_of=at)
        assert {"symbol", "known_at", column} <= set(told.columns)
        return list(told[column])

    assert values("2024-01-03T11:59", "bars", "close") == [100.0]
    assert values(later, "bars", "close") == [101.0]
    assert values("2024-01-03T11:59+00:00", "actions", "value") == [2.0]
    assert values(later, "actions", "value") == [3.0]


def test_minutes_are_summed_up_by_phase_and_adjusted_first(lake: str) -> None:
    before, after = (session(day) for day in (date(2024, 6, 7), SPLIT))
    early = before.pre_open_time + timedelta(minutes=3)
    store_minutes(
        lake,
        [
            minute(before.open_time, 1200.0, symbol="NVDA"),
            minute(before.open_time + timedelta(minutes=4), 1210.0, symbol="NVDA"),
            minute(early, 1190.0, phase="pre", symbol="NVDA"),
            minute(after.open_time, 121.0, symbol="NVDA"),
        ],
    )
    land(lake, RAW_ACTIONS, [action(SPLIT, "split", 10.0, symbol="NVDA")])
    bars = read(lake, "minute_bars", "NVDA", every="5min", adjusted="splits")
    assert [*zip(bars["open"], bars["close"], bars["volume"], bars["minutes"], strict=True)] == [
        (120.0, 121.0, 200.0, 2),
        (121.0, 121.0, 10.0, 1),
    ]
    (early_bar,) = read(lake, "minute_bars", "NVDA", every="5min", phases=["pre"], as_arrow=True).to_pylist()
    assert early_bar["start_time"] == before.pre_open_time


def test_quarantine_and_stocks_are_read_as_tables(lake: str) -> None:
    day = date(2024, 1, 2)
    land(lake, RAW_BARS, [bar(day, 1.0), bar(day, 2.0, rejected_because="close: not positive", payload=b"{}")])
    assert read(lake, "bars")["close"].tolist() == [1.0]
    (row,) = read(lake, "quarantine", as_arrow=True).to_pylist()
    assert (row["stage"], row["rejected_because"], row["payload"]) == ("bars", "close: not positive", b"{}")
    store_metrics(lake, {("FB", day): Decimal(1)})
    assert read(lake, "stocks", "META")["symbol"].tolist() == ["FB", "META"]


@pytest.mark.parametrize(
    ("table", "given", "sentence"),
    [
        ("nope", {}, "There is no table 'nope'.*minute_bars"),
        ("daily_metric", {}, "Did you mean daily_metrics"),
        ("metrics", {"symbols": "nvda"}, "no symbol 'nvda'. Did you mean NVDA"),
        ("metrics", {"symbols": ["NVDA", "NVDX"]}, "no symbol 'NVDX'. Did you mean NVDA"),
        ("metrics", {"symbols": []}, "names no symbol"),
        ("metrics", {"start": "2024-02-01", "end": "2024-01-01"}, "begins on 2024-02-01, after its end"),
        ("metrics", {"start": "yesterday"}, "'yesterday' is not a day"),
        ("metrics", {"adjusted": "some"}, "none, splits, all, not 'some'"),
        ("metrics", {"adjusted_to": "2024-01-01"}, "say what for"),
        ("metrics", {"every": "1w"}, "made of daily_bars, not of daily_metrics"),
        ("metrics", {"every": "7x"}, "no size of bars"),
        ("minute_bars", {"every": "5min", "phases": ["lunch"]}, "pre, regular, post, not lunch"),
        ("bars", {"as_of": "noon"}, "'noon' is not an instant"),
        ("ticks", {"adjusted": "splits"}, "ticks cannot be adjusted"),
        ("availability", {}, "availability does not exist yet .*a build makes it"),
        ("ticks", {}, "ticks does not exist yet .*stock-assets land"),
        ("quarantine", {"symbols": "IBM"}, "has no symbols"),
        ("stocks", {"start": "2024-01-02"}, "has no sessions"),
    ],
)
def test_what_cannot_be_answered_is_said_in_a_sentence(
    lake: str, table: str, given: dict[str, Any], sentence: str
) -> None:
    store_metrics(lake, NVDA)
    with pytest.raises(PermanentError, match=sentence):
        read(lake, table, **given)


def test_columns_that_are_not_asked_for_are_not_read(lake: str) -> None:
    store_metrics(lake, NVDA, [("NVDA", SPLIT, "split", 10.0)])
    whole = read(lake, "metrics", "NVDA", adjusted="splits")
    some = read(lake, "metrics", "NVDA", adjusted="splits", columns=["close", "trading_day"])
    assert list(some.columns) == ["trading_day", "close"]
    pd.testing.assert_frame_equal(some, whole[["trading_day", "close"]])
    with pytest.raises(PermanentError, match="has no column closing; it has year, "):
        read(lake, "metrics", columns=["closing"])
    with pytest.raises(PermanentError, match="leave columns out, or every"):
        read(lake, "daily_bars", every="1w", columns=["close"])
