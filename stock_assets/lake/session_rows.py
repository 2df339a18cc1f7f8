"""rows of sessions -> a small table that delta-rs owns.

Belongs here: making the rows of some sessions equal to given ones in one commit, and none when they are.
Does not belong here: what the rows say, raw tables (``landing``), Spark's tables.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

from stock_assets.domain import sessions
from stock_assets.domain.table import Table
from stock_assets.lake.tables import open_or_create_table, open_table

Row = dict[str, Any]
COMPACT_AFTER_FILES = 40


def replace_rows(lake_root: str, table: Table, rows: Iterable[Row], days: Sequence[date]) -> list[date]:
    """Make the rows of these sessions equal to ``rows``; the sessions whose rows were not, ascending.

    Read and written against one snapshot: a second writer is refused by Delta and may simply try again.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds
    from deltalake import write_deltalake

    wanted: dict[date, list[Row]] = defaultdict(list)
    for row in rows:
        wanted[row["trading_day"]].append(row)
    if not days or (not wanted and open_table(lake_root, table) is None):
        return []
    handle = open_or_create_table(lake_root, table)
    within = (ds.field("trading_day") >= min(days)) & (ds.field("trading_day") <= max(days))
    stored: dict[date, list[Row]] = defaultdict(list)
    for row in handle.to_pyarrow_dataset().to_table(columns=list(table.names), filter=within).to_pylist():
        stored[row["trading_day"]].append(row)
    changed = sorted(day for day in set(days) if _values(table, stored[day]) != _values(table, wanted[day]))
    if not changed:
        return []
    replaced = " OR ".join(
        f"(year >= {first.year} AND year <= {last.year} AND trading_day >= '{first}' AND trading_day <= '{last}')"
        for first, last in sessions.contiguous_ranges(changed)
    )
    new = [row for day in changed for row in wanted[day]]
    schema = table.arrow_schema()
    write_deltalake(handle, pa.Table.from_pylist(new, schema=schema), mode="overwrite", predicate=replaced)
    if handle.get_add_actions().num_rows > COMPACT_AFTER_FILES:
        handle.optimize.compact()
    return changed


def _values(table: Table, rows: list[Row]) -> list[tuple[str, ...]]:
    return sorted(tuple(repr(row[name]) for name in table.names) for row in rows)
