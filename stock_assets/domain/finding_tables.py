"""findings -> columns, types and key of their tables.

Belongs here: the shape of the tables that say what is remarkable about prices.
Does not belong here: what can be trusted (``quality_tables``), definitions (``patterns``, ``anomalies``), how these are filled.

delta-rs alone commits to them; a few rows per session, partitioned by year.
"""

from __future__ import annotations

from stock_assets.domain.anomalies import KINDS
from stock_assets.domain.shares import SHARES
from stock_assets.domain.table import Column, Table
from stock_assets.domain.tables import SYMBOL, TRADING_DAY, YEAR, price

PATTERNS = Table(
    path="live/patterns",
    columns=(
        YEAR,
        TRADING_DAY,
        SYMBOL,
        Column("pattern", "string", "name of the pattern; stock_assets/domain/patterns.py defines each"),
        Column("direction", "string", "where the textbook says that prices go: bullish, bearish or neutral"),
    ),
    key=("symbol", "trading_day", "pattern"),
    partition_by=("year",),
)

ANOMALIES = Table(
    path="live/anomalies",
    columns=(
        YEAR,
        TRADING_DAY,
        SYMBOL,
        Column("source", "string", "source of the minute bar"),
        Column("start_time", "timestamp", "start of the minute, UTC"),
        Column("kind", "string", "; ".join(f"{kind}: {text}" for kind, text in KINDS.items())),
        Column("z", "float64", "(value - median) / deviation"),
        Column("value", "float64", "log return over recent volatility; of a block log1p(shares)"),
        Column("median", "float64", "of the values of the same five minutes of the 20 sessions before"),
        Column("mad", "float64", "median absolute deviation from that median"),
        Column("deviation", "float64", "1.4826 x mad, at least one tick (0.01 in price); of a block at least 0.1"),
        Column("n", "int64", "sessions among the 20 that have the five minutes"),
        Column("change_percent", "float64", "percent of the close of the minute before; null without", nullable=True),
        price("close", "of the minute, as traded"),
        Column("volume", SHARES, "shares of the minute; null where unknown", nullable=True),
    ),
    key=("symbol", "trading_day", "source", "start_time"),
    partition_by=("year",),
)

FINDING_TABLES: tuple[Table, ...] = (PATTERNS, ANOMALIES)
