"""rows of the lake and of the warehouse -> where they differ.

Belongs here: comparing them per session, by counts and exact sums that each side computes itself.
Does not belong here: mending (load.py).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from stock_assets.domain.shares import SHARES
from stock_assets.domain.table import Table
from stock_assets.warehouse.set_up import METRICS

if TYPE_CHECKING:
    import pyarrow as pa
    from snowflake.connector import SnowflakeConnection

TOLD_BY = ("close", "volume", "previous_close")
"""Columns of the metrics whose sums tell whether a session's rows are those of the lake; a build reads no more of them."""
SUMMED = ("int64", "int32", "decimal(18,6)", SHARES)


@dataclass(frozen=True)
class Difference:
    """One number that differs: of a session, ``rows``, or the ``count`` of values or the ``sum`` of a column."""

    trading_day: date
    what: str
    lake: Decimal
    warehouse: Decimal

    def __str__(self) -> str:
        return f"{self.trading_day} {self.what}: lake {self.lake}, warehouse {self.warehouse}"


def differences(
    connection: SnowflakeConnection,
    lake: pa.Table,
    table: Table,
    first_day: date,
    last_day: date,
    *,
    target: str = METRICS,
    columns: Sequence[str] = (),
) -> list[Difference]:
    """Every number that differs between ``lake`` and the warehouse for the sessions of the range; empty when none.

    Args:
        columns: compare these alone; by default all that have sums, less revision numbers, for which no load updates a row.
    """
    columns = list(columns) or [c.name for c in table.columns if c.type in SUMMED and not c.name.endswith("revision")]
    here = _lake_sums(lake, columns, first_day, last_day)
    there = _warehouse_sums(connection, columns, first_day, last_day, target)
    what = ["rows", *(f"{kind} of {name}" for name in columns for kind in ("count", "sum"))]
    nothing = [Decimal(0)] * len(what)
    found = []
    for day in sorted(here.keys() | there.keys()):
        for label, ours, theirs in zip(what, here.get(day, nothing), there.get(day, nothing), strict=True):
            if ours != theirs:
                found.append(Difference(day, label, ours, theirs))
    return found


def altered_sessions(
    connection: SnowflakeConnection, lake: pa.Table, table: Table, loaded: Collection[date], *, target: str = METRICS
) -> list[date]:
    """Sessions of which the warehouse does not hold what the lake does, ascending: emptied, restored, or never loaded there.

    Sessions that the lake neither has rows of nor ever loaded there are somebody else's.

    Args:
        lake: all rows, in TRADING_DAY and the columns of ``TOLD_BY`` at least.
        loaded: sessions that were loaded there, with rows or without.
    """
    found = differences(connection, lake, table, date.min, date.max, target=target, columns=TOLD_BY)
    own = {*loaded, *lake["trading_day"].unique().to_pylist()}
    return sorted({each.trading_day for each in found} & own)


def read_sessions_of_warehouse(
    connection: SnowflakeConnection, table: Table, first_day: date, last_day: date, *, target: str = METRICS
) -> pa.Table:
    """The warehouse's rows of the sessions from ``first_day`` to ``last_day``, in the columns of the lake's table."""
    import pyarrow as pa

    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(table.names)} FROM {target} WHERE TRADING_DAY BETWEEN %s AND %s",
            (first_day.isoformat(), last_day.isoformat()),
        )
        rows = [dict(zip(table.names, row, strict=True)) for row in cursor.fetchall() if isinstance(row, tuple)]
    return pa.Table.from_pylist(rows, schema=table.arrow_schema())


def _lake_sums(lake: pa.Table, columns: list[str], first_day: date, last_day: date) -> dict[date, list[Decimal]]:
    import pyarrow.compute as pc

    day = pc.field("trading_day")
    rows = lake.select(["trading_day", *columns]).filter((day >= first_day) & (day <= last_day))
    wanted = [("trading_day", "count"), *((name, kind) for name in columns for kind in ("count", "sum"))]
    grouped = rows.group_by("trading_day").aggregate(wanted)
    labels = [f"{name}_{kind}" for name, kind in wanted]
    return {row["trading_day"]: [_exact(row[label]) for label in labels] for row in grouped.to_pylist()}


def _warehouse_sums(
    connection: SnowflakeConnection, columns: list[str], first_day: date, last_day: date, target: str
) -> dict[date, list[Decimal]]:
    sums = "".join(f", COUNT({name.upper()}), SUM({name.upper()})" for name in columns)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT TRADING_DAY, COUNT(*){sums} FROM {target} WHERE TRADING_DAY BETWEEN %s AND %s GROUP BY TRADING_DAY",
            (first_day.isoformat(), last_day.isoformat()),
        )
        return {row[0]: [_exact(value) for value in row[1:]] for row in cursor.fetchall() if isinstance(row, tuple)}


def _exact(value: int | Decimal | None) -> Decimal:
    return Decimal(0) if value is None else Decimal(value)
