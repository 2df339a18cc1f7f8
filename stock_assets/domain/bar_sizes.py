"""a size as people write it -> where bars of that size begin.

Belongs here: sizes from a minute to a year, and where each bar begins: bars within a session are counted from the start of its
phase (regular trading: the session's open, not the full hour), longer ones follow ISO weeks and months.
Does not belong here: summing up bars (``lake.longer_bars``), sessions themselves (``sessions``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal, NamedTuple

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.sessions import session

HOUR_MINUTES = 60
_UNITS: dict[str, Literal["minutes", "weeks", "months"]] = {
    "min": "minutes",
    "h": "minutes",
    "w": "weeks",
    "mo": "months",
}
_LONGEST_MINUTES = 16 * HOUR_MINUTES
_WHOLE_YEARS = (1, 2, 3, 4, 6, 12)


@dataclass(frozen=True)
class BarSize:
    """A size of bars: so many minutes of a session, or the sessions of one ISO week or of so many months."""

    count: int
    unit: Literal["minutes", "weeks", "months"]


class Span(NamedTuple):
    """A part of a session that bars do not cross; times are UTC, ``end`` is not in it."""

    trading_day: date
    phase: str
    start: datetime
    end: datetime


def bar_size(text: str) -> BarSize:
    """``5min``, ``65min``, ``1h``, ``1w``, ``1mo``, ``3mo`` ... as a size.

    Raises:
        PermanentError: it is none; the text says which there are.
    """
    told = re.fullmatch(r"(\d{1,4})(min|h|w|mo)", text.strip().lower())
    if told:
        number, unit = int(told[1]), _UNITS[told[2]]
        count = number * HOUR_MINUTES if told[2] == "h" else number
        fits = {
            "minutes": 1 <= count <= _LONGEST_MINUTES,
            "weeks": count == 1,
            "months": count in _WHOLE_YEARS,
        }
        if fits[unit]:
            return BarSize(count, unit)
    raise PermanentError(
        f"{text!r} is no size of bars: write minutes or hours of a session (5min, 65min, 1h), 1w, or months of which a year "
        "has a whole number (1mo, 3mo, 12mo)."
    )


def phases_of(day: date) -> list[Span]:
    """The spans of a session's day in time: overnight, pre, regular, post, and overnight again.

    Raises:
        NoSession: the exchange is closed that day.
    """
    hours = session(day)
    edges = [
        hours.pre_open_time - timedelta(hours=4),
        hours.pre_open_time,
        hours.open_time,
        hours.close_time,
        hours.post_close_time,
        hours.post_close_time + timedelta(hours=4),
    ]
    names = ("overnight", "pre", "regular", "post", "overnight")
    return [Span(day, name, *edges[place : place + 2]) for place, name in enumerate(names)]


def bar_starts(day: date, minutes: int) -> list[datetime]:
    """When each bar of ``minutes`` of a session begins, UTC; the last one may be shorter, as it ends with the session.

    An hourly bar of a full session begins at 9:30, 10:30 ... 15:30 (half an hour), of a half day at 9:30 ... 12:30.

    Raises:
        NoSession: the exchange is closed that day.
        PermanentError: ``minutes`` is not positive.
    """
    if minutes < 1:
        raise PermanentError(f"a bar of {minutes} minutes is none")
    hours, step = session(day), timedelta(minutes=minutes)
    count = -((hours.open_time - hours.close_time) // step)
    return [hours.open_time + number * step for number in range(count)]
