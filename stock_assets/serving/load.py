"""what differs between the warehouse and the database for BI tools -> rows there, in one transaction.

Belongs here: replacing the sessions that differ. Does not belong here: which differ (``compare``), which tables (``tables``),
their shape (``migrate``), connecting (``connect``).

A load that was missed or killed needs no repair: the next one finds what differs.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import astuple
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from psycopg import sql

from stock_assets.domain.errors import PermanentError
from stock_assets.serving.compare import Digests, differing, digests, table
from stock_assets.serving.tables import SERVED, Run, Served
from stock_assets.warehouse.set_up import table_names

if TYPE_CHECKING:
    import psycopg
    import pyarrow as pa
    from snowflake.connector.cursor import SnowflakeCursor

LOCK = 0x73657276696E67
"""One load at a time."""
ROWS_AT_ONCE = 200_000
"""Rows that are asked of the warehouse in one query."""
ANALYZED_FROM = 50_000
"""Rows from which PostgreSQL's statistics do not wait for its own autovacuum."""


def load(
    connection: psycopg.Connection, warehouse: SnowflakeCursor, runs: Sequence[Run], run_id: str
) -> dict[str, tuple[int, int]]:
    """Make the tables equal to the warehouse's; returns rows written and sessions replaced, by table that changed.

    Readers see all of the load or nothing of it. Tables whose source the warehouse does not have yet stay as they are.

    Args:
        runs: to be added to those that are there.
        run_id: of the run that loads, empty when none.

    Raises:
        PermanentError: not all rows arrived.
        psycopg.Error: the database failed; nothing was changed.
    """
    there = table_names(warehouse)
    changed: dict[str, tuple[int, int]] = {}
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        begun = "INSERT INTO serving.loads (run_id) VALUES (%s) RETURNING load_id"
        ((load_id,),) = connection.execute(begun, (run_id,)).fetchall()
        for served in SERVED:
            if there.issuperset(served.reads) and (done := _load_table(connection, warehouse, served, load_id)):
                changed[served.name] = done
        if told := _keep_runs(connection, runs, load_id):
            changed["runs"] = (told, 0)
        rows = sum(rows for rows, _ in changed.values())
        connection.execute("UPDATE serving.loads SET rows_loaded = %s WHERE load_id = %s", (rows, load_id))
    for name, (rows, _) in changed.items():
        if rows >= ANALYZED_FROM:
            connection.execute(sql.SQL("ANALYZE {}").format(table(name)))
    return changed


def _load_table(
    connection: psycopg.Connection, warehouse: SnowflakeCursor, served: Served, load_id: int
) -> tuple[int, int] | None:
    now = digests(warehouse, served)
    days = differing(connection, now, served)
    if not days:
        return None
    if served.by_year:
        add_years(connection, served, days)
    written = 0
    for some in _chunks(days, now) if served.by_year else [days]:
        copied = _replace(connection, served, some, _rows(warehouse, served, some), load_id)
        wanted = sum(now[day][0] for day in some if day in now)
        if copied != wanted:
            raise PermanentError(f"{copied} of {wanted} rows of serving.{served.name} arrived; nothing was loaded.")
        written += copied
    _record(connection, served, {day: now.get(day) for day in days}, load_id)
    return written, len(days)


def _chunks(days: Sequence[date], now: Digests) -> Iterator[list[date]]:
    some: list[date] = []
    rows = 0
    for day in days:
        some.append(day)
        rows += now.get(day, (0,))[0]
        if rows >= ROWS_AT_ONCE:
            yield some
            some, rows = [], 0
    if some:
        yield some


def _rows(warehouse: SnowflakeCursor, served: Served, days: Sequence[date]) -> Iterator[pa.Table]:
    chosen = ""
    if served.by_year:
        listed = ", ".join(f"'{day}'" for day in days)
        chosen = f" WHERE Q.TRADING_DAY IN ({listed})"
    columns = ", ".join(f"Q.{name.upper()}" for name in served.columns)
    warehouse.execute(f"SELECT {columns} FROM ({served.query}) Q{chosen}")
    yield from warehouse.fetch_arrow_batches()


def _replace(
    connection: psycopg.Connection, served: Served, days: Sequence[date], rows: Iterator[pa.Table], load_id: int
) -> int:
    from pyarrow import csv

    columns = sql.SQL(", ").join(map(sql.Identifier, served.columns))
    target, staged = table(served.name), sql.Identifier(f"staged_{served.name}")
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE {} ON COMMIT DROP AS SELECT {} FROM {} WHERE false").format(
            staged, columns, target
        )
    )
    with connection.cursor() as cursor:
        copy_in = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT csv)").format(staged, columns)
        with cursor.copy(copy_in) as copy:
            for batch in rows:
                text = io.BytesIO()
                csv.write_csv(batch, text, csv.WriteOptions(include_header=False))
                copy.write(text.getbuffer())
        copied = cursor.rowcount
    if served.by_year:
        connection.execute(sql.SQL("DELETE FROM {} WHERE trading_day = ANY(%s)").format(target), (list(days),))
    else:
        connection.execute(sql.SQL("DELETE FROM {}").format(target))
    connection.execute(
        sql.SQL("INSERT INTO {} ({}, load_id) SELECT {}, {} FROM {}").format(
            target, columns, columns, sql.Literal(load_id), staged
        )
    )
    connection.execute(sql.SQL("DROP TABLE {}").format(staged))
    return copied


def _record(
    connection: psycopg.Connection, served: Served, now: Mapping[date, tuple[int, Decimal] | None], load_id: int
) -> None:
    connection.execute(
        "DELETE FROM serving.loaded_sessions WHERE table_name = %s AND trading_day = ANY(%s)", (served.name, list(now))
    )
    held = [(served.name, day, *counted, load_id) for day, counted in now.items() if counted is not None]
    with connection.cursor() as cursor:
        cursor.executemany("INSERT INTO serving.loaded_sessions VALUES (%s, %s, %s, %s, %s)", held)


def add_years(connection: psycopg.Connection, served: Served, days: Sequence[date]) -> None:
    """Partitions that are missing. Attached rather than created in place, which would wait for every reader of the table."""
    for year in sorted({day.year for day in days}):
        name = f"{served.name}_{year}"
        if connection.execute("SELECT to_regclass(%s)", (f"serving.{name}",)).fetchone() != (None,):
            continue
        spans = {
            "part": table(name),
            "whole": table(served.name),
            "first": f"{year}-01-01",
            "end": f"{year + 1}-01-01",
        }
        for statement in (
            "CREATE TABLE {part} (LIKE {whole} INCLUDING ALL)",
            "ALTER TABLE {whole} ATTACH PARTITION {part} FOR VALUES FROM ({first}) TO ({end})",
        ):
            connection.execute(sql.SQL(statement).format(**spans))


def _keep_runs(connection: psycopg.Connection, runs: Sequence[Run], load_id: int) -> int:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO serving.runs VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (run_id) DO UPDATE SET "
            "status = excluded.status, started_at = excluded.started_at, ended_at = excluded.ended_at, "
            "cause = excluded.cause, load_id = excluded.load_id",
            [(*astuple(run), load_id) for run in runs],
        )
    return len(runs)
