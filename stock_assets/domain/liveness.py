"""when ticks came and of when they are, the exchange's calendar -> what may be said of a feed.

Belongs here: the rule by which a feed is live, delayed, silent, or its market closed. Pure.
Does not belong here: receiving ticks (``live.prices``), how states are shown (``dashboard``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from stock_assets.domain.sessions import EXCHANGE_ZONE, is_session, session

State = Literal["live", "delayed", "silent", "closed", "waiting"]
LIVE_WITHIN_S = 6.0
"""Age up to which a feed's newest trade counts as now, and its silence is none."""


@dataclass(frozen=True)
class Liveness:
    """A state, and a sentence of a few words; only a live feed's has the word ``live``."""

    state: State
    text: str


def liveness(traded: datetime | None, arrived: datetime | None, now: datetime) -> Liveness:
    """What may be said of a feed.

    Args:
        traded: time of its newest trade; None when nothing came yet.
        arrived: when the broker got its last record.
    """
    if traded is None or arrived is None:
        return Liveness("waiting", "no tick yet") if _trades(now) else Liveness("closed", "market closed")
    silent_s = (now - arrived).total_seconds()
    if silent_s <= LIVE_WITHIN_S:
        behind_s = (arrived - traded).total_seconds()
        if behind_s <= LIVE_WITHIN_S:
            return Liveness("live", "live")
        return Liveness("delayed", f"delayed by {_duration(behind_s)}")
    if _trades(now):
        return Liveness("silent", f"silent: no tick for {_duration(silent_s)}")
    return Liveness("closed", f"market closed, last tick {_duration(silent_s)} ago")


def _trades(now: datetime) -> bool:
    """Whether the exchange trades, before and after its regular hours included."""
    day = now.astimezone(EXCHANGE_ZONE).date()
    return is_session(day) and session(day).pre_open_time <= now < session(day).post_close_time


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
