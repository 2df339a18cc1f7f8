"""snapshot of a Delta table -> its files, as Arrow reads them.

Belongs here: how the files are reached, and ruling out row groups by the files' own footers, which are remembered.
Does not belong here: opening tables (``tables``), choosing rows.

A footer describes every column of every group: to read those of ten years of 500 symbols takes longer than one symbol's rows. Files
never change once they are written, so that a footer is right for as long as a table names its file.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Collection
from typing import TYPE_CHECKING
from urllib.parse import unquote

from stock_assets.domain.table import Table
from stock_assets.lake.store import is_s3

if TYPE_CHECKING:
    import pyarrow.dataset as ds
    from deltalake import DeltaTable
    from pyarrow import fs

_CHOSEN_BY = ("trading_day", "symbol")
REMEMBERED = 64
"""Files; the footer of a year of 500 symbols takes about 2 MB."""


def files_of(handle: DeltaTable, table: Table) -> ds.FileSystemDataset:
    """All rows. Files are ruled out by what the log says of the columns that rows are chosen by: of all columns, that takes as long
    as reading a symbol's ten years."""
    import pyarrow as pa
    import pyarrow.dataset as ds

    schema = pa.schema(handle.schema().to_arrow())
    told = dict.fromkeys((*table.partition_by, *_CHOSEN_BY))
    by = pa.schema([schema.field(name) for name in told if name in schema.names])
    files = handle.to_pyarrow_dataset(schema=by, filesystem=file_system(handle))
    return ds.FileSystemDataset(list(files.get_fragments()), schema, files.format, files.filesystem)


def file_system(handle: DeltaTable) -> fs.FileSystem | None:
    """How Arrow reads the files of a table in a folder; None for delta-rs' own way.

    That one is called back by Arrow's threads through Python, which costs time, and may abort a process that ends meanwhile.
    """
    from pyarrow import fs

    if is_s3(handle.table_uri):
        return None
    return fs.SubTreeFileSystem(unquote(handle.table_uri.removeprefix("file://")), fs.LocalFileSystem())


def that_may_hold(
    files: ds.FileSystemDataset, folder: str, symbols: Collection[str], wanted: ds.Expression | None
) -> ds.FileSystemDataset:
    """The row groups of the files that may hold rows of the symbols.

    Args:
        folder: where the files are.
        wanted: what rows have to be, to rule out whole files by what the dataset knows of them without opening them; None for all.
    """
    import pyarrow.dataset as ds
    from pyarrow import fs

    # Files that are reached through Python are not kept until the end of the process: it may abort when they are freed as late as that.
    ours = not isinstance(files.filesystem, fs.PyFileSystem)
    named = ds.field("symbol").isin(sorted(symbols))
    found = []
    for fragment in files.get_fragments(named if wanted is None else named & wanted):
        opened = _FOOTERS.of(f"{folder}/{fragment.path}", fragment) if ours else fragment
        groups = opened.subset(named, schema=files.schema)
        if groups.row_groups:
            found.append(groups)
    return ds.FileSystemDataset(found, files.schema, files.format, files.filesystem)


class _Footers:
    """The files that were read last; Arrow keeps a file's footer with it once it was opened."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._files: OrderedDict[str, ds.ParquetFileFragment] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, path: str, file: ds.ParquetFileFragment) -> ds.ParquetFileFragment:
        """The file itself, or as it was opened before."""
        with self._lock:
            known = self._files.setdefault(path, file)
            self._files.move_to_end(path)
            while len(self._files) > self._most:
                self._files.popitem(last=False)
        return known


_FOOTERS = _Footers(REMEMBERED)
