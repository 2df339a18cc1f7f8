"""DAILY_STOCK_METRICS as an earlier release made it -> the same rows in the columns of the lake's table.

Belongs here: changing the warehouse's table before a load.
Does not belong here: which changes there are (``domain.evolution``), making the table (``set_up``).

Snowflake changes the precision of a NUMBER, but never its scale: a wider column is a new one that takes over the old one's
values and its name. Each statement of that commits by itself, so that a later run goes on where one was killed: while the old
column has its name, its values count; once it has lost it, all of them are in the new one.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from stock_assets.domain.evolution import evolution
from stock_assets.domain.shares import SHARES
from stock_assets.domain.table import Table

if TYPE_CHECKING:
    from snowflake.connector.cursor import SnowflakeCursor

_TYPES = {
    "TEXT": "string", "VARCHAR": "string", "BOOLEAN": "bool", "DATE": "date", "FLOAT": "float64",
    "TIMESTAMP_NTZ": "timestamp",
}  # fmt: skip
SQL_TYPES = {
    "string": "VARCHAR", "int64": "BIGINT", "int32": "INTEGER", "bool": "BOOLEAN", "date": "DATE", "float64": "FLOAT",
    "timestamp": "TIMESTAMP_NTZ", "decimal(18,6)": "NUMBER(18,6)", SHARES: "NUMBER(25,6)",
}  # fmt: skip
_NEW, _OLD = "_WIDENED", "_NARROW"
"""Endings of the names that a column has for a while."""
_log = logging.getLogger(__name__)


def evolve(cursor: SnowflakeCursor, table: Table, target: str) -> None:
    """Give the warehouse's table ``target`` the columns of the lake's ``table``.

    Raises:
        TableDiffers: it differs in something else.
    """
    stored = _columns(cursor, table, target)
    for column in table.columns:
        name = column.name.upper()
        new, old = name + _NEW, name + _OLD
        if old in stored:  # a run was killed after all values were in the new column
            if new in stored:
                cursor.execute(f"ALTER TABLE {target} RENAME COLUMN {new} TO {name}")
            cursor.execute(f"ALTER TABLE {target} DROP COLUMN {old}")
        elif new in stored:  # or before
            cursor.execute(f"ALTER TABLE {target} DROP COLUMN {new}")
    stored = _columns(cursor, table, target)
    change = evolution(table, {name.lower(): kind for name, kind in stored.items()}, target)
    for column in change.added:
        cursor.execute(f"ALTER TABLE {target} ADD COLUMN {column.name.upper()} {SQL_TYPES[column.type]}")
    for column in change.widened:
        name = column.name.upper()
        cursor.execute(f"ALTER TABLE {target} ADD COLUMN {name}{_NEW} {SQL_TYPES[column.type]}")
        cursor.execute(f"UPDATE {target} SET {name}{_NEW} = {name}")
        cursor.execute(f"ALTER TABLE {target} RENAME COLUMN {name} TO {name}{_OLD}")
        cursor.execute(f"ALTER TABLE {target} RENAME COLUMN {name}{_NEW} TO {name}")
        cursor.execute(f"ALTER TABLE {target} DROP COLUMN {name}{_OLD}")
    if change:
        _log.info("%s has %s now", target, change)


def _columns(cursor: SnowflakeCursor, table: Table, target: str) -> dict[str, str]:
    """Columns and types, in the words of ``domain.tables``; a whole NUMBER is of the type that the lake has, if that is one."""
    cursor.execute(
        "SELECT COLUMN_NAME, DATA_TYPE, NUMERIC_PRECISION, NUMERIC_SCALE FROM INFORMATION_SCHEMA.COLUMNS "
        "WHERE TABLE_SCHEMA = CURRENT_SCHEMA() AND TABLE_NAME = %s",
        (target,),
    )
    whole = {column.name.upper() for column in table.columns if column.type == "int32"}
    found = {}
    for name, kind, precision, scale in (row for row in cursor.fetchall() if isinstance(row, tuple)):
        if kind == "NUMBER":
            found[name] = f"decimal({precision},{scale})" if scale else "int32" if name in whole else "int64"
        else:
            found[name] = _TYPES.get(kind, str(kind).lower())
    return found
