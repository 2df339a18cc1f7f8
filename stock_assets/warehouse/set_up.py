"""SQL files and the lake's tables -> what a warehouse has before anything is loaded.

Belongs here: who runs which statements: an administrator once (``sql/account``), the loader before each load (``sql/schema``,
and the tables, which are rendered from the lake's; ``sql/load``).
Does not belong here: loading (load.py), and changing a table of an earlier release (evolve.py).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.quality_tables import AVAILABILITY
from stock_assets.domain.stocks import STOCKS
from stock_assets.domain.table import Table
from stock_assets.domain.tables import DAILY_METRICS
from stock_assets.domain.warehouse_tables import HOURLY_BARS, SESSION_COMPLETION, STOCK_ACTIONS, TRADING_CALENDAR
from stock_assets.settings.warehouse import Snowflake
from stock_assets.warehouse.evolve import SQL_TYPES, evolve

if TYPE_CHECKING:
    from snowflake.connector import SnowflakeConnection
    from snowflake.connector.cursor import SnowflakeCursor

METRICS = "DAILY_STOCK_METRICS"
CALENDAR, STOCK_LIST, ACTIONS, AVAILABLE, HOURS, COMPLETION = (
    "TRADING_CALENDAR", "STOCKS", "STOCK_ACTIONS", "STOCK_AVAILABILITY", "STOCK_HOURLY_BARS", "SESSION_COMPLETION"
)  # fmt: skip
TABLES = {
    METRICS: DAILY_METRICS,
    CALENDAR: TRADING_CALENDAR,
    STOCK_LIST: STOCKS,
    ACTIONS: STOCK_ACTIONS,
    AVAILABLE: AVAILABILITY,
    HOURS: HOURLY_BARS,
    COMPLETION: SESSION_COMPLETION,
}
"""Tables of the warehouse, and the lake's tables whose columns they have."""
_SQL = Path(__file__).parent / "sql"


def account_statements(snowflake: Snowflake) -> list[str]:
    """What an administrator runs once: warehouse, database, quota, roles, users of programs.

    Raises:
        PermanentError: a name in the settings is not a plain identifier.
    """
    names = _names(snowflake)
    return [each for file in sorted((_SQL / "account").glob("*.sql")) for each in _statements(file, names)]


def table_statements() -> list[str]:
    """The lake's tables, in whichever schema is in use; existing ones stay as they are."""
    return [create_table(name, table) for name, table in TABLES.items()]


def schema_statements() -> list[str]:
    """What else is in the schema; views are of tables in their present shape."""
    return [each for file in sorted((_SQL / "schema").glob("*.sql")) for each in _statements(file, {})]


def load_statements() -> list[str]:
    """What each load needs beside the tables."""
    return [each for file in sorted((_SQL / "load").glob("*.sql")) for each in _statements(file, {})]


def create_table(name: str, table: Table) -> str:
    """The statement that makes a table with the columns of a lake's table, unless it exists.

    Snowflake keeps the key as a note only: the MERGE of each load is what holds it.
    """
    columns = (f"{c.name.upper()} {SQL_TYPES[c.type]}{'' if c.nullable else ' NOT NULL'}" for c in table.columns)
    key = f"PRIMARY KEY ({', '.join(table.key).upper()})"
    body = ",\n    ".join([*columns, key])
    return f"CREATE TABLE IF NOT EXISTS {name} (\n    {body}\n)"


def set_up(connection: SnowflakeConnection, snowflake: Snowflake) -> None:
    """Use what the settings name, make what of it is missing, and bring up to this release what is older; data stays.

    Raises:
        PermanentError: a name in the settings is not a plain identifier, or something is missing that this user may not make.
        TableDiffers: the table has columns to which no upgrade leads.
    """
    names = _names(snowflake)
    with connection.cursor() as cursor:
        _use_or_make(cursor, f"WAREHOUSE {snowflake.warehouse}", _SQL / "account" / "1_warehouse.sql", names)
        schema = f"SCHEMA {snowflake.database}.{snowflake.schema}"
        _use_or_make(cursor, schema, _SQL / "account" / "2_database.sql", names)
        for statement in table_statements():
            cursor.execute(statement)
        for name, table in TABLES.items():
            evolve(cursor, table, name)
        for statement in schema_statements():
            cursor.execute(statement)


def set_up_account(connection: SnowflakeConnection, snowflake: Snowflake) -> Iterator[str]:
    """Run everything, as an administrator; yields the first line of each statement after it was run.

    Raises:
        PermanentError: as ``set_up``; or a statement was refused.
    """
    from snowflake.connector.errors import ProgrammingError

    for statement in account_statements(snowflake):
        headline = statement.splitlines()[0]
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
        except ProgrammingError as refused:
            raise PermanentError(f"{headline} was refused: {refused.msg}") from refused
        yield headline
    set_up(connection, snowflake)


def table_names(cursor: SnowflakeCursor) -> set[str]:
    """Names of the tables in the schema in use."""
    cursor.execute("SELECT TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = CURRENT_SCHEMA()")
    return {str(row[0]) for row in cursor.fetchall() if isinstance(row, tuple)}


def _use_or_make(cursor: SnowflakeCursor, what: str, file: Path, names: dict[str, str]) -> None:
    """A loader may use what an administrator made, but not make it: even IF NOT EXISTS would be refused."""
    from snowflake.connector.errors import ProgrammingError

    try:
        cursor.execute(f"USE {what}")
        return
    except ProgrammingError:
        pass
    try:
        for statement in _statements(file, names):
            cursor.execute(statement)
        cursor.execute(f"USE {what}")
    except ProgrammingError as refused:
        raise PermanentError(
            f"{what} is missing in the account, or not granted, and this user may not make it: {refused.msg} "
            "An administrator runs `stock-assets warehouse setup` once."
        ) from refused


def _names(snowflake: Snowflake) -> dict[str, str]:
    names = {"warehouse": snowflake.warehouse, "database": snowflake.database, "schema": snowflake.schema}
    for name, value in names.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_$]*", value):
            raise PermanentError(f"SNOWFLAKE_{name.upper()} must be a plain identifier, not {value!r}.")
    return names


def _statements(file: Path, names: dict[str, str]) -> list[str]:
    """The statements of a file, with ``names`` filled in and without comments."""
    lines = (line for line in file.read_text().splitlines() if not line.startswith("--"))
    text = Template("\n".join(lines)).substitute(names)
    return [each.strip() for each in text.split(";") if each.strip()]
