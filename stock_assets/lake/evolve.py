"""table as an earlier release wrote it -> the same rows in the columns of its definition.

Belongs here: changing the tables that delta-rs writes, before anything is written to them.
Does not belong here: which changes there are (``domain.evolution``); Spark's tables and the warehouse have their own.

Columns are added in the log alone. Widening is a rewrite: delta-rs cannot read a column whose files are of two types. It is ONE
commit, which restates the table's app transactions: one from the same snapshot that lands, redrives or rewrites is refused, and
so is this one after it. Offsets, landing ids and transactions stay as they are.
"""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

from stock_assets.domain.errors import IncompleteLanding, LandingConflict
from stock_assets.domain.evolution import Evolution, evolution
from stock_assets.domain.table import Table
from stock_assets.lake.transactions import next_rewrite, offsets_of, redrives_of

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable, Transaction
    from deltalake.transaction import AddAction, RemoveAction

ATTEMPTS = 5
EVOLVED = "stock_assets.evolved"
"""Key in a commit's metadata: what was changed."""
_log = logging.getLogger(__name__)


def evolve(handle: DeltaTable, table: Table) -> DeltaTable:
    """A handle on the newest snapshot, which has the columns of ``table``; ``handle`` itself when it has them already.

    Raises:
        TableDiffers: the stored table differs in something else.
        LandingConflict: others kept committing meanwhile; nothing was changed.
    """
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    for _ in range(ATTEMPTS):
        change = missing(handle, table)
        if not change:
            return handle
        try:
            if change.widened:
                _rewrite(handle, table, change)
            else:
                _add_columns(handle, table, change)
            _log.info("%s has %s now", table.path, change)
        except DeltaError as refused:
            _log.info("%s was not changed: %s", table.path, refused)
        handle = DeltaTable(handle.table_uri)
    raise LandingConflict(f"{table.path} could not get {change}: others committed {ATTEMPTS} times meanwhile")


def missing(handle: DeltaTable, table: Table) -> Evolution:
    """What the stored table lacks of the columns of ``table``, whoever owns it.

    Raises:
        TableDiffers: it differs in something that no upgrade changes.
    """
    return evolution(table, _columns(handle), handle.table_uri)


def conformed(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of ``schema`` in its order and types; those that the rows lack are null."""
    import pyarrow as pa

    wanted = [field.with_nullable(True) for field in schema]
    columns = [
        rows[field.name].cast(field.type) if field.name in rows.column_names else pa.nulls(rows.num_rows, field.type)
        for field in wanted
    ]
    return pa.Table.from_arrays(columns, schema=pa.schema(wanted))


def _columns(handle: DeltaTable) -> dict[str, str]:
    """The stored columns in the words of ``domain.tables``; a type that has none there in delta-rs' own."""
    import pyarrow as pa

    known: dict[pa.DataType, str] = {
        pa.string(): "string", pa.int64(): "int64", pa.int32(): "int32", pa.bool_(): "bool", pa.date32(): "date",
        pa.timestamp("us", tz="UTC"): "timestamp", pa.float64(): "float64", pa.binary(): "binary",
        pa.list_(pa.string()): "list<string>",
    }  # fmt: skip
    stored = pa.schema(handle.schema().to_arrow())
    names = {}
    for field in stored:
        kind = field.type
        if pa.types.is_list(kind):
            kind = pa.list_(kind.value_type)
        named = f"decimal({kind.precision},{kind.scale})" if pa.types.is_decimal(kind) else str(kind)
        names[field.name] = known.get(kind, named)
    return names


def _add_columns(handle: DeltaTable, table: Table, change: Evolution) -> None:
    from deltalake import CommitProperties, Schema

    fields = Schema.from_arrow(table.arrow_schema()).fields
    added = {column.name for column in change.added}
    properties = CommitProperties(custom_metadata={EVOLVED: str(change)})
    handle.alter.add_columns([each for each in fields if each.name in added], commit_properties=properties)


def _rewrite(handle: DeltaTable, table: Table, change: Evolution) -> None:
    """One file at a time, whatever the table's size."""
    import pyarrow as pa
    import pyarrow.dataset as ds
    from deltalake import CommitProperties

    from stock_assets.lake.files import write_file

    suffix = f"-{uuid.uuid4().hex[:12]}.parquet"
    snapshot = handle.to_pyarrow_dataset()
    fragments = {fragment.path: fragment for fragment in snapshot.get_fragments()}
    partition = [f"partition.{name}" for name in table.partition_by]
    written: list[AddAction | RemoveAction] = []
    topics: set[tuple[str, int]] = set()
    for file in pa.table(handle.get_add_actions(flatten=True)).to_pylist():
        alone = ds.FileSystemDataset([fragments[file["path"]]], snapshot.schema, snapshot.format, snapshot.filesystem)
        rows = conformed(alone.to_table(), table.arrow_schema())
        if rows.num_rows != file["num_records"]:
            raise IncompleteLanding(f"{table.path}: {file['path']} has {rows.num_rows} of {file['num_records']} rows")
        topics |= _topics(rows)
        path = file["path"].removesuffix(".parquet") + suffix
        values: dict[str, Any] = dict(zip(table.partition_by, (file[name] for name in partition), strict=True))
        stored = rows.drop_columns(list(table.partition_by))
        written.append(write_file(snapshot.filesystem, path, stored, values, data_change=False, compression="zstd"))
    handle.create_write_transaction(
        written,
        "overwrite",
        table.arrow_schema(),
        list(table.partition_by),
        commit_properties=CommitProperties(
            custom_metadata={EVOLVED: str(change)}, app_transactions=[next_rewrite(handle), *_held(handle, topics)]
        ),
    )


def _topics(rows: pa.Table) -> set[tuple[str, int]]:
    """Topic ids and partitions of a raw table's rows; none of any other."""
    keys = ["topic_id", "kafka_partition"]
    if keys[0] not in rows.column_names:
        return set()
    return {(row[keys[0]], row[keys[1]]) for row in rows.group_by(keys).aggregate([]).to_pylist()}


def _held(handle: DeltaTable, topics: set[tuple[str, int]]) -> list[Transaction]:
    """The transactions of landings and redrives, as they stand."""
    from deltalake import Transaction

    names = [offsets_of(*each) for each in sorted(topics)] + sorted({redrives_of(topic_id) for topic_id, _ in topics})
    versions = ((name, handle.transaction_version(name)) for name in names)
    return [Transaction(name, version) for name, version in versions if version is not None]
