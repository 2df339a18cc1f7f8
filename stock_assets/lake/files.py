"""rows of a landing -> Parquet files in the folder of a raw table, and the actions that would add them to it.

Belongs here: how rows become files: one per partition of the table, with the statistics that plans and proofs read.
Does not belong here: the commit (``commit``): a file is part of the table only once a commit names it, and one that no
commit ever named is removed by the next vacuum.

delta-rs could write the rows itself; with pyarrow it takes a third of the processor time, because columns whose values are
all different are not put into a dictionary first, and because rows that come sorted by partition are not sorted again.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from stock_assets.domain.table import Table

if TYPE_CHECKING:
    from deltalake.transaction import AddAction, RemoveAction
    from pyarrow.fs import FileSystem
    from pyarrow.parquet import FileMetaData

_REPEATING = ("phase", "symbol", "currency", "exchange", "source", "interval", "price_basis", "kind", "size")
_CONSTANT = ("topic_id", "landing_id", "offset_span")
_ALIKE = "event_id"
"""Its values differ, but begin as the one before does."""


def write_files(table_uri: str, shape: Table, rows: pa.Table, name: str) -> list[AddAction | RemoveAction]:
    """Write the rows into the folder of the table, and return what a commit has to add.

    Args:
        table_uri: the table's folder.
        shape: the table's columns; ``rows`` has them, in any encoding.
        name: part of the files' names, unique to the caller.
    """
    from deltalake.fs import DeltaStorageHandler
    from pyarrow.fs import PyFileSystem

    folder = PyFileSystem(DeltaStorageHandler(table_uri))
    names = rows.schema.names
    dictionaries = [column for column in (*_REPEATING, *_CONSTANT) if column in names]
    actions: list[AddAction | RemoveAction] = []
    for number, (values, part) in enumerate(_partitions(shape, rows)):
        stored = part.drop_columns(list(shape.partition_by))
        encodings = {f.name: code for f in stored.schema if f.name not in dictionaries and (code := _encoding(f))}
        path = f"{partition_folder(values)}/{name}-{number}.parquet"
        options = {"use_dictionary": dictionaries, "column_encoding": encodings, "store_schema": False}
        actions.append(write_file(folder, path, stored, values, data_change=True, compression="snappy", **options))
    return actions


def write_file(
    folder: FileSystem, path: str, stored: pa.Table, values: Mapping[str, Any], *, data_change: bool, **options: Any
) -> AddAction:
    """Write one file of a table, and return what a commit has to add.

    Args:
        stored: its rows, without the columns that the table is partitioned by.
        values: of those columns.
        options: of ``pyarrow.parquet.write_table``.
    """
    import pyarrow.parquet as pq
    from deltalake.transaction import AddAction

    written: list[FileMetaData] = []
    with folder.open_output_stream(path) as file:
        pq.write_table(stored, file, metadata_collector=written, **options)
        size = file.tell()
    return AddAction(
        path=path,
        size=size,
        partition_values={key: None if value is None else str(value) for key, value in values.items()},
        modification_time=int(time.time() * 1000),
        data_change=data_change,
        stats=json.dumps(statistics(stored, written[0])),
    )


def _encoding(field: pa.Field) -> str | None:
    """How a column without a dictionary is written: offsets and instants ascend, so their differences are small."""
    if pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type):
        return "DELTA_BINARY_PACKED"
    return "DELTA_BYTE_ARRAY" if field.name == _ALIKE else None


def statistics(rows: pa.Table, written: FileMetaData) -> dict[str, Any]:
    """What Delta's log tells of a file: its rows, and the bounds and nulls of every column.

    Of every column: readers of ``deltalake`` pass over a file in whose log entry a bound is missing. They were found
    when the file was written.
    """
    bounds = {name: found for name in rows.schema.names if (found := _bounds(rows, written, name)) is not None}
    return {
        "numRecords": rows.num_rows,
        "minValues": {name: _bound(least, up=False) for name, (least, _) in bounds.items()},
        "maxValues": {name: _bound(greatest, up=True) for name, (_, greatest) in bounds.items()},
        "nullCount": {name: rows[name].null_count for name in rows.schema.names},
    }


def _bounds(rows: pa.Table, written: FileMetaData, name: str) -> tuple[Any, Any] | None:
    """The least and the greatest value of a column; None where it has no bounds."""
    kind = rows.schema.field(name).type
    if pa.types.is_nested(kind) or pa.types.is_binary(kind) or rows[name].null_count == rows.num_rows:
        return None
    at = written.schema.names.index(name)
    groups = [written.row_group(number).column(at) for number in range(written.num_row_groups)]
    found = [group.statistics for group in groups if group.statistics is None or group.statistics.num_values]
    if all(group is not None and group.has_min_max for group in found):
        return min(group.min for group in found), max(group.max for group in found)
    # of a part that holds a text of more than 4 KiB, none are written
    column = rows[name]
    if pa.types.is_dictionary(kind):
        column = pa.chunked_array([chunk.dictionary for chunk in column.chunks], kind.value_type)
    bounds = pc.min_max(column)
    return bounds["min"].as_py(), bounds["max"].as_py()


def _partitions(shape: Table, rows: pa.Table) -> Iterator[tuple[dict[str, Any], pa.Table]]:
    """The rows of each partition of the table, with its values; rows keep their order."""
    found: dict[tuple[Any, ...], list[pa.RecordBatch]] = {}
    for batch in rows.to_batches():
        for values, part in _split(batch, shape.partition_by):
            found.setdefault(values, []).append(part)
    for values, parts in found.items():
        yield dict(zip(shape.partition_by, values, strict=True)), pa.Table.from_batches(parts)


def _split(batch: pa.RecordBatch, columns: tuple[str, ...]) -> Iterator[tuple[tuple[Any, ...], pa.RecordBatch]]:
    """One part per combination of values; a landing's batches hold mostly one."""
    if not batch.num_rows:
        return
    if not columns:
        yield (), batch
        return
    for value in pc.unique(batch[columns[0]]).to_pylist():
        column = batch[columns[0]]
        part = (
            batch
            if column.null_count in (0, len(column)) and len(pc.unique(column)) == 1
            else batch.filter(pc.is_null(column) if value is None else pc.equal(column, pa.scalar(value, column.type)))
        )
        for rest, inner in _split(part, columns[1:]):
            yield (value, *rest), inner


def partition_folder(values: Mapping[str, object]) -> str:
    """Where the files of a partition of the table lie, below its own folder."""
    return "/".join(f"{k}={'__HIVE_DEFAULT_PARTITION__' if v is None else v}" for k, v in values.items())


def _bound(value: Any, *, up: bool) -> Any:
    """A bound as the log spells it: instants have milliseconds there, and shares are doubles; both are rounded outwards."""
    if isinstance(value, Decimal):
        near = float(value)
        inside = near < value if up else near > value
        return math.nextafter(near, math.inf if up else 0.0) if inside else near
    if isinstance(value, date) and not isinstance(value, datetime):
        return value.isoformat()
    if not isinstance(value, datetime):
        return value
    milliseconds, rest = divmod(value.microsecond, 1000)
    moment = value.replace(microsecond=0).timestamp() * 1000 + milliseconds + (1 if up and rest else 0)
    shown = datetime.fromtimestamp(moment / 1000, UTC)
    return shown.strftime("%Y-%m-%dT%H:%M:%S.") + f"{shown.microsecond // 1000:03}Z"
