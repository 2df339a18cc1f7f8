"""short descriptions of ticks, bars and actions -> rows of the raw tables, as DataFrames or in a lake.

Belongs here: filling in what a test does not care about, and comparing what comes back.
Does not belong here: expected results (``oracle``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
from deltalake import write_deltalake
from pyspark.sql import DataFrame, SparkSession

from stock_assets.domain.sessions import sessions_between
from stock_assets.domain.table import Table

Row = dict[str, Any]
NEW_YORK = ZoneInfo("America/New_York")
LANDING = {"topic_id": "t", "kafka_partition": 0, "offset_span": 1, "landing_id": "l"}


def at(day: date, clock: str) -> datetime:
    """The instant of ``HH:MM[:SS[.ffffff]]`` in New York."""
    return datetime.combine(day, time.fromisoformat(clock), NEW_YORK).astimezone(UTC)


def days(first: str, count: int) -> list[date]:
    """``count`` sessions from ``first``."""
    start = date.fromisoformat(first)
    return sessions_between(start, start + timedelta(days=2 * count + 10))[:count]


def tick(instant: datetime, price: float, size: int | None = 100, **given: Any) -> Row:
    day = instant.astimezone(NEW_YORK).date()
    return {
        "trading_day": day,
        "symbol": "IBM",
        "event_time": instant,
        "price": price,
        "currency": "USD",
        "size": size,
        "conditions": None,
        "source": "simulator",
        "event_id": f"{instant.isoformat()} {given}",
        **given,
    }


def bar(day: date, close: float, **given: Any) -> Row:
    prices = {"open": close, "high": close, "low": close, "close": close}
    return {
        "year": day.year,
        "trading_day": day,
        "symbol": "IBM",
        "interval": "1d",
        "start_time": at(day, "09:30"),
        **prices,
        "volume": 1000,
        "currency": "USD",
        "price_basis": "as_traded",
        "final": True,
        "source": "yahoo",
        "known_at": at(day, "20:00"),
        **given,
    }


def action(ex_date: date, kind: str, value: float, **given: Any) -> Row:
    return {
        "year": ex_date.year,
        "trading_day": ex_date,
        "symbol": "IBM",
        "ex_date": ex_date,
        "kind": kind,
        "value": value,
        "currency": "USD",
        "source": "yahoo",
        "known_at": at(ex_date, "08:00"),
        **given,
    }


def frame(spark: SparkSession, table: Table, rows: Iterable[Row]) -> DataFrame:
    """The rows as a DataFrame of a table; what they lack is null."""
    nullable = pa.schema([field.with_nullable(True) for field in table.arrow_schema()])
    return spark.createDataFrame(pa.Table.from_pylist(list(rows), schema=nullable))


def land(lake: str, table: Table, rows: Sequence[Row]) -> None:
    """Append the rows to a raw table with delta-rs, as the drain does."""
    landed = [{**LANDING, **row, "kafka_offset": n} for n, row in enumerate(rows)]
    arrow = pa.Table.from_pylist(landed, schema=table.arrow_schema())
    write_deltalake(f"{lake}/{table.path}", arrow, mode="append", partition_by=list(table.partition_by))


def rows_of(df: DataFrame, key: Sequence[str]) -> dict[tuple[Any, ...], Row]:
    """The rows by their key, instants in UTC.

    Raises:
        AssertionError: two rows have the same key.
    """
    collected = [_in_utc(row.asDict()) for row in df.collect()]
    by_key = {tuple(row[name] for name in key): row for row in collected}
    assert len(by_key) == len(collected), "two rows with the same key"
    return by_key


def _in_utc(row: Row) -> Row:
    # Spark hands out naive local times, whatever the session's zone.
    return {k: v.astimezone(UTC) if isinstance(v, datetime) else v for k, v in row.items()}


def assert_same(df: DataFrame, expected: Iterable[Row], table: Table, slack: Decimal = Decimal(0)) -> None:
    """Every row and column of ``df`` is as expected; decimals may differ by ``slack``."""
    assert tuple(df.columns) == table.names
    found, wanted = rows_of(df, table.key), {tuple(row[name] for name in table.key): row for row in expected}
    assert found.keys() == wanted.keys()
    wrong = [
        (key, name, value, wanted[key][name])
        for key, row in found.items()
        for name, value in row.items()
        if not _close(value, wanted[key][name], slack)
    ]
    assert not wrong, f"{len(wrong)} differ, the first: {wrong[:5]}"


def _close(found: Any, wanted: Any, slack: Decimal) -> bool:
    if isinstance(found, Decimal) and isinstance(wanted, Decimal):
        return abs(found - wanted) <= slack
    return found == wanted
