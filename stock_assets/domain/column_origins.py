"""columns of derived tables -> the columns they are made from.

Belongs here: what the stages built by Spark and the warehouse's loads read for each column, one step back.
Does not belong here: the dbt models, whose SQL tells it (``warehouse.column_lineage``).
"""

from __future__ import annotations

from collections.abc import Mapping

from stock_assets.domain.quality_tables import AVAILABILITY
from stock_assets.domain.tables import DAILY_BARS, DAILY_METRICS, MINUTE_BARS

Origins = Mapping[str, tuple[str, ...]]
"""Per column ``asset.column`` of all that it is made from; none for what is counted or computed from nothing."""


def _each(asset: str, *columns: str) -> dict[str, tuple[str, ...]]:
    return {column: (f"{asset}.{column}",) for column in columns}


_PRICES = ("open", "high", "low", "close")
_TICK_PRICE = ("raw/ticks.price", "raw/ticks.conditions")
_TICK_SHARES = ("raw/ticks.size", "raw/ticks.day_volume", "raw/ticks.conditions")
_SPLITS = ("raw/actions.ex_date", "raw/actions.value")

_OF_BOTH: Origins = {
    name: (f"raw/ticks.{name}", f"raw/bars.{name}") for name in ("trading_day", "symbol", "source", "currency")
}
_AS_TRADED: Origins = {
    **{name: (*_TICK_PRICE, f"raw/bars.{name}", *_SPLITS) for name in _PRICES},
    "volume": (*_TICK_SHARES, "raw/bars.volume", *_SPLITS),
    "vwap": ("raw/ticks.price", *_TICK_SHARES),
    "trade_count": ("raw/ticks.event_id",),
}
_CLOSES = ("bars/daily_bars.close", *_SPLITS)
_FROM_CLOSES = (
    "previous_close", "change", "change_percent", "sma_5", "sma_20", "sma_50", "sma_200", "rsi_14", "macd",
    "macd_signal", "macd_histogram", "bollinger_upper", "bollinger_lower", "volatility_20",
)  # fmt: skip

_OF_METRICS: Origins = {
    **_each("bars/daily_bars", "year", "symbol", "trading_day", "source", *_PRICES, "volume", "vwap", "currency"),
    **dict.fromkeys(_FROM_CLOSES, _CLOSES),
    "mixed_sources": ("bars/daily_bars.source",),
    "day_range": ("bars/daily_bars.high", "bars/daily_bars.low"),
    "average_volume_20": ("bars/daily_bars.volume", *_SPLITS),
    "high_52_week": ("bars/daily_bars.high", *_SPLITS),
    "low_52_week": ("bars/daily_bars.low", *_SPLITS),
    "bars_used": ("bars/daily_bars.trading_day",),
    "bars_revision": ("bars/daily_bars.revision",),
    "actions_used": _SPLITS,
    "revision": (),
}
_HOURLY = ("trading_day", "symbol", "source", "start_time", *_PRICES, "volume", "currency")

COLUMN_ORIGINS: Mapping[str, Origins] = {
    MINUTE_BARS.path: {
        **_OF_BOTH,
        **_AS_TRADED,
        "start_time": ("raw/ticks.event_time", "raw/bars.start_time"),
        "phase": ("raw/ticks.phase", "raw/bars.start_time"),
    },
    DAILY_BARS.path: {
        **_OF_BOTH,
        **{name: (*of, f"bars/minute_bars.{name}") for name, of in _AS_TRADED.items()},
        "year": ("raw/ticks.trading_day", "raw/bars.trading_day"),
        "vwap_from": ("raw/ticks.source", "bars/minute_bars.source"),
        "repeats": ("raw/ticks.event_id",),
        "half_day": ("raw/ticks.trading_day", "raw/bars.trading_day"),
        "no_auction": ("bars/minute_bars.source",),
        "final": ("raw/bars.final",),
        "known_at": ("raw/ticks.event_time", "raw/bars.known_at"),
        "revision": (),
    },
    DAILY_METRICS.path: _OF_METRICS,
    "warehouse/daily_stock_metrics": _each(DAILY_METRICS.path, *_OF_METRICS),
    "warehouse/stock_availability": _each(AVAILABILITY.path, *AVAILABILITY.names),
    "warehouse/stock_actions": {
        **_each("raw/actions", "symbol", "ex_date", "kind", "value"),
        "vendor": ("raw/actions.source",),
    },
    "warehouse/stock_hourly_bars": {
        **_each(MINUTE_BARS.path, *_HOURLY),
        "minutes": ("bars/minute_bars.start_time",),
    },
}
"""Per asset that is made of others' columns."""
