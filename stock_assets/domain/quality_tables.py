"""judgement -> columns, types and key of its table.

Belongs here: the shape of the tables that say how far the data can be trusted.
Does not belong here: the tables of the data itself (``tables``), how these are filled.

delta-rs alone commits to them; a few rows per session, partitioned by year.
"""

from __future__ import annotations

from stock_assets.domain.shares import SHARES
from stock_assets.domain.table import Column, Table
from stock_assets.domain.tables import SYMBOL, TRADING_DAY, YEAR

RECONCILIATION = Table(
    path="quality/reconciliation",
    columns=(
        YEAR,
        TRADING_DAY,
        SYMBOL,
        Column("first_source", "string", "source of daily bars, the more trusted one"),
        Column("second_source", "string", "source it is compared with"),
        Column("verdict", "string", "agreed, missing, moving (not final yet) or disagree"),
        Column("missing_source", "string", "which of both has no bar", nullable=True),
        Column("first_close", "decimal(18,6)", "close, as traded", nullable=True),
        Column("second_close", "decimal(18,6)", "close, as traded", nullable=True),
        Column("close_bps", "decimal(18,6)", "second less first, in 1/10000 of the larger", nullable=True),
        Column("close_tolerance_bps", "decimal(18,6)", "largest difference that is none"),
        Column("first_volume", SHARES, "shares, as traded", nullable=True),
        Column("second_volume", SHARES, "shares, as traded", nullable=True),
        Column("volume_percent", "decimal(18,6)", "second less first, in percent of the larger", nullable=True),
        Column("volume_tolerance_percent", "decimal(18,6)", "largest difference that is none; wider without auctions"),
    ),
    key=("symbol", "trading_day", "first_source", "second_source"),
    partition_by=("year",),
)

AVAILABILITY = Table(
    path="quality/availability",
    columns=(
        YEAR,
        TRADING_DAY,
        SYMBOL,
        Column(
            "availability", "string", "available, corrected, partial, degraded, missing, or empty (legitimately so)"
        ),
        Column("because", "string", "one sentence, with the numbers"),
        Column("inputs", "string", "the numbers it was judged from"),
    ),
    key=("symbol", "trading_day"),
    partition_by=("year",),
)

EXPECTATIONS = Table(
    path="quality/expectations",
    columns=(
        TRADING_DAY,
        Column("checked_table", "string", "path of the table that was checked"),
        Column("expectation", "string", "Great Expectations' type, and the columns it is about"),
        Column("rows", "int64", "rows of the session that were checked"),
        Column("unexpected_rows", "int64", "rows that break it; null for one of the table as a whole", nullable=True),
        Column("passed", "bool", "whether it holds"),
        Column("checked_at", "timestamp", "when, UTC; the newest of a session counts"),
    ),
    key=("trading_day", "checked_table", "expectation", "checked_at"),
    partition_by=(),
)

QUALITY_TABLES: tuple[Table, ...] = (RECONCILIATION, AVAILABILITY)
