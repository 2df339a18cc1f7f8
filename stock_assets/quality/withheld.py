"""derived tables -> what of them is withheld, in words.

Belongs here: naming withheld rows, and statements that do not count, for people.
Does not belong here: the rules (``domain.rules``), marking (``spark.verdicts``), reading (``lake.tables``).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from stock_assets.domain.table import WITHHELD, Table
from stock_assets.domain.tables import DERIVED_TABLES
from stock_assets.lake.tables import read_withheld
from stock_assets.quality.corrections import restated


def name_row(table: Table, row: Mapping[str, Any]) -> str:
    """One withheld row: symbol, session, what else its key has, and the reason."""
    rest = [str(row[name]) for name in table.key if name not in ("symbol", "trading_day")]
    return f"{' '.join([row['symbol'], str(row['trading_day']), *rest])}: {row[WITHHELD.name]}"


def withheld_texts(lake_root: str, first: date = date.min, last: date = date.max) -> list[str]:
    """One sentence per withheld row of the sessions, and per vendor's statement that gives way to an earlier one."""
    found = [
        f"{table.path} {name_row(table, row)}"
        for table in DERIVED_TABLES
        for row in read_withheld(lake_root, table, first, last).to_pylist()
    ]
    refused = sorted(restated(lake_root, first, last).refused.items(), key=lambda entry: (entry[0][1], entry[0][0]))
    return found + [f"{symbol} {day}: {text}" for (symbol, day), texts in refused for text in texts]
