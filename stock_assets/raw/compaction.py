"""many small files of a raw table -> few, sorted ones with the same rows.

Belongs here: rewriting the files of one Delta partition by symbol and time, and deleting files that nothing needs.
Does not belong here: Spark's tables (Spark compacts them), the schedule (``defs.maintenance``), the digest.

How it commits, and why. Files are written and read again first; then ONE commit removes the old and adds the new ones,
as actions (``DeltaTable.create_write_transaction``) that change no data, and only if the digest of the rows is the same
before and after. Of the other ways that delta-rs 1.6 offers, tried with a landing between read and commit:
``optimize.z_order`` and ``compact`` let it pass too, but cannot sort by columns in order, cannot be checked before they
commit, and two of them from one snapshot both succeed and DOUBLE the rows (16 became 32); overwriting with a predicate
is refused whenever a landing touched the partition, and counts as a change of data.

No Delta writer checks that a file was removed twice, so whatever removes files from a raw table (this, ``rebuild``)
carries the app transaction ``rewrite`` = n+1 from the snapshot it read: of two, the second is refused. Landings and
redrives only append: they are neither hindered nor lost. Files of an attempt that was not committed are left to
``vacuum``: after a lost answer nobody can be sure that they are not needed.
"""

from __future__ import annotations

import time
import uuid
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.table import Table
from stock_assets.lake.files import partition_folder, write_file
from stock_assets.lake.tables import committed_version, open_table, open_to_write
from stock_assets.lake.transactions import next_rewrite
from stock_assets.raw.row_digest import RowDigest, row_digest

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction

COMPACTION_ID = "stock_assets.compaction_id"
TARGET_BYTES = 128 * 1024 * 1024
LEAST_DAYS = 7
_PREFIX = "compacted-"
_ROW_GROUP = 128 * 1024
_SORTED_BY = ("topic_id", "symbol", "event_time", "start_time", "ex_date", "kafka_partition", "kafka_offset")

Values = tuple[str | None, ...]


@dataclass(frozen=True)
class Compaction:
    """What became of one session's files (of a yearly table: of one year's).

    Attributes:
        done: the files were rewritten; if not, ``reason`` says why.
        rows: rows rewritten.
    """

    done: bool
    reason: str
    rows: int = 0
    files_before: int = 0
    files_after: int = 0


@dataclass(frozen=True)
class _File:
    path: str
    size: int
    values: Values

    @property
    def compaction_id(self) -> str | None:
        name = self.path.rsplit("/", 1)[-1]
        return name.removeprefix(_PREFIX).split("-")[0] if name.startswith(_PREFIX) else None


class _RowsDiffer(Exception):
    """What was written is not what was read."""


def compact(lake_root: str, table: Table, day: date | None, target_bytes: int = TARGET_BYTES) -> Compaction:
    """Rewrite the files of a session; None means the rows without one (rejected records and gaps).

    Of a table partitioned by year, the whole year of ``day`` is rewritten. Holds the rows of one Delta partition in
    memory at a time (measured: about 0.7 KB a row at the peak). A second run does nothing.

    Raises:
        PermanentError: the rows written are not the rows read; nothing was changed.
    """
    from deltalake import CommitProperties
    from deltalake.exceptions import DeltaError
    from deltalake.transaction import RemoveAction

    handle = open_to_write(lake_root, table)
    if handle is None:
        return Compaction(False, "nothing was landed yet")
    unit = _unit(table, day)
    groups = {
        values: loose
        for values, files in _files(handle, table).items()
        if values[0] == unit and (loose := _loose(files, target_bytes))
    }
    if not groups:
        return Compaction(False, "it is compact already, or holds no row")
    compaction_id = uuid.uuid4().hex
    rewrite = next_rewrite(handle)
    # Through the table's own storage, a local folder or an object store.
    snapshot = handle.to_pyarrow_dataset()
    added: list[AddAction] = []
    rows = 0
    for values, files in groups.items():
        try:
            written, digest = _rewrite(snapshot, table, values, files, target_bytes, compaction_id)
        except _RowsDiffer as broken:
            raise PermanentError(f"compaction of {table.path} {day}: {broken}; nothing was changed") from None
        added += written
        rows += digest.rows
    removed = [
        RemoveAction(f.path, False, int(time.time() * 1000), f.size, dict(zip(table.partition_by, values, strict=True)))
        for values, files in groups.items()
        for f in files
    ]
    result = Compaction(True, "compacted", rows, len(removed), len(added))
    try:
        handle.create_write_transaction(
            [*added, *removed],
            "append",
            handle.schema(),
            list(table.partition_by),
            commit_properties=CommitProperties(
                custom_metadata={COMPACTION_ID: compaction_id}, app_transactions=[rewrite]
            ),
        )
    except (DeltaError, OSError) as broken:
        if committed_version(lake_root, table, COMPACTION_ID, compaction_id) is None:
            return Compaction(False, f"another writer was faster, nothing was changed; try again later ({broken})")
    return result


def sessions_to_compact(
    lake_root: str, table: Table, min_files: int, target_bytes: int = TARGET_BYTES
) -> list[date | None]:
    """Sessions with at least ``min_files`` files in one Delta partition that compaction would rewrite.

    From the log alone. None stands for the rows without a session, the first of January for a year.
    """
    handle = open_table(lake_root, table)
    if handle is None:
        return []
    units = {
        values[0] for values, files in _files(handle, table).items() if len(_loose(files, target_bytes)) >= min_files
    }
    return sorted(map(_day, units), key=lambda day: (day is not None, day or date.min))


def vacuum(lake_root: str, table: Table, keep_days: int, *, dry_run: bool = False) -> int:
    """Delete files that no version of the last ``keep_days`` days needs, and return their number.

    Time travel within these days goes on working. Files of attempts that were never committed are deleted too.

    Raises:
        PermanentError: fewer days than the longest run may take.
    """
    if keep_days < LEAST_DAYS:
        raise PermanentError(f"keep at least {LEAST_DAYS} days of old files, not {keep_days}: runs may still read them")
    handle = open_table(lake_root, table)
    if handle is None:
        return 0
    named = handle.vacuum(keep_days * 24, dry_run=True, full=True)
    # delta-rs names a file as long as the log remembers that it was removed, also when it is deleted already.
    there = [found for found in handle.to_pyarrow_dataset().filesystem.get_file_info(named) if found.is_file]
    if there and not dry_run:
        handle.vacuum(keep_days * 24, dry_run=False, full=True)
    return len(there)


def _unit(table: Table, day: date | None) -> str | None:
    if day is None:
        return None
    return str(day.year) if table.partition_by[0] == "year" else day.isoformat()


def _day(unit: str | None) -> date | None:
    if unit is None:
        return None
    return date(int(unit), 1, 1) if unit.isdigit() else date.fromisoformat(unit)


def _files(handle: DeltaTable, table: Table) -> dict[Values, list[_File]]:
    """The snapshot's files per Delta partition."""
    listed = pa.table(handle.get_add_actions(flatten=True))
    found: dict[Values, list[_File]] = defaultdict(list)
    columns = [listed[f"partition.{name}"].cast(pa.string()).to_pylist() for name in table.partition_by]
    for path, size, *values in zip(listed["path"].to_pylist(), listed["size_bytes"].to_pylist(), *columns, strict=True):
        found[tuple(values)].append(_File(path, size, tuple(values)))
    return found


def _loose(files: list[_File], target_bytes: int) -> list[_File]:
    """The files worth rewriting: not the large ones of a compaction, and not what one compaction left alone."""
    loose = [file for file in files if file.compaction_id is None or file.size < target_bytes // 2]
    written_by = {file.compaction_id for file in loose}
    return [] if len(written_by) == 1 and None not in written_by else loose


def _rewrite(
    snapshot: ds.FileSystemDataset,
    table: Table,
    values: Values,
    files: list[_File],
    target_bytes: int,
    compaction_id: str,
) -> tuple[list[AddAction], RowDigest]:
    """Write the rows of one Delta partition's files into new ones, and compare what was written with what was read."""
    rows = _read(snapshot, table, [file.path for file in files])
    before = row_digest(rows)
    rows = rows.sort_by([(name, "ascending") for name in _SORTED_BY if name in rows.column_names])
    row_bytes = sum(file.size for file in files) / max(rows.num_rows, 1)
    folder = partition_folder(dict(zip(table.partition_by, values, strict=True)))
    added: list[AddAction] = []
    for part in _parts(rows, max(1, round(target_bytes / max(row_bytes, 1)))):
        path = f"{folder}/{_PREFIX}{compaction_id}-{len(added):05d}.parquet"
        added.append(_write(snapshot.filesystem, table, part, path, values))
    after = RowDigest()
    for action in added:
        after += _digest_written(snapshot.filesystem, table, action.path, values)
    if before != after:
        raise _RowsDiffer(f"{after.rows} rows were written, {before.rows} read, and their digests differ")
    return added, before


def _parts(rows: pa.Table, at_most: int) -> list[pa.Table]:
    """Even parts of at most so many rows, each of one topic: statistics name the topic of a file."""
    parts, first = [], 0
    for topic in rows["topic_id"].value_counts().sort(order="ascending", by="values").to_pylist():
        count = -(-topic["counts"] // at_most)
        size = -(-topic["counts"] // count)
        end = first + topic["counts"]
        parts += [rows.slice(start, min(size, end - start)) for start in range(first, end, size)]
        first = end
    return parts


def _read(dataset: ds.FileSystemDataset, table: Table, paths: list[str]) -> pa.Table:
    """All columns of these files of the snapshot."""
    wanted = set(paths)
    fragments = [fragment for fragment in dataset.get_fragments() if fragment.path in wanted]
    if len(fragments) != len(wanted):
        raise _RowsDiffer(f"{len(wanted)} files should be read, {len(fragments)} were found")
    return ds.FileSystemDataset(fragments, dataset.schema, dataset.format, dataset.filesystem).to_table(
        columns=list(table.names)
    )


def _write(filesystem: fs.FileSystem, table: Table, rows: pa.Table, path: str, values: Values) -> AddAction:
    stored = rows.drop_columns(list(table.partition_by))
    partition = dict(zip(table.partition_by, values, strict=True))
    options = {"compression": "zstd", "row_group_size": _ROW_GROUP}
    return write_file(filesystem, path, stored, partition, data_change=False, **options)


def _digest_written(filesystem: fs.FileSystem, table: Table, path: str, values: Values) -> RowDigest:
    """The digest of a file's rows, read from the storage again, a part at a time."""
    schema = table.arrow_schema()
    given: dict[str, Any] = {
        name: pa.array([value], pa.string()).cast(schema.field(name).type)[0]
        for name, value in zip(table.partition_by, values, strict=True)
    }
    digest = RowDigest()
    with filesystem.open_input_file(path) as stream:
        for rows in pq.ParquetFile(stream).iter_batches(_ROW_GROUP):
            columns = [
                pa.repeat(given[f.name], rows.num_rows) if f.name in given else rows[f.name].cast(f.type)
                for f in schema
            ]
            digest += row_digest(pa.Table.from_arrays(columns, schema=schema))
    return digest
