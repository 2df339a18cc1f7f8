"""the two jobs -> runs of the running Dagster, waited for.

Belongs here: asking from the command line for what the sensors ask for, and telling what came of it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import dagster as dg

from stock_assets.defs.jobs import BUILD, DRAIN, build_config, build_partition, build_tags
from stock_assets.defs.partitions import session_partitions
from stock_assets.defs.sensors import UNFINISHED, stale_sessions
from stock_assets.domain import sessions
from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.settings import Settings

LONGEST_RUN_S = 3600.0


@dataclass(frozen=True)
class StageRun:
    """One asset of a run: how many sessions it materialized, their rows, and its seconds."""

    asset: str
    sessions: int
    rows: int
    seconds: float


@dataclass(frozen=True)
class JobRun:
    """One run, and its seconds from the request to its end; ``failed_checks`` are sentences."""

    job: str
    seconds: float
    stages: list[StageRun]
    checks_passed: int
    failed_checks: list[str]


def run_main_job(settings: Settings) -> list[JobRun]:
    """Land what the topics hold, then build what is stale; also what the sensors ran meanwhile is waited for and told.

    Needs Dagster's web server, daemon and code server, and ``DAGSTER_HOME``.

    Raises:
        PermanentError: a run failed; the text says which step and why.
        ServiceUnavailable: Dagster does not answer.
    """
    began = datetime.now(UTC)
    with dg.DagsterInstance.get() as instance:
        _wait(instance)
        _wait(instance, [_submit(settings, DRAIN.name)])
        _wait(instance)  # the staleness sensor may have asked for the same builds
        stale = stale_sessions(settings.lake_root, session_partitions(settings.first_session))
        for first, last in sessions.contiguous_ranges(stale):
            tags = {**build_tags(first, last), "dagster/partition": build_partition(last)}
            _wait(instance, [_submit(settings, BUILD.name, build_config(first, last), tags)])
        mine = dg.RunsFilter(created_after=began)
        return [_outcome(instance, record) for record in instance.get_run_records(mine, ascending=True)]


def _submit(
    settings: Settings, job: str, config: dict[str, Any] | None = None, tags: dict[str, str] | None = None
) -> str:
    """Id of the run that Dagster was asked for."""
    from dagster_graphql import DagsterGraphQLClient, DagsterGraphQLClientError
    from requests.exceptions import RequestException

    try:
        client = DagsterGraphQLClient("127.0.0.1", port_number=settings.dagster_port)
        return client.submit_job_execution(job, "stock_assets", "__repository__", config, tags)
    except (DagsterGraphQLClientError, RequestException) as away:
        raise ServiceUnavailable(
            f"Dagster at port {settings.dagster_port} did not take a run of {job}: {away}"
        ) from None


def _wait(instance: dg.DagsterInstance, run_ids: Sequence[str] | None = None) -> None:
    """Return when these runs have ended; without ids, when no run is in flight.

    Raises:
        ServiceUnavailable: they go on for more than an hour.
    """
    wanted = dg.RunsFilter(run_ids=run_ids, statuses=UNFINISHED)
    deadline = time.monotonic() + LONGEST_RUN_S
    while left := instance.get_run_records(wanted, limit=1):
        if time.monotonic() > deadline:
            raise ServiceUnavailable(f"run {left[0].dagster_run.run_id[:8]} has not ended after an hour")
        time.sleep(0.2)


def _outcome(instance: dg.DagsterInstance, record: dg.RunRecord) -> JobRun:
    run = record.dagster_run
    if run.status != dg.DagsterRunStatus.SUCCESS:
        raise PermanentError(
            f"run {run.run_id[:8]} of {run.job_name} failed. {'; '.join(_causes(instance, run.run_id))}"
        )
    seconds = {
        stats.step_key: (stats.end_time or 0) - (stats.start_time or 0)
        for stats in instance.get_run_step_stats(run.run_id)
    }
    found: dict[str, list[int]] = {}
    for event in _events(instance, run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION):
        materialization = event.step_materialization_data.materialization
        count = materialization.metadata.get("dagster/row_count")
        rows = int(count.value or 0) if isinstance(count, dg.IntMetadataValue) else 0
        found.setdefault(materialization.asset_key.to_user_string(), []).append(rows)
    checks = [
        event.asset_check_evaluation_data
        for event in _events(instance, run.run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    ]
    return JobRun(
        job=run.job_name,
        seconds=(record.end_time or 0) - record.create_timestamp.timestamp(),
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


def _causes(instance: dg.DagsterInstance, run_id: str) -> list[str]:
    """What each failed step says; what the run itself says when no step failed."""
    failed = _events(instance, run_id, dg.DagsterEventType.STEP_FAILURE)
    if failed:
        return [f"{event.step_key}: {_innermost(event.step_failure_data.error)}" for event in failed]
    return [event.message or "" for event in _events(instance, run_id, dg.DagsterEventType.RUN_FAILURE)]


def _innermost(error: Any) -> str:
    """Dagster wraps what an asset raised."""
    while error is not None and error.cause is not None:
        error = error.cause
    return str(error.message).strip().splitlines()[0] if error is not None else "unknown"


def _events(instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType) -> list[Any]:
    return [entry.dagster_event for entry in instance.all_logs(run_id, of_type=kind)]
