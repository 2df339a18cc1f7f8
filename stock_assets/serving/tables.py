"""tables of the warehouse -> tables for BI tools.

Belongs here: which tables are served, the query that gives the rows of each, and the row of a run, which no warehouse has.
Does not belong here: their columns in PostgreSQL (``migrations``), and copying rows (``load``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from stock_assets.domain.tables import DAILY_METRICS

_PRICES = [
    "symbol",
    "trading_day",
    "present_symbol",
    "source",
    "open",
    "high",
    "low",
    "close",
    "volume",
    "vwap",
    "currency",
    "adjusted_by",
]
_BAR = ("open", "high", "low", "close", "volume", "vwap", "currency")
_METRICS = [
    name
    for name in DAILY_METRICS.names
    if name not in ("year", "source", "mixed_sources", "bars_used", "bars_revision", "actions_used", "revision", *_BAR)
]
_COMPANY = "COALESCE(S.PRESENT_SYMBOL, {of}.SYMBOL)"


@dataclass(frozen=True)
class Served:
    """One table for BI tools.

    Attributes:
        name: in the schema ``serving``.
        columns: of its rows, which the warehouse's query has under the same names.
        query: gives all rows in the warehouse.
        reads: what of the warehouse has to be there.
        by_year: partitioned by year, and replaced session by session; else replaced whole.
    """

    name: str
    columns: tuple[str, ...]
    query: str
    reads: tuple[str, ...]
    by_year: bool = False


@dataclass(frozen=True)
class Run:
    """One of Dagster's runs; instants have a zone, texts are empty where there is nothing to say."""

    run_id: str
    job: str
    status: str
    requested_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    sessions: str
    cause: str


def _plain(name: str, table: str, columns: str, *, by_year: bool = False) -> Served:
    names = tuple(columns.split())
    return Served(name, names, f"SELECT {', '.join(names)} FROM {table}", (table,), by_year)


SERVED = (
    _plain("stocks", "STOCKS", "symbol valid_from valid_to present_symbol name exchange sector industry currency"),
    Served(
        "adjustments",
        ("present_symbol", "vendor", "first_day", "last_day", "split_factor", "dividend_factor"),
        "SELECT A.PRESENT_SYMBOL, A.VENDOR, A.FIRST_DAY, A.LAST_DAY, EXP(A.LOG_SPLITS - T.LOG_SPLITS) AS SPLIT_FACTOR, "
        "EXP(A.LOG_DIVIDENDS - T.LOG_DIVIDENDS) AS DIVIDEND_FACTOR FROM STOCK_ADJUSTMENTS A "
        "JOIN STOCK_ADJUSTMENTS T ON T.PRESENT_SYMBOL = A.PRESENT_SYMBOL AND T.VENDOR = A.VENDOR "
        "WHERE T.FIRST_DAY <= CURRENT_DATE AND T.LAST_DAY >= CURRENT_DATE AND A.FIRST_DAY <= CURRENT_DATE",
        ("STOCK_ACTIONS", "STOCKS", "DAILY_STOCK_METRICS"),
    ),
    Served(
        "daily_prices",
        tuple(_PRICES),
        f"SELECT M.SYMBOL, M.TRADING_DAY, {_COMPANY.format(of='M')} AS PRESENT_SYMBOL, M.SOURCE, M.OPEN, M.HIGH, M.LOW, "
        "M.CLOSE, M.VOLUME, M.VWAP, M.CURRENCY, COALESCE(V.VENDOR, 'any') AS ADJUSTED_BY FROM DAILY_STOCK_METRICS M "
        "LEFT JOIN STOCKS S ON S.SYMBOL = M.SYMBOL AND M.TRADING_DAY BETWEEN S.VALID_FROM AND S.VALID_TO "
        f"LEFT JOIN (SELECT DISTINCT {_COMPANY.format(of='A')} AS PRESENT_SYMBOL, A.VENDOR FROM STOCK_ACTIONS A "
        "LEFT JOIN STOCKS S ON S.SYMBOL = A.SYMBOL AND A.EX_DATE BETWEEN S.VALID_FROM AND S.VALID_TO) V "
        f"ON V.PRESENT_SYMBOL = {_COMPANY.format(of='M')} "
        "AND V.VENDOR = REPLACE(REPLACE(M.SOURCE, '_ticks', ''), '_minutes', '')",
        ("DAILY_STOCK_METRICS", "STOCKS", "STOCK_ACTIONS"),
        by_year=True,
    ),
    _plain("daily_metrics", "DAILY_STOCK_METRICS", " ".join(_METRICS), by_year=True),
    _plain(
        "hourly_bars",
        "STOCK_HOURLY_BARS",
        "symbol trading_day start_time source open high low close volume minutes currency",
        by_year=True,
    ),
    _plain("availability", "STOCK_AVAILABILITY", "symbol trading_day availability because", by_year=True),
    _plain(
        "symbol_performance",
        "MART_SYMBOL_PERFORMANCE",
        "symbol trading_day present_symbol adjusted_close return_1 return_5 return_21 return_63 return_252 return_ytd drawdown",
        by_year=True,
    ),
    _plain(
        "sector_performance",
        "MART_SECTOR_PERFORMANCE",
        "sector trading_day symbols mean_return_1 mean_return_21 mean_return_252 advancers decliners",
    ),
    _plain(
        "market_breadth",
        "MART_MARKET_BREADTH",
        "trading_day symbols advancers decliners unchanged without_previous above_sma_200 new_highs new_lows",
    ),
    Served(
        "session_sla",
        ("trading_day", "close_time", "first_complete_at", "minutes_to_complete", "verdict"),
        "SELECT TRADING_DAY, CLOSE_TIME, FIRST_COMPLETE_AT, MINUTES_TO_COMPLETE, VERDICT FROM SESSION_COMPLETION",
        ("SESSION_COMPLETION",),
    ),
)
"""In the order in which they are loaded."""
