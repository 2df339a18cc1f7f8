"""stage -> columns, types and key of its table.

Belongs here: the shape of every table of the lake, written once; Arrow schemas, Spark DDL, quality suites and the
warehouse's table are derived from it or compared with it.
Does not belong here: how a table is filled.
"""

from __future__ import annotations

from stock_assets.domain.shares import SHARES
from stock_assets.domain.table import Column, Table


def _optional(*columns: Column) -> tuple[Column, ...]:
    """The same columns, nullable: in a raw table a rejected record carries no values."""
    return tuple(Column(c.name, c.type, c.doc, nullable=True) for c in columns)


_LANDING = (
    Column("topic_id", "string", "id of the topic the record came from"),
    Column("kafka_partition", "int32", "partition of the topic"),
    Column("kafka_offset", "int64", "offset of the record; of a gap, its first offset"),
    Column("offset_span", "int64", "offsets this row accounts for: 1, and for a gap its length"),
    Column("kafka_time", "timestamp", "time the broker stored the record, UTC", nullable=True),
    Column("landing_id", "string", "the landing (one commit) that stored the row"),
    Column("rejected_because", "string", "why the record is in quarantine, or 'gap: ...'", nullable=True),
    Column(
        "payload",
        "binary",
        "the record as read, when it was rejected or has fields the schema does not know",
        nullable=True,
    ),
)

SYMBOL = Column("symbol", "string", "ticker symbol")
SOURCE = Column("source", "string", "vendor of the record")
YEAR = Column("year", "int32", "year of the session")
TRADING_DAY = Column("trading_day", "date", "exchange-local date of the session")

RAW_TICKS = Table(
    path="raw/ticks",
    columns=_optional(
        TRADING_DAY,
        Column("phase", "string", "pre, regular, post or overnight, by the clock"),
        SYMBOL,
        Column("event_time", "timestamp", "time of the trade, UTC"),
        Column("price", "float64", "price per share, in currency"),
        Column("currency", "string", "ISO 4217"),
        Column("size", SHARES, "shares of this trade"),
        Column("day_volume", SHARES, "cumulative shares of the session"),
        Column("bid", "float64", "best bid, in currency"),
        Column("ask", "float64", "best ask, in currency"),
        Column("exchange", "string", "market centre, as the vendor codes it"),
        Column("conditions", "list<string>", "sale conditions, as the vendor codes them"),
        Column("sequence", "int64", "the vendor's sequence number"),
        SOURCE,
        Column("event_id", "string", "identity of the trade at its source"),
    )
    + _LANDING,
    key=("topic_id", "kafka_partition", "kafka_offset"),
    partition_by=("trading_day", "kafka_partition"),
)

RAW_BARS = Table(
    path="raw/bars",
    columns=_optional(
        YEAR,
        TRADING_DAY,
        SYMBOL,
        Column("interval", "string", "1d or 1m"),
        Column("start_time", "timestamp", "start of the bar, UTC"),
        Column("open", "float64", "first price, in currency"),
        Column("high", "float64", "highest price, in currency"),
        Column("low", "float64", "lowest price, in currency"),
        Column("close", "float64", "last price, in currency"),
        Column("volume", SHARES, "shares"),
        Column("adj_close", "float64", "the vendor's adjusted close, evidence only"),
        Column("currency", "string", "ISO 4217"),
        Column("price_basis", "string", "as_traded, or split_adjusted as of known_at"),
        Column("final", "bool", "false while the session could still move it"),
        SOURCE,
        Column("known_at", "timestamp", "when the vendor said so, UTC"),
    )
    + _LANDING,
    key=("topic_id", "kafka_partition", "kafka_offset"),
    partition_by=("year",),
)

RAW_ACTIONS = Table(
    path="raw/actions",
    columns=_optional(
        YEAR,
        TRADING_DAY,
        SYMBOL,
        Column("ex_date", "date", "first session that trades without it"),
        Column("kind", "string", "split or dividend"),
        Column("value", "float64", "new shares per old share, or cash per share as traded"),
        Column("currency", "string", "ISO 4217, of a dividend"),
        SOURCE,
        Column("known_at", "timestamp", "when the vendor said so, UTC"),
    )
    + _LANDING,
    key=("topic_id", "kafka_partition", "kafka_offset"),
    partition_by=("year",),
)

_BAR_SOURCE = Column("source", "string", "vendor; with _ticks or _minutes where built here from the vendor's")


def price(name: str, doc: str, nullable: bool = False) -> Column:
    """A column of prices, or of numbers derived from them."""
    return Column(name, "decimal(18,6)", doc, nullable)


MINUTE_BARS = Table(
    path="bars/minute_bars",
    columns=(
        TRADING_DAY,
        SYMBOL,
        _BAR_SOURCE,
        Column("start_time", "timestamp", "start of the minute, UTC"),
        Column("phase", "string", "pre, regular, post or overnight"),
        price("open", "first eligible price, as traded"),
        price("high", "highest eligible price, as traded"),
        price("low", "lowest eligible price, as traded"),
        price("close", "last eligible price, as traded"),
        Column("volume", SHARES, "shares; null where the source gives none", nullable=True),
        price("vwap", "volume-weighted price; null from vendors' bars", nullable=True),
        Column("trade_count", "int64", "trades; null from vendors' bars", nullable=True),
        Column("currency", "string", "ISO 4217"),
    ),
    key=("symbol", "trading_day", "source", "start_time"),
    partition_by=("trading_day",),
    withholds=True,
)

DAILY_BARS = Table(
    path="bars/daily_bars",
    columns=(
        YEAR,
        TRADING_DAY,
        SYMBOL,
        _BAR_SOURCE,
        price("open", "opening print, else first eligible price, as traded"),
        price("high", "highest eligible price, as traded"),
        price("low", "lowest eligible price, as traded"),
        price("close", "closing print, else last eligible price, as traded"),
        Column("volume", SHARES, "shares, as traded; null where unknown", nullable=True),
        price("vwap", "volume-weighted price of the session; null from daily bars alone", nullable=True),
        Column("vwap_from", "string", "ticks or minutes", nullable=True),
        Column("trade_count", "int64", "trades; null from vendors' bars", nullable=True),
        Column("repeats", "int64", "ticks dropped because their event_id came before"),
        Column("currency", "string", "ISO 4217"),
        Column("half_day", "bool", "the session closed at 13:00"),
        Column("no_auction", "bool", "built from minute bars, which omit the auctions"),
        Column("final", "bool", "false while the vendor could still move it"),
        Column("known_at", "timestamp", "newest statement the bar is built from, UTC"),
        Column("revision", "int64", "grows each time a value of the row changes"),
    ),
    key=("symbol", "trading_day", "source"),
    partition_by=("year",),
    withholds=True,
)

DAILY_METRICS = Table(
    path="metrics/daily_metrics",
    columns=(
        YEAR,
        SYMBOL,
        TRADING_DAY,
        Column("source", "string", "source of the session's bar"),
        Column("mixed_sources", "bool", "bars of the last 252 sessions come from more than one source"),
        price("open", "as traded"),
        price("high", "as traded"),
        price("low", "as traded"),
        price("close", "as traded"),
        Column("volume", SHARES, "shares, as traded", nullable=True),
        price("vwap", "as traded", nullable=True),
        price("previous_close", "of the session before, in this session's basis", nullable=True),
        price("change", "close - previous_close", nullable=True),
        price("change_percent", "percent of previous_close", nullable=True),
        price("day_range", "high - low"),
        price("sma_5", "mean close of 5 sessions", nullable=True),
        price("sma_20", "mean close of 20 sessions", nullable=True),
        price("sma_50", "mean close of 50 sessions", nullable=True),
        price("sma_200", "mean close of 200 sessions", nullable=True),
        price("volatility_20", "standard deviation (ddof 1) of 20 log total returns x sqrt(252)", nullable=True),
        price("average_volume_20", "mean shares of 20 sessions, in this session's basis", nullable=True),
        price("rsi_14", "Wilder's relative strength index, 0..100", nullable=True),
        price("macd", "EMA 12 - EMA 26 of close", nullable=True),
        price("macd_signal", "EMA 9 of macd", nullable=True),
        price("macd_histogram", "macd - macd_signal", nullable=True),
        price("bollinger_upper", "sma_20 + 2 standard deviations (ddof 0)", nullable=True),
        price("bollinger_lower", "sma_20 - 2 standard deviations (ddof 0)", nullable=True),
        price("high_52_week", "highest high of 252 sessions, in this session's basis", nullable=True),
        price("low_52_week", "lowest low of 252 sessions, in this session's basis", nullable=True),
        Column("currency", "string", "ISO 4217"),
        Column("bars_used", "int64", "bars of the symbol up to this session"),
        Column("bars_revision", "int64", "newest revision among them"),
        Column(
            "actions_used", "int64", "splits and dividends with ex-date up to this session: number x 10^10 + checksum"
        ),
        Column("revision", "int64", "grows each time a value of the row changes"),
    ),
    key=("symbol", "trading_day"),
    partition_by=("year",),
    withholds=True,
)

DERIVED_TABLES: tuple[Table, ...] = (MINUTE_BARS, DAILY_BARS, DAILY_METRICS)
RAW_TABLES: dict[str, Table] = {"ticks": RAW_TICKS, "bars": RAW_BARS, "actions": RAW_ACTIONS}
