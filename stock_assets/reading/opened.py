"""lake, table -> its rows for readers, read only when asked.

Belongs here: what each table of ``domain.catalog`` is opened from, and its columns as declared, whatever release wrote them.
Does not belong here: choosing rows (``frames``), asking in SQL (``sql``).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from stock_assets.domain.catalog import QUARANTINE, made_by
from stock_assets.domain.errors import PermanentError
from stock_assets.domain.stocks import STOCKS
from stock_assets.domain.table import Table
from stock_assets.domain.tables import RAW_TABLES
from stock_assets.domain.universe import Universe
from stock_assets.lake.engine import type_name
from stock_assets.lake.stocks import listed, stocks
from stock_assets.lake.tables import open_table, visible_rows

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.dataset as ds


def opened(
    lake_root: str,
    universe: Universe | None,
    table: Table,
    as_of: datetime | None = None,
    symbols: Collection[str] | None = None,
    wanted: ds.Expression | None = None,
) -> ds.Dataset:
    """The rows that readers may see: of raw tables the accepted ones, of derived tables those that are not withheld.

    Args:
        as_of: the table as it was at this instant, not for STOCKS and QUARANTINE; None for now.
        symbols, wanted: what need not be among the rows (``lake.tables.visible_rows``).

    Raises:
        PermanentError: the table does not exist yet, or is not kept as it was; the text says what makes it, or why.
    """
    import pyarrow.dataset as ds

    if table is STOCKS:
        return ds.dataset(stocks(lake_root, listed(lake_root, universe)))
    rows = _quarantine(lake_root) if table is QUARANTINE else visible_rows(lake_root, table, as_of, symbols, wanted)
    if rows is None:
        raise PermanentError(f"{table.name} does not exist yet in the lake at {lake_root}: {made_by(table)}.")
    return rows.filter(ds.field("rejected_because").is_null()) if table in RAW_TABLES.values() else rows


def declared(table: Table, stored: pa.Schema) -> str:
    """The table's columns as a list for SELECT: null where an earlier release stored none, decimal where it stored whole numbers."""
    columns = []
    for column, field in zip(table.columns, table.arrow_schema(), strict=True):
        place = stored.get_field_index(column.name)
        if place < 0:
            columns.append(f"CAST(NULL AS {type_name(column.type)}) AS {_quoted(column.name)}")
        elif column.type.startswith("decimal") and stored.field(place).type != field.type:
            columns.append(f"CAST({_quoted(column.name)} AS {type_name(column.type)}) AS {_quoted(column.name)}")
        else:
            columns.append(_quoted(column.name))
    return ", ".join(columns)


def _quoted(name: str) -> str:
    return f'"{name}"'


def _quarantine(lake_root: str) -> ds.Dataset | None:
    import pyarrow as pa
    import pyarrow.dataset as ds

    from stock_assets.raw.quarantine import waiting

    handles = {stage: open_table(lake_root, table) for stage, table in RAW_TABLES.items()}
    if not any(handles.values()):
        return None
    schema = QUARANTINE.arrow_schema()
    parts = [schema.empty_table()]
    for stage, handle in handles.items():
        if handle is not None:
            wanted = {name: ds.field(name) for name in ("kafka_time", "landing_id", "payload")}
            for _, rows in waiting(handle, wanted):
                named = rows.append_column("stage", pa.repeat(stage, rows.num_rows))
                parts.append(named.select(schema.names).cast(schema))
    return ds.dataset(pa.concat_tables(parts))
