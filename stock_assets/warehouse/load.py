"""rows of the lake -> a table of the warehouse.

Belongs here: what a load makes equal to what, by DELETE and MERGE in one transaction. Whatever needs DDL comes before BEGIN,
because DDL commits.
Does not belong here: bringing rows into a staging table (staging.py), connecting (connect.py), the tables (set_up.py), comparing
afterwards (verify.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from types import MappingProxyType
from typing import TYPE_CHECKING

from stock_assets.domain.errors import PermanentError, TransientError
from stock_assets.domain.sessions import sessions_between
from stock_assets.domain.table import Table
from stock_assets.warehouse import audit
from stock_assets.warehouse.audit import Origin, Scope
from stock_assets.warehouse.set_up import METRICS, load_statements
from stock_assets.warehouse.staging import copy_into, drop_abandoned, new_load, staging_table

if TYPE_CHECKING:
    import pyarrow as pa
    from snowflake.connector import SnowflakeConnection
    from snowflake.connector.cursor import SnowflakeCursor


@dataclass(frozen=True)
class LoadReport:
    """Rows of one load. ``staged`` = inserted + updated + unchanged; ``deleted`` were in the warehouse only."""

    staged: int
    inserted: int
    updated: int
    deleted: int
    unchanged: int


def load_range(
    connection: SnowflakeConnection,
    rows: pa.Table,
    table: Table,
    first_day: date,
    last_day: date,
    origin: Origin,
    *,
    target: str = METRICS,
    symbols: Sequence[str] | None = None,
    fingerprints: Mapping[date, str] = MappingProxyType({}),
) -> LoadReport:
    """Make the warehouse's rows of the sessions ``first_day`` to ``last_day`` equal to ``rows``, in one transaction.

    Only rows whose values differ are updated. A row of the range that is not in ``rows`` is deleted; with
    ``symbols``, only if its symbol is one of them. A rerun reports everything unchanged. A failure changes nothing.
    LOAD_AUDIT gets a row per session, in the same transaction.

    Args:
        fingerprints: what of the lake the sessions stand for, for LOAD_AUDIT.

    Raises:
        PermanentError: ``rows`` has a key twice, or a row outside the range, or not all of it arrived.
        TransientError: another load is changing the same rows.
    """
    if rows.num_rows:
        import pyarrow.compute as pc

        found = pc.min_max(rows["trading_day"]).as_py()
        if found["min"] < first_day or found["max"] > last_day:
            raise PermanentError(
                f"Rows of {found['min']} to {found['max']} do not lie within the load's range {first_day} to {last_day}."
            )
    return _load(connection, rows, table, Scope(first_day, last_day), origin, target, symbols, fingerprints)


def load_sessions(
    connection: SnowflakeConnection,
    rows: pa.Table,
    table: Table,
    days: Sequence[date],
    origin: Origin,
    *,
    target: str = METRICS,
) -> LoadReport:
    """As ``load_range`` for sessions that need not follow each other, in one transaction.

    Args:
        rows: of these sessions alone.
        days: ascending, one at least.

    Raises:
        PermanentError: as ``load_range``.
        TransientError: as ``load_range``.
    """
    if others := {*rows["trading_day"].unique().to_pylist()} - {*days}:
        raise PermanentError(f"Rows of {min(others)} are not of the sessions that are to be loaded.")
    follow = list(days) == sessions_between(days[0], days[-1])
    return _load(
        connection, rows, table, Scope(days[0], days[-1], () if follow else tuple(days)), origin, target, None, {}
    )


def load_whole(
    connection: SnowflakeConnection, rows: pa.Table, table: Table, origin: Origin, *, target: str, fingerprint: str
) -> LoadReport:
    """Make the whole table equal to ``rows``, as ``load_range`` does it for a range; LOAD_AUDIT gets one row.

    Raises:
        PermanentError: as ``load_range``.
        TransientError: as ``load_range``.
    """
    return _load(connection, rows, table, Scope(), origin, target, None, {audit.WHOLE: fingerprint})


def _load(
    connection: SnowflakeConnection,
    rows: pa.Table,
    table: Table,
    scope: Scope,
    origin: Origin,
    target: str,
    symbols: Sequence[str] | None,
    fingerprints: Mapping[date, str],
) -> LoadReport:
    ordered = rows.select(list(table.names)).cast(table.arrow_schema())
    _check_key(ordered, table)
    load = new_load()
    staging = staging_table(target, load)
    with connection.cursor() as cursor:
        for statement in load_statements():
            cursor.execute(statement)
        drop_abandoned(cursor, target)
        cursor.execute(f"CREATE TRANSIENT TABLE {staging} AS SELECT * FROM {target} WHERE FALSE")
        try:
            copy_into(cursor, ordered, staging, load)
            with _transaction(cursor):
                before = audit.count_per_session(cursor, target, scope)
                deleted = _delete_absent(cursor, staging, table, target, scope, symbols)
                inserted, updated = _merge(cursor, staging, table, target)
                after = audit.count_per_session(cursor, target, scope)
                audit.record(cursor, target, origin, before, after, fingerprints)
        finally:
            with suppress(Exception):  # it is dropped as abandoned later; what failed before is what matters
                cursor.execute(f"DROP TABLE IF EXISTS {staging}")
    staged = ordered.num_rows
    return LoadReport(staged, inserted, updated, deleted, staged - inserted - updated)


def value_columns(table: Table) -> list[str]:
    """The columns whose difference makes a row an update: neither key nor revision numbers."""
    return [name for name in table.names if name not in table.key and not name.endswith("revision")]


def merge_sql(staging: str, table: Table, target: str = METRICS) -> str:
    """The MERGE statement; null-safe, and without effect on rows whose values are equal."""
    columns = [name.upper() for name in table.names]
    keys = [name.upper() for name in table.key]
    same = " AND ".join(f"t.{name} = s.{name}" for name in keys)
    differs = " OR ".join(f"t.{name.upper()} IS DISTINCT FROM s.{name.upper()}" for name in value_columns(table))
    assigned = ", ".join(f"t.{name} = s.{name}" for name in columns if name not in keys)
    return (
        f"MERGE INTO {target} t USING {staging} s ON {same} "
        f"WHEN MATCHED AND ({differs}) THEN UPDATE SET {assigned} "
        f"WHEN NOT MATCHED THEN INSERT ({', '.join(columns)}) VALUES ({', '.join(f's.{name}' for name in columns)})"
    )


def _check_key(rows: pa.Table, table: Table) -> None:
    keys = rows.select(list(table.key))
    if keys.group_by(list(table.key)).aggregate([]).num_rows < keys.num_rows:
        raise PermanentError(f"{table.path} has more than one row for the same ({', '.join(table.key)}).")


def _delete_absent(
    cursor: SnowflakeCursor,
    staging: str,
    table: Table,
    target: str,
    scope: Scope,
    symbols: Sequence[str] | None,
) -> int:
    same = " AND ".join(f"s.{name.upper()} = {target}.{name.upper()}" for name in table.key)
    chosen, arguments = "", scope.arguments
    if symbols is not None:
        if not symbols:
            return 0
        chosen, arguments = f"AND SYMBOL IN ({', '.join(['%s'] * len(symbols))}) ", [*arguments, *symbols]
    cursor.execute(
        f"DELETE FROM {target} WHERE {scope.sql} {chosen}AND NOT EXISTS (SELECT 1 FROM {staging} s WHERE {same})",
        arguments,
    )
    return cursor.rowcount or 0


def _merge(cursor: SnowflakeCursor, staging: str, table: Table, target: str) -> tuple[int, int]:
    cursor.execute(merge_sql(staging, table, target))
    row = cursor.fetchone()
    if not isinstance(row, tuple):
        raise PermanentError("The warehouse did not say how many rows it merged.")
    return int(row[0]), int(row[1])


@contextmanager
def _transaction(cursor: SnowflakeCursor) -> Iterator[None]:
    cursor.execute("BEGIN")
    try:
        yield
        cursor.execute("COMMIT")
    except BaseException as error:
        with suppress(Exception):  # a lost connection rolls back by itself
            cursor.execute("ROLLBACK")
        if "conflict" in str(error).lower():
            raise TransientError(f"Another load is changing the same rows: {str(error)[:200]}") from error
        raise
