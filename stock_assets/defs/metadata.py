"""tables and reports -> metadata shown in the UI.

Belongs here: column schemas, previews and small plots. Does not belong here: numbers that decide anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from stock_assets.domain.table import Table

OWNERS = ["team:market-data"]


def definition_metadata(table: Table) -> dict[str, Any]:
    """Column schema and layout of a table, for the asset's definition."""
    columns = [
        dg.TableColumn(
            column.name,
            column.type,
            column.doc,
            dg.TableColumnConstraints(nullable=column.nullable, unique=False),
            tags={"key": ""} if column.name in table.key else {},
        )
        for column in table.stored.columns
    ]
    return {
        "dagster/column_schema": dg.TableSchema(columns),
        "dagster/table_name": table.path,
        "partition_by": ", ".join(table.partition_by),
    }


def markdown_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> dg.MarkdownMetadataValue:
    """Rows as a table; empty text when there are none."""
    if not rows:
        return dg.MetadataValue.md("no rows")
    names = list(columns or rows[0])
    lines = ["| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    lines += ["| " + " | ".join(_cell(row.get(name)) for name in names) + " |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def sparkline(values: Iterable[float | None]) -> str:
    """A plot one line high; None becomes a gap."""
    shown = list(values)
    known = [value for value in shown if value is not None]
    if not known:
        return ""
    low, span = min(known), (max(known) - min(known)) or 1.0
    bars = "▁▂▃▄▅▆▇█"
    return "".join(" " if value is None else bars[min(7, int((value - low) / span * 7.999))] for value in shown)


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value).replace("|", "\\|")
