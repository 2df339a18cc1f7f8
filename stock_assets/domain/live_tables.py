"""live stages -> columns, types and key of their tables.

Belongs here: the shape of what the stream of ticks is turned into within a minute. Does not belong here: how (``live``).
"""

from __future__ import annotations

from datetime import timedelta

from stock_assets.domain.shares import SHARES
from stock_assets.domain.table import Column, Table
from stock_assets.domain.tables import MINUTE_BARS, SOURCE, SYMBOL, TRADING_DAY, price

LATENESS = timedelta(minutes=5)
"""How far a tick may come behind the newest one of its partition before it counts as late."""
BAR_MINUTES = 1
WINDOW_MINUTES = (15, 60)

_TOPIC_ID = Column("topic_id", "string", "id of the topic the ticks came from")
_PARTITION = Column("kafka_partition", "int32", "partition of the topic")

INTRADAY_WINDOWS = Table(
    path="live/intraday_windows",
    columns=(
        TRADING_DAY,
        Column("end_hour", "int32", "hour (UTC) in which the window's last minute starts"),
        SYMBOL,
        Column("source", "string", "vendor of the ticks, with _ticks"),
        Column("phase", "string", "pre, regular, post or overnight; no window holds minutes of two"),
        Column("window_minutes", "int32", "length: 1 (the minute's bar itself), 15 or 60"),
        Column("start_time", "timestamp", "start of the first minute, UTC"),
        Column("end_time", "timestamp", "end of the last minute, UTC; excluded"),
        price("open", "open of the first minute with a trade, as traded"),
        price("high", "highest price, as traded"),
        price("low", "lowest price, as traded"),
        price("close", "close of the last minute with a trade, as traded"),
        Column("average_price", "float64", "mean of (high + low + close) / 3 over the minutes with a trade"),
        Column("vwap", "float64", "volume-weighted price; null without volume", nullable=True),
        Column("moving_average", "float64", "mean close of the minutes since the first with a trade, carried forward"),
        Column(
            "volatility",
            "float64",
            "standard deviation (ddof 1) of log returns between neighbouring minutes, per minute; null with fewer than 5 "
            "of them (20 in an hour), or when under half of the minutes have a trade",
            nullable=True,
        ),
        Column("momentum_percent", "float64", "close over open, percent"),
        Column("volume", SHARES, "shares; null where the source gives none", nullable=True),
        Column("trade_count", "int64", "trades; null of feeds that send snapshots", nullable=True),
        Column("minutes_covered", "int32", "minutes with a trade"),
        Column("currency", "string", "ISO 4217"),
        Column("kafka_partition", "int32", "partition of the symbol's ticks"),
        Column("final", "bool", "ends before the partition's newest tick less 5 minutes: only a late tick changes it"),
    ),
    key=("trading_day", "symbol", "source", "phase", "window_minutes", "end_time"),
    partition_by=("trading_day", "end_hour"),
)

LATE_TICKS = Table(
    path="live/late_ticks",
    columns=(
        TRADING_DAY,
        SYMBOL,
        SOURCE,
        _TOPIC_ID,
        _PARTITION,
        Column("kafka_offset", "int64", "offset of the record"),
        Column("event_time", "timestamp", "time of the trade, UTC"),
        Column("kafka_time", "timestamp", "time the broker stored the record, UTC"),
        Column("newest_time", "timestamp", "newest tick of the partition, session and source before it, UTC"),
    ),
    key=("topic_id", "kafka_partition", "kafka_offset"),
    partition_by=("trading_day",),
)

WINDOW_PROGRESS = Table(
    path="live/progress",
    columns=(
        TRADING_DAY,
        SOURCE,
        _TOPIC_ID,
        _PARTITION,
        Column("ticks", "int64", "accepted ticks that the windows hold"),
        Column("next_offset", "int64", "offset after the last of them"),
        Column("newest_time", "timestamp", "their largest min(event_time, kafka_time), UTC"),
        Column("rebuilt_by", "string", "the last rebuild of the session among them", nullable=True),
    ),
    key=("trading_day", "source", "topic_id", "kafka_partition"),
    partition_by=("trading_day",),
)

MINUTES = Table(
    path="",
    columns=(*MINUTE_BARS.columns, _PARTITION),
    key=MINUTE_BARS.key,
    partition_by=(),
)
"""What windows are made of: the bars of single minutes, with the partition of their symbol."""
