"""the warehouse and the database for BI tools -> the sessions in which they differ.

Belongs here: a digest of each session that the warehouse computes, and what the database says it was filled with.
Does not belong here: copying rows (``load``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from psycopg import sql

from stock_assets.serving.tables import SERVED, Served
from stock_assets.warehouse.audit import WHOLE
from stock_assets.warehouse.set_up import table_names

if TYPE_CHECKING:
    import psycopg
    from snowflake.connector.cursor import SnowflakeCursor

Digests = Mapping[date, tuple[int, Decimal]]
"""Rows of each session, and a sum of their hashes."""


def loaded_last(connection: psycopg.Connection) -> datetime | None:
    """When the last load began; None before the first one."""
    if connection.execute("SELECT to_regclass('serving.loads')").fetchone() == (None,):
        return None
    row = connection.execute("SELECT max(loaded_at) FROM serving.loads").fetchone()
    return row[0] if row else None


def differences(connection: psycopg.Connection, warehouse: SnowflakeCursor) -> dict[str, list[date]]:
    """Sessions whose rows are not those of the warehouse, or are not all there, by table; tables without any are left out."""
    there = table_names(warehouse)
    found = {}
    for served in SERVED:
        if there.issuperset(served.reads):
            now = digests(warehouse, served)
            differ = {*differing(connection, now, served)}
            day = sql.SQL("trading_day" if served.by_year else f"date '{WHOLE}'")
            counted = connection.execute(
                sql.SQL("SELECT {}, count(*) FROM {} GROUP BY 1").format(day, table(served.name))
            ).fetchall()
            held: dict[date, int] = dict(counted)
            differ |= {day for day in now.keys() | held.keys() if now.get(day, (0,))[0] != held.get(day, 0)}
            found[served.name] = sorted(differ)
    return {name: days for name, days in found.items() if days}


def digests(warehouse: SnowflakeCursor, served: Served) -> Digests:
    """What the warehouse holds of each session now."""
    day = "TRADING_DAY" if served.by_year else f"CAST('{WHOLE}' AS DATE)"
    columns = ", ".join(f"Q.{name.upper()}" for name in served.columns)
    warehouse.execute(f"SELECT {day}, COUNT(*), SUM(HASH({columns})) FROM ({served.query}) Q GROUP BY {day}")
    return {row[0]: (int(row[1]), Decimal(row[2])) for row in warehouse.fetchall() if isinstance(row, tuple)}


def differing(connection: psycopg.Connection, now: Digests, served: Served) -> list[date]:
    """Sessions that were not filled with these, ascending."""
    found = connection.execute(
        "SELECT trading_day, row_count, digest FROM serving.loaded_sessions WHERE table_name = %s", (served.name,)
    )
    held: Digests = {day: (int(rows), Decimal(digest)) for day, rows, digest in found.fetchall()}
    return sorted(day for day in now.keys() | held.keys() if now.get(day) != held.get(day))


def table(name: str) -> sql.Identifier:
    """The name of a served table, quoted."""
    return sql.Identifier("serving", name)
