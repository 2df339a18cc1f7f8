"""a table of the lake -> how large it is.

Belongs here: files, bytes and the newest commit, by the table's log; no data is opened.
Does not belong here: rows (``tables``).
"""

from __future__ import annotations

from dataclasses import dataclass

from stock_assets.domain.table import Table
from stock_assets.lake.tables import is_table, table_uri


@dataclass(frozen=True)
class Size:
    """Files of a table's newest version, their bytes, and seconds of its commit where the engine says so."""

    files: int = 0
    bytes: int = 0
    commit_s: float | None = None


def table_size(lake_root: str, table: Table) -> Size:
    """How large any table is; nothing when it does not exist yet."""
    import pyarrow as pa
    import pyarrow.compute as pc
    from deltalake import DeltaTable

    if not is_table(lake_root, table.path):
        return Size()
    handle = DeltaTable(table_uri(lake_root, table))
    sizes = pa.table(handle.get_add_actions(flatten=True))["size_bytes"]
    told = handle.history(1)[0].get("operationMetrics") or {}
    took = next((told[name] for name in ("execution_time_ms", "executionTimeMs") if told.get(name) is not None), None)
    return Size(len(sizes), pc.sum(sizes).as_py() or 0, None if took is None else float(took) / 1000)
