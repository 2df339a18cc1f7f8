"""when data was written and what it reaches to, the exchange's calendar -> how old it is, in words.

Belongs here: the rule by which data counts as current, stale or absent, and whether the market is open. Pure.
Does not belong here: reading (``data``), drawing (``header``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from stock_assets.domain.sessions import (
    CLOSING_PRINT_GRACE,
    EXCHANGE_ZONE,
    all_sessions,
    is_session,
    session,
    session_on_or_before,
    sessions_between,
)
from stock_assets.observability.fact import duration

State = Literal["current", "stale", "empty"]


@dataclass(frozen=True)
class Freshness:
    """How old data is.

    Attributes:
        behind: sessions that are over and newer than the data.
        text: one line, with the newest session and when it was written.
    """

    state: State
    behind: int
    text: str


@dataclass(frozen=True)
class Market:
    """Whether the exchange trades now, and when that changes, in words of New York's time."""

    open: bool
    text: str


def freshness(newest: date | None, written: datetime | None, now: datetime) -> Freshness:
    """How old data is whose newest session is ``newest``, written at ``written``; both are None without data."""
    if newest is None:
        return Freshness("empty", 0, "no data yet")
    behind = len(sessions_between(newest + timedelta(days=1), _last_over(now)))
    age = "" if written is None else f", written {duration((now - written).total_seconds())} ago"
    late = "" if not behind else f", {behind:,} session{'s' * (behind > 1)} behind the exchange"
    return Freshness("stale" if behind else "current", behind, f"newest session {newest:%a %Y-%m-%d}{late}{age}")


def market(now: datetime) -> Market:
    """Whether the regular session goes on at ``now``."""
    local = now.astimezone(EXCHANGE_ZONE)
    if is_session(local.date()):
        today = session(local.date())
        if today.open_time <= now < today.close_time:
            return Market(True, f"market open until {today.close_time.astimezone(EXCHANGE_ZONE):%H:%M} New York")
        if now < today.open_time:
            return Market(False, "market closed, opens today 09:30 New York")
    following = next((day for day in all_sessions() if day > local.date()), None)
    return Market(
        False,
        "market closed"
        if following is None
        else f"market closed, opens {following:%a %b} {following.day} 09:30 New York",
    )


def _last_over(now: datetime) -> date:
    """The newest session that is over, closing prints included."""
    day = session_on_or_before(now.astimezone(EXCHANGE_ZONE).date())
    if now < session(day).close_time + CLOSING_PRINT_GRACE:
        return session_on_or_before(day - timedelta(days=1))
    return day
