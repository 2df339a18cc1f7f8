"""seed -> good records of a few symbols and sessions, and what is known of each record that is sent.

Belongs here: the fields of good messages, their bytes, and the verdict that a record must get.
Does not belong here: what is wrong with bad ones (``malformed``, ``misstated``).

The fields are written here and not taken from the product's messages: what is proved must not be taken from what is tested.
"""

from __future__ import annotations

import json
import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Body = dict[str, Any]

TICK_SYMBOLS = tuple(f"T{n}" for n in range(6))
BAR_SYMBOLS = tuple(f"B{n}" for n in range(6))
SESSIONS = {
    "2013-11-26": ("14:30", "21:00"),
    "2013-11-27": ("14:30", "21:00"),
    "2013-11-29": ("14:30", "18:00"),
}
"""Session -> its opening and closing time in UTC: the days around Thanksgiving, the last of which is a half day."""
HOLIDAY = "2013-11-28"
NUMBER = {"ticks": "price", "bars": "close", "actions": "value"}
"""The number that each topic's records must have."""
INSTANT = {"ticks": "event_time", "bars": "known_at", "actions": "known_at"}
DAY = {"bars": "trading_day", "actions": "ex_date"}


@dataclass(frozen=True)
class Record:
    """One record, and what must become of it.

    Attributes:
        fields: what its row must say; None when it must be in quarantine.
        reasons: the classes of reason for which it may be in quarantine.
        critical: it is accepted, and what is built from it must be withheld.
        kept: its row must hold its bytes, too, as it says more than the table has columns for.
    """

    kind: str
    value: bytes | None
    fields: Body | None = None
    reasons: tuple[str, ...] = ()
    critical: bool = False
    kept: bool = False


def microseconds(day: str, clock: str) -> int:
    """A time of day in UTC, since 1970."""
    return int(datetime.fromisoformat(f"{day}T{clock}").replace(tzinfo=UTC).timestamp()) * 1_000_000


def as_json(body: Body) -> bytes:
    """The body as most producers write it; a text that begins with @ stands for itself without quotes: how a number is spelled
    may be the point."""
    return re.sub(r'"@([^"]*)"', r"\1", json.dumps(body, separators=(",", ":"))).encode()


class Market:
    """Makes good messages, each unlike all others; what they say follows from the seed.

    Attributes:
        number: of the messages so far.
        owed: symbols, sources and sessions of bars, of which only a broken statement was sent yet.
    """

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.number = 0
        self.owed: list[Body] = []

    def body(self, stage: str, **given: Any) -> Body:
        """A good message of a topic, with these fields instead of its own."""
        self.number += 1
        made = {"ticks": self._tick, "bars": self._bar, "actions": self._action}[stage]()
        return made | given

    def later(self) -> int:
        """An instant after all sessions, and after all that it returned before."""
        return microseconds("2013-12-02", "12:00") + self.number * 1_000_000

    def _tick(self) -> Body:
        day = self.chance.choice(list(SESSIONS))
        opens, closes = (microseconds(day, clock) for clock in SESSIONS[day])
        return {
            "symbol": self.chance.choice(TICK_SYMBOLS),
            "event_time": self.chance.randrange(opens, closes - 10**6) // 10**6 * 10**6 + self.number % 10**6,
            "price": round(self.chance.uniform(90, 110), 2),
            "currency": "USD",
            "source": "simulator",
            "event_id": f"e{self.number}",
            "size": self.chance.randrange(1, 1000),
        }

    def _bar(self) -> Body:
        day, close = self.chance.choice(list(SESSIONS)), round(self.chance.uniform(90, 110), 2)
        return {
            "symbol": self.chance.choice(BAR_SYMBOLS),
            "interval": "1d",
            "trading_day": day,
            "start_time": microseconds(day, "14:30"),
            "open": round(close - 0.5, 2),
            "high": round(close + 1, 2),
            "low": round(close - 1, 2),
            "close": close,
            "volume": self.chance.randrange(1000, 10**6),
            "currency": "USD",
            "price_basis": "as_traded",
            "final": True,
            "source": self.chance.choice(("yahoo", "alpha_vantage")),
            "known_at": self.later(),
        }

    def _action(self) -> Body:
        return {
            "symbol": self.chance.choice(BAR_SYMBOLS),
            "ex_date": self.chance.choice(list(SESSIONS)),
            "kind": "dividend",
            "value": round(self.chance.uniform(0.1, 1), 2),
            "source": "yahoo",
            "known_at": self.later(),
            "currency": "USD",
        }
