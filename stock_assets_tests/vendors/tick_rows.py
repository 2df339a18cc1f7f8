"""ticks -> rows of the raw table, as the oracle of the bars takes them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from stock_assets.domain.messages import Message, Tick
from stock_assets.domain.sessions import EXCHANGE_ZONE

_NAMES = ("symbol", "source", "event_id", "price", "currency", "size", "day_volume", "conditions", "exchange")


def tick_row(tick: Message) -> dict[str, Any]:
    """One tick, accepted."""
    assert isinstance(tick, Tick)
    moment = datetime.fromtimestamp(tick.event_time / 1e6, UTC)
    values = {name: getattr(tick, name) for name in _NAMES}
    return {**values, "event_time": moment, "trading_day": moment.astimezone(EXCHANGE_ZONE).date()}
