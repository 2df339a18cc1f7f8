"""what marts need beside metrics -> columns, types and key of its table in the warehouse.

Belongs here: the shape of tables that the warehouse alone has.
Does not belong here: the lake's tables (``tables``), how these are filled (``warehouse``).
"""

from __future__ import annotations

from stock_assets.domain.shares import SHARES
from stock_assets.domain.table import Column, Table
from stock_assets.domain.tables import SYMBOL, TRADING_DAY, price

TRADING_CALENDAR = Table(
    path="warehouse/trading_calendar",
    columns=(
        TRADING_DAY,
        Column("open_time", "timestamp", "start of regular trading, UTC"),
        Column("close_time", "timestamp", "its end, UTC"),
        Column("half_day", "bool", "the session closed at 13:00"),
    ),
    key=("trading_day",),
    partition_by=(),
)

STOCK_ACTIONS = Table(
    path="warehouse/stock_actions",
    columns=(
        SYMBOL,
        Column("vendor", "string", "who states it; 'any' for bars of vendors that state no action of the symbol"),
        Column("ex_date", "date", "first session that trades without it"),
        Column("kind", "string", "split or dividend"),
        Column("value", "float64", "new shares per old share, or cash per share as traded"),
    ),
    key=("symbol", "vendor", "ex_date", "kind"),
    partition_by=(),
)

HOURLY_BARS = Table(
    path="warehouse/stock_hourly_bars",
    columns=(
        TRADING_DAY,
        SYMBOL,
        Column("start_time", "timestamp", "start of the bar, counted from the session's open, UTC"),
        Column("source", "string", "source of the session's minutes, the most trusted that has any"),
        price("open", "first price, as traded"),
        price("high", "highest price, as traded"),
        price("low", "lowest price, as traded"),
        price("close", "last price, as traded"),
        Column("volume", SHARES, "shares; null when a minute gives none", nullable=True),
        Column("minutes", "int64", "minutes that had a bar"),
        Column("currency", "string", "ISO 4217"),
    ),
    key=("symbol", "trading_day", "start_time"),
    partition_by=(),
)

SESSION_COMPLETION = Table(
    path="warehouse/session_completion",
    columns=(
        TRADING_DAY,
        Column("close_time", "timestamp", "end of regular trading, UTC"),
        Column("first_complete_at", "timestamp", "when its data was complete first, UTC", nullable=True),
        Column("minutes_to_complete", "int64", "from the close to then", nullable=True),
        Column("verdict", "string", "met, missed, open, or not judged: it is history that was filled in"),
    ),
    key=("trading_day",),
    partition_by=(),
)
