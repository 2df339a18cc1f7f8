"""state -> columns, types and key of its table.

Belongs here: the shape of the tables that say what was done.
Does not belong here: the tables of the data itself (``tables``), how these are filled.
"""

from __future__ import annotations

from stock_assets.domain.table import Column, Table
from stock_assets.domain.tables import TRADING_DAY

BUILT_FROM = Table(
    path="state/built_from",
    columns=(
        Column("stage", "string", "path of the table that was built"),
        TRADING_DAY,
        Column("fingerprint", "string", "what the session's rows were built from"),
        Column("built_at", "timestamp", "when, UTC"),
    ),
    key=("stage", "trading_day"),
    partition_by=(),
)

MILESTONES = Table(
    path="quality/milestones",
    columns=(
        TRADING_DAY,
        Column("milestone", "string", "judged or complete"),
        Column("reached_at", "timestamp", "when first, UTC"),
    ),
    key=("trading_day", "milestone"),
    partition_by=(),
)
