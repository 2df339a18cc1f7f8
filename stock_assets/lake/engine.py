"""nothing -> a DuckDB in memory that reaches no file and no network.

Belongs here: how DuckDB is opened, and its words for the types of columns.
Does not belong here: what is asked of it (``lake.longer_bars``, ``reading``).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from functools import cache
from typing import TYPE_CHECKING

from stock_assets.domain.table import Type

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_CLOSED = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    # a query's table must never be a variable of the program
    "python_enable_replacements": "false",
    # the folder for what does not fit into memory stays open to queries, whatever the first setting says
    "temp_directory": "",
}
_TYPES: dict[Type, str] = {
    "string": "VARCHAR",
    "int64": "BIGINT",
    "int32": "INTEGER",
    "bool": "BOOLEAN",
    "timestamp": "TIMESTAMPTZ",
    "float64": "DOUBLE",
    "binary": "BLOB",
    "list<string>": "VARCHAR[]",
}


def connect() -> DuckDBPyConnection:
    """A connection in UTC whose settings cannot be changed any more; it sees what is registered with it, and its own TEMP views."""
    return _database().cursor()


@cache
def _database() -> DuckDBPyConnection:
    """One for the process, empty: to start one takes as long as most answers."""
    import duckdb

    opened = duckdb.connect(config=dict(_CLOSED))
    opened.execute("SET GLOBAL TimeZone = 'UTC'")
    opened.execute("SET lock_configuration = true")
    return opened


def type_name(of: Type) -> str:
    """A column's type in DuckDB's words."""
    return _TYPES.get(of, of.upper())


def literal(value: str | date) -> str:
    """A text or a day as SQL says it."""
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    return "'" + value.replace("'", "''") + "'"


def literals(values: Iterable[str]) -> str:
    """Texts for an ``IN``; never empty."""
    return ", ".join(map(literal, values)) or "NULL"
