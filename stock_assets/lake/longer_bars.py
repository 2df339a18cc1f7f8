"""bars -> longer bars.

Belongs here: the one rule by which bars become a longer one: first open, highest high, lowest low, last close, sum of volumes, all
of ONE source.
Does not belong here: where a bar begins (``domain.bar_sizes``), which rows are summed up (``reading``, ``warehouse``).

Minutes: a company's session has one source, the most trusted that has any. Sessions: a week or month has one source, of those with
most of its sessions the most trusted: a bar that lacks a day may lack its high. A volume is null when one of its parts is, and a
volume-weighted price when a part that traded has none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from stock_assets.domain.bar_sizes import BarSize, phases_of
from stock_assets.domain.table import Column, Table
from stock_assets.domain.tables import DAILY_BARS, MINUTE_BARS, SYMBOL, TRADING_DAY
from stock_assets.lake.engine import literal, literals

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection, DuckDBPyRelation

_PRICED = [c for c in MINUTE_BARS.columns if c.name in ("open", "high", "low", "close", "volume", "vwap", "currency")]
_SOURCE = Column("source", "string", "source of all its parts")

LONGER_MINUTES = Table(
    path="longer/minutes",
    columns=(
        TRADING_DAY,
        SYMBOL,
        Column("start_time", "timestamp", "start of the bar, counted from the start of its phase, UTC"),
        Column("phase", "string", "pre, regular, post or overnight"),
        _SOURCE,
        *_PRICED,
        Column("minutes", "int64", "minutes that had a bar"),
    ),
    key=("symbol", "trading_day", "start_time"),
    partition_by=(),
)
"""What minutes become."""

LONGER_DAYS = Table(
    path="longer/days",
    columns=(
        Column("trading_day", "date", "first session of the bar"),
        SYMBOL,
        _SOURCE,
        *_PRICED,
        Column("sessions", "int64", "sessions that had a bar"),
    ),
    key=("symbol", "trading_day"),
    partition_by=(),
)
"""What sessions become."""

PARTS = {
    "minutes": [*(c.name for c in MINUTE_BARS.columns if c.name != "trade_count")],
    "sessions": [c.name for c in DAILY_BARS.columns if c in _PRICED or c.name in (*DAILY_BARS.key, *LONGER_DAYS.names)],
}
"""Columns that parts must have, beside ``traded_as``, the symbol they are stored under; ``symbol`` is the company's."""


def sum_minutes(
    connection: DuckDBPyConnection,
    minutes: str,
    size: BarSize,
    bar_sources: Sequence[str],
    phases: Sequence[str] = ("regular",),
) -> DuckDBPyRelation:
    """LONGER_MINUTES of the rows of ``minutes``, a table or view of ``connection``; a bar is of one phase.

    Args:
        bar_sources: most trusted first; others come last, by name.
    """
    import pyarrow as pa

    of_phases = f"phase IN ({literals(phases)})"
    days = connection.sql(f"SELECT DISTINCT trading_day FROM {minutes} WHERE {of_phases} ORDER BY 1").fetchall()
    spans = [span._asdict() for (day,) in days for span in phases_of(day)]
    instant = pa.timestamp("us", tz="UTC")
    shape = pa.schema([("trading_day", pa.date32()), ("phase", pa.string()), ("start", instant), ("end", instant)])
    connection.register("phase_spans", pa.Table.from_pylist(spans, schema=shape))
    step = size.count * 60_000_000
    return connection.sql(f"""
        WITH chosen AS (
            SELECT symbol, trading_day, min({_trust(bar_sources)}) AS best
            FROM {minutes} WHERE {of_phases} GROUP BY ALL
        ), placed AS (
            -- what the tape says after the bell belongs to the last bar
            SELECT m.*, s.start + to_microseconds({step} * greatest(0, least(
                (epoch_us(m.start_time) - epoch_us(s.start)) // {step},
                (epoch_us(s.end) - epoch_us(s.start) - 1) // {step}))) AS begins
            FROM {minutes} m
            JOIN chosen c ON c.symbol = m.symbol AND c.trading_day = m.trading_day
                AND c.best.source = m.source AND c.best.traded_as = m.traded_as
            JOIN phase_spans s ON s.trading_day = m.trading_day AND s.phase = m.phase
                AND (m.phase <> 'overnight' OR (m.start_time >= s.start AND m.start_time < s.end))
            WHERE m.{of_phases}
        )
        SELECT trading_day, symbol, begins AS start_time, phase, any_value(source) AS source, {_sums("start_time")},
            count(*) AS minutes
        FROM placed GROUP BY symbol, trading_day, begins, phase ORDER BY symbol, trading_day, begins
    """)


def sum_sessions(
    connection: DuckDBPyConnection, sessions: str, size: BarSize, bar_sources: Sequence[str]
) -> DuckDBPyRelation:
    """LONGER_DAYS of the rows of ``sessions``, a table or view of ``connection``."""
    months = f"(year(trading_day) * 12 + month(trading_day) - 1) // {size.count}"
    bar = "date_trunc('week', trading_day)" if size.unit == "weeks" else months
    return connection.sql(f"""
        WITH parts AS (
            SELECT *, {bar} AS bar FROM {sessions}
            QUALIFY row_number() OVER (PARTITION BY symbol, trading_day, source ORDER BY traded_as) = 1
        ), counted AS (
            SELECT symbol, bar, source, '' AS traded_as, count(*) AS held FROM parts GROUP BY ALL
        ), chosen AS (
            SELECT symbol, bar, min({{'lacks': -held, 'trust': {_trust(bar_sources)}}}) AS best FROM counted GROUP BY ALL
        )
        SELECT min(trading_day) AS trading_day, p.symbol, any_value(p.source) AS source, {_sums("trading_day")},
            count(*) AS sessions
        FROM parts p JOIN chosen c ON c.symbol = p.symbol AND c.bar = p.bar AND c.best.trust.source = p.source
        GROUP BY p.symbol, p.bar ORDER BY p.symbol, 1
    """)


def _trust(bar_sources: Sequence[str]) -> str:
    """Smallest for the most trusted source, as ``domain.reconciliation.trust_rank`` has it, then for the symbol."""
    ranks = " ".join(f"WHEN {literal(source)} THEN {place}" for place, source in enumerate(bar_sources))
    rank = f"CASE source {ranks} ELSE {len(bar_sources)} END" if ranks else "0"
    return f"{{'rank': {rank}, 'source': source, 'traded_as': traded_as}}"


def _sums(order: str) -> str:
    traded = "volume IS NULL OR (volume > 0 AND vwap IS NULL)"
    weighted = "fsum(CAST(vwap AS DOUBLE) * CAST(volume AS DOUBLE)) / nullif(fsum(CAST(volume AS DOUBLE)), 0)"
    return f"""arg_min(open, {order}) AS open, max(high) AS high, min(low) AS low, arg_max(close, {order}) AS close,
            CASE WHEN count(volume) = count(*) THEN CAST(sum(volume) AS DECIMAL(25,6)) END AS volume,
            CASE WHEN count(*) FILTER (WHERE {traded}) = 0 THEN TRY_CAST({weighted} AS DECIMAL(18,6)) END AS vwap,
            arg_min(currency, {order}) AS currency"""
