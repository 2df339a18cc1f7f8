"""minutes of a session -> the longer bars they belong to.

Belongs here: where a bar of a given length begins: counted from the session's open, not from the full hour.
Does not belong here: summing up the minutes (``warehouse.hourly_bars``), sessions themselves (``sessions``).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

from stock_assets.domain.errors import PermanentError
from stock_assets.domain.sessions import session

HOUR_MINUTES = 60


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
