"""short descriptions of bars, metrics and actions -> a lake to read, and the settings that name it.

Belongs here: storing rows as the stages would, marks included, and what a plain reading of the recordings says.
Does not belong here: expected results.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
from deltalake import write_deltalake

from stock_assets.domain.table import WITHHELD, Table
from stock_assets.domain.tables import DAILY_METRICS, MINUTE_BARS, RAW_ACTIONS
from stock_assets.settings.platform import Settings
from stock_assets_tests.pipeline.raw_rows import action, land
from stock_assets_tests.services.marts_rows import Closes, metric_rows
from stock_assets_tests.unit.test_warehouse_sql import metrics

Row = dict[str, Any]
Action = tuple[str, date, str, float]


def settings_of(lake: str, **given: str) -> Settings:
    return Settings({"LAKE_ROOT": lake, "STOCK_ASSETS_LOCAL": lake + "-local", **given})


def store(lake: str, table: Table, rows: Iterable[Row]) -> None:
    """Add rows to a derived table as Spark would leave them."""
    arrow = pa.Table.from_pylist(list(rows), schema=table.stored.arrow_schema())
    write_deltalake(f"{lake}/{table.path}", arrow, mode="append", partition_by=list(table.partition_by))


def store_metrics(lake: str, closes: Closes, actions: Iterable[Action] = (), withheld: Iterable[date] = ()) -> None:
    """Metrics of these closes, with previous closes in the session's own basis, and the actions."""
    stated = list(actions)
    splits = {(symbol, day): value for symbol, day, kind, value in stated if kind == "split"}
    rows = metric_rows(closes)
    for row in rows:
        if row["previous_close"] is not None:
            ratio = Decimal(splits.get((row["symbol"], row["trading_day"]), 1.0))
            row["previous_close"] = round(row["previous_close"] / ratio, 6)
    marks = {day: "high is below low" for day in withheld}
    store(
        lake,
        DAILY_METRICS,
        [{**row, WITHHELD.name: marks.get(row["trading_day"])} for row in metrics(*rows).to_pylist()],
    )
    if stated:
        land(
            lake,
            RAW_ACTIONS,
            [action(day, kind, value, symbol=symbol) for symbol, day, kind, value in stated],
        )


def minute(start: datetime, price: float, volume: int | None = 10, **given: Any) -> Row:
    exact = Decimal(str(price)).quantize(Decimal("0.000001"))
    return {
        "trading_day": start.date(),
        "symbol": "IBM",
        "source": "yahoo",
        "start_time": start,
        "phase": "regular",
        **dict.fromkeys(("open", "high", "low", "close"), exact),
        "volume": None if volume is None else Decimal(volume).quantize(Decimal("0.000001")),
        "vwap": None,
        "trade_count": None,
        "currency": "USD",
        **given,
    }


def store_minutes(lake: str, rows: Iterable[Row]) -> None:
    store(lake, MINUTE_BARS, rows)
