"""columns of a stored table, columns of its definition -> what has to change, or why that cannot be.

Belongs here: which differences of a table an upgrade may make good, the same for every owner of tables.
Does not belong here: making them good: ``lake.evolve`` (delta-rs), ``spark.evolve`` and ``warehouse.evolve``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stock_assets.domain.errors import TableDiffers
from stock_assets.domain.shares import SHARES
from stock_assets.domain.table import Column, Table
from stock_assets.domain.tables import RAW_TABLES

WHOLE_SHARES = "int64"
"""The type of sizes and volumes before there were fractions of shares."""
_REMEDY = "move the table away, and it is rebuilt"
_REMEDY_OF_RAW = "put the table back as a release wrote it: nothing else holds what it holds"


@dataclass(frozen=True)
class Evolution:
    """What is missing: nullable columns, and the fractions of numbers of shares."""

    added: tuple[Column, ...]
    widened: tuple[Column, ...]

    def __bool__(self) -> bool:
        return bool(self.added or self.widened)

    def __str__(self) -> str:
        parts = [f"new column{'s' * (len(self.added) > 1)} {_names(self.added)}"] if self.added else []
        return "; ".join([*parts, *([f"{_names(self.widened)} with fractions of shares"] if self.widened else [])])


def evolution(table: Table, stored: Mapping[str, str], where: str) -> Evolution:
    """What to do to a stored table so that it has the columns of ``table``.

    Args:
        stored: its columns and their types, in the words of ``domain.tables``.
        where: the table, as its owner calls it; for the error.

    Raises:
        TableDiffers: it differs in something that no upgrade changes.
    """
    added = tuple(column for column in table.columns if column.name not in stored)
    differing = [column for column in table.columns if stored.get(column.name, column.type) != column.type]
    widened = tuple(c for c in differing if (stored[c.name], c.type) == (WHOLE_SHARES, SHARES))
    faults = [f"it has no column {column.name}" for column in added if not column.nullable]
    faults += [f"its column {c.name} is {stored[c.name]}, not {c.type}" for c in differing if c not in widened]
    faults += [f"its column {name} is not known" for name in stored.keys() - set(table.names)]
    if faults:
        raise TableDiffers(
            f"The table {where} is not as this release of stock_assets writes it: {'; '.join(sorted(faults))}. "
            f"If a newer release wrote it, use that one; else {_REMEDY_OF_RAW if table in RAW_TABLES.values() else _REMEDY}."
        )
    return Evolution(added, widened)


def _names(columns: tuple[Column, ...]) -> str:
    return ", ".join(column.name for column in columns)
