"""arrays of instants -> trading day and phase of each.

Belongs here: the bulk form of ``sessions``, for batches of hundreds of thousands of ticks.
Does not belong here: decisions about records (the landing's).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache

import numpy as np

from stock_assets.domain import sessions

Int64s = np.ndarray[tuple[int], np.dtype[np.int64]]
Int8s = np.ndarray[tuple[int], np.dtype[np.int8]]
Bools = np.ndarray[tuple[int], np.dtype[np.bool_]]

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Placement:
    """Where each instant falls, one element per instant.

    Attributes:
        epoch_day: exchange-local date, as days since 1970-01-01.
        has_session: the exchange trades on that date.
        phase: index into ``sessions.PHASES``.
    """

    epoch_day: Int64s
    has_session: Bools
    phase: Int8s


def place(event_time_us: Int64s) -> Placement:
    """Place instants (UTC microseconds since the epoch) on the exchange's calendar.

    Instants outside the calendar have no session; their date is the nearest day the calendar knows.
    """
    days = _days()
    position = np.clip(np.searchsorted(days.midnight, event_time_us, side="right") - 1, 0, len(days.midnight) - 2)
    inside = (event_time_us >= days.midnight[0]) & (event_time_us < days.midnight[-1])
    phase = (
        (event_time_us >= days.pre_open[position]).astype(np.int8)
        + (event_time_us >= days.open[position])
        + (event_time_us >= days.close[position])
    ).astype(np.int8)
    phase[event_time_us >= days.post_close[position]] = 0
    return Placement(days.epoch_day[position], days.is_session[position] & inside, phase)


@dataclass(frozen=True)
class _Days:
    """One element per calendar day (``midnight`` has one more), instants in UTC microseconds."""

    epoch_day: Int64s
    is_session: Bools
    midnight: Int64s
    pre_open: Int64s
    open: Int64s
    close: Int64s
    post_close: Int64s


@cache
def _days() -> _Days:
    known = sessions.calendar()
    days = [known.first + timedelta(days=n) for n in range((known.last - known.first).days + 1)]

    def instants(wall: time, among: list[date]) -> Int64s:
        seconds = [datetime.combine(day, wall, sessions.EXCHANGE_ZONE).timestamp() for day in among]
        return (np.array(seconds) * 1_000_000).astype(np.int64)

    close = instants(sessions.CLOSE, days)
    half = np.array([day in known.half_days for day in days])
    close[half] = instants(sessions.HALF_DAY_CLOSE, days)[half]
    return _Days(
        epoch_day=np.array([(day - _EPOCH).days for day in days], dtype=np.int64),
        is_session=np.array([sessions.is_session(day) for day in days]),
        midnight=instants(time(0), [*days, days[-1] + timedelta(days=1)]),
        pre_open=instants(sessions.PRE_OPEN, days),
        open=instants(sessions.OPEN, days),
        close=close,
        post_close=instants(sessions.POST_CLOSE, days),
    )
