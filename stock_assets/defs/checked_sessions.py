"""a run -> the sessions that its checks are about.

Belongs here: which sessions of an asset a run made or was asked for. Does not belong here: what is checked.
"""

from datetime import date
from functools import lru_cache

import dagster as dg

from stock_assets.defs.jobs import sessions_of_tags
from stock_assets.domain.sessions import sessions_between

NOTHING = "the run built no session"


def sessions_of(context: dg.AssetCheckExecutionContext, key: dg.AssetKey) -> list[date]:
    """The sessions a check is about: those the run materialized, else those it was asked for."""
    found = _materialized(context.instance, context.run.run_id, key)
    if found:
        return found
    asked = sessions_of_tags(context.run.tags)
    if asked:
        return sessions_between(*asked)
    run = context.op_execution_context
    partitioned = run.has_partition_key or run.has_partition_key_range
    return [date.fromisoformat(name) for name in run.partition_keys] if partitioned else []


@lru_cache(maxsize=16)
def _materialized(instance: dg.DagsterInstance, run_id: str, key: dg.AssetKey) -> list[date]:
    """The sessions of an asset that the run has finished; kept, as several checks ask."""
    entries = instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION)
    events = [entry.dagster_event for entry in entries]
    return sorted({date.fromisoformat(e.partition) for e in events if e and e.asset_key == key and e.partition})
