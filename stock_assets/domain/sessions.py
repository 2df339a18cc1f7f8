"""calendar day -> trading session of the exchange.

Belongs here: which days are sessions, when they open and close, and the phase of an instant. The days come from
``nyse_sessions.json`` (New York Stock Exchange, generated; a test compares it with ``exchange_calendars``, whose import
would cost every process 1.3 s).
Does not belong here: partitions (``defs``) and arrays of instants (``session_index``).
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from importlib import resources
from zoneinfo import ZoneInfo

from stock_assets.domain.errors import NoSession

EXCHANGE_ZONE = ZoneInfo("America/New_York")
PRE_OPEN = time(4, 0)
OPEN = time(9, 30)
CLOSE = time(16, 0)
HALF_DAY_CLOSE = time(13, 0)
POST_CLOSE = time(20, 0)

CLOSING_PRINT_GRACE = timedelta(minutes=15)
"""How long after the close a closing print still belongs to the regular session (New York's arrive 47-64 s after)."""

PHASES = ("overnight", "pre", "regular", "post")
"""Phases of an exchange-local day; ``overnight`` is what is before 04:00 and from 20:00 on."""


@dataclass(frozen=True)
class Calendar:
    """Days without a session, known from ``first`` to ``last``."""

    first: date
    last: date
    holidays: frozenset[date]
    half_days: frozenset[date]


@dataclass(frozen=True)
class Session:
    """One trading session; its times are UTC."""

    day: date
    pre_open_time: datetime
    open_time: datetime
    close_time: datetime
    post_close_time: datetime
    half_day: bool


@cache
def calendar() -> Calendar:
    """The calendar of the exchange."""
    stored = json.loads(resources.files(__package__).joinpath("nyse_sessions.json").read_text())
    return Calendar(
        first=date.fromisoformat(stored["first"]),
        last=date.fromisoformat(stored["last"]),
        holidays=frozenset(map(date.fromisoformat, stored["holidays"])),
        half_days=frozenset(map(date.fromisoformat, stored["half_days"])),
    )


def is_session(day: date) -> bool:
    """Whether the exchange trades on ``day``; False outside the known calendar."""
    known = calendar()
    return known.first <= day <= known.last and day.weekday() < 5 and day not in known.holidays


def session(day: date) -> Session:
    """The session of ``day``.

    Raises:
        NoSession: the exchange is closed that day, or the day is outside the known calendar.
    """
    if not is_session(day):
        known = calendar()
        beyond = "" if known.first <= day <= known.last else f": sessions are known from {known.first} to {known.last}"
        raise NoSession(f"{day} is not a trading session{beyond}")
    half_day = day in calendar().half_days
    return Session(
        day=day,
        pre_open_time=_utc(day, PRE_OPEN),
        open_time=_utc(day, OPEN),
        close_time=_utc(day, HALF_DAY_CLOSE if half_day else CLOSE),
        post_close_time=_utc(day, POST_CLOSE),
        half_day=half_day,
    )


def sessions_between(first: date, last: date) -> list[date]:
    """Session days from ``first`` to ``last``, both included."""
    days = all_sessions()
    return days[bisect_left(days, first) : bisect_left(days, last + timedelta(days=1))]


def session_on_or_before(day: date) -> date:
    """The newest session day that is not after ``day``.

    Raises:
        NoSession: the calendar holds none.
    """
    days = sessions_between(calendar().first, day)
    if not days:
        raise NoSession(f"the calendar holds no session up to {day}")
    return days[-1]


def contiguous_ranges(days: list[date]) -> Iterator[tuple[date, date]]:
    """Group session days into (first, last) ranges without a session between two of their days missing."""
    index = {day: position for position, day in enumerate(all_sessions())}
    ordered = sorted(set(days))
    first = 0
    for position in range(1, len(ordered) + 1):
        ended = position == len(ordered) or index[ordered[position]] != index[ordered[position - 1]] + 1
        if ended and ordered:
            yield ordered[first], ordered[position - 1]
            first = position


@cache
def all_sessions() -> list[date]:
    """Every session day of the calendar, ascending."""
    known = calendar()
    count = (known.last - known.first).days + 1
    return [day for day in (known.first + timedelta(days=n) for n in range(count)) if is_session(day)]


def _utc(day: date, wall: time) -> datetime:
    return datetime.combine(day, wall, EXCHANGE_ZONE).astimezone(UTC)
