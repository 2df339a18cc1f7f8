"""lake root, table -> Delta table.

Belongs here: opening and creating the lake's tables with delta-rs, and reading them as Arrow; the one way to read derived
tables outside Spark, which keeps withheld rows from who does not ask for them.
Does not belong here: commits to raw tables (``landing``, ``rebuild``); Spark's tables are only read here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.table import WITHHELD, Table
from stock_assets.lake.arrow_files import files_of, that_may_hold
from stock_assets.lake.evolve import conformed, evolve, missing
from stock_assets.lake.store import bucket_exists, create_bucket, is_s3
from stock_assets.lake.versions import as_it_was

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds
    from deltalake import DeltaTable


def table_uri(lake_root: str, table: Table) -> str:
    """Where a table lives."""
    return f"{lake_root.rstrip('/')}/{table.path}"


def open_table(lake_root: str, table: Table) -> DeltaTable | None:
    """A handle on the newest snapshot, or None when the table does not exist yet.

    Raises:
        ValueError: the table may hold withheld rows, and is read with ``read_sessions`` alone.
    """
    if table.withholds:
        raise ValueError(f"{table.path} may hold withheld rows: read it with read_sessions")
    return _open(lake_root, table)


def table_version(lake_root: str, table: Table) -> int | None:
    """Delta version of any table's newest snapshot, or None when it does not exist yet."""
    handle = _open(lake_root, table)
    return None if handle is None else handle.version()


def committed_at(lake_root: str, table: Table) -> datetime | None:
    """When the newest version of any table was committed, or None when it does not exist yet."""
    handle = _open(lake_root, table)
    return None if handle is None else datetime.fromtimestamp(handle.history(1)[0]["timestamp"] / 1000, UTC)


def _open(lake_root: str, table: Table, as_of: datetime | None = None) -> DeltaTable | None:
    from deltalake import DeltaTable

    found = DeltaTable(table_uri(lake_root, table)) if is_table(lake_root, table.path) else None
    return found if found is None or as_of is None else as_it_was(found, table, as_of)


def open_to_write(lake_root: str, table: Table) -> DeltaTable | None:
    """A handle on the newest snapshot of a table that delta-rs writes, in the columns of its definition; None without one.

    Raises:
        TableDiffers: the stored table has other columns.
    """
    found = open_table(lake_root, table)
    return None if found is None else evolve(found, table)


def is_table(lake_root: str, path: str) -> bool:
    """Whether the lake has a table at this path."""
    from deltalake import DeltaTable

    # asked first: delta-rs tries for minutes when the store does not answer, and fails when there is no bucket
    return bucket_exists(lake_root) and DeltaTable.is_deltatable(f"{lake_root.rstrip('/')}/{path}")


def open_or_create_table(lake_root: str, table: Table) -> DeltaTable:
    """A handle on the newest snapshot of a table that delta-rs writes."""
    from deltalake import DeltaTable

    found = open_to_write(lake_root, table)
    if found is not None:
        return found
    uri = table_uri(lake_root, table)
    if is_s3(lake_root):
        create_bucket(lake_root)
    else:
        _make_writable(lake_root, uri)
    DeltaTable.create(
        uri,
        table.arrow_schema(),
        mode="ignore",
        partition_by=list(table.partition_by),
        name=table.path,
        configuration={"delta.deletedFileRetentionDuration": "interval 7 days"},
    )
    return DeltaTable(uri)


def append_rows(lake_root: str, table: Table, rows: Sequence[Mapping[str, Any]]) -> DeltaTable | None:
    """Append rows, in one commit, to a table that delta-rs writes; the handle, None when there were none."""
    import pyarrow as pa

    return append_table(lake_root, table, pa.Table.from_pylist(rows, schema=table.arrow_schema())) if rows else None


def append_table(lake_root: str, table: Table, rows: pa.Table) -> DeltaTable:
    """Append rows with the table's columns, in one commit."""
    from deltalake import write_deltalake

    handle = open_or_create_table(lake_root, table)
    write_deltalake(handle, rows, mode="append")
    return handle


def _make_writable(lake_root: str, uri: str) -> None:
    """Create a table's folder, and see that files can be put there, before delta-rs says so in many words."""
    import os
    from pathlib import Path

    try:
        Path(uri).mkdir(parents=True, exist_ok=True)
    except OSError as refused:
        raise PermanentError(f"The lake at {lake_root} cannot be written: {refused.strerror}; set LAKE_ROOT.") from None
    if not os.access(uri, os.W_OK | os.X_OK):
        raise PermanentError(f"The lake at {lake_root} cannot be written: permission denied at {uri}; set LAKE_ROOT.")


def committed_version(lake_root: str, table: Table, key: str, value: str) -> int | None:
    """Version of the commit whose metadata has ``value`` under ``key``, or None when there is none.

    To be asked after an error: a commit may be stored though its answer was lost, and only the table itself knows.
    """
    handle = open_table(lake_root, table)
    if handle is None:
        return None
    return next((entry["version"] for entry in handle.history(1000) if entry.get(key) == value), None)


def count_rows(lake_root: str, table: Table) -> int:
    """All rows of a table, withheld ones too, by the statistics of its files; 0 when it does not exist yet."""
    handle = _open(lake_root, table)
    return 0 if handle is None else handle.count()


def read_sessions(
    lake_root: str,
    table: Table,
    columns: list[str],
    first: date = date.min,
    last: date = date.max,
    *,
    accepted_only: bool = False,
    withheld_too: bool = False,
    symbols: Collection[str] | None = None,
    days: Collection[date] | None = None,
    as_of: datetime | None = None,
) -> pa.Table:
    """The rows of the sessions from ``first`` to ``last``; no rows when the table does not exist yet.

    Args:
        accepted_only: of a raw table, leave out what is in quarantine.
        withheld_too: of a derived table, all rows; else those that break no critical rule.
        symbols: of these alone.
        days: of these sessions alone.
        as_of: the table as it was at this instant; None for now.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    schema = pa.schema([table.arrow_schema().field(name) for name in columns])
    wanted = of_sessions(table, first, last)
    if symbols is not None:
        wanted &= ds.field("symbol").isin(list(symbols))
    if days is not None:
        wanted &= ds.field("trading_day").isin(list(days))
    if accepted_only:
        wanted &= ds.field("rejected_because").is_null()
    dataset = (_rows if withheld_too else visible_rows)(lake_root, table, as_of, symbols, wanted)
    if dataset is None:
        return schema.empty_table()
    rows = dataset.to_table(columns=[name for name in columns if name in dataset.schema.names], filter=wanted)
    return conformed(rows, schema)


def has_rows(lake_root: str, table: Table, days: Collection[date], **values: str) -> bool:
    """Whether sessions have a row at all, withheld ones too, or one with these values; False without a table or days."""
    import pyarrow.dataset as ds

    dataset = _rows(lake_root, table, None, None, None) if days else None
    if dataset is None:
        return False
    wanted = of_sessions(table, min(days), max(days)) & ds.field("trading_day").isin(list(days))
    for name, value in values.items():
        wanted &= ds.field(name) == value
    return bool(dataset.head(1, columns=["trading_day"], filter=wanted).num_rows)


def is_current(lake_root: str, table: Table) -> bool:
    """Whether there is such a table, in the columns that this release stores.

    Raises:
        TableDiffers: no upgrade leads to these columns.
    """
    handle = _open(lake_root, table)
    return handle is not None and not missing(handle, table.stored)


def visible_rows(
    lake_root: str,
    table: Table,
    as_of: datetime | None = None,
    symbols: Collection[str] | None = None,
    wanted: ds.Expression | None = None,
) -> ds.Dataset | None:
    """A table's rows that no check refused, in the columns that are stored, read only when asked; None without a table.

    Args:
        symbols: leave out what cannot hold a row of these; rows of others may come nevertheless. None for all.
        wanted: with ``symbols``, leave out files in which no row can be so.

    Raises:
        PermanentError: the table as it was at ``as_of`` cannot be read; the text says why.
    """
    import pyarrow.dataset as ds

    dataset = _rows(lake_root, table, as_of, symbols, wanted)
    if dataset is not None and table.withholds and WITHHELD.name in dataset.schema.names:
        return dataset.filter(ds.field(WITHHELD.name).is_null())
    return dataset


def _rows(
    lake_root: str,
    table: Table,
    as_of: datetime | None,
    symbols: Collection[str] | None,
    wanted: ds.Expression | None,
) -> ds.Dataset | None:
    handle = _open(lake_root, table, as_of)
    if handle is None:
        return None
    files = files_of(handle, table)
    return files if symbols is None else that_may_hold(files, handle.table_uri, symbols, wanted)


def of_sessions(table: Table, first: date, last: date) -> ds.Expression:
    """The rows of the sessions from ``first`` to ``last``, in words that rule out whole files of the table."""
    import pyarrow.dataset as ds

    wanted = (ds.field("trading_day") >= first) & (ds.field("trading_day") <= last)
    if "year" in table.partition_by:
        wanted &= (ds.field("year") >= first.year) & (ds.field("year") <= last.year)
    return wanted


def read_withheld(lake_root: str, table: Table, first: date = date.min, last: date = date.max) -> pa.Table:
    """The withheld rows of a derived table's sessions, by session and key: the key, and why they are withheld."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    names = [*dict.fromkeys(("trading_day", *table.key)), WITHHELD.name]
    schema = table.stored.arrow_schema()
    handle = _open(lake_root, table)
    rows = None if handle is None else handle.to_pyarrow_dataset()
    if rows is None or WITHHELD.name not in rows.schema.names:
        return pa.schema([schema.field(name) for name in names]).empty_table()
    wanted = (ds.field("trading_day") >= first) & (ds.field("trading_day") <= last) & ds.field(WITHHELD.name).is_valid()
    return rows.to_table(columns=names, filter=wanted).sort_by([(name, "ascending") for name in names[:-1]])
