"""the two jobs -> runs in this process.

Belongs here: what the sensors start through the daemon, started from the command line instead: the same jobs, the same
Dagster instance, so that runs, materializations and checks show in the UI.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import dagster as dg

from stock_assets.defs.jobs import BUILD, DRAIN, build_config, build_partition, build_tags
from stock_assets.defs.partitions import session_partitions
from stock_assets.defs.sensors import in_flight, stale_sessions
from stock_assets.domain import sessions
from stock_assets.domain.errors import PermanentError
from stock_assets.settings import Settings

_QUIET: dict[str, Any] = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class StageRun:
    """One asset of a run: how many sessions it materialized, their rows, and its seconds."""

    asset: str
    sessions: int
    rows: int
    seconds: float


@dataclass(frozen=True)
class JobRun:
    """One run of a job; ``failed_checks`` are sentences."""

    run_id: str
    stages: list[StageRun]
    checks_passed: int
    failed_checks: list[str]


def run_main_job(defs: dg.Definitions, settings: Settings) -> list[JobRun]:
    """Land what the topics hold, then build what is stale; runs that sensors started come to their end first.

    Raises:
        PermanentError: a run failed; the text says which step and why.
    """
    with dg.DagsterInstance.get() as instance:
        wait_for_automatic_runs(instance)
        return [run_drain(defs, instance), *run_build(defs, instance, settings)]


def run_drain(defs: dg.Definitions, instance: dg.DagsterInstance) -> JobRun:
    """Land what the topics hold."""
    return _run(defs, instance, DRAIN.name)


def run_build(defs: dg.Definitions, instance: dg.DagsterInstance, settings: Settings) -> list[JobRun]:
    """Build what is stale, one run per contiguous range of sessions; no run when nothing is."""
    stale = stale_sessions(settings.lake_root, session_partitions(settings.first_session))
    return [
        _run(defs, instance, BUILD.name, build_config(first, last), build_tags(first, last), build_partition(last))
        for first, last in sessions.contiguous_ranges(stale)
    ]


def wait_for_automatic_runs(instance: dg.DagsterInstance, longest_s: float = 120) -> None:
    """Wait until no run of either job is in flight."""
    deadline = time.monotonic() + longest_s
    while any(in_flight(instance, job.name) for job in (DRAIN, BUILD)) and time.monotonic() < deadline:
        time.sleep(0.5)


def _run(
    defs: dg.Definitions,
    instance: dg.DagsterInstance,
    job: str,
    config: dict[str, Any] | None = None,
    tags: dict[str, str] | None = None,
    partition: str | None = None,
) -> JobRun:
    done = defs.resolve_job_def(job).execute_in_process(
        instance=instance,
        run_config={**_QUIET, **(config or {})},
        tags=tags,
        partition_key=partition,
        raise_on_error=False,
    )
    if not done.success:
        failures = [event for event in done.all_events if event.is_step_failure]
        causes = [f"{event.step_key}: {_cause(event.step_failure_data.error)}" for event in failures]
        raise PermanentError(f"run {done.run_id[:8]} of {job} failed. {'; '.join(causes)}")
    return _job_run(instance, done)


def _cause(error: Any) -> str:
    """The innermost message: Dagster wraps what an asset raised."""
    while error is not None and error.cause is not None:
        error = error.cause
    return str(error.message).strip().splitlines()[0] if error is not None else "unknown"


def _job_run(instance: dg.DagsterInstance, done: dg.ExecuteInProcessResult) -> JobRun:
    seconds = {
        stats.step_key: (stats.end_time or 0) - (stats.start_time or 0)
        for stats in instance.get_run_step_stats(done.run_id)
    }
    found: dict[str, list[int]] = {}
    for event in done.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        count = materialization.metadata.get("dagster/row_count")
        rows = int(count.value or 0) if isinstance(count, dg.IntMetadataValue) else 0
        found.setdefault(materialization.asset_key.to_user_string(), []).append(rows)
    checks = done.get_asset_check_evaluations()
    return JobRun(
        run_id=done.run_id,
        stages=[
            StageRun(asset, len(rows), sum(rows), seconds.get(asset.replace("/", "__"), 0.0))
            for asset, rows in found.items()
        ],
        checks_passed=sum(check.passed for check in checks),
        failed_checks=[
            f"{check.asset_key.to_user_string()} {check.check_name}: {check.description}"
            for check in checks
            if not check.passed
        ],
    )
