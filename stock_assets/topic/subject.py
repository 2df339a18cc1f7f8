"""record of a topic, good or not -> the symbol and session it is about.

Belongs here: reading from a record, as far as it can be read, what it would have been about.
Does not belong here: whether it is good (``landing.decode``), and what follows for a session (``lake``).
"""

from __future__ import annotations

from datetime import date, datetime

from stock_assets.domain import sessions
from stock_assets.topic.schema_registry import unframed
from stock_assets.topic.topics import ACTIONS, TICKS, Topic

Cell = tuple[str, date]


def cell_of(topic: Topic, payload: bytes | None) -> Cell | None:
    """The symbol and session that a record is about, whether it is good or not; None when it does not say."""
    import msgspec

    try:
        told = msgspec.json.decode(unframed(payload or b""))
        symbol = told["symbol"]
        if topic.stage == TICKS.stage:
            day = datetime.fromtimestamp(told["event_time"] / 1e6, sessions.EXCHANGE_ZONE).date()
        else:
            day = date.fromisoformat(told["ex_date" if topic.stage == ACTIONS.stage else "trading_day"])
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 - a record may hold anything at all; then it tells nothing
        return None
    return (symbol, day) if isinstance(symbol, str) and sessions.is_session(day) else None
