"""Dagster's records -> those without runs and events that are older than the setting says and that nothing rests on.

Belongs here: which rows and files go. Dagster's own ``delete_run`` takes the events of assets with the run, and with them what
the UI shows of partitions; to report them anew would leave every check behind, as it names the event that it judged. So rows
are deleted, and these stay: the newest materialization and observation of each partition, the newest evaluation of each check
and partition, and whole runs that are the last word on a partition or check that did not succeed.
Does not belong here: when (``maintenance``), and evaluations of sensors and schedules, which Dagster drops itself
(``local/dagster.yaml``).

The statements name tables of Dagster's database, which has no interface for this; the pinned release and a test hold them.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stock_assets.settings.platform import Settings

if TYPE_CHECKING:
    import dagster as dg
    from sqlalchemy.engine import Connection

DAY_S = 86_400.0
AT_ONCE = 500
"""Runs of one transaction."""

_ENDED = """
SELECT run_id FROM runs
WHERE status IN ('SUCCESS', 'FAILURE', 'CANCELED')
  AND coalesce(end_time, extract(epoch FROM update_timestamp AT TIME ZONE 'UTC')) < :before
  AND run_id NOT IN (
    -- the last word on a partition, or on an asset without any, is an attempt that made nothing
    SELECT DISTINCT last.run_id FROM event_logs AS last
    JOIN (
      SELECT max(id) AS id FROM event_logs
      WHERE dagster_event_type IN ('ASSET_MATERIALIZATION', 'ASSET_MATERIALIZATION_PLANNED')
      GROUP BY asset_key, partition
    ) AS newest ON newest.id = last.id
    JOIN runs AS attempt ON attempt.run_id = last.run_id
    WHERE last.dagster_event_type = 'ASSET_MATERIALIZATION_PLANNED' AND attempt.status <> 'SUCCESS'
  )
  AND run_id NOT IN (
    -- a check was planned, and never evaluated since
    SELECT planned.run_id FROM asset_check_executions AS planned
    JOIN (SELECT max(id) AS id FROM asset_check_executions GROUP BY asset_key, check_name, partition) AS newest
      ON newest.id = planned.id
    WHERE planned.execution_status = 'PLANNED' AND planned.run_id IS NOT NULL
  )
  AND run_id NOT IN (SELECT last_run_id FROM asset_keys JOIN runs AS latest ON latest.run_id = last_run_id
                     WHERE latest.status <> 'SUCCESS')
ORDER BY id LIMIT :at_once
"""
_EVENTS_OF_RUNS = """
DELETE FROM event_logs WHERE run_id = ANY(:runs)
  AND coalesce(dagster_event_type, '') NOT IN ('ASSET_MATERIALIZATION', 'ASSET_OBSERVATION')
"""
_SUPERSEDED = """
WITH old AS (
  DELETE FROM event_logs
  WHERE id IN (
      SELECT id FROM (
        SELECT id, row_number() OVER (PARTITION BY asset_key, partition, dagster_event_type ORDER BY id DESC) AS place
        FROM event_logs WHERE dagster_event_type IN ('ASSET_MATERIALIZATION', 'ASSET_OBSERVATION')
      ) AS placed WHERE place > 1
    )
    AND timestamp < to_timestamp(:before) AT TIME ZONE 'UTC'
    AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.run_id = event_logs.run_id)
  RETURNING id
), tags AS (DELETE FROM asset_event_tags WHERE event_id IN (SELECT id FROM old))
SELECT count(*) FROM old
"""
_EVALUATIONS = """
DELETE FROM asset_check_executions
WHERE id IN (
    SELECT id FROM (
      SELECT id, row_number() OVER (
        PARTITION BY asset_key, check_name, partition, execution_status ORDER BY id DESC
      ) AS place FROM asset_check_executions
    ) AS placed WHERE place > 1
  )
  AND create_timestamp < to_timestamp(:before) AT TIME ZONE 'UTC'
  AND NOT EXISTS (SELECT 1 FROM runs WHERE runs.run_id = asset_check_executions.run_id)
"""


@dataclass(frozen=True)
class Expired:
    """What was deleted: runs, rows of events and of evaluations."""

    runs: int = 0
    events: int = 0
    evaluations: int = 0


def expire(instance: dg.DagsterInstance, settings: Settings, now: float | None = None) -> Expired:
    """Delete what is older than ``RUNS_KEEP_DAYS`` and what the run's steps printed; 0 days keep everything.

    Args:
        now: instant, in seconds since 1970.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database does not answer; a part may be gone then, runs with all of theirs.
    """
    from sqlalchemy import text

    if not settings.dagster.runs_keep_days:
        return Expired()
    before = (time.time() if now is None else now) - settings.dagster.runs_keep_days * DAY_S
    runs = events = 0
    with _connection(settings) as connection:
        while True:
            with connection.begin():
                found: list[str] = list(
                    connection.execute(text(_ENDED), {"before": before, "at_once": AT_ONCE}).scalars()
                )
                events += connection.execute(text(_EVENTS_OF_RUNS), {"runs": found}).rowcount
                connection.execute(text("DELETE FROM runs WHERE run_id = ANY(:runs)"), {"runs": found})
            for run_id in found:
                instance.compute_log_manager.delete_logs(prefix=[run_id])
                shutil.rmtree(settings.local_dir / "dbt" / "runs" / run_id, ignore_errors=True)
            runs += len(found)
            if len(found) < AT_ONCE:
                break
        with connection.begin():
            events += connection.execute(text(_SUPERSEDED), {"before": before}).scalar_one()
            evaluations = connection.execute(text(_EVALUATIONS), {"before": before}).rowcount
    return Expired(runs, events, evaluations)


@contextmanager
def _connection(settings: Settings) -> Iterator[Connection]:
    from sqlalchemy import create_engine

    engine = create_engine(settings.dagster_pg_url)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()


def delete_old_logs(folder: Path, keep_days: int, now: float | None = None) -> int:
    """Delete the files of services' logs that nobody has written to for so long, such as those of a publisher that is not run
    any more; returns their number. Those in use are kept short by supervisor.
    """
    before = (time.time() if now is None else now) - keep_days * DAY_S
    old = (
        [file for file in folder.glob("*.log*") if file.is_file() and file.stat().st_mtime < before]
        if keep_days
        else []
    )
    for file in old:
        file.unlink(missing_ok=True)
    return len(old)
