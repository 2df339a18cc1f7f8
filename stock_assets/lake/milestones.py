"""judged sessions -> when each was judged first, and complete first.

Belongs here: keeping both instants in the lake, so that no other warehouse and no rebuild changes them.
Does not belong here: what they mean for the promise (``domain.service_level``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from datetime import date, datetime
from typing import Any

from stock_assets.domain.service_level import Milestones
from stock_assets.domain.state_tables import MILESTONES
from stock_assets.lake.tables import append_rows, open_table

INCOMPLETE = frozenset({"missing", "partial", "degraded"})


def read_milestones(lake_root: str) -> dict[date, Milestones]:
    """The milestones of each session that has any."""
    handle = open_table(lake_root, MILESTONES)
    if handle is None:
        return {}
    found: dict[date, dict[str, datetime]] = defaultdict(dict)
    for row in handle.to_pyarrow_table().to_pylist():
        of_day = found[row["trading_day"]]
        of_day[row["milestone"]] = min(of_day.get(row["milestone"], row["reached_at"]), row["reached_at"])
    return {day: Milestones(each.get("judged"), each.get("complete")) for day, each in found.items()}


def record_milestones(
    lake_root: str, days: Iterable[date], rows: Collection[Mapping[str, Any]], closed: Collection[date], now: datetime
) -> None:
    """Store what sessions reach for the first time.

    Args:
        rows: rows of AVAILABILITY of ``days``, all of these sessions.
        closed: sessions whose close has passed: before, none is complete.
    """
    known = read_milestones(lake_root)
    lacking = {row["trading_day"] for row in rows if row["availability"] in INCOMPLETE}
    some = {row["trading_day"] for row in rows}
    fresh = []
    for day in days:
        reached = known.get(day, Milestones())
        if reached.judged_at is None:
            fresh.append({"trading_day": day, "milestone": "judged", "reached_at": now})
        if reached.complete_at is None and day in some and day in closed and day not in lacking:
            fresh.append({"trading_day": day, "milestone": "complete", "reached_at": now})
    append_rows(lake_root, MILESTONES, fresh)
