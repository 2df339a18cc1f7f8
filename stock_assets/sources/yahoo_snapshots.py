"""a price of Yahoo at a moment -> a tick of a snapshot feed.

Belongs here: what Yahoo's stream and its quotes share: phases, rounding, currencies, and which volume is to be believed.
Does not belong here: how snapshots arrive (``yahoo_stream``, ``yahoo_quotes``), volume per tick (``spark.ticks``).
"""

from __future__ import annotations

from typing import Literal

from stock_assets.domain.errors import BadRecord
from stock_assets.domain.messages import Tick, encode

Phase = Literal["pre", "regular", "post", "extended", "overnight"]
"""Yahoo's word for the market a price is of; the tick carries it as its condition."""

_IN_DOLLARS = frozenset({"NMS", "NGM", "NCM", "NYQ", "NYS", "ASE", "PCX", "BTS", "PNK", "OQB", "OQX", "OEM", "NAS"})
"""Yahoo's codes of the exchanges of the United States: their frames name no currency."""


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
    currency: str | None,
    price_hint: int | None,
    bid: float | None = None,
    ask: float | None = None,
) -> Tick:
    """A checked tick.

    Yahoo computes prices as 32-bit floats: ``price_hint`` is how many of the decimals are meant. ``day_volume`` counts
    in regular hours only: outside of them the volume is unknown, and before the open it would be yesterday's.

    Raises:
        BadRecord: it cannot be a tick; the text names symbol and reason.
    """
    if not currency:
        if exchange not in _IN_DOLLARS:
            raise BadRecord(f"{symbol}: no currency is said, and exchange {exchange} is not known to be one in dollars")
        currency = "USD"
    if time_ms <= 0:
        raise BadRecord(f"{symbol}: no time is said")
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
