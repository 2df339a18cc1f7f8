"""tables and reports -> metadata shown in the UI.

Belongs here: column schemas, layers, previews and small plots. Does not belong here: numbers that decide anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import dagster as dg

from stock_assets.domain.column_origins import COLUMN_ORIGINS, Origins
from stock_assets.domain.table import Table

OWNERS = ["team:market-data"]
LAYERS = {
    "sources": "source", "kafka": "source", "raw": "bronze", "bars": "silver", "metrics": "silver", "quality": "silver",
    "reference": "silver", "live": "silver", "warehouse": "gold", "marts": "gold", "serving": "gold",
}  # fmt: skip
"""How refined a group's tables are: bronze as received, silver computed and judged, gold for analysts."""


def layered(spec: dg.AssetSpec) -> dg.AssetSpec:
    """The asset with its layer as a tag, by which the UI filters."""
    return spec.merge_attributes(tags={"layer": LAYERS[str(spec.group_name)]})


def definition_metadata(table: Table, asset: str = "") -> dict[str, Any]:
    """Column schema, column lineage and layout of a table, for the definition of an asset (by default of the same name)."""
    of_warehouse = asset.startswith("warehouse/")
    origins = COLUMN_ORIGINS.get(asset or table.path, {})
    columns = [
        dg.TableColumn(
            column.name,
            column.type,
            with_origins(column.doc, origins.get(column.name, ())),
            dg.TableColumnConstraints(nullable=column.nullable, unique=False),
            tags={"key": ""} if column.name in table.key else {},
        )
        for column in (table if of_warehouse else table.stored).columns
    ]
    return {
        "dagster/column_schema": dg.TableSchema(columns),
        **column_lineage(origins),
        "dagster/table_name": asset.rpartition("/")[2].upper() if of_warehouse else table.path,
        **({} if of_warehouse else {"partition_by": ", ".join(table.partition_by)}),
    }


def column_lineage(origins: Origins) -> dict[str, Any]:
    """What each column is made from, for other programs that read it; people see it in the columns' descriptions."""
    deps = {
        column: [dg.TableColumnDep(dg.AssetKey(asset.split("/")), name) for asset, name in map(_split, made_from)]
        for column, made_from in origins.items()
        if made_from
    }
    return {"dagster/column_lineage": dg.TableColumnLineage(deps)} if deps else {}


def with_origins(text: str, made_from: Sequence[str]) -> str:
    """A column's description, with what it is made from."""
    return f"{text}{' ' * bool(text)}[from {', '.join(made_from)}]" if made_from else text


def _split(origin: str) -> tuple[str, str]:
    asset, _, column = origin.rpartition(".")
    return asset, column


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
