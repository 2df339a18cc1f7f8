"""when a session was seen and complete -> whether its data came in time.

Belongs here: the promise (complete within COMPLETE_WITHIN of the close), and which sessions it is about.
Does not belong here: what complete means (``availability``), where the instants are kept (``lake.milestones``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

COMPLETE_WITHIN = timedelta(minutes=90)
FILLED_IN_AFTER = timedelta(days=1)
"""A session that the platform first looked at later than this after its close is history that was filled in."""

Verdict = Literal["met", "missed", "open", "not judged"]
VERDICTS: tuple[Verdict, ...] = ("met", "missed", "open", "not judged")


@dataclass(frozen=True)
class Milestones:
    """When a session was judged first, and when all that is expected of it was there first; UTC, None: not yet."""

    judged_at: datetime | None = None
    complete_at: datetime | None = None


def service_level(close_time: datetime, seen: Milestones, now: datetime) -> Verdict:
    """Whether the session's data was complete in time; ``open`` while it still can be."""
    first = seen.judged_at or now
    if first > close_time + FILLED_IN_AFTER:
        return "not judged"
    if seen.complete_at is None:
        return "open" if now <= close_time + COMPLETE_WITHIN else "missed"
    return "met" if seen.complete_at <= close_time + COMPLETE_WITHIN else "missed"


def minutes_to_complete(close_time: datetime, seen: Milestones) -> int | None:
    """Whole minutes from the close until the session was complete first, 0 if it was before; None: not yet."""
    if seen.complete_at is None:
        return None
    return max(0, (seen.complete_at - close_time) // timedelta(minutes=1))
