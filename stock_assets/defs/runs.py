"""sensors' runs -> what they did, once nothing is left to do.

Belongs here: waiting until everything that was published is landed and built, and telling what came of it.
Does not belong here: asking for runs. The sensors do; asking for the same once more would only race with them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import dagster as dg

from stock_assets.defs.finding_assets import FINDINGS_SENSOR
from stock_assets.defs.marts import MARTS_SENSOR
from stock_assets.defs.partitions import session_partitions
from stock_assets.defs.sensors import stale_sessions
from stock_assets.defs.storage import keep_connections
from stock_assets.defs.topic_assets import read_lags
from stock_assets.domain.errors import PermanentError, ServiceUnavailable, TransientError
from stock_assets.domain.sessions import EXCHANGE_ZONE
from stock_assets.local.progress import telling
from stock_assets.observability.orchestration import UNFINISHED, causes_in_one_line, events_of, job_title
from stock_assets.observability.runs import SENSORS, SESSIONS_TAG, link
from stock_assets.quality.judging import Judging
from stock_assets.settings.platform import Settings
from stock_assets.settings.publishing import runs_fictional_market

LONGEST_WAIT_S = 3600.0
SENSOR_TAG = "dagster/sensor_name"
LATER = (MARTS_SENSOR, FINDINGS_SENSOR)
"""What these ask for follows the main job, and is not waited for."""
INTERVAL_S = 0.3


@dataclass(frozen=True)
class MainJob:
    """What the runs did together.

    Attributes:
        runs: name of the job of each run, and its seconds from request to end, in order.
        seconds: of each asset, over all runs, in the order of their first step.
        checks_passed, failed_checks: by the last evaluation of each check; failures are sentences.
    """

    runs: list[tuple[str, float]]
    seconds: dict[str, float]
    checks_passed: int
    failed_checks: list[str]


def wait_for_main_job(settings: Settings, since: datetime, say: Callable[[str], None] = lambda _: None) -> MainJob:
    """Return when no record waits in a topic, no session is stale and no run is in flight; runs count from ``since`` on.

    What follows the warehouse, marts, tables for BI tools and findings, is not waited for: it goes on by itself.

    ``say`` is told of each step and each run when it has ended. Needs Dagster's daemon and ``DAGSTER_HOME``.

    Raises:
        PermanentError: a run failed, or a topic or sensor is stopped; the text says why and where to look.
        ServiceUnavailable: it takes longer than an hour.
    """
    told, deadline, doing = set[str](), time.monotonic() + LONGEST_WAIT_S, "looking    at Dagster's runs"
    with telling(say, lambda _: doing) as report, dg.DagsterInstance.get() as instance:
        keep_connections(instance)
        while True:
            records = _records(instance, created_after=since)
            _tell_steps(instance, records, told, report)
            _tell_ended(settings, instance, records, told, report)
            if not _records(instance, statuses=UNFINISHED):
                doing = "looking    for what is left to do"
                waiting = _waiting(settings)
                # a sensor may have asked for a run while the tables were looked at
                if not waiting and not _records(instance, statuses=UNFINISHED):
                    return _outcome(instance, _records(instance, created_after=since))
                if waiting:
                    _refuse_stopped_sensors(instance, settings)
                    doing = "waiting    for the sensors to ask for a run"
            else:
                doing = _at_work(instance)
            if time.monotonic() > deadline:
                raise ServiceUnavailable(f"The main job has not ended after an hour. {_look(settings)}")
            time.sleep(INTERVAL_S)


def _records(instance: dg.DagsterInstance, **chosen: Any) -> list[dg.RunRecord]:
    """Runs of the main job, oldest first."""
    found = instance.get_run_records(dg.RunsFilter(**chosen), ascending=True)
    return [each for each in found if each.dagster_run.tags.get(SENSOR_TAG) not in LATER]


def _waiting(settings: Settings) -> bool:
    """Whether something is left to land or to build."""
    try:
        lags = read_lags(settings.lake_root, settings.broker)
    except TransientError:
        return True
    if stopped := [lag for lag in lags.values() if isinstance(lag, str)]:
        raise PermanentError(stopped[0])
    if any(lags.values()):
        return True
    partitions = session_partitions(settings.dagster.first_session)
    stale = stale_sessions(settings.lake_root, settings.snowflake.target, partitions, Judging.of(settings))
    today = datetime.now(EXCHANGE_ZONE).date()  # of the fictional market, and its turn comes in minutes
    return any(day != today or not runs_fictional_market(settings) for day in stale)


def _refuse_stopped_sensors(instance: dg.DagsterInstance, settings: Settings) -> None:
    """Nobody would ever do what is left."""
    stopped = {each.name for each in instance.all_instigator_state() if each.name in SENSORS and not each.is_running}
    if stopped or not settings.dagster.automatic:
        names = ", ".join(sorted(stopped)) or " and ".join(SENSORS)
        raise PermanentError(
            f"Records wait, but {names} is switched off: switch it on in Dagster's UI, or set AUTOMATIC=true."
        )


def _tell_steps(
    instance: dg.DagsterInstance, records: Sequence[dg.RunRecord], told: set[str], say: Callable[[str], None]
) -> None:
    """Assets, and the checks that are steps of their own, of runs whose end has not been told."""
    for record in records:
        run = record.dagster_run
        if run.run_id in told:
            continue
        for event in events_of(instance, run.run_id, dg.DagsterEventType.STEP_SUCCESS):
            if (step := f"{run.run_id} {event.step_key}") not in told:
                told.add(step)
                about = event.step_key.replace("__", "/")
                sessions = f" of {run.tags[SESSIONS_TAG]}" if SESSIONS_TAG in run.tags else ""
                say(f"{job_title(run):<10} {about}{sessions} in {event.step_success_data.duration_ms / 1000:.1f} s")


def _tell_ended(
    settings: Settings,
    instance: dg.DagsterInstance,
    records: Sequence[dg.RunRecord],
    told: set[str],
    say: Callable[[str], None],
) -> None:
    for record in records:
        run = record.dagster_run
        if not run.is_finished or run.run_id in told:
            continue
        told.add(run.run_id)
        if run.status != dg.DagsterRunStatus.SUCCESS:
            told_why = causes_in_one_line(instance, run.run_id)
            raise PermanentError(
                f"run {run.run_id[:8]} of {job_title(run)} failed: {told_why} {_look(settings, run.run_id)}"
            )
        say(f"{job_title(run):<10} run {run.run_id[:8]} done in {_seconds(record):.1f} s")


def _at_work(instance: dg.DagsterInstance) -> str:
    """Which steps of which runs go on, and for how long."""
    now, lines = time.time(), []
    for record in _records(instance, statuses=UNFINISHED):
        run = record.dagster_run
        steps = [s for s in instance.get_run_step_stats(run.run_id) if s.start_time and not s.end_time]
        doing = [f"{s.step_key.replace('__', '/')} for {now - (s.start_time or now):.0f} s" for s in steps]
        lines.append(f"{job_title(run):<10} {', '.join(doing) or 'is starting'}")
    return "; ".join(lines) or "waiting    for the next run"


def _look(settings: Settings, run_id: str = "") -> str:
    return f"Look at {link(settings, run_id)}, and run `stock-assets doctor`."


def _seconds(record: dg.RunRecord) -> float:
    return (record.end_time or 0) - record.create_timestamp.timestamp()


def _outcome(instance: dg.DagsterInstance, records: Sequence[dg.RunRecord]) -> MainJob:
    seconds: dict[str, float] = {}
    checks: dict[dg.AssetCheckKey, Any] = {}
    for record in records:
        run_id = record.dagster_run.run_id
        steps = {stats.step_key: stats for stats in instance.get_run_step_stats(run_id)}
        for event in events_of(instance, run_id, dg.DagsterEventType.ASSET_MATERIALIZATION):
            asset = event.step_materialization_data.materialization.asset_key
            stats = steps.pop(asset.to_python_identifier(), None)  # once per run, however many sessions it reports
            spent = (stats.end_time or 0) - (stats.start_time or 0) if stats is not None else 0.0
            name = asset.to_user_string()
            seconds[name] = seconds.get(name, 0.0) + spent
        for event in events_of(instance, run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION):
            checks[event.asset_check_evaluation_data.asset_check_key] = event.asset_check_evaluation_data
    return MainJob(
        runs=[(record.dagster_run.job_name, _seconds(record)) for record in records],
        seconds=seconds,
        checks_passed=sum(check.passed for check in checks.values()),
        failed_checks=[
            f"{check.asset_key.to_user_string()} {check.check_name}: {check.description}"
            for check in checks.values()
            if not check.passed
        ],
    )
