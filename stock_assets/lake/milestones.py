"""judged sessions -> when each was judged first, and complete first.

Belongs here: keeping both instants in the lake, so that no other warehouse and no rebuild changes them.
Does not belong here: what they mean for the promise (``domain.service_level``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import date, datetime

from stock_assets.domain.quality_tables import AVAILABILITY
from stock_assets.domain.service_level import Milestones
from stock_assets.domain.sessions import session
from stock_assets.domain.state_tables import MILESTONES
from stock_assets.lake.tables import append_rows, open_table, read_sessions

NONE = Milestones()
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


def record_judged(lake_root: str, days: Iterable[date], now: datetime) -> None:
    """Store that sessions were judged, where they are for the first time."""
    known = read_milestones(lake_root)
    _record(lake_root, "judged", [day for day in days if known.get(day, NONE).judged_at is None], now)


def record_complete(lake_root: str, loaded: Collection[date], now: datetime) -> None:
    """Store which sessions are complete for the first time: judged, nothing missing, and all of it in the warehouse.

    Args:
        loaded: sessions of which the warehouse holds what the metrics say now.
        now: a session that has not closed by then is not complete.
    """
    known = read_milestones(lake_root)
    waiting = {
        day for day in loaded if day in known and known[day].complete_at is None and session(day).close_time <= now
    }
    if not waiting:
        return
    columns = ["trading_day", "availability"]
    rows = read_sessions(lake_root, AVAILABILITY, columns, min(waiting), max(waiting), days=waiting).to_pylist()
    lacking = {row["trading_day"] for row in rows if row["availability"] in INCOMPLETE}
    some = {row["trading_day"] for row in rows}
    _record(lake_root, "complete", sorted((waiting & some) - lacking), now)


def _record(lake_root: str, milestone: str, days: Iterable[date], now: datetime) -> None:
    append_rows(
        lake_root, MILESTONES, [{"trading_day": day, "milestone": milestone, "reached_at": now} for day in days]
    )
