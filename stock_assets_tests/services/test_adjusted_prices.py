"""The warehouse's adjusted views against what Yahoo answered: its closes are adjusted for splits, its adjusted closes for both."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from snowflake.connector import SnowflakeConnection

from stock_assets.domain.sessions import EXCHANGE_ZONE, sessions_between
from stock_assets.domain.stocks import STOCKS
from stock_assets.domain.tables import DAILY_METRICS
from stock_assets.domain.universe import Listing, Universe
from stock_assets.domain.warehouse_tables import STOCK_ACTIONS
from stock_assets.lake.stocks import stocks
from stock_assets.settings.warehouse import Snowflake
from stock_assets.warehouse.audit import Origin
from stock_assets.warehouse.connect import connect
from stock_assets.warehouse.load import load_whole
from stock_assets.warehouse.set_up import ACTIONS, METRICS, STOCK_LIST, set_up
from stock_assets_tests.checkout import PROJECT
from stock_assets_tests.services.marts_rows import Closes, metric_rows
from stock_assets_tests.unit.test_warehouse_sql import metrics

RECORDED = PROJECT.parent / "shared" / "data"
recorded = pytest.mark.skipif(not RECORDED.is_dir(), reason="the recorded market data is not beside this checkout")
ORIGIN = Origin("test", 1)
NVDA_DAYS = sessions_between(date(2024, 6, 3), date(2024, 6, 14))
NVDA_CLOSES = ("1150", "1164.37", "1224.40", "1209.98", "1208.88", "121.79", "120.91", "125.20", "129.61", "131.88")


@pytest.fixture
def connection(warehouse: Snowflake, monkeypatch: pytest.MonkeyPatch) -> Iterator[SnowflakeConnection]:
    with connect(warehouse) as opened:
        set_up(opened, warehouse)
        yield opened


def load(
    connection: SnowflakeConnection, closes: Closes, actions: list[tuple[str, date, str, float]], vendor: str = "yahoo"
) -> None:
    """Exactly these metrics and actions."""
    splits = {(symbol, day): value for symbol, day, kind, value in actions if kind == "split"}
    rows = metric_rows(closes)
    for row in rows:  # previous closes are in the session's own basis
        if row["previous_close"] is not None:
            ratio = Decimal(splits.get((row["symbol"], row["trading_day"]), 1.0))
            row["previous_close"] = round(row["previous_close"] / ratio, 6)
            row["change"] = row["close"] - row["previous_close"]
    load_whole(connection, metrics(*rows), DAILY_METRICS, ORIGIN, target=METRICS, fingerprint="")
    stated = [
        {"symbol": symbol, "vendor": each, "ex_date": day, "kind": kind, "value": value}
        for symbol, day, kind, value in actions
        for each in (vendor, "any")
    ]
    table = pa.Table.from_pylist(stated, schema=STOCK_ACTIONS.arrow_schema())
    load_whole(connection, table, STOCK_ACTIONS, ORIGIN, target=ACTIONS, fingerprint="")


def stocks_of(universe: Universe) -> pa.Table:
    """What the warehouse gets of a universe when nothing else is known of it."""
    with tempfile.TemporaryDirectory() as lake:
        return stocks(lake, universe)


def ask(connection: SnowflakeConnection, sql: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()]


def answer(pattern: str) -> tuple[dict[date, tuple[float, float]], list[tuple[date, str, float]]]:
    """Close and adjusted close per session, and the actions, of a recorded answer."""
    (file,) = RECORDED.glob(pattern)
    told = json.loads(file.read_text())
    result = told.get("response", {}).get("bodyJson", told)["chart"]["result"][0]
    days = [datetime.fromtimestamp(stamp, EXCHANGE_ZONE).date() for stamp in result["timestamp"]]
    closes, adjusted = result["indicators"]["quote"][0]["close"], result["indicators"]["adjclose"][0]["adjclose"]
    actions = []
    for event in result["events"].get("dividends", {}).values():
        actions.append((datetime.fromtimestamp(event["date"], EXCHANGE_ZONE).date(), "dividend", event["amount"]))
    for event in result["events"].get("splits", {}).values():
        ratio = event["numerator"] / event["denominator"]
        actions.append((datetime.fromtimestamp(event["date"], EXCHANGE_ZONE).date(), "split", ratio))
    return dict(zip(days, zip(closes, adjusted, strict=True), strict=True)), actions


def test_a_split_is_no_fall_in_the_view_and_one_in_the_table(connection: SnowflakeConnection) -> None:
    closes = {("NVDA", day): Decimal(close) for day, close in zip(NVDA_DAYS, NVDA_CLOSES, strict=True)}
    split = date(2024, 6, 10)
    load(connection, closes, [("NVDA", split, "split", 10.0)])
    changes = "SELECT MAX(ABS(CLOSE / PREVIOUS - 1)) FROM (SELECT CLOSE, LAG(CLOSE) OVER (ORDER BY TRADING_DAY) AS PREVIOUS FROM {})"
    assert ask(connection, changes.format("STOCK_DAILY_ADJUSTED"))[0][0] < 0.1
    assert ask(connection, changes.format(METRICS))[0][0] > 0.85
    (before,) = ask(connection, "SELECT CLOSE, VOLUME, HIGH FROM STOCK_DAILY_ADJUSTED WHERE TRADING_DAY = '2024-06-07'")
    assert before[0] == Decimal("120.888") and before[2] == Decimal("120.988")
    as_of = f"SELECT TRADING_DAY, CLOSE FROM STOCK_DAILY_ADJUSTED_AS_OF WHERE '{split - timedelta(days=1)}' BETWEEN AS_OF_FIRST_DAY AND AS_OF_LAST_DAY"
    assert dict(ask(connection, as_of)) == {day: close for (_, day), close in closes.items() if day < split}


def test_a_rename_ends_no_history(connection: SnowflakeConnection) -> None:
    days = sessions_between(date(2022, 6, 3), date(2022, 6, 15))
    renamed, split = date(2022, 6, 9), date(2022, 6, 14)
    closes = {("FB" if day < renamed else "META", day): Decimal(200 if day < split else 100) for day in days}
    listed = stocks_of(
        Universe((Listing("FB", active_to=date(2022, 6, 8), renamed_to="META"), Listing("META", renamed)))
    )
    load_whole(connection, listed, STOCKS, ORIGIN, target=STOCK_LIST, fingerprint="")
    load(connection, closes, [("META", split, "split", 2.0)])
    rows = ask(
        connection,
        "SELECT SYMBOL, TRADING_DAY, CLOSE FROM STOCK_DAILY_ADJUSTED WHERE PRESENT_SYMBOL = 'META' ORDER BY 2",
    )
    assert rows == [(symbol, day, Decimal(100)) for symbol, day in closes]


@recorded
@pytest.mark.parametrize(
    ("symbol", "pattern", "later_splits", "sessions"),
    [
        ("MSFT", "node_yahoo_finance2/fixtures/http/historical-via-chart-MSFT-dividends-*", 1, 252),
        ("AAPL", "yfinance_rs/history_chart_AAPL.json", 1, 127),
        ("MSFT", "yfinance_rs/history_chart_MSFT.json", 1, 127),
        ("NVDA", "node_yahoo_finance2/fixtures/http/historical-via-chart-NVDA-split-*", 10, 252),
        ("AAPL", "node_yahoo_finance2/fixtures/http/chart-AAPL-2020-08-31-*", 1, 49),
    ],
)
def test_adjusted_closes_are_yahoo_s(
    connection: SnowflakeConnection, symbol: str, pattern: str, later_splits: float, sessions: int
) -> None:
    """To a millionth: Yahoo's closes are in single precision. Actions after the answer's last session scale
    all of its adjusted closes alike, so the last one is the unit."""
    stated, actions = answer(pattern)
    assert len(stated) == sessions
    splits = [(day, value) for day, kind, value in actions if kind == "split"]

    def as_traded(day: date, close: float) -> Decimal:
        factor = later_splits
        for ex_date, value in splits:
            factor *= value if ex_date > day else 1
        return Decimal(str(round(close * factor, 6)))

    closes = {(symbol, day): as_traded(day, close) for day, (close, _) in stated.items()}
    dividends = [(day, kind, value * later_splits if kind == "dividend" else value) for day, kind, value in actions]
    load(connection, closes, [(symbol, *each) for each in dividends])
    found = {
        day: (float(close), float(adjusted))
        for day, close, adjusted in ask(
            connection, "SELECT TRADING_DAY, CLOSE, ADJUSTED_CLOSE FROM STOCK_DAILY_ADJUSTED"
        )
    }
    last = max(stated)
    scale, unit = found[last][0] / stated[last][0], found[last][1] / stated[last][1]
    worst = max(abs(found[day][1] / (stated[day][1] * unit) - 1) for day in stated)
    print(f"{symbol}: {len(stated)} adjusted closes differ by at most {worst:.2e}")
    # the answer on NVDA was asked for without dividends, which its adjusted closes hold
    assert worst < (1e-6 if any(kind == "dividend" for _, kind, _ in actions) else 1e-3)
    for day, (close, _) in stated.items():
        assert found[day][0] == pytest.approx(close * scale, rel=1e-6)
