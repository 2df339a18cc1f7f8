"""Dagster's records -> its newest runs, with the seconds of their steps and what their checks found.

Belongs here: reading runs from an instance; of a run that is known to have ended, nothing is read again.
Does not belong here: what of it is a problem (``runs``), the open instance's other facts (``orchestration``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

import dagster as dg

from stock_assets.observability.observation import CheckSeen, RunSeen, StepSeen
from stock_assets.observability.orchestration import events_of, job_title, opened, sessions_title
from stock_assets.settings.platform import Settings

LOOKED_AT = 50
RANGE_TAG = "dagster/asset_partition_range_start"
ROWS = "dagster/row_count"


def recent_runs(settings: Settings, ended: Collection[str]) -> list[RunSeen]:
    """The newest runs, newest first, but those in ``ended``; none without an instance."""
    with opened(settings) as instance:
        if instance is None:
            return []
        records = instance.get_run_records(limit=LOOKED_AT)
        return [_seen(instance, record) for record in records if record.dagster_run.run_id not in ended]


def _seen(instance: dg.DagsterInstance, record: dg.RunRecord) -> RunSeen:
    run = record.dagster_run
    over = run.is_finished
    return RunSeen(
        run_id=run.run_id,
        job=job_title(run),
        status=run.status.value.lower(),
        requested=record.create_timestamp.timestamp(),
        ended=(record.end_time or record.update_timestamp.timestamp()) if over else None,
        sessions=sessions_title(run),
        steps=_steps(instance, run.run_id, RANGE_TAG in run.tags),
        checks=tuple(_checks(instance, run.run_id)) if over else (),
    )


def _steps(instance: dg.DagsterInstance, run_id: str, of_range: bool) -> tuple[StepSeen, ...]:
    """The ended steps; each partition of a range tells the rows of all of them."""
    rows: Counter[str] = Counter()
    for event in events_of(instance, run_id, dg.DagsterEventType.ASSET_MATERIALIZATION):
        written = event.step_materialization_data.materialization
        count = written.metadata.get(ROWS)
        if count is not None and isinstance(count.value, int):
            step = written.asset_key.to_python_identifier()
            rows[step] = max(rows[step], count.value) if of_range else rows[step] + count.value
    return tuple(
        StepSeen(
            each.step_key.replace("__", "/"), (each.end_time or 0) - (each.start_time or 0), rows.get(each.step_key)
        )
        for each in instance.get_run_step_stats(run_id)
        if each.start_time and each.end_time
    )


def _checks(instance: dg.DagsterInstance, run_id: str) -> Iterator[CheckSeen]:
    for entry in instance.all_logs(run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION):
        event = entry.dagster_event
        assert event is not None
        found = event.asset_check_evaluation_data
        yield CheckSeen(
            found.asset_key.to_user_string(),
            found.check_name,
            entry.timestamp,
            found.passed,
            found.severity.value.lower(),
            found.description or "",
        )
