"""lake and warehouse -> rows and sums, to compare two ways to the same numbers.

Belongs here: counting and adding up, exactly, whatever the order of rows. Does not belong here: what is compared.
"""

from __future__ import annotations

import math
from typing import Any

from stock_assets.domain import tables
from stock_assets.lake.tables import open_table, read_sessions
from stock_assets.settings.platform import Settings
from stock_assets.warehouse.connect import connect

BUILT = (tables.MINUTE_BARS, tables.DAILY_BARS, tables.DAILY_METRICS)
RAW = (tables.RAW_TICKS, tables.RAW_BARS, tables.RAW_ACTIONS)

OF_THE_WAY = ("year", "revision", "bars_revision", "actions_used")
"""How often a row was built, and from which offsets: two ways to the same numbers may differ in these."""

Totals = dict[str, Any]
"""``table`` -> rows, ``table.column`` -> sum."""


def built_totals(lake_root: str) -> Totals:
    """Rows of the built tables, and the sum of each of their numbers."""
    found: Totals = {}
    for table in BUILT:
        rows = read_sessions(lake_root, table, list(table.names))
        found[table.path] = rows.num_rows
        for column in table.columns:
            if column.name in OF_THE_WAY:
                continue
            if column.type in ("int64", "int32", "decimal(18,6)"):
                found[f"{table.path}.{column.name}"] = sum(
                    value for value in rows[column.name].to_pylist() if value is not None
                )
            elif column.type == "float64":
                values = rows[column.name].to_pylist()
                found[f"{table.path}.{column.name}"] = math.fsum(value for value in values if value is not None)
    return found


def raw_totals(lake_root: str) -> Totals:
    """Accepted and rejected rows of the raw tables; offsets differ from broker to broker."""
    found: Totals = {}
    for table in RAW:
        handle = open_table(lake_root, table)
        reasons = [] if handle is None else handle.to_pyarrow_dataset().to_table(columns=["rejected_because"])[0]
        found[table.path] = len(reasons)
        found[f"{table.path}.rejected"] = sum(reason.is_valid for reason in reasons)
    return found


def warehouse_totals(settings: Settings) -> Totals:
    """Rows of DAILY_STOCK_METRICS and the sum of each of its numbers; none when there is no such table yet."""
    from snowflake.connector.errors import ProgrammingError

    place = settings.snowflake
    name = f"{place.database}.{place.schema}.DAILY_STOCK_METRICS"
    numbers = [
        column.name
        for column in tables.DAILY_METRICS.columns
        if column.type in ("int64", "decimal(18,6)") and column.name not in OF_THE_WAY
    ]
    sums = ", ".join(f"SUM({number})" for number in numbers)
    with connect(place) as connection, connection.cursor() as cursor:
        try:
            cursor.execute(f"SELECT COUNT(*), {sums} FROM {name}")
        except ProgrammingError:
            return {"warehouse": 0}
        row = cursor.fetchone()
    assert isinstance(row, tuple)
    return {"warehouse": row[0], **dict(zip((f"warehouse.{number}" for number in numbers), row[1:], strict=True))}


def all_totals(settings: Settings) -> Totals:
    """Everything that must be the same by both ways."""
    root = settings.lake_root
    return {**raw_totals(root), **built_totals(root), **warehouse_totals(settings)}


def differences(one: Totals, other: Totals) -> list[str]:
    """``name: value instead of value`` for each that differs."""
    return [f"{n}: {one.get(n)} instead of {other.get(n)}" for n in {**one, **other} if one.get(n) != other.get(n)]
