"""the two jobs -> runs of the running Dagster, waited for.

Belongs here: asking from the command line for what the sensors ask for, and telling what came of it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg

from stock_assets.defs.jobs import BUILD, DRAIN, build_config, build_partition, build_tags
from stock_assets.defs.partitions import session_partitions
from stock_assets.defs.raw_assets import QUARANTINE, RAW_KEYS
from stock_assets.defs.sensors import UNFINISHED, stale_sessions
from stock_assets.domain import sessions
from stock_assets.domain.errors import PermanentError, ServiceUnavailable
from stock_assets.lake.judging import Judging
from stock_assets.settings import Settings

LONGEST_RUN_S = 3600.0
RAW = {*RAW_KEYS.values(), QUARANTINE}


@dataclass(frozen=True)
class StageRun:
    """One asset of the runs: how many sessions they materialized, their rows, and their seconds."""

    asset: str
    sessions: int
    rows: int
    seconds: float


@dataclass(frozen=True)
class MainJob:
    """What the runs did together.

    Attributes:
        runs: name of the job of each run, and its seconds from request to end, in order.
        stages: one per asset, in the order of their first materialization.
        checks_passed, failed_checks: by the last evaluation of each check; failures are sentences.
    """

    runs: list[tuple[str, float]]
    stages: list[StageRun]
    checks_passed: int
    failed_checks: list[str]


def run_main_job(settings: Settings, since: datetime) -> MainJob:
    """Land what the topics hold, then build what is stale; what the sensors ran ``since`` is waited for and told, too.

    ``since`` is when publishing began: a sensor may see the first records before anybody asks for the job.

    Needs Dagster's web server, daemon and code server, and ``DAGSTER_HOME``.

    Raises:
        PermanentError: a run failed; the text says which step and why.
        ServiceUnavailable: Dagster does not answer.
    """
    with dg.DagsterInstance.get() as instance:
        _wait(instance)
        _wait(instance, [_submit(settings, DRAIN.name)])
        _wait(instance)  # the staleness sensor may have asked for the same builds
        partitions = session_partitions(settings.first_session)
        stale = stale_sessions(settings.lake_root, partitions, Judging.of(settings))
        for first, last in sessions.contiguous_ranges(stale):
            tags = {**build_tags(first, last), "dagster/partition": build_partition(last)}
            _wait(instance, [_submit(settings, BUILD.name, build_config(first, last), tags)])
        return _outcome(instance, instance.get_run_records(dg.RunsFilter(created_after=since), ascending=True))


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


def _outcome(instance: dg.DagsterInstance, records: Sequence[dg.RunRecord]) -> MainJob:
    rows: dict[str, dict[str | None, int]] = {}
    seconds: dict[str, float] = {}
    checks: dict[dg.AssetCheckKey, Any] = {}
    for record in records:
        run = record.dagster_run
        if run.status != dg.DagsterRunStatus.SUCCESS:
            causes = "; ".join(_causes(instance, run.run_id))
            raise PermanentError(f"run {run.run_id[:8]} of {run.job_name} failed. {causes}")
        for event in _events(instance, run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION):
            materialization = event.step_materialization_data.materialization
            count = materialization.metadata.get("dagster/row_count")
            of_asset = rows.setdefault(materialization.asset_key.to_user_string(), {})
            # A drain adds to a session, a build replaces it.
            before = of_asset.get(materialization.partition, 0) if materialization.asset_key in RAW else 0
            of_asset[materialization.partition] = before + int(getattr(count, "value", 0) or 0)
        for stats in instance.get_run_step_stats(run.run_id):
            spent = (stats.end_time or 0) - (stats.start_time or 0)
            seconds[stats.step_key] = seconds.get(stats.step_key, 0.0) + spent
        for event in _events(instance, run.run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION):
            checks[event.asset_check_evaluation_data.asset_check_key] = event.asset_check_evaluation_data
    return MainJob(
        runs=[(r.dagster_run.job_name, (r.end_time or 0) - r.create_timestamp.timestamp()) for r in records],
        stages=[
            StageRun(asset, len(found), sum(found.values()), seconds.get(asset.replace("/", "__"), 0.0))
            for asset, found in rows.items()
        ],
        checks_passed=sum(check.passed for check in checks.values()),
        failed_checks=[
            f"{check.asset_key.to_user_string()} {check.check_name}: {check.description}"
            for check in checks.values()
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
