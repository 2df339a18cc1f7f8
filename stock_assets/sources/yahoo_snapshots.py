"""a price of Yahoo at a moment -> a tick of a snapshot feed.

Belongs here: what Yahoo's stream and its quotes share: phases, rounding, currencies, and which volume is to be believed.
Does not belong here: how snapshots arrive (``yahoo_stream``, ``yahoo_quotes``), volume per tick (``spark.ticks``).
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from stock_assets.domain.errors import BadRecord
from stock_assets.domain.messages import Tick, encode
from stock_assets.sources.yahoo_exchanges import IN_DOLLARS, check_code, check_zone

Phase = Literal["pre", "regular", "post", "extended", "overnight"]
"""Yahoo's word for the market a price is of; the tick carries it as its condition."""


def snapshot(
    *,
    source: str,
    event_id: str,
    symbol: str,
    price: float,
    time_ms: int,
    phase: Phase,
    day_volume: int | None,
    exchange: str | None,
    zone: str | None,
    currency: str | None,
    price_hint: int | None,
    bid: float | None = None,
    ask: float | None = None,
) -> Tick:
    """A checked tick.

    Yahoo computes prices as 32-bit floats: ``price_hint`` is how many of the decimals are meant. ``day_volume`` counts
    in regular hours only: outside of them the volume is unknown, and before the open it would be yesterday's. ``zone`` is
    the exchange's time zone where Yahoo says it; else ``exchange`` decides whether its days are New York's.

    Raises:
        BadRecord: it cannot be a tick; the text names symbol and reason.
        UnsupportedExchange: its exchange's days are not New York's.
    """
    if not currency:
        if exchange not in IN_DOLLARS:
            raise BadRecord(f"{symbol}: no currency is said, and exchange {exchange} is not known to be one in dollars")
        currency = "USD"
    if time_ms <= 0:
        raise BadRecord(f"{symbol}: no time is said")
    if zone:
        check_zone(symbol, zone, datetime.fromtimestamp(time_ms / 1000, UTC))
    else:
        check_code(symbol, exchange)
    tick = Tick(
        symbol=symbol,
        event_time=time_ms * 1000,
        price=_rounded(price, price_hint),
        currency=currency,
        source=source,
        event_id=event_id,
        day_volume=day_volume if phase == "regular" else None,
        bid=_rounded(bid, price_hint) if bid else None,
        ask=_rounded(ask, price_hint) if ask else None,
        exchange=exchange,
        conditions=[phase],
    )
    encode(tick)
    return tick


def _rounded(price: float, price_hint: int | None) -> float:
    # A hint of nothing cannot be told from no hint.
    return round(price, price_hint) if price_hint else price
