"""seed, vendors' answers -> master data of stocks.

Belongs here: what is known of a stock besides its prices, and which statement about it counts.
Does not belong here: storing statements (``lake.stocks``), asking a vendor (``sources``), which symbols there are (``universe``).
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import Any

from stock_assets.domain.table import Column, Table
from stock_assets.domain.tables import SYMBOL

UNKNOWN = "unknown"
DESCRIBED = ("name", "exchange", "primary_market", "sector", "industry", "currency")
"""What a statement says of a symbol."""
SEED = "seed"

_DESCRIPTION = (
    Column("name", "string", "name of the company"),
    Column("exchange", "string", "where the stock is listed"),
    Column("primary_market", "string", "market identifier code (ISO 10383) of the listing"),
    Column("sector", "string", "sector, as the vendor names it"),
    Column("industry", "string", "industry, as the vendor names it"),
    Column("currency", "string", "ISO 4217"),
)

STOCK_STATEMENTS = Table(
    path="reference/stocks",
    columns=(
        SYMBOL,
        *_DESCRIPTION,
        Column("source", "string", "seed, or the vendor"),
        Column("known_at", "timestamp", "since when we know it, UTC"),
    ),
    key=("symbol", "source", "known_at"),
    partition_by=(),
)

RENAMES = Table(
    path="reference/renames",
    columns=(
        SYMBOL,
        Column("renamed_to", "string", "the symbol under which the company goes on"),
        Column("last_day", "date", "last day under the former symbol"),
        Column("known_at", "timestamp", "since when we know it, UTC"),
    ),
    key=("symbol", "last_day", "known_at"),
    partition_by=(),
)

STOCKS = Table(
    path="warehouse/stocks",
    columns=(
        SYMBOL,
        Column("valid_from", "date", "first day under this symbol; 1900-01-01 where unknown"),
        Column("valid_to", "date", "last day under this symbol; 9999-12-31 while it is used"),
        Column("present_symbol", "string", "symbol under which the company trades now"),
        *_DESCRIPTION,
        Column("source", "string", "who says so: seed, or the vendor"),
        Column("known_at", "timestamp", "since when we know it, UTC; null when nobody says anything", nullable=True),
        Column("renamed_known_at", "timestamp", "since when we know that it was renamed, UTC", nullable=True),
    ),
    key=("symbol", "valid_from"),
    partition_by=(),
)


@cache
def seed() -> dict[str, dict[str, str]]:
    """What this release says of the default symbols, by symbol."""
    text = resources.files("stock_assets.domain").joinpath("stocks.csv").read_text()
    return {row["symbol"]: {name: row[name] for name in DESCRIBED} for row in csv.DictReader(text.splitlines())}


def newest(statements: Iterable[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    """Per symbol the statement that counts: the newest; of equally new ones a vendor's before the seed's."""
    found: dict[str, Mapping[str, Any]] = {}
    for row in sorted(statements, key=lambda row: (row["known_at"], row["source"] != SEED, row["source"])):
        found[row["symbol"]] = row
    return found
