"""when a session was judged and complete -> whether its data came in time.

Belongs here: the promise (DAILY_STOCK_METRICS is complete within COMPLETE_WITHIN of the close, half days by their own close), and
which sessions it is about.
Does not belong here: what complete means (``availability``), where the instants are kept (``lake.milestones``).

The promise begins with the first session that was judged while it was new: what lies before is history, and filling it in, however
late, changes no verdict. From then on each session is promised, also one that nothing ever came of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

COMPLETE_WITHIN = timedelta(minutes=30)
FILLED_IN_AFTER = timedelta(days=1)
"""A session that the platform first looked at later than this after its close is history that was filled in."""

Verdict = Literal["met", "missed", "open", "not judged"]
VERDICTS: tuple[Verdict, ...] = ("met", "missed", "open", "not judged")


@dataclass(frozen=True)
class Milestones:
    """When a session was judged first, and when all that is expected of it was there first; UTC, None: not yet."""

    judged_at: datetime | None = None
    complete_at: datetime | None = None


def promised_since(milestones: Mapping[date, Milestones], close_of: Callable[[date], datetime]) -> date | None:
    """The first session that was judged while it was new; None when none was.

    Args:
        close_of: when a session closed.
    """
    judged = ((day, seen.judged_at) for day, seen in milestones.items() if seen.judged_at is not None)
    return min((day for day, at in judged if at <= close_of(day) + FILLED_IN_AFTER), default=None)


def service_level(day: date, close_time: datetime, seen: Milestones, now: datetime, since: date | None) -> Verdict:
    """Whether the session's data was complete in time; ``open`` while it still can be.

    Args:
        since: the first session that is promised; None for none.
    """
    if since is None or day < since:
        return "not judged"
    due = close_time + COMPLETE_WITHIN
    if seen.complete_at is None:
        return "open" if now <= due else "missed"
    return "met" if seen.complete_at <= due else "missed"


def minutes_to_complete(close_time: datetime, seen: Milestones) -> int | None:
    """Whole minutes from the close until the session was complete first, 0 if it was before; None: not yet."""
    if seen.complete_at is None:
        return None
    return max(0, (seen.complete_at - close_time) // timedelta(minutes=1))
