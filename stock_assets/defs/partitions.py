"""sessions -> Dagster partitions.

Belongs here: the partitions of every asset, one per trading session, and the sessions a run is about.
Does not belong here: which sessions are stale (``lake.staleness``).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time
from functools import cache

import dagster as dg

from stock_assets.domain import sessions


@cache
def session_partitions(first: date) -> dg.DailyPartitionsDefinition:
    """One partition per session from ``first`` to today, today's included from midnight on.

    Ask ``has_partition_key`` before anything else of a day: a time window of a day without a session is the next one's.
    """
    holidays = sorted(day for day in sessions.calendar().holidays if day >= first)
    return dg.DailyPartitionsDefinition(
        start_date=first.isoformat(),
        timezone=str(sessions.EXCHANGE_ZONE),
        end_offset=1,
        exclusions=["0 0 * * 0,6", *(datetime.combine(day, time(0)) for day in holidays)],
    )


def within(partitions: dg.DailyPartitionsDefinition, days: Iterable[date]) -> list[date]:
    """The days that are partitions, ascending; older ones than the first partition are left out."""
    # has_partition_key takes 10 ms for each day
    first, last = partitions.get_first_partition_key(), partitions.get_last_partition_key()
    if first is None or last is None:
        return []
    return sorted(day for day in set(days) if sessions.is_session(day) and first <= day.isoformat() <= last)


def asked_sessions(context: dg.AssetExecutionContext) -> list[date] | None:
    """The sessions a run was asked for in the UI, one or a range; None for a run that is not about partitions."""
    if not context.has_partition_key and not context.has_partition_key_range:
        return None
    return [date.fromisoformat(key) for key in context.partition_keys]
